// When the rules of a plan are met, by arithmetic alone. Traffic is uniform, a fault starts at time zero and
// fails the share `e` of all events from then on. With window lengths L (long) and S (short), period W,
// budget b = 1 − objective and threshold θ = factor × b:
//
//   a window of length w exceeds θ after   θ ÷ e · w        (never when e <= θ)
//   a row is true after                    θ ÷ e · L        (L > S)
//   it is false again, after a long fault  S · (1 − θ ÷ e)  past the fault's end: the short window falls
//   first the budget is spent by then to         e · t ÷ (W · b)
//
// With 15% errors at 99.9% a factor of 14.4 over 1h & 5m is met after 5.76 min and left after 4.52 min. A
// window of n slices exceeds θ with c = ⌊θ · n⌋ + 1 bad slices, after c ÷ e slices when c <= e · n.
//
// These are times of the samples. What a row decides is later by up to a scrape interval, a tick, and
// `settle`.
#pragma once

#include <optional>

#include "compiler/analysis/conditions.hpp"
#include "compiler/analysis/number.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::analysis {

// 1 − objective, rounded once, so that it equals the θ of a row with factor 1.
double budget_of(const plan::Slo& slo);

bool has_tickets(const plan::Slo& slo);

// In seconds; nothing when never.
std::optional<Number> detected_after(const plan::Slo& slo, const plan::BurnRow& row, const Number& ratio);
std::optional<Number> cleared_after(const plan::Slo& slo, const plan::BurnRow& row, const Number& ratio);

struct RowTimes {
  std::optional<double> full_outage;   // detects e = 1
  std::optional<double> ten_budgets;   // detects e = 10 b, at most 1
  std::optional<double> clear;         // after a full outage
  std::optional<double> budget_spent;  // when a full outage is detected
};
RowTimes row_times(const plan::Slo& slo, const plan::BurnRow& row);

// What a policy needs and how long it takes. With E the scrape interval, τ the tick, and ⌈ ⌉ up to whole
// ticks:
//
//   threshold: of a burn compared by >, its θ; the greatest over `and`, the least over `or`. Burns before a
//   deploy and
//     other comparisons take no part.
//   least: a full outage. A reading is true at ⌈arrival + settle⌉, the last one over `and`, the first over
//   `or`, and a
//     hold adds the ticks after its first: (N − 1) τ for N ticks, the time for a time. Arrival is
//       since a deploy   2 E, since an increment takes two samples inside the window, and no sooner than the
//       events
//                        that the clause asks for at the declared traffic
//       trailing         θ · w, at least E
//       any other        E; of burns compared by < zero, as they are true before the fault
//   greatest, unanchored: an error ratio just above the threshold, where a trailing window must fill: arrival
//   is w. greatest, anchored: bound + settle; past the bound nothing is true.
struct PolicyTimes {
  std::optional<double> threshold;
  plan::Index slo = plan::none;         // whose error ratio that is
  Duration least, greatest;             // from the fault's start (anchored: the deploy's) to the decision
  Duration verified_from, verified_by;  // from `done` on; both zero when nothing is verified
  // At declared traffic, over n = max(events, traffic × (within − after)) events, of one look at the least
  // threshold in `verify`: the chance that a service failing at exactly its budget does not pass, and that
  // one still failing at `threshold` does. Binomial.
  std::optional<double> miss, false_pass;
  double verify_events = 0;  // that n
};
PolicyTimes policy_times(const Facts& facts, plan::Index policy);

// From `done` to the earliest tick in which the verify can be passed, by the same arithmetic: `after`, then
// two scrapes and the events asked for, then the hold.
Duration least_verify(const Facts& facts, plan::Index policy);

// How long a condition stays true after its cause is gone: the longest trailing window of each comparison,
// the least over `and`, the greatest over `or`. Levels, anchored windows and burns compared by < take no
// part; zero when nothing does.
Duration time_to_clear(const Facts& facts, plan::Index condition);

}  // namespace signalbox::analysis
