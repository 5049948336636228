// What is looked at over time: an SLO's windows, ranges, subqueries and offsets.
#include <fmt/format.h>

#include <algorithm>

#include "compiler/promql/parser.hpp"
#include "compiler/sema/typer.hpp"
#include "runtime/plan/check_plan.hpp"

namespace signalbox::sema {

using source::Code;
using syntax::Expr;
using syntax::ExprKind;

// since E for T, since done, T before E, or a plain length.
bool Typer::read_window(const Expr& arg, plan::Window& window, bool& bounded) {
  bounded = true;
  if (arg.kind == ExprKind::since && arg.path.size() == 1) {
    if (!place_.in_verify) {
      fail(Code::bad_argument, arg.span, "`since done` stands only in `verify`",
           "in `when`, anchor on the deploy: since TARGET.deployed for 15m");
      return false;
    }
    if (arg.has_args) {
      fail(Code::bad_argument, arg.span, "`since done` takes no length", "it is bounded by `within`");
      return false;
    }
    window.kind = plan::WindowKind::since_done;
    return true;
  }
  if (arg.kind == ExprKind::since || arg.kind == ExprKind::before) {
    if (arg.path.size() != 2) {
      fail(Code::bad_argument, arg.span, "`done` is no event to look back from", "use TARGET.deployed");
      return false;
    }
    const auto target = scope_.targets.find(arg.path[0].text);
    if (target == scope_.targets.end()) {
      std::vector<std::string> names;
      for (const auto& [known, unused] : scope_.targets) names.push_back(known);
      const std::string near = source::nearest(arg.path[0].text, names);
      fail(Code::unknown_name, arg.path[0].span, fmt::format("no target is called `{}`", arg.path[0].text),
           near.empty() ? "" : fmt::format("did you mean `{}`?", near));
      return false;
    }
    if (arg.path[1].text != "deployed") {
      fail(Code::unknown_name, arg.path[1].span, fmt::format("a target has no event `{}`", arg.path[1].text),
           "its event is `deployed`");
      return false;
    }
    if (scope_.target_decls[target->second]->deployed.empty()) {
      fail(Code::missing_clause, arg.span,
           fmt::format("target `{}` does not say how its deploys are seen", arg.path[0].text),
           "give it a clause: deployed metric NAME_deployed_timestamp_seconds");
      return false;
    }
    window.kind = arg.kind == ExprKind::since ? plan::WindowKind::since : plan::WindowKind::before;
    window.target = target->second;
    bounded = arg.kind == ExprKind::before || arg.has_args;
    if (arg.args.empty()) return true;
    const auto length = duration(arg.args[0], place_, "the window");
    if (!length) return false;
    if (length->ms == 0) {
      fail(Code::bad_value, arg.args[0]->span, "a window has a length", "as since TARGET.deployed for 15m");
      return false;
    }
    window.length = *length;
    return true;
  }
  const auto length = duration(std::make_shared<Expr>(arg), place_, "the window");
  if (!length) return false;
  if (length->ms == 0) {
    fail(Code::bad_value, arg.span, "a window has a length", "as burn(5m)");
    return false;
  }
  window.kind = plan::WindowKind::trailing;
  window.length = *length;
  return true;
}

TypedPtr Typer::slo_member(const Expr& e, std::uint32_t slo) {
  const syntax::SloDecl& decl = *scope_.slo_decls[slo];
  auto t = make(TypedOp::slo_value, e.span);
  t->slo = slo;
  t->type.unit.known = true;
  t->type.rows.closed = true;
  if (decl.per)
    for (const syntax::Name& label : decl.per->labels) t->type.rows.labels.push_back(label.text);
  std::sort(t->type.rows.labels.begin(), t->type.rows.labels.end());
  static const std::vector<std::string> members = {"burn", "remaining", "exhaustion"};
  const std::string name = dotted(e.path, 1);
  const bool takes_window = name != "remaining";
  if (name == "burn")
    t->member = SloMember::burn;
  else if (name == "remaining")
    t->member = SloMember::remaining;
  else if (name == "exhaustion")
    t->member = SloMember::exhaustion;
  else {
    const std::string near = source::nearest(name, members);
    return fail(Code::unknown_name, e.path[1].span, fmt::format("an slo has no `{}`", name),
                near.empty() ? "it has burn(WINDOW), remaining and exhaustion(WINDOW)"
                             : fmt::format("did you mean `{}`?", near));
  }
  if (takes_window != e.has_args || (takes_window && e.args.size() != 1))
    return fail(Code::bad_argument, e.span,
                fmt::format("`{}` {}", name, takes_window ? "needs one window" : "takes no arguments"),
                takes_window ? fmt::format("write {}.{}(5m)", e.path[0].text, name)
                             : fmt::format("write {}.{}", e.path[0].text, name));
  if (takes_window) {
    if (!read_window(*e.args[0], t->window, t->window_bounded)) return nullptr;
    if (t->member == SloMember::exhaustion) {
      t->type.unit.time = 1;
      if (t->window.kind != plan::WindowKind::trailing)
        return fail(Code::bad_argument, e.span, "exhaustion is worked out over a plain window",
                    "write exhaustion(1h)");
    }
    using Kind = syntax::Indicator::Kind;
    const bool slices =
        std::any_of(decl.indicator.begin(), decl.indicator.end(), [](const syntax::Indicator& indicator) {
          return indicator.kind == Kind::bad_slices || indicator.kind == Kind::good_slices;
        });
    if (slices && t->window.kind != plan::WindowKind::trailing)
      return fail(Code::not_yet, e.args[0]->span, "slices are not counted from an event on yet",
                  "write a plain window, as burn(5m), or ask for the condition of the slices itself");
  }
  return t;
}

TypedPtr Typer::range(const Expr& e) {
  TypedPtr inner = visit(e.args[0]);
  if (inner == nullptr) return nullptr;
  if (inner->op != TypedOp::selector || inner->range)
    return fail(Code::type_clash, e.span, "a range is taken of a selector",
                "of a value that is worked out, name the step as well: [1h:1m]");
  const auto length = duration(e.args[1], place_, "the range");
  if (!length) return nullptr;
  if (length->ms <= 0) return fail(Code::bad_value, e.args[1]->span, "a range has a length", "as [5m]");
  auto t = std::make_shared<Typed>(*inner);
  t->span = e.span;
  t->range = *length;
  t->type.sort = Sort::range;
  return t;
}

namespace {

// What has a state, or a window that an instant alone does not tell.
bool looks_beyond_series(const Typed& t) {
  return t.op == TypedOp::hold || t.op == TypedOp::slo_value ||
         std::any_of(t.args.begin(), t.args.end(), [](const TypedPtr& a) { return looks_beyond_series(*a); });
}

}  // namespace

TypedPtr Typer::subquery(const Expr& e) {
  const TypedPtr inner = visit(e.args[0]);
  if (inner == nullptr || !is_number(inner, e.args[0]->span, "a subquery")) return nullptr;
  if (inner->type.rows.scalar)
    return fail(Code::type_clash, e.span, "a subquery works on a family, and this is one number",
                "vector(…) makes a family of one row of it");
  if (looks_beyond_series(*inner))
    return fail(Code::type_clash, e.span, "a subquery works on series, not on an slo's values or on holds",
                "write the slo's counters, or another window of the slo");
  const auto length = duration(e.args[1], place_, "the range");
  const auto step =
      e.args.size() > 2 ? duration(e.args[2], place_, "the step") : promql_text::default_subquery_step;
  if (!length || !step) return nullptr;
  if (length->ms <= 0) return fail(Code::bad_value, e.args[1]->span, "a range has a length", "as [1h:1m]");
  if (step->ms <= 0) return fail(Code::bad_value, e.args[2]->span, "a step has a length", "as [1h:1m]");
  if (length->ms / step->ms > plan::most_subquery_steps)
    return fail(Code::bad_value, e.span,
                fmt::format("the subquery has more than {} steps", plan::most_subquery_steps),
                "make its step longer");
  auto t = make(TypedOp::subquery, e.span);
  t->type = inner->type;
  t->type.sort = Sort::range;
  t->text = inner->text;
  t->range = *length;
  t->step = *step;
  t->args = {inner};
  return t;
}

TypedPtr Typer::offset(const Expr& e) {
  TypedPtr inner = visit(e.args[0]);
  if (inner == nullptr) return nullptr;
  if (inner->op != TypedOp::selector && inner->op != TypedOp::subquery)
    return fail(Code::type_clash, e.span, "`offset` belongs to a selector or a subquery",
                "write it inside the function: rate(m[5m] offset 1h)");
  const auto by = duration(e.args[1], place_, "the offset");
  if (!by) return nullptr;
  if (e.negative)
    return fail(Code::bad_value, e.span, "an offset looks into the past; the future is not known",
                "remove the minus");
  auto t = std::make_shared<Typed>(*inner);
  t->span = e.span;
  t->offset = t->offset + *by;
  return t;
}

}  // namespace signalbox::sema
