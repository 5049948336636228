// The functions that are only what PromQL has, typed from its table, and PromQL itself.
#include <fmt/format.h>

#include <algorithm>
#include <numbers>

#include "compiler/promql/parser.hpp"
#include "compiler/sema/functions.hpp"
#include "runtime/base/labels.hpp"
#include "runtime/base/regex.hpp"

namespace signalbox::sema {

using source::Code;
using syntax::Expr;

namespace {

constexpr Unit plain{true, false, 0, 0};

// Of a function's first family, number or range.
Unit unit_of_result(std::string_view name, const Unit& of) {
  for (const std::string_view keeps :
       {"ceil", "floor", "round", "sort", "sort_desc", "label_replace", "label_join", "scalar", "vector",
        "quantile_over_time", "predict_linear", "holt_winters"})
    if (name == keeps) return of;
  if (name == "timestamp") return {true, false, 1, 0};
  for (const std::string_view counts : {"sgn", "absent_over_time", "minute", "hour", "day_of_week",
                                        "day_of_month", "day_of_year", "days_in_month", "month", "year"})
    if (name == counts) return plain;
  return {};
}

}  // namespace

bool Functions::check_argument(const Expr& e, const TypedPtr& arg, Span span, char letter) {
  const auto fail = [&](std::string message, std::string hint) {
    t_.fail(Code::type_clash, span, std::move(message), std::move(hint));
    return false;
  };
  if (letter == 'm')
    return arg->type.sort == Sort::range ||
           fail(fmt::format("`{}` works on a range", e.text), "give the selector a length, as in m[5m]");
  if (letter == 't')
    return arg->type.sort == Sort::text ||
           fail(fmt::format("`{}` wants a text here", e.text), "write it in quotes");
  if (!t_.is_number(arg, span, "`" + e.text + "`")) return false;
  if (letter == 's')
    return arg->type.rows.scalar ||
           fail(fmt::format("`{}` wants one number here, and this is a family", e.text),
                "scalar(…) takes the number of a family of one row");
  return !arg->type.rows.scalar || fail(fmt::format("`{}` works on a family, and this is one number", e.text),
                                        "vector(…) makes a family of one row of it");
}

bool Functions::check_label(const TypedPtr& arg, Span span) {
  if (promql_text::is_label_name(arg->text)) return true;
  t_.fail(Code::bad_argument, span, fmt::format("`{}` is not a label's name", arg->text),
          "letters, digits and underscores, and no digit first");
  return false;
}

TypedPtr Functions::promql_function(const Expr& e, const promql_text::Function& function) {
  const promql_text::Signature signature = promql_text::signature_of(function);
  if (e.args.size() < signature.least || e.args.size() > signature.most)
    return t_.fail(
        Code::bad_argument, e.span,
        fmt::format("`{}` takes {}, not {}", e.text, promql_text::takes(signature), e.args.size()));
  auto t = t_.make(TypedOp::function, e.span);
  t->text = e.text;
  const Typed* main = nullptr;  // the family, the range, or else the number
  for (std::size_t i = 0; i < e.args.size(); ++i) {
    const char letter = signature.letters[std::min(i, signature.letters.size() - 1)];
    const TypedPtr arg = t_.visit(e.args[i]);
    if (arg == nullptr || !check_argument(e, arg, e.args[i]->span, letter)) return nullptr;
    if (main == nullptr || letter == 'v' || letter == 'm') main = arg.get();
    t->args.push_back(arg);
    if (letter != 'm') continue;
    const auto fn = find_range_fn(e.text);
    if (!check_range_kind(e, fn.value_or(RangeFn::present_over_time), arg)) return nullptr;
  }
  if (e.text == "label_replace" || e.text == "label_join") {
    for (std::size_t i = 1; i < e.args.size(); ++i) {
      const bool names_label = e.text == "label_join" ? i != 2 : i == 1;
      if (names_label && !check_label(t->args[i], e.args[i]->span)) return nullptr;
    }
    if (e.text == "label_replace") {
      if (const auto regex = LabelRegex::compile(t->args[4]->text); !regex)
        return t_.fail(Code::bad_regex, e.args[4]->span, regex.error().message,
                       "RE2's syntax, matched against the whole value; a backslash is written \\\\");
    }
  }
  if (e.text == "pi") {
    t->op = TypedOp::constant;
    t->value = std::numbers::pi;
    t->type.unit = plain;
    t->type.rows.scalar = true;
    return t;
  }
  if (main == nullptr) {  // of the evaluated instant
    t->type.rows.closed = true;
    t->type.unit = plain;
    return t;
  }
  t->type.unit = unit_of_result(e.text, main->type.unit);
  RowType& rows = t->type.rows;
  if (function.result == promql_text::Sort::scalar) {
    rows.scalar = true;
  } else if (e.text == "vector") {
    rows.closed = true;
  } else if (e.text == "absent_over_time") {
    rows.closed = true;
    rows.labels = rows_of_absent(*main);
  } else {
    rows = main->type.rows;
    if (e.text == "label_replace" || e.text == "label_join") {
      // The label may come, go or change.
      rows.closed = false;
      rows.series = 0;
      rows.labels.erase(std::remove(rows.labels.begin(), rows.labels.end(), t->args[1]->text),
                        rows.labels.end());
    }
    rows.scalar = false;
  }
  return t;
}

namespace {

// What is known of the rows of PromQL text without a declaration.
RowType rows_of(const promql_text::Expr& e) {
  using promql_text::Kind;
  RowType out;
  out.scalar = e.sort == promql_text::Sort::scalar;
  if (out.scalar) return out;
  switch (e.kind) {
    case Kind::paren:
    case Kind::plus:
    case Kind::negate:
      return rows_of(*e.args[0]);
    case Kind::aggregate: {
      const bool chooses = e.text == "topk" || e.text == "bottomk";
      if (chooses) return rows_of(*e.args.back());
      if (e.without) return out;
      out.closed = true;
      out.labels = e.labels;
      if (e.text == "count_values") out.labels.push_back(promql_text::bare(*e.args[0]).text);
      std::sort(out.labels.begin(), out.labels.end());
      out.labels.erase(std::unique(out.labels.begin(), out.labels.end()), out.labels.end());
      return out;
    }
    case Kind::binary: {
      if (e.args[0]->sort != e.args[1]->sort)
        return rows_of(*e.args[e.args[0]->sort == promql_text::Sort::scalar]);
      RowType left = rows_of(*e.args[0]);
      if (e.op == promql_text::BinaryOp::both || e.op == promql_text::BinaryOp::unless) return left;
      const RowType right = rows_of(*e.args[1]);
      const bool matched = e.on || !e.labels.empty() || e.group != promql_text::Expr::Group::none;
      const bool alike = left.closed && right.closed && left.labels == right.labels && !matched;
      return alike ? left : out;
    }
    case Kind::call: {
      if (e.text == "vector" || e.args.empty()) out.closed = true;
      const std::string_view letters = promql_text::find_function(e.text)->args;
      const bool renames = e.text == "label_replace" || e.text == "label_join" || e.text == "absent";
      if (letters.empty() || letters.find('v') == std::string_view::npos || renames || e.args.empty())
        return out;
      out = rows_of(*e.args[letters.back() == 'v' ? e.args.size() - 1 : 0]);
      if (e.text == "histogram_quantile")
        out.labels.erase(std::remove(out.labels.begin(), out.labels.end(), "le"), out.labels.end());
      return out;
    }
    default:
      return out;
  }
}

struct Fault {
  const promql_text::Expr* at;
  const char *message, *hint;
};

// What text may ask for that a program, which is evaluated at every tick, cannot answer.
std::optional<Fault> unanswerable(const promql_text::Expr& e) {
  if (e.at)
    return Fault{&e, "`@` is one instant, and a program is evaluated at every tick",
                 "`signalbox eval --promql` takes it"};
  if (e.offset.ms < 0)
    return Fault{&e, "a negative offset looks into the future", "ask for it with eval --promql"};
  for (const auto& arg : e.args)
    if (auto fault = unanswerable(*arg)) return fault;
  return std::nullopt;
}

void collect_selectors(const promql_text::Expr& e, std::vector<const promql_text::Expr*>& out) {
  if (e.kind == promql_text::Kind::selector) out.push_back(&e);
  for (const auto& arg : e.args) collect_selectors(*arg, out);
}

}  // namespace

TypedPtr Functions::promql(const Expr& e) {
  if (!arity(e, 1, "promql(\"sum(rate(m[5m]))\")")) return nullptr;
  const TypedPtr text = t_.visit(e.args[0]);
  if (text == nullptr || !check_argument(e, text, e.args[0]->span, 't')) return nullptr;
  if (text->op != TypedOp::text)
    return t_.fail(Code::bad_argument, e.args[0]->span, "PromQL is written here, as a text");
  const Span literal = e.args[0]->span;
  const auto place = [&](std::size_t begin, std::size_t end) {
    return place_in_text(literal, text->text, begin, end);
  };
  promql_text::Parsed parsed = promql_text::parse(text->text, {t_.limits_.nesting, false});
  if (parsed.fault)
    return t_.fail(Code::bad_promql, place(parsed.fault->begin, parsed.fault->end), parsed.fault->message,
                   parsed.fault->hint);
  const promql_text::Expr& top = *parsed.expr;
  if (top.sort == promql_text::Sort::matrix || top.sort == promql_text::Sort::text)
    return t_.fail(Code::bad_promql, place(top.begin, top.end),
                   top.sort == promql_text::Sort::text ? "a text is not a value" : "a range is not a value",
                   top.sort == promql_text::Sort::text ? "" : "put it in a function over ranges, as rate(…)");
  if (const auto fault = unanswerable(top))
    return t_.fail(Code::bad_promql, place(fault->at->begin, fault->at->end), fault->message, fault->hint);
  auto t = t_.make(TypedOp::promql, literal);
  t->text = text->text;
  t->type.rows = rows_of(top);
  if (!t->type.rows.scalar && !t->type.rows.closed) t->type.rows.series = t_.series("promql " + t->text);
  std::vector<const promql_text::Expr*> selectors;
  collect_selectors(top, selectors);
  for (const promql_text::Expr* selector : selectors) {
    auto part = t_.make(TypedOp::selector, place(selector->begin, selector->end));
    part->matchers = selector->matchers;
    part->offset = selector->offset;
    for (const Matcher& m : part->matchers)
      if (m.label == metric_name_label && m.op == MatchOp::equal) part->text = m.value;
    t->args.push_back(std::move(part));
  }
  t->promql = std::move(parsed.expr);
  return t;
}

}  // namespace signalbox::sema
