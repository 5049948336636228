// Signalbox against a real Prometheus 2.42: one fixed set of cases, and one that changes with the commit.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "tests/parity/runner.hpp"
#include "tests/parity/table.hpp"

namespace signalbox::parity {
namespace {

constexpr std::uint64_t fixed_seed = 1, cases = 40'000;

// Of the commit that is checked out; the fixed one's neighbour where there is none.
std::uint64_t seed_of_the_commit() {
  const std::unique_ptr<FILE, int (*)(FILE*)> git(
      ::popen("git -C '" SIGNALBOX_SOURCE_DIR "' rev-parse HEAD 2>/dev/null", "r"), ::pclose);
  char digits[9] = {};
  if (!git || std::fread(digits, 1, 8, git.get()) != 8) return fixed_seed + 1'000'000;
  return std::stoull(digits, nullptr, 16);
}

void expect_no_difference(std::uint64_t seed) {
  std::string error;
  const Tally tally = run_parity(seed, cases, error);
  ASSERT_EQ(error, "");
  for (const std::string& report : tally.reports) ADD_FAILURE() << report;
  std::printf("%s", summary(seed, tally).c_str());
  EXPECT_EQ(tally.mismatches, 0u);
  EXPECT_GE(tally.counted, cases);
}

TEST(ParityTest, FixedCasesHavePrometheusValues) {
  expect_no_difference(fixed_seed);
}

TEST(ParityTest, CasesOfTheCommitHavePrometheusValues) {
  expect_no_difference(seed_of_the_commit());
}

// What the comparison would miss, it would miss always.
TEST(ParityTest, NoticesOneBitAndOtherSemantics) {
  for (const Sabotage sabotage : {Sabotage::last_bit, Sabotage::later_semantics}) {
    std::string error;
    const auto arena = Arena::start(fixed_seed, error, sabotage);
    ASSERT_TRUE(arena) << error;
    Tally tally;
    std::uint64_t noticed = 0;
    for (std::uint64_t number = 0; number < 100; ++number) {
      const std::uint64_t before = tally.mismatches;
      arena->run(number, tally);
      noticed += tally.mismatches > before;
    }
    EXPECT_GE(noticed, 5u);
    ASSERT_FALSE(tally.reports.empty());
    EXPECT_NE(tally.reports.front().find("./dev parity --seed 1 --expression "), std::string::npos);
  }
}

TEST(ParityTest, AWorldFollowsFromItsSeed) {
  for (const Route route : {Route::blocks, Route::remote_write}) {
    const World a = make_world(7, route, 1'700'006'400'000), b = make_world(7, route, 1'700'006'400'000);
    ASSERT_EQ(a.series.size(), b.series.size());
    for (std::size_t i = 0; i < a.series.size(); ++i) {
      EXPECT_EQ(a.series[i].labels, b.series[i].labels);
      EXPECT_EQ(a.series[i].samples.size(), b.series[i].samples.size());
    }
  }
}

TEST(ParityTest, WindowsHaveTheHazardsThatTheyAreNamedFor) {
  Series series;
  series.samples = {{0, 5}, {15'000, 7}, {30'000, 2}, {90'000, -1e200}, {105'000, 0.5}};
  series.refused = {{1, {15'000, 7}}};
  const HazardIndex index(series);
  const auto has = [&](std::int64_t first, std::int64_t last, Hazard hazard) {
    return (index.in(first, last, false) & bit(hazard)) != 0;
  };
  EXPECT_TRUE(has(0, 30'000, Hazard::reset));
  EXPECT_FALSE(has(0, 15'000, Hazard::reset));
  EXPECT_TRUE(has(0, 15'000, Hazard::first_sample));
  EXPECT_FALSE(has(1, 15'000, Hazard::first_sample));
  EXPECT_TRUE(has(0, 15'000, Hazard::duplicate));
  EXPECT_FALSE(has(30'000, 90'000, Hazard::duplicate));
  EXPECT_TRUE(has(15'000, 90'000, Hazard::gap));
  EXPECT_FALSE(has(0, 45'000, Hazard::gap));
  EXPECT_TRUE(has(0, 45'000, Hazard::edge_start));
  EXPECT_TRUE(has(1, 30'000, Hazard::edge_end));
  EXPECT_TRUE(has(0, 46'500, Hazard::border));
  EXPECT_FALSE(has(0, 46'501, Hazard::border));
  EXPECT_TRUE(has(31'000, 89'000, Hazard::empty));
  EXPECT_TRUE(has(90'000, 110'000, Hazard::huge));
  EXPECT_TRUE(has(90'000, 110'000, Hazard::negative));
  EXPECT_TRUE(has(90'000, 110'000, Hazard::fraction));
  EXPECT_TRUE(has(90'000, 110'000, Hazard::ended));
  EXPECT_TRUE(has(1, 15'001, Hazard::few));
  EXPECT_FALSE(has(0, 30'000, Hazard::few));
}

}  // namespace
}  // namespace signalbox::parity
