// The meaning of every shape operation, for one row. This is the definition: the interpreter runs it, and
// the machine code of jit/ must give the same bits.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "runtime/base/math_table.hpp"
#include "runtime/plan/shape.hpp"

namespace signalbox::eval {

using plan::Evidence;
using plan::ShapeOp;

struct Signal {
  double value = 0.0;  // +0.0 whenever evidence is not `value`, so that results compare as bits
  Evidence evidence = Evidence::value;
};

inline constexpr double part_above_whole_tolerance = 1e-9;  // float sums of the same terms in another order

inline Signal unknown(Evidence why) {
  return {0.0, why};
}
inline Signal truth(bool yes) {
  return {yes ? 1.0 : 0.0, Evidence::value};
}
inline Evidence worse(Evidence a, Evidence b) {
  return a > b ? a : b;
}

// What is known where `decided`, and otherwise as far as `e` lets it be; true if `yes`. No branch: which rows
// lack a value cannot be foretold.
inline Signal truth_unless(bool decided, bool yes, Evidence e) {
  const Evidence why = decided ? Evidence::value : e;
  return {static_cast<double>(static_cast<int>(yes) & static_cast<int>(why == Evidence::value)), why};
}

// A comparison with anything but a value is unknown, except past a window's bound, where it is false.
template <class Less>
Signal compare_op(Signal a, Signal b, Less holds) {
  if (a.evidence == Evidence::outside || b.evidence == Evidence::outside) return truth(false);
  const Evidence e = worse(a.evidence, b.evidence);
  if (e != Evidence::value) return unknown(e);
  if (!std::isfinite(a.value) || !std::isfinite(b.value)) return unknown(Evidence::invalid);
  return truth(holds(a.value, b.value));
}

// Always inlined: where the operation is known, as in the interpreter's loops, only its own branch may be
// left.
[[gnu::always_inline]] inline Signal apply_op(ShapeOp op, Signal a, Signal b, Signal c) {
  const auto arithmetic = [&](double v) {
    const Evidence e = worse(a.evidence, b.evidence);
    return e == Evidence::value ? Signal{v, e} : unknown(e);
  };
  switch (op) {
    case ShapeOp::input:
    case ShapeOp::param:
      return a;
    case ShapeOp::add:
      return arithmetic(a.value + b.value);
    case ShapeOp::sub:
      return arithmetic(a.value - b.value);
    case ShapeOp::mul:
      return arithmetic(a.value * b.value);
    case ShapeOp::div:
      return arithmetic(a.value / b.value);
    case ShapeOp::mod:
      return arithmetic(math_mod(a.value, b.value));
    case ShapeOp::pow:
      return arithmetic(math_pow(a.value, b.value));
    case ShapeOp::neg:
      return a.evidence == Evidence::value ? Signal{-a.value, a.evidence} : a;
    case ShapeOp::abs:
      return a.evidence == Evidence::value ? Signal{std::fabs(a.value), a.evidence} : a;
    // As Go's Max and Min, and so Prometheus: an infinity that nothing can pass stays, then NaN does; of two
    // zeros −0 is the lesser.
    case ShapeOp::clamp_min: {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      return arithmetic(a.value != infinity &&
                                (a.value < b.value || b.value == infinity || std::isnan(b.value) ||
                                 (a.value == b.value && !std::signbit(b.value)))
                            ? b.value
                            : a.value);
    }
    case ShapeOp::clamp_max: {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      return arithmetic(a.value != -infinity &&
                                (a.value > b.value || b.value == -infinity || std::isnan(b.value) ||
                                 (a.value == b.value && std::signbit(b.value)))
                            ? b.value
                            : a.value);
    }
    case ShapeOp::fallback:
      return a.evidence == Evidence::value ? a : b;
    case ShapeOp::ratio: {
      const Evidence e = worse(a.evidence, b.evidence);
      if (e != Evidence::value) return unknown(e);
      // Without branches, for the sake of vector code. The quotient of a usable pair is finite.
      const double most = b.value * (1.0 + part_above_whole_tolerance);
      const int usable = static_cast<int>(b.value > 0.0) & static_cast<int>(a.value >= 0.0) &
                         static_cast<int>(most <= DBL_MAX) & static_cast<int>(a.value <= most);
      const double quotient = a.value / b.value;
      const Evidence otherwise = b.value == 0.0 ? Evidence::no_traffic : Evidence::invalid;
      return {usable != 0 ? quotient : 0.0, usable != 0 ? Evidence::value : otherwise};
    }
    case ShapeOp::at_least: {
      if (a.evidence != Evidence::value) return a;
      if (b.evidence != Evidence::value) return unknown(b.evidence);
      if (c.evidence != Evidence::value) return unknown(c.evidence);
      return b.value >= c.value ? a : unknown(Evidence::too_few);
    }
    case ShapeOp::finite:
      if (a.evidence == Evidence::value && std::isinf(a.value))
        return {std::copysign(DBL_MAX, a.value), a.evidence};
      return a;
    case ShapeOp::gt:
      return compare_op(a, b, [](double x, double y) { return x > y; });
    case ShapeOp::ge:
      return compare_op(a, b, [](double x, double y) { return x >= y; });
    case ShapeOp::lt:
      return compare_op(a, b, [](double x, double y) { return x < y; });
    case ShapeOp::le:
      return compare_op(a, b, [](double x, double y) { return x <= y; });
    case ShapeOp::eq:
      return compare_op(a, b, [](double x, double y) { return x == y; });
    case ShapeOp::ne:
      return compare_op(a, b, [](double x, double y) { return x != y; });
    case ShapeOp::both: {
      const int a_false = static_cast<int>(a.evidence == Evidence::value) & static_cast<int>(a.value == 0.0);
      const int b_false = static_cast<int>(b.evidence == Evidence::value) & static_cast<int>(b.value == 0.0);
      const bool decided = (a_false | b_false) != 0;
      return truth_unless(decided, !decided, worse(a.evidence, b.evidence));
    }
    case ShapeOp::either: {
      const int a_true = static_cast<int>(a.evidence == Evidence::value) & static_cast<int>(a.value != 0.0);
      const int b_true = static_cast<int>(b.evidence == Evidence::value) & static_cast<int>(b.value != 0.0);
      const bool decided = (a_true | b_true) != 0;
      return truth_unless(decided, decided, worse(a.evidence, b.evidence));
    }
    case ShapeOp::negate:
      return a.evidence == Evidence::value ? truth(a.value == 0.0) : a;
    case ShapeOp::is_gt:
      return arithmetic(a.value > b.value ? 1.0 : 0.0);
    case ShapeOp::is_ge:
      return arithmetic(a.value >= b.value ? 1.0 : 0.0);
    case ShapeOp::is_lt:
      return arithmetic(a.value < b.value ? 1.0 : 0.0);
    case ShapeOp::is_le:
      return arithmetic(a.value <= b.value ? 1.0 : 0.0);
    case ShapeOp::is_eq:
      return arithmetic(a.value == b.value ? 1.0 : 0.0);
    case ShapeOp::is_ne:
      return arithmetic(a.value != b.value ? 1.0 : 0.0);
    case ShapeOp::keep: {
      const Evidence e = worse(a.evidence, b.evidence);
      if (e != Evidence::value) return unknown(e);
      return b.value != 0.0 ? a : unknown(Evidence::no_data);
    }
    case ShapeOp::where:
      return arithmetic(a.value);
    case ShapeOp::atan2:
      return arithmetic(math_atan2(a.value, b.value));
    case ShapeOp::round:
      return arithmetic(math_round(a.value, b.value));
#define FN(name, text, arity, condition) \
  case ShapeOp::name:                    \
    return a.evidence == Evidence::value ? Signal{math_##name(a.value), a.evidence} : a;
      SIGNALBOX_MATH_FUNCTIONS(FN)
#undef FN
  }
  return unknown(Evidence::invalid);
}

// A NaN's payload and sign depend on operand order, which compilers may change: results carry one NaN.
inline Signal canonical(Signal s) {
  if (std::isnan(s.value)) s.value = std::numeric_limits<double>::quiet_NaN();
  return s;
}

}  // namespace signalbox::eval
