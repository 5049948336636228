#include "runtime/base/math_table.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <optional>

namespace signalbox {

double math_mod(double a, double b) {
  return std::fmod(a, b);
}
namespace {

// Whole powers as Go's math.Pow has them, and so Prometheus: by squaring, on fractions of one half to one,
// with the exponents of two beside them.
double whole_power(double base, double exponent) {
  int of_base = 0, of_result = 0;
  double fraction = std::frexp(base, &of_base), result = 1;
  constexpr int far = 1 << 12;  // past it the result is 0 or infinite, whatever follows
  for (auto left = static_cast<std::int64_t>(std::fabs(exponent)); left != 0; left >>= 1) {
    if (of_base < -far || of_base > far) {
      of_result += of_base;
      break;
    }
    if ((left & 1) != 0) {
      result *= fraction;
      of_result += of_base;
    }
    fraction *= fraction;
    of_base *= 2;
    if (fraction < 0.5) {
      fraction += fraction;
      --of_base;
    }
  }
  if (exponent < 0) {
    result = 1 / result;
    of_result = -of_result;
  }
  return std::ldexp(result, of_result);
}

}  // namespace

double math_pow(double a, double b) {
  constexpr double whole_below = 9223372036854775808.0;  // 2^63
  const bool ordinary = std::isfinite(a) && a != 0 && a != 1 && b != 0 && b != 1;
  if (ordinary && std::fabs(b) < whole_below && b == std::trunc(b)) return whole_power(a, b);
  if (ordinary && a > 0 && (b == 0.5 || b == -0.5)) return b > 0 ? std::sqrt(a) : 1 / std::sqrt(a);
  return std::pow(a, b);
}

double math_atan2(double a, double b) {
  return std::atan2(a, b);
}

// By the inverse, as Prometheus: 1/10 has no exact double, 10 has.
double math_round(double x, double step) {
  const double inverse = 1.0 / step;
  return std::floor(x * inverse + 0.5) / inverse;
}

double math_ceil(double x) {
  return std::ceil(x);
}
double math_floor(double x) {
  return std::floor(x);
}
double math_exp(double x) {
  return std::exp(x);
}
double math_ln(double x) {
  return std::log(x);
}
double math_log2(double x) {
  return std::log2(x);
}
double math_log10(double x) {
  return std::log10(x);
}
double math_sqrt(double x) {
  return std::sqrt(x);
}
double math_sgn(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : x;
}
double math_sin(double x) {
  return std::sin(x);
}
double math_cos(double x) {
  return std::cos(x);
}
double math_tan(double x) {
  return std::tan(x);
}
double math_asin(double x) {
  return std::asin(x);
}
double math_acos(double x) {
  return std::acos(x);
}
double math_atan(double x) {
  return std::atan(x);
}
double math_sinh(double x) {
  return std::sinh(x);
}
double math_cosh(double x) {
  return std::cosh(x);
}
double math_tanh(double x) {
  return std::tanh(x);
}
double math_asinh(double x) {
  return std::asinh(x);
}
double math_acosh(double x) {
  return std::acosh(x);
}
double math_atanh(double x) {
  return std::atanh(x);
}
double math_deg(double x) {
  return x * 180 / std::numbers::pi;
}
double math_rad(double x) {
  return x * std::numbers::pi / 180;
}

namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

// The calendar repeats itself, weekdays too.
constexpr std::int64_t era_days = 146'097, era_years = 400;
constexpr std::int64_t day_seconds = 86'400;

struct Moment {
  std::int64_t in_day;  // seconds
  sys_days day;         // of the era that began in 1970
  year_month_day date;
  std::int64_t eras;  // between that one and its own
};

std::int64_t floor_division(std::int64_t x, std::int64_t by) {
  return x / by - (x % by < 0 ? 1 : 0);
}

// Whole seconds, towards zero, as Prometheus takes them; NaN where their milliseconds have no room in 64
// bits.
template <class Field>
double calendar(double x, Field field) {
  constexpr double furthest = 0x1p63 / 1000;
  if (!(std::fabs(x) < furthest)) return std::numeric_limits<double>::quiet_NaN();
  const auto seconds = static_cast<std::int64_t>(x);
  const std::int64_t days = floor_division(seconds, day_seconds), eras = floor_division(days, era_days);
  const sys_days day{std::chrono::days{days - eras * era_days}};
  return static_cast<double>(field(Moment{seconds - days * day_seconds, day, year_month_day{day}, eras}));
}

}  // namespace

double math_minute(double x) {
  return calendar(x, [](const Moment& m) { return m.in_day / 60 % 60; });
}
double math_hour(double x) {
  return calendar(x, [](const Moment& m) { return m.in_day / 3600; });
}
double math_day_of_week(double x) {
  return calendar(x, [](const Moment& m) { return std::chrono::weekday{m.day}.c_encoding(); });
}
double math_day_of_month(double x) {
  return calendar(x, [](const Moment& m) { return unsigned{m.date.day()}; });
}
double math_day_of_year(double x) {
  return calendar(x, [](const Moment& m) {
    return (m.day - sys_days{m.date.year() / std::chrono::January / 1}).count() + 1;
  });
}
double math_days_in_month(double x) {
  return calendar(x, [](const Moment& m) {
    return unsigned{(m.date.year() / m.date.month() / std::chrono::last).day()};
  });
}
double math_month(double x) {
  return calendar(x, [](const Moment& m) { return unsigned{m.date.month()}; });
}
double math_year(double x) {
  return calendar(x, [](const Moment& m) { return int{m.date.year()} + m.eras * era_years; });
}

}  // namespace signalbox
