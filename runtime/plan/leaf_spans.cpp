#include "runtime/plan/leaf_spans.hpp"

#include <algorithm>

namespace signalbox::plan {
namespace {

void add(std::optional<Span>& to, Span more) {
  to = to ? Span{std::min(to->from, more.from), std::max(to->to, more.to)} : more;
}

// The ends of windows that are asked for at instants in `asked`.
Span ends_of(const Window& window, Span asked) {
  const Span at = window.at ? Span{*window.at, *window.at} : asked;
  return {at.from - window.offset, at.to - window.offset};
}

Span looked_at(const Plan& plan, const Leaf& leaf, Span asked) {
  // A millisecond and the look-back more: whether a window's samples are the latest ones is asked too.
  const Duration more = plan.lookback + milliseconds(1);
  switch (leaf.window.kind) {
    case WindowKind::instant:
    case WindowKind::trailing: {
      const Span ends = ends_of(leaf.window, asked);
      return {ends.from - leaf.window.length - more, ends.to};
    }
    default:  // windows that deploys and actions move
      return {asked.from - longest_window(plan) - more, asked.to};
  }
}

}  // namespace

std::vector<std::optional<Span>> leaf_spans(const Plan& plan, Instant from, Instant to) {
  std::vector<std::optional<Span>> of_leaf(plan.leaves.size()), of_node(plan.nodes.size());
  std::vector<bool> is_input(plan.nodes.size(), false);
  for (const Node& node : plan.nodes)
    for (const Index input : node.inputs) is_input[input] = true;
  // A node's inputs are earlier ones.
  for (Index i = static_cast<Index>(plan.nodes.size()); i-- > 0;) {
    const Node& node = plan.nodes[i];
    if (!is_input[i]) add(of_node[i], {from, to});
    const Span asked = *of_node[i];
    Span inner = asked;
    if (node.kind == NodeKind::leaf) {
      add(of_leaf[node.index], looked_at(plan, plan.leaves[node.index], asked));
    } else if (node.kind == NodeKind::subquery) {
      inner = ends_of(node.subquery.window, asked);
      inner.from = inner.from - node.subquery.window.length;
    } else if (node.kind == NodeKind::slices) {
      inner.from = inner.from - Duration{static_cast<std::int64_t>(node.params[1])};
    } else if (node.kind == NodeKind::hold) {
      inner.from = inner.from - hold_span(plan, i);
    }
    // Parameters of a subquery are asked for where it is.
    for (std::size_t k = 0; k < node.inputs.size(); ++k)
      add(of_node[node.inputs[k]], node.kind == NodeKind::subquery && k > 0 ? asked : inner);
  }
  return of_leaf;
}

}  // namespace signalbox::plan
