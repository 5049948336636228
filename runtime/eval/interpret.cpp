// The definition of shapes, run: apply_op() for each operation, over as many rows at a time as stay in the
// nearest cache. That operations come one after the other instead of rows changes nothing: rows do not know
// each other.
#include <algorithm>
#include <vector>

#include "runtime/base/vectors.hpp"
#include "runtime/eval/kernel.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

constexpr std::size_t stretch = 256;

// What an instruction gave for a stretch of rows.
struct Lane {
  const double* value;
  const std::uint8_t* evidence;
  bool values;  // no row without one
};

constexpr auto has_value = static_cast<std::uint8_t>(Evidence::value);
constexpr std::uint8_t no_gaps[stretch] = {};
static_assert(has_value == 0);

bool all_values(const std::uint8_t* evidence, std::size_t n) {
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < n; ++i) any |= evidence[i];
  return any == has_value;
}

SIGNALBOX_VECTORS void to_truths(const double* value, std::size_t n, std::uint8_t* truth) {
  for (std::size_t i = 0; i < n; ++i) truth[i] = value[i] != 0.0 ? 1 : 0;
}

// Where every operand has a value, the compiler sees that and leaves out what cannot happen. Says whether
// every result has a value too; if not, the results are of no use.
template <ShapeOp op>
inline __attribute__((always_inline)) bool apply_values(const double* a, const double* b, const double* c,
                                                        std::size_t n, double* __restrict value) {
  // As wide as values, so that both are made in one go.
  std::uint64_t why[stretch];
  for (std::size_t i = 0; i < n; ++i) {
    const Signal s = apply_op(op, {a[i], Evidence::value}, {b[i], Evidence::value}, {c[i], Evidence::value});
    value[i] = s.value;
    why[i] = static_cast<std::uint64_t>(s.evidence);
  }
  std::uint64_t any = has_value;
  for (std::size_t i = 0; i < n; ++i) any |= why[i];
  return any == has_value;
}

SIGNALBOX_VECTORS bool apply_values(ShapeOp op, const double* a, const double* b, const double* c,
                                    std::size_t n, double* value) {
  switch (op) {
#define OP(name, text, arity, condition) \
  case ShapeOp::name:                    \
    return apply_values<ShapeOp::name>(a, b, c, n, value);
    SIGNALBOX_SHAPE_OPS(OP)
#undef OP
  }
  return false;
}

// The lanes by value: a byte that is written might be a part of one that is not.
template <ShapeOp op>
void apply(Lane a, Lane b, Lane c, std::size_t n, double* value, std::uint8_t* evidence) {
  const auto signal = [](const Lane& lane, std::size_t i) {
    return Signal{lane.value[i], static_cast<Evidence>(lane.evidence[i])};
  };
  for (std::size_t i = 0; i < n; ++i) {
    const Signal s = apply_op(op, signal(a, i), signal(b, i), signal(c, i));
    value[i] = s.value;
    evidence[i] = static_cast<std::uint8_t>(s.evidence);
  }
}

using Apply = void (*)(Lane, Lane, Lane, std::size_t, double*, std::uint8_t*);
constexpr Apply applies[] = {
#define OP(name, text, arity, condition) apply<ShapeOp::name>,
    SIGNALBOX_SHAPE_OPS(OP)
#undef OP
};

// One row after the other: for so few that making room for stretches would cost more than the rows.
constexpr std::size_t few = 8;

void interpret_few(const plan::Shape& shape, const double* params, const ColumnView* inputs,
                   const ColumnOut& out, std::size_t rows) {
  constexpr std::size_t usual = 64;
  Signal here[usual];
  std::vector<Signal> beyond(shape.code.size() > usual ? shape.code.size() : 0);
  Signal* const signals = beyond.empty() ? here : beyond.data();
  for (std::size_t row = 0; row < rows; ++row) {
    Signal result;
    for (std::size_t i = 0; i < shape.code.size(); ++i) {
      const plan::ShapeInstr& in = shape.code[i];
      if (in.op == ShapeOp::param) {
        result = {params[in.index], Evidence::value};
      } else if (in.op == ShapeOp::input) {
        const ColumnView& column = inputs[in.index];
        const auto evidence = static_cast<Evidence>(column.evidence[row * column.step]);
        result = {column.number(row), evidence};
      } else {
        result = apply_op(in.op, signals[in.a], signals[in.b], signals[in.c]);
      }
      signals[i] = result;
    }
    if (shape.is_condition())
      out.truth[row] = result.value != 0.0 ? 1 : 0;
    else
      out.value[row] = canonical(result).value;
    out.evidence[row] = static_cast<std::uint8_t>(result.evidence);
  }
}

}  // namespace

void interpret(const plan::Shape& shape, const double* params, const ColumnView* inputs, const ColumnOut& out,
               std::size_t rows) {
  if (rows < few) return interpret_few(shape, params, inputs, out, rows);
  const bool condition = shape.is_condition();
  const std::size_t size = shape.code.size(), wide = std::min(stretch, rows);
  // What usual shapes need is on the stack: rows are few in a run of a replay, and a heap costs as much.
  constexpr std::size_t usual_size = 32, usual = usual_size * stretch;
  double values_here[usual];
  std::uint8_t evidences_here[usual];
  Lane lanes_here[usual_size];
  const std::size_t beyond = size > usual_size ? size : 0;
  std::vector<double> values_beyond(beyond * wide);
  std::vector<std::uint8_t> evidences_beyond(beyond * wide);
  std::vector<Lane> lanes_beyond(beyond);
  double* const values = beyond > 0 ? values_beyond.data() : values_here;
  std::uint8_t* const evidences = beyond > 0 ? evidences_beyond.data() : evidences_here;
  Lane* const lanes = beyond > 0 ? lanes_beyond.data() : lanes_here;
  for (std::size_t first = 0; first < rows; first += wide) {
    const std::size_t n = std::min(wide, rows - first);
    for (std::size_t i = 0; i < size; ++i) {
      const plan::ShapeInstr& in = shape.code[i];
      const bool last = i + 1 == size;
      double* value = last && !condition ? out.value + first : values + i * wide;
      std::uint8_t* evidence = last ? out.evidence + first : evidences + i * wide;
      if (in.op == ShapeOp::param) {
        if (first == 0 || last) std::fill_n(value, n, params[in.index]);
        lanes[i] = {value, no_gaps, true};
      } else if (in.op == ShapeOp::input) {
        const ColumnView& column = inputs[in.index];
        if (column.step == 1 && column.value != nullptr) {
          lanes[i] = {column.value + first, column.evidence + first, all_values(column.evidence + first, n)};
          continue;
        }
        for (std::size_t row = 0; row < n; ++row) {
          evidence[row] = column.evidence[(first + row) * column.step];
          value[row] = column.number(first + row);
        }
        lanes[i] = {value, evidence, all_values(evidence, n)};
      } else {
        const Lane &a = lanes[in.a], &b = lanes[in.b], &c = lanes[in.c];
        if (a.values && b.values && c.values && apply_values(in.op, a.value, b.value, c.value, n, value)) {
          lanes[i] = {value, no_gaps, true};
          continue;
        }
        applies[static_cast<std::size_t>(in.op)](a, b, c, n, value, evidence);
        lanes[i] = {value, evidence, all_values(evidence, n)};
      }
    }
    const Lane& result = lanes[size - 1];
    if (result.evidence != out.evidence + first) std::copy_n(result.evidence, n, out.evidence + first);
    if (condition) {
      to_truths(result.value, n, out.truth + first);
      continue;
    }
    if (result.value != out.value + first) std::copy_n(result.value, n, out.value + first);
    for (std::size_t row = first; row < first + n; ++row)
      out.value[row] = canonical({out.value[row], Evidence::value}).value;
  }
}

}  // namespace signalbox::eval
