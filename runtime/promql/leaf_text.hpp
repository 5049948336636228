// Leaves of a plan as PromQL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace signalbox::promql {

// http_requests_total{code=~"5..",env="prod"}
std::string selector_text(const std::vector<Matcher>& matchers);
// rate(http_requests_total{code=~"5.."}[5m] offset 1h); nothing for what PromQL cannot say: raw increments,
// coverage, and windows that hang on an event.
std::optional<std::string> leaf_text(const plan::Leaf& leaf);
// A duration as every version of Prometheus reads it: 1h30m, 300ms.
std::string duration_text(Duration d);

}  // namespace signalbox::promql
