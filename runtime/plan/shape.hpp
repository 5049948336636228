// A shape says what to compute, without saying of what: a straight line of operations over input columns and
// parameters. Rules that differ only in constants, labels or series share one shape, and so one kernel.
//
// Each value in a shape is a pair (double, Evidence), row by row. A condition's double is 1.0 or 0.0; in
// columns it is a byte. The meaning of every operation is apply_op() in eval/ops.hpp; machine code must equal
// it bit for bit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/bytes.hpp"
#include "runtime/base/math_table.hpp"

namespace signalbox::plan {

// Why a signal has or has not a value, from best to worst: where several meet, the worst one stays.
// `outside` and `too_few` exist only inside conditions on anchored windows.
enum class Evidence : std::uint8_t {
  value = 0,
  outside = 1,     // past an anchored window's bound, or its event never happened: comparisons are false
  too_few = 2,     // fewer events than the clause asks for
  no_traffic = 3,  // the denominator is zero
  no_data = 4,
  stale = 5,    // older than the reader allows
  invalid = 6,  // good > total, NaN or infinity reaching a condition, a broken answer
};
inline constexpr int evidence_count = 7;
std::string_view evidence_name(Evidence e);

// name, spelling, number of operands, whether the result is a condition
#define SIGNALBOX_SHAPE_OPS(OP)                                                                     \
  OP(input, "input", 0, false) /* column `index` */                                                 \
  OP(param, "param", 0, false) /* parameter `index`: a constant of the rule */                      \
  OP(add, "+", 2, false)                                                                            \
  OP(sub, "-", 2, false)                                                                            \
  OP(mul, "*", 2, false)                                                                            \
  OP(div, "/", 2, false)                                                                            \
  OP(mod, "mod", 2, false) /* C's fmod */                                                           \
  OP(pow, "^", 2, false)                                                                            \
  OP(neg, "-", 1, false)                                                                            \
  OP(abs, "abs", 1, false)                                                                          \
  OP(clamp_min, "clamp_min", 2, false)                                                              \
  OP(clamp_max, "clamp_max", 2, false)                                                              \
  OP(fallback, "default", 2, false) /* the first when it has a value, else the second */            \
  OP(ratio, "ratio", 2, false)      /* part of whole; see Evidence */                               \
  OP(at_least, "events", 3, false)  /* first, unless second < third: then too_few */                \
  OP(finite, "finite", 1, false)    /* infinities become the largest finite double of their sign */ \
  OP(gt, ">", 2, true)                                                                              \
  OP(ge, ">=", 2, true)                                                                             \
  OP(lt, "<", 2, true)                                                                              \
  OP(le, "<=", 2, true)                                                                             \
  OP(eq, "==", 2, true)                                                                             \
  OP(ne, "!=", 2, true)                                                                             \
  OP(both, "and", 2, true) /* Kleene */                                                             \
  OP(either, "or", 2, true)                                                                         \
  OP(negate, "not", 1, true)                                                                        \
  /* PromQL's comparisons: of any doubles, 1 or 0 */                                                \
  OP(is_gt, "> bool", 2, false)                                                                     \
  OP(is_ge, ">= bool", 2, false)                                                                    \
  OP(is_lt, "< bool", 2, false)                                                                     \
  OP(is_le, "<= bool", 2, false)                                                                    \
  OP(is_eq, "== bool", 2, false)                                                                    \
  OP(is_ne, "!= bool", 2, false)                                                                    \
  OP(keep, "keep", 2, false)   /* the first where the second is not 0, else no data */              \
  OP(where, "where", 2, false) /* the first where the second has a value */                         \
  OP(atan2, "atan2", 2, false)                                                                      \
  OP(round, "round", 2, false)                                                                      \
  SIGNALBOX_MATH_FUNCTIONS(OP)

enum class ShapeOp : std::uint8_t {
#define OP(name, text, arity, condition) name,
  SIGNALBOX_SHAPE_OPS(OP)
#undef OP
};
inline constexpr int shape_op_count = static_cast<int>(ShapeOp::year) + 1;
std::string_view shape_op_name(ShapeOp op);
int shape_op_arity(ShapeOp op);
bool shape_op_is_condition(ShapeOp op);

// One operation; `a`, `b`, `c` are indices of earlier instructions (unused ones 0), `index` the column or
// parameter of the two leaf operations.
struct ShapeInstr {
  ShapeOp op = ShapeOp::input;
  std::uint32_t index = 0;
  std::uint32_t a = 0, b = 0, c = 0;
  bool operator==(const ShapeInstr&) const = default;
};

// The last instruction is the result. Every operand index is smaller than its instruction's.
struct Shape {
  std::uint32_t inputs = 0;
  std::uint32_t params = 0;
  std::vector<ShapeInstr> code;
  bool operator==(const Shape&) const = default;
  bool is_condition() const { return shape_op_is_condition(code.back().op); }
};

// Whether `shape` keeps the two rules above; everything that runs shapes may then trust them.
bool well_formed(const Shape& shape);
void write(ByteWriter& out, const Shape& shape);
Shape read_shape(ByteReader& in);  // check in.ok() and well_formed()

}  // namespace signalbox::plan
