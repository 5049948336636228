// The logic of conditions: three values, whatever their evidence, and the laws that must hold among them.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/small_plan.hpp"

namespace signalbox::test {
namespace {

using eval::Signal;

const std::vector<Signal>& all_signals() {
  static const std::vector<Signal> signals = [] {
    std::vector<Signal> out{eval::truth(false), eval::truth(true)};
    for (int e = 1; e < plan::evidence_count; ++e) out.push_back(eval::unknown(static_cast<Evidence>(e)));
    return out;
  }();
  return signals;
}
bool same(Signal a, Signal b) {
  return a.value == b.value && a.evidence == b.evidence;
}
Signal both(Signal a, Signal b) {
  return eval::apply_op(ShapeOp::both, a, b, {});
}
Signal either(Signal a, Signal b) {
  return eval::apply_op(ShapeOp::either, a, b, {});
}
Signal negate(Signal a) {
  return eval::apply_op(ShapeOp::negate, a, {}, {});
}

TEST(KleeneProperty, FalseDecidesAndTrueDecides) {
  for (const Signal s : all_signals()) {
    EXPECT_TRUE(same(both(s, eval::truth(false)), eval::truth(false)));
    EXPECT_TRUE(same(either(s, eval::truth(true)), eval::truth(true)));
    EXPECT_TRUE(same(both(s, eval::truth(true)), s));
    EXPECT_TRUE(same(either(s, eval::truth(false)), s));
  }
}

TEST(KleeneProperty, OrderAndGroupingDoNotMatter) {
  for (const Signal a : all_signals())
    for (const Signal b : all_signals()) {
      EXPECT_TRUE(same(both(a, b), both(b, a)));
      EXPECT_TRUE(same(either(a, b), either(b, a)));
      for (const Signal c : all_signals()) {
        EXPECT_TRUE(same(both(a, both(b, c)), both(both(a, b), c)));
        EXPECT_TRUE(same(either(a, either(b, c)), either(either(a, b), c)));
      }
    }
}

TEST(KleeneProperty, DeMorganKeepsTheEvidence) {
  for (const Signal a : all_signals())
    for (const Signal b : all_signals()) EXPECT_TRUE(same(negate(both(a, b)), either(negate(a), negate(b))));
}

// Learning what was unknown never turns a known answer.
TEST(KleeneProperty, KnowingMoreNeverChangesAKnownAnswer) {
  for (const Signal a : all_signals())
    for (const Signal b : all_signals()) {
      if (a.evidence == Evidence::value) continue;
      for (const auto op : {both, either}) {
        const Signal before = op(a, b);
        if (before.evidence != Evidence::value) continue;
        EXPECT_TRUE(same(op(eval::truth(true), b), before));
        EXPECT_TRUE(same(op(eval::truth(false), b), before));
      }
    }
}

// Rows of random conditions, folded by the nodes `any` and `all`, against the definition by counting.
TEST(KleeneProperty, QuantifiersAreWhatTheirRowsSay) {
  std::mt19937 random(20261123);
  for (int round = 0; round < 300; ++round) {
    SmallPlan p;
    p.plan.lookback = seconds(5);
    struct Seen {
      bool yes = false, no = false, unknown = false;
    };
    std::map<std::string, Seen> groups;
    const int rows = static_cast<int>(random() % 12);
    for (int i = 0; i < rows; ++i) {
      const std::string group = std::to_string(random() % 3);
      const int kind = static_cast<int>(random() % 3);
      const std::vector<std::string> labels{"g=" + group, "i=" + std::to_string(i)};
      p.put("m", labels, kind == 2 ? -100 : 0, kind == 1 ? 1 : 0);
      Seen& seen = groups["{g=\"" + group + "\"}"];
      (kind == 0 ? seen.no : kind == 1 ? seen.yes : seen.unknown) = true;
    }
    const Index condition = p.map(ShapeOp::gt, {p.sample("m"), p.constant(0)});
    const auto expect = [&](NodeKind kind, auto&& answer) {
      const eval::Column column = p.column(p.fold(kind, condition, {"i"}), 0);
      ASSERT_EQ(column.size(), groups.size());
      for (std::size_t row = 0; row < column.size(); ++row) {
        const std::string labels = to_string((*column.rows)[row]);
        EXPECT_EQ(shown(column, row), labels + " " + answer(groups[labels]));
      }
    };
    expect(NodeKind::any, [](const Seen& s) { return s.yes ? "1" : s.unknown ? "stale" : "0"; });
    expect(NodeKind::all, [](const Seen& s) { return s.no ? "0" : s.unknown ? "stale" : "1"; });
  }
}

// The order in which series arrive is not part of the data.
TEST(KleeneProperty, ArrivalOrderDoesNotReachTheLastBit) {
  std::mt19937 random(7);
  std::vector<std::pair<std::string, double>> series;
  for (int i = 0; i < 40; ++i)
    series.emplace_back("i=" + std::to_string(i),
                        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 80)));
  std::optional<double> first;
  for (int round = 0; round < 20; ++round) {
    std::shuffle(series.begin(), series.end(), random);
    SmallPlan p;
    for (const auto& [label, value] : series) p.put("m", {label}, 0, value);
    const double sum = p.column(p.fold(NodeKind::aggregate, p.sample("m"), {}), 0).value.at(0);
    if (!first) first = sum;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(sum), std::bit_cast<std::uint64_t>(*first));
  }
}

}  // namespace
}  // namespace signalbox::test
