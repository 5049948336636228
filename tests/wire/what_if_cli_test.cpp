// `replay --what-if`, `replay --truth` and `tune` as scripts see them.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <thread>

#include "tests/wire/process.hpp"

namespace signalbox::wire {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

Finished signalbox(Words words, const ProcessOptions& options = {}) {
  words.insert(words.begin(), SIGNALBOX);
  return run(words, options);
}
Words joined(Words first, const Words& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}
json parsed(const Finished& finished) {
  EXPECT_EQ(finished.code, 0) << finished.err;
  json out = json::parse(finished.out, nullptr, false);
  EXPECT_TRUE(out.is_object()) << finished.out;
  return out;
}

const std::string program = R"(tick 30s
param scale is number default 10
metric http_requests_total is counter with (service, code)
receiver oncall is log {}
slo availability per (service) max 9 {
  indicator bad http_requests_total{code="500"} of http_requests_total
  objective 99.9% over 30d
  burn      { page 14.4 over 1h & 5m  ticket scale over 30m & 3m }
  page      oncall
  ticket    oncall
}
target gateway is http { action shed is idempotent { POST "http://127.0.0.1:8080/shed" body { } } }
policy shed on gateway per (service) max 9 {
  when     availability.burn(5m) > 100 for 3 ticks
  until    availability.burn(5m) < 10 for 4 ticks
  do       shed
  verify   availability.burn(since done) < 10 after 1m events at least 1000 within 10m else page oncall "no help"
  limit    9 per 1d
  cooldown 30m
  missing  do nothing
}
)";
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// A generated day of two services, once for all tests.
class WhatIf : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new Folder;
    const Finished made = signalbox({"generate", "--seed", "5", "--duration", "12h", "--every", "30s",
                                     "--services", "2", "--incidents", "outage,flapping,deploy", "--metrics",
                                     "requests", "--out", path("trace.om"), "--truth", path("truth.json")});
    ASSERT_EQ(made.code, 0) << made.err;
    folder_->write("program.slo", program);
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string path(const std::string& name) { return folder_->path(name); }
  static std::string write(const std::string& name, const std::string& text) {
    return folder_->write(name, text);
  }
  static Words replay(const Words& more) {
    return joined({"replay", path("program.slo"), "--data", path("trace.om")}, more);
  }
  static Words tune(const Words& more) {
    return joined({"tune", path("program.slo"), "--data", path("trace.om"), "--truth", path("truth.json")},
                  more);
  }

 private:
  static Folder* folder_;
};
Folder* WhatIf::folder_ = nullptr;

// A recording of requests alone, of two services.
std::string requests(int samples) {
  std::string text = "# TYPE http_requests counter\n";
  for (const char* service : {"a", "b"})
    for (int i = 0; i < samples; ++i)
      text += fmt::format("http_requests_total{{service=\"{}\",code=\"200\"}} {} {}\n", service, 100 * i,
                          1'700'000'040 + 30 * i);
  return text + "# EOF\n";
}

TEST(ReplayCli, SaysWhatNothingEverMatched) {
  const Folder folder;
  const std::string rules = folder.write("p.slo", program), data = folder.write("m.om", requests(300));
  const Finished no_errors = signalbox({"replay", rules, "--data", data});
  EXPECT_EQ(no_errors.code, 0) << no_errors.err;
  EXPECT_NE((no_errors.out + no_errors.err)
                .find("availability: nothing ever matched http_requests_total{code=\"500\"}"),
            std::string::npos)
      << no_errors.out << no_errors.err;
  const std::string other =
      folder.write("q.slo", replaced(replaced(program, "of http_requests_total", "of requests_total"),
                                     "metric http_requests_total is counter with (service, code)",
                                     "metric http_requests_total is counter with (service, code)\n"
                                     "metric requests_total is counter with (service, code)"));
  const Finished nothing = signalbox({"replay", other, "--data", data});
  EXPECT_NE((nothing.out + nothing.err).find("availability: nothing ever matched requests_total"),
            std::string::npos)
      << nothing.out << nothing.err;
}

TEST(ReplayCli, HiddenFilesOfAFolderAreNoRecordings) {
  const Folder folder;
  const std::string rules = folder.write("p.slo", program);
  ASSERT_EQ(::mkdir(folder.path("data").c_str(), 0755), 0);
  folder.write("data/m.om", requests(300));
  const Finished before = signalbox({"replay", rules, "--data", folder.path("data"), "--json"});
  folder.write("data/.m.om.swp", "\x01\x02 no recording\n");
  const Finished after = signalbox({"replay", rules, "--data", folder.path("data"), "--json"});
  EXPECT_EQ(after.code, 0) << after.err;
  EXPECT_EQ(after.out, before.out);
}

TEST_F(WhatIf, AVariantIsTheReplayOfTheEditedText) {
  const struct {
    const char *what_if, *from, *to;
  } variants[] = {{"objective=99.95%", "99.9%", "99.95%"},
                  {"burn.fast=20", "scale over 30m", "20 over 30m"},
                  {"shed.for=9 ticks", "for 3 ticks", "for 9 ticks"},
                  {"param scale=2", "default 10", "default 2"},
                  {"availability.burn.page=4% , when=50", "14.4 over", "4% in"}};
  Words words = replay({"--json"});
  for (const auto& v : variants) words = joined(words, {"--what-if", v.what_if});
  const json all = parsed(signalbox(words));
  ASSERT_EQ(all["variants"].size(), 6u);
  EXPECT_TRUE(all["variants"][0]["what_if"].is_null());
  std::set<std::string> different = {all["variants"][0]["events"].dump()};
  std::string last = replaced(program, "> 100", "> 50");
  for (std::size_t i = 0; i < 5; ++i) {
    const auto& v = variants[i];
    const std::string edited = write("edited.slo", replaced(i == 4 ? last : program, v.from, v.to));
    const json by_hand = parsed(signalbox({"replay", edited, "--data", path("trace.om"), "--json"}));
    const json& variant = all["variants"][i + 1];
    EXPECT_EQ(variant["what_if"], v.what_if);
    EXPECT_TRUE(variant["events"] == by_hand["events"]) << v.what_if;
    EXPECT_EQ(variant["slos"], by_hand["slos"]) << v.what_if;
    EXPECT_GT(variant["events"].size(), 0u);
    different.insert(variant["events"].dump());
  }
  EXPECT_EQ(different.size(), 6u) << "each of them changes something";
  const json plain = parsed(signalbox(replay({"--json"})));
  EXPECT_EQ(all["variants"][0]["events"], plain["events"]);
  EXPECT_FALSE(plain.contains("told"));
  EXPECT_FALSE(plain.contains("score"));
}

TEST_F(WhatIf, TheTableHasAColumnForEach) {
  const Finished shown = signalbox(
      replay({"--what-if", "objective=99.95%", "--what-if", "for=9 ticks", "--truth", path("truth.json")}));
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_NE(shown.out.find("[1] objective=99.95%\n[2] for=9 ticks\n"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("as written"), std::string::npos);
  for (const char* row : {"\npages", "\ntickets", "\nactions", "\nfound", "\nmissed", "\nfalse alarms",
                          "\ndelay, median", "\nbudget left, availability, the least", "\nincident "})
    EXPECT_NE(shown.out.find(row), std::string::npos) << row << "\n" << shown.out;
  EXPECT_NE(shown.err.find("3 programs"), std::string::npos) << shown.err;
  // Without labelled incidents there are no such columns.
  const Finished bare = signalbox(replay({"--what-if", "objective=99.95%"}));
  for (const char* row : {"false alarms", "missed", "delay", "incident"})
    EXPECT_EQ(bare.out.find(row), std::string::npos) << row << "\n" << bare.out;
}

TEST_F(WhatIf, OutagesThatWereMadeUpAreAllFound) {
  const json answer = parsed(signalbox(replay({"--truth", path("truth.json"), "--json"})));
  const json& score = answer["score"];
  ASSERT_EQ(score["findings"].size(), 4u) << score.dump();
  for (const json& finding : score["findings"]) {
    EXPECT_EQ(finding["outcome"], "found") << finding.dump();
    EXPECT_GT(finding["delay_seconds"].get<double>(), 0);
    // A row needs 14.4 times what is allowed in five minutes: with a fifth failing, minutes are enough.
    EXPECT_LT(finding["delay_seconds"].get<double>(), 600) << finding.dump();
  }
  EXPECT_EQ(score["false_alarms"], 0);
  EXPECT_EQ(answer["told"]["pages"].get<int>() > 0, true);
}

TEST_F(WhatIf, ChangesThatAreNoneAreRefusedBeforeAnythingIsRead) {
  const auto refused = [&](const Words& more) {
    const Finished f = signalbox(joined({"replay", path("program.slo"), "--data", path("nowhere.om")}, more));
    EXPECT_EQ(f.code, 2) << f.err;
    EXPECT_EQ(f.out, "");
    EXPECT_EQ(f.err.find("nowhere.om"), std::string::npos) << f.err;
    return f.err;
  };
  const std::string unknown = refused({"--what-if", "objektive=99%"});
  EXPECT_NE(unknown.find("did you mean `objective`?"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("availability.burn.1 (page 14.4 over 1h & 5m)"), std::string::npos) << unknown;
  EXPECT_NE(refused({"--what-if", "objective=much"}).find("`much` is not a number"), std::string::npos);
  EXPECT_NE(refused({"--what-if", "objective=100%"}).find("objective-out-of-range"), std::string::npos);
  EXPECT_NE(refused({"--what-if", "param nothing=3"}).find("no such parameter"), std::string::npos);
  EXPECT_NE(refused({"--what-if", "shed.cooldown=1m"}).find("cooldown-too-short"), std::string::npos);
  EXPECT_NE(refused({"--what-if", ""}).find("a change is KEY=VALUE"), std::string::npos);
  EXPECT_NE(refused({"--what-if", std::string(100'000, 'x')}).find("more than 1000 bytes"),
            std::string::npos);
  Words many;
  for (int i = 0; i < 17; ++i) many = joined(many, {"--what-if", "objective=99%"});
  EXPECT_NE(refused(many).find("more than 16"), std::string::npos);
  // The good one beside a bad one does not run either.
  EXPECT_NE(refused({"--what-if", "objective=99%", "--what-if", "for=0 ticks"}).find("for=0 ticks"),
            std::string::npos);
}

TEST_F(WhatIf, ATruthThatCannotBeReadIsSaid) {
  const auto refused = [&](const Words& more) {
    const Finished f = signalbox(replay(more));
    EXPECT_EQ(f.code, 2) << f.err;
    EXPECT_EQ(f.out, "");
    return f.err;
  };
  EXPECT_NE(refused({"--truth", path("none.json")}).find("none.json"), std::string::npos);
  const std::string cut = read_file(path("truth.json")).substr(0, 300);
  EXPECT_NE(refused({"--truth", write("cut.json", cut)}).find("this is not JSON"), std::string::npos);
  EXPECT_NE(refused({"--truth", write("list.json", "[]")}).find("list.json: this is not an object"),
            std::string::npos);
  EXPECT_NE(refused({"--truth", write("huge.json", std::string(40u << 20, ' '))}).find("more than"),
            std::string::npos);
  EXPECT_NE(
      refused({"--truth", path("truth.json"), "--truth-where", "service=nobody"}).find("none has service"),
      std::string::npos);
  EXPECT_NE(refused({"--grace", "5m"}).find("add --truth FILE"), std::string::npos);
  EXPECT_NE(refused({"--truth", path("truth.json"), "--grace", "soon"}).find("'soon' is not a duration"),
            std::string::npos);
}

TEST_F(WhatIf, OnlyIncidentsWithTheLabelAreJudged) {
  const json one = parsed(
      signalbox(replay({"--truth", path("truth.json"), "--truth-where", "service=service-0001", "--json"})));
  EXPECT_EQ(one["score"]["findings"].size(), 2u) << one["score"].dump();
  EXPECT_GT(one["score"]["false_alarms"], 0) << "the other service's alarms agree with nothing";
}

TEST_F(WhatIf, TuneScoresAsReplayDoes) {
  const json tuned = parsed(signalbox(
      tune({"--vary", "burn=0.5x|2x", "--vary", "for=2 ticks|9 ticks", "--json", "--svg", path("t.svg")})));
  const json& candidates = tuned["candidates"];
  ASSERT_EQ(candidates.size(), 5u);
  EXPECT_EQ(candidates[2]["candidate"], "burn=0.5x,for=9 ticks");
  EXPECT_EQ(candidates[3]["candidate"], "burn=2x,for=2 ticks");
  Words words = replay({"--truth", path("truth.json"), "--json"});
  for (std::size_t i = 1; i < 5; ++i)
    words = joined(words, {"--what-if", candidates[i]["candidate"].get<std::string>()});
  const json replayed = parsed(signalbox(words));
  std::size_t on_front = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    json score = replayed["variants"][i]["score"];
    score.erase("findings");
    EXPECT_EQ(candidates[i]["score"], score) << i;
    EXPECT_EQ(candidates[i]["told"], replayed["variants"][i]["told"]) << i;
    on_front += candidates[i]["front"].get<bool>() ? 1 : 0;
  }
  EXPECT_GT(on_front, 0u);
  const std::string svg = read_file(path("t.svg"));
  EXPECT_TRUE(svg.starts_with("<svg ")) << svg.substr(0, 100);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  for (const char* part :
       {"false alarms (count", "mean time an incident is unfound (", "prefers-color-scheme: dark",
        "class=\"front\"", "class=\"written\"", "burn=0.5x,for=9 ticks"})
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  // The same again, to the byte.
  const Words same = tune({"--vary", "burn=0.5x|2x", "--vary", "for=2 ticks|9 ticks"});
  const std::string first = signalbox(same).out;
  EXPECT_NE(first.find("* "), std::string::npos) << first;
  EXPECT_EQ(signalbox(same).out, first);
}

TEST_F(WhatIf, RangesBecomeValues) {
  // As far as the first incident: what is tried is looked at, and not what it came to.
  const std::string first =
      parsed(signalbox(replay({"--truth", path("truth.json"), "--json"})))["score"]["findings"][0]["from"];
  const auto tried = [&](const Words& vary) {
    Words words = tune({"--json", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T04:00:00Z"});
    for (const std::string& one : vary) words = joined(words, {"--vary", one});
    const json answer = parsed(signalbox(words));
    Words out;
    for (std::size_t i = 1; i < answer["candidates"].size(); ++i)
      out.push_back(answer["candidates"][i]["candidate"]);
    return out;
  };
  EXPECT_LT(first, "2026-01-01T04:00:00Z");
  EXPECT_EQ(tried({"for=1..3 ticks"}), (Words{"for=1 ticks", "for=2 ticks", "for=3 ticks"}));
  EXPECT_EQ(tried({"burn.fast=2.5..2.5"}), Words{"burn.fast=2.5"});
  EXPECT_EQ(tried({"burn.fast=2|3|2"}), (Words{"burn.fast=2", "burn.fast=3"}));
  EXPECT_EQ(tried({"burn.fast=2..20"}),
            (Words{"burn.fast=2", "burn.fast=2.8", "burn.fast=3.9", "burn.fast=5.4", "burn.fast=7.5",
                   "burn.fast=10", "burn.fast=14", "burn.fast=20"}));
  EXPECT_EQ(tried({"burn.page=2%..4% by 1%"}), (Words{"burn.page=2%", "burn.page=3%", "burn.page=4%"}));
  EXPECT_EQ(tried({"for=1m..3m by 1m"}), (Words{"for=1m", "for=2m", "for=3m"}));
  EXPECT_EQ(tried({"burn=1..1.4 by 0.1", "param scale=5|6"}),
            (Words{"burn=1,param scale=5", "burn=1,param scale=6", "burn=1.1,param scale=5",
                   "burn=1.1,param scale=6", "burn=1.2,param scale=5", "burn=1.2,param scale=6",
                   "burn=1.3,param scale=5", "burn=1.3,param scale=6", "burn=1.4,param scale=5",
                   "burn=1.4,param scale=6"}));
  const Words usual = tried({});
  ASSERT_EQ(usual.size(), 45u);
  EXPECT_EQ(usual.front(), "burn=0.25x,for=1 ticks");
  EXPECT_EQ(usual.back(), "burn=4x,for=8 ticks");
}

TEST_F(WhatIf, TuneRefusesWithAWayOut) {
  const auto refused = [&](const Words& words, int code = 2) {
    const Finished f = signalbox(words);
    EXPECT_EQ(f.code, code) << f.err;
    EXPECT_EQ(f.out, "");
    return f.err;
  };
  EXPECT_NE(refused({"tune", path("program.slo"), "--data", path("trace.om")}).find("--truth"),
            std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "brun=1..3"})).find("did you mean `burn`?"), std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "burn"})).find("KEY=2..20"), std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "burn=5..2"})).find("lower end comes first"), std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "burn=1..5m"})).find("one unit"), std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "burn=1..1e9 by 0.001"})).find("more than 500"), std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "burn=1..100 by 1", "--vary", "for=1..9 ticks"})).find("more than 500"),
            std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "burn=2|3", "--vary", "burn.fast=2|3"})).find("changed twice"),
            std::string::npos);
  EXPECT_NE(refused(tune({"--vary", "objective=100%|120%"})).find("refuses every candidate"),
            std::string::npos);
  EXPECT_NE(refused(tune({"--svg", path("nowhere/t.svg")})).find("nowhere/t.svg"), std::string::npos);
  // What is read is not written over, and a picture that is there stays until there is another.
  const std::string trace = read_file(path("trace.om"));
  for (const char* name : {"program.slo", "trace.om", "truth.json"})
    EXPECT_NE(refused(tune({"--svg", path(name)})).find("which is read"), std::string::npos) << name;
  EXPECT_EQ(read_file(path("trace.om")), trace);
  const std::string picture = write("old.svg", "a picture\n");
  refused(tune({"--vary", "objective=100%|120%", "--svg", picture}));
  EXPECT_EQ(read_file(picture), "a picture\n");
  const std::string quiet = write("quiet.json", R"({"incidents": []})");
  EXPECT_NE(refused({"tune", path("program.slo"), "--data", path("trace.om"), "--truth", quiet}, 3)
                .find("no incident that is there to be found"),
            std::string::npos);
  // One candidate that the compiler refuses is no reason not to try the others.
  const Finished some = signalbox(tune({"--vary", "shed.cooldown=1m|40m"}));
  EXPECT_EQ(some.code, 0) << some.err;
  EXPECT_NE(some.out.find("refused: shed.cooldown=1m: "), std::string::npos) << some.out;
  EXPECT_NE(some.out.find("shed.cooldown=40m"), std::string::npos);
}

// Values between two ends that are near each other keep apart, and between them.
TEST_F(WhatIf, ANarrowRangeIsVariedWithinIt) {
  std::set<std::string> names;
  const json out = parsed(signalbox(tune({"--vary", "objective=99.95%..99.99%", "--json"})));
  for (const json& candidate : out["candidates"]) {
    if (!candidate["candidate"].is_string()) continue;
    const std::string name = candidate["candidate"];
    if (name.find("objective=") == std::string::npos) continue;
    names.insert(name);
    const double value = std::stod(name.substr(name.find('=') + 1));
    EXPECT_GE(value, 99.95) << name;
    EXPECT_LE(value, 99.99) << name;
  }
  EXPECT_EQ(names.size(), 8u);
}

// Whether a process has a handler of its own for SIGINT: it does its work then.
bool minds_interrupts(pid_t pid) {
  const std::string status = read_file(fmt::format("/proc/{}/status", pid));
  const std::size_t at = status.find("SigCgt:");
  return at != std::string::npos &&
         (std::stoull(status.substr(at + 7), nullptr, 16) >> (SIGINT - 1) & 1) != 0;
}

// A part of the answer does not look like all of it: not to people, not to programs, not by the exit code.
TEST_F(WhatIf, AnInterruptedReplaySaysSo) {
  const std::string slow = write("slow.slo", replaced(program, "tick 30s", "tick 200ms"));
  for (const bool as_json : {false, true}) {
    Words words = {SIGNALBOX, "replay", slow, "--data", path("trace.om"), "--every-tick", "--exit-code"};
    if (as_json) words.push_back("--json");
    Process process(words);
    ASSERT_TRUE(eventually([&] { return minds_interrupts(process.pid()); }));
    process.signal(SIGINT);
    const auto code = process.wait(std::chrono::seconds(60));
    ASSERT_TRUE(code);
    EXPECT_EQ(*code, 130) << process.err();
    EXPECT_NE(process.err().find("interrupted"), std::string::npos) << process.err();
    if (as_json) {
      const json out = json::parse(process.out(), nullptr, false);
      EXPECT_EQ(out["interrupted"], true) << process.out();
      EXPECT_TRUE(out.contains("looked_at_to"));
    } else {
      EXPECT_NE(process.out().find("Interrupted "), std::string::npos) << process.out();
      EXPECT_EQ(process.out().find("Nothing happened"), std::string::npos) << process.out();
    }
  }
  EXPECT_EQ(parsed(signalbox(replay({"--json"})))["interrupted"], false);
}

// A sample far in the future does not make a replay look at every tick up to it.
TEST_F(WhatIf, ASampleInAnotherMillenniumIsNoReasonToGoThere) {
  std::string text = read_file(path("trace.om"));
  const std::size_t end = text.find("# EOF");
  ASSERT_NE(end, std::string::npos);
  const std::string far = write("far.om", text.substr(0, end) + "late 1 99999999999\n# EOF\n");
  for (const char* command : {"replay", "tune"}) {
    Words words = {command, path("program.slo"), "--data", far};
    if (std::string(command) == "tune")
      words = joined(words, {"--vary", "param scale=1..9", "--truth", path("truth.json")});
    const Finished refused = signalbox(words);
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_NE(refused.err.find("replay_ticks"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("--to"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("5138-11-16"), std::string::npos) << refused.err;
  }
}

TEST_F(WhatIf, AnInterruptedTuneShowsWhatItHas) {
  Process process(joined({SIGNALBOX}, tune({"--vary", "burn=1..60 by 0.2", "--svg", path("part.svg")})));
  // From when the picture's file is there, it shows what it has; how much that is, is not decided here.
  ASSERT_TRUE(eventually([&] { return ::access(path("part.svg.part").c_str(), F_OK) == 0; }));
  process.signal(SIGINT);
  const auto code = process.wait(std::chrono::seconds(30));
  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 130) << process.err();
  EXPECT_NE(process.out().find("Interrupted: "), std::string::npos) << process.out();
  EXPECT_NE(read_file(path("part.svg")).find("(interrupted)"), std::string::npos);
}

}  // namespace
}  // namespace signalbox::wire
