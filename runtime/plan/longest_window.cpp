#include <algorithm>

#include "runtime/plan/check_plan.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::plan {
namespace {

Duration bounded(Duration d) {
  return std::clamp(d, Duration{}, longest_duration);
}

// How long after a target's deploy something may still ask what was before it.
Duration longest_since(const Plan& plan, Index target) {
  Duration longest;
  for (const Leaf& leaf : plan.leaves)
    if (leaf.window.kind == WindowKind::since && leaf.window.target == target)
      longest = std::max(longest, leaf.window.length);
  for (const Policy& policy : plan.policies)
    if (policy.anchor == target)
      longest = std::max(longest, policy.bound + policy.verify.after + policy.verify.within);
  return longest;
}

Duration longest_verify(const Plan& plan) {
  Duration longest;
  for (const Policy& policy : plan.policies)
    longest = std::max(longest, policy.verify.after + policy.verify.within);
  return longest;
}

Duration look_back(const Plan& plan, const Leaf& leaf) {
  const Window& window = leaf.window;
  switch (window.kind) {
    case WindowKind::instant:
      return plan.lookback + window.offset;
    case WindowKind::trailing:
      return window.length + window.offset;
    case WindowKind::since:
      return window.length;
    case WindowKind::before:
      return window.length + longest_since(plan, window.target);
    case WindowKind::since_done:
      return std::max(window.length, longest_verify(plan));
  }
  return {};
}

}  // namespace

Duration longest_window(const Plan& plan) {
  std::vector<Duration> of_leaf;
  Duration longest;
  for (const Leaf& leaf : plan.leaves) {
    of_leaf.push_back(bounded(look_back(plan, leaf)));
    longest = std::max(longest, of_leaf.back());
  }
  std::vector<Duration> of_node;
  for (const Node& node : plan.nodes) {
    Duration need = node.kind == NodeKind::leaf ? of_leaf[node.index] : Duration{};
    for (const Index input : node.inputs) need = std::max(need, of_node[input]);
    if (node.kind == NodeKind::subquery)
      need = need + node.subquery.window.length + node.subquery.window.offset;
    if (node.kind == NodeKind::slices) need = need + Duration{static_cast<std::int64_t>(node.params[1])};
    of_node.push_back(bounded(need));
    longest = std::max(longest, of_node.back());
  }
  for (const Slo& slo : plan.slos) longest = std::max(longest, slo.period);
  return longest;
}

Duration hold_span(const Plan& plan, Index node) {
  const Node& n = plan.nodes[node];
  Duration below;
  for (const Index input : n.inputs) below = std::max(below, hold_span(plan, input));
  if (n.kind != NodeKind::hold) return below;
  std::int64_t ticks = std::max(n.hold.count, n.hold.of);
  if (n.hold.kind == Hold::Kind::time) ticks = n.hold.time.ms / plan.tick.ms + 2;
  // Between two known ticks there may be as many unknown ones as do not reset it.
  return bounded(below + plan.tick * (ticks * (std::int64_t{n.hold.unknown_at_most} + 1)));
}

}  // namespace signalbox::plan
