// The definition of shapes, run: apply_op() for each operation, over as many rows at a time as stay in the
// nearest cache. That operations come one after the other instead of rows changes nothing: rows do not know
// each other.
#include <algorithm>
#include <memory>
#include <vector>

#include "runtime/eval/kernel.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

constexpr std::size_t stretch = 256;

// What an instruction gave for a stretch of rows.
struct Lane {
  const double* value = nullptr;
  const std::uint8_t* evidence = nullptr;
  bool values = false;  // no row without one
};

constexpr auto has_value = static_cast<std::uint8_t>(Evidence::value);

bool all_values(const std::uint8_t* evidence, std::size_t n) {
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < n; ++i) any |= evidence[i];
  return any == has_value;
}

// Where every operand has a value, the compiler sees that and leaves out what cannot happen.
template <ShapeOp op>
void apply(const Lane& a, const Lane& b, const Lane& c, std::size_t n, double* value,
           std::uint8_t* evidence) {
  const bool all = a.values && b.values && c.values;
  for (std::size_t i = 0; all && i < n; ++i) {
    const Signal s = apply_op(op, {a.value[i], Evidence::value}, {b.value[i], Evidence::value},
                              {c.value[i], Evidence::value});
    value[i] = s.value;
    evidence[i] = static_cast<std::uint8_t>(s.evidence);
  }
  for (std::size_t i = 0; !all && i < n; ++i) {
    const auto signal = [i](const Lane& lane) {
      return Signal{lane.value[i], static_cast<Evidence>(lane.evidence[i])};
    };
    const Signal s = apply_op(op, signal(a), signal(b), signal(c));
    value[i] = s.value;
    evidence[i] = static_cast<std::uint8_t>(s.evidence);
  }
}

using Apply = void (*)(const Lane&, const Lane&, const Lane&, std::size_t, double*, std::uint8_t*);
constexpr Apply applies[] = {
#define OP(name, text, arity, condition) apply<ShapeOp::name>,
    SIGNALBOX_SHAPE_OPS(OP)
#undef OP
};

}  // namespace

void interpret(const plan::Shape& shape, const double* params, const ColumnView* inputs, double* out_value,
               std::uint8_t* out_evidence, std::size_t rows) {
  const std::size_t size = shape.code.size(), wide = std::min(stretch, rows);
  const auto values = std::make_unique_for_overwrite<double[]>(size * wide);
  const auto evidences = std::make_unique_for_overwrite<std::uint8_t[]>(size * wide);
  std::vector<Lane> lanes(size);
  for (std::size_t first = 0; first < rows; first += wide) {
    const std::size_t n = std::min(wide, rows - first);
    for (std::size_t i = 0; i < size; ++i) {
      const plan::ShapeInstr& in = shape.code[i];
      double* value = values.get() + i * wide;
      std::uint8_t* evidence = evidences.get() + i * wide;
      if (in.op == ShapeOp::param) {
        if (first > 0) continue;
        std::fill_n(value, n, params[in.index]);
        std::fill_n(evidence, n, has_value);
        lanes[i] = {value, evidence, true};
        continue;
      }
      if (in.op == ShapeOp::input) {
        const ColumnView& column = inputs[in.index];
        if (column.step == 1 && all_values(column.evidence + first, n)) {
          lanes[i] = {column.value + first, column.evidence + first, true};
          continue;
        }
        for (std::size_t row = 0; row < n; ++row) {
          evidence[row] = column.evidence[(first + row) * column.step];
          value[row] = evidence[row] == has_value ? column.value[(first + row) * column.step] : 0.0;
        }
      } else {
        applies[static_cast<std::size_t>(in.op)](lanes[in.a], lanes[in.b], lanes[in.c], n, value, evidence);
      }
      lanes[i] = {value, evidence, all_values(evidence, n)};
    }
    for (std::size_t row = 0; row < n; ++row) {
      const Signal result =
          canonical({lanes.back().value[row], static_cast<Evidence>(lanes.back().evidence[row])});
      out_value[first + row] = result.value;
      out_evidence[first + row] = lanes.back().evidence[row];
    }
  }
}

}  // namespace signalbox::eval
