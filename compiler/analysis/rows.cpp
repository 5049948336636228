#include <fmt/format.h>

#include <cmath>

#include "compiler/analysis/checker.hpp"
#include "compiler/analysis/detection.hpp"
#include "compiler/analysis/words.hpp"

namespace signalbox::analysis {

using source::Code;
using source::Span;

namespace {

class RowCheck {
 public:
  RowCheck(Checker& checker, plan::Index slo)
      : c_(checker), slo_(checker.plan.slos[slo]), spans_(checker.places.slos[slo]) {}

  void check(std::size_t index) {
    const plan::BurnRow& row = slo_.rows[index];
    row_ = spans_.rows[index];
    name_ = fmt::format("{} {}", severity_word(row.severity), shortest(row.factor));
    const double budget = budget_of(slo_);
    if (compare(row.exact_theta, Rational(1)) >= 0) {
      say(Code::row_cannot_fire,
          fmt::format(
              "`{}` can never fire: {} × (1 − {}) asks for an error ratio above {}, and none is above 1",
              name_, shortest(row.factor), percent(slo_.objective), shortest(row.theta)),
          fmt::format("a factor below {}, or a share below {} of the budget in {}, can be reached",
                      rounded(1 / budget),
                      percent(row.long_window.seconds() / (slo_.period.seconds() * budget)),
                      to_string(row.long_window)));
      return;
    }
    if (windows(row) && row.factor < 1)
      say(Code::factor_below_one,
          fmt::format(
              "`{}` fires at an error ratio of {}, at which {} of the budget is left when the period ends",
              name_, shortest(row.theta), percent(1 - row.factor)),
          fmt::format("a factor of 1 or more, which over {} is {} of the budget", to_string(row.long_window),
                      percent(row.long_window.seconds() / slo_.period.seconds())));
  }

 private:
  bool windows(const plan::BurnRow& row) {
    if (row.short_window >= row.long_window) {
      // What is suggested has to pass what is checked below.
      const Duration least = least_window();
      const bool swapped = row.short_window > row.long_window;
      const Duration shorter = std::max(swapped ? row.long_window : Duration{row.long_window.ms / 12}, least);
      const Duration longer = std::min(std::max(row.short_window, shorter * 2), slo_.period);
      say(Code::windows_out_of_order,
          fmt::format("the short window, {}, is not shorter than the long one, {}",
                      to_string(row.short_window), to_string(row.long_window)),
          fmt::format("write: {} & {}", to_string(longer), to_string(shorter)));
      return false;
    }
    if (row.long_window > slo_.period) {
      say(Code::window_exceeds_period,
          fmt::format("the long window, {}, is longer than the objective's period, {}",
                      to_string(row.long_window), to_string(slo_.period)),
          fmt::format("a window of at most {}", to_string(slo_.period)));
      return false;
    }
    const Duration least = least_window();
    if (row.short_window >= least) return true;
    const Duration enough = std::max(least, Duration{row.long_window.ms / 12});
    if (slo_.slices)
      say(Code::window_too_short,
          fmt::format("a window of {} may hold no whole slice of {}", to_string(row.short_window),
                      to_string(slo_.slice)),
          fmt::format("write: {} & {}", to_string(std::max(row.long_window, least * 2)), to_string(enough)));
    else
      say(Code::window_too_short,
          fmt::format("a window of {} holds fewer than two samples at a scrape every {}: it has no rate",
                      to_string(row.short_window), to_string(c_.facts.scrape)),
          fmt::format("at least {}; write: {} & {}", to_string(least),
                      to_string(std::max(row.long_window, least * 2)), to_string(enough)));
    return false;
  }

  Duration least_window() const { return slo_.slices ? slo_.slice : c_.two_scrapes(); }

  // A table of the library serves many: what is wrong with a row of it is wrong where this SLO takes it.
  void say(Code code, std::string message, std::string hint) {
    if (row_.file == spans_.name.file) {
      c_.diagnostics.report(code, row_, std::move(message), std::move(hint));
      return;
    }
    c_.diagnostics.report(code, spans_.burn, std::move(message), std::move(hint))
        .notes.push_back({row_, "the row of the table"});
  }

  Checker& c_;
  const plan::Slo& slo_;
  const source::SloSpans& spans_;
  Span row_;
  std::string name_;
};

void check_budget(Checker& c, plan::Index index) {
  const plan::Slo& slo = c.plan.slos[index];
  const source::SloSpans& spans = c.places.slos[index];
  const double budget = budget_of(slo);
  const double period = slo.period.seconds();
  const double whole = slo.slices ? period / slo.slice.seconds() : slo.traffic * period;
  if ((slo.slices || slo.traffic > 0) && whole * budget < 1 - 1e-9) {
    c.diagnostics.report(
        Code::budget_below_event, slo.slices || slo.traffic <= 0 ? spans.objective : spans.traffic,
        fmt::format("the budget of `{}` is {} of {} {} in {}: the first bad one overspends it", slo.name,
                    rounded(whole * budget), rounded(whole), slo.slices ? "slices" : "events",
                    to_string(slo.period)),
        fmt::format("an objective of at most {}, or a longer period, leaves room for one",
                    percent(1 - 1 / whole)));
    return;
  }
  if (period * budget <= c.plan.tick.seconds())
    c.diagnostics.report(
        Code::budget_within_tick, spans.objective,
        fmt::format("a full outage spends the {} budget of `{}` in {}, and nothing is decided more often "
                    "than every {}",
                    to_string(slo.period), slo.name, people_time(period * budget), to_string(c.plan.tick)),
        "a lower objective, or a shorter tick");
}

// That tickets without a receiver go to the log is a rule of the language. Where other tickets of the program
// have one, an SLO without was more likely forgotten than meant.
void check_receivers(Checker& c) {
  const auto named = std::find_if(c.plan.slos.begin(), c.plan.slos.end(),
                                  [](const plan::Slo& slo) { return !slo.ticket.empty(); });
  if (named == c.plan.slos.end()) return;
  for (plan::Index i = 0; i < c.plan.slos.size(); ++i) {
    const plan::Slo& slo = c.plan.slos[i];
    if (!slo.ticket.empty() || !has_tickets(slo)) continue;
    c.diagnostics.report(Code::ticket_to_log, c.places.slos[i].burn,
                         fmt::format("the tickets of `{}` go to the log, and those of `{}` to `{}`", slo.name,
                                     named->name, c.plan.receivers[named->ticket[0]].name),
                         fmt::format("add: ticket {}", c.plan.receivers[named->ticket[0]].name));
  }
}

}  // namespace

void check_rows(Checker& checker) {
  for (plan::Index i = 0; i < checker.plan.slos.size(); ++i) {
    RowCheck check(checker, i);
    for (std::size_t row = 0; row < checker.plan.slos[i].rows.size(); ++row) check.check(row);
    check_budget(checker, i);
  }
  check_receivers(checker);
}

}  // namespace signalbox::analysis
