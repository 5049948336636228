// `signalbox generate` as scripts see it, and its data read by `signalbox eval` and `replay`.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "tests/wire/process.hpp"

namespace signalbox::wire {
namespace {

using nlohmann::json;

Finished signalbox(std::vector<std::string> words) {
  words.insert(words.begin(), SIGNALBOX);
  return run(words);
}
Finished generate(std::vector<std::string> more) {
  more.insert(more.begin(), "generate");
  return signalbox(std::move(more));
}

TEST(GenerateCli, IsReadByEvalWhichSeesTheIncidents) {
  const Folder folder;
  const std::string data = folder.path("trace.om"), truth = folder.path("truth.json");
  const Finished made =
      generate({"--seed", "3", "--duration", "6h", "--every", "30s", "--services", "2", "--errors", "0.1%",
                "--incidents", "outage", "--out", data, "--truth", truth});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out + made.err, "");
  const json told = json::parse(read_file(truth), nullptr, false);
  ASSERT_EQ(told["incidents"].size(), 2u) << told.dump();
  for (const json& incident : told["incidents"]) {
    const std::string service = incident["labels"]["service"];
    const std::string ratio = fmt::format(
        "sum(rate(http_requests_total{{service=\"{0}\",code=\"500\"}}[5m])) / "
        "sum(rate(http_requests_total{{service=\"{0}\"}}[5m]))",
        service);
    const auto value = [&](const std::string& at) {
      const Finished asked = signalbox({"eval", ratio, "--data", data, "--at", at, "--json"});
      EXPECT_EQ(asked.code, 0) << asked.err;
      const json answer = json::parse(asked.out, nullptr, false);
      return std::stod(answer["data"]["result"][0]["value"][1].get<std::string>());
    };
    EXPECT_NEAR(value(incident["to"]), incident["error_ratio"].get<double>(), 0.05);
    EXPECT_LT(value(incident["from"]), 0.005);
  }
}

TEST(GenerateCli, GoesToStandardOutputAndIsTheSameThere) {
  const Folder folder;
  const std::string file = folder.path("trace.om");
  const Finished piped = generate({"--seed", "3", "--duration", "1h", "--incidents", "none"});
  ASSERT_EQ(piped.code, 0) << piped.err;
  ASSERT_EQ(generate({"--seed", "3", "--duration", "1h", "--incidents", "none", "--out", file}).code, 0);
  EXPECT_EQ(piped.out, read_file(file));
  EXPECT_TRUE(piped.out.ends_with("\n# EOF\n"));
}

// Whoever finds the name finds all of it: an interrupted trace leaves what was there before, and a truth that
// is of another trace is not put beside it.
TEST(GenerateCli, AnInterruptedTraceLeavesTheFilesAsTheyWere) {
  for (const int number : {SIGTERM, SIGINT}) {
    const Folder folder;
    const std::string file = folder.write("trace.om", "as it was\n");
    const std::string truth = folder.write("truth.json", "as it was\n");
    Process made({SIGNALBOX, "generate", "--seed", "3", "--duration", "10d", "--services", "20", "--every",
                  "5s", "--out", file, "--truth", truth});
    const auto begun = [&] {
      std::error_code none;
      return std::filesystem::file_size(file + ".part", none) > 0 && !none;
    };
    ASSERT_TRUE(eventually(begun)) << made.err();
    made.signal(number);
    const auto code = made.wait(std::chrono::seconds(30));
    ASSERT_TRUE(code);
    EXPECT_EQ(read_file(file) + read_file(truth), "as it was\nas it was\n");
    if (number != SIGINT) continue;
    EXPECT_EQ(*code, 130);
    EXPECT_NE(made.err().find("no file is written"), std::string::npos) << made.err();
    EXPECT_EQ(read_file(file + ".part") + read_file(truth + ".part"), "");
  }
}

TEST(GenerateCli, ALinkStaysALink) {
  const Folder folder;
  const std::string file = folder.write("trace.om", "as it was\n"), link = folder.path("link.om");
  std::filesystem::create_symlink("trace.om", link);
  ASSERT_EQ(generate({"--seed", "3", "--duration", "1h", "--out", link}).code, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_TRUE(read_file(file).ends_with("# EOF\n"));
}

TEST(GenerateCli, WhatIsWrittenHasItsNameWhenItIsWhole) {
  const Folder folder;
  const std::string file = folder.path("trace.om"), truth = folder.path("truth.json");
  ASSERT_EQ(generate({"--seed", "3", "--duration", "1h", "--out", file, "--truth", truth}).code, 0);
  EXPECT_TRUE(read_file(file).ends_with("# EOF\n"));
  EXPECT_EQ(read_file(file + ".part") + read_file(truth + ".part"), "");
  // A pipe and a device keep their names.
  EXPECT_EQ(generate({"--seed", "3", "--duration", "1h", "--out", "/dev/null"}).code, 0);
}

TEST(GenerateCli, SaysWhatHasNoRoom) {
  const Finished made = generate({"--seed", "3", "--duration", "10m", "--incidents", "flapping,deploy"});
  EXPECT_EQ(made.code, 0);
  EXPECT_NE(made.err.find("no room for flapping:"), std::string::npos) << made.err;
  EXPECT_NE(made.err.find("help: "), std::string::npos) << made.err;
}

TEST(GenerateCli, RefusesWithOneMessageAndAWayOut) {
  const Folder folder;
  const std::string same = folder.path("same");
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"--seed", "-1"},
      {"--seed", "18446744073709551616"},
      {"--seed", "1", "--duration", "5min"},
      {"--seed", "1", "--errors", "101%"},
      {"--seed", "1", "--services", "-1"},
      {"--seed", "1", "--incidents", "outage,fire"},
      {"--seed", "1", "--metrics", "cpu"},
      {"--seed", "1", "--every", "50ms"},
      {"--seed", "1", "--rate", "1e300"},
      {"--seed", "1", "--out", same, "--truth", folder.path("./same")},
      {"--seed", "1", "--out", folder.path("nowhere/trace.om")},
  };
  for (const auto& words : wrong) {
    const Finished refused = generate(words);
    EXPECT_EQ(refused.code, 2) << fmt::format("{}", words.empty() ? "" : words.back());
    EXPECT_EQ(refused.out, "");
    EXPECT_NE(refused.err, "");
  }
}

TEST(GenerateCli, AFullDiskIsAnError) {
  const Finished full = generate({"--seed", "1", "--out", "/dev/full"});
  EXPECT_EQ(full.code, 2);
  EXPECT_NE(full.err.find("/dev/full: "), std::string::npos) << full.err;
  EXPECT_EQ(generate({"--seed", "1", "--truth", "/dev/full", "--duration", "1m"}).code, 2);
  ProcessOptions piped;
  piped.output = "/dev/full";
  const Finished said = run({SIGNALBOX, "generate", "--seed", "1"}, piped);
  EXPECT_EQ(said.code, 2);
  EXPECT_EQ(said.err, "signalbox: the output could not be written\n");
}

}  // namespace
}  // namespace signalbox::wire
