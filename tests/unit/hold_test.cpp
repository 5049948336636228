// How long a condition has held, when ticks are unknown, missed, or far between.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/small_plan.hpp"

namespace signalbox::test {
namespace {

using Kind = plan::Hold::Kind;

// Runs one tick for each letter: t true, f false, u unknown, and '.' for a tick that is missed. Answers with
// T, F, U.
struct Holding {
  plan::Hold hold;
  eval::HoldCell cell;
  Instant tick = at_s(1'000'000);

  std::string run(const std::string& ticks) {
    std::string out;
    for (const char c : ticks) {
      tick = tick + seconds(10);
      if (c == '.') continue;
      double value = 0;
      Evidence evidence = Evidence::value;
      eval::advance_hold(hold, seconds(10), tick, c == 't' ? 1 : 0, c == 'u' ? Evidence::stale : evidence,
                         cell, value, evidence);
      out += evidence == Evidence::value ? (value != 0 ? 'T' : 'F') : 'U';
    }
    return out;
  }
};
Holding ticks(std::uint32_t count) {
  return {{Kind::ticks, count, 1, {}, 2}, {}};
}
Holding time_of(Duration time) {
  return {{Kind::time, 1, 1, time, 2}, {}};
}
Holding of(std::uint32_t count, std::uint32_t out_of) {
  return {{Kind::of, count, out_of, {}, 2}, {}};
}

TEST(Hold, CountsTrueTicksAndFalseResets) {
  EXPECT_EQ(ticks(3).run("ttttfttt"), "FFTTFFFT");
  EXPECT_EQ(ticks(1).run("ftf"), "FTF");
}

TEST(Hold, UnknownNeitherCountsNorResetsUntilTheThirdInARow) {
  EXPECT_EQ(ticks(3).run("ttut"), "FFUT");
  EXPECT_EQ(ticks(3).run("ttuut"), "FFUUT");
  EXPECT_EQ(ticks(3).run("ttuuuttt"), "FFUUUFFT");
  EXPECT_EQ(ticks(3).run("tututut"), "FUFUTUT");
}

TEST(Hold, MissedTicksAreUnknownOnes) {
  EXPECT_EQ(ticks(3).run("tt..t"), "FFT");
  EXPECT_EQ(ticks(3).run("tt...ttt"), "FFFFT");
  EXPECT_EQ(ticks(3).run("ttu..ttt"), "FFUFFT");
  EXPECT_EQ(ticks(3).run("tt" + std::string(1000, '.') + "t"), "FFF");
}

TEST(Hold, StatedNumberOfUnknownTicksIsAllowed) {
  Holding none = ticks(2);
  none.hold.unknown_at_most = 0;
  EXPECT_EQ(none.run("tutt"), "FUFT");
  Holding many = ticks(2);
  many.hold.unknown_at_most = 4;
  EXPECT_EQ(many.run("tuuuut"), "FUUUUT");
}

TEST(Hold, TimeIsKnownTrueTime) {
  EXPECT_EQ(time_of(seconds(20)).run("tttt"), "FFTT");
  EXPECT_EQ(time_of(seconds(20)).run("tuutt"), "FUUFT");
  EXPECT_EQ(time_of(seconds(20)).run("ttftt"), "FFFFF");
  EXPECT_EQ(time_of(seconds(20)).run("tt...ttt"), "FFFFT");
  EXPECT_EQ(time_of({}).run("ft"), "FT");
}

TEST(Hold, OutOfManyLooksBackOverTicks) {
  EXPECT_EQ(of(3, 5).run("tftft"), "FFFFT");
  EXPECT_EQ(of(3, 5).run("tftftff"), "FFFFTFF");
  EXPECT_EQ(of(2, 3).run("tut"), "FUT");
  EXPECT_EQ(of(2, 3).run("tuut"), "FUUF");
  EXPECT_EQ(of(2, 5).run("ttuuut"), "FTUUUF");
  EXPECT_EQ(of(64, 64).run(std::string(64, 't')), std::string(63, 'F') + "T");
}

TEST(Hold, ResetCellEqualsAFreshOneFromThenOn) {
  Holding used = ticks(2);
  used.run("ttfttuuu");
  Holding fresh = ticks(2);
  fresh.tick = used.tick;
  EXPECT_EQ(used.run("tt"), fresh.run("tt"));
  EXPECT_EQ(used.cell, fresh.cell);
}

struct HeldRows : testing::Test {
  SmallPlan p;
  Index held;
  eval::HoldTable holds;
  HeldRows() {
    p.plan.lookback = seconds(5);
    held = p.hold(p.map(ShapeOp::gt, {p.sample("m"), p.constant(0)}), {Kind::ticks, 2, 1, {}, 2});
  }
};

TEST_F(HeldRows, EachRowHasItsOwnState) {
  p.put("m", {"a=1"}, 100, 1);
  p.put("m", {"a=2"}, 100, 0);
  EXPECT_EQ(p.at(100, held, &holds), (Shown{"{a=\"1\"} 0", "{a=\"2\"} 0"}));
  p.put("m", {"a=1"}, 110, 1);
  p.put("m", {"a=2"}, 110, 1);
  EXPECT_EQ(p.at(110, held, &holds), (Shown{"{a=\"1\"} 1", "{a=\"2\"} 0"}));
  EXPECT_EQ(p.at(120, held, &holds), (Shown{"{a=\"1\"} stale", "{a=\"2\"} stale"}));
}

TEST_F(HeldRows, AnEvaluationMovesTheStateOnce) {
  p.put("m", {}, 100, 1);
  eval::ShapeRunner shapes(p.plan, eval::Tier::interpreter, {}, {});
  eval::Evaluation evaluation({&p.plan, &p.leaves, &shapes, p.semantics, at_s(100), {}, "", &holds, p.cache});
  evaluation.column(held);
  evaluation.column(held);
  ASSERT_EQ(holds.size(), 1u);
  EXPECT_EQ(holds.begin()->second.streak, 1u);
}

TEST_F(HeldRows, WithoutATableTheConditionIsPassedThrough) {
  p.put("m", {}, 100, 1);
  EXPECT_EQ(p.at(100, held), Shown{"{} 1"});
}

TEST_F(HeldRows, ScopesDoNotMeet) {
  p.put("m", {}, 100, 1);
  eval::ShapeRunner shapes(p.plan, eval::Tier::interpreter, {}, {});
  for (const char* scope : {"", "verify"}) {
    eval::Evaluation evaluation(
        {&p.plan, &p.leaves, &shapes, p.semantics, at_s(100), {}, scope, &holds, p.cache});
    evaluation.column(held);
  }
  EXPECT_EQ(holds.size(), 2u);
}

TEST_F(HeldRows, CellsOfRowsThatAreLongGoneAreForgotten) {
  holds[{held, "", labels_of({"a=gone"})}].last_tick = at_s(60);
  holds[{held, "", labels_of({"a=away"})}].last_tick = at_s(70);
  holds[{held, "other", labels_of({"a=gone"})}].last_tick = at_s(60);
  p.put("m", {}, 100, 1);
  p.at(100, held, &holds);
  EXPECT_EQ(holds.size(), 3u);
  EXPECT_EQ(holds.count({held, "", labels_of({"a=gone"})}), 0u);
}

// A replay passes over ticks at which nothing changes: what is held has to come out as if each had been asked
// about, and what is settled has to stay what it is.
TEST(Hold, TicksPassedOverCountAsTheyWouldHave) {
  std::mt19937_64 random(5);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  std::size_t settled = 0, unsettled = 0;
  for (int round = 0; round < 20'000; ++round) {
    plan::Hold hold;
    hold.kind = static_cast<plan::Hold::Kind>(below(3));
    hold.of = static_cast<std::uint32_t>(1 + below(below(2) == 0 ? 64 : 5));
    hold.count = static_cast<std::uint32_t>(1 + below(hold.of));
    hold.time = seconds(static_cast<std::int64_t>(1 + below(100)));
    hold.unknown_at_most = static_cast<std::uint32_t>(below(4));
    eval::HoldCell cell;
    Instant tick{1'000'000};
    double value = 0, out = 0;
    Evidence evidence = Evidence::value, out_evidence = Evidence::value;
    const auto ask = [&] {
      tick = tick + seconds(10);
      eval::advance_hold(hold, seconds(10), tick, value, evidence, cell, out, out_evidence);
    };
    for (std::uint64_t i = 0, n = 1 + below(90); i < n; ++i) {
      value = below(3) == 0 ? 0 : 1;
      evidence = below(6) == 0 ? Evidence::stale : Evidence::value;
      ask();
    }
    eval::HoldCell passed = cell;
    const bool is_settled = eval::settled(hold, cell);
    (is_settled ? settled : unsettled) += 1;
    const double answer = out;
    const Evidence with = out_evidence;
    const std::uint64_t more = 1 + below(below(2) == 0 ? 200 : 4);
    for (std::uint64_t i = 0; i < more; ++i) {
      ask();
      if (is_settled) {
        ASSERT_TRUE(out == answer && out_evidence == with) << round;
      }
    }
    eval::repeat_hold(hold, seconds(10), more, passed);
    ASSERT_EQ(passed, cell) << round;
  }
  EXPECT_GT(settled, 1'000u);
  EXPECT_GT(unsettled, 1'000u);
}

}  // namespace
}  // namespace signalbox::test
