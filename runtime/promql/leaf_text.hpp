// Leaves of a plan as PromQL.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace signalbox::promql {

// http_requests_total{code=~"5..",env="prod"}
std::string selector_text(const std::vector<Matcher>& matchers);
// A duration as every version of Prometheus reads it: 1h30m, 300ms.
std::string duration_text(Duration d);

}  // namespace signalbox::promql
