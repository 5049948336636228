// Which times the leaves of a plan look at: offsets, `@` and subqueries, one in the other.
#include "runtime/plan/leaf_spans.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "compiler/lower/compile.hpp"

namespace signalbox::plan {
namespace {

constexpr Instant asked{1'000'000'000};

// By metric: "from to", in seconds before and after the instant that is asked about, the look-back of five
// minutes and its millisecond put back.
std::map<std::string, std::string> spans(const std::string& text) {
  const lower::CompiledQuery query = lower::compile_promql(text, std::pair{asked, asked}, {});
  EXPECT_TRUE(query.plan) << source::render_text(query.diagnostics, query.sources);
  std::map<std::string, std::string> out;
  if (!query.plan) return out;
  const auto of_leaf = leaf_spans(*query.plan, asked, asked);
  for (std::size_t i = 0; i < of_leaf.size(); ++i) {
    for (const Matcher& m : query.plan->leaves[i].matchers)
      if (m.label == metric_name_label && of_leaf[i])
        out[m.value] =
            fmt::format("{} {}", (of_leaf[i]->from + minutes(5) + milliseconds(1) - asked).seconds(),
                        (of_leaf[i]->to - asked).seconds());
  }
  return out;
}
using Spans = std::map<std::string, std::string>;

TEST(LeafSpans, WindowsAndOffsets) {
  EXPECT_EQ(spans("a + rate(b[1m]) + sum(c offset 30s) + rate(d[1m] offset -10s)"),
            (Spans{{"a", "0 0"}, {"b", "-60 0"}, {"c", "-30 -30"}, {"d", "-50 10"}}));
}

TEST(LeafSpans, AtLooksThereAndNowhereElse) {
  EXPECT_EQ(spans("a + b @ 1000 + rate(c[1m] @ 1000 offset 10s)"),
            (Spans{{"a", "0 0"}, {"b", "-999000 -999000"}, {"c", "-999070 -999010"}}));
}

TEST(LeafSpans, SubqueriesAskTheirInputEarlier) {
  EXPECT_EQ(
      spans("max_over_time((a + rate(b[1m]))[10m:1m] offset 5s) + quantile_over_time(scalar(c), d[1m:10s])"),
      (Spans{{"a", "-605 -5"}, {"b", "-665 -5"}, {"c", "0 0"}, {"d", "-60 0"}}));
  EXPECT_EQ(spans("max_over_time(a[10m:1m] @ 1000) + max_over_time((b @ 500)[1m:1m])"),
            (Spans{{"a", "-999600 -999000"}, {"b", "-999500 -999500"}}));
}

}  // namespace
}  // namespace signalbox::plan
