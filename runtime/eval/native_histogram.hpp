// What PromQL makes of native histograms: numbers, and other histograms.
#pragma once

#include <functional>
#include <optional>

#include "runtime/base/native_histogram.hpp"
#include "runtime/eval/aggregate.hpp"
#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/ops.hpp"
#include "runtime/plan/shape.hpp"

namespace signalbox::eval {

// A signal, or a histogram; a signal that stands beside one says `no_data`.
struct Cell {
  Signal signal;
  HistogramPtr histogram;
};
Cell cell_of(HistogramPtr histogram);
Cell cell_at(const Column& column, std::size_t row);
// Puts a cell into a column that has that row already.
void put(Column& column, std::size_t row, Cell cell);

// Whether of the histograms of `all` up to place `last` and the numbers in the same range `fn` takes the
// numbers alone: in Prometheus 3, where it makes nothing of histograms, or looks at the last two samples and
// these are numbers.
bool takes_numbers_alone(RangeFn fn, const store::Histograms& all, std::size_t last,
                         const store::SamplesView& numbers, Semantics semantics);
// Of a range: the histograms of `all` at places [first, last), and the numbers that lie in it.
Cell over_range(RangeFn fn, const store::Histograms& all, std::size_t first, std::size_t last,
                const store::SamplesView& numbers, Instant end, Duration length, Semantics semantics);

// One row of a shape some of whose inputs are histograms. Those are added, subtracted and negated,
// multiplied and divided by numbers, chosen, and in Prometheus 3 the same or not; whatever else is done with
// one has no data.
Cell run_shape(const plan::Shape& shape, const double* params, const std::vector<Cell>& inputs,
               Semantics semantics);

// Quantiles of what was observed, by interpolation within a bucket: on a line in Prometheus 2, and as powers
// in 3 (on a line in the zero bucket).
double histogram_quantile(double q, const NativeHistogram& h, Semantics semantics);
// The share of observations between two values.
double histogram_fraction(double lower, double upper, const NativeHistogram& h, Semantics semantics);
// The variance, where all of a bucket lies at the geometric mean of its bounds, and of the zero bucket at 0.
double histogram_variance(const NativeHistogram& h);

// histogram_count(…) and the like of the rows that are histograms; numbers are left out. `args` are the
// scalars before them.
Column of_histograms(plan::HistogramFn fn, const std::vector<const Column*>& args, const Column& input,
                     Semantics semantics);
// To what is said of classic histograms in `out`, what `value_of` says of the native ones among the same
// rows; with the evidence of what is asked. Of a histogram that is told both ways nothing is said.
void add_native(const Column& input, const Grouping& grouping, Evidence asked,
                const std::function<double(const NativeHistogram&)>& value_of, Column& out);
// sum and avg of groups that have histograms in them: with numbers beside them a group has no data.
void aggregate_histograms(plan::Aggregate fn, const Column& input, const Grouping& grouping,
                          Semantics semantics, Column& out);

}  // namespace signalbox::eval
