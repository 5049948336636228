// Rows of one column folded into fewer: aggregations, counts, Kleene quantifiers and quantiles of histograms.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {

struct Panel;
class PanelMemory;

// Which group each row belongs to. Depends on label sets alone.
struct Grouping {
  static constexpr std::uint32_t nowhere = 0xffffffff;
  Rows rows;                         // of the groups, in first-seen order
  std::vector<std::uint32_t> group;  // by input row; `nowhere`: the row is left out
  std::vector<double> bounds;        // quantile: the row's `le`
};
Grouping group_rows(const plan::Node& node, const std::vector<Labels>& rows);

// A group without a row that has a value (that is known, for conditions) has the worst evidence of its rows.
Column aggregate(plan::Aggregate fn, const Column& input, const Grouping& grouping, Semantics semantics);
// The same at every tick. A sum of one row may be that row; NaNs are the one that columns carry.
void aggregate(plan::Aggregate fn, const Panel& input, const Grouping& grouping, Semantics semantics,
               PanelMemory& memory, Panel& out);
Column count_true(const Column& condition, const Grouping& grouping);
// Kleene `or` (any) or `and` (all) of the rows of each group.
Column quantify(bool all, const Column& condition, const Grouping& grouping);
Column quantiles(const Column& q, const Column& buckets, const Grouping& grouping, Semantics semantics);
// histogram_fraction(lower, upper, input) of Prometheus 3, of classic histograms and native ones.
Column fractions(const Column& lower, const Column& upper, const Column& input);

}  // namespace signalbox::eval
