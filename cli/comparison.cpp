#include "cli/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output.hpp"
#include "cli/table.hpp"

namespace signalbox::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t most_incidents_shown = 40;
const std::string nothing = "–";

ordered_json budget_json(const plan::Slo& slo, const decide::BudgetReading& b) {
  ordered_json out = {{"name", slo.name}, {"labels", labels_json(b.labels)}};
  // No data is no health: without evidence there is no number.
  const bool known = b.evidence == plan::Evidence::value;
  if (!known) out["evidence"] = plan::evidence_name(b.evidence);
  const auto number = [&](double value) { return known ? ordered_json(value) : ordered_json(nullptr); };
  out["spent"] = number(b.spent);
  out["seen"] = number(b.seen);
  out["allowance"] = number(b.allowance);
  out["remaining"] = number(b.remaining);
  out["provisional"] = b.provisional;
  auto burns = ordered_json::object();
  for (const auto& w : b.burns) {
    if (w.evidence == plan::Evidence::value)
      burns[to_string(w.window)] = w.burn;
    else
      burns[to_string(w.window)] = plan::evidence_name(w.evidence);
  }
  out["burn"] = burns;
  out["coverage"] = b.coverage;
  return out;
}

ordered_json seconds_json(const std::optional<Duration>& d) {
  return d ? ordered_json(d->seconds()) : ordered_json(nullptr);
}

// "83.2%", of the instance with the least.
std::string least_remaining(const Side& side, const std::string& slo) {
  const loop::Story& story = *side.story;
  for (std::size_t s = 0; s < story.budgets.size(); ++s) {
    if (side.plan->slos[s].name != slo) continue;
    const decide::BudgetReading* least = nullptr;
    for (const decide::BudgetReading& b : story.budgets[s])
      if (b.evidence == plan::Evidence::value && (least == nullptr || b.remaining < least->remaining))
        least = &b;
    if (least != nullptr)
      return fmt::format("{:.2f}%{}", 100 * least->remaining, least->provisional ? " ?" : "");
    if (!story.budgets[s].empty()) return std::string(plan::evidence_name(story.budgets[s][0].evidence));
  }
  return nothing;
}

std::string finding_text(const Side& side, std::size_t incident) {
  if (!side.score) return nothing;
  for (const score::Finding& f : side.score->findings)
    if (f.incident == incident)
      return f.outcome == score::Outcome::found ? fmt::format("{} ({})", seconds_text(f.delay), f.kind)
                                                : score::outcome_name(f.outcome);
  return nothing;
}

}  // namespace

Side make_side(std::string name, const plan::Plan& plan, const loop::Story& story,
               const std::optional<Truth>& truth) {
  Side out{std::move(name), &plan, &story, score::count_told(story.events), std::nullopt};
  if (truth && story.result.last >= story.from)
    out.score = score::score(story.events, truth->incidents, {story.from, story.result.last}, truth->grace);
  return out;
}

std::string budget_text(const plan::Slo& slo, const decide::BudgetReading& b) {
  std::string out = fmt::format("{}{}  ", slo.name, b.labels.empty() ? "" : to_string(b.labels));
  if (b.evidence != plan::Evidence::value)
    return out + fmt::format("no budget can be read: {}", plan::evidence_name(b.evidence));
  out += fmt::format("{:.2f}% of the budget remains ({:.6g} of {:.6g} {} spent, {:.1f}% of {} seen{})",
                     100 * b.remaining, b.spent, b.allowance, slo.slices ? "slices" : "events",
                     100 * b.coverage, to_string(slo.period), b.provisional ? ", provisional" : "");
  for (const auto& w : b.burns)
    out += w.evidence == plan::Evidence::value
               ? fmt::format("  burn({}) {:.4g}", to_string(w.window), w.burn)
               : fmt::format("  burn({}) {}", to_string(w.window), plan::evidence_name(w.evidence));
  return out;
}

ordered_json budgets_json(const plan::Plan& plan, const loop::Story& story) {
  auto out = ordered_json::array();
  for (std::size_t s = 0; s < story.budgets.size(); ++s)
    for (const decide::BudgetReading& b : story.budgets[s]) out.push_back(budget_json(plan.slos[s], b));
  return out;
}

ordered_json events_json(const loop::Story& story) {
  auto out = ordered_json::array();
  for (const decide::Event& e : story.events) out.push_back(event_json(e));
  return out;
}

ordered_json told_json(const score::Told& told) {
  return {
      {"pages", told.pages}, {"tickets", told.tickets}, {"actions", told.actions}, {"refused", told.refused}};
}

ordered_json score_json(const score::Score& score, const Truth& truth) {
  ordered_json out = {{"incidents", score.findings.size()},
                      {"found", score.found},
                      {"masked", score.masked},
                      {"missed", score.missed},
                      {"outside", score.outside},
                      {"alarms", score.alarms},
                      {"false_alarms", score.false_alarms}};
  auto in = ordered_json::object();
  for (const auto& [kind, count] : score.false_in) in[kind.empty() ? "nothing" : kind] = count;
  out["false_in"] = in;
  out["grace_seconds"] = truth.grace.seconds();
  out["delay_seconds"] = {{"median", seconds_json(score.median_delay)},
                          {"longest", seconds_json(score.longest_delay)}};
  out["mean_unfound_seconds"] = seconds_json(score.mean_unfound);
  auto findings = ordered_json::array();
  for (const score::Finding& f : score.findings) {
    const score::Incident& incident = truth.incidents[f.incident];
    ordered_json one = {{"kind", incident.kind},
                        {"labels", labels_json(incident.labels)},
                        {"from", to_rfc3339(incident.from)},
                        {"to", incident.to ? ordered_json(to_rfc3339(*incident.to)) : ordered_json(nullptr)},
                        {"outcome", score::outcome_name(f.outcome)}};
    if (f.outcome == score::Outcome::found) {
      one["delay_seconds"] = f.delay.seconds();
      one["by"] = {{"kind", f.kind}, {"declaration", f.by}};
    }
    one["unfound_seconds"] = f.unfound_for.seconds();
    findings.push_back(std::move(one));
  }
  out["findings"] = std::move(findings);
  return out;
}

std::string interruption_text(const loop::Story& story) {
  if (!story.begun) return "not begun";
  return story.result.last < story.from ? "before the first tick" : "at " + to_rfc3339(story.result.last);
}

std::string comparison_text(const std::vector<Side>& sides, const std::optional<Truth>& truth) {
  std::vector<TableRow> rows(1, {""});
  for (const Side& side : sides) rows[0].push_back(side.name);
  const auto add = [&](std::string label, const auto& cell) {
    TableRow row = {std::move(label)};
    for (const Side& side : sides) row.push_back(side.story->begun ? cell(side) : nothing);
    rows.push_back(std::move(row));
  };
  const auto any = [&](const auto& ask) { return std::any_of(sides.begin(), sides.end(), ask); };
  if (any([](const Side& s) { return !s.story->whole(); }))
    add("interrupted", [](const Side& s) { return s.story->whole() ? "" : interruption_text(*s.story); });
  add("pages", [](const Side& s) { return std::to_string(s.told.pages); });
  add("tickets", [](const Side& s) { return std::to_string(s.told.tickets); });
  if (any([](const Side& s) { return !s.plan->policies.empty(); })) {
    add("actions", [](const Side& s) { return std::to_string(s.told.actions); });
    add("refused", [](const Side& s) { return std::to_string(s.told.refused); });
  }
  if (truth) {
    const auto scored = [&](std::string label, const auto& cell) {
      add(std::move(label), [&](const Side& s) { return s.score ? cell(*s.score) : nothing; });
    };
    const auto duration = [](const std::optional<Duration>& d) { return d ? seconds_text(*d) : nothing; };
    using score::Score;
    scored("incidents", [](const Score& s) { return std::to_string(s.findings.size()); });
    scored("found", [](const Score& s) { return std::to_string(s.found); });
    if (any([](const Side& s) { return s.score && s.score->masked > 0; }))
      scored("masked", [](const Score& s) { return std::to_string(s.masked); });
    scored("missed", [](const Score& s) { return std::to_string(s.missed); });
    scored("delay, median", [&](const Score& s) { return duration(s.median_delay); });
    scored("delay, longest", [&](const Score& s) { return duration(s.longest_delay); });
    scored("unfound, mean", [&](const Score& s) { return duration(s.mean_unfound); });
    scored("false alarms", [](const Score& s) { return std::to_string(s.false_alarms); });
  }
  for (const plan::Slo& slo : sides[0].plan->slos)
    add(fmt::format("budget left, {}{}", slo.name, slo.per.empty() ? "" : ", the least"),
        [&](const Side& s) { return least_remaining(s, slo.name); });
  std::string out = table_text(rows);
  if (truth && sides[0].score && sides[0].score->outside > 0)
    out += fmt::format("{} labelled incidents begin outside of the replay and are not judged.\n",
                       sides[0].score->outside);
  return out;
}

std::string incidents_text(const std::vector<Side>& sides, const Truth& truth) {
  std::vector<std::size_t> judged;
  for (const Side& side : sides) {
    if (!side.score) continue;
    for (const score::Finding& f : side.score->findings) judged.push_back(f.incident);
  }
  std::sort(judged.begin(), judged.end());
  judged.erase(std::unique(judged.begin(), judged.end()), judged.end());
  if (judged.empty()) return "";
  if (judged.size() > most_incidents_shown)
    return fmt::format("Of {} incidents, each is in the answer of --json.\n", judged.size());
  std::vector<TableRow> rows(1, {"incident"});
  for (const Side& side : sides) rows[0].push_back(side.name);
  for (const std::size_t i : judged) {
    const score::Incident& incident = truth.incidents[i];
    TableRow row = {fmt::format(
        "{}  {}{}{}", to_rfc3339(Instant{incident.from.ms / 1000 * 1000}), incident.kind,
        incident.labels.empty() ? "" : to_string(incident.labels),
        incident.to ? fmt::format(", {}", seconds_text(*incident.to - incident.from)) : ", without end")};
    for (const Side& side : sides) row.push_back(finding_text(side, i));
    rows.push_back(std::move(row));
  }
  return table_text(rows);
}

}  // namespace signalbox::cli
