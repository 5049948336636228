#include "compiler/analysis/conditions.hpp"

#include <functional>
#include <set>

namespace signalbox::analysis {

using plan::Index;
using plan::NodeKind;
using plan::ShapeOp;

namespace {

ShapeOp opposite(ShapeOp op) {
  switch (op) {
    case ShapeOp::gt:
      return ShapeOp::le;
    case ShapeOp::ge:
      return ShapeOp::lt;
    case ShapeOp::lt:
      return ShapeOp::ge;
    case ShapeOp::le:
      return ShapeOp::gt;
    case ShapeOp::eq:
      return ShapeOp::ne;
    case ShapeOp::ne:
      return ShapeOp::eq;
    default:
      return op;
  }
}

// The node's input that an operand of its last operation is, or nothing when it is computed inside the shape.
std::optional<Index> input_of(const plan::Node& node, const plan::Shape& shape, std::uint32_t operand) {
  const plan::ShapeInstr& instr = shape.code[operand];
  if (instr.op != ShapeOp::input) return std::nullopt;
  return node.inputs[instr.index];
}

}  // namespace

Facts::Facts(const plan::Plan& of) : plan(of) {
  for (const plan::BurnReading& reading : plan.readings) burns.emplace(reading.condition, &reading);
  if (plan.sources.empty()) scrape = plan.tick;
  for (const plan::Source& source : plan.sources) {
    scrape = std::max(scrape, source.every);
    settle = std::max(settle, source.settle);
  }
}

Step step_of(const Facts& facts, Index index, bool negated) {
  const plan::Plan& plan = facts.plan;
  Step step;
  const plan::Node& node = plan.nodes[index];
  if (node.kind == NodeKind::hold) {
    step.kind = negated ? Step::Kind::through : Step::Kind::held;
    step.inputs = {{node.inputs[0], negated}};
    step.hold = &node.hold;
    return step;
  }
  if (node.kind == NodeKind::any || node.kind == NodeKind::all) {
    step.kind = Step::Kind::through;
    step.inputs = {{node.inputs[0], negated}};
    return step;
  }
  step.reading.node = index;
  if (node.kind != NodeKind::map) return step;
  const plan::Shape& shape = plan.shapes[node.index];
  const plan::ShapeInstr& last = shape.code.back();
  if (last.op == ShapeOp::negate) {
    if (const auto input = input_of(node, shape, last.a)) {
      step.kind = Step::Kind::through;
      step.inputs = {{*input, !negated}};
    }
    return step;
  }
  if (last.op == ShapeOp::both || last.op == ShapeOp::either) {
    const auto a = input_of(node, shape, last.a), b = input_of(node, shape, last.b);
    if (a && b) {
      step.kind = (last.op == ShapeOp::both) != negated ? Step::Kind::both : Step::Kind::either;
      step.inputs = {{*a, negated}, {*b, negated}};
    }
    return step;
  }
  step.reading.op = negated ? opposite(last.op) : last.op;
  if (const auto burn = facts.burns.find(index); burn != facts.burns.end()) {
    step.reading.burn = burn->second;
    step.reading.window = window_of(plan, burn->second->total);
  }
  return step;
}

std::vector<std::pair<Index, bool>> condition_order(const Facts& facts, Index root) {
  std::vector<std::pair<Index, bool>> order;
  if (root == plan::none) return order;
  // Inputs are earlier nodes: taken from the last one down, every reader of a node comes before it.
  std::set<std::pair<Index, bool>, std::greater<>> open = {{root, false}};
  while (!open.empty()) {
    const auto place = *open.begin();
    open.erase(open.begin());
    order.push_back(place);
    for (const auto& input : step_of(facts, place.first, place.second).inputs) open.insert(input);
  }
  std::reverse(order.begin(), order.end());
  return order;
}

std::vector<Reading> readings_of(const Facts& facts, Index root) {
  std::vector<Reading> out;
  for (const auto& [node, negated] : condition_order(facts, root)) {
    Step step = step_of(facts, node, negated);
    if (step.kind == Step::Kind::reading) out.push_back(std::move(step.reading));
  }
  return out;
}

std::vector<Index> windows_below(const plan::Plan& plan, Index root) {
  std::vector<Index> out;
  if (root == plan::none) return out;
  std::set<Index, std::greater<>> open = {root};
  while (!open.empty()) {
    const Index index = *open.begin();
    open.erase(open.begin());
    const plan::Node& node = plan.nodes[index];
    if (node.kind == NodeKind::leaf || node.kind == NodeKind::slices) out.push_back(index);
    open.insert(node.inputs.begin(), node.inputs.end());
  }
  return out;
}

plan::Window window_of(const plan::Plan& plan, Index root) {
  plan::Window slices;
  bool any_slices = false;
  plan::Window first;
  bool any = false;
  for (const Index i : windows_below(plan, root)) {
    const plan::Node& node = plan.nodes[i];
    if (node.kind == NodeKind::slices) {
      any_slices = true;
      slices.kind = plan::WindowKind::trailing;
      slices.length = Duration{static_cast<std::int64_t>(node.params[1])};
    } else if (!any) {
      any = true;
      first = plan.leaves[node.index].window;
    }
  }
  return any_slices ? slices : first;
}

std::optional<Duration> longest_trailing(const plan::Plan& plan, Index root) {
  std::optional<Duration> longest;
  for (const Index i : windows_below(plan, root)) {
    const plan::Node& node = plan.nodes[i];
    Duration length;
    if (node.kind == NodeKind::slices) {
      length = Duration{static_cast<std::int64_t>(node.params[1])};
    } else {
      const plan::Window& window = plan.leaves[node.index].window;
      if (window.kind != plan::WindowKind::trailing) continue;
      length = window.length + window.offset;
    }
    longest = longest ? std::max(*longest, length) : length;
  }
  return longest;
}

}  // namespace signalbox::analysis
