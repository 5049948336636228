// One node at a time: leaves and their windows, joins, folds, slices, and what is known when data is missing.
#include "runtime/eval/evaluate.hpp"

#include <gtest/gtest.h>

#include "tests/support/small_plan.hpp"

namespace signalbox::test {
namespace {

using plan::Join;
using plan::Matching;
using plan::WindowKind;

Matching joined(Join join, std::vector<std::string> labels = {}) {
  Matching matching;
  matching.join = join;
  matching.labels = std::move(labels);
  return matching;
}

TEST(Constant, IsOneRowWithoutLabels) {
  SmallPlan p;
  EXPECT_EQ(p.at(0, p.constant(2.5)), Shown{"{} 2.5"});
}

TEST(Time, IsTheTickInSeconds) {
  SmallPlan p;
  Node node;
  node.kind = NodeKind::time;
  node.scalar = true;
  const Index time = p.add(node);
  EXPECT_EQ(shown(p.column(time, 12)), Shown{"{} 12"});
}

TEST(Sample, KeepsTheNameAndGoesStalePastTheLookback) {
  SmallPlan p;
  p.put("m", {"a=1"}, 10, 4);
  const Index m = p.sample("m");
  EXPECT_EQ(p.at(10, m), Shown{"m{a=\"1\"} 4"});
  EXPECT_EQ(p.at(310, m), Shown{"m{a=\"1\"} 4"});
  EXPECT_EQ(p.at(311, m), Shown{"m{a=\"1\"} stale"});
}

TEST(Sample, SeriesThatHasNotBegunIsNotARow) {
  SmallPlan p;
  p.put("m", {"a=1"}, 10, 4);
  p.put("m", {"a=2"}, 20, 5);
  const Index m = p.sample("m");
  EXPECT_EQ(p.at(10, m), Shown{"m{a=\"1\"} 4"});
  EXPECT_EQ(p.at(20, m), (Shown{"m{a=\"1\"} 4", "m{a=\"2\"} 5"}));
  EXPECT_EQ(p.at(10, m), Shown{"m{a=\"1\"} 4"});
}

TEST(Sample, EndedSeriesIsStaleAtOnce) {
  SmallPlan p;
  p.put("m", {}, 10, 4);
  p.put("m", {}, 20, stale_marker());
  EXPECT_EQ(p.at(20, p.sample("m")), Shown{"m stale"});
}

TEST(Sample, OffsetLooksIntoThePast) {
  SmallPlan p;
  p.put("m", {}, 10, 4);
  p.put("m", {}, 20, 5);
  plan::Leaf leaf;
  leaf.matchers = {{std::string(metric_name_label), MatchOp::equal, "m"}};
  leaf.window.offset = seconds(10);
  EXPECT_EQ(p.at(20, p.leaf(leaf)), Shown{"m 4"});
}

TEST(Provider, RowsAreSharedWhileLabelsStay) {
  SmallPlan p;
  p.put("m", {"a=1"}, 10, 1);
  const Index m = p.sample("m");
  const auto before = p.column(m, 10).rows;
  p.put("m", {"a=1"}, 20, 2);
  p.put("other", {}, 20, 2);
  EXPECT_EQ(p.column(m, 20).rows, before);
  p.put("m", {"a=2"}, 20, 2);
  EXPECT_NE(p.column(m, 20).rows, before);
}

TEST(Provider, OrderIsTheLabelsAndNotTheArrival) {
  SmallPlan p;
  p.put("m", {"a=2"}, 10, 2);
  p.put("m", {"a=1"}, 10, 1);
  EXPECT_EQ(p.at(10, p.sample("m")), (Shown{"m{a=\"1\"} 1", "m{a=\"2\"} 2"}));
}

TEST(Range, TooFewSamplesAreNoDataAndOldOnesStale) {
  SmallPlan p;
  p.put("m", {}, 100, 1);
  plan::Leaf leaf;
  leaf.matchers = {{std::string(metric_name_label), MatchOp::equal, "m"}};
  leaf.fn = plan::LeafFn::range;
  leaf.range_fn = RangeFn::increase;
  leaf.window = {WindowKind::trailing, seconds(60), {}, plan::none, {}};
  const Index increase = p.leaf(leaf);
  EXPECT_EQ(p.at(110, increase), Shown{"{} no_data"});
  EXPECT_EQ(p.at(200, increase), Shown{"{} stale"});
  p.put("m", {}, 110, 11);
  EXPECT_EQ(p.at(110, increase), Shown{"{} 11"});
}

TEST(Coverage, IsTheSampledShareOfTheWindow) {
  SmallPlan p;
  p.put("m", {}, 40, 1);
  p.put("m", {}, 100, 2);
  plan::Leaf leaf;
  leaf.matchers = {{std::string(metric_name_label), MatchOp::equal, "m"}};
  leaf.fn = plan::LeafFn::coverage;
  leaf.window = {WindowKind::trailing, seconds(80), {}, plan::none, {}};
  const Index coverage = p.leaf(leaf);
  EXPECT_EQ(p.at(120, coverage), Shown{"{} 0.75"});
  EXPECT_EQ(p.at(150, coverage), Shown{"{} 0"});
  EXPECT_EQ(p.at(190, coverage), Shown{"{} no_data"});
}

struct AnchoredWindow : testing::Test {
  SmallPlan p;
  AnchoredWindow() {
    for (std::int64_t s = 0; s <= 200; s += 10) p.put("c", {}, s, static_cast<double>(s));
    p.plan.targets.emplace_back();
    p.anchors.deploys.resize(1);
  }
  void deploy(std::int64_t second) { p.anchors.deploys[0].at = at_s(second); }
};

TEST_F(AnchoredWindow, SinceWithoutADeployIsOutside) {
  const Index since = p.raw("c", WindowKind::since, seconds(60), 0);
  EXPECT_EQ(p.at(100, since), Shown{"{} outside"});
}

TEST_F(AnchoredWindow, SinceHoldsIncrementsOfBothEndsInsideOnly) {
  const Index since = p.raw("c", WindowKind::since, seconds(60), 0);
  deploy(95);
  EXPECT_EQ(p.at(100, since), Shown{"{} no_data"});
  EXPECT_EQ(p.at(120, since), Shown{"{} 20"});
  EXPECT_EQ(p.at(155, since), Shown{"{} 50"});
  EXPECT_EQ(p.at(156, since), Shown{"{} outside"});
}

TEST_F(AnchoredWindow, SinceADeployThatIsYetToComeIsOutside) {
  const Index since = p.raw("c", WindowKind::since, seconds(60), 0);
  deploy(95);
  EXPECT_EQ(p.at(90, since), Shown{"{} outside"});
}

TEST_F(AnchoredWindow, ComparisonOutsideIsFalse) {
  const Index since = p.raw("c", WindowKind::since, seconds(60), 0);
  EXPECT_EQ(p.at(100, p.map(ShapeOp::gt, {since, p.constant(-1)})), Shown{"{} 0"});
}

TEST_F(AnchoredWindow, BeforeLeavesOutEarlierEpisodes) {
  const Index before = p.raw("c", WindowKind::before, seconds(60), 0);
  EXPECT_EQ(p.at(110, before), Shown{"{} outside"});
  deploy(100);
  EXPECT_EQ(p.at(110, before), Shown{"{} 60"});
  p.anchors.deploys[0].excluded = {{at_s(75), at_s(85)}, {at_s(50), at_s(80)}};
  EXPECT_EQ(p.at(110, before), Shown{"{} 20"});
  p.anchors.deploys[0].excluded = {{at_s(60), at_s(70)}};
  EXPECT_EQ(p.at(110, before), Shown{"{} 50"});
  p.anchors.deploys[0].excluded = {{at_s(0), at_s(100)}};
  EXPECT_EQ(p.at(110, before), Shown{"{} no_data"});
}

TEST_F(AnchoredWindow, SinceDoneStartsAtDone) {
  const Index since = p.raw("c", WindowKind::since_done, {});
  EXPECT_EQ(p.at(100, since), Shown{"{} no_data"});
  p.anchors.done = at_s(105);
  EXPECT_EQ(p.at(100, since), Shown{"{} no_data"});
  EXPECT_EQ(p.at(130, since), Shown{"{} 20"});
}

TEST_F(AnchoredWindow, SinceDoneWithALengthIsATrailingWindowClipped) {
  const Index clipped = p.raw("c", WindowKind::since_done, seconds(60));
  p.anchors.done = at_s(100);
  EXPECT_EQ(p.at(130, clipped), Shown{"{} 30"});
  EXPECT_EQ(p.at(200, clipped), Shown{"{} 60"});
}

TEST_F(AnchoredWindow, TrailingRawIncreaseIsClosed) {
  EXPECT_EQ(p.at(100, p.raw("c", WindowKind::trailing, seconds(30))), Shown{"{} 30"});
}

struct TwoFamilies : testing::Test {
  SmallPlan p;
  Index x, y;
  TwoFamilies() {
    p.put("x", {"a=1", "b=p"}, 0, 1);
    p.put("x", {"a=2", "b=p"}, 0, 2);
    p.put("y", {"a=2", "b=p"}, 0, 20);
    p.put("y", {"a=3", "b=p"}, 0, 30);
    x = p.sample("x");
    y = p.sample("y");
  }
};

TEST_F(TwoFamilies, OnlyBroadcastsScalarsAndDropsTheName) {
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {x, p.constant(10)})),
            (Shown{"{a=\"1\",b=\"p\"} 11", "{a=\"2\",b=\"p\"} 12"}));
  EXPECT_EQ(p.at(0, p.map(ShapeOp::mul, {x, x})), (Shown{"{a=\"1\",b=\"p\"} 1", "{a=\"2\",b=\"p\"} 4"}));
}

TEST_F(TwoFamilies, ScalarsAloneGiveAScalar) {
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {p.constant(1), p.constant(2)})), Shown{"{} 3"});
}

TEST_F(TwoFamilies, IntersectKeepsCommonRows) {
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {x, y}, joined(Join::intersect))), Shown{"{a=\"2\",b=\"p\"} 22"});
}

TEST_F(TwoFamilies, UniteTakesTheUnionAndTheAbsentSideIsUnknown) {
  const Index one = p.constant(1);
  const Index both =
      p.map(ShapeOp::both, {p.map(ShapeOp::gt, {x, one}), p.map(ShapeOp::gt, {y, one})}, joined(Join::unite));
  // x > 1 is false for a=1, which decides; a=3 has no x.
  EXPECT_EQ(p.at(0, both),
            (Shown{"{a=\"1\",b=\"p\"} 0", "{a=\"2\",b=\"p\"} 1", "{a=\"3\",b=\"p\"} no_data"}));
}

TEST_F(TwoFamilies, UniteGivesTheAbsentSideTheEvidenceItIsTold) {
  Matching matching = joined(Join::unite);
  matching.absent = Evidence::outside;
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {x, y}, matching)),
            (Shown{"{a=\"1\",b=\"p\"} outside", "{a=\"2\",b=\"p\"} 22", "{a=\"3\",b=\"p\"} outside"}));
}

TEST_F(TwoFamilies, UniteJoinsMoreThanTwo) {
  p.put("z", {"a=2", "b=p"}, 0, 0.5);
  const Index z = p.sample("z");
  EXPECT_EQ(p.at(0, p.map(ShapeOp::at_least, {x, y, z}, joined(Join::unite))),
            (Shown{"{a=\"1\",b=\"p\"} no_data", "{a=\"2\",b=\"p\"} 2", "{a=\"3\",b=\"p\"} no_data"}));
}

TEST_F(TwoFamilies, UniteSpreadsAFamilyWithoutLabelsOverTheOthers) {
  const Index total = p.fold_to_one(NodeKind::aggregate, y);
  const Index sum = p.map(ShapeOp::add, {total, x}, joined(Join::unite));
  EXPECT_EQ(p.at(0, sum), (Shown{"{a=\"1\",b=\"p\"} 51", "{a=\"2\",b=\"p\"} 52"}));
  const Index nothing = p.fold_to_one(NodeKind::aggregate, p.sample("unheard_of"));
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {nothing, x}, joined(Join::unite))),
            (Shown{"{a=\"1\",b=\"p\"} no_data", "{a=\"2\",b=\"p\"} no_data"}));
}

TEST_F(TwoFamilies, DefaultOfAnEmptySumIsTheDefault) {
  const Index nothing = p.fold_to_one(NodeKind::aggregate, p.sample("unheard_of"));
  EXPECT_EQ(p.at(0, p.map(ShapeOp::fallback, {nothing, p.constant(0)}, joined(Join::unite))), Shown{"{} 0"});
  const Index something = p.fold_to_one(NodeKind::aggregate, x);
  EXPECT_EQ(p.at(0, p.map(ShapeOp::fallback, {something, p.constant(0)}, joined(Join::unite))),
            Shown{"{} 3"});
  EXPECT_EQ(p.at(0, p.map(ShapeOp::fallback, {p.sample("unheard_of"), p.constant(0)}, joined(Join::unite))),
            Shown{});
}

TEST_F(TwoFamilies, OnKeepsOnlyItsLabels) {
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {x, y}, joined(Join::on, {"a"}))), Shown{"{a=\"2\"} 22"});
}

TEST_F(TwoFamilies, IgnoringDropsItsLabels) {
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {x, y}, joined(Join::ignoring, {"b"}))), Shown{"{a=\"2\"} 22"});
}

TEST_F(TwoFamilies, AmbiguousPartnersAreInvalid) {
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {x, y}, joined(Join::on, {"b"}))), Shown{"{b=\"p\"} invalid"});
}

TEST_F(TwoFamilies, NamesThatCollideAreInvalidAndNotTwoRows) {
  plan::Leaf both;
  both.matchers = {{std::string(metric_name_label), MatchOp::regex, "x|y"}};
  EXPECT_EQ(p.at(0, p.map(ShapeOp::neg, {p.leaf(both)})),
            (Shown{"{a=\"1\",b=\"p\"} -1", "{a=\"2\",b=\"p\"} invalid", "{a=\"3\",b=\"p\"} -30"}));
}

TEST_F(TwoFamilies, GroupLeftTakesLabelsOver) {
  p.put("info", {"a=1", "owner=ann", "b=q"}, 0, 1);
  p.put("info", {"a=2", "owner=bob"}, 0, 1);
  Matching matching = joined(Join::on, {"a"});
  matching.group = Matching::Group::left;
  matching.include = {"b", "owner"};
  EXPECT_EQ(p.at(0, p.map(ShapeOp::mul, {x, p.sample("info")}, matching)),
            (Shown{"{a=\"1\",b=\"q\",owner=\"ann\"} 1", "{a=\"2\",owner=\"bob\"} 2"}));
}

TEST_F(TwoFamilies, GroupRightIsItsMirror) {
  p.put("total", {"b=p"}, 0, 100);
  Matching matching = joined(Join::on, {"b"});
  matching.group = Matching::Group::right;
  EXPECT_EQ(p.at(0, p.map(ShapeOp::div, {p.sample("total"), x}, matching)),
            (Shown{"{a=\"1\",b=\"p\"} 100", "{a=\"2\",b=\"p\"} 50"}));
}

TEST_F(TwoFamilies, GroupLeftWithTwoPartnersIsInvalid) {
  Matching matching = joined(Join::on, {"b"});
  matching.group = Matching::Group::left;
  EXPECT_EQ(p.at(0, p.map(ShapeOp::add, {x, y}, matching)),
            (Shown{"{a=\"1\",b=\"p\"} invalid", "{a=\"2\",b=\"p\"} invalid"}));
}

TEST_F(TwoFamilies, AFamilyGroupedWithItselfNeedsOnePartnerToo) {
  Matching matching = joined(Join::on, {"a"});
  matching.group = Matching::Group::left;
  EXPECT_EQ(p.at(0, p.map(ShapeOp::neg, {x}, matching)),
            (Shown{"{a=\"1\",b=\"p\"} -1", "{a=\"2\",b=\"p\"} -2"}));
  matching.labels = {"b"};
  EXPECT_EQ(p.at(0, p.map(ShapeOp::neg, {x}, matching)),
            (Shown{"{a=\"1\",b=\"p\"} invalid", "{a=\"2\",b=\"p\"} invalid"}));
}

TEST_F(TwoFamilies, JoinFollowsRowsThatAppear) {
  const Index sum = p.map(ShapeOp::add, {x, y}, joined(Join::intersect));
  EXPECT_EQ(p.at(0, sum).size(), 1u);
  p.put("y", {"a=1", "b=p"}, 10, 10);
  EXPECT_EQ(p.at(10, sum), (Shown{"{a=\"1\",b=\"p\"} 11", "{a=\"2\",b=\"p\"} 22"}));
}

struct Folds : testing::Test {
  SmallPlan p;
  Index m;
  Folds() {
    p.put("m", {"g=1", "i=1"}, 0, 1);
    p.put("m", {"g=1", "i=2"}, 0, 4);
    p.put("m", {"g=2", "i=1"}, 0, std::nan(""));
    p.put("m", {"g=2", "i=2"}, 0, 7);
    p.put("m", {"g=3", "i=1"}, -1000, 9);
    m = p.sample("m");
  }
  Shown by_g(plan::Aggregate fn) {
    const Index node = p.fold(NodeKind::aggregate, m, {"g"});
    p.plan.nodes[node].aggregate = fn;
    return p.at(0, node);
  }
};

TEST_F(Folds, TakeRowsWithAValueAndSayWhyThereIsNone) {
  EXPECT_EQ(by_g(plan::Aggregate::sum), (Shown{"{g=\"1\"} 5", "{g=\"2\"} NaN", "{g=\"3\"} stale"}));
  EXPECT_EQ(by_g(plan::Aggregate::avg), (Shown{"{g=\"1\"} 2.5", "{g=\"2\"} NaN", "{g=\"3\"} stale"}));
  EXPECT_EQ(by_g(plan::Aggregate::count), (Shown{"{g=\"1\"} 2", "{g=\"2\"} 2", "{g=\"3\"} stale"}));
}

TEST_F(Folds, ExtremesPassOverNaN) {
  EXPECT_EQ(by_g(plan::Aggregate::min), (Shown{"{g=\"1\"} 1", "{g=\"2\"} 7", "{g=\"3\"} stale"}));
  EXPECT_EQ(by_g(plan::Aggregate::max), (Shown{"{g=\"1\"} 4", "{g=\"2\"} 7", "{g=\"3\"} stale"}));
}

TEST_F(Folds, WithoutKeepsTheOtherLabels) {
  const Index node = p.fold(NodeKind::aggregate, m, {"i"}, true);
  EXPECT_EQ(p.at(0, node), (Shown{"{g=\"1\"} 5", "{g=\"2\"} NaN", "{g=\"3\"} stale"}));
}

TEST_F(Folds, SumOfNothingHasNoRows) {
  EXPECT_EQ(p.at(0, p.fold_to_one(NodeKind::aggregate, p.sample("unheard_of"))), Shown{});
}

TEST_F(Folds, SumsRoundAsTheirDialectDoes) {
  p.put("s", {"i=1"}, 0, 1);
  p.put("s", {"i=2"}, 0, 1e100);
  p.put("s", {"i=3"}, 0, 1);
  p.put("s", {"i=4"}, 0, -1e100);
  const Index sum = p.fold(NodeKind::aggregate, p.sample("s"), {});
  EXPECT_EQ(p.at(0, sum), Shown{"{} 0"});
  p.semantics = Semantics::prometheus3;
  EXPECT_EQ(p.at(0, sum), Shown{"{} 2"});
}

TEST_F(Folds, MeansDoNotOverflow) {
  for (int i = 1; i <= 3; ++i) p.put("h", {"i=" + std::to_string(i)}, 0, 1.5e308);
  const Index avg = p.fold(NodeKind::aggregate, p.sample("h"), {});
  p.plan.nodes[avg].aggregate = plan::Aggregate::avg;
  EXPECT_EQ(p.at(0, avg), Shown{"{} 1.5e+308"});
  p.semantics = Semantics::prometheus3;
  EXPECT_EQ(p.at(0, avg), Shown{"{} 1.5e+308"});
}

TEST_F(Folds, MeanOfAnInfinityStaysInfinite) {
  p.put("h", {"i=1"}, 0, std::numeric_limits<double>::infinity());
  p.put("h", {"i=2"}, 0, 1);
  const Index avg = p.fold(NodeKind::aggregate, p.sample("h"), {});
  p.plan.nodes[avg].aggregate = plan::Aggregate::avg;
  EXPECT_EQ(p.at(0, avg), Shown{"{} +Inf"});
}

TEST_F(Folds, CountTrueCountsKnownRowsAndIsUnknownWithoutAny) {
  const Index high = p.map(ShapeOp::gt, {m, p.constant(3)});
  // NaN makes a comparison invalid, so g=2 has one known row.
  EXPECT_EQ(p.at(0, p.fold(NodeKind::count_true, high, {"g"})),
            (Shown{"{g=\"1\"} 1", "{g=\"2\"} 1", "{g=\"3\"} stale"}));
  EXPECT_EQ(p.at(0, p.fold(NodeKind::count_true, high, {"i"}, true)),
            (Shown{"{g=\"1\"} 1", "{g=\"2\"} 1", "{g=\"3\"} stale"}));
}

TEST_F(Folds, AnyAndAllAreKleeneOverTheirLabels) {
  const Index high = p.map(ShapeOp::gt, {m, p.constant(3)});
  EXPECT_EQ(p.at(0, p.fold(NodeKind::any, high, {"i"})),
            (Shown{"{g=\"1\"} 1", "{g=\"2\"} 1", "{g=\"3\"} stale"}));
  EXPECT_EQ(p.at(0, p.fold(NodeKind::all, high, {"i"})),
            (Shown{"{g=\"1\"} 0", "{g=\"2\"} invalid", "{g=\"3\"} stale"}));
}

TEST_F(Folds, AnyAndAllOverNothingKnowNothing) {
  const Index none = p.map(ShapeOp::gt, {p.sample("unheard_of"), p.constant(3)});
  EXPECT_EQ(p.at(0, p.fold_to_one(NodeKind::any, none, {"i"})), Shown{"{} no_data"});
  EXPECT_EQ(p.at(0, p.fold_to_one(NodeKind::all, none, {"i"})), Shown{"{} no_data"});
  EXPECT_EQ(p.at(0, p.fold(NodeKind::any, none, {"i"})), Shown{});
}

TEST(Quantile, GroupsBucketsAndPassesOverBoundsThatAreNoNumbers) {
  SmallPlan p;
  for (const auto& [le, count] :
       std::vector<std::pair<std::string, double>>{{"1", 5}, {"2", 10}, {"+Inf", 10}, {"wide", 99}})
    p.put("b", {"le=" + le, "r=eu"}, 0, count);
  p.put("b", {"le=1", "r=us"}, -1000, 5);
  Node node;
  node.kind = NodeKind::quantile;
  node.inputs = {p.constant(0.75), p.sample("b")};
  EXPECT_EQ(p.at(0, p.add(node)), (Shown{"{r=\"eu\"} 1.5", "{r=\"us\"} stale"}));
}

TEST(Absent, HasTheLabelsThatWereAskedFor) {
  SmallPlan p;
  plan::Leaf leaf;
  leaf.matchers = {{std::string(metric_name_label), MatchOp::equal, "m"},
                   {"a", MatchOp::equal, "1"},
                   {"b", MatchOp::equal, "1"},
                   {"b", MatchOp::not_equal, "2"},
                   {"c", MatchOp::regex, "x.*"}};
  const Index absent = p.fold(NodeKind::absent, p.leaf(leaf), {"a", "1"});
  EXPECT_EQ(p.at(0, absent), Shown{"{a=\"1\"} 1"});
  p.put("m", {"a=1", "b=1", "c=x"}, 10, 1);
  EXPECT_EQ(p.at(10, absent), Shown{"{a=\"1\"} no_data"});
  EXPECT_EQ(p.at(1000, absent), Shown{"{a=\"1\"} 1"});
}

struct Slices : testing::Test {
  SmallPlan p;
  Index high;
  Slices() {
    p.plan.lookback = seconds(30);
    for (std::int64_t s = 60; s <= 600; s += 10) p.put("m", {"a=1"}, s, s > 200 && s <= 380 ? 9 : 1);
    high = p.map(ShapeOp::gt, {p.sample("m"), p.constant(3)});
  }
};

TEST_F(Slices, CountEpochAlignedEndsOfTheWindow) {
  const Index bad = p.slices(high, minutes(1), minutes(5));
  // Ends 240, 300 and 360 are bad; a window is open at its start.
  EXPECT_EQ(p.at(400, bad), Shown{"{a=\"1\"} 3"});
  EXPECT_EQ(p.at(539, bad), Shown{"{a=\"1\"} 3"});
  EXPECT_EQ(p.at(540, bad), Shown{"{a=\"1\"} 2"});
}

TEST_F(Slices, UnknownSlicesAreNeitherBadNorKnown) {
  const Index bad = p.slices(high, minutes(1), minutes(10));
  const Index known = p.slices(high, minutes(1), minutes(10), true);
  EXPECT_EQ(p.at(900, known), Shown{"{a=\"1\"} 5"});
  EXPECT_EQ(p.at(900, bad), Shown{"{a=\"1\"} 1"});
  EXPECT_EQ(p.at(1800, bad), Shown{"{a=\"1\"} no_data"});
}

TEST_F(Slices, SlidingAsksOnlyForTheNewSlice) {
  struct Counting final : eval::LeafProvider {
    eval::LeafProvider* inner;
    int reads = 0;
    explicit Counting(eval::LeafProvider* of) : inner(of) {}
    eval::Column read(const eval::LeafQuery& query) override {
      ++reads;
      return inner->read(query);
    }
    eval::Rows known(const plan::Leaf& leaf, Instant at) override { return inner->known(leaf, at); }
  } counting(&p.leaves);
  const Index bad = p.slices(high, minutes(1), minutes(5));
  eval::ShapeRunner shapes(p.plan, eval::Tier::interpreter, {}, {});
  const auto run = [&](std::int64_t second) {
    eval::Evaluation evaluation(
        {&p.plan, &counting, &shapes, p.semantics, at_s(second), {}, "", nullptr, p.cache});
    return shown(evaluation.column(bad));
  };
  run(400);
  EXPECT_EQ(counting.reads, 5);
  run(410);
  EXPECT_EQ(counting.reads, 5);
  EXPECT_EQ(run(420), Shown{"{a=\"1\"} 3"});
  EXPECT_EQ(counting.reads, 6);
  // Going back asks again for what was forgotten, and gets the same.
  EXPECT_EQ(run(300), Shown{"{a=\"1\"} 2"});
}

TEST(Evaluation, DeepPlansNeedNoStack) {
  SmallPlan p;
  Index node = p.constant(0);
  const Index one = p.constant(1);
  const Index first = p.map(ShapeOp::add, {node, one});
  node = first;
  for (int i = 0; i < 200'000; ++i) {
    Node next = p.plan.nodes[first];
    next.inputs = {node, one};
    node = p.add(std::move(next));
  }
  EXPECT_EQ(p.at(0, node), Shown{"{} 200001"});
}

TEST(Evaluation, ColumnsCarryOneNaN) {
  SmallPlan p;
  p.put("m", {}, 0, -std::nan("7"));
  const eval::Column column = p.column(p.sample("m"), 0);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(column.value[0]),
            std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN()));
}

// Stands for machine code; counts how often it is asked for some.
struct FakeCompiler final : eval::KernelCompiler {
  static void negate(const double*, const eval::ColumnView* in, const eval::ColumnOut* out,
                     std::size_t rows) {
    for (std::size_t i = 0; i < rows; ++i) {
      out->value[i] = -in[0].value[i * in[0].step];
      out->evidence[i] = in[0].evidence[i * in[0].step];
    }
  }
  bool refuses = false;
  Result<eval::KernelFn> compile(const plan::Shape&) override {
    if (refuses) return Error{ErrorCode::limit_exceeded, "too large"};
    return eval::KernelFn{&negate};
  }
  std::size_t code_bytes() const override { return 4096; }
};

struct Tiers : testing::Test {
  SmallPlan p;
  std::vector<Error> notices;
  int loads = 0;
  bool refuses = false;
  std::vector<double> in = std::vector<double>(600, 2), out = std::vector<double>(600);
  std::vector<std::uint8_t> in_evidence = std::vector<std::uint8_t>(600, 0),
                            out_evidence = std::vector<std::uint8_t>(600);
  Tiers() { p.map(ShapeOp::neg, {p.constant(1)}); }
  eval::ShapeRunner runner(eval::Tier tier) {
    return {p.plan, tier,
            [this]() -> Result<std::unique_ptr<eval::KernelCompiler>> {
              ++loads;
              auto compiler = std::make_unique<FakeCompiler>();
              compiler->refuses = refuses;
              return std::unique_ptr<eval::KernelCompiler>(std::move(compiler));
            },
            [this](const Error& error) { notices.push_back(error); }};
  }
  void run(eval::ShapeRunner& shapes, std::size_t rows) {
    const eval::ColumnView view{in.data(), in_evidence.data(), 1};
    shapes.run(0, nullptr, &view, {out.data(), out_evidence.data()}, rows);
    EXPECT_EQ(out[rows - 1], -2);
  }
};

TEST_F(Tiers, InterpreterNeverLoads) {
  auto shapes = runner(eval::Tier::interpreter);
  run(shapes, 600);
  EXPECT_EQ(loads, 0);
}

TEST_F(Tiers, CompiledCompilesAShapeOnce) {
  auto shapes = runner(eval::Tier::compiled);
  run(shapes, 1);
  run(shapes, 600);
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(shapes.compiled_functions(), 1u);
  EXPECT_EQ(shapes.code_bytes(), 4096u);
}

TEST_F(Tiers, AutomaticWaitsForManyRows) {
  auto shapes = runner(eval::Tier::automatic);
  run(shapes, 511);
  EXPECT_EQ(loads, 0);
  run(shapes, 512);
  EXPECT_EQ(loads, 1);
}

TEST_F(Tiers, RefusalIsSaidOnceAndInterpreted) {
  refuses = true;
  auto shapes = runner(eval::Tier::compiled);
  run(shapes, 2);
  run(shapes, 2);
  EXPECT_EQ(notices.size(), 1u);
  EXPECT_EQ(shapes.compiled_functions(), 0u);
}

TEST_F(Tiers, MissingPluginIsSaidOnceAndInterpreted) {
  eval::ShapeRunner shapes(p.plan, eval::Tier::compiled, {},
                           [this](const Error& e) { notices.push_back(e); });
  run(shapes, 2);
  run(shapes, 2);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].code, ErrorCode::not_found);
}

}  // namespace
}  // namespace signalbox::test
