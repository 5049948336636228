// Quantiles and shares of classic histograms, with Prometheus' values to the bit.
#pragma once

#include <optional>
#include <vector>

#include "runtime/base/promql_terms.hpp"

namespace signalbox::eval {

struct Bucket {
  double upper_bound = 0;  // the label `le`
  double count = 0;        // cumulative: of all observations up to the bound
};

// Takes the buckets in any order; of equal bounds the counts are added. Nothing when there are no buckets;
// NaN without a +Inf bucket, with it alone, with no observations, and for a q of NaN; -Inf and +Inf for a q
// outside [0, 1]. A rank in the +Inf bucket answers with the bound below it.
std::optional<double> histogram_quantile(double q, std::vector<Bucket> buckets, Semantics semantics);

// The share of the observations between two values, in proportion within a bucket, as Prometheus 3.4 answers.
// Buckets as above; nothing without buckets, and NaN without a +Inf bucket, without observations, and for a
// value of NaN. The first bucket begins at 0 if its bound is above it, and else has no beginning: what lies
// in it counts as below any value in it.
std::optional<double> histogram_fraction(double lower, double upper, std::vector<Bucket> buckets);

}  // namespace signalbox::eval
