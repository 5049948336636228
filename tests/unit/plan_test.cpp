// The plan's canonical bytes: nothing is lost, nothing foreign is taken for a plan, and old bytes stay
// readable.
#include "runtime/plan/plan.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <limits>
#include <random>

#include "tests/support/full_plan.hpp"

namespace signalbox::test {
namespace {

using namespace plan;

std::string hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string from_hex_file(const std::string& path) {
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::string digits, bytes;
  for (const char c : text)
    if (std::isxdigit(static_cast<unsigned char>(c))) digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

TEST(PlanBytes, RoundTripLosesNothing) {
  for (const bool origins : {false, true}) {
    const std::string bytes = to_bytes(full_plan(), origins);
    const auto read = from_bytes(bytes);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(hex(to_bytes(*read, origins)), hex(bytes));
    EXPECT_EQ(read->origins.size(), origins ? 2u : 0u);
    EXPECT_EQ(read->nodes[0].origin, origins ? 0u : none);
  }
}

// The writer and the reader share one list of fields: what that list forgets, neither of them would miss.
TEST(PlanBytes, EveryFieldReachesTheBytes) {
  const std::string bytes = to_bytes(full_plan(), false);
  const auto differs = [&](const char* what, const std::function<void(Plan&)>& change) {
    Plan changed = full_plan();
    change(changed);
    EXPECT_NE(to_bytes(changed, false), bytes) << what;
  };
#define CHANGED(place, value) differs(#place, [&](Plan& p) { p.place = value; })
  CHANGED(name, "x");
  CHANGED(tick, seconds(6));
  CHANGED(phase, seconds(2));
  CHANGED(lookback, seconds(2));
  CHANGED(semantics, std::nullopt);
  CHANGED(shapes[0].code[4].op, ShapeOp::lt);
  CHANGED(leaves[0].matchers[1].label, "x");
  CHANGED(leaves[0].matchers[1].op, MatchOp::equal);
  CHANGED(leaves[0].matchers[1].value, "x");
  CHANGED(leaves[1].fn, LeafFn::coverage);
  CHANGED(leaves[1].range_fn, RangeFn::rate);
  CHANGED(leaves[1].window.kind, WindowKind::before);
  CHANGED(leaves[1].window.length, hours(2));
  CHANGED(leaves[1].window.offset, hours(2));
  CHANGED(leaves[2].window.target, none);
  CHANGED(nodes[2].kind, NodeKind::all);
  CHANGED(nodes[2].index, none);
  CHANGED(nodes[2].inputs[1], 0);
  CHANGED(nodes[2].params[0], 0.0144);
  CHANGED(nodes[5].params[0], 0.0);
  CHANGED(nodes[2].matching.join, Join::on);
  CHANGED(nodes[2].matching.labels, {});
  CHANGED(nodes[2].matching.group, Matching::Group::right);
  CHANGED(nodes[2].matching.include, {});
  CHANGED(nodes[2].matching.absent, Evidence::no_data);
  CHANGED(nodes[2].matching.name, Matching::Name::dropped);
  CHANGED(leaves[0].window.at, std::nullopt);
  const std::size_t more = full_plan_of_format_1().nodes.size();
  CHANGED(nodes[more + 1].set, SetOp::both);
  CHANGED(nodes[more + 2].descending, false);
  CHANGED(nodes[more + 3].relabel.kind, Relabel::Kind::join);
  CHANGED(nodes[more + 3].relabel.to, "x");
  CHANGED(nodes[more + 3].relabel.with, "x");
  CHANGED(nodes[more + 3].relabel.regex, "x");
  CHANGED(nodes[more + 3].relabel.from, {});
  CHANGED(nodes[more + 4].subquery.range_fn, RangeFn::rate);
  CHANGED(nodes[more + 4].subquery.window.length, hours(2));
  CHANGED(nodes[more + 4].subquery.step, hours(2));
  CHANGED(nodes[3].aggregate, Aggregate::min);
  CHANGED(nodes[3].without, false);
  CHANGED(nodes[6].known_only, false);
  CHANGED(nodes[3].labels, {});
  CHANGED(nodes[4].hold.kind, Hold::Kind::ticks);
  CHANGED(nodes[4].hold.count, 4);
  CHANGED(nodes[4].hold.of, 6);
  CHANGED(nodes[4].hold.time, hours(1));
  CHANGED(nodes[4].hold.unknown_at_most, 2);
  CHANGED(nodes[5].scalar, false);
  CHANGED(nodes[3].closed, false);
  CHANGED(nodes[3].rows, {});
  CHANGED(nodes[4].condition, false);
  CHANGED(readings[0].condition, none);
  CHANGED(readings[0].slo, none);
  CHANGED(readings[0].ratio, none);
  CHANGED(readings[0].bad, none);
  CHANGED(readings[0].total, none);
  CHANGED(readings[0].budget, 1);
  CHANGED(readings[0].factor, 1);
  CHANGED(readings[0].theta, 1);
  CHANGED(sources[0].name, "x");
  CHANGED(sources[0].type, SourceType::file);
  CHANGED(sources[0].urls, {});
  CHANGED(sources[0].every, hours(1));
  CHANGED(sources[0].settle, hours(1));
  CHANGED(sources[0].timeout, hours(1));
  CHANGED(receivers[0].name, "x");
  CHANGED(receivers[0].type, ReceiverType::log);
  CHANGED(receivers[0].url, "x");
  CHANGED(receivers[0].secret, "x");
  CHANGED(receivers[0].timeout, hours(1));
  CHANGED(receivers[0].heartbeat, hours(1));
  CHANGED(slos[0].name, "x");
  CHANGED(slos[0].about, "x");
  CHANGED(slos[0].owner, "x");
  CHANGED(slos[0].runbook, "x");
  CHANGED(slos[0].per, {});
  CHANGED(slos[0].max_instances, 1);
  CHANGED(slos[0].objective, 1);
  CHANGED(slos[0].period, days(28));
  CHANGED(slos[0].slices, false);
  CHANGED(slos[0].slice, seconds(1));
  CHANGED(slos[0].universe, none);
  CHANGED(slos[0].spent, none);
  CHANGED(slos[0].seen, none);
  CHANGED(slos[0].coverage, none);
  CHANGED(slos[0].traffic, 0);
  CHANGED(slos[0].least_coverage, 0);
  CHANGED(slos[0].rows[0].severity, Severity::page);
  CHANGED(slos[0].rows[0].factor, 1);
  CHANGED(slos[0].rows[0].theta, 1);
  CHANGED(slos[0].rows[0].exact_theta, 1);
  CHANGED(slos[0].rows[0].long_window, hours(2));
  CHANGED(slos[0].rows[0].short_window, hours(2));
  CHANGED(slos[0].rows[0].condition, none);
  CHANGED(slos[0].rows[0].long_ratio, none);
  CHANGED(slos[0].rows[0].short_ratio, none);
  CHANGED(slos[0].rows[0].clipped, none);
  CHANGED(slos[0].windows[0].window, hours(2));
  CHANGED(slos[0].windows[0].ratio, none);
  CHANGED(slos[0].floor, 0);
  CHANGED(slos[0].missing_keep, hours(1));
  CHANGED(slos[0].missing, Severity::ticket);
  CHANGED(slos[0].idle_keeps, false);
  CHANGED(slos[0].page, {});
  CHANGED(slos[0].ticket, {});
  CHANGED(slos[0].defer[0].severity, Severity::page);
  CHANGED(slos[0].defer[0].policy, none);
  CHANGED(slos[0].defer[0].at_most, hours(1));
  CHANGED(targets[0].name, "x");
  CHANGED(targets[0].version_url, "x");
  CHANGED(targets[0].deployed, none);
  CHANGED(targets[0].actions[0].name, "x");
  CHANGED(targets[0].actions[0].method, "x");
  CHANGED(targets[0].actions[0].url, "x");
  CHANGED(targets[0].actions[0].delivery, Delivery::once);
  CHANGED(targets[0].actions[0].body[0].key, "x");
  CHANGED(targets[0].actions[0].body[0].kind, BodyValue::Kind::text);
  CHANGED(targets[0].actions[0].body[0].text, "x");
  CHANGED(targets[0].actions[0].body[1].number, 1);
  CHANGED(targets[0].secret, "x");
  CHANGED(targets[0].timeout, hours(1));
  CHANGED(policies[0].name, "x");
  CHANGED(policies[0].about, "x");
  CHANGED(policies[0].owner, "x");
  CHANGED(policies[0].runbook, "x");
  CHANGED(policies[0].target, none);
  CHANGED(policies[0].per, {});
  CHANGED(policies[0].max_instances, 1);
  CHANGED(policies[0].when, none);
  CHANGED(policies[0].family, none);
  CHANGED(policies[0].until, none);
  CHANGED(policies[0].anchor, none);
  CHANGED(policies[0].bound, hours(1));
  CHANGED(policies[0].anchored_slos, {});
  CHANGED(policies[0].events.at_least, 1);
  CHANGED(policies[0].events.bad, 1);
  CHANGED(policies[0].action, none);
  CHANGED(policies[0].verify.condition, none);
  CHANGED(policies[0].verify.family, none);
  CHANGED(policies[0].verify.after, hours(1));
  CHANGED(policies[0].verify.within, hours(1));
  CHANGED(policies[0].verify.events.bad, 2);
  CHANGED(policies[0].verify.escalate, none);
  CHANGED(policies[0].verify.message, "x");
  CHANGED(policies[0].limit, 1);
  CHANGED(policies[0].limit_per, hours(1));
  CHANGED(policies[0].cooldown, hours(1));
  CHANGED(policies[0].repeat, 1);
  CHANGED(policies[0].missing_page, none);
  CHANGED(policies[0].mode, Mode::act);
#undef CHANGED
}

TEST(PlanBytes, DigestDoesNotSeeWhereThingsStand) {
  Plan moved = full_plan();
  moved.origins = {{"moved.slo", 100, 1, "burn  >  14.4"}};
  for (Node& node : moved.nodes) node.origin = none;
  moved.slos[0].origin = moved.slos[0].rows[0].origin = 0;
  moved.policies[0].origin = moved.targets[0].origin = moved.targets[0].actions[0].origin = none;
  EXPECT_EQ(digest(moved), digest(full_plan()));
  EXPECT_NE(to_bytes(moved, true), to_bytes(full_plan(), true));
  Plan other = full_plan();
  other.nodes[2].params[0] = 0.0144;
  EXPECT_NE(digest(other), digest(full_plan()));
}

TEST(PlanBytes, EveryPrefixIsMalformed) {
  for (const bool origins : {false, true}) {
    const std::string bytes = to_bytes(full_plan(), origins);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto read = from_bytes(std::string_view(bytes).substr(0, length));
      ASSERT_FALSE(read) << length;
      ASSERT_EQ(read.error().code, ErrorCode::malformed) << length;
    }
    EXPECT_FALSE(from_bytes(bytes + '\0'));
  }
}

TEST(PlanBytes, MutatedBytesAreRefusedOrArePlans) {
  std::mt19937 random(20261123);
  const std::string original = to_bytes(full_plan(), true);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = original;
    for (std::size_t changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
          break;
        case 2:
          bytes.erase(at, 1 + random() % 8);
          break;
        default:
          bytes.insert(at, 1 + random() % 8, static_cast<char>(random()));
          break;
      }
    }
    const auto read = from_bytes(bytes);
    if (!read) continue;
    ++accepted;
    EXPECT_EQ(to_bytes(*read, true), bytes);
    (void)longest_window(*read);
  }
  EXPECT_GT(accepted, 0);
}

TEST(PlanBytes, HostileCountsAllocateNothing) {
  std::string bytes = to_bytes(Plan{}, false);
  // The empty plan ends in the nine counts of its tables.
  bytes.resize(bytes.size() - 9);
  EXPECT_FALSE(from_bytes(bytes + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));
}

TEST(PlanBytes, NewerFormatIsUnsupported) {
  std::string bytes = to_bytes(full_plan(), false);
  bytes[4] = 3;
  ASSERT_FALSE(from_bytes(bytes));
  EXPECT_EQ(from_bytes(bytes).error().code, ErrorCode::unsupported);
  bytes[4] = 0;
  EXPECT_EQ(from_bytes(bytes).error().code, ErrorCode::malformed);
}

TEST(PlanBytes, FormatOneStaysReadable) {
  const std::string bytes = from_hex_file(PLAN_V1_HEX);
  ASSERT_FALSE(bytes.empty());
  const auto read = from_bytes(bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_bytes(*read, true), to_bytes(full_plan_of_format_1(), true));
}

TEST(PlanCheck, FaultsAreRefusedByName) {
  const auto refused = [](const char* what, const std::function<void(Plan&)>& change) {
    Plan p = full_plan();
    change(p);
    const auto read = from_bytes(to_bytes(p, true));
    EXPECT_FALSE(read) << what;
    if (read) return;
    EXPECT_EQ(read.error().code, ErrorCode::malformed) << what;
  };
#define REFUSED(change) refused(#change, [&](Plan& p) { change; })
  const std::size_t more = full_plan_of_format_1().nodes.size();
  REFUSED(p.nodes[more].inputs.clear());
  REFUSED(p.nodes[more + 1].inputs.pop_back());
  REFUSED(p.nodes[more + 3].relabel.from.clear());
  REFUSED(p.nodes[more + 4].subquery.step = {});
  REFUSED(p.nodes[more + 4].subquery.step = milliseconds(1);
          p.nodes[more + 4].subquery.window.length = days(365));
  REFUSED(p.nodes[more + 4].subquery.window.kind = WindowKind::instant);
  REFUSED(p.nodes[more + 5].inputs.pop_back());
  REFUSED(p.leaves[0].window.at = Instant{std::numeric_limits<std::int64_t>::max()});
  REFUSED(p.tick = {});
  REFUSED(p.phase = Duration{std::numeric_limits<std::int64_t>::min()});
  REFUSED(p.leaves[1].window.length = Duration{std::numeric_limits<std::int64_t>::max()});
  REFUSED(p.leaves[1].window.length = seconds(-1));
  REFUSED(p.leaves[2].window.target = 1);
  REFUSED(p.leaves[2].window.target = none);
  REFUSED(p.leaves[0].window.kind = WindowKind::trailing);
  REFUSED(p.leaves[1].window.kind = WindowKind::instant);
  REFUSED(p.shapes[0].code[2].b = 2);
  REFUSED(p.shapes[0].code.clear());
  REFUSED(p.nodes[0].index = 9);
  REFUSED(p.nodes[0].index = none);
  REFUSED(p.nodes[2].index = 1);
  REFUSED(p.nodes[2].inputs[0] = 2);
  REFUSED(p.nodes[2].inputs.pop_back());
  REFUSED(p.nodes[2].params.clear());
  REFUSED(p.nodes[3].inputs.clear());
  // Conditions have no numbers to calculate with.
  for (const std::size_t node :
       {std::size_t{3}, std::size_t{7}, more, more + 1, more + 2, more + 3, more + 4, more + 5})
    for (const Index condition : {2u, 4u})
      if (condition < node) REFUSED(p.nodes[node].inputs[0] = condition);
  REFUSED(p.nodes[3].index = 0);
  REFUSED(p.nodes[4].hold.of = 65);
  REFUSED(p.nodes[5].params.clear());
  REFUSED(p.nodes[6].params[0] = 0);
  REFUSED(p.nodes[6].params[0] = 0.5);
  REFUSED(p.nodes[6].params[1] = std::numeric_limits<double>::quiet_NaN());
  REFUSED(p.nodes[6].params[1] = 1e12);
  REFUSED(p.nodes[0].origin = 2);
  REFUSED(p.readings[0].slo = 1);
  REFUSED(p.slos[0].rows[0].condition = 99);
  REFUSED(p.slos[0].page[0] = none);
  REFUSED(p.slos[0].defer[0].policy = 1);
  REFUSED(p.targets[0].deployed = 99);
  REFUSED(p.policies[0].target = none);
  REFUSED(p.policies[0].when = none);
  REFUSED(p.policies[0].action = 1);
  REFUSED(p.policies[0].anchored_slos[0] = 1);
  REFUSED(p.policies[0].verify.escalate = 1);
  REFUSED(p.policies[0].missing_page = 1);
#undef REFUSED
}

TEST(Node, SameUpToItsOrigin) {
  const Plan p = full_plan();
  Node other = p.nodes[2];
  other.origin = none;
  EXPECT_TRUE(p.nodes[2].same_as(other));
  other.matching.absent = Evidence::no_data;
  EXPECT_FALSE(p.nodes[2].same_as(other));
  Node minus = p.nodes[5], plus = minus;
  plus.params = {0.0};
  EXPECT_FALSE(minus.same_as(plus));
}

TEST(LongestWindow, IsWhatAnyNodeMayAskFor) {
  Plan p = full_plan_of_format_1();
  p.slos.clear();
  // One hour of slices, each of which may look back over everything under the hold: since, for 15 minutes.
  EXPECT_EQ(longest_window(p), hours(1) + minutes(15));
  p.nodes.clear();
  EXPECT_EQ(longest_window(p), hours(1) + minutes(2));
  p.leaves.erase(p.leaves.begin() + 1);
  // `before` a deploy that the policy may still ask about while it verifies.
  EXPECT_EQ(longest_window(p), minutes(30) + minutes(15) + seconds(15) + minutes(2));
  p.leaves.resize(1);
  EXPECT_EQ(longest_window(p), minutes(3) - seconds(30));
  EXPECT_EQ(longest_window(full_plan()), days(30));
}

}  // namespace
}  // namespace signalbox::test
