#include "compiler/lower/calls.hpp"

#include <array>
#include <map>
#include <numbers>

#include "compiler/promql/functions.hpp"
#include "runtime/base/math_table.hpp"

namespace signalbox::lower {

using plan::Index;
using plan::Node;
using plan::NodeKind;
using plan::ShapeOp;
using source::Span;

namespace {

const std::map<std::string_view, ShapeOp>& shape_functions() {
  static const std::map<std::string_view, ShapeOp> table = {{"abs", ShapeOp::abs},
#define FN(name, text, arity, condition) {text, ShapeOp::name},
                                                            SIGNALBOX_MATH_FUNCTIONS(FN)
#undef FN
  };
  return table;
}

const std::map<std::string_view, plan::HistogramFn>& histogram_functions() {
  using plan::HistogramFn;
  static const std::map<std::string_view, HistogramFn> table = {
      {"histogram_avg", HistogramFn::avg},           {"histogram_count", HistogramFn::count},
      {"histogram_fraction", HistogramFn::fraction}, {"histogram_stddev", HistogramFn::stddev},
      {"histogram_stdvar", HistogramFn::stdvar},     {"histogram_sum", HistogramFn::sum}};
  return table;
}

}  // namespace

Index Calls::add(Node n, Span span, Index like) {
  if (like != plan::none) {
    n.closed = g_.at(like).closed;
    n.rows = g_.at(like).rows;
  }
  return g_.node(std::move(n), span);
}

std::uint32_t Calls::operand(Index node, Parts& parts) const {
  if (g_.at(node).kind == NodeKind::constant) return parts.code.param(parts.params, g_.at(node).params[0]);
  parts.inputs.push_back(node);
  return parts.code.input();
}

Index Calls::finish(Parts parts, bool scalar, plan::Matching matching, Span span) {
  Node n;
  n.kind = NodeKind::map;
  n.index = g_.shape(parts.code.shape);
  n.params = std::move(parts.params);
  n.matching = std::move(matching);
  n.scalar = scalar;
  // Closed where all families are, and alike.
  const Node* first = nullptr;
  bool alike = !scalar;
  for (const Index i : parts.inputs) {
    const Node& in = g_.at(i);
    if (in.scalar) continue;
    if (first == nullptr) first = &in;
    alike = alike && in.closed && in.rows == first->rows;
  }
  if (first != nullptr && alike) {
    n.closed = true;
    n.rows = first->rows;
  }
  n.inputs = std::move(parts.inputs);
  return g_.node(std::move(n), span);
}

Index Calls::map(ShapeOp op, const std::vector<Index>& operands, bool scalar, Span span) {
  Parts parts;
  std::array<std::uint32_t, 3> at{};
  for (std::size_t i = 0; i < operands.size(); ++i) at[i] = operand(operands[i], parts);
  parts.code.op(op, at[0], at[1], at[2]);
  return finish(std::move(parts), scalar, {}, span);
}

Index Calls::call(std::string_view name, const std::vector<CallArg>& args, Span span) {
  const auto node = [&](std::size_t i) { return args[i].node(); };
  if (const auto fn = find_range_fn(name)) return range_function(*fn, args, span);
  const auto shape = shape_functions().find(name);
  if (shape != shape_functions().end())
    return map(shape->second, {args.empty() ? vector_of(time(span), span) : node(0)}, false, span);
  if (name == "absent_over_time")
    // Rows keep their names by this one: of several names, they would meet.
    return absent(over(RangeFn::last_over_time, args[0], {}, span), args[0], span);
  if (name == "absent") return absent(node(0), args[0], span);
  if (name == "clamp_min" || name == "clamp_max")
    return map(name == "clamp_min" ? ShapeOp::clamp_min : ShapeOp::clamp_max, {node(0), node(1)}, false,
               span);
  if (name == "round")
    return map(ShapeOp::round, {node(0), args.size() > 1 ? node(1) : g_.constant(1, span)}, false, span);
  if (name == "clamp") return clamp(node(0), node(1), node(2), span);
  if (name == "time") return time(span);
  if (name == "pi") return g_.constant(std::numbers::pi, span);
  if (name == "vector") return vector_of(node(0), span);
  if (name == "timestamp") return timestamp(args[0], span);
  if (name == "label_replace" || name == "label_join") return relabel(name, args, span);
  Node n;
  if (name == "histogram_quantile") {
    n.kind = NodeKind::quantile;
    n.inputs = {node(0), node(1)};
    return add(std::move(n), span);
  }
  if (name == "scalar" || name == "sort" || name == "sort_desc") {
    n.kind = name == "scalar" ? NodeKind::to_scalar : NodeKind::sort;
    n.scalar = name == "scalar";
    n.descending = name == "sort_desc";
    n.inputs = {node(0)};
    const Index like = n.scalar ? plan::none : n.inputs[0];
    return add(std::move(n), span, like);
  }
  // What is left is of native histograms.
  n.kind = NodeKind::histogram;
  n.index = static_cast<Index>(histogram_functions().at(name));
  for (std::size_t i = 0; i < args.size(); ++i) n.inputs.push_back(node(i));
  return add(std::move(n), span);
}

Index Calls::range_function(RangeFn fn, const std::vector<CallArg>& args, Span span) {
  std::vector<Index> parameters;
  const CallArg* range = nullptr;
  for (const CallArg& arg : args) {
    if (arg.subquery || (arg.leaf && arg.leaf->window.kind == plan::WindowKind::trailing))
      range = &arg;
    else
      parameters.push_back(arg.node());
  }
  return over(fn, *range, std::move(parameters), span);
}

Index Calls::over(RangeFn fn, const CallArg& range, std::vector<Index> parameters, Span span) {
  Node n;
  if (!range.subquery) {
    plan::Leaf leaf = *range.leaf;
    leaf.fn = plan::LeafFn::range;
    leaf.range_fn = fn;
    n.kind = NodeKind::leaf;
    n.index = g_.leaf(leaf);
    n.inputs = std::move(parameters);
    return add(std::move(n), span);
  }
  n.kind = NodeKind::subquery;
  n.subquery = *range.subquery;
  n.subquery.range_fn = fn;
  n.inputs = {range.node()};
  n.inputs.insert(n.inputs.end(), parameters.begin(), parameters.end());
  const Index like = n.inputs[0];
  return add(std::move(n), span, g_.at(like).scalar ? plan::none : like);
}

Index Calls::absent(Index of, const CallArg& arg, Span span) {
  Node n;
  n.kind = NodeKind::absent;
  n.inputs = {of};
  if (arg.leaf) n.labels = promql_text::absent_labels(arg.leaf->matchers);
  n.closed = true;
  for (std::size_t i = 0; i < n.labels.size(); i += 2) n.rows.push_back(n.labels[i]);
  return add(std::move(n), span);
}

Index Calls::time(Span span) {
  Node n;
  n.kind = NodeKind::time;
  n.scalar = true;
  return g_.node(std::move(n), span);
}

// A family of one row without labels.
Index Calls::vector_of(Index scalar, Span span) {
  Parts parts;
  operand(scalar, parts);
  Node n;
  n.kind = NodeKind::map;
  n.index = g_.shape(parts.code.shape);
  n.inputs = std::move(parts.inputs);
  n.params = std::move(parts.params);
  n.closed = true;
  return add(std::move(n), span);
}

// max(low, min(high, x)); nothing where low is above high.
Index Calls::clamp(Index x, Index low, Index high, Span span) {
  Parts parts;
  const std::uint32_t value = operand(x, parts), least = operand(low, parts), most = operand(high, parts);
  ShapeCode& code = parts.code;
  const std::uint32_t clamped = code.op(ShapeOp::clamp_min, code.op(ShapeOp::clamp_max, value, most), least);
  const std::uint32_t crossed = code.op(ShapeOp::is_lt, most, least);
  code.op(ShapeOp::keep, clamped, code.op(ShapeOp::is_eq, crossed, code.param(parts.params, 0)));
  return finish(std::move(parts), false, {}, span);
}

Index Calls::timestamp(const CallArg& arg, Span span) {
  if (!arg.leaf) return map(ShapeOp::where, {time(span), arg.node()}, false, span);
  plan::Leaf leaf = *arg.leaf;
  leaf.fn = plan::LeafFn::timestamp;
  return g_.leaf_node(leaf, span);
}

Index Calls::relabel(std::string_view name, const std::vector<CallArg>& args, Span span) {
  Node n;
  n.kind = NodeKind::relabel;
  n.inputs = {args[0].node()};
  n.relabel.to = args[1].text;
  n.relabel.with = args[2].text;
  if (name == "label_join") {
    n.relabel.kind = plan::Relabel::Kind::join;
    for (std::size_t i = 3; i < args.size(); ++i) n.relabel.from.push_back(args[i].text);
    return add(std::move(n), span);
  }
  n.relabel.from = {args[3].text};
  n.relabel.regex = args[4].text;
  return add(std::move(n), span);
}

}  // namespace signalbox::lower
