// What a program's rules mean in time and budget, for `check`. The formulas are in detection.hpp.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/plan/plan.hpp"

namespace signalbox::analysis {

// A table for each SLO with rows, a paragraph for each policy; "" for a plan with neither.
std::string burn_table(const plan::Plan& plan);
// {"scrape_interval_seconds", "tick_seconds", "settle_seconds", "slos": [{"name", "objective", "budget",
// "period_seconds", "rows": […]}], "policies": […]}; times in seconds, null for never.
nlohmann::ordered_json burn_table_json(const plan::Plan& plan);

}  // namespace signalbox::analysis
