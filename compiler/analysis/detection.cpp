#include "compiler/analysis/detection.hpp"

#include <cmath>

#include "compiler/analysis/chance.hpp"
#include "runtime/plan/check_plan.hpp"

namespace signalbox::analysis {

using plan::Index;
using plan::WindowKind;

namespace {

std::int64_t slices_in(const plan::Slo& slo, Duration window) {
  return window.ms / std::max<std::int64_t>(slo.slice.ms, 1);
}

// ⌊θ · n⌋ of the exact θ: the double may stand on the other side of a whole number.
std::int64_t allowed_slices(const plan::BurnRow& row, std::int64_t n) {
  const auto allowed = mul(row.exact_theta, Rational(n));
  if (!allowed) return static_cast<std::int64_t>(std::floor(row.theta * static_cast<double>(n)));
  return static_cast<std::int64_t>(allowed->num() / allowed->den());
}

Number seconds_of(Duration d) {
  return Number(static_cast<long long>(d.ms)) / 1000;
}

Number exact_budget(const plan::Slo& slo) {
  return Number(1) - slo.objective;
}

std::optional<Number> exceeded_after(const plan::Slo& slo, const plan::BurnRow& row, Duration window,
                                     const Number& ratio) {
  if (!slo.slices) {
    if (!(row.exact_theta < ratio)) return std::nullopt;
    return row.exact_theta * seconds_of(window) / ratio;
  }
  const std::int64_t n = slices_in(slo, window);
  const Number needed = static_cast<long long>(allowed_slices(row, n) + 1);
  if (ratio * static_cast<long long>(n) < needed) return std::nullopt;
  return needed / ratio * seconds_of(slo.slice);
}

Duration up_to_tick(const plan::Plan& plan, double ms) {
  const auto tick = static_cast<double>(plan.tick.ms);
  const double limit = static_cast<double>(plan::longest_duration.ms);
  return Duration{static_cast<std::int64_t>(std::min(std::ceil(ms / tick) * tick, limit))};
}

Duration ticks_after_first(const plan::Plan& plan, const plan::Hold& hold) {
  if (hold.kind == plan::Hold::Kind::time) return up_to_tick(plan, static_cast<double>(hold.time.ms));
  return plan.tick * (std::max<std::int64_t>(hold.count, 1) - 1);
}

// Until an anchored window holds `events` of them: the first sample, then whole scrapes.
double arrival_since(const Facts& facts, double traffic, double events) {
  const auto scrape = static_cast<double>(facts.scrape.ms);
  const double scrapes = traffic > 0 ? std::ceil(events / traffic * 1000 / scrape) : 1;
  return scrape * (1 + std::max(scrapes, 1.0));
}

double full_outage_arrival(const Facts& facts, const plan::Policy& policy, const Reading& reading) {
  const auto scrape = static_cast<double>(facts.scrape.ms);
  if (reading.burn == nullptr) return scrape;
  if (!reading.above()) return 0;
  const plan::Slo& slo = facts.plan.slos[reading.burn->slo];
  if (reading.window.kind == WindowKind::trailing)
    return std::max(scrape, reading.burn->theta * static_cast<double>(reading.window.length.ms));
  return arrival_since(facts, slo.traffic, std::max(policy.events.at_least, policy.events.bad));
}

double slowest_arrival(const Facts& facts, const Reading& reading) {
  if (reading.burn != nullptr && !reading.above()) return 0;
  const auto trailing = longest_trailing(facts.plan, reading.node);
  return static_cast<double>(std::max(trailing.value_or(Duration{}), facts.scrape).ms);
}

template <class Arrival>
Duration decision_time(const Facts& facts, Index condition, Arrival arrival) {
  const auto settle = static_cast<double>(facts.settle.ms);
  return fold_condition<Duration>(
      facts, condition,
      [&](const Reading& reading) {
        const double ms = arrival(reading);
        return ms > 0 ? up_to_tick(facts.plan, ms + settle) : Duration{};
      },
      [](bool both, Duration a, Duration b) { return both ? std::max(a, b) : std::min(a, b); },
      [&](const plan::Hold& hold, Duration first) { return first + ticks_after_first(facts.plan, hold); });
}

using Threshold = std::optional<std::pair<double, Index>>;

Threshold acting_threshold(const Facts& facts, Index condition) {
  return fold_condition<Threshold>(
      facts, condition,
      [](const Reading& reading) -> Threshold {
        const bool acts =
            reading.burn != nullptr && reading.above() && reading.window.kind != WindowKind::before;
        if (!acts) return std::nullopt;
        return std::pair(reading.burn->theta, reading.burn->slo);
      },
      [](bool both, const Threshold& a, const Threshold& b) {
        return of_present(
            a, b, [both](const auto& x, const auto& y) { return both ? std::max(x, y) : std::min(x, y); });
      },
      [](const plan::Hold&, const Threshold& a) { return a; });
}

void judge_verify(const Facts& facts, const plan::Policy& policy, PolicyTimes& out) {
  const Reading* strictest = nullptr;
  const std::vector<Reading> readings = readings_of(facts, policy.verify.condition);
  for (const Reading& reading : readings) {
    if (reading.burn == nullptr || !reading.below() || reading.window.kind != WindowKind::since_done)
      continue;
    if (facts.plan.slos[reading.burn->slo].traffic <= 0 || facts.plan.slos[reading.burn->slo].slices)
      continue;
    if (strictest == nullptr || reading.burn->theta < strictest->burn->theta) strictest = &reading;
  }
  if (strictest == nullptr) return;
  const plan::Slo& slo = facts.plan.slos[strictest->burn->slo];
  const double seen = slo.traffic * (policy.verify.within - policy.verify.after).seconds();
  const double n = std::floor(std::min(std::max(policy.verify.events.at_least, seen), most_events));
  if (n < 1) return;
  out.verify_events = n;
  const double bound = strictest->burn->theta * n;
  const double most_bad = strictest->op == plan::ShapeOp::lt ? std::ceil(bound) - 1 : std::floor(bound);
  out.miss = chance_of_at_least(n, most_bad + 1, strictest->burn->budget);
  if (out.threshold && *out.threshold < 1) out.false_pass = chance_of_at_most(n, most_bad, *out.threshold);
}

}  // namespace

double budget_of(const plan::Slo& slo) {
  return exact_budget(slo).rounded();
}

bool has_tickets(const plan::Slo& slo) {
  return std::any_of(slo.rows.begin(), slo.rows.end(),
                     [](const plan::BurnRow& row) { return row.severity == plan::Severity::ticket; });
}

std::optional<Number> detected_after(const plan::Slo& slo, const plan::BurnRow& row, const Number& ratio) {
  const auto in_long = exceeded_after(slo, row, row.long_window, ratio);
  const auto in_short = exceeded_after(slo, row, row.short_window, ratio);
  if (!in_long || !in_short) return std::nullopt;
  return std::max(*in_long, *in_short);
}

std::optional<Number> cleared_after(const plan::Slo& slo, const plan::BurnRow& row, const Number& ratio) {
  if (!detected_after(slo, row, ratio)) return std::nullopt;
  if (!slo.slices) return seconds_of(row.short_window) * (Number(1) - row.exact_theta / ratio);
  // The good ones push the oldest out, of which the share e is bad.
  const std::int64_t n = slices_in(slo, row.short_window);
  const Number surplus = ratio * static_cast<long long>(n) - static_cast<long long>(allowed_slices(row, n));
  return Number(std::max(1.0, std::ceil((surplus / ratio).rounded()))) * seconds_of(slo.slice);
}

RowTimes row_times(const plan::Slo& slo, const plan::BurnRow& row) {
  const auto rounded = [](const std::optional<Number>& n) {
    return n ? std::optional(n->rounded()) : std::nullopt;
  };
  const Number budget = exact_budget(slo);
  const auto full_outage = detected_after(slo, row, 1);
  RowTimes out;
  out.full_outage = rounded(full_outage);
  out.ten_budgets = rounded(detected_after(slo, row, std::min(Number(1), budget * 10)));
  out.clear = rounded(cleared_after(slo, row, 1));
  if (full_outage) out.budget_spent = (*full_outage / (seconds_of(slo.period) * budget)).rounded();
  return out;
}

PolicyTimes policy_times(const Facts& facts, Index index) {
  const plan::Policy& policy = facts.plan.policies[index];
  PolicyTimes out;
  if (const Threshold threshold = acting_threshold(facts, policy.when)) {
    out.threshold = threshold->first;
    out.slo = threshold->second;
  }
  out.least = decision_time(facts, policy.when, [&](const Reading& reading) {
    return full_outage_arrival(facts, policy, reading);
  });
  if (policy.anchor != plan::none)
    out.greatest = policy.bound + facts.settle;
  else
    out.greatest = std::max(out.least, decision_time(facts, policy.when, [&](const Reading& reading) {
                              return slowest_arrival(facts, reading);
                            }));
  if (policy.verify.condition == plan::none) return out;
  out.verified_from = policy.verify.after;
  out.verified_by = policy.verify.within;
  judge_verify(facts, policy, out);
  return out;
}

Duration least_verify(const Facts& facts, Index index) {
  const plan::Policy& policy = facts.plan.policies[index];
  return policy.verify.after +
         decision_time(facts, policy.verify.condition, [&](const Reading& reading) -> double {
           if (reading.burn == nullptr || reading.window.kind != WindowKind::since_done) return 0;
           return arrival_since(facts, facts.plan.slos[reading.burn->slo].traffic,
                                policy.verify.events.at_least);
         });
}

Duration time_to_clear(const Facts& facts, Index condition) {
  using Time = std::optional<Duration>;
  const Time clear = fold_condition<Time>(
      facts, condition,
      [&](const Reading& reading) -> Time {
        if (reading.burn != nullptr && !reading.above()) return std::nullopt;
        return longest_trailing(facts.plan, reading.node);
      },
      [](bool both, const Time& a, const Time& b) {
        return of_present(a, b,
                          [both](Duration x, Duration y) { return both ? std::min(x, y) : std::max(x, y); });
      },
      [](const plan::Hold&, const Time& a) { return a; });
  return clear.value_or(Duration{});
}

}  // namespace signalbox::analysis
