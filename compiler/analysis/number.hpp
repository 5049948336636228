// A number of a table: exact while it can be, and then rounded once.
#pragma once

#include <optional>

#include "runtime/base/rational.hpp"

namespace signalbox::analysis {

class Number {
 public:
  Number(const Rational& exact) : exact_(exact), value_(exact.to_double()) {}
  Number(long long whole) : Number(Rational(whole)) {}
  Number(int whole) : Number(Rational(whole)) {}
  Number(double rounded) : value_(rounded) {}

  double rounded() const { return value_; }

  friend Number operator*(const Number& a, const Number& b) {
    return made(a.exact_ && b.exact_ ? mul(*a.exact_, *b.exact_) : std::nullopt, a.value_ * b.value_);
  }
  friend Number operator/(const Number& a, const Number& b) {
    return made(a.exact_ && b.exact_ ? div(*a.exact_, *b.exact_) : std::nullopt, a.value_ / b.value_);
  }
  friend Number operator-(const Number& a, const Number& b) {
    return made(a.exact_ && b.exact_ ? sub(*a.exact_, *b.exact_) : std::nullopt, a.value_ - b.value_);
  }
  friend bool operator<(const Number& a, const Number& b) {
    return a.exact_ && b.exact_ ? compare(*a.exact_, *b.exact_) < 0 : a.value_ < b.value_;
  }

 private:
  static Number made(const std::optional<Rational>& exact, double rounded) {
    return exact ? Number(*exact) : Number(rounded);
  }

  std::optional<Rational> exact_;
  double value_;
};

}  // namespace signalbox::analysis
