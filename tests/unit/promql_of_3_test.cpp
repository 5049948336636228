// What Prometheus 3 added to PromQL's text: https://prometheus.io/docs/prometheus/latest/querying/basics/ and
// .../functions/. It is read in both dialects.
#include <gtest/gtest.h>

#include "tests/support/promql_answer.hpp"

namespace signalbox {
namespace {

// g{job="a"} is 1, 2, 3 at 1000, 1060 and 1120 s; asked at 1120 s.
class PromqlOf3 : public ::testing::Test {
 protected:
  PromqlOf3() {
    const Labels labels = Labels().with("__name__", "g").with("job", "a");
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(store_.append(*store_.series(labels), Instant{(1000 + 60 * i) * 1000}, i + 1));
  }
  std::string answer(const std::string& expression) {
    const eval::Column column =
        test::promql_answer(store_, expression, Instant{1'120'000}, Semantics::prometheus3);
    std::string out;
    for (std::size_t row = 0; row < column.size(); ++row)
      if (column.has_sample(row))
        out += to_string((*column.rows)[row]) + " " + std::to_string(column.value[row]).substr(0, 5);
    return out;
  }
  static std::string refused(const std::string& expression) {
    const lower::CompiledQuery query =
        lower::compile_promql(expression, std::pair{Instant{0}, Instant{0}}, {});
    return query.plan ? "" : source::render_text(query.diagnostics, query.sources);
  }
  store::SeriesStore store_{Limits{}};
};

TEST_F(PromqlOf3, DurationsAreNumbersOfSeconds) {
  EXPECT_EQ(answer("vector(5m)"), "{} 300.0");
  EXPECT_EQ(answer("vector(-1h30m)"), "{} -5400");
  EXPECT_EQ(answer("vector(1ms)"), "{} 0.001");
  EXPECT_EQ(answer("g * 2m"), "{job=\"a\"} 360.0");
  EXPECT_EQ(answer("clamp_max(g, 2s)"), "{job=\"a\"} 2.000");
  EXPECT_EQ(answer("g @ 17m"), "g{job=\"a\"} 1.000");
}

TEST_F(PromqlOf3, NumbersOfSecondsAreDurations) {
  EXPECT_EQ(answer("count_over_time(g[120])"), "{job=\"a\"} 2.000") << "left-open";
  EXPECT_EQ(answer("count_over_time(g[0x79])"), "{job=\"a\"} 3.000");
  EXPECT_EQ(answer("count_over_time(g[120.0009])"), "{job=\"a\"} 2.000") << "parts of a millisecond are cut";
  EXPECT_EQ(answer("count_over_time(g[120.001])"), "{job=\"a\"} 3.000");
  EXPECT_EQ(answer("count_over_time(g[2m:60])"), answer("count_over_time(g[2m:1m])"));
  EXPECT_EQ(answer("g offset 60"), "g{job=\"a\"} 2.000");
  EXPECT_EQ(answer("g @ 1060 offset -60"), "g{job=\"a\"} 3.000");
  EXPECT_NE(refused("g[0]"), "");
  EXPECT_NE(refused("g[0.0001]"), "");
  EXPECT_NE(refused("g[-60]"), "");
  EXPECT_NE(refused("g[NaN]"), "");
  EXPECT_NE(refused("g[1e300]"), "");
  EXPECT_NE(refused("g[1m:0]"), "");
}

TEST_F(PromqlOf3, LabelsAreNamedByAnyText) {
  EXPECT_EQ(answer("label_replace(g, \"a-b\", \"x\", \"job\", \".*\")"), "g{a-b=\"x\",job=\"a\"} 3.000");
  EXPECT_EQ(answer("label_join(g, \"a.b\", \"-\", \"job\")"), "g{a.b=\"a\",job=\"a\"} 3.000");
  EXPECT_EQ(answer("count_values(\"0\", g)"), "{0=\"3\"} 1.000");
  EXPECT_NE(refused("count_values(\"\", g)"), "");
  EXPECT_NE(refused("label_replace(g, \"\\xff\", \"x\", \"job\", \".*\")"), "");
}

TEST_F(PromqlOf3, TheFirstSampleKeepsItsName) {
  EXPECT_EQ(answer("first_over_time(g[2m])"), "g{job=\"a\"} 2.000");
  EXPECT_EQ(answer("first_over_time(g[121])"), "g{job=\"a\"} 1.000");
  EXPECT_EQ(answer("first_over_time(g[3m:1m])"), "g{job=\"a\"} 1.000");
}

}  // namespace
}  // namespace signalbox
