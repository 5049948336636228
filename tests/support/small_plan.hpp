// A store, a plan under construction and an evaluation of it, for tests that state one node's meaning.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/ops.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::test {

using plan::Evidence;
using plan::Index;
using plan::Node;
using plan::NodeKind;
using plan::ShapeOp;

inline Instant at_s(std::int64_t s) {
  return {s * 1000};
}

// {"a=1","b=2"} as labels; "__name__" comes from `name` when there is one.
inline Labels labels_of(std::vector<std::string> pairs, const std::string& name = "") {
  std::vector<Labels::Pair> out;
  for (const std::string& pair : pairs)
    out.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
  if (!name.empty()) out.emplace_back(std::string(metric_name_label), name);
  return Labels(std::move(out));
}

inline std::string shown(const eval::Column& column, std::size_t row) {
  const auto evidence = static_cast<Evidence>(column.evidence[row]);
  return to_string((*column.rows)[row]) + " " +
         (evidence == Evidence::value ? shortest(column.number(row)) : std::string(evidence_name(evidence)));
}
// One "{labels} value" or "{labels} evidence" for each row.
inline std::vector<std::string> shown(const eval::Column& column) {
  std::vector<std::string> out;
  for (std::size_t row = 0; row < column.size(); ++row) out.push_back(shown(column, row));
  return out;
}
using Shown = std::vector<std::string>;

struct SmallPlan {
  plan::Plan plan;
  store::SeriesStore store{Limits{}};
  eval::StoreProvider leaves{store};
  eval::Anchors anchors;
  Semantics semantics = Semantics::prometheus2;
  std::shared_ptr<eval::EvalCache> cache = eval::make_eval_cache();

  SmallPlan() { plan.tick = seconds(10); }

  void put(const std::string& name, std::vector<std::string> pairs, std::int64_t second, double value) {
    const auto id = store.series(labels_of(std::move(pairs), name));
    (void)store.append(*id, at_s(second), value);
  }

  Index add(Node node) {
    plan.nodes.push_back(std::move(node));
    return static_cast<Index>(plan.nodes.size() - 1);
  }
  Index constant(double value) {
    Node node;
    node.params = {value};
    node.scalar = true;
    return add(std::move(node));
  }
  Index leaf(plan::Leaf of) {
    plan.leaves.push_back(std::move(of));
    Node node;
    node.kind = NodeKind::leaf;
    node.index = static_cast<Index>(plan.leaves.size() - 1);
    return add(std::move(node));
  }
  Index sample(const std::string& name) {
    plan::Leaf of;
    of.matchers = {{std::string(metric_name_label), MatchOp::equal, name}};
    return leaf(std::move(of));
  }
  Index raw(const std::string& name, plan::WindowKind kind, Duration length, Index target = plan::none) {
    plan::Leaf of;
    of.matchers = {{std::string(metric_name_label), MatchOp::equal, name}};
    of.fn = plan::LeafFn::raw_increase;
    of.window = {kind, length, {}, target, {}};
    return leaf(std::move(of));
  }
  // `op` over as many inputs as it has operands.
  Index map(ShapeOp op, std::vector<Index> inputs, plan::Matching matching = {}) {
    plan::Shape shape;
    shape.inputs = static_cast<std::uint32_t>(inputs.size());
    for (std::uint32_t i = 0; i < shape.inputs; ++i) shape.code.push_back({ShapeOp::input, i, 0, 0, 0});
    const auto used = [&](std::uint32_t operand) { return operand < shape.inputs ? operand : 0; };
    shape.code.push_back({op, 0, 0, used(1), used(2)});
    plan.shapes.push_back(shape);
    Node node;
    node.kind = NodeKind::map;
    node.index = static_cast<Index>(plan.shapes.size() - 1);
    node.condition = shape_op_is_condition(op);
    node.matching = std::move(matching);
    for (const Index input : inputs) node.scalar = node.scalar || plan.nodes[input].scalar;
    for (const Index input : inputs) node.scalar = node.scalar && plan.nodes[input].scalar;
    node.inputs = std::move(inputs);
    return add(std::move(node));
  }
  Index fold(NodeKind kind, Index input, std::vector<std::string> labels, bool without = false) {
    Node node;
    node.kind = kind;
    node.inputs = {input};
    node.labels = std::move(labels);
    node.without = without;
    return add(std::move(node));
  }
  // Without labels left, and said so.
  Index fold_to_one(NodeKind kind, Index input, std::vector<std::string> labels = {}) {
    const Index node = fold(kind, input, std::move(labels));
    plan.nodes[node].closed = true;
    return node;
  }
  Index hold(Index condition, plan::Hold of) {
    Node node;
    node.kind = NodeKind::hold;
    node.inputs = {condition};
    node.hold = of;
    return add(std::move(node));
  }
  Index slices(Index condition, Duration length, Duration window, bool known_only = false) {
    Node node;
    node.kind = NodeKind::slices;
    node.inputs = {condition};
    node.params = {static_cast<double>(length.ms), static_cast<double>(window.ms)};
    node.known_only = known_only;
    return add(std::move(node));
  }

  eval::Column column(Index node, std::int64_t second, eval::HoldTable* holds = nullptr) {
    eval::ShapeRunner shapes(plan, eval::Tier::interpreter, {}, {});
    eval::Evaluation evaluation(
        {&plan, &leaves, &shapes, semantics, at_s(second), anchors, "", holds, cache});
    return evaluation.column(node);
  }
  Shown at(std::int64_t second, Index node, eval::HoldTable* holds = nullptr) {
    return shown(column(node, second, holds));
  }
};

}  // namespace signalbox::test
