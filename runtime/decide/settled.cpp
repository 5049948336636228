// How long what is decided stays as it is while the measurements do.
#include <algorithm>
#include <limits>

#include "runtime/decide/decide.hpp"

namespace signalbox::decide {
namespace {

using plan::Index;

constexpr Instant always{std::numeric_limits<std::int64_t>::max()};
constexpr Instant never{std::numeric_limits<std::int64_t>::min()};

// Whether an instance that is not watched finds a place at the next tick, since another has left it.
bool has_room_for_unwatched(const State& state, const std::string& declaration, std::size_t instances,
                            std::uint32_t most) {
  return instances < most && state.unwatched.count(declaration) != 0;
}

// `counted`: how long an effect counts for the limit.
Instant settled_until(const plan::Policy& policy, const PolicyState& p, Duration counted, Instant at) {
  if (p.episode && (!is_outcome(p.episode->state) || policy.anchor == plan::none)) return never;
  if (p.unknown_ticks == 0) return always;
  if (p.unknown_ticks <= unknown_until_missing) return never;
  // An instance that is gone is forgotten once it need not wait any more and nothing of it counts.
  Instant until = p.cooldown_until.value_or(never);
  for (const Instant effect : p.effects) until = std::max(until, effect + counted + milliseconds(1));
  return at < until ? until : always;
}

}  // namespace

Instant settled_until(const plan::Plan& plan, const State& state, Index index, Instant at) {
  const plan::Slo& slo = plan.slos[index];
  Instant until = always;
  std::size_t instances = 0;
  for (auto one = state.slos.lower_bound({slo.name, Labels{}});
       one != state.slos.end() && one->first.first == slo.name; ++one, ++instances) {
    const SloState& s = one->second;
    const auto restless = [](const RowState& r) { return r.clipped || (r.active && !r.told); };
    if (std::any_of(s.rows.begin(), s.rows.end(), restless)) return never;
    if (!s.missing_since) continue;
    if (!s.missing_told) return never;
    // Then it is forgotten, or is not since its whole still has data: that would change.
    const Instant forgotten = *s.missing_since + slo.period;
    if (!slo.per.empty() && forgotten > at) until = std::min(until, forgotten);
  }
  return has_room_for_unwatched(state, slo.name, instances, slo.max_instances) ? never : until;
}

Instant policies_settled_until(const plan::Plan& plan, const State& state, Instant at) {
  Instant until = always;
  for (const plan::Leaf& leaf : plan.leaves) {
    if (leaf.window.kind != plan::WindowKind::since) continue;
    const auto target = state.targets.find(plan.targets[leaf.window.target].name);
    // The window grows, and the tick after its end finds it outside.
    if (target != state.targets.end() && target->second.deploy &&
        at <= *target->second.deploy + leaf.window.length + plan.tick)
      return never;
  }
  for (const auto& [name, target] : state.targets)
    for (const auto& [anchor, outcome] : target.episodes)
      until = std::min(until, outcome + spans_kept(plan) + milliseconds(1));
  for (const plan::Policy& policy : plan.policies) {
    std::size_t instances = 0;
    for (auto p = state.policies.lower_bound({policy.name, Labels{}});
         p != state.policies.end() && p->first.first == policy.name; ++p, ++instances)
      until = std::min(until, settled_until(policy, p->second, counted_for(plan, policy.target), at));
    if (has_room_for_unwatched(state, policy.name, instances, policy.max_instances)) return never;
  }
  return until;
}

}  // namespace signalbox::decide
