#include "compiler/sema/typer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/sema/functions.hpp"
#include "runtime/base/labels.hpp"
#include "runtime/base/regex.hpp"

namespace signalbox::sema {

using plan::ShapeOp;
using source::Code;
using syntax::Expr;
using syntax::ExprKind;
using syntax::ExprPtr;

std::string dotted(const std::vector<syntax::Name>& path, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < path.size(); ++i) out += (i == from ? "" : ".") + path[i].text;
  return out;
}

std::shared_ptr<Typed> Typer::make(TypedOp op, Span span) {
  auto t = std::make_shared<Typed>();
  t->op = op;
  t->span = span;
  ++nodes_;
  return t;
}

TypedPtr Typer::fail(Code code, Span span, std::string message, std::string hint) {
  auto& d = diagnostics_.report(code, span, std::move(message), std::move(hint));
  for (auto open = open_lets_.rbegin(); open != open_lets_.rend(); ++open)
    if (open->let->has_params)
      d.notes.push_back({open->call, fmt::format("`{}` is called here", open->let->name.text)});
  return nullptr;
}

TypedPtr Typer::type(const ExprPtr& expr, const Place& place) {
  place_ = place;
  locals_.assign(1, {});
  open_lets_.clear();
  return visit(expr);
}

TypedPtr Typer::condition(const ExprPtr& expr, const Place& place) {
  TypedPtr t = type(expr, place);
  return t == nullptr ? nullptr : as_condition(t, expr->span);
}

// `absent(x)` stands for a condition where one is wanted; nothing else does.
TypedPtr Typer::as_condition(TypedPtr t, Span span) {
  if (t->type.sort == Sort::condition) return t;
  if (t->op == TypedOp::absent) {
    auto zero = make(TypedOp::constant, span);
    zero->exact = Rational(0);
    zero->type.rows.scalar = true;
    auto filled = make(TypedOp::shape, span);
    filled->shape_op = ShapeOp::fallback;
    filled->args = {t, zero};
    filled->type = t->type;
    filled->matching.join = plan::Join::unite;
    auto c = make(TypedOp::shape, span);
    c->shape_op = ShapeOp::gt;
    c->args = {filled, zero};
    c->type.sort = Sort::condition;
    c->type.rows = t->type.rows;
    return c;
  }
  return fail(Code::type_clash, span, "a condition is needed here, and this is a value",
              "compare it with something, as `> 0`");
}

bool Typer::is_number(const TypedPtr& t, Span span, const std::string& where) {
  if (t->type.sort == Sort::number) return true;
  if (t->type.sort == Sort::condition)
    fail(Code::type_clash, span, fmt::format("{} needs a value, and this is a condition", where),
         "a comparison never filters; count rows with `count_true by (…) (C)`, or write promql filters as "
         "conditions");
  else if (t->type.sort == Sort::range)
    fail(Code::type_clash, span, fmt::format("{} needs a value, and this is a range", where),
         "put it in a function over ranges, as rate(…)");
  else
    fail(Code::type_clash, span, fmt::format("{} needs a value, and this is text", where));
  return false;
}

std::uint32_t Typer::series(const std::string& description) {
  return series_.emplace(description, static_cast<std::uint32_t>(series_.size() + 1)).first->second;
}

std::uint32_t depth_of(const Typed& t) {
  if (t.depth != 0) return t.depth;
  std::uint32_t below = 0;
  for (const TypedPtr& a : t.args) below = std::max(below, depth_of(*a));
  return t.depth = below + 1;
}

// What is built here is walked by recursion: a chain of `let`s must not be deeper than an expression may be.
TypedPtr Typer::visit(const ExprPtr& expr) {
  TypedPtr t = visit_kind(expr);
  const std::size_t most = limits_.nesting * 5;
  if (t != nullptr && depth_of(*t) > most)
    return fail(
        Code::nesting_too_deep, expr->span,
        fmt::format("more than {} operations on top of each other once every `let` is filled in", most),
        "keep fewer levels of `let`");
  return t;
}

TypedPtr Typer::visit_kind(const ExprPtr& expr) {
  if (expr == nullptr) return nullptr;
  if (nodes_ > most_nodes_)
    return fail(Code::program_too_large, expr->span,
                fmt::format("more than {} parts once every `let` is filled in", most_nodes_),
                "a `let` that uses another twice doubles it; keep fewer levels");
  switch (expr->kind) {
    case ExprKind::number:
      return literal(*expr);
    case ExprKind::text: {
      auto t = make(TypedOp::text, expr->span);
      t->type.sort = Sort::text;
      t->type.rows.scalar = true;
      t->text = expr->text;
      return t;
    }
    case ExprKind::reference:
      return reference(*expr);
    case ExprKind::selector:
      return selector(expr->text, expr->matchers, expr->span);
    case ExprKind::range:
      return range(*expr);
    case ExprKind::subquery:
      return subquery(*expr);
    case ExprKind::offset:
      return offset(*expr);
    case ExprKind::call:
      return call(*expr);
    case ExprKind::member:
      return member(*expr);
    case ExprKind::sign:
      return sign(*expr);
    case ExprKind::negation:
      return negation(*expr);
    case ExprKind::binary:
      return binary(*expr);
    case ExprKind::percent_of: {
      Expr product = *expr;
      product.kind = ExprKind::binary;
      product.text = "*";
      return binary(product);
    }
    case ExprKind::hold:
      return hold(*expr);
    case ExprKind::since:
    case ExprKind::before:
      return fail(Code::bad_argument, expr->span, "an anchored window stands only in burn( … )",
                  "as in checkout.burn(since checkout.deployed for 15m)");
  }
  return nullptr;
}

TypedPtr Typer::literal(const Expr& e) {
  auto t = make(TypedOp::constant, e.span);
  t->exact = e.exact;
  t->value = e.value;
  t->type.rows.scalar = true;
  // A bare number may stand for a count, a rate or a ratio: its unit is known to be plain.
  t->type.unit = {true, false, e.unit == syntax::LiteralUnit::time ? 1 : 0,
                  e.unit == syntax::LiteralUnit::bytes ? 1 : 0};
  return t;
}

TypedPtr Typer::reference(const Expr& e) {
  if (const auto local = locals_.back().find(e.text); local != locals_.back().end()) {
    ++nodes_;
    return local->second;
  }
  const std::size_t home = place_.module < scope_.roots ? 0 : place_.module;
  if (const auto let = scope_.lets[home].find(e.text); let != scope_.lets[home].end())
    return use_let(*let->second, home, nullptr, e.span);
  if (const auto param = scope_.params.find(e.text); param != scope_.params.end()) return param->second;
  if (scope_.slos.count(e.text) != 0)
    return fail(Code::type_clash, e.span, fmt::format("`{}` is an slo, not a value", e.text),
                fmt::format("ask it for something: {}.burn(5m), {}.remaining", e.text, e.text));
  return selector(e.text, {}, e.span);
}

TypedPtr Typer::use_let(const syntax::Let& let, std::size_t module, const std::vector<TypedPtr>* args,
                        Span span) {
  used_[&let] = true;
  if (let.burn)
    return fail(Code::type_clash, span, fmt::format("`{}` is a burn table, not a value", let.name.text),
                "name it in a `burn` clause");
  const std::size_t given = args == nullptr ? 0 : args->size();
  if (given != let.params.size() || (args == nullptr) != !let.has_params) {
    return fail(Code::bad_argument, span,
                fmt::format("`{}` takes {} argument{}, not {}", let.name.text, let.params.size(),
                            let.params.size() == 1 ? "" : "s", given),
                let.has_params ? fmt::format("write {}(…)", let.name.text)
                               : fmt::format("write {} without parentheses", let.name.text));
  }
  if (scope_.recursive_lets.count(&let) != 0) return nullptr;
  if (args == nullptr) {
    if (const auto known = memo_.find({&let, place_.per, place_.in_verify}); known != memo_.end()) {
      ++nodes_;
      return known->second;
    }
  }
  if (open_lets_.size() > limits_.nesting) {
    // A chain that is longer by far is met again at every so many of its parts.
    if (!lets_too_deep_)
      fail(Code::nesting_too_deep, span,
           fmt::format("more than {} `let`s inside each other", limits_.nesting),
           "keep fewer levels of `let`");
    lets_too_deep_ = true;
    return nullptr;
  }
  Locals locals;
  for (std::size_t i = 0; i < given; ++i) locals[let.params[i].text] = (*args)[i];
  open_lets_.push_back({&let, span});
  locals_.push_back(std::move(locals));
  const std::size_t outer = place_.module;
  place_.module = module;
  TypedPtr value = visit(let.value);
  place_.module = outer;
  locals_.pop_back();
  open_lets_.pop_back();
  if (args == nullptr) memo_[{&let, place_.per, place_.in_verify}] = value;
  return value;
}

TypedPtr Typer::member(const Expr& e) {
  const std::string head = e.path[0].text;
  if (const auto slo = scope_.slos.find(head); slo != scope_.slos.end()) return slo_member(e, slo->second);
  const auto& uses = (*scope_.modules)[place_.module].uses;
  for (std::size_t n = e.path.size() - 1; n > 0; --n) {
    std::string module;
    for (std::size_t i = 0; i < n; ++i) module += (i == 0 ? "" : ".") + e.path[i].text;
    const auto use = uses.find(module);
    if (use == uses.end()) continue;
    const std::string name = dotted(e.path, n);
    const auto let = scope_.lets[use->second].find(name);
    if (let == scope_.lets[use->second].end()) {
      std::vector<std::string> names;
      for (const auto& [known, unused] : scope_.lets[use->second]) names.push_back(known);
      const std::string near = source::nearest(name, names);
      return fail(Code::unknown_name, e.span, fmt::format("`{}` has no `{}`", module, name),
                  near.empty() ? "" : fmt::format("did you mean `{}`?", near));
    }
    if (!e.has_args) return use_let(*let->second, use->second, nullptr, e.span);
    std::vector<TypedPtr> args;
    for (const ExprPtr& arg : e.args) {
      args.push_back(visit(arg));
      if (args.back() == nullptr) return nullptr;
    }
    return use_let(*let->second, use->second, &args, e.span);
  }
  if (scope_.targets.count(head) != 0)
    return fail(Code::type_clash, e.span, fmt::format("`{}` is an event, not a value", dotted(e.path)),
                fmt::format("use it in a window: NAME.burn(since {} for 15m)", dotted(e.path)));
  std::vector<std::string> names;
  for (const auto& [known, unused] : scope_.slos) names.push_back(known);
  const std::string near = source::nearest(head, names);
  return fail(Code::unknown_name, e.path[0].span, fmt::format("nothing is called `{}`", head),
              near.empty() ? "a metric's name with dots is written in backquotes"
                           : fmt::format("did you mean `{}`?", near));
}

TypedPtr Typer::selector(const std::string& metric, const std::vector<syntax::MatcherNode>& nodes,
                         Span span) {
  auto t = make(TypedOp::selector, span);
  t->text = metric;
  if (!metric.empty()) t->matchers.push_back({std::string(metric_name_label), MatchOp::equal, metric});
  bool refuses_empty = !metric.empty();
  const MetricFacts facts = metric_facts(scope_, metric);
  for (const syntax::MatcherNode& node : nodes) {
    Matcher m{node.label.text, node.op, {}};
    if (node.text) {
      m.value = node.text->value;
    } else {
      Expr ref;
      ref.kind = ExprKind::reference;
      ref.text = node.name->text;
      ref.span = node.name->span;
      const bool local = locals_.back().count(ref.text) != 0;
      const bool param = scope_.params.count(ref.text) != 0;
      const std::size_t home = place_.module < scope_.roots ? 0 : place_.module;
      if (!local && !param && scope_.lets[home].count(ref.text) == 0)
        return fail(Code::unknown_name, ref.span, fmt::format("nothing is called `{}`", ref.text),
                    fmt::format("a literal value is written in quotes: \"{}\"", ref.text));
      const TypedPtr value = reference(ref);
      if (value == nullptr) return nullptr;
      if (value->op != TypedOp::text)
        return fail(Code::type_clash, ref.span,
                    fmt::format("a label's value is text, and `{}` is not", ref.text));
      m.value = value->text;
    }
    if (facts.only && m.label != metric_name_label &&
        !std::binary_search(facts.labels.begin(), facts.labels.end(), m.label)) {
      const std::string near = source::nearest(m.label, facts.labels);
      return fail(Code::unknown_label, node.label.span,
                  fmt::format("`{}` has no label `{}`", metric, m.label),
                  near.empty() ? fmt::format("it has: {}", fmt::join(facts.labels, ", "))
                               : fmt::format("did you mean `{}`?", near));
    }
    const bool is_regex = m.op == MatchOp::regex || m.op == MatchOp::not_regex;
    bool accepts_empty = m.op == MatchOp::equal ? m.value.empty() : !m.value.empty();
    if (is_regex) {
      const auto re = LabelRegex::compile(m.value);
      if (!re)
        return fail(Code::bad_regex, node.span, re.error().message,
                    "RE2's syntax, matched against the whole value; a backslash is written \\\\");
      accepts_empty = re->matches("") == (m.op == MatchOp::regex);
    }
    refuses_empty = refuses_empty || !accepts_empty;
    t->matchers.push_back(std::move(m));
  }
  if (!refuses_empty)
    return fail(Code::bad_selector, span, "this selector accepts every series",
                "name the metric, or a label that must not be empty");
  if (metric.empty()) {
    for (const Matcher& m : t->matchers)
      if (m.label == metric_name_label && m.op == MatchOp::equal) t->text = m.value;
  }
  if (!metric.empty() && !facts.declared && !scope_.metrics.empty()) {
    std::vector<std::string> names;
    for (const auto& [known, unused] : scope_.metrics) names.push_back(known);
    const std::string near = source::nearest(metric, names);
    bool part = false;  // of a declared histogram
    for (const char* tail : {"_bucket", "_sum", "_count"})
      part = part || scope_.metrics.count(metric.substr(0, metric.rfind(tail))) != 0;
    if (!near.empty() && !part)
      diagnostics_.report(Code::unknown_metric, span, fmt::format("no metric `{}` is declared", metric),
                          fmt::format("did you mean `{}`?", near));
  }
  std::sort(t->matchers.begin(), t->matchers.end());
  t->matchers.erase(std::unique(t->matchers.begin(), t->matchers.end()), t->matchers.end());
  t->type.unit = facts.unit;
  t->type.kind = facts.kind;
  t->type.rows.labels = facts.labels;
  t->type.rows.closed = facts.only;
  std::string description;
  for (const Matcher& m : t->matchers)
    if (m.label != metric_name_label)
      description += fmt::format("{}{}{}:{},", m.label, match_op_text(m.op), m.value.size(), m.value);
  t->type.rows.series = series("{" + description + "}");
  return t;
}

TypedPtr Typer::call(const Expr& e) {
  const std::size_t home = place_.module < scope_.roots ? 0 : place_.module;
  if (const auto let = scope_.lets[home].find(e.text); let != scope_.lets[home].end()) {
    if (e.grouping) return fail(Code::bad_argument, e.grouping->span, "a `let` has no grouping");
    std::vector<TypedPtr> args;
    for (const ExprPtr& arg : e.args) {
      args.push_back(visit(arg));
      if (args.back() == nullptr) return nullptr;
    }
    return use_let(*let->second, home, &args, e.span);
  }
  return Functions(*this).call(e);
}

TypedPtr Typer::sign(const Expr& e) {
  TypedPtr a = visit(e.args[0]);
  if (a == nullptr || !is_number(a, e.args[0]->span, "a sign")) return nullptr;
  if (e.text == "+") return a;
  if (a->constant()) {
    auto t = std::make_shared<Typed>(*a);
    t->span = e.span;
    if (t->exact) t->exact = sub(Rational(0), *t->exact);
    t->value = -a->value;
    return t;
  }
  auto t = make(TypedOp::shape, e.span);
  t->shape_op = ShapeOp::neg;
  t->args = {a};
  t->type = a->type;
  if (t->type.kind != MetricKind::native_histogram) t->type.kind = MetricKind::unknown;
  return t;
}

TypedPtr Typer::negation(const Expr& e) {
  TypedPtr a = visit(e.args[0]);
  if (a == nullptr) return nullptr;
  a = as_condition(a, e.args[0]->span);
  if (a == nullptr) return nullptr;
  auto t = make(TypedOp::shape, e.span);
  t->shape_op = ShapeOp::negate;
  t->args = {a};
  t->type = a->type;
  return t;
}

TypedPtr Typer::hold(const Expr& e) {
  TypedPtr a = visit(e.args[0]);
  if (a == nullptr) return nullptr;
  a = as_condition(a, e.args[0]->span);
  if (a == nullptr) return nullptr;
  auto t = make(TypedOp::hold, e.span);
  t->args = {a};
  t->type = a->type;
  const syntax::Hold& h = e.hold;
  if (h.kind == syntax::Hold::Kind::time) {
    const auto time = duration(h.amount, place_, "`for`");
    if (!time) return nullptr;
    if (time->ms == 0)
      return fail(Code::bad_value, h.amount->span, "a hold lasts longer than 0s",
                  "as for 2m, or for 3 ticks");
    t->hold.kind = plan::Hold::Kind::time;
    t->hold.time = *time;
  } else {
    const auto n = count(h.amount, place_, "the number of ticks", 1);
    if (!n) return nullptr;
    t->hold.kind = plan::Hold::Kind::ticks;
    t->hold.count = t->hold.of = *n;
    if (h.kind == syntax::Hold::Kind::of) {
      const auto of = count(h.of, place_, "the number of ticks", 1);
      if (!of) return nullptr;
      if (*of < *n || *of > 64)
        return fail(Code::bad_value, e.span, fmt::format("{} of {} ticks cannot be", *n, *of),
                    "the second is at least the first, and at most 64");
      t->hold.kind = plan::Hold::Kind::of;
      t->hold.of = *of;
    }
  }
  if (h.unknown_at_most != nullptr) {
    const auto n = count(h.unknown_at_most, place_, "the number of unknown ticks", 0);
    if (!n) return nullptr;
    t->hold.unknown_at_most = *n;
  }
  return t;
}

const syntax::BurnBlock* Typer::burn_table(const std::vector<syntax::Name>& path, Span span,
                                           const Place& place, std::size_t& module) {
  const std::size_t home = place.module < scope_.roots ? 0 : place.module;
  const syntax::Let* let = nullptr;
  module = home;
  if (path.size() == 1) {
    const auto found = scope_.lets[home].find(path[0].text);
    if (found != scope_.lets[home].end()) let = found->second;
  } else {
    std::vector<syntax::Name> head(path.begin(), path.end() - 1);
    // A program's own files may each `use` the module.
    for (std::size_t m = 0; m < (place.module < scope_.roots ? scope_.roots : 1) && let == nullptr; ++m) {
      const auto& uses = (*scope_.modules)[place.module < scope_.roots ? m : place.module].uses;
      const auto use = uses.find(dotted(head));
      if (use == uses.end()) continue;
      module = use->second;
      const auto found = scope_.lets[module].find(path.back().text);
      if (found != scope_.lets[module].end()) let = found->second;
      if (let == nullptr) {
        std::vector<std::string> names;
        for (const auto& [known, unused] : scope_.lets[module]) names.push_back(known);
        const std::string near = source::nearest(path.back().text, names);
        fail(Code::unknown_name, path.back().span,
             fmt::format("`{}` has no `{}`", dotted(head), path.back().text),
             near.empty() ? fmt::format("it has: {}", fmt::join(names, ", "))
                          : fmt::format("did you mean `{}`?", near));
        return nullptr;
      }
    }
  }
  if (let == nullptr) {
    fail(Code::unknown_name, span, fmt::format("no burn table is called `{}`", dotted(path)),
         path.size() > 1 && path[0].text == "std" ? "say `use std.burn` at the top"
                                                  : "write the rows in { }, or name a `let` of rows");
    return nullptr;
  }
  used_[let] = true;
  if (!let->burn) {
    fail(Code::type_clash, span, fmt::format("`{}` is a value, not a burn table", dotted(path)),
         "a burn table is `let NAME = { page 14.4 over 1h & 5m }`");
    return nullptr;
  }
  return &*let->burn;
}

}  // namespace signalbox::sema
