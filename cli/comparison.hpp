// What replays came to, as tables and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/loop/stories.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/score/score.hpp"

namespace signalbox::cli {

struct Truth {
  std::vector<score::Incident> incidents;
  Duration grace;
};

// A program that was replayed.
struct Side {
  std::string name;  // of its column: "as written", "[1]"
  const plan::Plan* plan = nullptr;
  const loop::Story* story = nullptr;
  score::Told told;
  std::optional<score::Score> score;  // with a truth, of a replay that got anywhere
};
Side make_side(std::string name, const plan::Plan& plan, const loop::Story& story,
               const std::optional<Truth>& truth);

std::string budget_text(const plan::Slo& slo, const decide::BudgetReading& b);
nlohmann::ordered_json budgets_json(const plan::Plan& plan, const loop::Story& story);
nlohmann::ordered_json events_json(const loop::Story& story);
nlohmann::ordered_json told_json(const score::Told& told);
nlohmann::ordered_json score_json(const score::Score& score, const Truth& truth);

// Pages, actions, budgets and, with a truth, how it was met: a column for each side.
std::string comparison_text(const std::vector<Side>& sides, const std::optional<Truth>& truth);
// Incident by incident; "" where there are more than a person reads.
std::string incidents_text(const std::vector<Side>& sides, const Truth& truth);
std::string interruption_text(const loop::Story& story);

}  // namespace signalbox::cli
