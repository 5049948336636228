// Time-slice objectives in virtual time: what their rows, their missing data and their idleness come to.
#include <gtest/gtest.h>

#include <string>

#include "compiler/lower/compile.hpp"
#include "runtime/loop/rehearsal.hpp"

namespace signalbox {
namespace {

const std::string header = R"(
tick 1m
source s is scrape { url "http://127.0.0.1:1/metrics"  every 1m  settle 0s }
metric queue is gauge
receiver oncall is log { }
slo waiting {
  indicator slices of 5m where max(queue) > 100
  objective 99% over 7d
  burn      { page 20 over 1h & 10m }
  missing   keep for 10m then page
  page      oncall
}
)";

std::string rehearsed(const std::string& program) {
  lower::Compiled compiled = lower::compile({{"slices.slo", program}}, {});
  if (!compiled.plan) return "does not compile";
  std::string out;
  for (const plan::Rehearsal& rehearsal : compiled.rehearsals)
    for (const loop::RehearsalFailure& failure : loop::run_rehearsal(*compiled.plan, rehearsal).failures)
      out += rehearsal.name + ": " + failure.message + '\n';
  return out;
}

TEST(SlicesSlo, ThreeBadSlicesOfTwelvePageAndTheEndClears) {
  EXPECT_EQ(rehearsed(header + R"(
test "an hour of queues" {
  given  queue value 500 from 2h until 3h
  expect waiting pages between 2h10m and 2h15m
  expect waiting clears between 3h and 3h15m
  expect no waiting missing
  expect no waiting pages after 4h
})"),
            "");
}

TEST(SlicesSlo, LostDataIsMissingThoughTheLongWindowStillKnowsGoodSlices) {
  EXPECT_EQ(rehearsed(header + R"(
test "an exporter that stops" {
  given  queue value 5 gap from 2h until 3h
  expect waiting missing between 2h14m and 2h17m
  expect no waiting pages
})"),
            "");
}

TEST(SlicesSlo, AConditionWithoutTrafficIsIdleAndClears) {
  EXPECT_EQ(rehearsed(R"(
tick 1m
source s is scrape { url "http://127.0.0.1:1/metrics"  every 1m  settle 0s }
receiver oncall is log { }
slo requests {
  indicator bad err_total of req_total
  objective 99% over 7d
}
slo minutes {
  indicator slices of 5m where requests.burn(5m) > 1
  objective 99% over 7d
  burn      { page 20 over 1h & 10m }
  missing   keep for 10m then page
  page      oncall
}
test "customers go home during an outage" {
  given  req_total rate 5/s until 3h
  given  err_total rate 1/s from 2h until 3h
  expect minutes pages between 2h and 2h20m
  expect minutes clears after 3h
  expect no minutes missing before 5h
})"),
            "");
}

TEST(SlicesSlo, AHoldInTheConditionIsRefusedAndNotIgnored) {
  const lower::Compiled compiled = lower::compile({{"slices.slo", R"(
tick 1m
metric queue is gauge
receiver oncall is log { }
slo waiting {
  indicator slices of 5m where max(queue) > 100 for 3 ticks
  objective 99% over 7d
  burn      { page 20 over 1h & 10m }
  page      oncall
}
)"}},
                                                  {});
  EXPECT_FALSE(compiled.plan);
  ASSERT_FALSE(compiled.diagnostics.all().empty());
  EXPECT_NE(compiled.diagnostics.all()[0].message.find("nothing is held there"), std::string::npos);
}

}  // namespace
}  // namespace signalbox
