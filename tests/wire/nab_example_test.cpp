// The example of recorded incidents, over series made here in the benchmark's format: every program of
// examples/nab checks without a word, speaks where its series misbehaves and nowhere else, and replay.sh adds
// that up.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "runtime/base/time.hpp"
#include "tests/wire/process.hpp"

namespace signalbox::wire {
namespace {

const std::string example = EXAMPLE_NAB;

struct Series {
  std::string program, metric;
  double usual, incident;
};
const std::vector<Series> all_series = {
    {"request_latency", "ec2_request_latency_system_failure", 45, 99},
    {"autoscaling_cpu", "cpu_utilization_asg_misconfiguration", 32, 100},
    {"load_balancer", "elb_request_count_8c0756", 60, 1500},
    {"database_cpu", "rds_cpu_utilization_cc0c53", 6, 95},
    {"group_output", "grok_asg_anomaly", 33, 1},
};

// Three days, a value every five minutes; `incident` from noon of the second day for an hour.
std::string csv(const Series& series) {
  const Instant start = *parse_instant("2014-03-07T00:01:00Z"), noon = *parse_instant("2014-03-08T12:00:00Z");
  std::string out = "timestamp,value\n";
  for (Instant at = start; at < start + days(3); at = at + minutes(5)) {
    std::string time = to_rfc3339(at);
    time[10] = ' ';
    time.pop_back();
    const bool inside = noon <= at && at < noon + hours(1);
    out += fmt::format("{},{}\n", time,
                       inside ? series.incident : series.usual + static_cast<double>(at.ms / 300'000 % 5));
  }
  return out;
}

// Data as a checkout of the benchmark has it: folders of series, and the windows beside them.
void write_benchmark(const Folder& folder) {
  std::filesystem::create_directory(folder.path("realKnownCause"));
  std::string windows;
  for (const Series& series : all_series) {
    folder.write("realKnownCause/" + series.metric + ".csv", csv(series));
    windows += fmt::format(
        "{}\"realKnownCause/{}.csv\": [[\"2014-03-08 10:00:00.000000\", \"2014-03-08 15:00:00.000000\"]]",
        windows.empty() ? "" : ", ", series.metric);
  }
  folder.write("windows.json", "{" + windows + "}");
}

TEST(NabExample, EveryProgramChecksWithoutAWord) {
  std::size_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(example)) {
    if (entry.path().extension() != ".slo") continue;
    ++programs;
    const Finished checked = run({SIGNALBOX, "check", "--quiet", entry.path().string()});
    EXPECT_EQ(checked.code, 0) << entry.path();
    EXPECT_EQ(checked.err, "") << entry.path();
    EXPECT_EQ(run({SIGNALBOX, "fmt", "--check", entry.path().string()}).code, 0) << entry.path();
  }
  EXPECT_EQ(programs, all_series.size() + 1);  // and the module that they share
}

TEST(NabExample, AnIncidentPagesAfterThreeBadSlicesAndQuietDaysSayNothing) {
  const Folder folder;
  write_benchmark(folder);
  for (const Series& series : all_series) {
    const Finished converted = run({NAB2OM, folder.path("realKnownCause/" + series.metric + ".csv")});
    ASSERT_EQ(converted.code, 0) << converted.err;
    const std::string recording = folder.write(series.metric + ".om", converted.out);
    const Finished replayed =
        run({SIGNALBOX, "replay", "--json", "--data", recording, example + "/" + series.program + ".slo"});
    ASSERT_EQ(replayed.code, 0) << replayed.err;
    const nlohmann::json told = nlohmann::json::parse(replayed.out);
    std::string first_page;
    for (const nlohmann::json& event : told["events"]) {
      const std::string time = event["time"], kind = event["kind"];
      EXPECT_GE(time, "2014-03-08T12:05:00Z") << series.program << ": " << event;
      EXPECT_LE(time, "2014-03-08T14:00:00Z") << series.program << ": " << event;
      EXPECT_NE(kind, "missing") << series.program << ": " << event;
      if (kind == "page" && first_page.empty()) first_page = time;
    }
    EXPECT_EQ(first_page, "2014-03-08T12:15:00Z") << series.program;
  }
}

TEST(NabExample, TheScriptHoldsWhatWasSaidAgainstTheIncidents) {
  const Folder folder;
  write_benchmark(folder);
  ProcessOptions options;
  options.environment = {{"SIGNALBOX_BUILD", BUILD}};
  const Finished told = run({"bash", example + "/replay.sh", folder.path("")}, options);
  ASSERT_EQ(told.code, 0) << told.err;
  EXPECT_NE(told.out.find("| `request_latency.slo` | 2014-03-08T10:00:00Z | 300 min | ticket of `latency` "
                          "after 125 min | `latency` after 135 min |"),
            std::string::npos)
      << told.out;
  EXPECT_NE(told.out.find("| `group_output.slo` | 2 | 1 | 0 | 1 | 0 | 0 |"), std::string::npos) << told.out;
}

}  // namespace
}  // namespace signalbox::wire
