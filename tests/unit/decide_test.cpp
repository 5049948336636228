// Policies: guards, intents, lost answers, deploys of others, and how episodes end.
#include "tests/support/decide_bench.hpp"

namespace signalbox::decide {
namespace {

using test::DecideBench;
using Kind = Answer::Kind;

struct Program {
  std::string delivery = "idempotent", action = "rollback", more = "", policy_more = "", per = "",
              mode = "act";
  std::string when = "max(trigger) > 0.5 for 2 ticks", limit = "2 per 1h", missing = "page oncall";
  bool previous = true;  // rollback goes to the previous version
  std::string version = R"(version GET "http://shop/version")";
  operator std::string() const {
    return R"(
tick 10s
metric trigger is gauge with (region)
metric ok is gauge
receiver oncall is webhook { url "http://pager/hook" }
target shop is http {
  )" + version +
           R"(
  deployed metric shop_deployed_timestamp_seconds
  action rollback is )" +
           delivery + R"( { POST "http://shop/rollback" body { )" + (previous ? "to previous_version" : "") +
           R"( } }
  action restart is )" +
           delivery + R"( { POST "http://shop/restart" body { } }
}
)" + more + R"(
policy fix on shop )" +
           per + R"( {
  when     )" +
           when + R"(
  do       )" +
           action + R"(
  verify   max(ok) > 0.5 after 20s within 1m else page oncall "no help"
  limit    )" +
           limit + R"(
  cooldown 5m
  missing  )" +
           missing + R"(
  mode     )" +
           mode + R"(
  )" + policy_more +
           R"(
})";
  }
};

// Standing, healthy and ready to act.
DecideBench bench(const Program& program) {
  DecideBench b(program);
  b.set("trigger", 0);
  b.set("ok", 0);
  b.set("shop_deployed_timestamp_seconds", DecideBench::start.unix_seconds() - 3600);
  b.ticks(2);
  return b;
}
DecideBench acting(const Program& program) {
  DecideBench b = bench(program);
  b.set("trigger", 1);
  b.ticks(2);
  EXPECT_EQ(b.last.effects.size(), 1u);
  return b;
}
DecideBench done(const Program& program) {
  DecideBench b = acting(program);
  b.versions = {"v1"};
  b.answer(Kind::succeeded, "v1");
  EXPECT_EQ(b.episode().state, EpisodeState::verifying);
  return b;
}

TEST(Guards, EachRefusesWithItsReason) {
  const auto refused = [](DecideBench b, const std::string& reason) {
    b.set("trigger", 1);
    b.ticks(2);
    EXPECT_TRUE(b.last.effects.empty());
    EXPECT_EQ(b.episode().state, EpisodeState::refused);
    EXPECT_NE(b.episode().reason.find(reason), std::string::npos) << b.episode().reason;
    EXPECT_EQ(b.count("refused"), 1);
    b.ticks(3);
    EXPECT_EQ(b.count("refused"), 1) << "a standing refusal is said once";
  };
  DecideBench killed = bench({});
  killed.observed.kill_switch = true;
  refused(std::move(killed), "kill switch");
  refused(bench({.mode = "observe"}), "mode observe");
  refused(bench({.mode = "dry_run"}), "mode dry_run");
  DecideBench lowered = bench({});
  lowered.observed.mode_ceiling = plan::Mode::observe;
  refused(std::move(lowered), "mode observe");
  DecideBench busy = bench({});
  busy.observed.actions_per_hour = 0;
  refused(std::move(busy), "actions in the last hour");
  DecideBench young = bench({});
  young.state.targets["shop"].versions = {"v2"};
  refused(std::move(young), "no earlier version");
  DecideBench sick = bench({});
  sick.state.targets["shop"].rejected = {"v1"};
  refused(std::move(sick), "no earlier version");
}

TEST(Guards, ApproveWaitsForAPersonThatNobodyCanAskYet) {
  DecideBench b = bench({});
  b.observed.mode_ceiling = plan::Mode::approve;
  b.set("trigger", 1);
  b.ticks(3);
  EXPECT_EQ(b.count("decided"), 0);
  EXPECT_NE(b.why("refused").find("mode approve"), std::string::npos);
}

TEST(Guards, OutsideNeverRaisesAMode) {
  DecideBench b = bench({.mode = "dry_run"});
  b.observed.mode_ceiling = plan::Mode::act;
  b.set("trigger", 1);
  b.ticks(3);
  EXPECT_EQ(b.count("decided"), 0);
}

TEST(Guards, ARefusalThatFallsAwayActs) {
  DecideBench b = bench({});
  b.observed.kill_switch = true;
  b.set("trigger", 1);
  b.ticks(3);
  b.observed.kill_switch = false;
  b.tick();
  EXPECT_EQ(b.last.effects.size(), 1u);
  EXPECT_EQ(b.count("decided"), 1);
}

TEST(Guards, ARefusalLapsesWithItsReason) {
  DecideBench b = bench({});
  b.observed.kill_switch = true;
  b.set("trigger", 1);
  b.ticks(3);
  b.set("trigger", 0);
  b.tick();
  EXPECT_EQ(b.count("lapsed"), 0) << "not before `when` was false for its hold";
  b.tick();
  EXPECT_EQ(b.count("lapsed"), 1);
  EXPECT_FALSE(b.has_episode());
  EXPECT_EQ(b.deliver(), 0);
}

TEST(Guards, APauseOfTheProcessDoesNotLoseARefusedEpisode) {
  DecideBench b = bench({});
  b.observed.kill_switch = true;
  b.set("trigger", 1);
  b.ticks(3);
  b.now = b.now + minutes(3);  // more ticks missed than a hold bears
  b.ticks(3);
  b.observed.kill_switch = false;
  b.tick();
  EXPECT_EQ(b.count("decided"), 1);
}

TEST(Guards, OnePolicyAtATimeActsOnATarget) {
  const std::string second = R"(
metric other is gauge
policy second on shop {
  when max(other) > 0.5 for 2 ticks  do restart  verify max(ok) > 0.5 after 20s within 1m else page oncall
  limit 2 per 1h  cooldown 5m  missing do nothing
})";
  DecideBench b = bench({.more = second});
  b.set("other", 1);
  b.set("trigger", 1);
  b.ticks(3);
  EXPECT_EQ(b.count("decided"), 1);
  EXPECT_EQ(b.count("refused"), 1);
  EXPECT_NE(b.why("refused").find("is acting on shop"), std::string::npos) << b.why("refused");
}

const Program by_region = {
    .action = "restart", .per = "per (region) max 3", .when = "max by (region) (trigger) > 0.5 for 2 ticks"};

DecideBench regions(Program program) {
  DecideBench b{std::string(program)};
  b.set("ok", 0);
  for (const char* region : {"region=eu", "region=us"}) b.set("trigger", 0, region);
  b.ticks(2);
  return b;
}
const Labels eu(std::vector<Labels::Pair>{{"region", "eu"}});

TEST(Limits, CountOverAllInstances) {
  Program program = by_region;
  program.limit = "1 per 1h";
  DecideBench b = regions(program);
  b.set("trigger", 1, "region=eu");
  b.ticks(2);
  EXPECT_EQ(b.count("decided"), 1);
  b.answer(Kind::succeeded, {}, "fix", eu);
  b.set("ok", 1);
  b.ticks(5);
  EXPECT_EQ(b.count("verified"), 1);
  b.now = b.now + minutes(20);
  b.set("trigger", 1, "region=us");
  b.ticks(3);
  EXPECT_EQ(b.count("decided"), 1);
  EXPECT_NE(b.why("refused").find("the limit of 1 per 1h"), std::string::npos) << b.why("refused");
  b.now = b.now + minutes(45);
  b.ticks(3);
  EXPECT_EQ(b.count("decided"), 2) << "an hour later there is room";
}

TEST(Limits, CooldownHoldsEveryInstanceBack) {
  DecideBench b = regions(by_region);
  b.set("trigger", 1, "region=eu");
  b.ticks(2);
  b.answer(Kind::succeeded, {}, "fix", eu);
  b.set("ok", 1);
  b.ticks(5);
  b.set("trigger", 1, "region=us");
  b.ticks(3);
  EXPECT_NE(b.why("refused").find("cooling down"), std::string::npos) << b.why("refused");
  b.ticks(30);
  EXPECT_EQ(b.count("decided"), 2);
}

TEST(Limits, InstancesStayWithinTheirMax) {
  Program program = by_region;
  program.per = "per (region) max 2";
  DecideBench b = regions(program);
  b.set("trigger", 1, "region=ap");  // before the known ones in the order of labels
  b.ticks(5);
  EXPECT_EQ(b.state.policies.size(), 2u);
  EXPECT_EQ(b.count("limit"), 1) << "said once, not in every tick";
}

TEST(Limits, AnInstanceWithoutSeriesMakesRoomWhenNothingOfItCounts) {
  Program program = by_region;
  program.per = "per (region) max 2";
  DecideBench b = regions(program);
  b.set("trigger", 1, "region=eu");
  b.ticks(2);
  b.answer(Kind::succeeded, {}, "fix", eu);
  b.set("ok", 1);
  b.ticks(5);
  b.stop("trigger", "region=eu");
  b.set("trigger", 0, "region=ap");
  b.now = b.now + minutes(20);
  b.tick();
  b.forget(minutes(10));
  b.ticks(5);
  EXPECT_EQ(b.count("retired"), 0) << "its effect still counts for the limit";
  b.now = b.now + minutes(45);
  b.ticks(2);
  EXPECT_EQ(b.count("retired"), 1);
  EXPECT_EQ(b.state.policies.count({"fix", eu}), 0u);
  b.tick();
  EXPECT_EQ(b.why("limit"), "every instance is watched again");
}

TEST(Sentences, AnInstanceShowsItsOwnNumbers) {
  DecideBench b(R"(
tick 10s
receiver oncall is webhook { url "http://pager/hook" }
slo web per (region) max 3 { indicator bad bad_total of req_total  objective 99% over 30d  burn { page 10 over 1m & 30s }  page oncall }
target shop is http { action restart is idempotent { POST "http://shop/restart" } }
policy fix on shop per (region) max 3 {
  when web.burn(1m) > 10 for 2 ticks  do restart  verify web.burn(since done) < 5 after 20s events at least 50 within 1m else page oncall
  limit 2 per 1h  cooldown 5m  missing do nothing
})");
  b.grow("req_total", 100, "region=eu");
  b.grow("bad_total", 50, "region=eu");
  b.ticks(8);
  EXPECT_NE(b.why("decided").find("50"), std::string::npos) << b.why("decided");
  EXPECT_EQ(b.why("decided").find("no_data"), std::string::npos) << b.why("decided");
}

TEST(Intents, ArePreviousMadeAbsolute) {
  DecideBench b = acting({});
  EXPECT_EQ(b.last.effects[0].to_version, "v1");
  EXPECT_EQ(b.last.effects[0].body, R"({"to":"v1"})");
  EXPECT_EQ(b.last.effects[0].key, b.episode().id + "-1");
  EXPECT_EQ(b.episode().intent->from_version, "v2");
}

TEST(LostAnswers, IdempotentIsSentAgainWithTheSameKey) {
  DecideBench b = acting({});
  const Effect first = b.last.effects[0];
  b.observed.in_flight = {first.key};
  b.tick();
  EXPECT_TRUE(b.last.effects.empty()) << "while the call is under way it is not made again";
  b.observed.in_flight.clear();
  b.answer(Kind::unknown);
  EXPECT_TRUE(b.last.effects.empty());
  b.tick();
  ASSERT_EQ(b.last.effects.size(), 1u);
  EXPECT_EQ(b.last.effects[0].key, first.key);
  EXPECT_EQ(b.last.effects[0].body, first.body);
  b.observed.kill_switch = true;
  b.tick();
  EXPECT_TRUE(b.last.effects.empty()) << "not even again while the kill switch is on";
}

TEST(LostAnswers, OnceReadsTheTargetFirst) {
  DecideBench happened = acting({.delivery = "once"});
  happened.answer(Kind::unknown);
  happened.versions = {"v1"};
  happened.tick();
  EXPECT_TRUE(happened.last.effects.empty());
  EXPECT_EQ(happened.episode().state, EpisodeState::verifying);

  DecideBench dark = acting({.delivery = "once"});
  dark.answer(Kind::unknown);
  dark.versions = {std::nullopt};
  dark.ticks(3);
  EXPECT_EQ(dark.count("decided"), 1);
  EXPECT_TRUE(dark.last.effects.empty()) << "a target that does not answer is not guessed at";

  DecideBench other = acting({.delivery = "once"});
  other.answer(Kind::unknown);
  other.versions = {"v9"};
  other.ticks(2);
  EXPECT_EQ(other.count("failed"), 1);
  EXPECT_EQ(other.deliver(), 1);
}

TEST(LostAnswers, OnceWaitsForACallThatMayStillArrive) {
  DecideBench b = acting({.delivery = "once"});
  b.tick();  // a new process: nothing is known to be in flight, and the call may be on its way
  EXPECT_TRUE(b.last.effects.empty());
  b.tick();
  ASSERT_EQ(b.last.effects.size(), 1u) << "after the call's own timeout the target's state counts";
  EXPECT_EQ(b.last.effects[0].key, b.episode().intent->key);
  b.tick();
  EXPECT_TRUE(b.last.effects.empty()) << "and so after every attempt";
}

TEST(LostAnswers, OnceWithoutAVersionToSeeGoesToAPerson) {
  DecideBench b = acting({.delivery = "once", .action = "restart"});
  b.answer(Kind::unknown);
  b.tick();
  EXPECT_TRUE(b.last.effects.empty());
  EXPECT_EQ(b.episode().state, EpisodeState::failed);
  EXPECT_EQ(b.deliver(), 1);
}

TEST(LostAnswers, UnsafeGoesToAPerson) {
  for (const Kind kind : {Kind::unknown, Kind::unreachable}) {
    DecideBench b = acting({.delivery = "unsafe"});
    b.answer(kind);
    EXPECT_EQ(b.episode().state, EpisodeState::failed);
    EXPECT_EQ(b.deliver(), 1);
    b.ticks(5);
    EXPECT_EQ(b.count("decided"), 1);
  }
  DecideBench restarted = acting({.delivery = "unsafe"});
  restarted.tick();
  EXPECT_EQ(restarted.episode().state, EpisodeState::failed);
  EXPECT_EQ(restarted.deliver(), 1);
}

TEST(LostAnswers, AnIntentGrowsTooOldToCarryOut) {
  DecideBench b = acting({});
  b.observed.in_flight.clear();
  b.now = b.now + minutes(6);
  b.tick();
  EXPECT_TRUE(b.last.effects.empty());
  EXPECT_EQ(b.episode().state, EpisodeState::failed);
  EXPECT_EQ(b.deliver(), 1);
}

TEST(Answers, ARefusalOfTheTargetGoesToAPersonInItsOwnWords) {
  DecideBench b = acting({});
  b.answer(Kind::rejected);
  EXPECT_EQ(b.episode().state, EpisodeState::failed);
  EXPECT_NE(b.why("escalated").find("refused rollback"), std::string::npos);
  EXPECT_EQ(b.why("escalated").find("no help"), std::string::npos)
      << "what was not done cannot have been no help";
  EXPECT_EQ(b.deliver(), 1);
}

TEST(Answers, DoneIsWhenTheTargetAgrees) {
  DecideBench b = acting({});
  b.answer(Kind::succeeded, "v2");
  EXPECT_EQ(b.episode().state, EpisodeState::executing);
  b.tick();
  EXPECT_EQ(b.episode().state, EpisodeState::executing);
  b.versions = {"v1"};
  b.tick();
  EXPECT_EQ(b.episode().state, EpisodeState::verifying);
  EXPECT_EQ(b.episode().done, b.now);
}

TEST(Answers, ATargetThatSaysYesAndDoesNothingGoesToAPerson) {
  DecideBench b = acting({});
  b.answer(Kind::succeeded, "v2");
  b.ticks(8);
  EXPECT_EQ(b.episode().state, EpisodeState::failed);
  EXPECT_EQ(b.deliver(), 1);
}

TEST(Verifying, WaitsForAfterAndEndsAtWithin) {
  DecideBench b = done({});
  b.set("ok", 1);
  b.tick();
  EXPECT_EQ(b.episode().state, EpisodeState::verifying) << "not before `after`";
  b.tick();
  EXPECT_EQ(b.episode().state, EpisodeState::verified);
  EXPECT_EQ(b.deliver(), 0);
  EXPECT_EQ(b.state.targets["shop"].rejected.count("v2"), 1u);

  DecideBench no = done({});
  no.ticks(6);
  EXPECT_EQ(no.episode().state, EpisodeState::not_helped);
  EXPECT_NE(no.why("escalated").find("no help"), std::string::npos);
  EXPECT_EQ(no.deliver(), 1);

  DecideBench dark = done({});
  dark.set("ok", std::nullopt);
  dark.now = dark.now + minutes(10);
  dark.tick();
  EXPECT_EQ(dark.episode().state, EpisodeState::unverified);
  EXPECT_EQ(dark.deliver(), 1);
}

TEST(Episodes, AnUnanchoredOneEndsWhenWhenWasFalseForItsHold) {
  DecideBench b = done({});
  b.set("ok", 1);
  b.ticks(2);
  ASSERT_EQ(b.episode().state, EpisodeState::verified);
  b.now = b.now + minutes(6);
  b.ticks(3);
  EXPECT_EQ(b.count("decided"), 1) << "still the same episode while `when` holds";
  b.set("trigger", 0);
  b.tick();
  EXPECT_TRUE(b.has_episode());
  b.tick();
  EXPECT_FALSE(b.has_episode());
  b.versions = {"v3"};
  b.set("trigger", 1);
  b.ticks(2);
  EXPECT_EQ(b.count("decided"), 2);
}

TEST(Episodes, UntilEndsThem) {
  DecideBench b = done({.more = "metric calm is gauge", .policy_more = "until max(calm) > 0.5"});
  b.set("ok", 1);
  b.set("calm", 0);
  b.ticks(2);
  ASSERT_EQ(b.episode().state, EpisodeState::verified);
  b.set("trigger", 0);
  b.ticks(5);
  EXPECT_TRUE(b.has_episode());
  b.set("calm", 1);
  b.tick();
  EXPECT_FALSE(b.has_episode());
}

TEST(Episodes, RepeatIsAtMost) {
  DecideBench b = acting({.action = "restart", .policy_more = "repeat at most 2", .limit = "5 per 1h"});
  b.answer(Kind::succeeded);
  b.ticks(7);
  EXPECT_EQ(b.count("not_helped"), 1);
  EXPECT_EQ(b.deliver(), 0) << "there is another attempt";
  b.ticks(30);
  ASSERT_EQ(b.count("decided"), 2);
  EXPECT_EQ(b.episode().intent->key, b.episode().id + "-2");
  b.answer(Kind::succeeded);
  b.ticks(7);
  EXPECT_EQ(b.count("not_helped"), 2);
  EXPECT_EQ(b.deliver(), 1);
  b.now = b.now + minutes(10);
  b.ticks(5);
  EXPECT_EQ(b.count("decided"), 2);
}

TEST(Missing, PagesAfterTheThirdUnknownTick) {
  DecideBench b = bench({});
  b.set("trigger", std::nullopt);
  b.now = b.now + minutes(6);
  b.ticks(2);
  EXPECT_EQ(b.count("missing"), 0);
  b.tick();
  EXPECT_EQ(b.count("missing"), 1);
  EXPECT_EQ(b.deliver(), 1);
  b.ticks(5);
  EXPECT_EQ(b.count("missing"), 1);
  DecideBench quiet = bench({.missing = "do nothing"});
  quiet.set("trigger", std::nullopt);
  quiet.now = quiet.now + minutes(6);
  quiet.ticks(5);
  EXPECT_EQ(quiet.count("missing"), 0);
}

TEST(Deploys, AForeignOneSupersedesAndAPersonIsTold) {
  for (const bool verifying : {false, true}) {
    DecideBench b = verifying ? done({}) : acting({});
    b.versions = {"v3"};
    b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
    b.observed.in_flight = {b.episode().intent->key};
    b.tick();
    EXPECT_EQ(b.count("deployed"), 2);
    EXPECT_EQ(b.episode().state, EpisodeState::superseded);
    EXPECT_EQ(b.deliver(), 1);
  }
}

TEST(Deploys, OurOwnEffectIsNone) {
  DecideBench b = done({});
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.tick();
  EXPECT_EQ(b.count("deployed"), 1);
  EXPECT_EQ(b.episode().state, EpisodeState::verifying);
  // The next one is somebody's.
  b.versions = {"v3"};
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.tick();
  EXPECT_EQ(b.count("deployed"), 2);
}

TEST(Deploys, WithoutAVersionTheFirstChangeIsOurs) {
  Program program = {.action = "restart"};
  program.version = "";
  program.previous = false;
  DecideBench b = acting(program);
  b.versions = {std::nullopt};
  b.answer(Kind::succeeded);
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.tick();
  EXPECT_EQ(b.count("deployed"), 1);
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.tick();
  EXPECT_EQ(b.count("deployed"), 2);
}

TEST(Deploys, WhatTheTargetRefusedIsNotWaitedFor) {
  Program program = {.action = "restart"};
  program.version = "";
  program.previous = false;
  DecideBench b = acting(program);
  b.versions = {std::nullopt};
  b.answer(Kind::rejected);
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.tick();
  EXPECT_EQ(b.count("deployed"), 2) << "nothing of ours happened: the deploy is somebody's";
}

TEST(Deploys, ALowerValueIsNone) {
  DecideBench b = bench({});
  b.set("shop_deployed_timestamp_seconds", DecideBench::start.unix_seconds() - 7200);
  b.tick();
  EXPECT_EQ(b.count("deployed"), 1);
}

TEST(Deploys, AValueFromTheFutureIsNotBelieved) {
  DecideBench b = bench({});
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds() + 3600);
  b.tick();
  EXPECT_EQ(b.count("deployed"), 1);
}

TEST(Messages, TwoOfOneMomentAreTwo) {
  DecideBench b = acting({});
  b.answer(Kind::rejected);
  const std::string first = b.state.messages.begin()->first;
  b.deliver();
  // The same policy has something else to say in the same millisecond.
  b.state.policies[{"fix", Labels{}}].episode->state = EpisodeState::executing;
  b.state.policies[{"fix", Labels{}}].episode->id = "another";
  b.answer(Kind::rejected);
  ASSERT_EQ(b.state.messages.size(), 1u);
  EXPECT_NE(b.state.messages.begin()->first, first) << "a receiver would take it for a repetition";
}

TEST(Messages, ARefusedOneIsKeptAndComesAgainLater) {
  DecideBench b = acting({});
  b.answer(Kind::rejected);
  Observed o;
  o.tick = b.now;
  o.versions.resize(1);
  Decider decider(b.plan, b.state, o);
  decider.delivered(b.state.messages.begin()->first, false, "HTTP 503");
  const Decision after = std::move(decider).take();
  ASSERT_EQ(after.state.messages.size(), 1u);
  EXPECT_EQ(after.state.messages.begin()->second.attempts, 1u);
  EXPECT_GT(after.state.messages.begin()->second.not_before, b.now);
}

}  // namespace
}  // namespace signalbox::decide
