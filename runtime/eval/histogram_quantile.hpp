// The quantile of a classic histogram, with Prometheus' value to the bit.
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

}  // namespace signalbox::eval
