// Exact constants. `0.999`, `99.9%` and `999/1000` are one number, and 14.4 × (1 − 99.9%) is exactly 0.0144
// until it meets a sample and is rounded, once, to the nearest double.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace signalbox {

__extension__ typedef __int128 Int128;

// Lowest terms, positive denominator, both below 2^120 in magnitude. Operations that would leave that range
// answer nothing; the caller goes on in doubles.
class Rational {
 public:
  Rational() = default;
  Rational(long long whole) : num_(whole) {}
  static std::optional<Rational> make(Int128 num, Int128 den);
  // "12_000.5", "1e-3": digits with `_` between them, an optional fraction and exponent. No sign.
  static std::optional<Rational> parse_decimal(std::string_view text);

  Int128 num() const { return num_; }
  Int128 den() const { return den_; }
  bool is_zero() const { return num_ == 0; }
  bool is_whole() const { return den_ == 1; }
  // The nearest double, ties to even.
  double to_double() const;
  // Shortest decimal that is exact ("0.0144"), or "1/3" when none is.
  std::string to_string() const;

  friend std::optional<Rational> add(const Rational& a, const Rational& b);
  friend std::optional<Rational> sub(const Rational& a, const Rational& b);
  friend std::optional<Rational> mul(const Rational& a, const Rational& b);
  friend std::optional<Rational> div(const Rational& a, const Rational& b);  // nothing when b is zero
  friend int compare(const Rational& a, const Rational& b);                  // -1, 0, 1
  friend bool operator==(const Rational& a, const Rational& b) {
    return a.num_ == b.num_ && a.den_ == b.den_;
  }

 private:
  Int128 num_ = 0;
  Int128 den_ = 1;
};

std::optional<Rational> add(const Rational& a, const Rational& b);
std::optional<Rational> sub(const Rational& a, const Rational& b);
std::optional<Rational> mul(const Rational& a, const Rational& b);
std::optional<Rational> div(const Rational& a, const Rational& b);
int compare(const Rational& a, const Rational& b);

// A double as people and programs read it back: shortest digits that give the same double; "NaN", "+Inf",
// "-Inf" as Prometheus writes them.
std::string shortest(double value);

}  // namespace signalbox
