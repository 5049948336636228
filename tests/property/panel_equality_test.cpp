// Panels against evaluation tick by tick: every row, value and evidence, to the bit, while series come, end,
// reset and have gaps.
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <random>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/bounds.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::eval {
namespace {

using Rng = std::mt19937_64;

std::int64_t below(Rng& rng, std::int64_t n) {
  return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
}
bool chance(Rng& rng, int percent) {
  return below(rng, 100) < percent;
}

constexpr Instant start{1'700'000'100'000};
constexpr int ticks = 400;

void add_series(store::SeriesStore& store, Rng& rng, std::vector<Labels::Pair> labels, bool counter) {
  const auto id = *store.series(Labels(std::move(labels)));
  Instant at = start + milliseconds(chance(rng, 40) ? below(rng, 3'000'000) : 0);
  double level = static_cast<double>(below(rng, 1000));
  while (at < start + seconds(15) * ticks) {
    const double step = static_cast<double>(below(rng, 100));
    level = counter ? (chance(rng, 2) ? step : level + step) : level + step - 50;
    const double value = chance(rng, 1)   ? stale_marker()
                         : chance(rng, 1) ? std::numeric_limits<double>::quiet_NaN()
                                          : level;
    EXPECT_TRUE(store.append(id, at, value));
    at = at + (chance(rng, 2)    ? minutes(below(rng, 20)) + seconds(1)
               : chance(rng, 60) ? seconds(15)
                                 : milliseconds(14'000 + below(rng, 2000)));
  }
}

std::unique_ptr<store::SeriesStore> random_store(std::uint64_t seed) {
  Rng rng(seed);
  auto store = std::make_unique<store::SeriesStore>(Limits{});
  for (const char* region : {"eu", "us", "ap"}) {
    for (const char* code : {"200", "404", "500", "503"})
      add_series(*store, rng, {{"__name__", "req_total"}, {"region", region}, {"code", code}}, true);
    add_series(*store, rng, {{"__name__", "depth"}, {"region", region}}, false);
    for (const char* le : {"0.1", "0.5", "+Inf"})
      add_series(*store, rng, {{"__name__", "lat_bucket"}, {"region", region}, {"le", le}}, true);
  }
  add_series(*store, rng, {{"__name__", "limit"}, {"zone", "a"}}, false);
  return store;
}

// Until when leaves have the rows that they have at `from`, or the last tick is over.
Instant same_rows_until(const plan::Plan& plan, PanelEvaluation& panels, Instant from) {
  Instant until = start + plan.tick * ticks;
  for (plan::Index leaf = 0; leaf < plan.leaves.size(); ++leaf)
    until = std::min(until, panels.same_rows_until(leaf, from));
  return until;
}
std::size_t ticks_until(const plan::Plan& plan, Instant from, Instant until) {
  return static_cast<std::size_t>(((until - from).ms + plan.tick.ms - 1) / plan.tick.ms);
}

// All of `roots`, over all ticks, in panels as long as rows allow and `longest` at most; with so much memory
// for the windows of series.
void compare(const plan::Plan& plan, const std::vector<plan::Index>& roots, const store::SeriesStore& store,
             Semantics semantics, std::size_t longest, std::size_t kept_bytes, std::size_t& values,
             std::size_t& others) {
  StoreProvider leaves(store), panel_leaves(store, kept_bytes);
  ShapeRunner shapes(plan, Tier::interpreter, {}, {});
  panel_leaves.expect_panels(start, plan.tick, ticks, plan::longest_window(plan));
  const auto cache = make_eval_cache(), panel_cache = make_eval_cache();
  PanelEvaluation panels({&plan, &panel_leaves, &shapes, semantics, panel_cache});
  std::size_t first = 0;
  while (first < ticks) {
    const Instant from = start + plan.tick * static_cast<std::int64_t>(first);
    const std::size_t n =
        std::min({longest, ticks_until(plan, from, same_rows_until(plan, panels, from)), ticks - first});
    panels.begin(from, n);
    for (std::size_t t = 0; t < n; ++t) {
      Evaluation::Context context;
      context.plan = &plan;
      context.leaves = &leaves;
      context.shapes = &shapes;
      context.semantics = semantics;
      context.at = from + plan.tick * static_cast<std::int64_t>(t);
      context.cache = cache;
      Evaluation evaluation(context);
      for (const plan::Index root : roots) {
        const Column& expected = evaluation.column(root);
        const Column got = panels.panel(root).at(t);
        ASSERT_EQ(*got.rows, *expected.rows) << "tick " << first + t;
        for (std::size_t row = 0; row < expected.size(); ++row) {
          ASSERT_EQ(got.evidence[row], expected.evidence[row]) << "tick " << first + t << " row " << row;
          ASSERT_EQ(std::bit_cast<std::uint64_t>(got.number(row)),
                    std::bit_cast<std::uint64_t>(expected.number(row)))
              << "tick " << first + t << ": " << got.number(row) << " and " << expected.number(row);
          ++(expected.evidence[row] == 0 ? values : others);
        }
      }
    }
    first += n;
  }
}

// For the windows of all series, of some, of none.
constexpr std::size_t room[] = {StoreProvider::most_kept_bytes, 60'000, 0};

TEST(Panels, EqualEvaluationTickByTick) {
  const char* expressions[] = {
      "sum by (region) (rate(req_total[5m]))",
      "sum(rate(req_total{code=~\"5..\"}[5m])) / sum(rate(req_total[5m]))",
      ("sum by (region) (increase(req_total{code=~\"5..\"}[3m])) / sum by (region) (increase(req_total[3m])) "
       "> 0.2"),
      "avg without (code) (irate(req_total[2m]))",
      "max by (region) (depth) - on () group_left () min(depth)",
      "count(depth) + 1",
      "count_true by (region) (depth > 10)",
      "any by (region) (depth > 300)",
      "all by (region) (depth < 300) and time() > 1700000400s",
      "p95(lat[10m])",
      "absent(depth{region=\"mars\"}) default 3",
      "depth offset 7m",
      "last_over_time(depth[1m]) default 7",
      "max_over_time(depth[20m]) - min_over_time(depth[20m] offset 100s)",
      "avg_over_time(depth[4m]) / count_over_time(depth[4m])",
      "sum by (code) (rate(req_total[1m])) / on () group_left () sum(rate(req_total[1m]))",
      "clamp_max(delta(depth[6m]), 100) mod 7",
      // More than one row in one place: which one counts changes from tick to tick.
      "depth + on (region) req_total",
      "req_total * on (region) group_left (code) req_total{code=~\"5..\"}",
      "depth * on (region) group_left () rate(req_total{code!=\"200\"}[2m])",
      // Filters, of which what they leave may be contested or not.
      "promql(\"depth < on (region) req_total\")",
      "promql(\"req_total > on (region) depth\")",
      "promql(\"depth > on (region) group_left () req_total{code='500'}\")",
      "promql(\"req_total > on (region) group_left () depth\")",
      "promql(\"rate(req_total[2m]) > 3\")",
      "promql(\"depth > bool on (region) req_total\")",
      "changes(depth[10m]) + on (region) resets(req_total{code=\"200\"}[10m]) * 0",
      "-depth ^ 2 > 100 or not (depth == 3)",
      "`limit` > 3 and depth > 2",
  };
  std::size_t values = 0, others = 0;
  for (const char* expression : expressions) {
    lower::CompiledQuery query = lower::compile_query(expression, {});
    ASSERT_TRUE(query.plan) << expression << source::render_text(query.diagnostics, query.sources);
    ASSERT_TRUE(panel_nodes(*query.plan)[query.root]) << expression;
    for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3}) {
      for (const std::size_t longest : {1u, 7u, 1000u}) {
        SCOPED_TRACE(expression);
        const auto store = random_store(longest * 10 + static_cast<std::uint64_t>(semantics));
        for (const std::size_t kept : room)
          compare(*query.plan, {query.root}, *store, semantics, longest, kept, values, others);
      }
    }
  }
  EXPECT_GT(values, 120'000u);
  EXPECT_GT(others, 6'000u);
}

TEST(Panels, EqualTheRowsOfSlosTickByTick) {
  const lower::Compiled program = lower::compile({{"p.slo", R"(
use std.burn
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" }
receiver r is log { }
slo a per (region) max 5 { indicator bad req_total{code=~"5.."} of req_total  objective 90% over 1d  burn { page 5 over 10m & 1m  ticket 2 over 30m & 5m }  page r }
slo b { indicator good req_total{code="200"} of req_total  objective 50% over 1d  burn { page 1.5 over 20m & 2m }  floor 10 bad  page r }
slo c per (region) max 5 { indicator share of lat at most 0.5  objective 99% over 1d  burn { page 10 over 20m & 2m }  page r }
)"}},
                                                 {});
  ASSERT_TRUE(program.plan) << source::render_text(program.diagnostics, program.sources);
  std::vector<plan::Index> roots;
  for (const plan::Slo& slo : program.plan->slos) {
    roots.push_back(slo.universe);
    for (const plan::BurnRow& row : slo.rows)
      roots.insert(roots.end(), {row.condition, row.long_ratio, row.short_ratio});
  }
  std::size_t values = 0, others = 0;
  for (const std::uint64_t seed : {1, 2, 3}) {
    const auto store = random_store(seed);
    for (const std::size_t kept : room)
      compare(*program.plan, roots, *store, Semantics::prometheus2, 256, kept, values, others);
  }
  EXPECT_GT(values, 60'000u);
  EXPECT_GT(others, 1'500u);
}

// What is said of all nodes of a program over stretches of `length` ticks, held against their panels.
struct Said {
  std::size_t bounded = 0, valued = 0, absent = 0, conditions = 0;
};
void hold_to_bounds(const plan::Plan& plan, const store::SeriesStore& store, Semantics semantics,
                    std::size_t length, Said& said) {
  StoreProvider leaves(store);
  ShapeRunner shapes(plan, Tier::interpreter, {}, {});
  leaves.expect_panels(start, plan.tick, ticks, plan::longest_window(plan));
  PanelEvaluation panels({&plan, &leaves, &shapes, semantics, make_eval_cache()});
  StretchBounds bounds(panels.context());
  const std::vector<bool> able = panel_nodes(plan);
  std::uint64_t rows = 0;
  Instant rows_until = start;
  for (std::size_t first = 0; first < ticks;) {
    const Instant from = start + plan.tick * static_cast<std::int64_t>(first);
    if (from >= rows_until) {
      rows_until = same_rows_until(plan, panels, from);
      ++rows;
    }
    const std::size_t n = std::min({length, ticks_until(plan, from, rows_until), ticks - first});
    bounds.begin(from, n, rows);
    panels.begin(from, n);
    for (plan::Index node = 0; node < plan.nodes.size(); ++node) {
      if (!able[node]) continue;
      const StretchBounds::Family& family = bounds.of(node);
      if (family.rows == nullptr) continue;
      const Panel& panel = panels.panel(node);
      ASSERT_EQ(family.rows, panel.rows);
      ASSERT_EQ(family.row.size(), panel.row.size());
      for (std::size_t row = 0; row < panel.row.size(); ++row) {
        const Bounds& b = family.row[row];
        said.bounded += b.state == Bounds::State::bounded ? 1u : 0u;
        said.valued += b.state == Bounds::State::valued ? 1u : 0u;
        said.absent += b.state == Bounds::State::absent ? 1u : 0u;
        said.conditions += b.is_one_value() && plan.nodes[node].condition ? 1u : 0u;
        for (std::size_t t = 0; t < (panel.steady ? 1 : n); ++t) {
          if (b.has_value()) {
            ASSERT_EQ(panel.row[row].evidence[t], 0) << "tick " << first + t;
          }
          if (b.state == Bounds::State::absent) {
            ASSERT_NE(panel.row[row].evidence[t], 0);
          }
          if (b.state != Bounds::State::bounded) continue;
          ASSERT_GE(panel.row[row].number(t), b.least)
              << "tick " << first + t << " of " << first << " + " << n;
          ASSERT_LE(panel.row[row].number(t), b.most)
              << "tick " << first + t << " of " << first << " + " << n;
        }
      }
    }
    first += n;
  }
}

TEST(Panels, LieWithinWhatIsSaidOfAStretch) {
  Said said;
  const auto hold = [&](const plan::Plan& plan, std::uint64_t seed) {
    for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3})
      for (const std::size_t length : {1u, 9u, 32u, 400u})
        hold_to_bounds(plan, *random_store(seed), semantics, length, said);
  };
  const lower::Compiled program = lower::compile({{"p.slo", R"(
use std.burn
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" }
receiver r is log { }
slo a per (region) max 5 { indicator bad req_total{code=~"5.."} of req_total  objective 90% over 1d  burn { page 5 over 10m & 1m  ticket 2 over 30m & 5m }  page r }
slo b { indicator good req_total{code="200"} of req_total  objective 50% over 1d  burn { page 1.5 over 20m & 2m }  floor 10 bad  page r }
)"}},
                                                 {});
  ASSERT_TRUE(program.plan) << source::render_text(program.diagnostics, program.sources);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) hold(*program.plan, seed);
  for (const char* expression :
       {"sum by (region) (rate(req_total[20m])) / on () group_left () sum(rate(req_total[20m])) > 0.1",
        "max by (region) (depth) - on () group_left () min(depth) > 50",
        "any by (region) (depth > 300) and all by (region) (depth < 3000)",
        "count_true(increase(req_total[30m]) > 100) >= 2 or not (max(depth) > 20)",
        "sum(increase(req_total{code=\"200\"}[25m])) - sum(increase(req_total[10m])) default 0 > 100"}) {
    lower::CompiledQuery query = lower::compile_query(expression, {});
    ASSERT_TRUE(query.plan) << expression << source::render_text(query.diagnostics, query.sources);
    SCOPED_TRACE(expression);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) hold(*query.plan, seed);
  }
  EXPECT_GT(said.bounded, 20'000u);
  EXPECT_GT(said.valued, 500u);
  EXPECT_GT(said.conditions, 2'000u);
}

}  // namespace
}  // namespace signalbox::eval
