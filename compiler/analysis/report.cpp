#include "compiler/analysis/report.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "compiler/analysis/detection.hpp"
#include "compiler/analysis/words.hpp"

namespace signalbox::analysis {

using plan::Index;

namespace {

std::string in_words(const std::optional<double>& seconds) {
  return seconds ? people_time(*seconds) : "never";
}

constexpr std::size_t columns = 8;
using Cells = std::array<std::string, columns>;

std::size_t width_of(const std::string& text) {
  std::size_t points = 0;
  for (const char c : text) points += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return points;
}

std::string aligned(const std::vector<Cells>& table) {
  std::array<std::size_t, columns> widths{};
  for (const Cells& cells : table)
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], width_of(cells[i]));
  std::string out;
  for (const Cells& cells : table) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i) {
      line += "  " + cells[i];
      if (i + 1 < columns) line.append(widths[i] - width_of(cells[i]), ' ');
    }
    out += line + "\n";
  }
  return out;
}

std::string slo_table(const plan::Slo& slo) {
  const auto budget = sub(Rational(1), slo.objective);
  std::string out = fmt::format("{}: {} over {}, a budget of {}", slo.name, percent(slo.objective),
                                to_string(slo.period), budget ? percent(*budget) : percent(budget_of(slo)));
  if (slo.slices) {
    out += fmt::format(" of slices of {}", to_string(slo.slice));
  } else if (slo.traffic > 0) {
    const double whole = slo.traffic * slo.period.seconds();
    out += fmt::format(", {} of {} events at {}/s", rounded(whole * budget_of(slo)), rounded(whole),
                       shortest(slo.traffic));
  }
  std::vector<Cells> table = {
      {"row", "factor", "windows", "error ratio", "full outage", "10 x budget", "clears in", "budget spent"}};
  for (const plan::BurnRow& row : slo.rows) {
    const RowTimes times = row_times(slo, row);
    table.push_back({severity_word(row.severity), shortest(row.factor),
                     fmt::format("{} & {}", to_string(row.long_window), to_string(row.short_window)),
                     "> " + shortest(row.theta), in_words(times.full_outage), in_words(times.ten_budgets),
                     in_words(times.clear), times.budget_spent ? percent(*times.budget_spent) : "-"});
  }
  out += "\n" + aligned(table);
  if (slo.ticket.empty() && has_tickets(slo))
    out += "  tickets go to the log: no receiver is named for them\n";
  return out;
}

std::string policy_text(const Facts& facts, Index index) {
  const plan::Policy& policy = facts.plan.policies[index];
  const PolicyTimes times = policy_times(facts, index);
  const bool anchored = policy.anchor != plan::none;
  std::string out = policy.name;
  if (policy.target != plan::none) out += " on " + facts.plan.targets[policy.target].name;
  out += "\n";
  if (times.threshold)
    out += fmt::format("  acts on      an error ratio above {} ({})\n", shortest(*times.threshold),
                       facts.plan.slos[times.slo].name);
  const std::string greatest = people_time(times.greatest.seconds());
  out += fmt::format("  decides in   {} when everything fails, {}\n", people_time(times.least.seconds()),
                     anchored ? fmt::format("and no later than {} after the deploy", greatest)
                              : fmt::format("up to {} just above the threshold", greatest));
  if (policy.verify.condition != plan::none)
    out += fmt::format("  verified by  {} after it is done, from {} on\n",
                       people_time(times.verified_by.seconds()), people_time(times.verified_from.seconds()));
  if (times.miss)
    out += fmt::format("  one look     at {} events: {} that a service at its budget does not pass",
                       rounded(times.verify_events), chance_words(*times.miss));
  if (times.miss && times.false_pass)
    out += fmt::format(", {} that one still at the threshold does", chance_words(*times.false_pass));
  if (times.miss) out += "\n";
  return out;
}

nlohmann::ordered_json or_null(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

std::string burn_table(const plan::Plan& plan) {
  const Facts facts(plan);
  std::string out;
  for (const plan::Slo& slo : plan.slos)
    if (!slo.rows.empty()) out += slo_table(slo) + "\n";
  for (Index i = 0; i < plan.policies.size(); ++i) out += policy_text(facts, i) + "\n";
  if (out.empty()) return out;
  std::string delay =
      fmt::format("a scrape ({}) and a tick ({})", to_string(facts.scrape), to_string(plan.tick));
  if (facts.settle.ms > 0) delay += fmt::format(" and settle ({})", to_string(facts.settle));
  return out + fmt::format(
                   "Rows: uniform traffic, from the first bad event; a decision comes up to {} later. \"10 x "
                   "budget\": ten times the\n"
                   "errors that the budget allows. \"clears in\": after a full outage ends. \"budget "
                   "spent\": when one is detected.\n",
                   delay);
}

nlohmann::ordered_json burn_table_json(const plan::Plan& plan) {
  const Facts facts(plan);
  nlohmann::ordered_json out = {{"scrape_interval_seconds", facts.scrape.seconds()},
                                {"tick_seconds", plan.tick.seconds()},
                                {"settle_seconds", facts.settle.seconds()},
                                {"slos", nlohmann::ordered_json::array()},
                                {"policies", nlohmann::ordered_json::array()}};
  for (const plan::Slo& slo : plan.slos) {
    nlohmann::ordered_json entry = {{"name", slo.name},
                                    {"objective", slo.objective.to_double()},
                                    {"budget", budget_of(slo)},
                                    {"period_seconds", slo.period.seconds()},
                                    {"rows", nlohmann::ordered_json::array()}};
    for (const plan::BurnRow& row : slo.rows) {
      const RowTimes times = row_times(slo, row);
      entry["rows"].push_back({{"severity", severity_word(row.severity)},
                               {"factor", row.factor},
                               {"long_seconds", row.long_window.seconds()},
                               {"short_seconds", row.short_window.seconds()},
                               {"error_ratio", row.theta},
                               {"detect_full_outage_seconds", or_null(times.full_outage)},
                               {"detect_ten_budgets_seconds", or_null(times.ten_budgets)},
                               {"clear_seconds", or_null(times.clear)},
                               {"budget_spent", or_null(times.budget_spent)}});
    }
    out["slos"].push_back(std::move(entry));
  }
  for (Index i = 0; i < plan.policies.size(); ++i) {
    const plan::Policy& policy = plan.policies[i];
    const PolicyTimes times = policy_times(facts, i);
    nlohmann::ordered_json entry = {{"name", policy.name}, {"error_ratio", or_null(times.threshold)}};
    entry["slo"] =
        times.threshold ? nlohmann::ordered_json(plan.slos[times.slo].name) : nlohmann::ordered_json(nullptr);
    entry["decision_least_seconds"] = times.least.seconds();
    entry["decision_greatest_seconds"] = times.greatest.seconds();
    const bool verified = policy.verify.condition != plan::none;
    entry["verified_by_seconds"] =
        or_null(verified ? std::optional(times.verified_by.seconds()) : std::nullopt);
    entry["verify_events"] = or_null(times.miss ? std::optional(times.verify_events) : std::nullopt);
    entry["chance_of_miss"] = or_null(times.miss);
    entry["chance_of_false_pass"] = or_null(times.false_pass);
    out["policies"].push_back(std::move(entry));
  }
  return out;
}

}  // namespace signalbox::analysis
