// SLOs and what hangs on deploys: rows, floors, idleness, missing data, deferral, anchored policies.
#include <algorithm>

#include "tests/support/decide_policy.hpp"

namespace signalbox::decide {
namespace {

using test::DecideBench;
using test::PolicyProgram;
using Kind = Answer::Kind;

struct Program {
  std::string slo = "", policy = "", per = "", limit = "2 per 1h", when = "",
              defer = "defer page while fix acts at most 2m", hold = "for 2 ticks";
  operator std::string() const {
    return R"(
tick 10s
metric ok is gauge
receiver oncall is webhook { url "http://pager/hook" }
slo web )" +
           per + R"( {
  indicator bad bad_total of req_total
  objective 99% over 1h
  burn { page 10 over 2m & 30s }
  missing keep for 30s then page
  page oncall
  )" + slo +
           "\n" + defer + R"(
}
target shop is http {
  version GET "http://shop/version"
  deployed metric shop_deployed_timestamp_seconds
  action rollback is idempotent { POST "http://shop/rollback" body { to previous_version } }
}
policy fix on shop {
  when     )" +
           (when.empty()
                ? "web.burn(since shop.deployed for 5m) > 10 and web.burn(3m before shop.deployed) < 2"
                : when) +
           " " + hold + R"(
  events   at least 20 and 5 bad
  do       rollback
  verify   web.burn(since done) < 5 for 2 ticks after 20s events at least 50 within 1m else page oncall "no help"
  limit    )" +
           limit + R"(
  cooldown 5m
  missing  do nothing
  )" + policy +
           R"(
})";
  }
};

// A quarter of an hour of good traffic.
DecideBench healthy(const Program& program) {
  DecideBench b{std::string(program)};
  b.set("ok", 1);
  b.set("shop_deployed_timestamp_seconds", DecideBench::start.unix_seconds() - 3600);
  b.set("bad_total", 0);
  b.grow("req_total", 100);
  b.ticks(90);
  return b;
}
void deploy(DecideBench& b, const std::string& version, double bad) {
  b.versions = {version};
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.grow("bad_total", bad);
}
void roll_back(DecideBench& b, double bad = 0) {
  ASSERT_EQ(b.last.effects.size(), 1u);
  const std::string to = b.last.effects[0].to_version;
  b.versions = {to};
  b.answer(Kind::succeeded, to);
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds() + 1);
  b.grow("bad_total", bad);
}
void until_decided(DecideBench& b, int most = 10) {
  const int before = b.count("decided");
  for (int i = 0; i < most && b.count("decided") == before; ++i) b.tick();
  ASSERT_EQ(b.count("decided"), before + 1);
}

TEST(Anchored, ABadDeployIsRolledBackAndNobodyIsPaged) {
  DecideBench b = healthy({});
  deploy(b, "v3", 50);
  until_decided(b);
  EXPECT_EQ(b.last.effects[0].to_version, "v2");
  roll_back(b);
  b.ticks(20);
  EXPECT_EQ(b.count("verified"), 1);
  EXPECT_EQ(b.count("page"), 0);
  EXPECT_EQ(b.deliver(), 0);
  EXPECT_EQ(b.count("deployed"), 2) << "the first sight and v3; our own effect is none";
}

TEST(Anchored, OneEffectForOneDeploy) {
  DecideBench b = healthy({});
  deploy(b, "v3", 50);
  until_decided(b);
  roll_back(b, 50);
  b.ticks(60);
  EXPECT_EQ(b.count("not_helped"), 1);
  EXPECT_EQ(b.count("decided"), 1);
}

TEST(Anchored, ARefusalLastsUntilItsBound) {
  DecideBench b = healthy({});
  b.observed.kill_switch = true;
  deploy(b, "v3", 50);
  b.ticks(10);
  ASSERT_EQ(b.episode().state, EpisodeState::refused);
  const std::string id = b.episode().id;
  // More ticks missed than a hold bears: `when` is false until it has held again.
  b.now = b.now + seconds(60);
  b.tick();
  EXPECT_EQ(b.episode().state, EpisodeState::refused);
  b.observed.kill_switch = false;
  b.ticks(4);
  EXPECT_EQ(b.count("decided"), 1);
  EXPECT_EQ(b.episode().id, id);

  DecideBench over = healthy({});
  over.observed.kill_switch = true;
  deploy(over, "v3", 50);
  over.ticks(10);
  ASSERT_EQ(over.episode().state, EpisodeState::refused);
  over.ticks(25);
  EXPECT_EQ(over.episode().state, EpisodeState::lapsed);
  over.observed.kill_switch = false;
  over.ticks(10);
  EXPECT_EQ(over.count("decided"), 0) << "an old deploy is not blamed for ever";
}

TEST(Anchored, ANewerDeployEndsARefusal) {
  DecideBench b = healthy({});
  b.observed.kill_switch = true;
  deploy(b, "v3", 50);
  b.ticks(10);
  deploy(b, "v4", 0);
  b.tick();
  EXPECT_EQ(b.episode().state, EpisodeState::lapsed);
  EXPECT_EQ(b.count("escalated"), 0);
}

TEST(Anchored, BeforeLeavesOutWhatAnEpisodeSpoiled) {
  DecideBench b = healthy({.defer = ""});
  deploy(b, "v3", 50);
  until_decided(b);
  roll_back(b);
  b.ticks(8);
  ASSERT_EQ(b.count("verified"), 1);
  b.state.policies[{"fix", Labels{}}].cooldown_until.reset();
  // Without the episode's span, the three minutes before this deploy are burning.
  deploy(b, "v4", 50);
  until_decided(b);
  EXPECT_EQ(b.last.effects[0].to_version, "v2") << "not to what an action went away from";
  ASSERT_EQ(b.state.targets["shop"].episodes.size(), 1u);
}

TEST(Rows, PageResolveAndPageAgain) {
  DecideBench b = healthy({.defer = ""});
  b.observed.mode_ceiling = plan::Mode::observe;
  b.grow("bad_total", 50);
  b.ticks(20);
  EXPECT_EQ(b.count("page"), 1);
  EXPECT_EQ(b.deliver(), 1);
  b.grow("bad_total", 0);
  b.ticks(10);
  EXPECT_EQ(b.count("resolved"), 1);
  b.grow("bad_total", 50);
  b.ticks(20);
  EXPECT_EQ(b.count("page"), 2);
}

TEST(Rows, BelowTheFloorNothingPages) {
  for (const bool floor : {false, true}) {
    DecideBench b = healthy({.slo = floor ? "floor 1000 bad" : "", .defer = ""});
    b.grow("bad_total", 50);
    b.ticks(20);
    EXPECT_EQ(b.count("page"), floor ? 0 : 1);
  }
}

TEST(Rows, IdleClearsOrKeeps) {
  for (const bool keep : {false, true}) {
    DecideBench b = healthy({.slo = keep ? "idle keep" : "idle clear", .defer = ""});
    b.grow("bad_total", 50);
    b.ticks(20);
    ASSERT_EQ(b.count("page"), 1);
    b.grow("bad_total", 0);
    b.grow("req_total", 0);
    b.ticks(4);
    EXPECT_EQ(b.count("resolved"), keep ? 0 : 1);
    EXPECT_EQ(b.count("missing"), 0) << "silence is not missing data";
  }
}

TEST(Missing, KeepsThenPagesOnce) {
  DecideBench b = healthy({});
  b.grow("req_total", 0);
  b.stop("req_total");
  b.now = b.now + minutes(6);
  b.ticks(3);
  EXPECT_EQ(b.count("missing"), 0);
  b.ticks(10);
  EXPECT_EQ(b.count("missing"), 1);
  EXPECT_EQ(b.deliver(), 1);
  EXPECT_EQ(b.count("page"), 0);
}

TEST(Missing, RightAfterADeployPagesAtOnce) {
  DecideBench b = healthy({.slo = "", .policy = ""});
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.versions = {"v3"};
  b.end("req_total");
  b.ticks(2);
  EXPECT_EQ(b.count("missing"), 1);
  EXPECT_EQ(b.deliver(), 1);
}

constexpr const char* per_region = R"(
tick 10s
receiver oncall is webhook { url "http://pager/hook" }
slo web per (region) max 5 { indicator bad bad_total of req_total  objective 99% over 1h  burn { page 10 over 2m & 30s }
  missing keep for 1m then page  page oncall })";

TEST(Missing, AnInstanceRetiresAfterItsPeriodAndComesBackWithASample) {
  DecideBench b{per_region};
  b.grow("req_total", 10, "region=eu");
  b.grow("req_total", 10, "region=us");
  b.ticks(3);
  ASSERT_EQ(b.state.slos.size(), 2u);
  b.stop("req_total", "region=eu");
  b.now = b.now + minutes(6);
  b.tick();
  b.now = b.now + minutes(59);
  b.tick();
  EXPECT_EQ(b.count("retired"), 0);
  b.ticks(12);
  EXPECT_EQ(b.count("retired"), 1);
  b.ticks(30);
  EXPECT_EQ(
      std::count_if(b.events.begin(), b.events.end(),
                    [](const Event& e) { return e.kind == "missing" && e.labels.get("region") == "eu"; }),
      1)
      << "what is forgotten is not missed again";
  EXPECT_EQ(b.state.slos.size(), 1u);
  b.grow("req_total", 10, "region=eu");
  b.tick();
  EXPECT_EQ(b.state.slos.size(), 2u);
}

TEST(Missing, WhatWasNeverSeenIsMissing) {
  DecideBench b{R"(
tick 10s
receiver oncall is webhook { url "http://pager/hook" }
slo web { indicator bad bad_total of req_total  objective 99% over 1h  burn { page 10 over 2m & 30s }
  missing keep for 1m then page  page oncall })"};
  b.ticks(20);
  EXPECT_EQ(b.count("missing"), 1);
  EXPECT_EQ(b.deliver(), 1);
  b.now = b.now + hours(2);
  b.ticks(10);
  EXPECT_EQ(b.count("retired"), 0) << "without `per` there is one instance, whatever it sees";
  b.grow("req_total", 10);
  b.ticks(20);
  EXPECT_EQ(b.count("resolved"), 1) << "whoever was told hears of the end";
  EXPECT_FALSE(b.why("resolved").empty());
}

TEST(Missing, APolicyWhoseMetricWasNeverSeenPages) {
  DecideBench b{std::string(PolicyProgram{.when = "sum(rate(nobody_counts_this_total[1m])) > 3"})};
  b.ticks(5);
  EXPECT_EQ(b.count("missing"), 1);
  EXPECT_EQ(b.deliver(), 1);
}

TEST(Instances, StayWithinTheirMax) {
  DecideBench b{R"(
tick 10s
receiver oncall is webhook { url "http://pager/hook" }
slo web per (region) max 2 { indicator bad bad_total of req_total  objective 99% over 1h  burn { page 10 over 2m & 30s }  page oncall })"};
  for (const char* region : {"region=eu", "region=us"}) b.grow("req_total", 10, region);
  b.ticks(3);
  b.grow("req_total", 10, "region=ap");  // before the known ones in the order of labels
  b.ticks(5);
  EXPECT_EQ(b.state.slos.size(), 2u);
  EXPECT_EQ(b.count("limit"), 1) << "said once, not in every tick";
}

TEST(Defer, HoldsWhileThePolicyActs) {
  DecideBench b = healthy({.defer = "defer page while fix acts at most 5m"});
  deploy(b, "v3", 50);
  until_decided(b);
  b.observed.in_flight = {b.episode().intent->key};
  b.ticks(5);
  EXPECT_EQ(b.count("page"), 0);
  b.answer(Kind::rejected);
  b.tick();
  EXPECT_EQ(b.count("page"), 1) << "any other outcome than verified pages in that tick";
}

TEST(Defer, NotHelpedPagesInItsTick) {
  DecideBench b = healthy({.defer = "defer page while fix acts at most 5m"});
  deploy(b, "v3", 50);
  until_decided(b);
  roll_back(b, 50);
  while (b.count("not_helped") == 0 && b.now < DecideBench::start + minutes(30)) {
    EXPECT_EQ(b.count("page"), 0);
    b.tick();
  }
  EXPECT_EQ(b.count("page"), 1);
}

TEST(Defer, IsBoundedFromTheRowsFirstTrueTick) {
  DecideBench b = healthy({});
  deploy(b, "v3", 50);
  until_decided(b);
  b.observed.in_flight = {b.episode().intent->key};
  const auto since = [&] { return b.state.slos.begin()->second.rows[0].since; };
  while (b.count("page") == 0 && b.now < DecideBench::start + minutes(30)) b.tick();
  EXPECT_EQ(b.now - since(), minutes(2));
}

TEST(Defer, APolicyThatCannotActHoldsNothingBack) {
  DecideBench b = healthy({});
  b.observed.kill_switch = true;
  deploy(b, "v3", 50);
  while (b.count("page") == 0 && b.now < DecideBench::start + minutes(30)) b.tick();
  EXPECT_EQ(b.now, b.state.slos.begin()->second.rows[0].since);
}

TEST(Defer, AnEpisodeOfBeforeIsNoReasonToWait) {
  DecideBench b =
      healthy({.limit = "5 per 1h", .defer = "defer page while fix acts at most 5m", .hold = "for 4 ticks"});
  deploy(b, "v3", 100);
  until_decided(b);
  roll_back(b);
  b.ticks(60);
  ASSERT_EQ(b.count("verified"), 1);
  ASSERT_EQ(b.count("page"), 0);
  // Another bad deploy: the row waits for the policy on its way, which then may not act any more.
  deploy(b, "v4", 100);
  const auto row = [&] { return b.state.slos.begin()->second.rows[0]; };
  while (!row().deferred && b.now < DecideBench::start + minutes(60)) b.tick();
  ASSERT_TRUE(row().deferred);
  ASSERT_EQ(b.episode().state, EpisodeState::verified) << "the earlier episode is still the last one";
  b.observed.kill_switch = true;
  b.tick();
  EXPECT_EQ(b.count("page"), 1);
}

}  // namespace
}  // namespace signalbox::decide
