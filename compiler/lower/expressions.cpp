#include "compiler/lower/expressions.hpp"

#include <algorithm>
#include <cfloat>

#include "compiler/lower/calls.hpp"
#include "compiler/lower/promql.hpp"
#include "compiler/promql/functions.hpp"

namespace signalbox::lower {

using plan::Index;
using plan::Join;
using plan::LeafFn;
using plan::NodeKind;
using plan::ShapeOp;
using plan::Window;
using plan::WindowKind;
using sema::Sort;
using sema::Typed;
using sema::TypedOp;
using sema::TypedPtr;

namespace {

bool is_comparison(ShapeOp op) {
  return op >= ShapeOp::gt && op <= ShapeOp::ne;
}

ShapeOp mirrored(ShapeOp op) {
  switch (op) {
    case ShapeOp::gt:
      return ShapeOp::lt;
    case ShapeOp::ge:
      return ShapeOp::le;
    case ShapeOp::lt:
      return ShapeOp::gt;
    case ShapeOp::le:
      return ShapeOp::ge;
    default:
      return op;
  }
}

bool anchored(const Window& w) {
  return w.kind == WindowKind::since || w.kind == WindowKind::before || w.kind == WindowKind::since_done;
}

}  // namespace

plan::Node Expressions::typed_node(const TypedPtr& t, NodeKind kind) const {
  plan::Node n;
  n.kind = kind;
  n.condition = t->type.sort == Sort::condition;
  n.scalar = t->type.rows.scalar;
  n.closed = t->type.rows.closed;
  n.rows = t->type.rows.labels;
  return n;
}

// A selector, or the range of one.
plan::Leaf Expressions::leaf_of(const Typed& selector) {
  plan::Leaf leaf;
  leaf.matchers = selector.matchers;
  leaf.window.offset = selector.offset;
  if (selector.range) {
    leaf.window.kind = WindowKind::trailing;
    leaf.window.length = *selector.range;
  }
  return leaf;
}

plan::Subquery Expressions::subquery_of(const Typed& t) {
  plan::Subquery out;
  out.window.kind = WindowKind::trailing;
  out.window.length = *t.range;
  out.window.offset = t.offset;
  out.step = t.step;
  return out;
}

Index Expressions::range_function(const TypedPtr& t) {
  const Typed& range = *t->args[0];
  if (range.op == TypedOp::subquery) {
    plan::Node n = typed_node(t, NodeKind::subquery);
    n.subquery = subquery_of(range);
    n.subquery.range_fn = t->range_fn;
    n.inputs = {lower(range.args[0])};
    return g_.node(std::move(n), t->span);
  }
  plan::Leaf leaf = leaf_of(range);
  leaf.fn = LeafFn::range;
  leaf.range_fn = t->range_fn;
  plan::Node n = typed_node(t, NodeKind::leaf);
  n.index = g_.leaf(leaf);
  return g_.node(std::move(n), t->span);
}

Index Expressions::function(const TypedPtr& t) {
  std::vector<CallArg> args;
  for (const TypedPtr& part : t->args) {
    CallArg& arg = args.emplace_back();
    arg.text = part->text;
    if (part->op == TypedOp::selector) arg.leaf = leaf_of(*part);
    if (part->op == TypedOp::subquery) arg.subquery = subquery_of(*part);
    arg.node = [this, of = part->op == TypedOp::subquery ? part->args[0] : part] { return lower(of); };
  }
  return Calls(g_).call(t->text, args, t->span);
}

Index Expressions::promql(const TypedPtr& t) {
  PromqlOptions options;
  options.place = [&](std::size_t begin, std::size_t end) {
    return sema::place_in_text(t->span, t->text, begin, end);
  };
  return lower_promql(g_, *t->promql, options);
}

Index Expressions::lower(const TypedPtr& t) {
  if (const auto known = memo_.find(t.get()); known != memo_.end()) return known->second.second;
  Index out = plan::none;
  switch (t->op) {
    case TypedOp::constant:
      out = g_.constant(t->exact ? t->exact->to_double() : t->value, t->span);
      break;
    case TypedOp::text:
      break;
    case TypedOp::time:
      out = g_.node(typed_node(t, NodeKind::time), t->span);
      break;
    case TypedOp::subquery:  // only functions take one, as an argument
      break;
    case TypedOp::selector: {
      plan::Node n = typed_node(t, NodeKind::leaf);
      n.index = g_.leaf(leaf_of(*t));
      out = g_.node(std::move(n), t->span);
      break;
    }
    case TypedOp::range_fn:
      out = range_function(t);
      break;
    case TypedOp::function:
      out = function(t);
      break;
    case TypedOp::promql:
      out = promql(t);
      break;
    case TypedOp::shape:
      out = shape_of(t);
      break;
    case TypedOp::slo_value:
      out = slo_value(t);
      break;
    default: {
      static const std::map<TypedOp, NodeKind> kinds = {{TypedOp::aggregate, NodeKind::aggregate},
                                                        {TypedOp::count_true, NodeKind::count_true},
                                                        {TypedOp::any, NodeKind::any},
                                                        {TypedOp::all, NodeKind::all},
                                                        {TypedOp::quantile, NodeKind::quantile},
                                                        {TypedOp::absent, NodeKind::absent},
                                                        {TypedOp::hold, NodeKind::hold}};
      plan::Node n = typed_node(t, kinds.at(t->op));
      for (const TypedPtr& a : t->args) n.inputs.push_back(lower(a));
      n.aggregate = t->aggregate;
      n.without = t->without;
      n.labels = t->labels;
      n.relabel.to = t->op == TypedOp::aggregate ? t->text : "";
      if (t->op == TypedOp::absent && t->args[0]->op == TypedOp::selector)
        n.labels = promql_text::absent_labels(t->args[0]->matchers);
      n.hold = t->hold;
      out = g_.node(std::move(n), t->span);
    }
  }
  memo_[t.get()] = {t, out};
  return out;
}

// One instruction and, where the rows stay the same, what it is made of: constants become parameters,
// conditions and whatever has rows of its own become inputs.
std::uint32_t Expressions::emit(const TypedPtr& t, bool root, ShapeCode& code, std::vector<Index>& inputs,
                                std::vector<double>& params, Seen& seen) {
  // What a `let` names is shared, and worked out once.
  if (const auto known = seen.parts.find(t.get()); known != seen.parts.end() && !root) return known->second;
  const std::uint32_t at = emit_part(t, root, code, inputs, params, seen);
  seen.parts[t.get()] = at;
  return at;
}

std::uint32_t Expressions::emit_part(const TypedPtr& t, bool root, ShapeCode& code,
                                     std::vector<Index>& inputs, std::vector<double>& params, Seen& seen) {
  if (t->constant()) return code.param(params, t->exact ? t->exact->to_double() : t->value);
  const bool fuses = t->op == TypedOp::shape &&
                     (root || (t->matching.join == Join::only && t->type.sort != Sort::condition));
  if (!fuses) {
    const Index node = lower(t);
    const auto known = seen.inputs.find(node);
    if (known != seen.inputs.end()) return known->second;
    inputs.push_back(node);
    const std::uint32_t at = code.input();
    seen.inputs[node] = at;
    return at;
  }
  std::uint32_t operands[3] = {0, 0, 0};
  for (std::size_t i = 0; i < t->args.size(); ++i) {
    operands[i] = emit(t->args[i], false, code, inputs, params, seen);
    if (is_comparison(t->shape_op) && t->args[i]->op == TypedOp::slo_value &&
        t->args[i]->member == sema::SloMember::exhaustion)
      operands[i] = code.op(ShapeOp::finite, operands[i]);
  }
  return code.op(t->shape_op, operands[0], operands[1], operands[2]);
}

Index Expressions::shape_of(const TypedPtr& t) {
  if (is_comparison(t->shape_op)) {
    const Index burn = burn_comparison(t);
    if (burn != plan::none) return burn;
  }
  ShapeCode code;
  std::vector<Index> inputs;
  std::vector<double> params;
  Seen seen;
  emit(t, true, code, inputs, params, seen);
  plan::Node n = typed_node(t, NodeKind::map);
  n.index = g_.shape(code.shape);
  n.inputs = std::move(inputs);
  n.params = std::move(params);
  n.matching = t->matching;
  return g_.node(std::move(n), t->span);
}

// burn(w) > k is bad(w)/total(w) > θ with θ = k × (1 − objective), exact and rounded once.
Index Expressions::burn_comparison(const TypedPtr& t) {
  const bool left = t->args[0]->op == TypedOp::slo_value && t->args[0]->member == sema::SloMember::burn;
  const bool right = t->args[1]->op == TypedOp::slo_value && t->args[1]->member == sema::SloMember::burn;
  if (left == right) return plan::none;
  const TypedPtr& burn = t->args[left ? 0 : 1];
  const TypedPtr& bound = t->args[left ? 1 : 0];
  if (!bound->constant()) return plan::none;
  const SloCounts& slo = (*slos_)[burn->slo];
  const ShapeOp op = left ? t->shape_op : mirrored(t->shape_op);
  const bool gate_bad = burn->window.kind == WindowKind::since && (op == ShapeOp::gt || op == ShapeOp::ge);
  std::optional<Rational> exact;
  if (bound->exact) exact = mul(*bound->exact, slo.budget);
  const double theta = exact ? exact->to_double() : bound->value * slo.budget.to_double();
  const Index ratio_node = ratio(slo, burn->window, false, gate_bad);
  ShapeCode code;
  std::vector<double> params;
  const auto in = code.input();
  code.op(op, in, code.param(params, theta));
  const Index condition = g_.map(code.shape, {ratio_node}, params, {}, ratio_node, t->span);
  const Counts c = counts(slo, burn->window, false);
  plan::BurnReading reading{condition,    burn->slo, ratio_node, c.bad, c.total, slo.budget.to_double(),
                            bound->value, theta};
  auto& readings = g_.plan().readings;
  const bool known =
      std::any_of(readings.begin(), readings.end(), [&](const auto& r) { return r.condition == condition; });
  if (!known) readings.push_back(reading);
  return condition;
}

Index Expressions::count(const TypedPtr& t, const SloCounts& slo, const Window& window, LeafFn fn,
                         bool fill) {
  std::map<const Typed*, Index> known;
  return count_part(t, slo, window, fn, fill, known);
}

Index Expressions::count_part(const TypedPtr& t, const SloCounts& slo, const Window& window, LeafFn fn,
                              bool fill, std::map<const Typed*, Index>& known) {
  if (const auto done = known.find(t.get()); done != known.end()) return done->second;
  if (t->op == TypedOp::aggregate && t->aggregate == plan::Aggregate::sum)
    return count_part(t->args[0], slo, window, fn, fill, known);
  if (t->op == TypedOp::selector) {
    plan::Leaf leaf;
    leaf.matchers = t->matchers;
    leaf.fn = fn;
    leaf.range_fn = RangeFn::rate;
    leaf.window = window;
    leaf.window.offset = t->offset;
    return g_.aggregate(fn == LeafFn::coverage ? plan::Aggregate::max : plan::Aggregate::sum,
                        g_.leaf_node(leaf, t->span), slo.per, t->span);
  }
  const Index a = count_part(t->args[0], slo, window, fn, fill, known),
              b = count_part(t->args[1], slo, window, fn, fill, known);
  ShapeCode code;
  std::vector<double> params;
  std::uint32_t x = code.input(), y = code.input();
  if (fill) {
    const auto zero = code.param(params, 0);
    x = code.op(ShapeOp::fallback, x, zero);
    y = code.op(ShapeOp::fallback, y, zero);
  }
  code.op(fn == LeafFn::coverage ? ShapeOp::clamp_min : t->shape_op, x, y);
  plan::Matching matching;
  matching.join = fill || fn == LeafFn::coverage ? Join::unite : Join::intersect;
  return known[t.get()] = g_.map(code.shape, {a, b}, params, matching, a, t->span);
}

Expressions::Counts Expressions::counts(const SloCounts& slo, const Window& window, bool raw) {
  Counts out;
  if (slo.slice_condition != nullptr) {
    const Index condition = lower(slo.slice_condition);
    plan::Node n;
    n.kind = NodeKind::slices;
    n.inputs = {condition};
    n.params = {static_cast<double>(slo.slice.ms), static_cast<double>(window.length.ms)};
    n.closed = true;
    n.rows = slo.per;
    out.bad = g_.node(n, slo.span);
    n.known_only = true;
    out.total = g_.node(n, slo.span);
    return out;
  }
  LeafFn fn = LeafFn::range;
  if (window.kind == WindowKind::instant) fn = LeafFn::sample;
  if (raw || anchored(window)) fn = LeafFn::raw_increase;
  out.bad = count(slo.part, slo, window, fn, !slo.share);
  out.total = count(slo.whole, slo, window, fn, false);
  return out;
}

Index Expressions::ratio(const SloCounts& slo, const Window& window, bool raw, bool gate_bad) {
  const Counts c = counts(slo, window, raw);
  ShapeCode code;
  std::vector<double> params;
  std::uint32_t part = code.input();
  const std::uint32_t total = code.input();
  part = code.op(ShapeOp::fallback, part, code.param(params, slo.absent_part()));
  const std::uint32_t bad = slo.part_is_good ? code.op(ShapeOp::sub, total, part) : part;
  std::uint32_t result = code.op(ShapeOp::ratio, bad, total);
  if (anchored(window) && events_.at_least > 0)
    result = code.op(ShapeOp::at_least, result, total, code.param(params, events_.at_least));
  if (anchored(window) && events_.bad > 0 && gate_bad)
    result = code.op(ShapeOp::at_least, result, bad, code.param(params, events_.bad));
  plan::Matching matching;
  matching.join = Join::unite;
  return g_.map(code.shape, {c.bad, c.total}, params, matching, c.total, slo.span);
}

Index Expressions::coverage(const SloCounts& slo, Duration length) {
  Window window{WindowKind::trailing, length, {}, plan::none, {}};
  if (slo.slice_condition == nullptr) return count(slo.whole, slo, window, LeafFn::coverage, false);
  const Counts c = counts(slo, window, true);
  ShapeCode code;
  std::vector<double> params;
  const auto known = code.input();
  code.op(ShapeOp::div, known,
          code.param(params, static_cast<double>(length.ms) / static_cast<double>(slo.slice.ms)));
  return g_.map(code.shape, {c.total}, params, {}, c.total, slo.span);
}

Index Expressions::universe(const SloCounts& slo) {
  if (slo.slice_condition == nullptr) return counts(slo, {}, false).total;
  return lower(slo.slice_condition);
}

// remaining = 1 − bad ÷ (expected total × budget). While the period is young its total is what it would be at
// the rate seen so far; below the stated coverage that is provisional, and unknown where `gated`.
Index Expressions::remaining(const SloCounts& slo, bool gated) {
  const Window window{WindowKind::trailing, slo.period, {}, plan::none, {}};
  const Counts c = counts(slo, window, true);
  const Index cover = coverage(slo, slo.period);
  ShapeCode code;
  std::vector<double> params;
  std::uint32_t part = code.input();
  const std::uint32_t total = code.input(), covered = code.input();
  part = code.op(ShapeOp::fallback, part, code.param(params, slo.absent_part()));
  const std::uint32_t bad = slo.part_is_good ? code.op(ShapeOp::sub, total, part) : part;
  std::uint32_t expected = 0;
  if (slo.traffic > 0)
    expected = code.op(ShapeOp::fallback, code.param(params, slo.traffic * slo.period.seconds()), total);
  else
    expected = code.op(ShapeOp::div, total, covered);
  const std::uint32_t allowance = code.op(ShapeOp::mul, expected, code.param(params, slo.budget.to_double()));
  std::uint32_t result = code.op(ShapeOp::sub, code.param(params, 1), code.op(ShapeOp::div, bad, allowance));
  if (gated && slo.traffic <= 0)
    result = code.op(ShapeOp::at_least, result, covered, code.param(params, slo.least_coverage));
  plan::Matching matching;
  matching.join = Join::unite;
  return g_.map(code.shape, {c.bad, c.total, cover}, params, matching, c.total, slo.span);
}

Index Expressions::slo_value(const TypedPtr& t) {
  const SloCounts& slo = (*slos_)[t->slo];
  if (t->member == sema::SloMember::remaining) return remaining(slo, true);
  const Index r = ratio(slo, t->window, false, false);
  ShapeCode code;
  std::vector<double> params;
  if (t->member == sema::SloMember::burn) {
    const auto in = code.input();
    code.op(ShapeOp::div, in, code.param(params, slo.budget.to_double()));
    return g_.map(code.shape, {r}, params, {}, r, t->span);
  }
  // remaining × W ÷ burn: 0 when nothing remains even at zero burn, infinite at zero burn otherwise. The
  // infinite branch is a product that overflows for every positive remainder and stays 0 for none; `+ 0 ×
  // burn` keeps burn's evidence.
  const Index left = remaining(slo, true);
  const auto rem = code.input(), rate = code.input();
  const auto zero = code.param(params, 0);
  const auto positive = code.op(ShapeOp::clamp_min, rem, zero);
  const auto seconds = code.param(params, slo.period.seconds() * slo.budget.to_double());
  const auto finite = code.op(ShapeOp::div, code.op(ShapeOp::mul, positive, seconds), rate);
  const auto gate = code.op(ShapeOp::at_least, finite, rate, code.param(params, DBL_MIN));
  const auto huge = code.param(params, DBL_MAX);
  const auto endless = code.op(ShapeOp::mul, code.op(ShapeOp::mul, positive, huge), huge);
  code.op(ShapeOp::fallback, gate, code.op(ShapeOp::add, endless, code.op(ShapeOp::mul, rate, zero)));
  plan::Matching matching;
  matching.join = Join::unite;
  return g_.map(code.shape, {left, r}, params, matching, left, t->span);
}

}  // namespace signalbox::lower
