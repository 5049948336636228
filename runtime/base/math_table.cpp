#include "runtime/base/math_table.hpp"

#include <cmath>
#include <cstdint>

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

}  // namespace signalbox
