// Whether a plan that came as bytes can be trusted by what executes it.
#pragma once

#include <optional>
#include <string>

#include "runtime/plan/plan.hpp"

namespace signalbox::plan {

// What is wrong, or nothing: indices out of their tables, inputs that are not earlier, operands and
// parameters that are not as many as the operation takes, conditions where numbers are read, times that
// arithmetic would overflow.
std::optional<std::string> find_fault(const Plan& plan);

// No duration of a plan is longer than this, forwards or back: sums of a few never overflow.
inline constexpr Duration longest_duration = days(365 * 1000);
// Evaluations that one window of slices may ask for.
inline constexpr double most_slices = 10'000'000;
// Instants of one subquery, for the same reason: Prometheus has its limit in samples.
inline constexpr std::int64_t most_subquery_steps = 10'000'000;
// What `@` may name, in milliseconds: sums with a few durations never overflow.
inline constexpr Instant earliest_instant{-(std::int64_t{1} << 60)}, latest_instant{std::int64_t{1} << 60};

}  // namespace signalbox::plan
