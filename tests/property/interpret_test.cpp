// The interpreter takes many rows at a time, and where all of them have values it takes a shorter way. Row by
// row through apply_op is the definition: every value and evidence, to the bit.
#include <gtest/gtest.h>

#include <bit>
#include <cfloat>
#include <limits>
#include <random>

#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

using Rng = std::mt19937_64;

double some_number(Rng& rng, bool wild) {
  constexpr double odd[] = {0.0,
                            -0.0,
                            1.0,
                            -1.0,
                            DBL_MAX,
                            5e-324,
                            1e-300,
                            -DBL_MAX,
                            HUGE_VAL,
                            -HUGE_VAL,
                            std::numeric_limits<double>::quiet_NaN()};
  if (wild && rng() % 8 == 0) return odd[rng() % std::size(odd)];
  return static_cast<double>(rng() % 100) / (rng() % 3 == 0 ? 7.0 : 1.0);
}

TEST(Interpreter, IsApplyOpRowByRow) {
  Rng rng(5);
  std::size_t with_value = 0, without = 0;
  for (int round = 0; round < 3000; ++round) {
    plan::Shape shape{.inputs = 3, .params = 1, .code = {}};
    for (std::uint32_t i = 0; i < 3; ++i) shape.code.push_back({.op = ShapeOp::input, .index = i});
    shape.code.push_back({.op = ShapeOp::param, .index = 0});
    // Some are longer than what the interpreter has room for beforehand.
    for (auto size = rng() % 16 == 0 ? 28 + rng() % 60 : 5 + rng() % 8; shape.code.size() < size;) {
      const auto pick = [&] { return static_cast<std::uint32_t>(rng() % shape.code.size()); };
      shape.code.push_back({.op = static_cast<ShapeOp>(2 + rng() % (plan::shape_op_count - 2)),
                            .a = pick(),
                            .b = pick(),
                            .c = pick()});
    }
    const std::size_t rows = 1 + rng() % 700;
    const bool wild = rng() % 2 == 0, holes = rng() % 2 == 0;
    std::vector<double> values[3];
    std::vector<std::uint8_t> truths[3], evidence[3];
    std::vector<ColumnView> columns;
    for (int c = 0; c < 3; ++c) {
      values[c].resize(rows);
      truths[c].resize(rows);
      evidence[c].resize(rows);
      for (std::size_t i = 0; i < rows; ++i) {
        // Holes come together, so that stretches without one are seen too.
        const bool hole = holes && i % 300 > 280 && rng() % 2 == 0;
        evidence[c][i] = hole ? static_cast<std::uint8_t>(1 + rng() % 6) : 0;
        values[c][i] = hole ? 0.0 : some_number(rng, wild);
        truths[c][i] = values[c][i] > 1 ? 1 : 0;
      }
      const std::size_t step = rng() % 8 == 0 ? 0 : 1;
      if (rng() % 4 == 0)
        columns.push_back({nullptr, evidence[c].data(), step, truths[c].data()});
      else
        columns.push_back({values[c].data(), evidence[c].data(), step});
    }
    const double params[] = {some_number(rng, wild)};
    Column got = column_of(rows, shape.is_condition());
    interpret(shape, params, columns.data(), got.out(), rows);
    for (std::size_t i = 0; i < rows; ++i) {
      std::vector<Signal> done;
      for (const plan::ShapeInstr& in : shape.code) {
        if (in.op == ShapeOp::input) {
          const std::size_t at = i * columns[in.index].step;
          done.push_back(
              {columns[in.index].number(i), static_cast<Evidence>(columns[in.index].evidence[at])});
        } else if (in.op == ShapeOp::param) {
          done.push_back({params[in.index], Evidence::value});
        } else {
          done.push_back(apply_op(in.op, done[in.a], done[in.b], done[in.c]));
        }
      }
      const Signal want = canonical(done.back());
      ASSERT_EQ(got.evidence[i], static_cast<std::uint8_t>(want.evidence))
          << "round " << round << " row " << i;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(got.number(i)), std::bit_cast<std::uint64_t>(want.value))
          << "round " << round << " row " << i << ": " << got.number(i) << " and " << want.value;
      ++(want.evidence == Evidence::value ? with_value : without);
    }
  }
  EXPECT_GT(with_value, 100'000u);
  EXPECT_GT(without, 20'000u);
}

}  // namespace
}  // namespace signalbox::eval
