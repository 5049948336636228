// Durations, numbers and counts that a clause takes: constants, whatever they are worked out from.
#include <fmt/format.h>

#include <cmath>

#include "compiler/sema/typer.hpp"
#include "compiler/syntax/later.hpp"

namespace signalbox::sema {

using source::Code;
using syntax::ExprKind;
using syntax::ExprPtr;

std::optional<Duration> Typer::duration(const ExprPtr& expr, const Place& place, const char* what) {
  if (expr == nullptr) return std::nullopt;
  const Place outer = place_;
  place_ = place;
  if (locals_.empty()) locals_.emplace_back();
  const TypedPtr t = visit(expr);
  place_ = outer;
  if (t == nullptr) return std::nullopt;
  if (!t->constant()) {
    if (expr->kind == ExprKind::reference && syntax::is_calendar_unit(expr->text))
      fail(Code::not_yet, expr->span, syntax::later_calendar, syntax::later_calendar_hint);
    else
      fail(Code::bad_value, expr->span, fmt::format("{} must be a constant duration", what), "as 5m");
    return std::nullopt;
  }
  if (t->type.unit.time != 1 || t->type.unit.bytes != 0) {
    std::string text = t->exact ? t->exact->to_string() : shortest(t->value);
    const bool million = expr->text.size() > 1 && expr->text.back() == 'M';
    fail(Code::unit_clash, expr->span,
         fmt::format("{} is a duration, and this is {}", what, describe(t->type.unit)),
         million ? fmt::format("`{}` is {}; minutes are written {}m", expr->text, text,
                               expr->text.substr(0, expr->text.size() - 1))
         : std::string_view(what) == "`for`"
             ? fmt::format("write for {} ticks, or give it a unit: {}m", text, text)
             : fmt::format("give it a unit: {}s, {}m", text, text));
    return std::nullopt;
  }
  const auto exact = t->exact ? mul(*t->exact, Rational(1000)) : std::nullopt;
  if (!exact || !exact->is_whole() || !(std::fabs(t->value) < 3.2e9)) {
    fail(Code::bad_value, expr->span,
         fmt::format("{} is not a whole number of milliseconds below 100 years", what));
    return std::nullopt;
  }
  if (exact->num() < 0) {
    fail(Code::bad_value, expr->span, fmt::format("{} is never negative", what));
    return std::nullopt;
  }
  return Duration{static_cast<std::int64_t>(exact->num())};
}

TypedPtr Typer::number(const ExprPtr& expr, const Place& place, const char* what) {
  if (expr == nullptr) return nullptr;
  const Place outer = place_;
  place_ = place;
  if (locals_.empty()) locals_.emplace_back();
  TypedPtr t = visit(expr);
  place_ = outer;
  if (t == nullptr) return nullptr;
  if (!t->constant())
    return fail(Code::bad_value, expr->span, fmt::format("{} must be a constant number", what));
  if (!t->type.unit.plain())
    return fail(Code::unit_clash, expr->span,
                fmt::format("{} is a number, and this is {}", what, describe(t->type.unit)),
                expr->text.size() > 1 && expr->text.back() == 'm'
                    ? fmt::format("a million is written {}M", expr->text.substr(0, expr->text.size() - 1))
                    : "");
  return t;
}

std::optional<std::uint32_t> Typer::count(const ExprPtr& expr, const Place& place, const char* what,
                                          std::uint32_t least) {
  const TypedPtr t = number(expr, place, what);
  if (t == nullptr) return std::nullopt;
  constexpr double most = 1e9;
  if (t->value > most) {
    fail(Code::bad_value, expr->span, fmt::format("{} is a whole number, at most {}", what, most));
    return std::nullopt;
  }
  if (t->value != std::floor(t->value) || t->value < least) {
    fail(Code::bad_value, expr->span, fmt::format("{} is a whole number, at least {}", what, least),
         fmt::format("write {} or more", least));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(t->value);
}

}  // namespace signalbox::sema
