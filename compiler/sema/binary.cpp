// Operators: folding of constants, units, and how rows meet.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compiler/sema/typer.hpp"
#include "runtime/base/labels.hpp"

namespace signalbox::sema {

using plan::Join;
using plan::ShapeOp;
using source::Code;
using syntax::Expr;

namespace {

struct OperatorRow {
  std::string_view text;
  ShapeOp op;
};
constexpr OperatorRow operators[] = {{"+", ShapeOp::add},
                                     {"-", ShapeOp::sub},
                                     {"*", ShapeOp::mul},
                                     {"/", ShapeOp::div},
                                     {"mod", ShapeOp::mod},
                                     {"^", ShapeOp::pow},
                                     {"default", ShapeOp::fallback},
                                     {">", ShapeOp::gt},
                                     {">=", ShapeOp::ge},
                                     {"<", ShapeOp::lt},
                                     {"<=", ShapeOp::le},
                                     {"==", ShapeOp::eq},
                                     {"!=", ShapeOp::ne},
                                     {"and", ShapeOp::both},
                                     {"or", ShapeOp::either}};

bool is_comparison(ShapeOp op) {
  return op >= ShapeOp::gt && op <= ShapeOp::ne;
}
bool is_logic(ShapeOp op) {
  return op == ShapeOp::both || op == ShapeOp::either;
}

// Two open families over the same series, the metric's name apart.
bool same_series(const RowType& a, const RowType& b) {
  return !a.closed && !b.closed && a.series != 0 && a.series == b.series && a.labels == b.labels;
}

}  // namespace

TypedPtr Typer::fold(const Expr& e, ShapeOp op, const TypedPtr& a, const TypedPtr& b) {
  auto t = make(TypedOp::constant, e.span);
  t->type.rows.scalar = true;
  t->type.unit = a->type.unit;
  if (op == ShapeOp::mul || op == ShapeOp::div) {
    const int sign = op == ShapeOp::mul ? 1 : -1;
    t->type.unit.time += sign * b->type.unit.time;
    t->type.unit.bytes += sign * b->type.unit.bytes;
  }
  if (a->exact && b->exact) {
    switch (op) {
      case ShapeOp::add:
        t->exact = add(*a->exact, *b->exact);
        break;
      case ShapeOp::sub:
        t->exact = sub(*a->exact, *b->exact);
        break;
      case ShapeOp::mul:
        t->exact = mul(*a->exact, *b->exact);
        break;
      case ShapeOp::div:
        t->exact = div(*a->exact, *b->exact);
        break;
      default:
        break;
    }
  }
  if ((op == ShapeOp::div || op == ShapeOp::mod) && b->value == 0)
    return fail(Code::bad_value, e.span, "this divides by zero", "divide by a number that is not 0");
  if (t->exact) {
    t->value = t->exact->to_double();
    return t;
  }
  switch (op) {
    case ShapeOp::add:
      t->value = a->value + b->value;
      break;
    case ShapeOp::sub:
      t->value = a->value - b->value;
      break;
    case ShapeOp::mul:
      t->value = a->value * b->value;
      break;
    case ShapeOp::div:
      t->value = a->value / b->value;
      break;
    case ShapeOp::mod:
      t->value = std::fmod(a->value, b->value);
      break;
    default:
      t->value = std::pow(a->value, b->value);
      break;
  }
  return t;
}

bool Typer::check_units(const Expr& e, ShapeOp op, const TypedPtr& a, const TypedPtr& b, Unit& out) {
  const Unit &x = a->type.unit, &y = b->type.unit;
  out = {};
  if (op == ShapeOp::mul || op == ShapeOp::div) {
    if (!x.known || !y.known) return true;
    const int sign = op == ShapeOp::mul ? 1 : -1;
    out = {true, x.assumed || y.assumed, x.time + sign * y.time, x.bytes + sign * y.bytes};
    return true;
  }
  if (op == ShapeOp::pow) {
    if (x.known && x.plain()) out = x;
    return true;
  }
  if (op == ShapeOp::mod) {
    out = x;
    return true;
  }
  out = x.known ? x : y;
  if (!x.known || !y.known || x.same_dimension(y)) return true;
  // Nothing is nothing in every unit, and a bare number may stand for events per second.
  const auto zero = [](const TypedPtr& t) {
    return t->constant() && t->type.unit.plain() && t->exact && t->exact->is_zero();
  };
  if (zero(a) || zero(b)) return true;
  const auto per_second = [](const Unit& u) { return u.time == -1 && u.bytes == 0; };
  if ((x.plain() && a->constant() && per_second(y)) || (y.plain() && b->constant() && per_second(x)))
    return true;
  const bool bare = (a->constant() && x.plain()) || (b->constant() && y.plain());
  if (bare && (x.assumed || y.assumed)) {
    diagnostics_.report(
        Code::assumed_unit, e.span,
        fmt::format("by its name this is {}, and it meets a plain number", describe(x.plain() ? y : x)),
        "write the number with its unit, as 300ms or 5MB");
    return true;
  }
  std::string hint = "compare or add like with like";
  if (x.time == 1 || y.time == 1) hint = "durations are written 300ms, 5m, 2h; `5M` is five million";
  if (x.bytes == 1 || y.bytes == 1) hint = "sizes are written 5MB or 5MiB";
  fail(Code::unit_clash, e.span, fmt::format("{} meets {}", describe(x), describe(y)), hint);
  return false;
}

bool Typer::join_rows(const Expr& e, bool logic, const TypedPtr& a, const TypedPtr& b,
                      plan::Matching& matching, RowType& out) {
  const RowType &x = a->type.rows, &y = b->type.rows;
  const auto side_by_side = logic ? Join::unite : Join::intersect;
  if (e.matching) {
    const syntax::Matching& m = *e.matching;
    if (logic) {
      fail(Code::not_yet, m.span, "`and` and `or` with a matching are not supported yet",
           "bring both sides to the same labels first: any by (…) (…)");
      return false;
    }
    if (x.scalar || y.scalar) {
      fail(Code::bad_argument, m.span, "one side is a single number: there is nothing to match", "remove it");
      return false;
    }
    matching.join = m.ignoring ? Join::ignoring : Join::on;
    for (const syntax::Name& n : m.labels) matching.labels.push_back(n.text);
    for (const syntax::Name& n : m.include) matching.include.push_back(n.text);
    std::sort(matching.labels.begin(), matching.labels.end());
    if (m.group == syntax::Matching::Group::left) matching.group = plan::Matching::Group::left;
    if (m.group == syntax::Matching::Group::right) matching.group = plan::Matching::Group::right;
    if (m.group == syntax::Matching::Group::none) {
      if (matching.join == Join::on) {
        out.closed = true;
        out.labels = matching.labels;
      } else {
        out.closed = x.closed && y.closed;
        std::set_difference(x.labels.begin(), x.labels.end(), matching.labels.begin(), matching.labels.end(),
                            std::back_inserter(out.labels));
      }
      return true;
    }
    out = m.group == syntax::Matching::Group::left ? x : y;
    out.series = 0;
    out.labels.insert(out.labels.end(), matching.include.begin(), matching.include.end());
    std::sort(out.labels.begin(), out.labels.end());
    out.labels.erase(std::unique(out.labels.begin(), out.labels.end()), out.labels.end());
    return true;
  }
  if (x.scalar || y.scalar) {
    // Only `default` cares which rows a scalar meets: an empty sum has one row to fill.
    matching.join = Join::only;
    out = x.scalar ? y : x;
    return true;
  }
  if (x.closed && y.closed) {
    if (x.labels == y.labels) {
      matching.join = side_by_side;
      out = x;
      return true;
    }
    if (logic && (x.labels.empty() || y.labels.empty())) {
      matching.join = Join::unite;
      out = x.labels.empty() ? y : x;
      return true;
    }
    fail(Code::needs_matching, e.span,
         fmt::format("the two sides have different rows: {}, and {}", describe(x), describe(y)),
         logic ? "bring both to the same labels: any by (…) (…), or all by (…) (…)"
               : "say how they meet: on (…) or ignoring (…)");
    return false;
  }
  if (!same_series(x, y)) {
    fail(Code::needs_matching, e.span, "the two sides are different series, and nothing says how they meet",
         logic ? "bring both to the same labels with sum by (…), any by (…) or all by (…)"
               : "write on (…) or ignoring (…) after the operator, or bring both to the same labels with sum "
                 "by (…)");
    return false;
  }
  matching.join = side_by_side;
  out = x;
  return true;
}

TypedPtr Typer::binary(const Expr& e) {
  TypedPtr a = visit(e.args[0]), b = visit(e.args[1]);
  if (a == nullptr || b == nullptr) return nullptr;
  if (e.text == "unless")
    return fail(Code::not_yet, e.span, "`unless` is not supported yet",
                "between conditions, write `A and not B`; between families, promql(\"a unless b\")");
  ShapeOp op = ShapeOp::add;
  for (const OperatorRow& row : operators)
    if (row.text == e.text || (e.kind == syntax::ExprKind::percent_of && row.op == ShapeOp::mul)) op = row.op;
  const bool logic = is_logic(op);
  if (logic) {
    a = as_condition(a, e.args[0]->span);
    b = as_condition(b, e.args[1]->span);
    if (a == nullptr || b == nullptr) return nullptr;
  } else {
    if (a->type.sort == Sort::text && b->type.sort == Sort::text)
      return fail(Code::type_clash, e.span, "texts are compared in matchers only",
                  "as in metric{env=\"prod\"}");
    if (!is_number(a, e.args[0]->span, "`" + e.text + "`") ||
        !is_number(b, e.args[1]->span, "`" + e.text + "`"))
      return nullptr;
  }
  auto t = make(TypedOp::shape, e.span);
  t->shape_op = op;
  t->args = {a, b};
  if (!logic && !check_units(e, op, a, b, t->type.unit)) return nullptr;
  if (a->constant() && b->constant() && op <= ShapeOp::pow) return fold(e, op, a, b);
  if (is_comparison(op)) {
    for (const TypedPtr& side : t->args) {
      const TypedPtr& other = side == a ? b : a;
      if (side->type.kind == MetricKind::counter && other->constant() && !side->type.rows.scalar)
        return fail(Code::kind_clash, side->span,
                    fmt::format("{} is a counter: it only grows, and restarts from zero",
                                side->text.empty() ? "this" : "`" + side->text + "`"),
                    fmt::format("compare its growth: rate({0}[5m]) or increase({0}[5m])",
                                side->text.empty() ? "m" : side->text));
      if (side->type.kind == MetricKind::histogram)
        return fail(Code::kind_clash, side->span, fmt::format("`{}` is a histogram, not a value", side->text),
                    fmt::format("compare p95({}[5m])", side->text));
      if (side->type.kind == MetricKind::native_histogram)
        return fail(Code::kind_clash, side->span, "a native histogram is no number to compare",
                    fmt::format("compare a quantile of it: histogram_quantile(0.95, rate({}[5m]))",
                                side->text.empty() ? "m" : side->text));
    }
  }
  if (!join_rows(e, logic, a, b, t->matching, t->type.rows)) return nullptr;
  if (op == ShapeOp::fallback) {
    if (t->matching.join != Join::only) t->matching.join = Join::unite;
    if (t->matching.join == Join::only && !a->type.rows.scalar) t->matching.join = Join::unite;
  }
  if (is_comparison(op) || logic) {
    t->type.sort = Sort::condition;
    t->type.unit = {};
  } else if (op == ShapeOp::add || op == ShapeOp::sub) {
    // Sums and differences of counters are still counters; everything else is a plain value.
    if (a->type.kind == b->type.kind) t->type.kind = a->type.kind;
  } else if (op == ShapeOp::mul || op == ShapeOp::div) {
    // Times or by a number, it is still one.
    const bool native_a = a->type.kind == MetricKind::native_histogram,
               native_b = b->type.kind == MetricKind::native_histogram;
    if (native_a != native_b && (native_a || op == ShapeOp::mul)) t->type.kind = MetricKind::native_histogram;
  }
  return t;
}

}  // namespace signalbox::sema
