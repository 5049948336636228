#include "compiler/lower/promql.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numbers>

#include "compiler/promql/functions.hpp"
#include "runtime/base/labels.hpp"
#include "runtime/plan/check_plan.hpp"

namespace signalbox::lower {
namespace {

using plan::Index;
using plan::Join;
using plan::Node;
using plan::NodeKind;
using plan::ShapeOp;
using promql_text::BinaryOp;
using promql_text::Expr;
using promql_text::Fault;
using promql_text::Kind;
using promql_text::Sort;

// As Prometheus' own default: its global evaluation interval.
constexpr Duration default_subquery_step = minutes(1);

struct Refusal {
  Fault fault;
};

const std::map<std::string_view, ShapeOp>& shape_functions() {
  static const std::map<std::string_view, ShapeOp> table = {{"abs", ShapeOp::abs},
#define FN(name, text, arity, condition) {text, ShapeOp::name},
                                                            SIGNALBOX_MATH_FUNCTIONS(FN)
#undef FN
  };
  return table;
}

ShapeOp shape_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::add:
      return ShapeOp::add;
    case BinaryOp::sub:
      return ShapeOp::sub;
    case BinaryOp::mul:
      return ShapeOp::mul;
    case BinaryOp::div:
      return ShapeOp::div;
    case BinaryOp::mod:
      return ShapeOp::mod;
    case BinaryOp::pow:
      return ShapeOp::pow;
    case BinaryOp::atan2:
      return ShapeOp::atan2;
    case BinaryOp::eq:
      return ShapeOp::is_eq;
    case BinaryOp::ne:
      return ShapeOp::is_ne;
    case BinaryOp::lt:
      return ShapeOp::is_lt;
    case BinaryOp::le:
      return ShapeOp::is_le;
    case BinaryOp::gt:
      return ShapeOp::is_gt;
    default:
      return ShapeOp::is_ge;
  }
}

plan::Aggregate aggregate_of(std::string_view name) {
  using plan::Aggregate;
  static const std::map<std::string_view, Aggregate> table = {
      {"sum", Aggregate::sum},           {"avg", Aggregate::avg},
      {"min", Aggregate::min},           {"max", Aggregate::max},
      {"count", Aggregate::count},       {"group", Aggregate::group},
      {"stddev", Aggregate::stddev},     {"stdvar", Aggregate::stdvar},
      {"quantile", Aggregate::quantile}, {"topk", Aggregate::topk},
      {"bottomk", Aggregate::bottomk},   {"count_values", Aggregate::count_values}};
  return table.at(name);
}

const Expr& bare(const Expr& e) {
  const Expr* at = &e;
  while (at->kind == Kind::paren) at = at->args[0].get();
  return *at;
}

class Lowering {
 public:
  Lowering(Graph& graph, const PromqlOptions& options) : g_(graph), options_(options) {}

  Index lower(const Expr& e) {
    switch (e.kind) {
      case Kind::number:
        return g_.constant(e.number, span(e));
      case Kind::selector: {
        plan::Leaf leaf;
        leaf.matchers = e.matchers;
        leaf.window = window(e);
        return g_.leaf_node(leaf, span(e));
      }
      case Kind::paren:
        return lower(*e.args[0]);
      case Kind::negate:
        return map(e, ShapeOp::neg, {lower(*e.args[0])});
      case Kind::binary:
        return binary(e);
      case Kind::aggregate:
        return aggregate(e);
      case Kind::call:
        return call(e);
      case Kind::text:
      case Kind::matrix:
      case Kind::subquery:
        break;
    }
    refuse(e, e.kind == Kind::text ? "a text is not a value" : "a range is not a value",
           e.kind == Kind::text ? "" : "put it in a function over ranges, as rate(…)");
  }

 private:
  [[noreturn]] static void refuse(const Expr& e, std::string message, std::string hint = {}) {
    throw Refusal{{e.begin, e.end, std::move(message), std::move(hint)}};
  }
  source::Span span(const Expr& e) const { return options_.place(e.begin, e.end); }

  // The offset and `@` of a selector or a subquery; the length is the caller's.
  plan::Window window(const Expr& e) const {
    plan::Window out;
    out.offset = e.offset;
    if (e.offset > plan::longest_duration || e.offset * -1 > plan::longest_duration)
      refuse(e, "the offset is longer than a thousand years");
    if (!e.at) return out;
    using Of = promql_text::At::Of;
    if (e.at->of != Of::instant && !options_.range)
      refuse(e, "`start()` and `end()` are of a query over a range, and there is none", "write an instant");
    out.at = e.at->of == Of::instant ? e.at->instant
             : e.at->of == Of::start ? options_.range->first
                                     : options_.range->second;
    if (*out.at < plan::earliest_instant || *out.at > plan::latest_instant)
      refuse(e, "this instant is out of range");
    return out;
  }
  plan::Window trailing(const Expr& of, Duration length) const {
    plan::Window out = window(of);
    if (length > plan::longest_duration) refuse(of, "the range is longer than a thousand years");
    out.kind = plan::WindowKind::trailing;
    out.length = length;
    return out;
  }

  // One operation; numbers become parameters, so that rules which differ in them share a shape.
  Index map(const Expr& e, ShapeOp op, std::vector<Index> operands) {
    ShapeCode code;
    std::vector<Index> inputs;
    std::vector<double> params;
    std::array<std::uint32_t, 3> at{};
    for (std::size_t i = 0; i < operands.size(); ++i) at[i] = operand(operands[i], code, inputs, params);
    code.op(op, at[0], at[1], at[2]);
    return finish(e, code, std::move(inputs), std::move(params), {});
  }
  std::uint32_t operand(Index node, ShapeCode& code, std::vector<Index>& inputs,
                        std::vector<double>& params) {
    if (g_.at(node).kind == NodeKind::constant) return code.param(params, g_.at(node).params[0]);
    inputs.push_back(node);
    return code.input();
  }
  Index finish(const Expr& e, const ShapeCode& code, std::vector<Index> inputs, std::vector<double> params,
               plan::Matching matching) {
    Node n;
    n.kind = NodeKind::map;
    n.index = g_.shape(code.shape);
    n.params = std::move(params);
    n.matching = std::move(matching);
    n.scalar = e.sort == Sort::scalar;
    if (!n.scalar) rows_of_families(n, inputs);
    n.inputs = std::move(inputs);
    return g_.node(std::move(n), span(e));
  }
  // Closed where all families are, and alike.
  void rows_of_families(Node& n, const std::vector<Index>& inputs) const {
    const Node* first = nullptr;
    bool alike = true;
    for (const Index i : inputs) {
      const Node& in = g_.at(i);
      if (in.scalar) continue;
      if (first == nullptr) first = &in;
      alike = alike && in.closed && in.rows == first->rows;
    }
    if (first == nullptr || !alike) return;
    n.closed = true;
    n.rows = first->rows;
  }
  Index add(const Expr& e, Node n, Index like = plan::none) {
    if (like != plan::none) {
      n.closed = g_.at(like).closed;
      n.rows = g_.at(like).rows;
    }
    return g_.node(std::move(n), span(e));
  }

  static plan::Matching matching_of(const Expr& e) {
    plan::Matching m;
    m.join = e.on ? Join::on : e.labels.empty() ? Join::intersect : Join::ignoring;
    m.labels = e.labels;
    m.group = e.group == Expr::Group::left    ? plan::Matching::Group::left
              : e.group == Expr::Group::right ? plan::Matching::Group::right
                                              : plan::Matching::Group::one_to_one;
    m.include = e.include;
    return m;
  }

  Index binary(const Expr& e) {
    const Index left = lower(*e.args[0]), right = lower(*e.args[1]);
    if (promql_text::is_set_op(e.op)) {
      Node n;
      n.kind = NodeKind::set;
      n.set = e.op == BinaryOp::both     ? plan::SetOp::both
              : e.op == BinaryOp::either ? plan::SetOp::either
                                         : plan::SetOp::unless;
      n.matching = matching_of(e);
      n.inputs = {left, right};
      return add(e, std::move(n));
    }
    const bool families = e.args[0]->sort == Sort::vector && e.args[1]->sort == Sort::vector;
    const bool filters = promql_text::is_comparison(e.op) && !e.returns_bool;
    ShapeCode code;
    std::vector<Index> inputs;
    std::vector<double> params;
    const std::uint32_t a = operand(left, code, inputs, params), b = operand(right, code, inputs, params);
    const std::uint32_t result = code.op(shape_of(e.op), a, b);
    // A filter answers the family's value, on whichever side it stands.
    if (filters) code.op(ShapeOp::keep, e.args[0]->sort == Sort::vector ? a : b, result);
    plan::Matching matching;
    if (families) matching = matching_of(e);
    if (filters) matching.name = plan::Matching::Name::kept;
    if (e.op == BinaryOp::atan2) matching.name = plan::Matching::Name::kept_by_prometheus2;
    return finish(e, code, std::move(inputs), std::move(params), std::move(matching));
  }

  Index aggregate(const Expr& e) {
    Node n;
    n.kind = NodeKind::aggregate;
    n.aggregate = aggregate_of(e.text);
    n.inputs = {lower(*e.args.back())};
    n.without = e.without;
    n.labels = e.labels;
    std::sort(n.labels.begin(), n.labels.end());
    n.labels.erase(std::unique(n.labels.begin(), n.labels.end()), n.labels.end());
    if (n.aggregate == plan::Aggregate::count_values) {
      n.relabel.to = bare(*e.args[0]).text;
    } else if (plan::takes_parameter(n.aggregate)) {
      n.inputs.push_back(lower(*e.args[0]));
    }
    if (!e.without && !plan::chooses_rows(n.aggregate)) {
      n.closed = true;
      n.rows = n.labels;
    }
    return add(e, std::move(n));
  }

  // ---- functions over ranges
  Index range_function(const Expr& e, RangeFn fn) {
    std::vector<Index> parameters;
    const Expr* range = nullptr;
    for (const auto& arg : e.args) {
      if (arg->sort == Sort::matrix)
        range = &bare(*arg);
      else
        parameters.push_back(lower(*arg));
    }
    return over(e, fn, *range, std::move(parameters));
  }
  Index over(const Expr& e, RangeFn fn, const Expr& range, std::vector<Index> parameters) {
    Node n;
    if (range.kind == Kind::matrix) {
      const Expr& selector = *range.args[0];
      plan::Leaf leaf;
      leaf.matchers = selector.matchers;
      leaf.fn = plan::LeafFn::range;
      leaf.range_fn = fn;
      leaf.window = trailing(selector, range.range);
      n.kind = NodeKind::leaf;
      n.index = g_.leaf(leaf);
      n.inputs = std::move(parameters);
      return add(e, std::move(n));
    }
    n.kind = NodeKind::subquery;
    n.subquery.range_fn = fn;
    n.subquery.window = trailing(range, range.range);
    n.subquery.step = range.step.ms > 0 ? range.step : default_subquery_step;
    if (n.subquery.window.length.ms / n.subquery.step.ms > plan::most_subquery_steps)
      refuse(range, fmt::format("the subquery has more than {} steps", plan::most_subquery_steps),
             "make its step longer");
    n.inputs = {lower(*range.args[0])};
    n.inputs.insert(n.inputs.end(), parameters.begin(), parameters.end());
    const Index like = n.inputs[0];
    return add(e, std::move(n), g_.at(like).scalar ? plan::none : like);
  }

  Index absent(const Expr& e, Index of, const Expr& selector) {
    Node n;
    n.kind = NodeKind::absent;
    n.inputs = {of};
    if (selector.kind == Kind::selector) n.labels = absent_labels(selector.matchers);
    n.closed = true;
    for (std::size_t i = 0; i < n.labels.size(); i += 2) n.rows.push_back(n.labels[i]);
    return add(e, std::move(n));
  }

  Index call(const Expr& e) {
    const std::string& name = e.text;
    if (const auto fn = find_range_fn(name)) return range_function(e, *fn);
    const auto shape = shape_functions().find(name);
    if (shape != shape_functions().end())
      return map(e, shape->second, {e.args.empty() ? vector_of(e, time(e)) : lower(*e.args[0])});
    if (name == "absent_over_time") {
      const Expr& range = bare(*e.args[0]);
      return absent(e, over(e, RangeFn::present_over_time, range, {}), *range.args[0]);
    }
    if (name == "absent") return absent(e, lower(*e.args[0]), *e.args[0]);
    if (name == "clamp_min" || name == "clamp_max")
      return map(e, name == "clamp_min" ? ShapeOp::clamp_min : ShapeOp::clamp_max,
                 {lower(*e.args[0]), lower(*e.args[1])});
    if (name == "round")
      return map(e, ShapeOp::round,
                 {lower(*e.args[0]), e.args.size() > 1 ? lower(*e.args[1]) : g_.constant(1, span(e))});
    if (name == "clamp") return clamp(e);
    if (name == "time") return time(e);
    if (name == "pi") return g_.constant(std::numbers::pi, span(e));
    if (name == "vector") return vector_of(e, lower(*e.args[0]));
    if (name == "timestamp") return timestamp(e);
    if (name == "label_replace" || name == "label_join") return relabel(e);
    Node n;
    if (name == "histogram_quantile") {
      n.kind = NodeKind::quantile;
      n.inputs = {lower(*e.args[0]), lower(*e.args[1])};
      return add(e, std::move(n));
    }
    if (name == "scalar" || name == "sort" || name == "sort_desc") {
      n.kind = name == "scalar" ? NodeKind::to_scalar : NodeKind::sort;
      n.scalar = name == "scalar";
      n.descending = name == "sort_desc";
      n.inputs = {lower(*e.args[0])};
      return add(e, std::move(n), n.scalar ? plan::none : n.inputs[0]);
    }
    // What is left is of native histograms, and of samples that are plain numbers it finds nothing.
    return nothing_of(e, lower(*e.args.back()));
  }

  Index time(const Expr& e) {
    Node n;
    n.kind = NodeKind::time;
    n.scalar = true;
    return g_.node(std::move(n), span(e));
  }

  // A family of one row without labels.
  Index vector_of(const Expr& e, Index scalar) {
    ShapeCode code;
    std::vector<Index> inputs;
    std::vector<double> params;
    operand(scalar, code, inputs, params);
    Node n;
    n.kind = NodeKind::map;
    n.index = g_.shape(code.shape);
    n.inputs = std::move(inputs);
    n.params = std::move(params);
    n.closed = true;
    return add(e, std::move(n));
  }

  Index nothing_of(const Expr& e, Index family) {
    ShapeCode code;
    std::vector<Index> inputs;
    std::vector<double> params;
    const std::uint32_t in = operand(family, code, inputs, params);
    code.op(ShapeOp::keep, in, code.param(params, 0));
    return finish(e, code, std::move(inputs), std::move(params), {});
  }

  // max(low, min(high, x)); nothing where low is above high.
  Index clamp(const Expr& e) {
    ShapeCode code;
    std::vector<Index> inputs;
    std::vector<double> params;
    const std::uint32_t x = operand(lower(*e.args[0]), code, inputs, params);
    const std::uint32_t low = operand(lower(*e.args[1]), code, inputs, params);
    const std::uint32_t high = operand(lower(*e.args[2]), code, inputs, params);
    const std::uint32_t clamped = code.op(ShapeOp::clamp_min, code.op(ShapeOp::clamp_max, x, high), low);
    const std::uint32_t crossed = code.op(ShapeOp::is_lt, high, low);
    code.op(ShapeOp::keep, clamped, code.op(ShapeOp::is_eq, crossed, code.param(params, 0)));
    return finish(e, code, std::move(inputs), std::move(params), {});
  }

  Index timestamp(const Expr& e) {
    const Expr& of = bare(*e.args[0]);
    if (of.kind != Kind::selector) return map(e, ShapeOp::where, {time(e), lower(of)});
    plan::Leaf leaf;
    leaf.matchers = of.matchers;
    leaf.fn = plan::LeafFn::timestamp;
    leaf.window = window(of);
    return g_.leaf_node(leaf, span(e));
  }

  Index relabel(const Expr& e) {
    Node n;
    n.kind = NodeKind::relabel;
    n.inputs = {lower(*e.args[0])};
    n.relabel.to = bare(*e.args[1]).text;
    n.relabel.with = bare(*e.args[2]).text;
    if (e.text == "label_join") {
      n.relabel.kind = plan::Relabel::Kind::join;
      for (std::size_t i = 3; i < e.args.size(); ++i) n.relabel.from.push_back(bare(*e.args[i]).text);
      return add(e, std::move(n));
    }
    n.relabel.from = {bare(*e.args[3]).text};
    n.relabel.regex = bare(*e.args[4]).text;
    return add(e, std::move(n));
  }

  Graph& g_;
  const PromqlOptions& options_;
};

}  // namespace

std::variant<PromqlValue, Fault> lower_promql(Graph& graph, std::string_view text,
                                              const PromqlOptions& options) {
  promql_text::Parsed parsed = promql_text::parse(text, options.nesting);
  if (parsed.fault) return *std::move(parsed.fault);
  const Expr& top = bare(*parsed.expr);
  if (top.kind == Kind::text) return PromqlValue{plan::none, top.text};
  try {
    return PromqlValue{Lowering(graph, options).lower(*parsed.expr), {}};
  } catch (Refusal& refusal) {
    return std::move(refusal.fault);
  }
}

}  // namespace signalbox::lower
