// signalbox replay FILE --data …: what a program, and variants of it, would have seen, decided and told over
// recorded history. Nothing is sent.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/comparison.hpp"
#include "cli/directory_replay.hpp"
#include "cli/history_replay.hpp"
#include "cli/output.hpp"
#include "cli/programs.hpp"
#include "cli/variants.hpp"

namespace signalbox::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* assumed =
    "actions are taken to be done at once and to change nothing; nothing was sent";

// A failed action, else a breach, else a refusal.
int worst_of(const std::vector<decide::Event>& events) {
  int worst = exit_ok;
  for (const decide::Event& e : events) {
    const int code = exit_code_of(std::string_view(e.kind));
    if (code == exit_action_failed || (code == exit_breach && worst != exit_action_failed) ||
        worst == exit_ok)
      worst = code;
  }
  return worst;
}

// The program as written first, then a program for each --what-if. Nothing after an error, which was said.
std::optional<std::vector<lower::Compiled>> compile_all(const ReplayOptions& options) {
  const ProgramTexts texts = read_programs({options.file});
  std::vector<lower::Compiled> out;
  out.push_back(compile_texts(texts, options.params));
  print_diagnostics(out[0]);
  if (!out[0].plan) return std::nullopt;
  bool good = true;
  for (const std::string& what_if : options.what_if) {
    lower::Compiled variant = compile_variant(texts, options.params, read_changes("--what-if", what_if));
    const std::string said = new_diagnostics(variant, out[0]);
    if (!said.empty()) tell("--what-if '{}':\n{}", what_if, said);
    good = good && variant.plan;
    out.push_back(std::move(variant));
  }
  if (!good) return std::nullopt;
  return out;
}

ordered_json side_json(const Side& side, const std::optional<Truth>& truth) {
  ordered_json out = {{"digest", plan::digest(*side.plan)}};
  out["interrupted"] = !side.story->whole();
  if (!side.story->whole())
    out["looked_at_to"] = side.story->begun && side.story->result.last >= side.story->from
                              ? ordered_json(to_rfc3339(side.story->result.last))
                              : ordered_json(nullptr);
  // Of one whose turn had not come nothing is known.
  out["told"] = side.story->begun ? told_json(side.told) : ordered_json(nullptr);
  if (side.score) out["score"] = score_json(*side.score, *truth);
  out["events"] = events_json(*side.story);
  out["slos"] = budgets_json(*side.plan, *side.story);
  return out;
}

std::string name_of(std::size_t side) {
  return side == 0 ? "as written" : fmt::format("[{}]", side);
}

}  // namespace

int run_replay(const ReplayOptions& options) {
  if (options.what_if.size() > Limits{}.what_if_variants) {
    say({ErrorCode::limit_exceeded, fmt::format("more than {} --what-if", Limits{}.what_if_variants),
         "signalbox tune tries many values"});
    return exit_program;
  }
  const auto programs = compile_all(options);
  if (!programs) return exit_program;
  std::vector<const plan::Plan*> plans;
  for (const lower::Compiled& program : *programs) plans.push_back(&*program.plan);
  const auto incidents = load_truth(options.truth);
  if (!incidents) {
    say(incidents.error());
    return exit_program;
  }
  std::optional<Truth> truth;
  if (*incidents) truth = Truth{**incidents, options.truth.grace_or_default()};

  store::SeriesStore store{Limits{}};
  const HistoryRequest request = request_of(options);
  int code = exit_ok;
  std::optional<ReplayData> data;
  std::vector<loop::Story> stories;
  if (plans.size() == 1 && !options.every_tick && streams(*plans[0], options.data, options.tier)) {
    auto replayed = replay_directory(*plans[0], request, code);
    if (!replayed) return code;
    data = replayed->data;
    stories.push_back(std::move(replayed->story));
  } else {
    data = load_replay_data(plans, request, store, code);
    if (!data) return code;
    stories = replay_stories(plans, store, *data, {options.tier, options.every_tick, "replay"});
  }
  std::vector<Side> sides;
  for (std::size_t i = 0; i < stories.size(); ++i) {
    for (const Error& notice : stories[i].notices)
      tell("signalbox: {}{}\n", i == 0 ? "" : name_of(i) + ": ", notice.message);
    sides.push_back(make_side(name_of(i), *plans[i], stories[i], truth));
  }
  const loop::Story& story = stories[0];
  const plan::Plan& plan = *plans[0];
  const bool whole =
      std::all_of(stories.begin(), stories.end(), [](const loop::Story& one) { return one.whole(); });
  code = !whole ? exit_interrupted : options.exit_code ? worst_of(story.events) : exit_ok;
  const Instant to = story.from + plan.tick * static_cast<std::int64_t>(story.ticks - 1);
  for (const std::string& never : story.unmatched) say_last("signalbox: " + never);
  say_last(fmt::format("replay {}  {}{} ticks of {}, {} samples",
                       whole              ? "100%"
                       : plans.size() > 1 ? "interrupted"
                                          : "interrupted " + interruption_text(story),
                       plans.size() > 1 ? fmt::format("{} programs, ", plans.size()) : "", story.ticks,
                       to_string(plan.tick), data->history.samples));

  if (options.json) {
    ordered_json out = {{"program", options.file},
                        {"digest", plan::digest(plan)},
                        {"semantics", static_cast<int>(plan.semantics.value_or(data->history.semantics))},
                        {"from", to_rfc3339(story.from)},
                        {"to", to_rfc3339(to)},
                        {"assumed", assumed}};
    if (plans.size() == 1) {
      const ordered_json side = side_json(sides[0], truth);
      for (const auto& [key, value] : side.items())
        if (key != "told" || truth) out[key] = value;
    } else {
      out.erase("digest");
      for (std::size_t i = 0; i < sides.size(); ++i) {
        ordered_json side = {
            {"what_if", i == 0 ? ordered_json(nullptr) : ordered_json(options.what_if[i - 1])}};
        side.update(side_json(sides[i], truth));
        out["variants"].push_back(std::move(side));
      }
    }
    fmt::print("{}\n", dump(out, 2));
    return code;
  }
  fmt::print(
      "{} to {}, a tick every {}. Nothing was sent: actions are taken to be done at once and to change "
      "nothing.\n",
      to_rfc3339(story.from), to_rfc3339(to), to_string(plan.tick));
  if (plans.size() == 1) {
    if (!whole)
      fmt::print("Interrupted {}: what follows is of the time up to there.\n", interruption_text(story));
    for (const decide::Event& e : story.events) fmt::print("{}\n", event_text(e));
    if (whole && story.events.empty()) fmt::print("Nothing happened.\n");
    for (std::size_t s = 0; s < story.budgets.size(); ++s)
      for (const decide::BudgetReading& b : story.budgets[s])
        fmt::print("{}\n", budget_text(plan.slos[s], b));
  } else {
    for (std::size_t i = 0; i < options.what_if.size(); ++i)
      fmt::print("[{}] {}\n", i + 1, options.what_if[i]);
  }
  if (plans.size() > 1 || truth) fmt::print("\n{}", comparison_text(sides, truth));
  if (truth)
    if (const std::string each = incidents_text(sides, *truth); !each.empty()) fmt::print("\n{}", each);
  return code;
}

}  // namespace signalbox::cli
