// Conditions of several parts, worked out part by part until one is false, against all of them worked out: at
// single instants and in panels, every row, value, evidence and hold, to the bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/conjuncts.hpp"
#include "runtime/eval/panel.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::eval {
namespace {

constexpr Instant start{1'700'000'100'000};
constexpr int ticks = 500;

// Counts what is read.
class Counting final : public LeafProvider {
 public:
  explicit Counting(LeafProvider& inner) : inner_(inner) {}
  Column read(const LeafQuery& query) override {
    ++reads;
    return inner_.read(query);
  }
  Rows known(const plan::Leaf& leaf, Instant at) override { return inner_.known(leaf, at); }
  std::size_t reads = 0;

 private:
  LeafProvider& inner_;
};

void add_histograms(store::SeriesStore& store, const char* region, int from, int to, bool slow) {
  const auto id = *store.series(Labels({{"__name__", "nh"}, {"region", region}}));
  for (int i = from; i < to; ++i) {
    NativeHistogram h;
    h.count = 10.0 * (i + 1);
    h.sum = 1;
    if (slow)
      h.positive = {{4, h.count}};
    else
      h.zero_count = h.count;
    ASSERT_TRUE(store.append_histogram(id, start + seconds(15) * i,
                                       std::make_shared<const NativeHistogram>(std::move(h))));
  }
}

// Levels of a few hosts, which rise now and then, end, come back and are born late.
std::unique_ptr<store::SeriesStore> random_store(std::uint64_t seed, bool histograms) {
  std::mt19937_64 rng(seed);
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(rng() % n); };
  auto store = std::make_unique<store::SeriesStore>(Limits{});
  for (const char* name : {"load", "queue", "errors_total"})
    for (const char* host : {"a", "b", "c"}) {
      const auto id = *store->series(Labels(std::vector<Labels::Pair>{{"__name__", name}, {"host", host}}));
      Instant at = start + (below(3) == 0 ? seconds(below(2000)) : seconds(0));
      double total = 0;
      bool high = false;
      while (at < start + seconds(15) * ticks) {
        if (below(high ? 10 : 100) == 0) high = !high;
        total += high ? 50 : 1;
        const double level = high ? 100 : static_cast<double>(below(10));
        const double value = below(100) == 0   ? stale_marker()
                             : below(150) == 0 ? std::nan("")
                             : name[0] == 'e'  ? total
                                               : level;
        if (histograms && name[0] == 'q' && below(30) == 0) {
          NativeHistogram h;
          h.count = 3;
          h.sum = 5;
          h.zero_count = 3;
          EXPECT_TRUE(store->append_histogram(id, at, std::make_shared<const NativeHistogram>(std::move(h))));
        } else {
          EXPECT_TRUE(store->append(id, at, value));
        }
        at = at + (below(60) == 0 ? minutes(below(15)) + seconds(1) : seconds(15));
      }
    }
  return store;
}

void expect_equal(const Column& got, const Column& expected, int tick) {
  ASSERT_EQ(*got.rows, *expected.rows) << "tick " << tick;
  for (std::size_t row = 0; row < expected.size(); ++row) {
    ASSERT_EQ(got.evidence[row], expected.evidence[row]) << "tick " << tick << " row " << row;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(got.number(row)),
              std::bit_cast<std::uint64_t>(expected.number(row)))
        << "tick " << tick << " row " << row;
  }
}

const char* const conditions[] = {
    "load > 50 and queue > 50",
    "max(load) > 50 and max(queue) > 50 and sum(rate(errors_total[2m])) > 1",
    "avg_over_time(load[5m]) > 20 and (queue > 3 or load < 5)",
    "any by (host) (load > 50) and any by (host) (queue > 50 and load > 3) and time() > 1700001000s",
    "(queue default 0) > 50 and load > 50",
    "rate(errors_total[1m]) > 2 and rate(errors_total[10m]) > 1",
    "any by (host) (load > 50 and queue > 50)",
    "load > 50 and time() > 1700002000s",
};

TEST(RefutedConditions, AreWhatTheyAreWhenAllIsLookedAt) {
  for (const char* text : conditions)
    for (const bool histograms : {false, true})
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE(text);
        lower::CompiledQuery query = lower::compile_query(text, {});
        ASSERT_TRUE(query.plan) << source::render_text(query.diagnostics, query.sources);
        const plan::Plan& plan = *query.plan;
        const auto store = random_store(seed, histograms);
        StoreProvider whole_leaves(*store), part_leaves(*store), panel_leaves(*store);
        Counting whole(whole_leaves), parts(part_leaves);
        ShapeRunner shapes(plan, Tier::interpreter, {}, {});
        const auto whole_cache = make_eval_cache(), parts_cache = make_eval_cache();
        panel_leaves.expect_panels(start, plan.tick, ticks, plan::longest_window(plan));
        PanelEvaluation panels({&plan, &panel_leaves, &shapes, Semantics::prometheus2, make_eval_cache()});
        int panel_first = 0, panel_end = 0;
        for (int tick = 0; tick < ticks; ++tick) {
          const Instant at = start + plan.tick * tick;
          std::vector<Fault> faults;
          Evaluation::Context context;
          context.plan = &plan;
          context.leaves = &whole;
          context.shapes = &shapes;
          context.at = at;
          context.cache = whole_cache;
          context.faults = &faults;  // where faults are told, all is looked at
          Evaluation all(context);
          const Column& expected = all.column(query.root);
          context.leaves = &parts;
          context.cache = parts_cache;
          context.faults = nullptr;
          Evaluation some(context);
          expect_equal(some.column(query.root), expected, tick);
          if (histograms || !panel_nodes(plan)[query.root]) continue;
          if (tick == panel_end) {
            Instant until = start + plan.tick * ticks;
            for (plan::Index leaf = 0; leaf < plan.leaves.size(); ++leaf)
              until = std::min(until, panels.same_rows_until(leaf, at));
            const auto n = std::min<std::int64_t>(32, ((until - at).ms + plan.tick.ms - 1) / plan.tick.ms);
            panel_first = tick;
            panel_end = tick + static_cast<int>(n);
            panels.begin(at, static_cast<std::size_t>(n));
          }
          expect_equal(panels.panel(query.root).at(static_cast<std::size_t>(tick - panel_first)), expected,
                       tick);
        }
        EXPECT_LE(parts.reads, whole.reads);
        if (text == conditions[1]) {
          EXPECT_LT(parts.reads, whole.reads * 2 / 3);
        }
      }
}

// Its rows are those that have a histogram at the instant: what was known of the rows before says nothing.
TEST(RefutedConditions, AQuantileOfNativeHistogramsIsAlwaysLookedAt) {
  for (const int end : {20, 200}) {
    store::SeriesStore store{Limits{}};
    add_histograms(store, "eu", 0, end, false);
    add_histograms(store, "us", 0, 20, false);
    if (end == 200) add_histograms(store, "us", 80, 200, true);
    lower::CompiledQuery query = lower::compile_query(
        "histogram_quantile(0.9, sum by (region) (rate(nh[5m]))) > 5 and time() > 0s", {});
    ASSERT_TRUE(query.plan) << source::render_text(query.diagnostics, query.sources);
    StoreProvider leaves(store);
    ShapeRunner shapes(*query.plan, Tier::interpreter, {}, {});
    const auto whole_cache = make_eval_cache(), parts_cache = make_eval_cache();
    int slow = 0;
    for (int tick = 0; tick < 200; ++tick) {
      std::vector<Fault> faults;
      Evaluation::Context context;
      context.plan = &*query.plan;
      context.leaves = &leaves;
      context.shapes = &shapes;
      context.semantics = Semantics::prometheus3;
      context.at = start + seconds(15) * tick;
      context.cache = whole_cache;
      context.faults = &faults;
      Evaluation all(context);
      const Column& expected = all.column(query.root);
      context.cache = parts_cache;
      context.faults = nullptr;
      Evaluation some(context);
      expect_equal(some.column(query.root), expected, tick);
      for (std::size_t row = 0; row < expected.size(); ++row) slow += expected.number(row) != 0 ? 1 : 0;
    }
    EXPECT_EQ(slow > 0, end == 200);
  }
}

TEST(RefutedConditions, HoldsBelowThemCountEveryTick) {
  const lower::Compiled program = lower::compile({{"p.slo", R"(
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" }
target t is http { action act is idempotent { POST "http://127.0.0.1:1/t" } }
receiver r is log { }
policy p on t {
  when     max(load) > 50 and (max(queue) > 3 for 4 ticks)
  do       act
  verify   max(load) < 50 after 30s within 5m else page r
  limit    100 per 1d
  cooldown 30m
  missing  do nothing
}
)"}},
                                                 {});
  ASSERT_TRUE(program.plan) << source::render_text(program.diagnostics, program.sources);
  const plan::Plan& plan = *program.plan;
  const auto store = random_store(7, false);
  StoreProvider leaves(*store);
  ShapeRunner shapes(plan, Tier::interpreter, {}, {});
  const auto whole_cache = make_eval_cache(), parts_cache = make_eval_cache();
  HoldTable whole_holds, parts_holds;
  std::size_t held = 0;
  for (int tick = 0; tick < ticks; ++tick) {
    std::vector<Fault> faults;
    Evaluation::Context context;
    context.plan = &plan;
    context.leaves = &leaves;
    context.shapes = &shapes;
    context.at = start + plan.tick * tick;
    context.cache = whole_cache;
    context.faults = &faults;
    context.holds = &whole_holds;
    Evaluation all(context);
    const Column& expected = all.column(plan.policies[0].when);
    context.cache = parts_cache;
    context.faults = nullptr;
    context.holds = &parts_holds;
    Evaluation some(context);
    expect_equal(some.column(plan.policies[0].when), expected, tick);
    ASSERT_EQ(parts_holds, whole_holds) << "tick " << tick;
    for (const auto& [key, cell] : whole_holds) held += cell.streak > 0;
  }
  EXPECT_GT(held, 50u);
}

TEST(RefutedConditions, PartsAreTheOperandsOfAllBothsAtTheEnd) {
  using plan::ShapeOp;
  plan::Shape shape;
  shape.inputs = 4;
  shape.params = 1;
  const auto add = [&](ShapeOp op, std::uint32_t index, std::uint32_t a, std::uint32_t b) {
    shape.code.push_back({op, index, a, b, 0});
    return static_cast<std::uint32_t>(shape.code.size() - 1);
  };
  const auto limit = add(ShapeOp::param, 0, 0, 0), first = add(ShapeOp::input, 0, 0, 0),
             second = add(ShapeOp::input, 1, 0, 0), third = add(ShapeOp::input, 2, 0, 0),
             fourth = add(ShapeOp::input, 3, 0, 0);
  const auto low = add(ShapeOp::lt, 0, first, limit), high = add(ShapeOp::gt, 0, second, limit),
             odd = add(ShapeOp::either, 0, add(ShapeOp::gt, 0, third, limit),
                       add(ShapeOp::lt, 0, fourth, second));
  add(ShapeOp::both, 0, low, add(ShapeOp::both, 0, high, odd));
  ASSERT_TRUE(plan::well_formed(shape));
  const std::vector<Conjunct> parts = conjuncts_of(shape);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].inputs, std::vector<std::uint32_t>({0}));
  EXPECT_EQ(parts[1].inputs, std::vector<std::uint32_t>({1}));
  EXPECT_EQ(parts[2].inputs, std::vector<std::uint32_t>({1, 2, 3}));
  for (const Conjunct& part : parts) {
    EXPECT_TRUE(plan::well_formed(part.shape));
    EXPECT_TRUE(part.shape.is_condition());
  }
  shape.code.back().op = ShapeOp::either;
  EXPECT_TRUE(conjuncts_of(shape).empty());
}

}  // namespace
}  // namespace signalbox::eval
