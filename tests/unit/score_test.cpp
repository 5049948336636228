// What a replay's events are worth against labelled incidents, on timelines worked out by hand. Times are
// minutes after 2020-09-13T12:00:00Z.
#include "runtime/score/score.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "runtime/score/truth.hpp"

namespace signalbox::score {
namespace {

using decide::Event;

Instant at(std::int64_t minute) {
  return Instant{1'600'000'000'000 - 1'600'000'000'000 % 86'400'000} + minutes(12 * 60 + minute);
}
Labels label(const char* name, const char* value) {
  return Labels().with(name, value);
}
Labels service(const char* name) {
  return label("service", name);
}
Event event(std::int64_t minute, const char* kind, const char* id, Labels labels = service("a"),
            const char* severity = "") {
  return {at(minute), kind, "availability", std::move(labels), severity, id, "why"};
}
Event page(std::int64_t minute, const char* id, Labels labels = service("a")) {
  return event(minute, "page", id, std::move(labels), "page");
}
Event resolved(std::int64_t minute, const char* id, Labels labels = service("a")) {
  return event(minute, "resolved", id, std::move(labels), "page");
}
Incident incident(std::int64_t from, std::optional<std::int64_t> to, Labels labels = service("a")) {
  return {"outage", std::move(labels), at(from), to ? std::optional(at(*to)) : std::nullopt, true};
}
Score judge(const std::vector<Event>& events, const std::vector<Incident>& incidents,
            Duration grace = minutes(10)) {
  return score(events, incidents, {at(0), at(1000)}, grace);
}

TEST(Score, TheFirstAlarmInTheWindowFinds) {
  const Score s = judge({page(104, "1"), page(107, "2"), resolved(140, "1")}, {incident(100, 130)});
  ASSERT_EQ(s.findings.size(), 1u);
  EXPECT_EQ(s.findings[0].outcome, Outcome::found);
  EXPECT_EQ(s.findings[0].delay, minutes(4));
  EXPECT_EQ(s.findings[0].unfound_for, minutes(4));
  EXPECT_EQ(s.findings[0].kind, "page");
  EXPECT_EQ(s.findings[0].by, "availability");
  EXPECT_EQ(s.alarms, 2u);
  EXPECT_EQ(s.false_alarms, 0u) << "the second of one incident is not false";
  EXPECT_EQ(s.found, 1u);
  EXPECT_EQ(s.median_delay, minutes(4));
}

TEST(Score, BothEndsOfTheWindowBelongToIt) {
  EXPECT_EQ(judge({page(100, "1")}, {incident(100, 130)}).findings[0].delay, Duration{});
  EXPECT_EQ(judge({page(140, "1")}, {incident(100, 130)}).findings[0].delay, minutes(40));
  const Score late = judge({page(141, "1")}, {incident(100, 130)});
  EXPECT_EQ(late.missed, 1u);
  EXPECT_EQ(late.false_alarms, 1u);
  EXPECT_EQ(late.findings[0].unfound_for, minutes(40)) << "its length and the grace";
  EXPECT_EQ(late.median_delay, std::nullopt);
  const Score early = judge({page(99, "1"), resolved(99, "1")}, {incident(100, 130)});
  EXPECT_EQ(early.missed, 1u);
  EXPECT_EQ(early.false_alarms, 1u);
  EXPECT_EQ(judge({page(131, "1")}, {incident(100, 130)}, {}).missed, 1u);
}

TEST(Score, OverlappingIncidentsAreEachJudgedFromTheirOwnBeginning) {
  const Score s = judge({page(110, "1")}, {incident(100, 130), incident(105, 120), incident(112, 150)});
  ASSERT_EQ(s.findings.size(), 3u);
  EXPECT_EQ(s.findings[0].delay, minutes(10));
  EXPECT_EQ(s.findings[1].delay, minutes(5));
  EXPECT_EQ(s.findings[2].outcome, Outcome::masked) << "the page of 110 was open when it began";
  EXPECT_EQ(s.found, 2u);
  EXPECT_EQ(s.masked, 1u);
  EXPECT_EQ(s.false_alarms, 0u);
  EXPECT_EQ(s.median_delay, Duration{(minutes(5).ms + minutes(10).ms) / 2});
  EXPECT_EQ(s.longest_delay, minutes(10));
  EXPECT_EQ(s.mean_unfound, Duration{(10 + 5 + 48) * 60'000 / 3});
}

TEST(Score, AnAlarmThatWasOpenFindsNothingUnlessAnotherBegins) {
  const std::vector<Event> open = {page(50, "1"), resolved(200, "1")};
  const Score masked = judge(open, {incident(100, 130)});
  EXPECT_EQ(masked.masked, 1u);
  EXPECT_EQ(masked.missed, 0u);
  EXPECT_EQ(masked.false_alarms, 1u) << "it began when nothing was wrong";
  EXPECT_EQ(masked.findings[0].unfound_for, minutes(40));

  std::vector<Event> again = open;
  again.insert(again.begin() + 1, page(120, "2"));
  EXPECT_EQ(judge(again, {incident(100, 130)}).findings[0].delay, minutes(20));

  EXPECT_EQ(judge({page(50, "1"), resolved(100, "1")}, {incident(100, 130)}).missed, 1u)
      << "it ended as the incident began";
  EXPECT_EQ(judge({page(50, "1", service("b"))}, {incident(100, 130)}).missed, 1u) << "another service's";
  EXPECT_EQ(judge({page(50, "1"), event(90, "retired", "")}, {incident(100, 130)}).missed, 1u)
      << "its instance was forgotten";
  EXPECT_EQ(judge({page(50, "1"), event(90, "retired", "", service("b"))}, {incident(100, 130)}).masked, 1u);
}

TEST(Score, LabelsThatBothHaveMustBeTheSame) {
  const std::vector<Incident> wrong = {incident(100, 130)};
  EXPECT_EQ(judge({page(104, "1", service("b"))}, wrong).missed, 1u);
  EXPECT_EQ(judge({page(104, "1", service("b"))}, wrong).false_alarms, 1u);
  // One that says nothing of the service may be of any; more than that is said is no disagreement.
  EXPECT_EQ(judge({page(104, "1", {})}, wrong).found, 1u);
  EXPECT_EQ(judge({page(104, "1", label("region", "eu"))}, wrong).found, 1u);
  EXPECT_EQ(judge({page(104, "1", label("region", "eu").with("service", "a"))}, wrong).found, 1u);
  EXPECT_EQ(judge({page(104, "1", label("region", "eu").with("service", "b"))}, wrong).found, 0u);
  EXPECT_EQ(judge({page(104, "1")}, {incident(100, 130, {})}).found, 1u);
}

TEST(Score, AnIncidentWithoutEndLastsToTheReplaysEnd) {
  const Score s = judge({page(990, "1")}, {incident(100, std::nullopt)});
  EXPECT_EQ(s.findings[0].delay, minutes(890));
  EXPECT_EQ(judge({}, {incident(100, std::nullopt)}).findings[0].unfound_for, minutes(900));
  const Score beyond = score({}, {incident(2000, std::nullopt)}, {at(0), at(1000)}, minutes(10));
  EXPECT_EQ(beyond.outside, 1u);
}

TEST(Score, WhatBeginsOutsideOfTheReplayIsNotJudged) {
  const Score s = judge({page(2, "1")}, {incident(-30, 5), incident(1001, 1010), incident(995, 1100)});
  EXPECT_EQ(s.outside, 2u);
  ASSERT_EQ(s.findings.size(), 1u);
  EXPECT_EQ(s.findings[0].incident, 2u);
  EXPECT_EQ(s.findings[0].unfound_for, minutes(5)) << "as far as the replay went";
  EXPECT_EQ(s.false_alarms, 0u) << "the page is of the incident that was under way";
}

TEST(Score, UnwantedIncidentsAreNeverFoundAndTheirAlarmsAreFalse) {
  Incident deploy = incident(100, 100);
  deploy.kind = "deploy";
  deploy.wanted = false;
  const Score s = judge({page(101, "1"), page(300, "2")}, {deploy, incident(500, 510)});
  EXPECT_EQ(s.findings.size(), 1u);
  EXPECT_EQ(s.false_alarms, 2u);
  EXPECT_EQ(s.false_in, (std::map<std::string, std::size_t>{{"", 1}, {"deploy", 1}}));
  // Where both are, the alarm is right.
  EXPECT_EQ(judge({page(101, "1")}, {deploy, incident(99, 110)}).false_alarms, 0u);
}

TEST(Score, WithoutIncidentsEveryAlarmIsFalse) {
  const Score s = judge({page(1, "1"), page(2, "2")}, {});
  EXPECT_EQ(s.false_alarms, 2u);
  EXPECT_TRUE(s.findings.empty());
  EXPECT_EQ(s.mean_unfound, std::nullopt);
  EXPECT_EQ(judge({}, {}).alarms, 0u);
}

TEST(Score, ActionsAreAlarmsAndLostDataIsNone) {
  const std::vector<Event> acted = {event(104, "decided", "e", {}), event(104, "executed", "e", {}),
                                    event(109, "not_helped", "e", {}),
                                    event(109, "escalated", "e", {}, "page")};
  const Score s = judge(acted, {incident(100, 130), incident(120, 125)});
  EXPECT_EQ(s.findings[0].kind, "decided");
  EXPECT_EQ(s.findings[0].delay, minutes(4));
  EXPECT_EQ(s.findings[1].outcome, Outcome::missed) << "the episode had ended";
  EXPECT_EQ(s.alarms, 1u);
  const Told told = count_told(acted);
  EXPECT_EQ(told.actions, 1u);
  EXPECT_EQ(told.pages, 1u) << "who was told that it did not help";

  // An episode that acts again is one alarm.
  EXPECT_EQ(
      judge({event(104, "decided", "e", {}), event(106, "decided", "e", {})}, {incident(100, 130)}).alarms,
      1u);
  const std::vector<Event> lost = {event(104, "missing", "m", service("a"), "ticket"),
                                   event(105, "refused", "r"),
                                   event(106, "ticket", "t", service("a"), "ticket")};
  EXPECT_EQ(judge(lost, {incident(100, 105)}, {}).missed, 1u);
  EXPECT_EQ(judge(lost, {incident(100, 110)}).findings[0].kind, "ticket");
  EXPECT_EQ(count_told(lost).tickets, 2u);
  EXPECT_EQ(count_told(lost).refused, 1u);
}

// The indexed look-up against asking every incident.
TEST(Score, FalseAlarmsAreThoseThatNoIncidentHas) {
  std::mt19937_64 rng(7);
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
  };
  const char* const names[] = {"a", "b", "c"};
  std::size_t false_ones = 0, right_ones = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<Incident> incidents;
    for (int i = 0; i < 12; ++i) {
      const std::int64_t from = below(1200) - 100;
      incidents.push_back(incident(from, below(10) == 0 ? std::nullopt : std::optional(from + below(40)),
                                   below(4) == 0 ? Labels{} : service(names[below(3)])));
      incidents.back().wanted = below(3) != 0;
    }
    std::vector<Event> events;
    std::vector<std::string> ids;
    for (int i = 0; i < 40; ++i) ids.push_back(std::to_string(i));
    std::vector<std::int64_t> times;
    for (int i = 0; i < 40; ++i) times.push_back(below(1001));
    std::sort(times.begin(), times.end());
    for (std::size_t i = 0; i < times.size(); ++i)
      events.push_back(page(times[i], ids[i].c_str(), service(names[below(3)])));
    std::size_t wanted = 0;
    for (const Event& e : events)
      wanted += std::none_of(incidents.begin(), incidents.end(), [&](const Incident& i) {
        const std::string_view its = i.labels.get("service");
        return i.wanted && i.from <= e.time && (i.to ? e.time <= *i.to + minutes(10) : e.time <= at(1000)) &&
               (its.empty() || its == e.labels.get("service"));
      });
    EXPECT_EQ(judge(events, incidents).false_alarms, wanted) << round;
    false_ones += wanted;
    right_ones += events.size() - wanted;
  }
  EXPECT_GT(false_ones, 1000u);
  EXPECT_GT(right_ones, 1000u);
}

TEST(Front, HoldsWhatNothingBeats) {
  const std::vector<Weighed> candidates = {{0, 2, minutes(5)}, {1, 0, minutes(3)}, {1, 0, minutes(4)},
                                           {0, 2, minutes(5)}, {3, 0, minutes(1)}, {3, 1, minutes(1)}};
  EXPECT_EQ(front(candidates), (std::vector<bool>{true, true, false, true, true, false}));
  EXPECT_TRUE(front({}).empty());
}

TEST(Truth, ReadsWhatGenerateWrites) {
  const auto read = read_truth(R"({"seed": 7, "incidents": [
    {"kind": "outage", "labels": {"service": "service-0000"}, "from": "2026-01-01T02:38:25.294Z",
     "to": "2026-01-01T03:02:46.871Z", "error_ratio": 0.82},
    {"kind": "deploy", "labels": {"service": "service-0001"}, "from": "2026-01-01T02:00:00Z",
     "to": "2026-01-01T02:00:00Z", "counters": "reset"},
    {"kind": "data centre flooded", "from": "2026-01-01T02:00:00Z", "to": null, "wanted": true}]})");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 3u);
  EXPECT_TRUE((*read)[0].wanted);
  EXPECT_EQ((*read)[0].labels, service("service-0000"));
  EXPECT_EQ(to_rfc3339((*read)[0].from), "2026-01-01T02:38:25.294Z");
  EXPECT_FALSE((*read)[1].wanted);
  EXPECT_EQ((*read)[2].to, std::nullopt);
  EXPECT_TRUE(read_truth(R"({"incidents": []})")->empty());
}

TEST(Truth, ReadsTheBenchmarksWindows) {
  const auto read = read_truth(R"({"artificialNoAnomaly/art_daily_no_noise.csv": [],
    "data/realKnownCause/ec2_request_latency.csv": [["2014-03-14 03:31:00.000000", "2014-03-14 14:41:00.000000"]]})");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ((*read)[0].labels, label("series", "realKnownCause/ec2_request_latency"));
  EXPECT_EQ(to_rfc3339((*read)[0].from), "2014-03-14T03:31:00Z");
  EXPECT_EQ(to_rfc3339(*(*read)[0].to), "2014-03-14T14:41:00Z");
  EXPECT_TRUE((*read)[0].wanted);
}

TEST(Truth, SaysWhereItIsDamaged) {
  const auto message = [](const std::string& text) {
    const auto read = read_truth(text);
    return read ? "read" : read.error().message;
  };
  EXPECT_EQ(message("{\n\"incidents\": [\n{\"kind\": }"), "line 3: this is not JSON");
  EXPECT_EQ(message(""), "line 1: this is not JSON");
  EXPECT_EQ(message("{\"incidents\": [{\"kind\": \"out"), "line 1: this is not JSON");
  EXPECT_EQ(message("[]"), "this is not an object of incidents");
  EXPECT_EQ(message("{}"), "there is no list `incidents` in it");
  EXPECT_EQ(message(R"({"incidents": 3})"), "`incidents` is not a list");
  EXPECT_EQ(message(R"({"incidents": [3]})"), "incident 1 is not an object");
  EXPECT_EQ(message(R"({"incidents": [{"kind": "outage"}]})"), "incident 1 has no `from`");
  EXPECT_NE(
      message(R"({"incidents": [{"kind": "outage", "from": "yesterday"}]})").find("incident 1: `from`: "),
      std::string::npos);
  EXPECT_EQ(message(R"({"incidents": [{"kind": "outage", "from": 3}]})"), "incident 1: `from` is not a text");
  EXPECT_EQ(message(R"({"incidents": [{"kind": "flood", "from": "2026-01-01T02:00:00Z"}]})"),
            "incident 1: whether `flood` is there to be found is not known");
  EXPECT_EQ(
      message(
          R"({"incidents": [{"kind": "outage", "from": "2026-01-01T02:00:00Z", "to": "2026-01-01T01:00:00Z"}]})"),
      "incident 1 ends before it begins");
  EXPECT_EQ(
      message(R"({"incidents": [{"kind": "outage", "labels": {"a": 1}, "from": "2026-01-01T02:00:00Z"}]})"),
      "incident 1: label `a` is not a text");
  EXPECT_EQ(message(R"({"a.csv": [["2014-03-14 03:31:00"]]})"), "a.csv: window 1 is not [start, end]");
  EXPECT_EQ(message(R"({"a.csv": [["2014-03-14 03:31:00", "2014-03-14 03:30:00"]]})"),
            "a.csv: window 1 ends before it begins");
  EXPECT_EQ(message(std::string(1'000'000, '[')), "brackets stand more than 16 deep");
  EXPECT_EQ(message("{\"incidents\": [1e999]}"), "this is not JSON");
  EXPECT_EQ(message(std::string(Limits{}.truth_bytes + 1, ' ')),
            "more than " + std::to_string(Limits{}.truth_bytes) + " bytes");
}

}  // namespace
}  // namespace signalbox::score
