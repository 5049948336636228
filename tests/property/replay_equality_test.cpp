// A replay that passes over ticks at which nothing can change against one that decides at every tick: the
// same events, budgets and state, while series come, end, have gaps and reset, deploys go wrong and policies
// act.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

#include "compiler/lower/compile.hpp"
#include "runtime/decide/budget.hpp"
#include "runtime/loop/replay.hpp"

namespace signalbox::loop {
namespace {

using Rng = std::mt19937_64;

std::int64_t below(Rng& rng, std::int64_t n) {
  return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
}
bool chance(Rng& rng, int percent) {
  return below(rng, 100) < percent;
}

constexpr Instant start{1'700'000'100'000};
constexpr std::size_t ticks = 1500;

const std::string slos = R"(
use std.burn
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" }
receiver oncall is webhook { url "http://pager/hook" }
metric depth is gauge with (region)
slo web per (region) max 3 {
  indicator bad req_total{code=~"5.."} of req_total  objective 99% over 1d
  burn { page 10 over 10m & 1m  page 5 over 30m & 3m  ticket 2 over 1h & 5m }
  missing keep for 4m then page  page oncall DEFER
}
slo all { indicator good req_total{code="200"} of req_total  objective 90% over 6h  burn { page 2 over 20m & 2m }  floor 100 bad
  idle keep  missing keep for 2m then ticket  page oncall  ticket oncall }
slo calm per (region) max 5 { indicator slices of 1m where max by (region) (depth) > 400  objective 90% over 1h  burn { page 2 over 10m & 2m }  page oncall }
)";
const std::string policies = R"(
target shop is http {
  deployed metric shop_deployed_timestamp_seconds
  action rollback is idempotent { POST "http://shop/rollback" body { } }
}
policy back on shop {
  when     any by (region) (web.burn(since shop.deployed for 15m) > 12) for 2 ticks
  events   at least 50 and 5 bad
  do       rollback
  verify   all by (region) (web.burn(since done) < 3) for 2 ticks after 30s events at least 100 within 4m else page oncall "no help"
  limit    3 per 1d
  cooldown 30m
  missing  page oncall
}
)";

// Policies of all kinds: held one by one and of the last ten, with and without an end of their own, on what a
// deploy moves and on what it does not.
const std::string many_policies = R"(
target shop is http {
  deployed metric shop_deployed_timestamp_seconds
  action rollback is idempotent { POST "http://shop/rollback" body { } }
}
target door is http { action shed is idempotent { POST "http://door/shed" body { } } }
target hall is http { action close is idempotent { POST "http://hall/close" body { } } }
policy back on shop {
  when     any by (region) (web.burn(since shop.deployed for 15m) > 12 and web.burn(10m before shop.deployed) < 30) for 2 ticks
  events   at least 50 and 5 bad
  do       rollback
  verify   all by (region) (web.burn(since done) < 3) for 2 ticks after 30s events at least 100 within 4m else page oncall "no help"
  limit    3 per 1d
  cooldown 30m
  missing  page oncall
}
policy shed_load on door per (region) max 3 {
  when     web.burn(2m) > 8 for 3 ticks
  until    web.burn(5m) < 2 for 12 ticks
  do       shed
  verify   web.burn(since done) < 5 after 1m events at least 100 within 6m else page oncall "no help"
  limit    100 per 1d
  cooldown 10m
  missing  page oncall
}
policy watch_depth on door per (region) max 5 {
  when     max by (region) (depth) > 300 in 6 of 10 ticks
  do       shed
  verify   max by (region) (depth) < 250 after 30s within 2m else page oncall "deep"
  limit    100 per 1d
  cooldown 10m
  missing  do nothing
  mode     observe
}
policy close_hall on hall {
  when     count_true(web.burn(1m) > 2 for 2 ticks) >= 2 for 3m
  do       close
  verify   count_true(web.burn(1m) > 2) == 0 after 30s within 6m else page oncall "no help"
  limit    5 per 1h
  cooldown 10m
  missing  do nothing
}
)";

std::unique_ptr<store::SeriesStore> random_store(std::uint64_t seed, bool one_region = false) {
  Rng rng(seed);
  auto store = std::make_unique<store::SeriesStore>(Limits{});
  const auto add = [&](std::vector<Labels::Pair> labels) {
    return *store->series(Labels(std::move(labels)));
  };
  const Instant end = start + seconds(15) * static_cast<std::int64_t>(ticks);
  for (const char* region : {"eu", "us", "ap", "sa"}) {
    if (one_region && region != std::string("eu")) break;
    const Instant born = start + (chance(rng, 50) ? Duration{below(rng, 8'000'000)} : Duration{});
    const Instant dies = chance(rng, 30) ? born + Duration{below(rng, 15'000'000)} : end;
    const auto good = add({{"__name__", "req_total"}, {"region", region}, {"code", "200"}});
    const auto bad = add({{"__name__", "req_total"}, {"region", region}, {"code", "500"}});
    const auto depth = add({{"__name__", "depth"}, {"region", region}});
    double g = 0, b = 0, d = 200;
    double share = 0.001;
    bool idle = false, gap = false;
    for (Instant at = born; at < dies; at = at + seconds(15)) {
      if (chance(rng, 2)) share = chance(rng, 60) ? 0.001 : chance(rng, 50) ? 0.05 : 0.4;
      if (chance(rng, 1)) idle = !idle && chance(rng, 40);
      if (chance(rng, 1)) gap = !gap && chance(rng, 40);
      if (chance(rng, 1) && chance(rng, 20)) g = b = 0;
      d += static_cast<double>(below(rng, 81)) - 40;
      const double requests = idle ? 0 : 1000 + static_cast<double>(below(rng, 200));
      g += std::floor(requests * (1 - share));
      b += std::floor(requests * share);
      if (gap) continue;
      EXPECT_TRUE(store->append(good, at, g));
      if (b > 0) {
        EXPECT_TRUE(store->append(bad, at, b));
      }
      EXPECT_TRUE(store->append(depth, at, d));
    }
    if (dies < end && chance(rng, 50))
      for (const auto id : {good, bad, depth}) static_cast<void>(store->append(id, dies, stale_marker()));
  }
  const auto deployed = add({{"__name__", "shop_deployed_timestamp_seconds"}});
  double value = start.unix_seconds() - 3600;
  for (Instant at = start; at < end; at = at + seconds(15)) {
    if (chance(rng, 1)) value = at.unix_seconds() - 2;
    EXPECT_TRUE(store->append(deployed, at, value));
  }
  return store;
}

class Story : public EngineObserver {
 public:
  Story(const plan::Plan& plan, Instant last) : plan_(plan), last_(last) {}
  std::string text;
  void event(const decide::Event& e) override {
    text += fmt::format("{} {} {} {} {} {} {}\n", to_rfc3339(e.time), e.kind, e.declaration,
                        to_string(e.labels), e.severity, e.id, e.why);
  }
  void notice(const Error& e) override { text += e.message + "\n"; }
  void tick_done(Instant at, eval::Evaluation& evaluation, const decide::State& state) override {
    if (at != last_) return;
    for (plan::Index s = 0; s < plan_.slos.size(); ++s)
      for (const auto& b : decide::read_budget(plan_, s, evaluation))
        text += fmt::format("{} {} {} {}\n", plan_.slos[s].name, to_string(b.labels), b.spent, b.remaining);
    for (const auto& [key, value] : decide::to_entries(state))
      text += fmt::format("{} {}\n", key, std::hash<std::string>{}(value));
  }

 private:
  const plan::Plan& plan_;
  Instant last_;
};

void compare(const std::string& program, std::uint64_t seed, std::size_t& events, std::size_t& decided) {
  const lower::Compiled compiled = lower::compile({{"p.slo", program}}, {});
  ASSERT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
  const plan::Plan& plan = *compiled.plan;
  const auto store = random_store(seed);
  ReplayOptions options;
  options.engine.tier = eval::Tier::interpreter;
  options.engine.initial_versions = [](plan::Index) { return std::vector<std::string>{"before"}; };
  options.from = start;
  options.ticks = ticks;
  const Instant last = start + plan.tick * static_cast<std::int64_t>(ticks - 1);
  Story every(plan, last), some(plan, last), both(plan, last), tight(plan, last);
  options.every_tick = true;
  EXPECT_EQ(replay(plan, *store, every, options).decided, ticks);
  options.every_tick = false;
  decided += replay(plan, *store, some, options).decided;
  options.threads = 3;
  replay(plan, *store, both, options);
  ASSERT_EQ(some.text, every.text) << "seed " << seed;
  ASSERT_EQ(both.text, every.text) << "seed " << seed;
  // Where there is room for nothing of what was seen, or for the beginning of it.
  Story forgetful(plan, last);
  options.threads = 1;
  options.engine.limits.replay_shown_bytes = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 5'000 : 60'000;
  replay(plan, *store, forgetful, options);
  ASSERT_EQ(forgetful.text, every.text) << "seed " << seed;
  options.engine.limits = {};
  // Where the windows of all series do not fit, they are kept for a stretch of ticks.
  eval::StoreProvider little_room(*store, 100'000);
  options.threads = 1;
  options.leaves = &little_room;
  replay(plan, *store, tight, options);
  ASSERT_EQ(tight.text, every.text) << "seed " << seed;
  events += static_cast<std::size_t>(std::count(every.text.begin(), every.text.end(), '\n'));
}

std::string without_slices(const std::string& program) {
  std::string out = program;
  const std::size_t at = out.find("slo calm");
  return out.erase(at, out.find('\n', at) - at);
}
std::string deferring(std::string program, const std::string& clause) {
  return program.replace(program.find("DEFER"), 5, clause);
}

TEST(Replay, PassesOverNothingThatMatters) {
  std::size_t events = 0, decided = 0;
  const std::string program = deferring(without_slices(slos), "");
  for (std::uint64_t seed = 1; seed <= 12; ++seed) compare(program, seed, events, decided);
  EXPECT_GT(events, 500u);
  EXPECT_LT(decided, ticks * 12 / 2) << "most ticks are passed over";
}

TEST(Replay, IsTheSameWithSlicesPoliciesAndDeferral) {
  std::size_t events = 0, decided = 0;
  for (std::uint64_t seed = 21; seed <= 26; ++seed) {
    compare(deferring(slos, ""), seed, events, decided);
    compare(deferring(without_slices(slos), "defer page while back acts at most 9m") + policies, seed, events,
            decided);
  }
  EXPECT_GT(events, 500u);
}

TEST(Replay, PassesOverTicksWithPolicies) {
  std::size_t events = 0, decided = 0;
  for (std::uint64_t seed = 41; seed <= 52; ++seed)
    compare(deferring(without_slices(slos), seed % 2 == 0 ? "" : "defer page while back acts at most 9m") +
                many_policies,
            seed, events, decided);
  EXPECT_GT(events, 2'000u);
  // Where fewer things are under way most ticks are passed over, deploys or not.
  std::size_t decided_with_one = 0;
  for (std::uint64_t seed = 41; seed <= 46; ++seed)
    compare(deferring(without_slices(slos), "") + policies, seed, events, decided_with_one);
  EXPECT_LT(decided_with_one, ticks * 6 * 2 / 3);
}

// Whatever else a policy watches, an instance's episodes begin and end by its own measurements: what is held
// counts at every tick, also while nobody needs to know.
TEST(Replay, EpisodesOfAnInstanceDependOnNoOther) {
  const std::string program = deferring(without_slices(slos), "") + R"(
target door is http { action shed is idempotent { POST "http://door/shed" body { } } }
policy with_end on door per (region) max 5 {
  when web.burn(2m) > 8 for 3 ticks  until web.burn(5m) < 6 for 12 ticks  do shed  mode observe
  verify web.burn(since done) < 5 after 1m events at least 100 within 6m else page oncall "no"  limit 100 per 1d  cooldown 10m  missing do nothing
}
policy without_end on door per (region) max 5 { when web.burn(2m) > 8 for 9 ticks  do shed  mode observe
  verify web.burn(since done) < 5 after 1m events at least 100 within 6m else page oncall "no"  limit 100 per 1d  cooldown 10m  missing do nothing }
)";
  const lower::Compiled compiled = lower::compile({{"p.slo", program}}, {});
  ASSERT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
  std::size_t events = 0;
  for (std::uint64_t seed = 61; seed <= 72; ++seed) {
    std::string of_eu[2];
    for (const bool alone : {false, true}) {
      const auto store = random_store(seed, alone);
      Story story(*compiled.plan, {});
      ReplayOptions options;
      options.from = start;
      options.ticks = ticks;
      replay(*compiled.plan, *store, story, options);
      std::istringstream lines(story.text);
      for (std::string line; std::getline(lines, line);)
        if (line.find("with") != std::string::npos && line.find("region=\"eu\"") != std::string::npos)
          of_eu[alone ? 1 : 0] += line + "\n";
    }
    ASSERT_EQ(of_eu[0], of_eu[1]) << "seed " << seed;
    events += static_cast<std::size_t>(std::count(of_eu[0].begin(), of_eu[0].end(), '\n'));
  }
  EXPECT_GT(events, 60u);
}

// What every tick and only the ticks that matter make of it.
std::string told_alike(const std::string& program, const store::SeriesStore& store, std::size_t count) {
  const lower::Compiled compiled = lower::compile({{"p.slo", program}}, {});
  EXPECT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
  if (!compiled.plan) return "";
  ReplayOptions options;
  options.from = start;
  options.ticks = count;
  const Instant last = start + compiled.plan->tick * static_cast<std::int64_t>(count - 1);
  Story every(*compiled.plan, last), some(*compiled.plan, last);
  replay(*compiled.plan, store, some, options);
  options.every_tick = true;
  replay(*compiled.plan, store, every, options);
  EXPECT_EQ(some.text, every.text);
  return every.text;
}

// Whoever waits for a place under `max` gets it at the tick after another has left it, though nothing that is
// measured changes there.
TEST(Replay, APlaceThatBecomesFreeIsTakenAtTheNextTick) {
  const std::string program = R"(
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" }
receiver oncall is webhook { url "http://pager/hook" }
slo web per (region) max 1 {
  indicator bad req_total{code="500"} of req_total  objective 99% over 1h
  burn { page 5 over 10m & 1m }  missing keep for 2m then ticket  page oncall  ticket oncall
}
target door is http { action shed is idempotent { POST "http://door/shed" body { } } }
policy watch on door per (region) max 1 {
  when web.burn(2m) > 8  do shed  mode observe
  verify web.burn(since done) < 5 after 1m events at least 100 within 6m else page oncall "no"
  limit 100 per 1d  cooldown 10m  missing do nothing
})";
  store::SeriesStore store{Limits{}};
  for (const char* region : {"a", "b"})
    for (const char* code : {"200", "500"}) {
      const auto id = *store.series(Labels({{"__name__", "req_total"}, {"region", region}, {"code", code}}));
      const int last = region[0] == 'a' ? 120 : static_cast<int>(ticks);
      for (int i = 0; i < last; ++i)
        ASSERT_TRUE(store.append(id, start + seconds(15) * i, (code[0] == '5' ? 50.0 : 100.0) * i));
      if (region[0] == 'a') static_cast<void>(store.append(id, start + seconds(15) * last, stale_marker()));
    }
  const std::string text = told_alike(program, store, ticks);
  EXPECT_NE(text.find("every instance is watched again"), std::string::npos) << text;
  EXPECT_NE(text.find("page web {region=\"b\"}"), std::string::npos) << text;
}

// An instance whose bad events are more than all is missing, for what it counts is no burn; but its whole has
// data, and it is not forgotten, to be missed anew a tick later.
TEST(Replay, AnInstanceWhoseWholeHasDataIsNotForgotten) {
  store::SeriesStore store{Limits{}};
  for (const char* name : {"bad_total", "req_total"}) {
    const auto id = *store.series(Labels({{"__name__", name}, {"region", "ap"}}));
    for (int i = 0; i < 600; ++i)
      ASSERT_TRUE(store.append(id, start + seconds(15) * i, (name[0] == 'b' ? 200.0 : 100.0) * i));
  }
  const std::string text = told_alike(R"(
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" every 15s timeout 5s semantics 3 }
receiver oncall is webhook { url "http://127.0.0.1:1/hook" }
slo web per (region) max 2 {
  indicator bad bad_total of req_total  objective 98% over 30m
  burn { page 2 over 6m & 45s }  missing keep for 1m then page  page oncall
})",
                                      store, 800);
  const std::size_t first = text.find("missing web");
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find("missing web", first + 1), std::string::npos) << text;
  EXPECT_NE(text.find("retired web"), std::string::npos) << "its series end\n" << text;
}

// An instance whose rows are gone is forgotten when its effects no longer count, and whoever waits for its
// place gets it then.
TEST(Replay, AnInstanceIsForgottenWhenItsEffectsNoLongerCount) {
  store::SeriesStore store{Limits{}};
  for (const char* host : {"a", "b"}) {
    const auto id = *store.series(Labels({{"__name__", "load"}, {"region", "eu"}, {"host", host}}));
    for (int i = 0; i < 1300; ++i) {
      const bool both = i >= 100 && i < 120, one = i >= 120 && i < 200 && host[0] == 'a';
      ASSERT_TRUE(store.append(id, start + seconds(15) * i, i >= 400 ? 200.0 : both || one ? 100.0 : 7.0));
    }
  }
  const std::string text = told_alike(R"SLO(
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" every 15s timeout 5s semantics 3 }
receiver oncall is webhook { url "http://127.0.0.1:1/hook" }
metric load is gauge with (region, host)
target t is http { action act is idempotent { POST "http://127.0.0.1:1/t" } }
policy p on t per (region, v) max 1 {
  when promql("count_values by (region) ('v', load > 50)") > 1
  do act
  verify max(load) < 60 after 45s within 10m else page oncall
  limit 100 per 2h  cooldown 1h  missing do nothing
})SLO",
                                      store, 1300);
  EXPECT_NE(text.find("retired"), std::string::npos) << text;
  EXPECT_NE(text.find("v=\"200\""), std::string::npos) << text;
}

// A verify asks of the rows that were satisfied what `until` asks of all: what a replay saw of the one is no
// answer to the other.
TEST(Replay, AVerifyIsNotAnsweredByWhatUntilSaw) {
  store::SeriesStore store{Limits{}};
  for (const char* region : {"a", "b"}) {
    const auto id = *store.series(Labels({{"__name__", "load"}, {"region", region}}));
    const int last = region[0] == 'a' ? 600 : 90;  // b is gone before a is ill
    for (int i = 0; i < last; ++i)
      ASSERT_TRUE(
          store.append(id, start + seconds(15) * i, region[0] == 'a' && i >= 100 && i < 120 ? 100.0 : 7.0));
  }
  const std::string text = told_alike(R"SLO(
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" every 15s timeout 5s semantics 3 }
receiver oncall is webhook { url "http://127.0.0.1:1/hook" }
metric load is gauge with (region)
target t is http { action act is idempotent { POST "http://127.0.0.1:1/t" } }
policy p on t {
  when any by (region) (max by (region) (load) > 50)
  until all by (region) (max by (region) (load) < 60) for 2 ticks
  do act
  verify all by (region) (max by (region) (load) < 60) after 45s within 10m else page oncall
  limit 100 per 2h  cooldown 10m  missing do nothing
})SLO",
                                      store, 600);
  EXPECT_NE(text.find("verified"), std::string::npos) << text;
}

TEST(Replay, EndsWhereItIsInterrupted) {
  const lower::Compiled compiled = lower::compile({{"p.slo", deferring(slos, "")}}, {});
  ASSERT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
  const auto store = random_store(3);
  Story story(*compiled.plan, {});
  ReplayOptions options;
  options.from = start;
  options.ticks = ticks;
  int asked = 0;
  options.interrupted = [&] { return ++asked > 10; };
  const ReplayResult result = replay(*compiled.plan, *store, story, options);
  EXPECT_TRUE(result.interrupted);
  EXPECT_LT(result.decided, ticks);
}

}  // namespace
}  // namespace signalbox::loop
