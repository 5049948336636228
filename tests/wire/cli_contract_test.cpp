// What scripts rely on: exit codes, what goes to standard output and what to standard error, and the shapes
// of --json.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include "tests/wire/http_peer.hpp"
#include "tests/wire/process.hpp"

namespace signalbox::wire {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

const std::string good_program = R"(tick 15s
metric http_requests_total is counter with (region, code)
receiver oncall is log {}
slo availability per (region) max 4 {
  indicator bad http_requests_total{code=~"5.."} of http_requests_total
  objective 99% over 30d
  burn      { page 10 over 5m & 1m }
  page      oncall
}

test "errors page" {
  given  http_requests_total{region="eu", code="200"} rate 100/s
  given  http_requests_total{region="eu", code="500"} rate 50/s from 10m
  expect page to oncall between 10m and 13m
}
)";
const std::string broken_program = "slo availability { indicater bad a of b }\n";

Finished signalbox(Words words, const ProcessOptions& options = {}) {
  words.insert(words.begin(), SIGNALBOX);
  return run(words, options);
}

// Half an hour of requests every 15 s, in which every second one fails from the 20th minute on.
std::string recording() {
  std::string out = "# TYPE http_requests counter\n";
  const auto put = [&](const char* code, auto value) {
    for (int i = 0; i <= 120; ++i)
      out += fmt::format("http_requests_total{{region=\"eu\",code=\"{}\"}} {} {}\n", code, value(i),
                         1'700'000'010 + 15 * i);
  };
  put("200", [](int i) { return 1500 * std::min(i, 80) + 750 * std::max(0, i - 80); });
  put("500", [](int i) { return 750 * std::max(0, i - 80); });
  return out + "# EOF\n";
}
const std::string from = "2023-11-14T22:13:30Z", to = "2023-11-14T22:43:30Z";

TEST(CliContract, CheckSaysWhetherTheTextIsGood) {
  const Folder folder;
  const std::string good = folder.write("good.slo", good_program);
  const std::string broken = folder.write("broken.slo", broken_program);

  const Finished fine = signalbox({"check", good});
  EXPECT_EQ(fine.code, 0) << fine.err;
  EXPECT_NE(fine.out.find("availability"), std::string::npos) << "the burn-row table: " << fine.out;
  EXPECT_EQ(signalbox({"check", good, "--quiet"}).out, "");

  const Finished bad = signalbox({"check", good, broken});
  EXPECT_EQ(bad.code, 2);
  EXPECT_NE(bad.err.find("broken.slo:1:"), std::string::npos) << bad.err;
  EXPECT_EQ(signalbox({"check", folder.path("nowhere.slo")}).code, 2);
  EXPECT_EQ(signalbox({"check"}).code, 2);
  EXPECT_EQ(signalbox({"check", good, "--no-such-option"}).code, 2);
  EXPECT_EQ(signalbox({"no-such-command"}).code, 2);
  EXPECT_EQ(signalbox({"--help"}).code, 0);

  const Finished told = signalbox({"check", good, broken, "--json"});
  EXPECT_EQ(told.code, 2);
  const json document = json::parse(told.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << told.out;
  EXPECT_EQ(document["ok"], false);
  ASSERT_EQ(document["files"].size(), 2u);
  EXPECT_EQ(document["files"][0]["ok"], true);
  EXPECT_FALSE(document["files"][0]["digest"].get<std::string>().empty());
  EXPECT_FALSE(document["files"][0]["burn_rows"].empty());
  EXPECT_EQ(document["files"][1]["ok"], false);
  ASSERT_FALSE(document["files"][1]["diagnostics"].empty());
  EXPECT_EQ(document["files"][1]["diagnostics"][0]["code"], "unknown-clause");
}

TEST(CliContract, FmtHasOneFormForEachText) {
  const Folder folder;
  const std::string file = folder.write("program.slo", good_program);
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  const Finished before = signalbox({"fmt", "--check", file});
  EXPECT_EQ(before.code, 1);
  EXPECT_EQ(read_file(file), good_program) << "--check must not write";

  EXPECT_EQ(signalbox({"fmt", file}).code, 0);
  const std::string formatted = read_file(file);
  EXPECT_NE(formatted, good_program);
  EXPECT_EQ(signalbox({"fmt", "--check", file}).code, 0);
  EXPECT_EQ(signalbox({"fmt", file}).code, 0);
  EXPECT_EQ(read_file(file), formatted);
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);

  ProcessOptions piped;
  piped.input = folder.write("raw.slo", good_program);
  EXPECT_EQ(signalbox({"fmt", "-"}, piped).out, formatted);

  const std::string broken = folder.write("broken.slo", broken_program);
  EXPECT_EQ(signalbox({"fmt", broken}).code, 2);
  EXPECT_EQ(read_file(broken), broken_program);
}

TEST(CliContract, TestTellsFailedFromBroken) {
  const Folder folder;
  const std::string good = folder.write("good.slo", good_program);
  const Finished passed = signalbox({"test", good});
  EXPECT_EQ(passed.code, 0) << passed.out << passed.err;
  std::string text = good_program;
  text.replace(text.find("expect page"), 11, "expect no page");
  const std::string failing = folder.write("failing.slo", text);
  EXPECT_EQ(signalbox({"test", failing}).code, 1);
  EXPECT_EQ(signalbox({"test", failing, folder.write("broken.slo", broken_program)}).code, 2);
  EXPECT_EQ(
      signalbox({"test", folder.write("none.slo", good_program.substr(0, good_program.find("test")))}).code,
      3);

  const Finished both = signalbox({"test", good, failing, "--json"});
  const json document = json::parse(both.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << both.out;
  EXPECT_EQ(document["passed"], 1);
  EXPECT_EQ(document["failed"], 1);
  ASSERT_EQ(document["tests"].size(), 2u) << both.out;
  EXPECT_EQ(document["tests"][1]["failures"][0]["line"], 14);
}

TEST(CliContract, EvalSaysWhatIsWrongWithARangeAndWithAVariable) {
  const Folder folder;
  const std::string data = folder.write("data.om", recording());
  const auto said = [&](const Words& more) {
    Words words = {"eval", "--data", data};
    words.insert(words.end(), more.begin(), more.end());
    const Finished finished = signalbox(words);
    EXPECT_NE(finished.code, 0);
    return finished.err;
  };
  const auto has = [](const std::string& text, const std::string& words) {
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  has(said({"up", "--from", to, "--to", from, "--step", "60s"}), "--to is before --from");
  has(said({"up", "--from", from, "--to", to, "--step", "0s"}), "above zero");
  has(said({"up", "--from", "1700000000", "--to", "1800000000", "--step", "1s"}), "100000000");
  has(said({"--promql", "http_requests_total{code=~\"$code\"}"}), "a variable of Grafana's");
  has(said({"--promql", "rate(http_requests_total[$__rate_interval])"}), "Grafana's to fill in");
}

TEST(CliContract, EvalAnswersAsPrometheusDoes) {
  const Folder folder;
  const std::string data = folder.write("data.om", recording());
  const std::string ratio =
      "sum by (region) (rate(http_requests_total{code=\"500\"}[5m])) / sum by (region) "
      "(rate(http_requests_total[5m]))";

  const Finished instant = signalbox({"eval", ratio, "--data", data, "--at", to, "--json"});
  ASSERT_EQ(instant.code, 0) << instant.err;
  const json vector = json::parse(instant.out, nullptr, false);
  EXPECT_EQ(vector["status"], "success");
  EXPECT_EQ(vector["data"]["resultType"], "vector");
  EXPECT_TRUE(vector["data"]["evidence"].is_array());
  EXPECT_EQ(vector["data"]["result"],
            json::parse(R"([{"metric":{"region":"eu"},"value":[1700001810,"0.5"]}])"));

  const Finished range =
      signalbox({"eval", ratio, "--data", data, "--from", from, "--to", to, "--step", "60s", "--json"});
  ASSERT_EQ(range.code, 0) << range.err;
  const json matrix = json::parse(range.out, nullptr, false);
  EXPECT_EQ(matrix["data"]["resultType"], "matrix");
  ASSERT_EQ(matrix["data"]["result"].size(), 1u);
  EXPECT_EQ(matrix["data"]["result"][0]["values"].back(), json::parse(R"([1700001810,"0.5"])"));
  // At the first instant one sample is no rate, and that is said.
  ASSERT_FALSE(matrix["data"]["evidence"].empty());
  EXPECT_EQ(matrix["data"]["evidence"][0]["time"], 1'700'000'010);
  EXPECT_EQ(matrix["data"]["evidence"][0]["state"], "no_data");

  const json scalar = json::parse(signalbox({"eval", "1 + 2", "--data", data, "--json"}).out, nullptr, false);
  EXPECT_EQ(scalar["data"]["resultType"], "scalar");
  EXPECT_EQ(scalar["data"]["result"][1], "3");
}

TEST(CliContract, EvalTellsErrorsApart) {
  const Folder folder;
  const std::string data = folder.write("data.om", recording());
  const auto status = [](const Finished& f) {
    return json::parse(f.out, nullptr, false).value("status", "");
  };

  const Finished wrong = signalbox({"eval", "rate(", "--data", data, "--json"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(status(wrong), "error");
  EXPECT_EQ(json::parse(wrong.out)["errorType"], "bad_data");
  EXPECT_EQ(signalbox({"eval", "up", "--data", folder.write("bad.om", "what is this\n")}).code, 2);
  EXPECT_EQ(signalbox({"eval", "up", "--data", data, "--from", to, "--to", from, "--step", "1m"}).code, 2);

  const Finished nothing = signalbox({"eval", "http_request_total", "--data", data});
  EXPECT_EQ(nothing.code, 3);
  EXPECT_NE(nothing.err.find("did you mean `http_requests_total`?"), std::string::npos) << nothing.err;

  const std::string nobody = fmt::format("http://127.0.0.1:{}", free_port());
  const Finished away = signalbox({"eval", "up", "--data", nobody, "--json"});
  EXPECT_EQ(away.code, 4);
  EXPECT_EQ(status(away), "error");
}

TEST(CliContract, ReplayTellsWhatHappenedAndWhatIsLeft) {
  const Folder folder;
  const std::string data = folder.write("data.om", recording());
  const std::string program = folder.write("program.slo", good_program);
  const Finished replay = signalbox({"replay", program, "--data", data, "--json"});
  ASSERT_EQ(replay.code, 0) << replay.err;
  EXPECT_NE(replay.err.find("replay 100%"), std::string::npos) << replay.err;
  const json document = json::parse(replay.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << "progress belongs to standard error: " << replay.out;
  ASSERT_EQ(document["events"].size(), 1u) << replay.out;
  const json& event = document["events"][0];
  EXPECT_EQ(event["kind"], "page");
  EXPECT_EQ(event["declaration"], "availability");
  EXPECT_EQ(event["labels"], json::parse(R"({"region":"eu"})"));
  EXPECT_EQ(event["severity"], "page");
  EXPECT_FALSE(event["why"].get<std::string>().empty());
  // 10% over five minutes are reached when half of the requests fail for a minute and a little.
  EXPECT_EQ(event["time"], "2023-11-14T22:34:30Z");
  ASSERT_EQ(document["slos"].size(), 1u);
  const json& slo = document["slos"][0];
  EXPECT_EQ(slo["name"], "availability");
  EXPECT_EQ(slo["labels"], json::parse(R"({"region":"eu"})"));
  EXPECT_EQ(slo["spent"], 30000.0);
  for (const char* field : {"allowance", "remaining", "coverage"})
    EXPECT_TRUE(slo[field].is_number()) << field;
  EXPECT_EQ(slo["burn"]["5m"], 50.0);
  EXPECT_EQ(slo["burn"]["1m"], 50.0);

  EXPECT_EQ(signalbox({"replay", program, "--data", folder.write("none.om", "# EOF\n")}).code, 3);
  EXPECT_EQ(signalbox({"replay", folder.write("broken.slo", broken_program), "--data", data}).code, 2);
  EXPECT_EQ(signalbox({"replay", program, "--data", fmt::format("http://127.0.0.1:{}", free_port())}).code,
            4);
}

TEST(CliContract, WhyAndVersion) {
  const Folder folder;
  EXPECT_EQ(signalbox({"why", "x", "--state", folder.path("none")}).code, 2);
  const Finished version = signalbox({"version", "--json"});
  EXPECT_EQ(version.code, 0);
  const json document = json::parse(version.out, nullptr, false);
  EXPECT_EQ(document["name"], "signalbox");
  EXPECT_EQ(signalbox({"version"}).out,
            fmt::format("signalbox {}\n", document["version"].get<std::string>()));
}

TEST(CliContract, AnAnswerThatCannotBeWrittenIsAnError) {
  const Folder folder;
  const std::string data = folder.write("data.om", recording());
  ProcessOptions full;
  full.output = "/dev/full";
  for (const Words& words : {Words{"version"}, Words{"eval", "http_requests_total", "--data", data, "--from",
                                                     from, "--to", to, "--step", "15s", "--json"}}) {
    const Finished finished = signalbox(words, full);
    EXPECT_EQ(finished.code, 2) << words[0];
    EXPECT_EQ(finished.err, "signalbox: the output could not be written\n") << words[0];
  }
}

TEST(CliContract, AnAnswerDoesNotDependOnWhetherNoticesCanBeWritten) {
  const Folder folder;
  const std::string data = folder.write("data.om", recording());
  const std::string replayed =
      fmt::format("{} replay {} --data {}", SIGNALBOX, folder.write("program.slo", good_program), data);
  const Finished plain = run({"sh", "-c", replayed});
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_NE(plain.err, "");
  for (const char* redirection : {" 2>/dev/full", " 2>&-"}) {
    const Finished other = run({"sh", "-c", replayed + redirection});
    EXPECT_EQ(other.code, plain.code) << redirection;
    EXPECT_EQ(other.out, plain.out) << redirection;
  }
  EXPECT_EQ(run({"sh", "-c", replayed + " >&-"}).code, 2);
}

// Runs the program against a FIFO that is full: it does all its work and then stands in its last write, where
// what it has mapped by then can be read. Its output follows.
struct Mapped {
  std::string maps, out;
  int code = -1;
};
Mapped run_to_the_last_write(Words words, const std::string& input) {
  const Folder folder;
  const std::string fifo = folder.path("out");
  Mapped result;
  if (::mkfifo(fifo.c_str(), 0600) != 0) return result;
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const int filler = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  std::size_t filled = 0;
  for (const std::string block(4096, '.'); ::write(filler, block.data(), block.size()) > 0;)
    filled += block.size();
  ProcessOptions options;
  options.output = fifo;
  if (!input.empty()) options.input = input;
  words.insert(words.begin(), SIGNALBOX);
  Process process(words, options);
  const std::string proc = fmt::format("/proc/{}/", process.pid());
  int asleep = 0;
  eventually([&] {
    const std::string stat = read_file(proc + "stat");
    const std::size_t name = stat.rfind(')');
    asleep = name != std::string::npos && stat.size() > name + 2 && stat[name + 2] == 'S' ? asleep + 1 : 0;
    return asleep >= 25;
  });
  process.signal(SIGSTOP);
  result.maps = read_file(proc + "maps");
  process.signal(SIGCONT);
  ::close(filler);
  char buffer[65'536];
  eventually([&] {
    for (ssize_t n; (n = ::read(reader, buffer, sizeof buffer)) > 0;)
      result.out.append(buffer, static_cast<std::size_t>(n));
    return !process.running();
  });
  for (ssize_t n; (n = ::read(reader, buffer, sizeof buffer)) > 0;)
    result.out.append(buffer, static_cast<std::size_t>(n));
  ::close(reader);
  result.out.erase(0, std::min(filled, result.out.size()));
  result.code = process.wait(std::chrono::seconds(30)).value_or(-1);
  return result;
}

TEST(CliContract, OnlyTheCompiledTierMapsLlvm) {
  const Folder folder;
  const std::string data = folder.write("data.om", recording());
  const std::string program = folder.write("program.slo", good_program);
  const std::string value = "(rate(http_requests_total[5m]) * 2 + 1) / 3 default 7";
  const auto eval = [&](const char* engine) {
    return run_to_the_last_write({"eval", value, "--data", data, "--from", from, "--to", to, "--step", "15s",
                                  "--json", "--engine", engine},
                                 "");
  };
  const auto llvm = [](const Mapped& m) { return m.maps.find("LLVM") != std::string::npos; };

  const Mapped compiled = eval("jit");
  ASSERT_EQ(compiled.code, 0);
  EXPECT_NE(compiled.maps.find("libLLVM"), std::string::npos) << compiled.maps;
  const Mapped interpreted = eval("interp");
  EXPECT_EQ(interpreted.code, 0);
  EXPECT_FALSE(llvm(interpreted)) << interpreted.maps;
  EXPECT_NE(interpreted.maps.find("signalbox"), std::string::npos) << "no maps were read";
  EXPECT_GT(interpreted.out.size(), 1000u);
  EXPECT_EQ(compiled.out, interpreted.out);

  for (const Words& words : {Words{"check", "-"}, Words{"fmt", "-"}, Words{"test", "-"}}) {
    const Mapped m = run_to_the_last_write(words, program);
    EXPECT_EQ(m.code, 0) << words[0];
    EXPECT_NE(m.maps.find("signalbox"), std::string::npos) << words[0];
    EXPECT_FALSE(m.out.empty()) << words[0];
    EXPECT_FALSE(llvm(m)) << words[0] << "\n" << m.maps;
  }
}

// A slow source of text: the program is looked at while it reads, too.
TEST(CliContract, NothingIsMappedBeforeTheWorkBegins) {
  const Folder folder;
  const std::string fifo = folder.path("in");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const int writer = ::open(fifo.c_str(), O_RDWR | O_CLOEXEC);
  ProcessOptions options;
  options.input = fifo;
  Process process({SIGNALBOX, "check", "-"}, options);
  const std::string proc = fmt::format("/proc/{}/", process.pid());
  ASSERT_TRUE(eventually([&] { return read_file(proc + "cmdline").find("check") != std::string::npos; }));
  ASSERT_EQ(::write(writer, good_program.data(), 40), 40);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::string maps = read_file(proc + "maps");
  EXPECT_NE(maps.find("libstdc++"), std::string::npos);
  EXPECT_EQ(maps.find("LLVM"), std::string::npos) << maps;
  ASSERT_GT(::write(writer, good_program.data() + 40, good_program.size() - 40), 0);
  ::close(writer);
  EXPECT_EQ(process.wait(std::chrono::seconds(30)), 0) << process.err();
}

TEST(CliContract, TheAnswerIsTheExitCodeWhereThatIsAskedFor) {
  const Folder folder;
  const std::string program = folder.write("p.slo", good_program), data = folder.write("d.om", recording());
  EXPECT_EQ(signalbox({"replay", program, "--data", data}).code, 0);
  EXPECT_EQ(signalbox({"replay", program, "--data", data, "--exit-code"}).code, 1);
  EXPECT_EQ(
      signalbox({"replay", program, "--data", data, "--exit-code", "--to", "2023-11-14T22:30:00Z"}).code, 0);
}

TEST(CliContract, ARangeWithoutDataIsNoAnswer) {
  const Folder folder;
  const std::string program = folder.write("p.slo", good_program), data = folder.write("d.om", recording());
  const Finished late =
      signalbox({"replay", program, "--data", data, "--from", "1800000000", "--to", "1800001000"});
  EXPECT_EQ(late.code, 3) << late.out;
  EXPECT_EQ(signalbox({"replay", program, "--data", data, "--from", "1600000000", "--to", "1600001000"}).code,
            3);
}

TEST(CliContract, AHoldIsWhatTheTicksBeforeMakeOfIt) {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 8; ++i)
    text += fmt::format("t {} {}\n", i < 2 || i == 7 ? 1 : 5, 1'700'000'010 + 15 * i);
  const std::string data = folder.write("d.om", text + "# EOF\n");
  const Finished range = signalbox({"eval", "t > 2 for 3 ticks", "--data", data, "--from", "1700000010",
                                    "--to", "1700000115", "--step", "15", "--json"});
  ASSERT_EQ(range.code, 0) << range.err;
  std::string bits;
  const json answer = json::parse(range.out);
  for (const json& point : answer["data"]["result"][0]["values"]) bits += point[1].get<std::string>();
  EXPECT_EQ(bits, "00001110");
  const Finished one = signalbox({"eval", "t > 2 for 1m", "--data", data, "--at", "1700000100", "--json"});
  EXPECT_EQ(json::parse(one.out)["data"]["result"][0]["value"][1], "1") << one.out;
  EXPECT_EQ(signalbox({"eval", "t", "--data", data, "--step", "5s"}).code, 2);
}

TEST(CliContract, OpenMetricsThatWasCutOffIsNotReadAsAnotherFormat) {
  const Folder folder;
  const std::string whole = recording();
  const std::string cut = folder.write("cut.om", whole.substr(0, whole.find("# EOF")));
  const Finished refused = signalbox({"eval", "http_requests_total", "--data", cut});
  EXPECT_EQ(refused.code, 2) << refused.out;
  EXPECT_NE(refused.err.find("cut off"), std::string::npos) << refused.err;
  const std::string after = folder.write("after.om", whole + "http_requests_total 1 1700000010\n");
  EXPECT_NE(signalbox({"eval", "http_requests_total", "--data", after}).err.find("text after '# EOF'"),
            std::string::npos);
}

TEST(CliContract, ABucketThatIsNotThereIsNamedWithThoseThatAre) {
  const Folder folder;
  std::string text = "# TYPE h histogram\n";
  for (const char* le : {"0.1", "0.5", "+Inf"})
    for (int i = 0; i <= 60; ++i)
      text += fmt::format("h_bucket{{le=\"{}\"}} {} {}\n", le, 10 * i, 1'700'000'010 + 15 * i);
  for (const char* part : {"count", "sum"})
    for (int i = 0; i <= 60; ++i) text += fmt::format("h_{} {} {}\n", part, 10 * i, 1'700'000'010 + 15 * i);
  const std::string data = folder.write("h.om", text + "# EOF\n");
  const std::string program = folder.write("h.slo", R"(tick 15s
metric h is histogram of seconds
receiver r is log { }
slo fast { indicator share of h at most 300ms  objective 99% over 1d  burn { page 10 over 5m & 1m }  missing keep for 1m then page  page r }
)");
  const Finished out = signalbox({"replay", program, "--data", data});
  EXPECT_NE(out.out.find("there are +Inf, 0.1, 0.5"), std::string::npos) << out.out << out.err;
}

}  // namespace
}  // namespace signalbox::wire
