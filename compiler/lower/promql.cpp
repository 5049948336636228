#include "compiler/lower/promql.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "compiler/lower/calls.hpp"
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

class Lowering {
 public:
  Lowering(Graph& graph, const PromqlOptions& options) : g_(graph), calls_(graph), options_(options) {}

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
      case Kind::plus:
        return lower(*e.args[0]);
      case Kind::negate:
        return calls_.map(ShapeOp::neg, {lower(*e.args[0])}, e.sort == Sort::scalar, span(e));
      case Kind::binary:
        return binary(e);
      case Kind::aggregate:
        return aggregate(e);
      case Kind::call:
        return call(e);
      case Kind::matrix:
      case Kind::subquery:
        return calls_.call("last_over_time", {argument(e)}, span(e));
      case Kind::text:
        break;
    }
    return plan::none;  // only functions take one, as an argument
  }

 private:
  source::Span span(const Expr& e) const { return options_.place(e.begin, e.end); }

  // The offset and `@` of a selector or a subquery; the length is the caller's.
  plan::Window window(const Expr& e) const {
    plan::Window out;
    out.offset = e.offset;
    if (!e.at) return out;
    using Of = promql_text::At::Of;
    out.at = e.at->of == Of::instant ? e.at->instant
             : e.at->of == Of::start ? options_.range->first
                                     : options_.range->second;
    return out;
  }
  plan::Window trailing(const Expr& of, Duration length) const {
    plan::Window out = window(of);
    out.kind = plan::WindowKind::trailing;
    out.length = length;
    return out;
  }

  static plan::Matching matching_of(const Expr& e) {
    plan::Matching m;
    m.join = e.on ? Join::on : e.labels.empty() ? Join::intersect : Join::ignoring;
    m.labels = e.labels;
    m.group = e.group == Expr::Group::left    ? plan::Matching::Group::left
              : e.group == Expr::Group::right ? plan::Matching::Group::right
                                              : plan::Matching::Group::one_to_one;
    m.include = e.include;
    // By `bool` a name is dropped last of all.
    if (e.returns_bool) std::erase(m.include, metric_name_label);
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
      return g_.node(std::move(n), span(e));
    }
    const bool families = e.args[0]->sort == Sort::vector && e.args[1]->sort == Sort::vector;
    const bool filters = promql_text::is_comparison(e.op) && !e.returns_bool;
    Calls::Parts parts;
    const std::uint32_t a = calls_.operand(left, parts), b = calls_.operand(right, parts);
    const std::uint32_t result = parts.code.op(shape_of(e.op), a, b);
    // A filter answers the family's value, on whichever side it stands.
    if (filters) parts.code.op(ShapeOp::keep, e.args[0]->sort == Sort::vector ? a : b, result);
    plan::Matching matching;
    if (families) matching = matching_of(e);
    if (filters) matching.name = plan::Matching::Name::kept;
    if (e.op == BinaryOp::atan2) matching.name = plan::Matching::Name::kept_by_prometheus2;
    return calls_.finish(std::move(parts), e.sort == Sort::scalar, std::move(matching), span(e));
  }

  Index aggregate(const Expr& e) {
    Node n;
    n.kind = NodeKind::aggregate;
    n.aggregate = promql_text::find_aggregation(e.text)->op;
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
    if (!e.without && !plan::chooses_rows(n.aggregate) && n.aggregate != plan::Aggregate::count_values) {
      n.closed = true;
      n.rows = n.labels;
    }
    return g_.node(std::move(n), span(e));
  }

  Index call(const Expr& e) {
    std::vector<CallArg> args;
    for (const auto& arg : e.args) args.push_back(argument(*arg));
    return calls_.call(e.text, args, span(e));
  }

  CallArg argument(const Expr& e) {
    CallArg out;
    const Expr& inner = bare(e);
    switch (inner.kind) {
      case Kind::text:
        out.text = inner.text;
        break;
      case Kind::matrix:
        out.leaf.emplace();
        out.leaf->matchers = inner.args[0]->matchers;
        out.leaf->window = trailing(*inner.args[0], inner.range);
        break;
      case Kind::subquery:
        out.subquery = subquery(inner);
        out.node = [this, of = inner.args[0].get()] { return lower(*of); };
        break;
      case Kind::selector:
        out.leaf.emplace();
        out.leaf->matchers = inner.matchers;
        out.leaf->window = window(inner);
        [[fallthrough]];
      default:
        out.node = [this, of = &e] { return lower(*of); };
    }
    return out;
  }

  plan::Subquery subquery(const Expr& e) const {
    plan::Subquery out;
    out.window = trailing(e, e.range);
    out.step = e.step;
    return out;
  }

  Graph& g_;
  Calls calls_;
  const PromqlOptions& options_;
};

}  // namespace

plan::Index lower_promql(Graph& graph, const Expr& expr, const PromqlOptions& options) {
  return Lowering(graph, options).lower(expr);
}

}  // namespace signalbox::lower
