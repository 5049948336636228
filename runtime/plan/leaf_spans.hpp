// Which times each leaf of a plan looks at, where the plan is evaluated at instants in a span.
#pragma once

#include <optional>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace signalbox::plan {

struct Span {
  Instant from, to;  // both included
};
// By leaf; nothing for one that no node reads. `@` and offsets may lead outside of [from, to], on both sides.
std::vector<std::optional<Span>> leaf_spans(const Plan& plan, Instant from, Instant to);

}  // namespace signalbox::plan
