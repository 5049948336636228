// Native histograms by hand: bounds, arithmetic, resets, and what is made of them in both dialects.
#include "runtime/eval/native_histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace signalbox {
namespace {

using eval::histogram_fraction;
using eval::histogram_quantile;
constexpr auto two = Semantics::prometheus2, three = Semantics::prometheus3;

// At schema 0 bucket i ends at 2^i.
NativeHistogram of(std::vector<NativeHistogram::Bucket> positive, double zero = 0,
                   std::vector<NativeHistogram::Bucket> negative = {}) {
  NativeHistogram h;
  h.zero_threshold = 0.5;
  h.zero_count = zero;
  h.positive = std::move(positive);
  h.negative = std::move(negative);
  h.count = zero;
  for (const auto* side : {&h.positive, &h.negative})
    for (const NativeHistogram::Bucket& b : *side) h.count += b.count;
  return h;
}

TEST(NativeHistogram, BoundsArePowers) {
  EXPECT_EQ(bucket_bound(0, 0), 1);
  EXPECT_EQ(bucket_bound(3, 0), 8);
  EXPECT_EQ(bucket_bound(-2, 0), 0.25);
  EXPECT_EQ(bucket_bound(1, -2), 16);
  EXPECT_EQ(bucket_bound(4, 2), 2);
  EXPECT_NEAR(bucket_bound(1, 1), std::sqrt(2.0), 1e-15);
  // There is no double past the last bucket.
  EXPECT_EQ(bucket_bound(1024, 0), std::numeric_limits<double>::max());
  EXPECT_EQ(bucket_bound(64, -4), std::numeric_limits<double>::max());
  EXPECT_EQ(bucket_bound(1025, 0), std::numeric_limits<double>::infinity());
  for (std::int32_t schema = 0; schema <= 8; ++schema)
    for (std::int32_t i = -600; i < 600; ++i)
      ASSERT_LT(bucket_bound(i, schema), bucket_bound(i + 1, schema)) << schema << " " << i;
}

TEST(NativeHistogram, ALowerSchemaJoinsNeighbours) {
  NativeHistogram h = of({{-1, 1}, {0, 2}, {1, 4}, {2, 8}, {3, 16}});
  const NativeHistogram joined = at_schema(h, -1);
  EXPECT_EQ(joined.positive, (std::vector<NativeHistogram::Bucket>{{0, 3}, {1, 12}, {2, 16}}));
  EXPECT_EQ(joined.count, h.count);
}

TEST(NativeHistogram, SumsMeetAtTheLowerSchemaAndTheLargerZeroBucket) {
  NativeHistogram a = of({{1, 1}, {2, 2}}, 3);
  NativeHistogram b = of({{1, 10}, {3, 20}}, 30);
  b.zero_threshold = 1;  // takes in (0.5, 1] and what is below
  NativeHistogram sum = a;
  add(sum, b);
  EXPECT_EQ(sum.zero_threshold, 1);
  EXPECT_EQ(sum.zero_count, 33);
  EXPECT_EQ(sum.positive, (std::vector<NativeHistogram::Bucket>{{1, 11}, {2, 2}, {3, 20}}));
  EXPECT_EQ(sum.count, a.count + b.count);
  subtract(sum, b);
  compact(sum);
  EXPECT_EQ(sum.positive, a.positive);

  // A threshold that falls into a bucket takes all of it in.
  NativeHistogram c = of({{2, 5}});
  NativeHistogram wide = of({}, 1);
  wide.zero_threshold = 3;
  add(c, wide);
  EXPECT_EQ(c.zero_threshold, 4);
  EXPECT_EQ(c.zero_count, 6);
  EXPECT_TRUE(c.positive.empty());
}

TEST(NativeHistogram, AResetIsWhatNoCounterCanDo) {
  const NativeHistogram before = of({{1, 2}, {3, 4}}, 1);
  EXPECT_FALSE(is_reset(before, before));
  EXPECT_FALSE(is_reset(of({{1, 2}, {2, 1}, {3, 4}}, 1), before));
  EXPECT_TRUE(is_reset(of({{1, 1}, {3, 9}}, 1), before));                            // one bucket fell
  EXPECT_TRUE(is_reset(of({{1, 9}}, 1), before));                                    // one is gone
  EXPECT_TRUE(is_reset(of({{1, 2}, {3, 9}}, 0), before));                            // the zero bucket fell
  EXPECT_TRUE(is_reset(of({{1, 2}, {3, 4}}, 0), before));                            // the count fell
  EXPECT_FALSE(is_reset(of({{1, 2}, {3, 4}}, 1), of({{1, 2}, {2, 0}, {3, 4}}, 1)));  // an empty one is gone
  NativeHistogram finer = of({{1, 2}, {3, 4}}, 9);
  finer.schema = 1;
  EXPECT_TRUE(is_reset(finer, before));
  NativeHistogram coarser_now = of({{1, 2}, {2, 4}}, 1);
  coarser_now.schema = -1;
  EXPECT_FALSE(is_reset(coarser_now, before));
  NativeHistogram narrow = of({{1, 2}, {3, 4}}, 9);
  narrow.zero_threshold = 0.25;
  EXPECT_TRUE(is_reset(narrow, before));
}

TEST(NativeHistogram, QuantilesLieOnALineIn2AndBetweenPowersIn3) {
  // 4 in (1, 2], 4 in (2, 4].
  const NativeHistogram h = of({{1, 4}, {2, 4}});
  EXPECT_EQ(histogram_quantile(0.25, h, two), 1.5);
  EXPECT_NEAR(histogram_quantile(0.25, h, three), std::exp2(0.5), 1e-15);
  EXPECT_EQ(histogram_quantile(0.75, h, two), 3);
  EXPECT_NEAR(histogram_quantile(0.75, h, three), std::exp2(1.5), 1e-15);
  EXPECT_EQ(histogram_quantile(1, h, two), 4);
  EXPECT_EQ(histogram_quantile(1, h, three), 4);
  EXPECT_EQ(histogram_quantile(-0.1, h, two), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(histogram_quantile(1.1, h, three), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(histogram_quantile(std::nan(""), h, two)));
  EXPECT_TRUE(std::isnan(histogram_quantile(0.5, of({}), two)));
  // Of negative ones likewise: 4 in [−2, −1).
  const NativeHistogram below = of({}, 0, {{1, 4}});
  EXPECT_EQ(histogram_quantile(0.25, below, two), -1.75);
  EXPECT_NEAR(histogram_quantile(0.25, below, three), -std::exp2(0.75), 1e-15);
  // The zero bucket is a line in both, from 0 on where nothing is negative.
  const NativeHistogram zero = of({{1, 2}}, 2);
  EXPECT_EQ(histogram_quantile(0.25, zero, two), 0.25);
  EXPECT_EQ(histogram_quantile(0.25, zero, three), 0.25);
}

TEST(NativeHistogram, FractionsAreTheInverse) {
  const NativeHistogram h = of({{1, 4}, {2, 4}});
  EXPECT_EQ(histogram_fraction(1, 2, h, two), 0.5);
  EXPECT_EQ(histogram_fraction(1.5, 3, h, two), 0.5);
  EXPECT_NEAR(histogram_fraction(std::exp2(0.5), std::exp2(1.5), h, three), 0.5, 1e-15);
  EXPECT_EQ(histogram_fraction(-100, 100, h, three), 1);
  EXPECT_EQ(histogram_fraction(3, 3, h, two), 0);
  EXPECT_TRUE(std::isnan(histogram_fraction(0, std::nan(""), h, two)));
  const NativeHistogram below = of({}, 0, {{1, 4}});
  EXPECT_NEAR(histogram_fraction(-2, -std::exp2(0.75), below, three), 0.25, 1e-15);
}

TEST(NativeHistogram, AVarianceTakesBucketsAtTheirMiddle) {
  // 2 at 2^0.5 and 2 at 2^1.5, whose mean is told by the sum.
  NativeHistogram h = of({{1, 2}, {2, 2}});
  const double a = std::sqrt(2.0), b = std::sqrt(8.0);
  h.sum = 2 * a + 2 * b;
  const double mean = (a + b) / 2;
  EXPECT_NEAR(eval::histogram_variance(h), ((a - mean) * (a - mean) + (b - mean) * (b - mean)) / 2, 1e-14);
}

// Three scrapes in a range whose ends are a second from them: the change is extrapolated over both seconds,
// but Prometheus 3 begins a counter no earlier than its count would have been 0.
TEST(NativeHistogram, AChangeIsExtrapolatedAsNumbersAre) {
  store::Histograms all;
  for (const auto& [time, count] : {std::pair(1'000, 1.0), std::pair(3'000, 5.0), std::pair(5'000, 9.0)})
    all.add(time, std::make_shared<const NativeHistogram>(of({{1, count}})));
  const Instant end{6'000};
  const HistogramPtr in_two = all.change(RangeFn::increase, 0, 3, end, seconds(6), two);
  EXPECT_EQ(in_two->count, 8 * 1.5);
  EXPECT_EQ(in_two->positive, (std::vector<NativeHistogram::Bucket>{{1, 12}}));
  // 8 in 4 s from a count of 1: it was 0 half a second before the first.
  const HistogramPtr in_three = all.change(RangeFn::increase, 0, 3, end, seconds(6), three);
  EXPECT_EQ(in_three->count, 8 * (5.5 / 4));
  EXPECT_EQ(all.change(RangeFn::delta, 0, 3, end, seconds(6), three)->count, 12);
  EXPECT_EQ(all.change(RangeFn::rate, 0, 3, end, seconds(6), two)->count, 8 * (1.5 / 6));
  EXPECT_EQ(all.resets(0, 2), 0u);
}

TEST(NativeHistogram, AChangeOverAResetAddsWhatWasBefore) {
  store::Histograms all;
  for (const auto& [time, count] : {std::pair(0, 4.0), std::pair(2'000, 7.0), std::pair(4'000, 2.0)})
    all.add(time, std::make_shared<const NativeHistogram>(of({{1, count}})));
  EXPECT_EQ(all.resets(0, 2), 1u);
  EXPECT_EQ(all.change(RangeFn::increase, 0, 3, Instant{4'000}, seconds(4), two)->count, 5);
  EXPECT_EQ(all.change(RangeFn::delta, 0, 3, Instant{4'000}, seconds(4), two)->count, -2);
}

// The second of three has begun anew, with coarser buckets and from the third on finer ones.
TEST(NativeHistogram, AFirstSampleBeforeAResetIsNotLookedAtIn3) {
  store::Histograms all;
  NativeHistogram coarse = of({{1, 40}}), fine = of({{1, 2}}), finer = of({{2, 3}});
  coarse.schema = -1;
  for (const auto& [time, h] : {std::pair(0, coarse), std::pair(2'000, fine), std::pair(4'000, finer)})
    all.add(time, std::make_shared<const NativeHistogram>(h));
  ASSERT_EQ(all.resets(0, 2), 2u);
  const HistogramPtr in_two = all.change(RangeFn::increase, 0, 3, Instant{4'000}, seconds(4), two),
                     in_three = all.change(RangeFn::increase, 0, 3, Instant{4'000}, seconds(4), three);
  EXPECT_EQ(in_two->schema, -1);
  EXPECT_EQ(in_three->schema, 0);
  EXPECT_EQ(in_three->positive, (std::vector<NativeHistogram::Bucket>{{1, 2}, {2, 3}}));
  EXPECT_EQ(in_two->count, 5);
  EXPECT_EQ(in_three->count, 5);
}

TEST(NativeHistogram, ADeltaLooksAtItsEndsAlone) {
  store::Histograms all;
  NativeHistogram coarse = of({{1, 40}});
  coarse.schema = -1;
  for (const auto& [time, h] :
       {std::pair(0, of({{2, 1}})), std::pair(2'000, coarse), std::pair(4'000, of({{2, 3}}))})
    all.add(time, std::make_shared<const NativeHistogram>(h));
  for (const Semantics semantics : {two, three})
    EXPECT_EQ(all.change(RangeFn::delta, 0, 3, Instant{4'000}, seconds(4), semantics)->positive,
              (std::vector<NativeHistogram::Bucket>{{2, 2}}));
}

// What is finer has its part of the zero bucket told by its own buckets: (1, 2] of schema 0 is outside of a
// zero bucket up to 1, and (1, 4] of schema −1 would not be.
TEST(NativeHistogram, ZeroBucketsMeetBeforeBucketsAreJoined) {
  NativeHistogram fine = of({{0, 3}, {1, 5}}), coarse = of({{1, 7}}, 2);
  coarse.schema = -1;
  coarse.zero_threshold = 1;
  NativeHistogram sum = fine, other = coarse;
  add(sum, coarse);
  add(other, fine);
  EXPECT_EQ(sum, other);
  EXPECT_EQ(sum.zero_threshold, 1);
  EXPECT_EQ(sum.zero_count, 5);
  EXPECT_EQ(sum.positive, (std::vector<NativeHistogram::Bucket>{{1, 12}}));
  subtract(fine, coarse);
  EXPECT_EQ(fine.zero_count, 1);
  EXPECT_EQ(fine.positive, (std::vector<NativeHistogram::Bucket>{{1, -2}}));
}

// (1, 2] lies within the other's zero bucket and (2, 4] does not, while at the other's resolution there is
// (1, 4] alone: 2.42 counts the 3 on both sides.
TEST(NativeHistogram, EachIsCutAtItsOwnResolutionIn3) {
  NativeHistogram fine = of({{1, 3}, {2, 5}}, 1), coarse = of({{1, 7}}, 2);
  coarse.schema = -1;
  coarse.zero_threshold = 2;
  store::Histograms all;
  all.add(1'000, std::make_shared<const NativeHistogram>(fine));
  all.add(2'000, std::make_shared<const NativeHistogram>(coarse));
  const auto sum = [&](Semantics semantics) {
    return *eval::over_range(RangeFn::sum_over_time, all, 0, 2, {}, Instant{2'000}, seconds(5), semantics)
                .histogram;
  };
  for (const Semantics semantics : {two, three}) {
    EXPECT_EQ(sum(semantics).schema, -1);
    EXPECT_EQ(sum(semantics).zero_threshold, 2);
    EXPECT_EQ(sum(semantics).zero_count, 6);
    EXPECT_EQ(sum(semantics).count, 18);
  }
  EXPECT_EQ(sum(two).positive, (std::vector<NativeHistogram::Bucket>{{1, 15}}));
  EXPECT_EQ(sum(three).positive, (std::vector<NativeHistogram::Bucket>{{1, 12}}));
}

TEST(NativeHistogram, TheLastTwoGiveAChangeIn3) {
  store::Histograms all;
  for (const auto& [time, count] :
       {std::pair(0, 9.0), std::pair(2'000, 4.0), std::pair(6'000, 10.0), std::pair(8'000, 3.0)})
    all.add(time, std::make_shared<const NativeHistogram>(of({{1, count}})));
  const auto last_change = [&](RangeFn fn, std::size_t last) {
    return eval::over_range(fn, all, 0, last, {}, Instant{8'000}, seconds(8), three).histogram;
  };
  EXPECT_EQ(last_change(RangeFn::idelta, 3)->positive, (std::vector<NativeHistogram::Bucket>{{1, 6}}));
  EXPECT_EQ(last_change(RangeFn::idelta, 4)->positive, (std::vector<NativeHistogram::Bucket>{{1, -7}}));
  EXPECT_EQ(last_change(RangeFn::irate, 3)->positive, (std::vector<NativeHistogram::Bucket>{{1, 1.5}}));
  EXPECT_EQ(last_change(RangeFn::irate, 4)->count, 1.5) << "since a reset";
  EXPECT_EQ(last_change(RangeFn::irate, 1), nullptr);
}

// Of both kinds in one range: a change from one to the other is a reset and a change in Prometheus 3.
TEST(NativeHistogram, NumbersBesideHistogramsInARange) {
  store::Histograms all;
  all.add(2'000, std::make_shared<const NativeHistogram>(of({{1, 4}})));
  all.add(3'000, std::make_shared<const NativeHistogram>(of({{1, 4}})));
  store::Samples numbers;
  numbers.times = {1'000, 4'000, 5'000};
  numbers.values = {7, 9, 8};
  const auto of_both = [&](RangeFn fn, Semantics semantics) {
    return eval::over_range(fn, all, 0, 2, numbers, Instant{5'000}, seconds(5), semantics).signal;
  };
  EXPECT_EQ(of_both(RangeFn::resets, three).value, 3);
  EXPECT_EQ(of_both(RangeFn::changes, three).value, 3);
  EXPECT_EQ(of_both(RangeFn::resets, two).evidence, eval::Evidence::no_data);
  EXPECT_EQ(of_both(RangeFn::sum_over_time, three).evidence, eval::Evidence::no_data);
  EXPECT_EQ(of_both(RangeFn::count_over_time, three).value, 5);
  EXPECT_TRUE(eval::takes_numbers_alone(RangeFn::max_over_time, all, 2, numbers, three));
  EXPECT_FALSE(eval::takes_numbers_alone(RangeFn::max_over_time, all, 2, {}, three));
  EXPECT_FALSE(eval::takes_numbers_alone(RangeFn::max_over_time, all, 2, numbers, two));
  // The last two samples are numbers; without the last one, they are of both kinds.
  EXPECT_TRUE(eval::takes_numbers_alone(RangeFn::idelta, all, 2, numbers, three));
  numbers.times.pop_back();
  numbers.values.pop_back();
  EXPECT_FALSE(eval::takes_numbers_alone(RangeFn::idelta, all, 2, numbers, three));
  EXPECT_EQ(of_both(RangeFn::idelta, three).evidence, eval::Evidence::no_data);
}

TEST(NativeHistogram, IsShownAsItsBuckets) {
  NativeHistogram h = of({{1, 2}}, 1, {{2, 3}});
  h.sum = -1.5;
  EXPECT_EQ(to_string(h), "{count:6, sum:-1.5, [-4,-2):3, [-0.5,0.5]:1, (1,2]:2}");
}

HistogramPtr counting(double count) {
  return std::make_shared<const NativeHistogram>(of({{1, count}}));
}

// A series that has both, as one does whose client learns of native histograms.
TEST(NativeHistogram, IsHeldBesideNumbersInOneOrderOfTime) {
  using store::AppendOutcome;
  const Limits limits;
  store::SeriesStore all(limits);
  const std::size_t empty = all.bytes();
  const Labels labels = Labels().with("__name__", "a");
  const store::SeriesId id = *all.series(labels);
  EXPECT_EQ(*all.append(id, Instant{10}, 1), AppendOutcome::stored);
  EXPECT_FALSE(all.has_histograms());
  EXPECT_EQ(*all.append_histogram(id, Instant{20}, counting(2)), AppendOutcome::stored);
  EXPECT_EQ(*all.append_histogram(id, Instant{20}, counting(2)), AppendOutcome::duplicate);
  EXPECT_EQ(*all.append_histogram(id, Instant{20}, counting(3)), AppendOutcome::conflicting);
  EXPECT_EQ(*all.append(id, Instant{20}, 2), AppendOutcome::conflicting);
  EXPECT_EQ(*all.append_histogram(id, Instant{10}, counting(1)), AppendOutcome::conflicting);
  EXPECT_EQ(*all.append_histogram(id, Instant{15}, counting(1)), AppendOutcome::out_of_order);
  EXPECT_EQ(*all.append(id, Instant{15}, 1), AppendOutcome::out_of_order);
  EXPECT_EQ(*all.append(id, Instant{30}, stale_marker()), AppendOutcome::stored);
  EXPECT_EQ(*all.append_histogram(id, Instant{40}, counting(1)), AppendOutcome::stored);
  EXPECT_TRUE(all.has_histograms());
  EXPECT_EQ(all.sample_count(), 4u);
  EXPECT_EQ(all.histograms(id)->resets(0, 1), 1u);
  EXPECT_EQ(all.first_time(id), Instant{10});

  all.retain_from(Instant{40});  // keeps the last of each before it
  EXPECT_EQ(all.histograms(id)->size(), 2u);
  all.retain_from(Instant{41});
  EXPECT_EQ(all.series_count(), 0u);
  EXPECT_FALSE(all.has_histograms());
  EXPECT_EQ(all.bytes(), empty);
  EXPECT_EQ(all.sample_count(), 0u);
}

TEST(NativeHistogram, IsReleasedAndTakenBackWhole) {
  store::SeriesStore all{Limits{}};
  const Labels labels = Labels().with("__name__", "a");
  store::SeriesId id = *all.series(labels);
  ASSERT_TRUE(all.append_histogram(id, Instant{20}, counting(2)));
  ASSERT_TRUE(all.append_histogram(id, Instant{30}, counting(4)));
  EXPECT_FALSE(all.view(id));  // of numbers, and there is more here
  store::SeriesHistory history = all.release(id);
  EXPECT_FALSE(all.has_histograms());
  id = *all.series(labels);
  ASSERT_TRUE(all.adopt(id, std::move(history)));
  EXPECT_TRUE(all.has_histograms());
  EXPECT_EQ(all.sample_count(), 2u);
  EXPECT_EQ(all.histograms(id)->at(1)->count, 4);
}

TEST(NativeHistogram, PastTheBoundOfMemoryNoneIsTaken) {
  Limits limits;
  limits.store_bytes = 100'000;
  store::SeriesStore all(limits);
  const store::SeriesId id = *all.series(Labels().with("__name__", "a"));
  std::int64_t taken = 0;
  for (; taken < 10'000; ++taken) {
    const auto stored = all.append_histogram(id, Instant{taken}, counting(1));
    if (stored) continue;
    EXPECT_EQ(stored.error().code, ErrorCode::limit_exceeded);
    break;
  }
  EXPECT_GT(taken, 100);
  EXPECT_LT(taken, 1000);
  EXPECT_EQ(all.histograms(id)->size(), static_cast<std::size_t>(taken));
}

}  // namespace
}  // namespace signalbox
