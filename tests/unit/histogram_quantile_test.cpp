#include "runtime/eval/histogram_quantile.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace signalbox::eval {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double quantile(double q, std::vector<Bucket> buckets, Semantics semantics = Semantics::prometheus2) {
  const auto value = histogram_quantile(q, std::move(buckets), semantics);
  EXPECT_TRUE(value);
  return value.value_or(nan);
}

TEST(HistogramQuantile, NothingComesOfNoBuckets) {
  EXPECT_FALSE(histogram_quantile(0.5, {}, Semantics::prometheus2));
}

TEST(HistogramQuantile, InterpolatesWithinTheBucketOfTheRank) {
  const std::vector<Bucket> buckets = {{1, 10}, {2, 30}, {inf, 40}};
  EXPECT_EQ(quantile(0.25, buckets), 1);
  EXPECT_EQ(quantile(0.125, buckets), 0.5);
  EXPECT_EQ(quantile(0.5, buckets), 1.5);
  EXPECT_EQ(quantile(0.9, buckets), 2);
  EXPECT_EQ(quantile(1, buckets), 2);
}

TEST(HistogramQuantile, OutsideZeroToOneIsInfinite) {
  const std::vector<Bucket> buckets = {{1, 10}, {inf, 40}};
  EXPECT_EQ(quantile(-0.1, buckets), -inf);
  EXPECT_EQ(quantile(1.1, buckets), inf);
  EXPECT_TRUE(std::isnan(quantile(nan, buckets)));
}

TEST(HistogramQuantile, NeedsAnInfiniteBucketAndAnotherAndObservations) {
  EXPECT_TRUE(std::isnan(quantile(0.5, {{1, 10}, {2, 20}})));
  EXPECT_TRUE(std::isnan(quantile(0.5, {{inf, 20}})));
  EXPECT_TRUE(std::isnan(quantile(0.5, {{inf, 20}, {inf, 20}})));
  EXPECT_TRUE(std::isnan(quantile(0.5, {{1, 0}, {inf, 0}})));
}

TEST(HistogramQuantile, EqualBoundsAreAdded) {
  EXPECT_EQ(quantile(0.5, {{inf, 30}, {1, 4}, {2, 20}, {1, 6}, {inf, 10}}),
            quantile(0.5, {{1, 10}, {2, 20}, {inf, 40}}));
}

TEST(HistogramQuantile, ALowestBoundNotOverZeroIsTheAnswerInItsBucket) {
  EXPECT_EQ(quantile(0.1, {{-1, 10}, {0, 20}, {inf, 40}}), -1);
  EXPECT_EQ(quantile(0.1, {{0, 10}, {5, 20}, {inf, 40}}), 0);
  EXPECT_EQ(quantile(0.375, {{-1, 10}, {1, 20}, {inf, 40}}), 0);
}

TEST(HistogramQuantile, FallingCountsAreLifted) {
  EXPECT_EQ(quantile(0.5, {{1, 10}, {2, 8}, {3, 30}, {inf, 30}}),
            quantile(0.5, {{1, 10}, {2, 10}, {3, 30}, {inf, 30}}));
}

// A rank of exactly 10 lies in the first bucket unless noise in the second one hides that they are equal.
TEST(HistogramQuantile, RelativeNoiseIsIgnoredOnlyInPrometheus3) {
  const double noisy = 10 * (1 + 4e-16);
  ASSERT_GT(noisy, 10);
  const std::vector<Bucket> buckets = {{1, 10}, {2, noisy}, {inf, noisy}};
  EXPECT_EQ(quantile(1, buckets, Semantics::prometheus3), 1);
  EXPECT_EQ(quantile(1, buckets, Semantics::prometheus2), 2);
}

// Half of what is between 0.1 and 0.5 lies below 0.3.
TEST(HistogramFraction, IsTheShareBetweenTwoValues) {
  const std::vector<Bucket> buckets = {{0.5, 6}, {inf, 10}, {1, 8}, {0.1, 2}};
  EXPECT_EQ(*histogram_fraction(0, 1, buckets), 0.8);
  EXPECT_EQ(*histogram_fraction(0.1, 0.3, buckets), 0.2);
  EXPECT_EQ(*histogram_fraction(-5, 0.05, buckets), 0.1);
  EXPECT_EQ(*histogram_fraction(0.5, inf, buckets), 0.4);
  EXPECT_EQ(*histogram_fraction(-inf, inf, buckets), 1);
  EXPECT_EQ(*histogram_fraction(1, 1, buckets), 0);
  EXPECT_EQ(*histogram_fraction(2, 1, buckets), 0);
  // What lies above the highest bound may lie anywhere there.
  EXPECT_EQ(*histogram_fraction(1, 7, buckets), 0);
}

TEST(HistogramFraction, AFirstBucketThatEndsAtZeroHasNoBeginning) {
  const std::vector<Bucket> buckets = {{0, 4}, {1, 8}, {inf, 8}};
  EXPECT_EQ(*histogram_fraction(-1, 0.5, buckets), 0.25);
  EXPECT_EQ(*histogram_fraction(-inf, 0, buckets), 0.5);
}

TEST(HistogramFraction, NeedsAnInfiniteBucketAndObservationsAndNumbers) {
  EXPECT_FALSE(histogram_fraction(0, 1, {}));
  EXPECT_TRUE(std::isnan(*histogram_fraction(0, 1, {{1, 10}, {2, 20}})));
  EXPECT_TRUE(std::isnan(*histogram_fraction(0, 1, {{1, 0}, {inf, 0}})));
  EXPECT_TRUE(std::isnan(*histogram_fraction(nan, 1, {{1, 5}, {inf, 10}})));
  EXPECT_TRUE(std::isnan(*histogram_fraction(1, nan, {{1, 5}, {inf, 10}})));
  EXPECT_EQ(*histogram_fraction(0, 1, {{1, 2}, {1, 3}, {inf, 10}}), 0.5);
}

}  // namespace
}  // namespace signalbox::eval
