// Intents and what becomes of them: answers, lost answers, deploys of others, messages.
#include "tests/support/decide_policy.hpp"

namespace signalbox::decide {
namespace {

using Kind = Answer::Kind;
using namespace test;

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
  other.tick();
  EXPECT_EQ(other.count("failed"), 1);
  EXPECT_EQ(other.deliver(), 1);
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

TEST(Deploys, OurOwnEffectIsNoneHoweverLateItsAnswer) {
  DecideBench b = acting({});
  b.observed.in_flight = {b.episode().intent->key};
  b.now = b.now + minutes(7);
  b.set("shop_deployed_timestamp_seconds", b.now.unix_seconds());
  b.versions = {"v1"};
  b.tick();
  EXPECT_EQ(b.count("superseded"), 0);
  b.answer(Kind::succeeded, "v1");
  EXPECT_EQ(b.episode().state, EpisodeState::verifying);
}

TEST(LostAnswers, AreSaidOnceAndTheLastOneIsInTheReason) {
  DecideBench b = acting({});
  for (int i = 0; i < 5; ++i) {
    b.answer(Kind::unknown);
    b.tick();
  }
  EXPECT_EQ(b.count("unanswered"), 1);
  b.observed.kill_switch = true;
  b.ticks(3);
  EXPECT_EQ(b.count("held"), 1);
  b.observed.kill_switch = false;
  b.answer(Kind::unknown);
  b.now = b.now + minutes(6);
  b.tick();
  EXPECT_NE(b.why("failed").find("the last one: the answer"), std::string::npos) << b.why("failed");
}

TEST(Deploys, WhatAnActionWentAwayFromIsNotGoneBackTo) {
  DecideBench b = done({.policy_more = "repeat at most 2"});
  b.now = b.now + minutes(2);
  b.tick();
  ASSERT_EQ(b.count("not_helped"), 1);
  b.now = b.now + minutes(10);
  b.ticks(3);
  EXPECT_EQ(b.count("decided"), 1) << "v2 was left, and there is nothing before v1";
  EXPECT_NE(b.why("refused").find("no earlier version"), std::string::npos) << b.why("refused");
}

TEST(Deploys, WithoutAVersionTheFirstChangeIsOurs) {
  PolicyProgram program = {.action = "restart"};
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
  PolicyProgram program = {.action = "restart"};
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
