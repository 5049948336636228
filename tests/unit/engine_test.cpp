// The engine between its seams: what it does when the store, the target or the scrape takes its time or
// fails.
#include "runtime/loop/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/virtual_host.hpp"

namespace signalbox::loop {
namespace {

constexpr Instant start{1'767'225'600'000};

std::string program(const std::string& delivery, const std::string& target) {
  return R"(
tick 10s
metric trigger is gauge
receiver oncall is webhook { url "http://pager/hook" }
target shop is http { action restart is )" +
         delivery + R"( { POST "http://shop/restart" )" + target + R"( }
policy fix on shop {
  when max(trigger) > 0.5 for 2 ticks  do restart
  verify max(trigger) < 0.5 after 20s within 1m else page oncall
  limit 2 per 1h  cooldown 5m  missing do nothing
})";
}

// Answers when told to.
class SlowWorld : public World {
 public:
  bool hold_gather = false;
  std::string version = "v1";
  std::vector<std::function<void()>> gathers;
  std::vector<std::function<void(decide::Answer)>> calls;
  std::vector<decide::Message> told;
  void gather(Instant, std::function<void()> done) override {
    if (hold_gather)
      gathers.push_back(std::move(done));
    else
      done();
  }
  void read_version(plan::Index, std::function<void(Result<std::string>)> done) override { done(version); }
  void perform(const decide::Effect&, std::function<void(decide::Answer)> done) override {
    calls.push_back(std::move(done));
  }
  void notify(plan::Index, const decide::Message& m,
              std::function<void(std::optional<std::string>)> done) override {
    told.push_back(m);
    done(std::nullopt);
  }
  void heartbeat(plan::Index, Instant) override {}
};

class FlakyStore : public journal::MemoryStore {
 public:
  int unknown_commits = 0, failed_reads = 0;
  bool take_unknown = true;
  void commit(StoreTransaction t, std::function<void(CommitOutcome)> completion) override {
    if (unknown_commits == 0) return completion(apply(t));
    --unknown_commits;
    if (take_unknown) apply(t);
    completion(CommitOutcome::unknown);
  }
  void read(std::string prefix, std::function<void(Result<std::vector<StoreEntry>>)> completion) override {
    if (failed_reads == 0) return completion(entries(prefix));
    --failed_reads;
    completion(Error{ErrorCode::io, "not just now"});
  }
};

struct Bench : EngineObserver {
  // `target`: the rest of the action, and of the target.
  explicit Bench(const std::string& delivery, const std::string& more = "", const std::string& target = "}") {
    lower::Compiled compiled = lower::compile({{"bench.slo", program(delivery, target) + more}}, {});
    EXPECT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
    plan = std::move(*compiled.plan);
    begin();
  }
  void begin() {
    engine = std::make_unique<Engine>(plan, host, leaves, world, *this, EngineOptions{});
    engine->start([](Result<void> ready) { EXPECT_TRUE(ready); });
  }
  void tick(double trigger) {
    now = now + seconds(10);
    (void)samples.append(
        *samples.series(Labels({{std::string(metric_name_label), "trigger"}, {"job", "shop"}})), now,
        trigger);
    time.advance(now);
    engine->tick(now, [] {});
  }
  void event(const decide::Event& e) override { events.push_back(e.kind); }
  void notice(const Error&) override {}
  int count(const std::string& kind) const {
    return static_cast<int>(std::count(events.begin(), events.end(), kind));
  }

  plan::Plan plan;
  VirtualTime time{start};
  SeededRandom random{1};
  NoHttp http;
  NoDisk disk;
  FlakyStore store;
  Host host{time, time, random, http, disk, store};
  store::SeriesStore samples{Limits{}};
  eval::StoreProvider leaves{samples};
  SlowWorld world;
  std::unique_ptr<Engine> engine;
  Instant now = start;
  std::vector<std::string> events;
};

TEST(Engine, AnAnswerThatComesDuringATickIsNotTakenForLost) {
  Bench b("unsafe");
  b.tick(1);
  b.tick(1);
  ASSERT_EQ(b.world.calls.size(), 1u);
  b.world.hold_gather = true;
  b.tick(1);  // waits for its scrape
  b.world.calls[0]({decide::Answer::Kind::succeeded, "204"});
  b.world.gathers[0]();
  EXPECT_EQ(b.count("failed"), 0);
  EXPECT_EQ(b.count("executed"), 1);
}

TEST(Engine, ReadsItsStateUntilItCan) {
  Bench b("idempotent");
  b.tick(1);
  b.store.unknown_commits = 1;
  b.store.failed_reads = 5;
  b.tick(1);
  EXPECT_FALSE(b.engine->status().ready);
  b.tick(1);
  EXPECT_TRUE(b.engine->status().ready) << "five reads failed, and it went on";
  EXPECT_EQ(b.world.calls.size(), 1u) << "and carries on what the store had taken";
}

// Two effects under way: while the outcome of the first answer's commit cannot be read, the second answer
// waits.
TEST(Engine, DecidesNothingOnAStateItDoesNotKnow) {
  Bench b("idempotent", R"(
target cart is http { action restart is idempotent { POST "http://cart/restart" } }
policy other on cart {
  when max(trigger) > 0.5 for 2 ticks  do restart
  verify max(trigger) < 0.5 after 20s within 1m else page oncall
  limit 2 per 1h  cooldown 5m  missing do nothing
})");
  b.tick(1);
  b.tick(1);
  ASSERT_EQ(b.world.calls.size(), 2u);
  b.store.unknown_commits = 1;
  b.store.failed_reads = 3;
  b.world.calls[0]({decide::Answer::Kind::succeeded, "204"});
  ASSERT_FALSE(b.engine->status().ready);
  const std::uint64_t commits = b.engine->status().commits;
  b.world.calls[1]({decide::Answer::Kind::succeeded, "204"});
  EXPECT_EQ(b.engine->status().commits, commits);
  b.time.advance(b.now + seconds(5));
  EXPECT_EQ(b.engine->status().commits, commits + 1);
  for (const auto& [key, p] : b.engine->state().policies)
    EXPECT_EQ(p.episode->state, decide::EpisodeState::verifying) << key.first;
}

TEST(Engine, AnUnknownCommitThatWasTakenActsOnce) {
  for (const bool taken : {true, false}) {
    Bench b("idempotent");
    b.tick(1);
    b.store.unknown_commits = 1;
    b.store.take_unknown = taken;
    b.tick(1);
    EXPECT_EQ(b.world.calls.size(), taken ? 1u : 0u);
    b.tick(1);
    EXPECT_EQ(b.world.calls.size(), 1u);
    EXPECT_EQ(b.count("decided"), 1);
  }
}

TEST(Engine, AReplacedOneDecidesNoMore) {
  Bench b("idempotent");
  b.tick(0);
  std::unique_ptr<Engine> old = std::move(b.engine);
  b.begin();
  b.tick(1);
  b.tick(1);
  ASSERT_EQ(b.world.calls.size(), 1u);
  for (int i = 1; i <= 3; ++i) old->tick(b.now + seconds(10) * i, [] {});
  EXPECT_TRUE(old->status().fenced);
  EXPECT_EQ(b.world.calls.size(), 1u);
}

TEST(Engine, CarriesOnWhatThePriorProcessBegan) {
  Bench b("idempotent");
  b.tick(1);
  b.tick(1);
  ASSERT_EQ(b.world.calls.size(), 1u);
  b.engine.reset();
  b.world.calls[0]({decide::Answer::Kind::succeeded, "to nobody"});
  b.begin();
  b.tick(1);
  ASSERT_EQ(b.world.calls.size(), 2u);
  b.world.calls[1]({decide::Answer::Kind::succeeded, "204"});
  EXPECT_EQ(b.count("executed"), 1);
}

// The commit may take long, and the call leaves after it: what counts is when the process ended, not when it
// decided.
TEST(Engine, OnceWaitsForACallOfThePriorProcess) {
  Bench b("once", "", R"(body { to previous_version } } version GET "http://shop/version")");
  b.world.version = "v2";
  b.tick(0);
  b.world.version = "v3";
  b.tick(1);
  b.tick(1);
  ASSERT_EQ(b.world.calls.size(), 1u);
  b.engine.reset();
  b.now = b.now + seconds(60);
  b.time.advance(b.now + seconds(5));
  b.begin();
  b.tick(1);
  EXPECT_EQ(b.world.calls.size(), 1u) << "the call may have left a moment ago";
  b.tick(1);
  EXPECT_EQ(b.world.calls.size(), 2u) << "it did not arrive, and cannot any more";
}

TEST(Engine, ATickThatComesTooEarlyIsMissed) {
  Bench b("idempotent");
  b.world.hold_gather = true;
  b.tick(1);
  b.tick(1);
  EXPECT_EQ(b.engine->status().missed, 1u);
  b.world.hold_gather = false;
  b.world.gathers[0]();
  b.tick(1);
  EXPECT_EQ(b.engine->status().ticks, 2u);
}

}  // namespace
}  // namespace signalbox::loop
