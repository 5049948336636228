// PromQL over native histograms in the dialect of Prometheus 3, worked out by hand from its documented rules:
// https://prometheus.io/docs/specs/native_histograms/ and the operators' and functions' pages.
#include <gtest/gtest.h>

#include "tests/support/promql_answer.hpp"

namespace signalbox {
namespace {

HistogramPtr with_buckets(std::vector<NativeHistogram::Bucket> positive, double sum) {
  NativeHistogram h;
  h.sum = sum;
  for (const NativeHistogram::Bucket& b : positive) h.count += b.count;
  h.positive = std::move(positive);
  return std::make_shared<const NativeHistogram>(std::move(h));
}

// h{n="1"} and h{n="2"} are the same, h{n="3"} is another one; c has both kinds of histograms.
class NativePromql : public ::testing::Test {
 protected:
  NativePromql() {
    add("h", "1", with_buckets({{1, 4}, {2, 2}}, 9));
    add("h", "2", with_buckets({{1, 4}, {2, 2}}, 9));
    add("h", "3", with_buckets({{1, 4}, {2, 3}}, 9));
    add("g", "1", with_buckets({{1, 4}, {2, 2}}, 9));
    add("g", "3", with_buckets({{1, 4}, {2, 2}}, 9));
    add("c", "1", with_buckets({{1, 4}}, 6));
    add("c", "2", with_buckets({{1, 4}}, 6));
    for (const char* le : {"1", "+Inf"}) {
      const Labels labels = Labels().with("__name__", "c").with("n", "1").with("le", le);
      EXPECT_TRUE(store_.append(*store_.series(labels), at_, 5));
    }
  }
  void add(const std::string& name, const std::string& n, HistogramPtr h) {
    const Labels labels = Labels().with("__name__", name).with("n", n);
    EXPECT_TRUE(store_.append_histogram(*store_.series(labels), at_, std::move(h)));
  }
  // n, and what stands there.
  std::map<std::string, std::string> answer(const std::string& expression,
                                            Semantics semantics = Semantics::prometheus3) {
    std::map<std::string, std::string> out;
    const eval::Column column = test::promql_answer(store_, expression, at_, semantics);
    for (std::size_t row = 0; row < column.size(); ++row) {
      if (!column.has_sample(row)) continue;
      const std::string n((*column.rows)[row].get("n"));
      out[n] = column.is_histogram(row) ? to_string(*column.histogram[row])
                                        : std::to_string(column.value[row]).substr(0, 3);
    }
    return out;
  }
  using Rows = std::map<std::string, std::string>;

  static constexpr Instant at_{1'000'000};
  store::SeriesStore store_{Limits{}};
};

TEST_F(NativePromql, AreKeptWhereTheyAreTheSame) {
  const std::string same = "{count:6, sum:9, (1,2]:4, (2,4]:2}", other = "{count:7, sum:9, (1,2]:4, (2,4]:3}";
  EXPECT_EQ(answer("h == on(n) g"), (Rows{{"1", same}}));
  EXPECT_EQ(answer("h != on(n) g"), (Rows{{"3", other}}));
  EXPECT_EQ(answer("h == bool on(n) g"), (Rows{{"1", "1.0"}, {"3", "0.0"}}));
  EXPECT_EQ(answer("h != bool on(n) g"), (Rows{{"1", "0.0"}, {"3", "1.0"}}));
  EXPECT_EQ(answer("h == ignoring(n) group_left h{n=\"2\"}"), (Rows{{"1", same}, {"2", same}}));
  for (const char* none : {"h == 6", "h != 6", "h > on(n) g", "h <= on(n) g", "6 == h", "h == bool 6"})
    EXPECT_EQ(answer(none), Rows{}) << none;
  EXPECT_EQ(answer("h == on(n) g", Semantics::prometheus2), Rows{});
}

TEST_F(NativePromql, DividedByZeroHaveNoBuckets) {
  EXPECT_EQ(answer("g{n=\"1\"} / 0"), (Rows{{"1", "{count:+Inf, sum:+Inf}"}}));
  EXPECT_EQ(answer("histogram_count(g{n=\"1\"} / 0) == Inf"), (Rows{{"1", "inf"}}));
}

TEST_F(NativePromql, ToldBothWaysAreNotAnswered) {
  EXPECT_EQ(answer("histogram_quantile(0.5, c)").size(), 1u);
  EXPECT_EQ(answer("histogram_quantile(0.5, c)").count("2"), 1u);
  EXPECT_EQ(answer("histogram_quantile(0.5, c{le!=\"\"})").count("1"), 1u);
}

// c{n="1"} is told both ways; d is a classic histogram, which 2.42 does not take.
TEST_F(NativePromql, FractionsAreOfClassicHistogramsToo) {
  for (const auto& [le, count] : {std::pair{"1", 3.0}, std::pair{"+Inf", 4.0}}) {
    const Labels labels = Labels().with("__name__", "d").with("n", "1").with("le", le);
    EXPECT_TRUE(store_.append(*store_.series(labels), at_, count));
  }
  using Answer = std::map<std::string, std::string>;
  EXPECT_EQ(answer("histogram_fraction(0, 1, d)"), (Answer{{"1", "0.7"}}));
  EXPECT_EQ(answer("histogram_fraction(0, 1, d)", Semantics::prometheus2), Answer{});
  EXPECT_EQ(answer("histogram_fraction(0, 8, c)"), (Answer{{"2", "1.0"}}));
  EXPECT_EQ(answer("histogram_fraction(0, 8, {__name__=~\"c|d\", n=~\"1|2\"})"),
            (Answer{{"1", "0.7"}, {"2", "1.0"}}))
      << "c of 1 is left out, and a quarter of d may lie anywhere above 1";
}

}  // namespace
}  // namespace signalbox
