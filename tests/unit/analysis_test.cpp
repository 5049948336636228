#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "compiler/analysis/chance.hpp"
#include "compiler/analysis/checker.hpp"
#include "compiler/analysis/detection.hpp"
#include "compiler/analysis/report.hpp"
#include "compiler/analysis/words.hpp"
#include "compiler/lower/compile.hpp"

namespace signalbox::analysis {
namespace {

using source::Code;

lower::Compiled compiled(const std::string& text) {
  return lower::compile({{"test.slo", text}}, {});
}

std::string codes(const lower::Compiled& program) {
  std::string out;
  for (const source::Diagnostic& d : program.diagnostics.all())
    out += (out.empty() ? "" : " ") + std::string(source::code_name(d.code));
  return out;
}

// The text that a diagnostic points at.
std::string place(const lower::Compiled& program, Code code) {
  for (const source::Diagnostic& d : program.diagnostics.all())
    if (d.code == code) return std::string(program.sources.text(d.span));
  return "nowhere";
}

const std::string head = R"(tick 5s
source exporter is scrape { url "http://127.0.0.1:8080/metrics" every 5s settle 0s }
metric all_total is counter with (region)
metric bad_total is counter with (region)
metric queue_length is gauge with (region)
receiver oncall is webhook { url "https://pager.example/hook" }
receiver desk is log { }
)";

const std::string target = R"(target web is http {
  version GET "http://127.0.0.1:8080/version"
  deployed metric deployed_seconds
  action rollback is idempotent { POST "http://127.0.0.1:8080/rollback" body { to previous_version } }
  action scale_up is idempotent { POST "http://127.0.0.1:8080/up" }
  action scale_down is idempotent { POST "http://127.0.0.1:8080/down" }
}
)";

std::string slo(const std::string& clauses, const std::string& objective = "99.9% over 30d") {
  return head + "slo shop {\n  indicator bad bad_total of all_total\n  objective " + objective +
         "\n  page oncall ticket desk\n  " + clauses + "\n}\n";
}

struct PolicyText {
  std::string when = "shop.burn(since web.deployed for 15m) > 14.4 for 3 ticks";
  std::string events = "events at least 50 and 5 bad";
  std::string action = "rollback";
  std::string verify = "shop.burn(since done) < 3 for 3 ticks after 15s events at least 1000 within 2m";
  std::string cooldown = "15m";
  std::string name = "fix";
  std::string mode = "act";
  operator std::string() const {
    return "policy " + name + " on web {\n  when " + when + "\n  " + events + "\n  do " + action +
           "\n  verify " + verify + " else page oncall \"still bad\"\n  limit 2 per 1d\n  cooldown " +
           cooldown + "\n  missing page oncall\n  mode " + mode + "\n}\n";
  }
};

std::string with_policy(const PolicyText& policy, const std::string& clauses = "") {
  return slo(clauses) + target + std::string(policy);
}

// ---- Times ----

plan::Slo three_nines() {
  plan::Slo out;
  out.objective = *Rational::make(999, 1000);
  out.period = days(30);
  return out;
}

plan::BurnRow google_page() {
  plan::BurnRow row;
  row.factor = 14.4;
  row.exact_theta = *Rational::make(144, 10000);
  row.theta = row.exact_theta.to_double();
  row.long_window = hours(1);
  row.short_window = minutes(5);
  return row;
}

TEST(Detection, FifteenPercentAtThreeNinesPagesInUnderSixMinutes) {
  const auto at = detected_after(three_nines(), google_page(), 0.15);
  ASSERT_TRUE(at);
  EXPECT_DOUBLE_EQ(at->rounded(), 5.76 * 60);
  const auto clear = cleared_after(three_nines(), google_page(), 0.15);
  ASSERT_TRUE(clear);
  EXPECT_LT(clear->rounded(), 5 * 60);
  EXPECT_DOUBLE_EQ(clear->rounded(), 300 * (1 - 0.0144 / 0.15));
}

TEST(Detection, AFullOutageIsSeenInFiftyTwoSecondsAndHasSpentTwoPercent) {
  const RowTimes times = row_times(three_nines(), google_page());
  EXPECT_DOUBLE_EQ(*times.full_outage, 51.84);
  EXPECT_DOUBLE_EQ(*times.budget_spent, 0.02);
  EXPECT_FALSE(times.ten_budgets);  // a burn of 10 is below 14.4
}

TEST(Detection, TimesAndSharesAreRoundedOnce) {
  plan::BurnRow row = google_page();
  row.exact_theta = *Rational::make(6, 1000);
  row.theta = 0.006;
  row.long_window = hours(6);
  row.short_window = minutes(30);
  EXPECT_EQ(*row_times(three_nines(), row).budget_spent, 0.05);
  EXPECT_EQ(*row_times(three_nines(), row).full_outage, 129.6);
  EXPECT_EQ(*row_times(three_nines(), row).clear, 1789.2);
}

TEST(Detection, AtTheThresholdNothingIsEverDetected) {
  plan::BurnRow row = google_page();
  row.factor = 10;
  row.exact_theta = *Rational::make(1, 100);
  row.theta = 0.01;
  EXPECT_FALSE(row_times(three_nines(), row).ten_budgets);
  EXPECT_FALSE(detected_after(three_nines(), row, row.theta));
}

TEST(Detection, SlicesAreCountedWhole) {
  plan::Slo slo = three_nines();
  slo.objective = *Rational::make(99, 100);
  slo.slices = true;
  slo.slice = minutes(1);
  plan::BurnRow row = google_page();
  row.exact_theta = *Rational::make(5, 100);
  row.theta = 0.05;
  // ⌊0.05 · 60⌋ + 1 = 4 of the hour's slices, ⌊0.05 · 5⌋ + 1 = 1 of the five minutes'.
  EXPECT_DOUBLE_EQ(detected_after(slo, row, 1)->rounded(), 4 * 60);
  EXPECT_DOUBLE_EQ(detected_after(slo, row, 0.5)->rounded(), 8 * 60);
  EXPECT_DOUBLE_EQ(cleared_after(slo, row, 1)->rounded(), 5 * 60);
  EXPECT_FALSE(detected_after(slo, row, 0.05));
}

TEST(Detection, PolicyTimes) {
  const auto program = compiled(with_policy({}));
  ASSERT_TRUE(program.plan) << render_text(program.diagnostics, program.sources);
  const PolicyTimes times = policy_times(Facts(*program.plan), 0);
  ASSERT_TRUE(times.threshold);
  EXPECT_DOUBLE_EQ(*times.threshold, 0.0144);
  EXPECT_EQ(times.least, seconds(20));  // two scrapes, and two ticks more for three
  EXPECT_EQ(times.greatest, minutes(15));
  EXPECT_EQ(times.verified_by, minutes(2));
  EXPECT_FALSE(times.miss);
}

TEST(Detection, ThresholdsOfAndAreTheGreatestOfOrTheLeast) {
  const auto threshold = [](const std::string& when) {
    PolicyText p;
    p.when = when;
    p.cooldown = "1d";
    const auto program = compiled(with_policy(p));
    return program.plan ? policy_times(Facts(*program.plan), 0).threshold.value_or(-1) : -2;
  };
  EXPECT_DOUBLE_EQ(threshold("shop.burn(1h) > 6 and shop.burn(5m) > 14"), 0.014);
  EXPECT_DOUBLE_EQ(threshold("shop.burn(1h) > 6 or shop.burn(5m) > 14"), 0.006);
  EXPECT_DOUBLE_EQ(threshold("not (shop.burn(1h) <= 6 or shop.burn(5m) <= 14)"), 0.014);
  EXPECT_DOUBLE_EQ(threshold("shop.burn(1h) > 6 and max(queue_length) > 14"), 0.006);
  EXPECT_DOUBLE_EQ(threshold("max(queue_length) > 14"), -1);
}

TEST(Detection, AnUnanchoredPolicyIsSlowestJustAboveItsThreshold) {
  PolicyText p;
  p.when = "shop.burn(1h) > 14.4 for 2m";
  p.cooldown = "2h";
  const auto program = compiled(with_policy(p));
  ASSERT_TRUE(program.plan) << render_text(program.diagnostics, program.sources);
  const PolicyTimes times = policy_times(Facts(*program.plan), 0);
  EXPECT_EQ(times.least, seconds(55 + 120));  // 51.84 s up to a tick
  EXPECT_EQ(times.greatest, hours(1) + minutes(2));
}

TEST(Detection, SharedConditionsAreReadOnce) {
  // Each node reads the one before twice: as a tree it has 2^60 leaves.
  plan::Plan plan;
  plan::Shape above, both;
  above.inputs = above.params = 1;
  above.code = {{plan::ShapeOp::input}, {plan::ShapeOp::param}, {plan::ShapeOp::gt, 0, 0, 1}};
  both.inputs = 2;
  both.code = {{plan::ShapeOp::input, 0}, {plan::ShapeOp::input, 1}, {plan::ShapeOp::both, 0, 0, 1}};
  plan.shapes = {above, both};
  plan.leaves.resize(1);
  plan.leaves[0].fn = plan::LeafFn::range;
  plan.leaves[0].window = {plan::WindowKind::trailing, minutes(5), {}, plan::none, {}};
  plan.nodes.resize(2);
  plan.nodes[0].kind = plan::NodeKind::leaf;
  plan.nodes[0].index = 0;
  plan.nodes[1].kind = plan::NodeKind::map;
  plan.nodes[1].index = 0;
  plan.nodes[1].inputs = {0};
  for (plan::Index i = 1; i <= 60; ++i) {
    plan::Node node;
    node.kind = plan::NodeKind::map;
    node.index = 1;
    node.inputs = {i, i};
    plan.nodes.push_back(node);
  }
  EXPECT_EQ(readings_of(Facts(plan), 61).size(), 1u);
  EXPECT_EQ(time_to_clear(Facts(plan), 61), minutes(5));
}

// ---- Chance ----

TEST(Chance, AgreesWithSumsByHand) {
  // 10 coins: at least 8 heads are 56 of 1024 ways.
  EXPECT_NEAR(chance_of_at_least(10, 8, 0.5), 56.0 / 1024, 1e-15);
  EXPECT_NEAR(chance_of_at_most(10, 2, 0.5), 56.0 / 1024, 1e-15);
  EXPECT_NEAR(chance_of_at_least(10, 3, 0.5), 1 - 56.0 / 1024, 1e-15);
  EXPECT_NEAR(chance_of_at_most(1000, 0, 0.0144), std::pow(1 - 0.0144, 1000), 1e-18);
  EXPECT_EQ(chance_of_at_least(10, 0, 0.3), 1);
  EXPECT_EQ(chance_of_at_least(10, 11, 0.3), 0);
  EXPECT_EQ(chance_of_at_most(10, 10, 0.3), 1);
}

TEST(Chance, SmallTailsKeepTheirDigits) {
  // 100 of 100 at one in a thousand: 1e-300, which 1 − … would have lost.
  EXPECT_NEAR(chance_of_at_least(100, 100, 1e-3) / 1e-300, 1, 1e-9);
  const double far = chance_of_at_least(1e9, 1e6 + 1e4, 1e-3);  // ten sigma
  EXPECT_GT(far, 1e-24);
  EXPECT_LT(far, 1e-22);
  for (const double k : {900.0, 1000.0, 1100.0})
    EXPECT_NEAR(chance_of_at_least(1e6, k, 1e-3) + chance_of_at_most(1e6, k - 1, 1e-3), 1, 1e-9);
}

// ---- Words ----

TEST(Words, TimesAreRoundedForPeople) {
  EXPECT_EQ(people_time(0.84), "840ms");
  EXPECT_EQ(people_time(5.76), "5.8s");
  EXPECT_EQ(people_time(51.84), "52s");
  EXPECT_EQ(people_time(59.7), "1m");
  EXPECT_EQ(people_time(345.6), "5m46s");
  EXPECT_EQ(people_time(3599.8), "1h");
  EXPECT_EQ(people_time(7 * 3600 + 12 * 60), "7h12m");
  EXPECT_EQ(people_time(54 * 3600), "2d6h");
  EXPECT_EQ(people_time(86399), "1d");
  EXPECT_EQ(percent(0.02), "2%");
  EXPECT_EQ(percent(0.1389), "13.9%");
  EXPECT_EQ(rounded(2592.2), "2592");
  EXPECT_EQ(chance_words(0.02), "2%");
  EXPECT_EQ(chance_words(4e-5), "one in 25000");
  EXPECT_EQ(chance_words(7.12e-8), "one in 14000000");
  EXPECT_EQ(chance_words(0), "under one in a billion");
}

TEST(Words, ActionsThatUndoEachOther) {
  EXPECT_TRUE(opposite_names("scale_up", "scale_down"));
  EXPECT_TRUE(opposite_names("stop", "start"));
  EXPECT_TRUE(opposite_names("start_eu", "stop_eu"));
  EXPECT_TRUE(opposite_names("roll_back", "promote"));
  EXPECT_FALSE(opposite_names("start_eu", "stop_us"));
  EXPECT_FALSE(opposite_names("scale_up", "scale_up"));
  EXPECT_FALSE(opposite_names("rollback", "restart"));
}

// ---- Diagnostics ----

struct Case {
  const char* name;
  std::string text, codes;
  Code code;
  std::string place;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class Checks : public testing::TestWithParam<Case> {};

TEST_P(Checks, SaysTheCauseOnceAndWhereItIs) {
  const auto program = compiled(GetParam().text);
  EXPECT_EQ(codes(program), GetParam().codes) << render_text(program.diagnostics, program.sources);
  EXPECT_EQ(program.plan.has_value(), !program.diagnostics.has_errors());
  if (GetParam().codes.empty()) return;
  EXPECT_EQ(place(program, GetParam().code), GetParam().place);
  for (const source::Diagnostic& d : program.diagnostics.all()) EXPECT_FALSE(d.hint.empty());
}

Case policy(const char* name, const PolicyText& p, const std::string& expected = "", Code code = Code::syntax,
            const std::string& where = "", const std::string& clauses = "") {
  return {name, with_policy(p, clauses), expected, code, where};
}

std::vector<Case> cases() {
  std::vector<Case> out = {
      {"sound", slo("burn { page 14.4 over 1h & 5m }"), "", Code::syntax, ""},
      {"theta_one", slo("burn { page 100 over 1h & 5m }", "99% over 30d"), "row-cannot-fire",
       Code::row_cannot_fire, "page 100 over 1h & 5m"},
      {"theta_above_one_says_nothing_else", slo("burn { page 200 over 1s & 5m }", "99% over 30d"),
       "row-cannot-fire", Code::row_cannot_fire, "page 200 over 1s & 5m"},
      {"just_below_one", slo("burn { page 99.9 over 1h & 5m }", "99% over 30d"), "", Code::syntax, ""},
      {"equal_windows", slo("burn { page 14.4 over 1h & 1h }"), "windows-out-of-order",
       Code::windows_out_of_order, "page 14.4 over 1h & 1h"},
      {"long_beyond_period", slo("burn { page 2 over 8d & 1h }", "99.9% over 7d"), "window-exceeds-period",
       Code::window_exceeds_period, "page 2 over 8d & 1h"},
      {"short_under_two_scrapes", slo("burn { page 14.4 over 1h & 9s }"), "window-too-short",
       Code::window_too_short, "page 14.4 over 1h & 9s"},
      {"short_of_two_scrapes", slo("burn { page 14.4 over 1h & 10s }"), "", Code::syntax, ""},
      {"low_factor", slo("burn { ticket 0.933 over 3d & 6h }"), "factor-below-one", Code::factor_below_one,
       "ticket 0.933 over 3d & 6h"},
      {"little_traffic", slo("burn { page 14.4 over 1h & 5m } traffic 1/h"), "budget-below-event",
       Code::budget_below_event, "traffic 1/h"},
      {"enough_traffic", slo("burn { page 14.4 over 1h & 5m } traffic 2/h"), "", Code::syntax, ""},
      {"budget_of_a_tick", slo("burn { page 14.4 over 1h & 5m }", "99.9999% over 30d"), "budget-within-tick",
       Code::budget_within_tick, "objective 99.9999% over 30d"},
      {"few_slices",
       head + "slo busy {\n indicator slices of 1h where max(queue_length) > 5\n objective 99.9% over 30d\n "
              "page oncall desk\n}\n",
       "budget-below-event", Code::budget_below_event, "objective 99.9% over 30d"},
      {"tickets_to_log",
       slo("burn { ticket 3 over 1d & 2h }") + "slo two {\n indicator bad bad_total of all_total\n objective "
                                               "99.9% over 30d\n burn { ticket 3 over 1d & 2h "
                                               "}\n}\n",
       "ticket-to-log", Code::ticket_to_log, "burn { ticket 3 over 1d & 2h }"},
      {"all_tickets_to_log",
       head + "slo two {\n indicator bad bad_total of all_total\n objective 99.9% over 30d\n burn { ticket 3 "
              "over 1d & 2h }\n page oncall desk\n}\n",
       "", Code::syntax, ""},
      {"table_of_the_library", "use std.burn\n" + slo("burn std.burn.google", "90% over 30d"),
       "row-cannot-fire", Code::row_cannot_fire, "burn std.burn.google"},
      {"no_source",
       "metric a_total is counter\nslo s { indicator bad a_total{x=\"y\"} of a_total objective 99% over 30d "
       "}",
       "no-source", Code::no_source, "s"},
      {"slow_source",
       "tick 1m source s is scrape { url \"http://h/m\" every 6m }\nmetric a_total is counter\nslo s1 { "
       "indicator bad a_total{x=\"y\"} of a_total "
       "objective 99% over 30d }",
       "data-too-old", Code::data_too_old, "source s is scrape { url \"http://h/m\" every 6m }"},
  };
  PolicyText p;
  out.push_back(policy("sound_policy", p));
  p.when = "shop.burn(since web.deployed for 15m) > 1000 for 3 ticks";
  out.push_back(policy("burn_of_a_thousand", p, "row-cannot-fire", Code::row_cannot_fire,
                       "shop.burn(since web.deployed for 15m) > 1000"));
  p.when = "shop.burn(since web.deployed for 15s) > 14.4 for 3 ticks";
  out.push_back(policy("no_time_to_decide", p, "row-cannot-fire", Code::row_cannot_fire, "when " + p.when));
  p.when = "shop.burn(since web.deployed for 9s) > 14.4";
  out.push_back(policy("short_since", p, "window-too-short", Code::window_too_short, p.when));
  p.events = "";
  p.when = "shop.burn(9s) > 14.4";
  out.push_back(policy("short_trailing", p, "window-too-short", Code::window_too_short, p.when));
  p.when = "sum(rate(all_total[9s])) > 14.4";
  out.push_back(policy("short_rate", p, "window-too-short", Code::window_too_short, "rate(all_total[9s])"));
  p.when = "shop.burn(1h) > 14.4 and shop.burn(5m) > 14.4";
  p.cooldown = "6m";
  out.push_back(policy("cooldown_under_the_least_of_and", p, "cooldown-too-short", Code::cooldown_too_short,
                       "cooldown 6m"));
  p.cooldown = "7m";
  out.push_back(policy("cooldown_of_the_least_of_and", p));
  p.when = "shop.burn(1h) > 14.4 or shop.burn(5m) > 14.4";
  out.push_back(policy("cooldown_under_the_greatest_of_or", p, "cooldown-too-short", Code::cooldown_too_short,
                       "cooldown 7m"));
  p.when = "max(queue_length) > 5 and not (shop.burn(5m) <= 14)";
  out.push_back(policy("levels_do_not_clear", p));
  p = {};
  p.cooldown = "1m";
  out.push_back(
      policy("cooldown_under_the_verify", p, "cooldown-too-short", Code::cooldown_too_short, "cooldown 1m"));
  p = {};
  p.events = "events at least 50";
  out.push_back(policy("few_events", p, "events-too-few", Code::events_too_few, "events at least 50"));
  p.events = "events at least 70";
  out.push_back(policy("enough_events", p));
  p = {};
  p.verify = "shop.burn(since done) < 3 for 3 ticks after 15s events at least 300 within 2m";
  out.push_back({"few_events_to_verify", with_policy(p), "events-too-few", Code::events_too_few,
                 "verify " + p.verify + " else page oncall \"still bad\""});
  p.verify = "shop.burn(5m) < 3 for 3 ticks after 15s within 2m";
  out.push_back(policy("verify_reads_the_past", p, "verify-cannot-clear", Code::verify_cannot_clear,
                       "shop.burn(5m) < 3"));
  p.verify = "shop.burn(2m) < 3 for 3 ticks after 15s within 2m";
  out.push_back(policy("verify_reads_what_is_clean", p));
  p.verify = "shop.burn(since done) < 3 for 3 ticks after 15s events at least 1000 within 30s";
  out.push_back({"no_time_to_verify", with_policy(p), "verify-cannot-clear", Code::verify_cannot_clear,
                 "verify " + p.verify + " else page oncall \"still bad\""});
  p = {};
  p.when = "shop.burn(since web.deployed for 15m) > 14.4 and shop.burn(1m before web.deployed) < 2";
  out.push_back(policy("before_by_chance", p, "before-by-chance", Code::before_by_chance,
                       "shop.burn(1m before web.deployed) < 2", "traffic 100/s"));
  p.when = "shop.burn(since web.deployed for 15m) > 14.4 and shop.burn(30m before web.deployed) < 2";
  out.push_back(policy("before_not_by_chance", p, "", Code::syntax, "", "traffic 100/s"));
  p = {};
  p.when = "shop.burn(since web.deployed for 15m) > 14.4 and max(deployed_seconds) > 1s";
  out.push_back(policy("own_deploys", p, "self-triggering", Code::self_triggering, "when " + p.when));
  p = {};
  PolicyText up = p, down = p;
  up.name = "more";
  up.action = "scale_up";
  down.name = "less";
  down.action = "scale_down";
  out.push_back(
      {"opposed", with_policy(up) + std::string(down), "opposing-policies", Code::opposing_policies, "less"});
  down.mode = "observe";
  out.push_back({"opposed_in_thought", with_policy(up) + std::string(down), "", Code::syntax, ""});
  out.push_back(policy("short_deferral", p, "defer-too-short", Code::defer_too_short,
                       "defer page while fix acts at most 2m",
                       "burn { page 14.4 over 1h & 5m } defer page while fix acts at most 2m"));
  out.push_back(policy("deferral", p, "", Code::syntax, "",
                       "burn { page 14.4 over 1h & 5m } defer page while fix acts at most 2m25s"));
  return out;
}
INSTANTIATE_TEST_SUITE_P(Programs, Checks, testing::ValuesIn(cases()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Report, OfNothingIsEmpty) {
  const auto program = compiled("");
  ASSERT_TRUE(program.plan);
  EXPECT_EQ(codes(program), "");
  EXPECT_EQ(burn_table(*program.plan), "");
  EXPECT_TRUE(burn_table_json(*program.plan)["slos"].empty());
}

TEST(Report, EndlessTrafficIsStillAnswered) {
  const auto program = compiled(with_policy({}, "traffic 1_000_000_000_000_000/s"));
  ASSERT_TRUE(program.plan) << render_text(program.diagnostics, program.sources);
  const PolicyTimes times = policy_times(Facts(*program.plan), 0);
  EXPECT_EQ(times.verify_events, most_events);
  EXPECT_EQ(times.miss.value_or(1), 0);
}

// ---- The tour ----

lower::Compiled tour() {
  std::ifstream in(TOUR_PATH);
  std::ostringstream text;
  text << in.rdbuf();
  return compiled(text.str());
}

TEST(Tour, IsInOrder) {
  const auto program = tour();
  EXPECT_EQ(codes(program), "") << render_text(program.diagnostics, program.sources);
  ASSERT_TRUE(program.plan);
  const std::string table = burn_table(*program.plan);
  for (const char* part :
       {"checkout_availability: 99.9% over 30d, a budget of 0.1%", "> 0.0144", "52s", "> 0.1344",
        "tickets go to the log", "roll_back_checkout on checkout",
        "an error ratio above 0.0144 (checkout_availability)", "20s when everything fails"})
    EXPECT_NE(table.find(part), std::string::npos) << part << "\n" << table;
  const auto json = burn_table_json(*program.plan);
  EXPECT_EQ(json["slos"][0]["rows"][0]["error_ratio"], 0.0144);
  EXPECT_EQ(json["slos"][0]["rows"][0]["detect_full_outage_seconds"], 51.84);
  EXPECT_EQ(json["slos"][0]["rows"].size(), 4u);
  EXPECT_TRUE(json["policies"][0]["chance_of_miss"].is_null());
}

TEST(Tour, ChancesAreGivenAtDeclaredTraffic) {
  const auto program = compiled(with_policy({}, "traffic 100/s"));
  ASSERT_TRUE(program.plan) << render_text(program.diagnostics, program.sources);
  const PolicyTimes times = policy_times(Facts(*program.plan), 0);
  EXPECT_EQ(times.verify_events, 10500);
  ASSERT_TRUE(times.miss && times.false_pass);
  EXPECT_GT(*times.miss, 0);
  EXPECT_LT(*times.miss, 1e-5);
  EXPECT_GT(*times.false_pass, 0);
  EXPECT_LT(*times.false_pass, 1e-20);
  EXPECT_NE(burn_table(*program.plan).find("one look"), std::string::npos);
}

}  // namespace
}  // namespace signalbox::analysis
