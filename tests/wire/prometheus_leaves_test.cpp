// Leaves pushed down to a real Prometheus give, bit for bit, what the same expressions give over its raw
// samples.
#include "runtime/sources/prometheus_leaves.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/net/event_loop.hpp"
#include "runtime/promql/leaf_text.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

constexpr Instant start{1'700'000'100'000};

std::string recording() {
  std::string text;
  for (const char* region : {"eu", "us"})
    for (const char* code : {"200", "500"})
      for (int i = std::string(code) == "500" ? 40 : 0; i < 240; ++i) {
        if (i % 17 == 3 || (std::string(region) == "us" && i > 150)) continue;
        text += fmt::format("requests_total{{code=\"{}\",region=\"{}\",path=\"a\\\\b\\\"c\"}} {} {}\n", code,
                            region, (i * 37 % 1000) + i * (region[0] == 'e' ? 7 : 3) / 3.0,
                            start.ms / 1000 + i * 15);
      }
  return text + "# EOF\n";
}

using Values = std::map<std::pair<std::int64_t, Labels>, std::uint64_t>;

class Pushdown : public testing::Test {
 protected:
  void SetUp() override {
    server_ = PrometheusServer::start(recording(), error_);
    ASSERT_TRUE(server_) << error_;
    loop_ = *net::make_event_loop({});
  }
  Values evaluate(const plan::Plan& plan, plan::Index root, eval::LeafProvider& leaves, Duration step) {
    eval::ShapeRunner shapes(plan, eval::Tier::interpreter, {}, {});
    Values out;
    for (Instant at = from_; at <= to_; at = at + step) {
      eval::Evaluation::Context context;
      context.plan = &plan;
      context.leaves = &leaves;
      context.shapes = &shapes;
      context.at = at;
      eval::Evaluation evaluation(context);
      const eval::Column& column = evaluation.column(root);
      for (std::size_t i = 0; i < column.size(); ++i)
        if (column.evidence[i] == 0)
          out[{at.ms, (*column.rows)[i]}] = std::bit_cast<std::uint64_t>(column.number(i));
    }
    return out;
  }

  std::string error_;
  std::unique_ptr<PrometheusServer> server_;
  std::unique_ptr<net::EventLoop> loop_;
  Instant from_ = start - minutes(2), to_ = start + minutes(70);
};

TEST_F(Pushdown, HasTheBitsOfTheRawSamples) {
  const Limits limits;
  std::size_t values = 0;
  for (const std::string text :
       {"sum by (region) (rate(requests_total[5m]))", "requests_total offset 3m", "requests_total",
        "sum(rate(requests_total{code=~\"5..\"}[1m])) / sum(rate(requests_total[1m]))",
        "rate(requests_total{path=\"a\\\\b\\\"c\"}[2m]) > 0.5", "last_over_time(requests_total[90s])"}) {
    const lower::CompiledQuery query = lower::compile_query(text, {});
    ASSERT_TRUE(query.plan) << text << source::render_text(query.diagnostics, query.sources);
    store::SeriesStore store(limits);
    sources::PrometheusHistory history(loop_->http(), server_->url(), limits);
    std::optional<Error> failed;
    history.load(*query.plan, from_, to_, store, {}, [&](Result<sources::PrometheusReport> r) {
      if (!r) failed = r.error();
      loop_->stop();
    });
    loop_->run();
    ASSERT_FALSE(failed) << failed->message;
    eval::StoreProvider raw(store);
    // Nothing under it: what is not pushed down would be missed.
    const store::SeriesStore nothing(limits);
    eval::StoreProvider no_raw(nothing);
    for (const Duration step : {seconds(15), milliseconds(7'301), minutes(5)}) {
      sources::PrometheusLeaves pushed(loop_->http(), server_->url(), limits, no_raw);
      pushed.load(*query.plan, from_, to_, step, [&](Result<void> r) {
        if (!r) failed = r.error();
        loop_->stop();
      });
      loop_->run();
      ASSERT_FALSE(failed) << failed->message;
      const Values expected = evaluate(*query.plan, query.root, raw, step);
      const Values got = evaluate(*query.plan, query.root, pushed, step);
      EXPECT_EQ(got.size(), expected.size()) << text;
      EXPECT_TRUE(got == expected) << text << " every " << to_string(step);
      values += got.size();
    }
  }
  EXPECT_GT(values, 5'000u);
}

TEST(Pushable, OnlyWhatPrometheusSaysOfItself) {
  plan::Plan plan;
  plan.lookback = minutes(5);
  plan::Leaf leaf;
  leaf.matchers = {{"__name__", MatchOp::equal, "a"}, {"b", MatchOp::not_regex, "c\"\\d\n"}};
  leaf.window = {plan::WindowKind::instant, {}, hours(2), plan::none, {}};
  EXPECT_EQ(promql::leaf_text(leaf), "a{b!~\"c\\\"\\\\d\\n\"} offset 2h");
  plan.leaves.push_back(leaf);
  leaf.fn = plan::LeafFn::range;
  leaf.range_fn = RangeFn::increase;
  leaf.window = {plan::WindowKind::trailing, minutes(90), {}, plan::none, {}};
  EXPECT_EQ(promql::leaf_text(leaf), "increase(a{b!~\"c\\\"\\\\d\\n\"}[1h30m])");
  plan.leaves.push_back(leaf);
  plan.leaves.push_back(leaf);  // read by slices
  leaf.fn = plan::LeafFn::raw_increase;
  plan.leaves.push_back(leaf);
  for (plan::Index i = 0; i < 4; ++i) {
    plan::Node node;
    node.kind = plan::NodeKind::leaf;
    node.index = i;
    plan.nodes.push_back(node);
  }
  plan::Node slices;
  slices.kind = plan::NodeKind::slices;
  slices.inputs = {2};
  plan.nodes.push_back(slices);
  EXPECT_EQ(sources::pushable_leaves(plan), (std::vector<bool>{true, true, false, false}));
  plan.nodes.back().kind = plan::NodeKind::subquery;  // which looks between the instants as well
  EXPECT_EQ(sources::pushable_leaves(plan), (std::vector<bool>{true, true, false, false}));
  plan.lookback = minutes(4);
  EXPECT_EQ(sources::pushable_leaves(plan), (std::vector<bool>{false, true, false, false}));
}

}  // namespace
}  // namespace signalbox::wire
