// The functions of numbers that every tier calls, so that all have the same bits. Meanings are Prometheus'.
#pragma once

namespace signalbox {

// name, spelling, number of operands, whether the result is a condition: rows of the table of shape
// operations (plan/shape.hpp). The calendar's read a number of seconds since 1970, UTC; of NaN and of what
// lies outside the years that 64 bits of milliseconds reach they make NaN.
#define SIGNALBOX_MATH_FUNCTIONS(FN)           \
  FN(ceil, "ceil", 1, false)                   \
  FN(floor, "floor", 1, false)                 \
  FN(exp, "exp", 1, false)                     \
  FN(ln, "ln", 1, false)                       \
  FN(log2, "log2", 1, false)                   \
  FN(log10, "log10", 1, false)                 \
  FN(sqrt, "sqrt", 1, false)                   \
  FN(sgn, "sgn", 1, false)                     \
  FN(sin, "sin", 1, false)                     \
  FN(cos, "cos", 1, false)                     \
  FN(tan, "tan", 1, false)                     \
  FN(asin, "asin", 1, false)                   \
  FN(acos, "acos", 1, false)                   \
  FN(atan, "atan", 1, false)                   \
  FN(sinh, "sinh", 1, false)                   \
  FN(cosh, "cosh", 1, false)                   \
  FN(tanh, "tanh", 1, false)                   \
  FN(asinh, "asinh", 1, false)                 \
  FN(acosh, "acosh", 1, false)                 \
  FN(atanh, "atanh", 1, false)                 \
  FN(deg, "deg", 1, false)                     \
  FN(rad, "rad", 1, false)                     \
  FN(minute, "minute", 1, false)               \
  FN(hour, "hour", 1, false)                   \
  FN(day_of_week, "day_of_week", 1, false)     \
  FN(day_of_month, "day_of_month", 1, false)   \
  FN(day_of_year, "day_of_year", 1, false)     \
  FN(days_in_month, "days_in_month", 1, false) \
  FN(month, "month", 1, false)                 \
  FN(year, "year", 1, false)

#define FN(name, text, arity, condition) double math_##name(double x);
SIGNALBOX_MATH_FUNCTIONS(FN)
#undef FN

double math_mod(double a, double b);  // C's fmod, which is Go's Mod
// Whole and half powers as Prometheus has them; others as the C library.
double math_pow(double a, double b);
double math_atan2(double a, double b);
// The nearest multiple of `step`, halves upwards.
double math_round(double x, double step);

}  // namespace signalbox
