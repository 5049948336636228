// Shapes over bounds: whatever lies within those of the inputs, the result lies within what is said of it.
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <random>

#include "runtime/eval/bounds.hpp"
#include "runtime/eval/kernel.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

using Rng = std::mt19937_64;
using State = Bounds::State;

double some_number(Rng& rng) {
  constexpr double ends[] = {0.0, -0.0, 1.0, -1.0, 2.0, 1e-3, 5e-324, 1e-300, 1e300, DBL_MAX, -DBL_MAX};
  if (rng() % 6 == 0) return ends[rng() % std::size(ends)];
  return static_cast<double>(rng() % 100) / (rng() % 3 == 0 ? 7.0 : 1.0) - (rng() % 4 == 0 ? 50 : 0);
}
double any_number(Rng& rng) {
  if (rng() % 4 == 0) return rng() % 2 == 0 ? std::nan("") : rng() % 2 == 0 ? HUGE_VAL : -HUGE_VAL;
  return some_number(rng);
}
Bounds some_bounds(Rng& rng) {
  const double a = some_number(rng), b = rng() % 3 == 0 ? a : rng() % 2 == 0 ? a * 1.25 : some_number(rng);
  const std::uint64_t kind = rng() % 20;
  if (kind == 0) return {};
  if (kind < 5) return {State::absent, 0, 0};
  if (kind == 5 || !std::isfinite(b)) return {State::valued, 0, 0};
  return {State::bounded, std::min(a, b), std::max(a, b)};
}
Signal one_of(Rng& rng, const Bounds& bounds) {
  const Signal without{0.0, static_cast<Evidence>(1 + rng() % 6)};
  switch (bounds.state) {
    case State::unknown:
      return rng() % 2 == 0 ? without : Signal{any_number(rng), Evidence::value};
    case State::absent:
      return without;
    case State::valued:
      return {any_number(rng), Evidence::value};
    case State::bounded:
      break;
  }
  const double part = rng() % 3 == 0 ? 0.0 : rng() % 2 == 0 ? 1.0 : static_cast<double>(rng() % 1000) / 1000;
  const double value = bounds.least * (1 - part) + bounds.most * part;
  return {std::clamp(value, bounds.least, bounds.most), Evidence::value};
}

TEST(Bounds, OfAShapeHoldEveryResult) {
  Rng rng(11);
  std::size_t bounded = 0, decided = 0, valued = 0, absent = 0;
  for (int round = 0; round < 100'000; ++round) {
    plan::Shape shape{.inputs = 3, .params = 1, .code = {}};
    for (std::uint32_t i = 0; i < 3; ++i) shape.code.push_back({.op = ShapeOp::input, .index = i});
    shape.code.push_back({.op = ShapeOp::param, .index = 0});
    for (auto size = 5 + rng() % 4; shape.code.size() < size;) {
      const auto pick = [&] { return static_cast<std::uint32_t>(rng() % shape.code.size()); };
      shape.code.push_back({.op = static_cast<ShapeOp>(2 + rng() % (plan::shape_op_count - 2)),
                            .a = pick(),
                            .b = pick(),
                            .c = pick()});
    }
    const double param = rng() % 10 == 0 ? any_number(rng) : some_number(rng);
    Bounds inputs[3];
    for (Bounds& input : inputs) input = some_bounds(rng);
    const Bounds said = bounds_of(shape, &param, inputs);
    bounded += said.state == State::bounded ? 1u : 0u;
    decided += said.is_one_value() && shape.is_condition() ? 1u : 0u;
    valued += said.state == State::valued ? 1u : 0u;
    absent += said.state == State::absent ? 1u : 0u;
    for (int sample = 0; sample < 12; ++sample) {
      double values[3];
      std::uint8_t evidence[3];
      ColumnView columns[3];
      for (int i = 0; i < 3; ++i) {
        const Signal signal = one_of(rng, inputs[i]);
        values[i] = signal.value;
        evidence[i] = static_cast<std::uint8_t>(signal.evidence);
        columns[i] = {values + i, evidence + i, 0};
      }
      double value = 0;
      std::uint8_t truth = 0, why = 0;
      interpret(shape, &param, columns, {&value, &why, &truth}, 1);
      if (shape.is_condition()) value = truth;
      if (said.has_value()) {
        ASSERT_EQ(why, 0) << "round " << round;
      }
      if (said.state == State::absent) {
        ASSERT_NE(why, 0) << "round " << round;
      }
      if (said.state != State::bounded) continue;
      ASSERT_GE(value, said.least) << "round " << round << ": " << plan::shape_op_name(shape.code.back().op);
      ASSERT_LE(value, said.most) << "round " << round << ": " << plan::shape_op_name(shape.code.back().op);
    }
  }
  EXPECT_GT(bounded, 15'000u);
  EXPECT_GT(decided, 1'500u);
  EXPECT_GT(valued, 10'000u);
  EXPECT_GT(absent, 50u);
}

}  // namespace
}  // namespace signalbox::eval
