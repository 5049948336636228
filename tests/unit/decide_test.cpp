// Guards, limits, verification and how episodes end.
#include "tests/support/decide_policy.hpp"

namespace signalbox::decide {
namespace {

using Kind = Answer::Kind;
using namespace test;

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

const PolicyProgram by_region = {
    .action = "restart", .per = "per (region) max 3", .when = "max by (region) (trigger) > 0.5 for 2 ticks"};

DecideBench regions(PolicyProgram program) {
  DecideBench b{std::string(program)};
  b.set("ok", 0);
  for (const char* region : {"region=eu", "region=us"}) b.set("trigger", 0, region);
  b.ticks(2);
  return b;
}
const Labels eu(std::vector<Labels::Pair>{{"region", "eu"}});

TEST(Limits, CountOverAllInstances) {
  PolicyProgram program = by_region;
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

TEST(Limits, AndCooldownCountForTheTargetWhicheverPolicyActed) {
  const std::string second = R"(
policy also on shop {
  when max(other) > 0.5  do restart  verify max(ok) > 0.5 after 20s within 1m else page oncall "no help"
  limit 5 per 1h  cooldown 5m  missing page oncall
})";
  DecideBench b{std::string(PolicyProgram{.limit = "1 per 1h"}) + second};
  b.set("trigger", 1);
  b.set("other", 0);
  b.set("ok", 1);
  b.ticks(3);
  b.versions = {"v1"};
  b.answer(decide::Answer::Kind::succeeded, "v1", "fix");
  b.ticks(5);
  ASSERT_EQ(b.count("verified"), 1);
  b.set("other", 1);
  b.ticks(2);
  EXPECT_NE(b.why("refused").find("cooling down"), std::string::npos) << b.why("refused");
  b.now = b.now + minutes(5);
  b.tick();
  EXPECT_EQ(b.count("decided"), 2);
}

TEST(Limits, InstancesStayWithinTheirMax) {
  PolicyProgram program = by_region;
  program.per = "per (region) max 2";
  DecideBench b = regions(program);
  b.set("trigger", 1, "region=ap");  // before the known ones in the order of labels
  b.ticks(5);
  EXPECT_EQ(b.state.policies.size(), 2u);
  EXPECT_EQ(b.count("limit"), 1) << "said once, not in every tick";
}

TEST(Records, AreNotMadeWhereNobodyCanAskForThem) {
  std::vector<std::string> told[2];
  std::size_t records[2] = {};
  for (const bool keeps : {false, true}) {
    DecideBench b = regions(by_region);
    b.observed.keeps_records = keeps;
    b.set("trigger", 1, "region=eu");
    b.ticks(2);
    b.answer(Kind::succeeded, {}, "fix", eu);
    b.set("ok", 1);
    b.ticks(5);
    for (const Event& e : b.events) told[keeps].push_back(e.kind + " " + e.why);
    records[keeps] = b.records.size();
  }
  EXPECT_EQ(told[0], told[1]);
  EXPECT_GT(told[1].size(), 2u);
  EXPECT_EQ(records[0], 0u);
  EXPECT_GT(records[1], 2u);
}

TEST(Limits, AnInstanceWithoutSeriesMakesRoomWhenNothingOfItCounts) {
  PolicyProgram program = by_region;
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

// What a subquery reads at other instants is not in the record: what it came to is.
TEST(Records, AConditionOverASubqueryIsWorkedOutAgain) {
  DecideBench b = bench({.when = "promql(\"max(max_over_time(trigger[1m:10s]))\") > 0.5"});
  b.set("trigger", 1, "region=eu");
  b.ticks(2);
  b.set("trigger", 0, "region=eu");
  b.ticks(3);
  ASSERT_EQ(b.count("decided"), 1);
  int decisions = 0;
  for (const Decision::Recorded& recorded : b.records) {
    const Result<Record> record = record_from_bytes(recorded.bytes);
    ASSERT_TRUE(record);
    if (!record->complete) continue;
    const Result<std::string> again = recompute(b.plan, *record);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, recorded.bytes);
    ++decisions;
  }
  EXPECT_GT(decisions, 0);
}

// Whoever calculates with a column relies on it.
TEST(Records, ARowWithoutAValueIsZero) {
  DecideBench b = bench({.when = "max(trigger) > 0.5"});
  b.set("trigger", 1, "region=eu");
  b.ticks(2);
  ASSERT_FALSE(b.records.empty());
  int changed = 0;
  for (const Decision::Recorded& recorded : b.records) {
    Result<Record> record = record_from_bytes(recorded.bytes);
    ASSERT_TRUE(record);
    for (auto& [node, column] : record->columns)
      for (std::size_t row = 0; row < column.size(); ++row, ++changed) {
        column.value[row] = 7;
        column.evidence[row] = static_cast<std::uint8_t>(plan::Evidence::stale);
      }
    const Result<Record> read = record_from_bytes(to_bytes(*record));
    ASSERT_TRUE(read);
    for (const auto& [node, column] : read->columns)
      for (std::size_t row = 0; row < column.size(); ++row) EXPECT_EQ(column.value[row], 0.0);
  }
  EXPECT_GT(changed, 0);
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

}  // namespace
}  // namespace signalbox::decide
