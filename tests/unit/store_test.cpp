#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "runtime/store/series_store.hpp"
#include "runtime/store/window.hpp"
#include "tests/support/series.hpp"

namespace signalbox::store {
namespace {

Instant at(std::int64_t s) {
  return {s * 1000};
}
Labels named(std::string name, std::vector<Labels::Pair> more = {}) {
  more.emplace_back("__name__", std::move(name));
  return Labels(std::move(more));
}
Matcher equal(std::string label, std::string value) {
  return {std::move(label), MatchOp::equal, std::move(value)};
}

class Store : public testing::Test {
 protected:
  SeriesId make(const Labels& labels) {
    auto id = store.series(labels);
    EXPECT_TRUE(id);
    return *id;
  }
  AppendOutcome put(SeriesId id, std::int64_t s, double value, std::optional<Instant> absent_at = {}) {
    auto outcome = store.append(id, at(s), value, absent_at);
    EXPECT_TRUE(outcome);
    return *outcome;
  }
  std::vector<SeriesId> select(const std::vector<Matcher>& matchers) {
    auto ids = store.select(matchers);
    EXPECT_TRUE(ids);
    return *std::move(ids);
  }
  RawIncrease raw(SeriesId id, std::int64_t first, std::int64_t last) {
    return test::raw_increase(store, id, at(first), at(last));
  }
  SeriesStore store{Limits{}};
};

TEST_F(Store, LabelsInAnyOrderAreOneSeries) {
  const SeriesId a = make(Labels({{"x", "1"}, {"__name__", "m"}}));
  EXPECT_EQ(make(Labels({{"__name__", "m"}, {"x", "1"}, {"y", ""}})), a);
  EXPECT_EQ(store.find(named("m", {{"x", "1"}})), a);
  EXPECT_FALSE(store.find(named("m")));
  EXPECT_EQ(store.labels(a), named("m", {{"x", "1"}}));
  EXPECT_EQ(store.series_count(), 1u);
}

TEST_F(Store, TheFirstSampleOfATimeStays) {
  const SeriesId id = make(named("m"));
  EXPECT_EQ(put(id, 10, 1), AppendOutcome::stored);
  EXPECT_EQ(put(id, 20, 2), AppendOutcome::stored);
  EXPECT_EQ(put(id, 20, 2), AppendOutcome::duplicate);
  EXPECT_EQ(put(id, 20, 3), AppendOutcome::conflicting);
  EXPECT_EQ(put(id, 10, 1), AppendOutcome::duplicate);
  EXPECT_EQ(put(id, 10, 5), AppendOutcome::conflicting);
  EXPECT_EQ(put(id, 15, 1), AppendOutcome::out_of_order);
  EXPECT_EQ(put(id, 5, 1), AppendOutcome::out_of_order);
  EXPECT_EQ(store.sample_count(), 2u);
  EXPECT_EQ(test::latest(store, id, at(100))->value, 2);
}

TEST_F(Store, DuplicatesAreToldByBitsNotByValue) {
  const SeriesId id = make(named("m"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  put(id, 10, nan);
  EXPECT_EQ(put(id, 10, nan), AppendOutcome::duplicate);
  EXPECT_EQ(put(id, 10, stale_marker()), AppendOutcome::conflicting);
  put(id, 20, 0.0);
  EXPECT_EQ(put(id, 20, -0.0), AppendOutcome::conflicting);
}

TEST_F(Store, TheStaleMarkerKeepsItsBits) {
  const SeriesId id = make(named("m"));
  put(id, 10, stale_marker());
  EXPECT_EQ(std::bit_cast<std::uint64_t>(test::latest(store, id, at(10))->value), stale_marker_bits);
  EXPECT_TRUE(is_stale_marker(stale_marker()));
  EXPECT_FALSE(is_stale_marker(std::numeric_limits<double>::quiet_NaN()));
}

TEST_F(Store, PointsAreClosedAtBothEnds) {
  const SeriesId id = make(named("m"));
  for (const int s : {10, 20, 30, 40}) put(id, s, s);
  const Samples both = test::points(store, id, at(20), at(30));
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both.values[0], 20);
  EXPECT_EQ(both.times[1], 30'000);
  EXPECT_EQ(test::points(store, id, at(21), at(29)).size(), 0u);
  EXPECT_EQ(test::points(store, id, at(30), at(20)).size(), 0u);
  EXPECT_EQ(test::points(store, id, at(0), at(100)).size(), 4u);
  EXPECT_EQ(store.first_time(id), at(10));
  EXPECT_FALSE(test::latest(store, id, at(9)));
  EXPECT_EQ(test::latest(store, id, at(29))->time, at(20));
}

TEST_F(Store, PastALimitNothingIsKeptAndNothingIsLost) {
  Limits limits;
  limits.store_series = 2;
  limits.store_bytes = 20'000;
  SeriesStore small(limits);
  const SeriesId a = *small.series(named("a"));
  ASSERT_TRUE(small.series(named("b")));
  const auto third = small.series(named("c"));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::limit_exceeded);
  EXPECT_TRUE(small.series(named("a")));

  std::int64_t s = 0;
  std::size_t before = small.bytes();
  double odd = 1.1;  // nothing that packs well
  for (auto outcome = small.append(a, at(s), odd); outcome; outcome = small.append(a, at(s), odd)) {
    ASSERT_LE(small.bytes(), before + small.append_bytes(1));
    before = small.bytes();
    ASSERT_LT(++s, 100'000);
    odd = std::fmod(odd * 7.7, 13);
  }
  EXPECT_GE(small.bytes(), limits.store_bytes);
  const auto refused = small.append(a, at(s), odd);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::limit_exceeded);
  EXPECT_EQ(*small.append(a, at(s - 1), 3), AppendOutcome::conflicting);
  EXPECT_EQ(small.sample_count(), static_cast<std::size_t>(s));
  small.retain_from(at(s - 10));
  EXPECT_LT(small.bytes(), limits.store_bytes);
  EXPECT_EQ(*small.append(a, at(s), odd), AppendOutcome::stored);
}

TEST_F(Store, WhatIsHeldIsCountedWholeAndGivenBack) {
  const std::size_t nothing = store.bytes();
  EXPECT_EQ(nothing, 0u);
  const SeriesId id = make(named("m"));
  for (int s = 0; s < 10'000; ++s) put(id, s, s);
  // Whole numbers at even steps: what is left is what a chunk costs.
  EXPECT_LT(store.bytes(), 10'000u);
  store.retain_from(at(20'000));
  EXPECT_EQ(store.series_count(), 0u);
  EXPECT_EQ(store.sample_count(), 0u);
  EXPECT_EQ(store.bytes(), 0u);
}

TEST_F(Store, ASelectorThatMatchesTheEmptyLabelSetIsRefused) {
  for (const std::vector<Matcher>& open : {std::vector<Matcher>{},
                                           {equal("x", "")},
                                           {{"x", MatchOp::not_equal, "a"}},
                                           {{"x", MatchOp::regex, ".*"}},
                                           {{"x", MatchOp::not_regex, ".+"}, equal("__name__", "")}}) {
    const auto ids = store.select(open);
    ASSERT_FALSE(ids);
    EXPECT_EQ(ids.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_TRUE(store.select({{"x", MatchOp::not_equal, ""}}));
  EXPECT_TRUE(store.select({{"x", MatchOp::not_regex, ".*"}}));
}

TEST_F(Store, ABrokenRegexIsRefused) {
  const auto ids = store.select({equal("__name__", "m"), {"x", MatchOp::regex, "("}});
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code, ErrorCode::invalid_argument);
}

TEST_F(Store, RegexesAreAnchoredAndAbsentLabelsAreEmpty) {
  const SeriesId a = make(named("m", {{"code", "500"}}));
  const SeriesId b = make(named("m", {{"code", "1500"}}));
  const SeriesId c = make(named("m"));
  const SeriesId d = make(named("other", {{"code", "500"}}));
  const auto m = equal("__name__", "m");
  using Ids = std::vector<SeriesId>;
  EXPECT_EQ(select({m, {"code", MatchOp::regex, "5.."}}), (Ids{a}));
  EXPECT_EQ(select({m, {"code", MatchOp::regex, "5..|"}}), (Ids{a, c}));
  EXPECT_EQ(select({m, {"code", MatchOp::not_regex, "5.."}}), (Ids{b, c}));
  EXPECT_EQ(select({m, {"code", MatchOp::not_equal, "500"}}), (Ids{b, c}));
  EXPECT_EQ(select({m, equal("code", "")}), (Ids{c}));
  EXPECT_EQ(select({equal("code", "500")}), (Ids{a, d}));
  EXPECT_EQ(select({{"__name__", MatchOp::regex, "m|oth.*"}, equal("code", "500")}), (Ids{a, d}));
  EXPECT_EQ(select({m, equal("__name__", "other")}), (Ids{}));
  EXPECT_EQ(select({equal("__name__", "nothing")}), (Ids{}));
}

TEST_F(Store, AnIncrementBelongsOnlyWithBothSamplesInTheWindow) {
  const SeriesId id = make(named("m"));
  for (const int s : {10, 20, 30, 40}) put(id, s, s * s);
  EXPECT_EQ(raw(id, 10, 40).sum, 1500);
  EXPECT_EQ(raw(id, 10, 40).steps, 3u);
  EXPECT_EQ(raw(id, 11, 40).sum, 1200);
  EXPECT_EQ(raw(id, 10, 39).sum, 800);
  // One straddling the anchor at 25 is on neither side.
  EXPECT_EQ(raw(id, 10, 25).sum + raw(id, 25, 40).sum, 300 + 700);
  // Cut at a sample, slices add up.
  EXPECT_EQ(raw(id, 10, 30).sum + raw(id, 30, 40).sum, 1500);
  EXPECT_EQ(raw(id, 21, 29).steps, 0u);
  EXPECT_EQ(raw(id, 20, 20).steps, 0u);
}

TEST_F(Store, AfterAResetTheWholeValueIsTheIncrement) {
  const SeriesId id = make(named("m"));
  put(id, 10, 100);
  put(id, 20, 130);
  put(id, 30, 7);
  put(id, 40, 7);
  put(id, 50, 9);
  EXPECT_EQ(raw(id, 10, 50).sum, 30 + 7 + 0 + 2);
  EXPECT_EQ(raw(id, 10, 50).steps, 4u);
  EXPECT_EQ(raw(id, 30, 50).sum, 2);
}

TEST_F(Store, StaleMarkersAreSkippedInRawIncrements) {
  const SeriesId id = make(named("m"));
  put(id, 10, 100);
  put(id, 20, stale_marker());
  put(id, 30, 104);
  EXPECT_EQ(raw(id, 10, 30).sum, 4);
  EXPECT_EQ(raw(id, 10, 30).steps, 1u);
  EXPECT_EQ(raw(id, 15, 30).steps, 0u);
}

TEST_F(Store, ABirthCountsItsWholeFirstValue) {
  const SeriesId id = make(named("errors"));
  put(id, 30, 12, at(15));
  put(id, 45, 20);
  EXPECT_EQ(raw(id, 15, 45).sum, 20);
  EXPECT_EQ(raw(id, 15, 45).steps, 2u);
  EXPECT_EQ(raw(id, 15, 30).sum, 12);
  // The absence lies outside: the birth straddles.
  EXPECT_EQ(raw(id, 16, 45).sum, 8);
  EXPECT_EQ(raw(id, 0, 29).steps, 0u);
}

TEST_F(Store, WithoutAnAbsenceTheFirstValueCountsNothing) {
  const SeriesId id = make(named("errors"));
  put(id, 30, 12);
  EXPECT_EQ(raw(id, 0, 60).steps, 0u);
}

TEST_F(Store, ASeriesThatEndedIsBornAgain) {
  const SeriesId id = make(named("errors"));
  put(id, 10, 100);
  put(id, 20, stale_marker());
  put(id, 30, 120, at(20));
  EXPECT_EQ(raw(id, 10, 30).sum, 120);
  EXPECT_EQ(raw(id, 10, 30).steps, 1u);
  EXPECT_EQ(raw(id, 21, 30).steps, 0u);
}

TEST_F(Store, AnAbsenceThatTheSamplesContradictIsNoBirth) {
  const SeriesId id = make(named("errors"));
  put(id, 10, 100);
  put(id, 20, 101, at(10));
  put(id, 30, 103, at(30));
  EXPECT_EQ(raw(id, 10, 30).sum, 3);
}

TEST_F(Store, RetentionKeepsTheLastSampleBeforeTheHorizon) {
  const SeriesId old = make(named("old"));
  const SeriesId live = make(named("live"));
  const SeriesId young = make(named("young"));
  for (int s = 0; s < 100; s += 10) put(live, s, s);
  put(old, 10, 1);
  put(young, 95, 1);
  store.retain_from(at(55));
  EXPECT_EQ(store.series_count(), 2u);
  EXPECT_EQ(store.sample_count(), 6u);
  EXPECT_EQ(store.first_time(live), at(50));
  EXPECT_EQ(test::points(store, live, at(0), at(100)).size(), 5u);
  EXPECT_FALSE(test::latest(store, live, at(49)));
  EXPECT_EQ(test::latest(store, live, at(55))->value, 50);
  EXPECT_EQ(raw(live, 0, 100).sum, 40);

  EXPECT_FALSE(store.find(named("old")));
  EXPECT_TRUE(select({equal("__name__", "old")}).empty());
  EXPECT_TRUE(store.labels(old).empty());
  EXPECT_EQ(test::points(store, old, at(0), at(100)).size(), 0u);
  const auto late = store.append(old, at(100), 1);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::not_found);
  const SeriesId again = make(named("old"));
  EXPECT_GT(again, young);
  EXPECT_EQ(select({{"__name__", MatchOp::regex, ".+"}}), (std::vector<SeriesId>{live, young, again}));
}

TEST_F(Store, RetentionForgetsTheBirthsOfForgottenSamples) {
  const SeriesId id = make(named("errors"));
  put(id, 10, 5, at(0));
  for (int s = 20; s <= 100; s += 10) put(id, s, 5);
  store.retain_from(at(10));
  EXPECT_EQ(raw(id, 0, 100).sum, 5);
  store.retain_from(at(25));
  EXPECT_EQ(raw(id, 0, 100).sum, 0);
  EXPECT_EQ(raw(id, 0, 100).steps, 8u);
}

TEST_F(Store, RangesAreClosedInPrometheus2AndLeftOpenIn3) {
  const SeriesId id = make(named("m"));
  put(id, 0, 1);
  put(id, 60, 2);
  EXPECT_EQ(test::window_value(store, id, RangeFn::increase, at(60), minutes(1), Semantics::prometheus2), 1);
  EXPECT_EQ(
      test::window_value(store, id, RangeFn::count_over_time, at(60), minutes(1), Semantics::prometheus3), 1);
  EXPECT_FALSE(test::window_value(store, id, RangeFn::increase, at(60), minutes(1), Semantics::prometheus3));
}

TEST_F(Store, LookbackIsClosedInPrometheus2AndLeftOpenIn3) {
  const SeriesId id = make(named("m"));
  using State = InstantValue::State;
  EXPECT_EQ(test::instant_value(store, id, at(0), minutes(5), Semantics::prometheus2).state, State::none);
  put(id, 100, 7);
  const auto state = [&](std::int64_t s, Semantics semantics) {
    return test::instant_value(store, id, at(s), minutes(5), semantics).state;
  };
  EXPECT_EQ(state(99, Semantics::prometheus2), State::none);
  EXPECT_EQ(state(400, Semantics::prometheus2), State::value);
  EXPECT_EQ(state(400, Semantics::prometheus3), State::stale);
  EXPECT_EQ(state(399, Semantics::prometheus3), State::value);
  EXPECT_EQ(state(401, Semantics::prometheus2), State::stale);
  put(id, 110, stale_marker());
  EXPECT_EQ(state(109, Semantics::prometheus2), State::value);
  EXPECT_EQ(state(110, Semantics::prometheus2), State::stale);
}

TEST_F(Store, TheZeroClampComesBeforeTheHalfSpacingCutOnlyInPrometheus2) {
  const SeriesId id = make(named("m"));
  // The gap of 40 s to the start is over the threshold and the zero point is 10 s back: Prometheus 2 clamps
  // to 10 s, 3 first cuts to 5 s.
  put(id, 40, 10);
  put(id, 50, 20);
  put(id, 60, 30);
  EXPECT_EQ(test::window_value(store, id, RangeFn::increase, at(60), minutes(1), Semantics::prometheus2),
            20 * (30.0 / 20));
  EXPECT_EQ(test::window_value(store, id, RangeFn::increase, at(60), minutes(1), Semantics::prometheus3),
            20 * (25.0 / 20));
  EXPECT_EQ(test::window_value(store, id, RangeFn::delta, at(60), minutes(1), Semantics::prometheus2),
            20 * (25.0 / 20));
}

TEST_F(Store, AGapOfExactlyTheThresholdIsCutToHalfTheSpacing) {
  const SeriesId id = make(named("m"));
  // 1.1 times a spacing of 5 s is exactly 5.5 s.
  for (int s = 100; s <= 120; s += 5) put(id, s, s * 10);
  const auto increase_until = [&](std::int64_t end) {
    return test::window_value(store, id, RangeFn::increase, {end}, {end - 100'000}, Semantics::prometheus2);
  };
  EXPECT_EQ(increase_until(125'500), 200 * (22.5 / 20));
  EXPECT_EQ(increase_until(125'499), 200 * (25.499 / 20));
}

TEST_F(Store, MinAndMaxIgnoreNanUnlessAllAre) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto of = [&](RangeFn fn, std::vector<double> values) {
    SeriesStore one{Limits{}};
    const SeriesId id = *one.series(named("m"));
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_TRUE(one.append(id, at(static_cast<std::int64_t>(i)), values[i]));
    return *test::window_value(one, id, fn, at(60), minutes(1), Semantics::prometheus2);
  };
  EXPECT_EQ(of(RangeFn::min_over_time, {nan, 3, nan, 2}), 2);
  EXPECT_EQ(of(RangeFn::max_over_time, {3, nan, 2}), 3);
  EXPECT_TRUE(std::isnan(of(RangeFn::max_over_time, {nan, nan})));
  EXPECT_TRUE(std::isnan(of(RangeFn::sum_over_time, {1, nan})));
  EXPECT_EQ(of(RangeFn::changes, {nan, nan, 1, 1, nan}), 2);
}

TEST_F(Store, ManySamplesAtOnceAreHeldLikeOneByOne) {
  SeriesStore one{Limits{}}, many{Limits{}};
  const SeriesId a = *one.series(named("m")), b = *many.series(named("m"));
  std::vector<std::int64_t> times, ends;
  std::vector<double> values;
  std::int64_t time = 0;
  const auto flush = [&] {
    ASSERT_TRUE(many.append_all(b, times, values, ends));
    times.clear();
    values.clear();
    ends.clear();
  };
  for (int i = 0; i < 3000; ++i) {
    time += 15'000 + i % 7;
    const double value = i % 500 == 499 ? 0 : i * 1.5;
    if (i % 97 == 96) {
      ends.push_back(time);
      ASSERT_TRUE(one.append(a, {time}, stale_marker()));
    } else {
      times.push_back(time);
      values.push_back(value);
      ASSERT_TRUE(one.append(a, {time}, value));
    }
    if (i == 5 || i == 700 || i == 1501) flush();
  }
  flush();
  EXPECT_EQ(one.sample_count(), many.sample_count());
  const auto expected = test::points(one, a, {0}, {time}), got = test::points(many, b, {0}, {time});
  EXPECT_EQ(expected.times, got.times);
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint64_t>(expected.values[i]), std::bit_cast<std::uint64_t>(got.values[i]))
        << i;
  for (const Instant now : {Instant{time}, Instant{time / 3}})
    for (const Duration length : {minutes(5), hours(3)})
      EXPECT_EQ(test::window_value(one, a, RangeFn::increase, now, length, Semantics::prometheus2),
                test::window_value(many, b, RangeFn::increase, now, length, Semantics::prometheus2));
  EXPECT_EQ(many.append_all(b, std::vector{time}, std::vector{1.0}, {}).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(many.append_all(b + 1, {}, {}, {}).error().code, ErrorCode::not_found);
}

TEST_F(Store, ABirthToldAfterwardsIsTheSame) {
  const auto births = [&](SeriesId id) {
    std::vector<std::int64_t> out;
    for (const auto& birth : test::open(store, id).births(at(0), at(1000))) out.push_back(birth.absent_at.ms);
    return out;
  };
  const SeriesId id = make(named("m"));
  put(id, 100, 1);
  put(id, 115, 2);
  put(id, 200, 3);
  store.born(id, at(100), at(85));
  store.born(id, at(115), at(100));  // it was there
  store.born(id, at(130), at(115));  // no such sample
  store.born(id, at(200), at(185));
  store.born(id, at(200), at(200));
  EXPECT_EQ(births(id), (std::vector<std::int64_t>{85'000, 185'000}));
}

// Whatever the index narrows down to, a selection is what looking through all series would find; with series
// that come, go and come again.
// One cursor over more chunks than it keeps, series after series, back and forth: what is kept of one is
// never given for another.
TEST_F(Store, ACursorOverMoreChunksThanItKeepsReadsEachAsItIs) {
  constexpr std::size_t series = 80, samples = 1500;  // 880 full chunks
  std::vector<SeriesId> ids;
  for (std::size_t s = 0; s < series; ++s) {
    ids.push_back(*store.series(Labels(std::vector<Labels::Pair>{{"n", std::to_string(s)}})));
    for (std::size_t i = 0; i < samples; ++i)
      ASSERT_TRUE(store.append(ids[s],
                               Instant{static_cast<std::int64_t>(i) * 1000 + static_cast<std::int64_t>(s)},
                               static_cast<double>(s * samples + i)));
  }
  Cursor cursor(store);
  std::uint64_t random = 1;
  for (int look = 0; look < 20'000; ++look) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    const std::size_t s = (random >> 33) % series, first = (random >> 41) % samples,
                      last = std::min(samples - 1, first + (random >> 13) % 200);
    cursor.open(ids[s]);
    const auto a = cursor.at_place(first), b = cursor.at_place(last);
    ASSERT_TRUE(a && b);
    ASSERT_EQ(a->value, static_cast<double>(s * samples + first)) << look;
    ASSERT_EQ(b->value, static_cast<double>(s * samples + last)) << look;
    ASSERT_EQ(a->time, static_cast<std::int64_t>(first) * 1000 + static_cast<std::int64_t>(s));
  }
}

TEST_F(Store, ASelectionIsWhatLookingThroughAllWouldFind) {
  std::mt19937 random(20261125);
  const auto pick = [&](int n) { return std::to_string(random() % static_cast<unsigned>(n)); };
  const auto some_labels = [&] {
    std::vector<Labels::Pair> pairs{{"__name__", "m" + pick(3)}};
    for (const char* label : {"a", "b", "c"})
      if (random() % 3 != 0) pairs.emplace_back(label, pick(5));
    return Labels(pairs);
  };
  std::map<SeriesId, Labels> all;
  std::size_t found = 0, narrowed = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 30; ++i) {
      const Labels labels = some_labels();
      const SeriesId id = make(labels);
      put(id, round * 10, 1);
      all[id] = labels;
    }
    store.retain_from(at(round * 10 - 25));
    std::erase_if(all, [&](const auto& one) { return store.labels(one.first) != one.second; });
    ASSERT_EQ(store.series_count(), all.size());
    for (int i = 0; i < 30; ++i) {
      std::vector<Matcher> matchers;
      if (random() % 2 != 0) matchers.push_back(equal("__name__", "m" + pick(4)));
      for (const char* label : {"a", "b", "c"}) {
        const unsigned kind = random() % 8;
        if (kind < 4) matchers.push_back({label, static_cast<MatchOp>(kind), pick(6)});
        if (kind == 4) matchers.push_back(equal(label, ""));
      }
      matchers.push_back({"__name__", MatchOp::regex, ".+"});
      std::vector<SeriesId> expected;
      for (const auto& [id, labels] : all) {
        const bool accepted = std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) {
          const std::string_view value = labels.get(m.label);
          if (m.label == "__name__" && m.op == MatchOp::regex) return true;
          return (value == m.value) == (m.op == MatchOp::equal || m.op == MatchOp::regex);
        });
        if (accepted) expected.push_back(id);
      }
      ASSERT_EQ(select(matchers), expected);
      found += expected.size();
      narrowed += expected.size() < all.size() ? 1 : 0;
    }
  }
  EXPECT_GT(found, 1000u);
  EXPECT_GT(narrowed, 500u);
  store.retain_from(at(10'000));
  EXPECT_EQ(store.bytes(), 0u);
}

}  // namespace
}  // namespace signalbox::store
