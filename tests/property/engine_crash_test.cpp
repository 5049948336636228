// The whole engine on the real state file, killed at every disk operation there is between a bad deploy and
// the verified rollback: no effect is lost, none takes place twice, and what nobody can know reaches a
// person.
#include <gtest/gtest.h>

#include <memory>

#include "runtime/journal/sqlite_store.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/loop/live_world.hpp"
#include "tests/sim/faults.hpp"
#include "tests/support/crash_disk.hpp"

namespace signalbox::sim {
namespace {

const std::string path = "/state/store.db";

// A dead process sends nothing and hears nothing.
class MortalHttp : public Http {
 public:
  MortalHttp(Http& http, const test::CrashDisk& disk) : http_(http), disk_(disk) {}
  void send(HttpRequest request, std::function<void(Result<HttpResponse>)> completion) override {
    if (disk_.dead()) return;
    effects += request.method == "POST" && request.url.find("shop") != std::string::npos;
    http_.send(std::move(request), std::move(completion));
  }
  int effects = 0;

 private:
  Http& http_;
  const test::CrashDisk& disk_;
};

class Run : public loop::EngineObserver {
 public:
  explicit Run(const Program& program)
      : scenario_(calm(program)),
        shop_(scenario_.shop, sim_start, 11),
        checker_(scenario_, shop_, pager_),
        stage_(scenario_, checker_),
        network_(stage_, shop_, pager_),
        http_(network_, disk_),
        data_(Limits{}) {
    EXPECT_TRUE(disk_.make_directory("/state"));
    EXPECT_TRUE(disk_.sync_directory("/"));
  }

  // The process dies in the n-th disk operation after the deploy and, if asked for, once more in the m-th
  // after that. Says whether it died at all.
  bool until_the_end(std::uint64_t n, std::uint64_t m, std::optional<std::uint64_t> survivors) {
    begin();
    Instant t = sim_start;
    bool deployed = false;
    int deaths = 0;
    for (; t <= scenario_.end; t = t + scenario_.program->plan.tick) {
      stage_.time.advance(t);
      if (!deployed && t >= scenario_.deploys[0].at) {
        shop_.deploy(t, scenario_.deploys[0].version, scenario_.deploys[0].failures);
        deployed = true;
        disk_.fail_at(n);
      }
      if (engine_) engine_->tick(t, [] {});
      while (disk_.dead()) {
        ++deaths;
        engine_.reset();
        world_.reset();
        store_.reset();
        disk_.reboot(survivors ? std::optional(*survivors + n * 7 + static_cast<std::uint64_t>(deaths))
                               : std::nullopt);
        if (m != 0 && deaths == 1) disk_.fail_at(m);
        begin();
      }
    }
    return deaths > 0;
  }

  void expect_the_truth(plan::Delivery delivery) {
    const auto& state = engine_->state();
    ASSERT_EQ(state.policies.size(), 1u);
    const auto& episode = state.policies.begin()->second.episode;
    ASSERT_TRUE(episode) << "nothing was decided";
    ASSERT_TRUE(decide::is_outcome(episode->state)) << decide::episode_state_name(episode->state);
    const int effects = shop_.effects_by_episode[episode->id];
    for (const auto& [key, times] : shop_.effects_by_key) EXPECT_EQ(times, 1) << key;
    if (delivery == plan::Delivery::unsafe) {
      EXPECT_LE(effects, 1);
    } else {
      EXPECT_EQ(effects, 1);
      EXPECT_EQ(episode->state, decide::EpisodeState::verified) << episode->reason;
    }
    if (episode->state == decide::EpisodeState::verified) {
      EXPECT_EQ(effects, 1);
      EXPECT_EQ(shop_.version(), "v1");
    } else {
      EXPECT_TRUE(pager_.told(episode->id)) << episode->reason;
    }
    EXPECT_TRUE(state.messages.empty());
    for (const std::string& fault : pager_.faults) ADD_FAILURE() << fault;
  }

  bool told() const { return !pager_.taken.empty(); }
  int sent() const { return http_.effects; }

  void event(const decide::Event&) override {}
  void notice(const Error&) override {}

 private:
  static Scenario calm(const Program& program) {
    Scenario s;
    s.program = &program;
    s.shop.delivery = program.plan.targets[0].actions[0].delivery;
    s.deploys = {{sim_start + seconds(61), "v2", 0.5}};
    s.end = sim_start + minutes(5);
    return s;
  }

  void begin() {
    auto store = journal::open_sqlite_store(disk_, path);
    if (!store) {
      ASSERT_TRUE(disk_.dead()) << store.error().message;
      return;
    }
    store_ = std::move(*store);
    host_ = std::make_unique<Host>(Host{stage_.time, stage_.time, stage_.random, http_, disk_, *store_});
    world_ = std::make_unique<loop::LiveWorld>(
        scenario_.program->plan, *host_, data_, Limits{},
        [](const std::string&) { return std::optional<std::string>("key"); }, [](const Error&) {});
    loop::EngineOptions options;
    options.tier = eval::Tier::interpreter;
    engine_ = std::make_unique<loop::Engine>(scenario_.program->plan, *host_, data_.leaves, *world_, *this,
                                             options);
    engine_->start([this](Result<void> ready) { EXPECT_TRUE(ready || disk_.dead()); });
  }

  Scenario scenario_;
  Shop shop_;
  Pager pager_;
  Checker checker_;
  Stage stage_;
  SimHttp network_;
  test::CrashDisk disk_;
  MortalHttp http_;
  loop::LiveData data_;  // as if its source had kept it
  std::unique_ptr<TransactionStore> store_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<loop::LiveWorld> world_;
  std::unique_ptr<loop::Engine> engine_;
};

const Program& rollback_by(plan::Delivery delivery) {
  for (const Program& p : programs())
    if (p.rolls_back && !p.restarts && p.plan.targets[0].actions[0].delivery == delivery) return p;
  ADD_FAILURE() << "no such program";
  return programs()[0];
}

// `survivors`: the seed of what outlives a loss of power without having been synced. `again`: dies in
// recovery, too.
void die_everywhere(plan::Delivery delivery, std::optional<std::uint64_t> survivors, bool again) {
  const Program& program = rollback_by(delivery);
  std::uint64_t n = 1, told = 0, sent_again = 0;
  for (bool died = true; died; ++n) {
    SCOPED_TRACE("death at operation " + std::to_string(n));
    Run run(program);
    died = run.until_the_end(n, again ? n % 29 + 1 : 0, survivors);
    run.expect_the_truth(delivery);
    if (::testing::Test::HasFailure()) return;
    told += run.told();
    sent_again += run.sent() > 1;
  }
  EXPECT_GT(n, 50u) << "an action takes more operations than this";
  // The deaths did fall where they hurt.
  EXPECT_EQ(told > 0, delivery == plan::Delivery::unsafe);
  EXPECT_EQ(sent_again > 0, delivery == plan::Delivery::idempotent);
  ::testing::Test::RecordProperty("deaths", std::to_string(n - 2));
  ::testing::Test::RecordProperty("told", std::to_string(told));
  ::testing::Test::RecordProperty("sent_again", std::to_string(sent_again));
}

class EngineCrash : public ::testing::TestWithParam<plan::Delivery> {};

TEST_P(EngineCrash, NothingUnsyncedSurvives) {
  die_everywhere(GetParam(), {}, false);
}
TEST_P(EngineCrash, ASeededPartSurvives) {
  for (const std::uint64_t seed : {1000u, 2000u}) die_everywhere(GetParam(), seed, false);
}
TEST_P(EngineCrash, AndItDiesAgainWhileItRecovers) {
  die_everywhere(GetParam(), {}, true);
}

std::string delivery_name(const ::testing::TestParamInfo<plan::Delivery>& info) {
  return info.param == plan::Delivery::idempotent ? "idempotent"
         : info.param == plan::Delivery::once     ? "once"
                                                  : "unsafe";
}
INSTANTIATE_TEST_SUITE_P(Deliveries, EngineCrash,
                         ::testing::Values(plan::Delivery::idempotent, plan::Delivery::once,
                                           plan::Delivery::unsafe),
                         delivery_name);

}  // namespace
}  // namespace signalbox::sim
