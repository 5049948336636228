#include "runtime/base/rational.hpp"

#include <fmt/format.h>

#include <cmath>

namespace signalbox {
namespace {

__extension__ typedef unsigned __int128 UInt128;
constexpr Int128 bound = static_cast<Int128>(1) << 120;

UInt128 magnitude(Int128 v) {
  return v < 0 ? -static_cast<UInt128>(v) : static_cast<UInt128>(v);
}

UInt128 gcd(UInt128 a, UInt128 b) {
  while (b != 0) {
    const UInt128 r = a % b;
    a = b;
    b = r;
  }
  return a;
}

bool mul_fits(Int128 a, Int128 b, Int128& out) {
  return !__builtin_mul_overflow(a, b, &out);
}

int bit_length(UInt128 v) {
  const auto high = static_cast<unsigned long long>(v >> 64);
  const auto low = static_cast<unsigned long long>(v);
  if (high != 0) return 128 - __builtin_clzll(high);
  return low == 0 ? 0 : 64 - __builtin_clzll(low);
}

std::string digits(UInt128 v) {
  std::string out;
  do {
    out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(v % 10)));
    v /= 10;
  } while (v != 0);
  return out;
}

}  // namespace

std::optional<Rational> Rational::make(Int128 num, Int128 den) {
  if (den == 0) return std::nullopt;
  const UInt128 n = magnitude(num), d = magnitude(den);
  const UInt128 g = n == 0 ? d : gcd(n, d);
  const UInt128 rn = n / g, rd = d / g;
  if (rn >= static_cast<UInt128>(bound) || rd >= static_cast<UInt128>(bound)) return std::nullopt;
  Rational out;
  out.num_ = static_cast<Int128>(rn) * ((num < 0) != (den < 0) ? -1 : 1);
  out.den_ = static_cast<Int128>(rd);
  return out;
}

std::optional<Rational> Rational::parse_decimal(std::string_view text) {
  Int128 num = 0;
  int exponent = 0;
  bool seen_point = false, seen_digit = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '_') continue;
    if (c == '.' && !seen_point) {
      seen_point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    seen_digit = true;
    if (num >= bound / 10) return std::nullopt;
    num = num * 10 + (c - '0');
    if (seen_point) --exponent;
  }
  if (!seen_digit) return std::nullopt;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    ++at;
    bool negative = false;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) negative = text[at++] == '-';
    if (at == text.size()) return std::nullopt;
    int e = 0;
    for (; at < text.size(); ++at) {
      if (text[at] < '0' || text[at] > '9' || e > 10'000) return std::nullopt;
      e = e * 10 + (text[at] - '0');
    }
    exponent += negative ? -e : e;
  }
  if (num == 0) return Rational{};
  while (exponent < 0 && num % 10 == 0) {
    num /= 10;
    ++exponent;
  }
  Int128 den = 1;
  for (; exponent > 0; --exponent) {
    if (num >= bound / 10) return std::nullopt;
    num *= 10;
  }
  for (; exponent < 0; ++exponent) {
    if (den >= bound / 10) return std::nullopt;
    den *= 10;
  }
  return make(num, den);
}

double Rational::to_double() const {
  UInt128 n = magnitude(num_), d = static_cast<UInt128>(den_);
  if (n == 0) return 0.0;
  // Scale so that the quotient has 64 or 65 bits; the remainder becomes a sticky bit. One rounding follows.
  int shift = 64 - (bit_length(n) - bit_length(d));
  int done = 0;
  UInt128 quotient = n / d, rest = n % d;
  if (shift < 0) {  // the quotient alone has more than 64 bits
    const int drop = -shift;
    const bool sticky = rest != 0 || (quotient & ((static_cast<UInt128>(1) << drop) - 1)) != 0;
    quotient = (quotient >> drop) | (sticky ? 1 : 0);
    done = shift;
  } else {
    for (; done < shift; ++done) {  // rest < d < 2^120, so doubling never overflows
      rest <<= 1;
      quotient <<= 1;
      if (rest >= d) {
        rest -= d;
        quotient |= 1;
      }
    }
    if (rest != 0) quotient |= 1;
  }
  // `quotient` has 64 or 65 bits and an or-ed sticky: round to 53 by hand, ties to even.
  const int extra = bit_length(quotient) - 53;
  const UInt128 half = static_cast<UInt128>(1) << (extra - 1);
  UInt128 mantissa = quotient >> extra;
  const UInt128 tail = quotient & ((half << 1) - 1);
  if (tail > half || (tail == half && (mantissa & 1) != 0)) ++mantissa;
  const double value =
      std::ldexp(static_cast<double>(static_cast<unsigned long long>(mantissa)), extra - done);
  return num_ < 0 ? -value : value;
}

std::string Rational::to_string() const {
  std::string sign = num_ < 0 ? "-" : "";
  UInt128 n = magnitude(num_), d = static_cast<UInt128>(den_);
  if (d == 1) return sign + digits(n);
  UInt128 rest = d;
  int places = 0;
  for (; rest % 10 == 0; rest /= 10) ++places;
  int twos = 0, fives = 0;
  for (; rest % 2 == 0; rest /= 2) ++twos;
  for (; rest % 5 == 0; rest /= 5) ++fives;
  if (rest != 1) return sign + digits(n) + "/" + digits(d);
  places += twos > fives ? twos : fives;
  std::string out = sign + digits(n / d) + ".";
  UInt128 r = n % d;
  for (int i = 0; i < places; ++i) {
    r *= 10;  // r < d < 2^120
    out += static_cast<char>('0' + static_cast<int>(r / d));
    r %= d;
  }
  return out;
}

std::optional<Rational> add(const Rational& a, const Rational& b) {
  Int128 x = 0, y = 0, n = 0, d = 0;
  if (!mul_fits(a.num_, b.den_, x) || !mul_fits(b.num_, a.den_, y) || __builtin_add_overflow(x, y, &n) ||
      !mul_fits(a.den_, b.den_, d))
    return std::nullopt;
  return Rational::make(n, d);
}
std::optional<Rational> sub(const Rational& a, const Rational& b) {
  Rational negated = b;
  negated.num_ = -negated.num_;
  return add(a, negated);
}
std::optional<Rational> mul(const Rational& a, const Rational& b) {
  Int128 n = 0, d = 0;
  if (!mul_fits(a.num_, b.num_, n) || !mul_fits(a.den_, b.den_, d)) return std::nullopt;
  return Rational::make(n, d);
}
std::optional<Rational> div(const Rational& a, const Rational& b) {
  Int128 n = 0, d = 0;
  if (!mul_fits(a.num_, b.den_, n) || !mul_fits(a.den_, b.num_, d)) return std::nullopt;
  return Rational::make(n, d);
}
int compare(const Rational& a, const Rational& b) {
  Int128 x = 0, y = 0;
  if (mul_fits(a.num_, b.den_, x) && mul_fits(b.num_, a.den_, y)) return x < y ? -1 : x > y ? 1 : 0;
  const double p = a.to_double(), q = b.to_double();
  return p < q ? -1 : p > q ? 1 : 0;
}

std::string shortest(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace signalbox
