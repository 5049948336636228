#include <fmt/format.h>

#include <cmath>

#include "compiler/analysis/chance.hpp"
#include "compiler/analysis/checker.hpp"
#include "compiler/analysis/detection.hpp"
#include "compiler/analysis/words.hpp"

namespace signalbox::analysis {

using plan::Index;
using plan::WindowKind;
using source::Code;

namespace {

// Below this many expected events one event decides, whatever the service does.
double events_for(double theta) {
  return std::ceil(1 / theta * (1 - 1e-12));
}

class PolicyCheck {
 public:
  PolicyCheck(Checker& checker, Index index)
      : c_(checker),
        plan_(checker.plan),
        index_(index),
        policy_(plan_.policies[index]),
        spans_(checker.places.policies[index]) {}

  void check() {
    if (policy_.when == plan::none) return;
    const bool can_act = reachable();
    if (can_act) in_time();
    cooldown();
    events();
    verify();
    before();
    own_effects();
  }

 private:
  // Comparisons that no error ratio satisfies.
  bool reachable() {
    bool can = true;
    for (const Reading& r : readings_of(c_.facts, policy_.when)) {
      if (c_.refused.count(r.node) != 0) can = false;
      if (r.burn == nullptr || !r.above()) continue;
      if (r.op == plan::ShapeOp::gt ? r.burn->theta < 1 : r.burn->theta <= 1) continue;
      can = false;
      c_.diagnostics.report(
          Code::row_cannot_fire, c_.span_of(r.node),
          fmt::format(
              "this is never true: a burn of {} asks for an error ratio above {}, and none is above 1",
              shortest(r.burn->factor), shortest(r.burn->theta)),
          fmt::format("a burn of `{}` can be at most {}", plan_.slos[r.burn->slo].name,
                      rounded(1 / r.burn->budget)));
    }
    return can;
  }

  void in_time() {
    if (policy_.anchor == plan::none) return;
    const PolicyTimes times = policy_times(c_.facts, index_);
    if (times.least <= policy_.bound + c_.facts.settle) return;
    c_.diagnostics.report(Code::row_cannot_fire, spans_.when,
                          fmt::format("`{}` cannot decide in time: even a full outage takes {} to be seen "
                                      "and held, and {} after the deploy its windows end",
                                      policy_.name, to_string(times.least), to_string(policy_.bound)),
                          fmt::format("since {}.deployed for {} or more, or a shorter hold",
                                      plan_.targets[policy_.anchor].name, to_string(times.least * 2)));
  }

  void cooldown() {
    const Duration clear = time_to_clear(c_.facts, policy_.when);
    const Duration needed = clear + policy_.verify.within;
    if (policy_.cooldown >= needed) return;
    const std::string judged =
        clear.ms > 0 ? fmt::format("`when` takes {} to clear and the verify {}, together {}",
                                   to_string(clear), to_string(policy_.verify.within), to_string(needed))
                     : fmt::format("the verify takes {}", to_string(needed));
    c_.diagnostics.report(Code::cooldown_too_short, spans_.cooldown,
                          fmt::format("the cooldown of {} ends before what was done can be judged: {}",
                                      to_string(policy_.cooldown), judged),
                          fmt::format("write: cooldown {}", to_string(needed)));
  }

  void events() {
    if (policy_.events.bad <= 0) few(policy_.when, policy_.events, spans_.events, false);
    few(policy_.verify.condition, policy_.verify.events, spans_.verify, true);
  }

  // Of a clause the most demanding comparison is reported: what suffices for it suffices for all.
  void few(Index condition, const plan::EventsRule& rule, source::Span clause, bool verify) {
    std::optional<Reading> worst;
    for (const Reading& r : readings_of(c_.facts, condition)) {
      if (r.burn == nullptr || plan_.slos[r.burn->slo].slices || r.burn->theta <= 0) continue;
      // A past with few events can only keep a policy from acting.
      const bool counts = verify ? r.window.kind == WindowKind::since_done && r.below()
                                 : r.window.kind == WindowKind::since && r.above();
      if (!counts || r.burn->theta * rule.at_least >= 1 - 1e-12) continue;
      if (!worst || r.burn->theta < worst->burn->theta) worst = r;
    }
    if (!worst) return;
    const double theta = worst->burn->theta;
    const std::string seen =
        rule.at_least > 0
            ? fmt::format("among {} events {} bad ones are expected at the threshold of {}",
                          shortest(rule.at_least), rounded(theta * rule.at_least), shortest(theta))
            : "no number of events is asked for";
    const std::string what =
        verify ? "a service that still fails may show none of them and pass" : "a single failure acts";
    const std::string enough = fmt::format("events at least {}", shortest(events_for(theta)));
    c_.diagnostics.report(
        Code::events_too_few, clause == source::Span{} ? c_.span_of(worst->node) : clause,
        fmt::format("{}: {}", seen, what),
        verify ? fmt::format("write: {}", enough)
               : fmt::format("write: {}, or add a number of bad ones: events at least {} and 5 bad", enough,
                             shortest(std::max(rule.at_least, 50.0))));
  }

  void verify() {
    const plan::Verify& v = policy_.verify;
    if (v.condition == plan::none) return;
    for (const Reading& r : readings_of(c_.facts, v.condition)) {
      const auto trailing = longest_trailing(plan_, r.node);
      if (!trailing || *trailing <= v.within) continue;
      c_.diagnostics.report(
          Code::verify_cannot_clear, c_.span_of(r.node),
          fmt::format(
              "a window of {} still holds what was before the action when the verify ends, {} after it",
              to_string(*trailing), to_string(v.within)),
          r.burn != nullptr
              ? fmt::format("look at what came after: {}.burn(since done)", plan_.slos[r.burn->slo].name)
              : fmt::format("a window of at most {}, or within {}", to_string(v.within),
                            to_string(*trailing * 2)));
      return;
    }
    const Duration least = least_verify(c_.facts, index_);
    if (least > v.within)
      c_.diagnostics.report(
          Code::verify_cannot_clear, spans_.verify,
          fmt::format("the first look that can pass is {} after `done`, and the verify ends {} after it",
                      to_string(least), to_string(v.within)),
          fmt::format("within {} or more", to_string(least * 2)));
  }

  // Whether a service that spends exactly its budget would look ill before the deploy.
  void before() {
    for (const Reading& r : readings_of(c_.facts, policy_.when)) {
      if (r.burn == nullptr || !r.below() || r.window.kind != WindowKind::before) continue;
      const plan::Slo& slo = plan_.slos[r.burn->slo];
      if (slo.traffic <= 0 || slo.slices || r.burn->theta >= 1) continue;
      const double n = std::floor(std::min(slo.traffic * r.window.length.seconds(), most_events));
      if (n < 1) continue;
      const double bound = r.burn->theta * n;
      const double first_bad = r.op == plan::ShapeOp::lt ? std::ceil(bound) : std::floor(bound) + 1;
      const double chance = chance_of_at_least(n, first_bad, r.burn->budget);
      if (chance <= 0.01) continue;
      c_.diagnostics.report(Code::before_by_chance, c_.span_of(r.node),
                            fmt::format("by chance alone {} of healthy deploys miss this: {} has {} events "
                                        "and {} bad ones at the budget's rate, and {} are too many",
                                        percent(chance), to_string(r.window.length), rounded(n),
                                        rounded(r.burn->budget * n), rounded(first_bad)),
                            "a longer window, or a higher threshold");
    }
  }

  // An action moves `deployed`: read as a number, our own effect looks like the next reason to act.
  void own_effects() {
    if (policy_.target == plan::none || plan_.targets[policy_.target].deployed == plan::none) return;
    const plan::Target& target = plan_.targets[policy_.target];
    std::set<std::string> own;
    for (const Index i : windows_below(plan_, target.deployed)) own.insert(metric_of(i));
    own.erase("");
    for (const Index i : windows_below(plan_, policy_.when)) {
      const std::string metric = metric_of(i);
      if (own.count(metric) == 0) continue;
      c_.diagnostics.report(
          Code::self_triggering, spans_.when,
          fmt::format("`when` reads {}, which `{}` itself moves: its own effect would look like a deploy",
                      metric,
                      policy_.action == plan::none ? policy_.name : target.actions[policy_.action].name),
          fmt::format(
              "use an anchored window, which knows our own effects: SLO.burn(since {}.deployed for 15m)",
              target.name));
      return;
    }
  }

  std::string metric_of(Index node) const {
    if (plan_.nodes[node].kind != plan::NodeKind::leaf) return {};
    for (const Matcher& m : plan_.leaves[plan_.nodes[node].index].matchers)
      if (m.label == "__name__" && m.op == MatchOp::equal) return m.value;
    return {};
  }

  Checker& c_;
  const plan::Plan& plan_;
  const Index index_;
  const plan::Policy& policy_;
  const source::PolicySpans& spans_;
};

}  // namespace

void check_policies(Checker& checker) {
  for (Index i = 0; i < checker.plan.policies.size(); ++i) PolicyCheck(checker, i).check();
}

}  // namespace signalbox::analysis
