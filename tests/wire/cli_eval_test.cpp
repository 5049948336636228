// `signalbox eval` answers what Prometheus 2.42 answers, to the letter: over a file that both have, and over
// that Prometheus' own history. And what the program does around it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "tests/wire/process.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

using nlohmann::json;

constexpr std::int64_t start = 1'700'000'100, span = 3600, step = 15;

std::string program() {
  return SIGNALBOX_PROGRAM;
}

class Rng {
 public:
  explicit Rng(std::uint64_t seed) : engine_(seed) {}
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(n));
  }
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  const T& one_of(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(below(static_cast<std::int64_t>(list.size())))];
  }

 private:
  std::mt19937_64 engine_;
};

// A counter with resets and gaps, a gauge with odd values, a histogram: per region, and with clients that
// come late and leave early.
std::string recording() {
  Rng rng(7);
  std::string text;
  const auto sample = [&](const std::string& series, double value, std::int64_t time) {
    text +=
        fmt::format("{} {} {}\n", series, std::isnan(value) ? "NaN" : fmt::format("{:.17g}", value), time);
  };
  text += "# TYPE requests counter\n";
  for (const char* region : {"ap", "eu", "us"}) {
    for (const char* code : {"200", "404", "500"}) {
      double count = 0;
      const std::int64_t first = std::string(code) == "500" ? 900 : 0;
      const std::int64_t last = std::string(code) == "404" && std::string(region) == "us" ? 1500 : span;
      for (std::int64_t t = first; t < last; t += step) {
        if (rng.chance(2)) continue;
        count = rng.chance(1) ? 0 : count + static_cast<double>(rng.below(900)) / (rng.chance(50) ? 1 : 7);
        sample(fmt::format("requests_total{{code=\"{}\",region=\"{}\"}}", code, region), count, start + t);
      }
    }
  }
  text += "# TYPE load gauge\n";
  for (const char* region : {"ap", "eu", "us"})
    for (int host = 0; host < 4; ++host)
      for (std::int64_t t = host * 60; t < span; t += step) {
        double value = static_cast<double>(rng.below(2000)) / 17 - 20;
        if (host == 3 && rng.chance(4)) value = std::nan("");
        if (host == 2 && rng.chance(4)) value = rng.chance(50) ? 3e21 : -4.5e-9;
        sample(fmt::format("load{{host=\"{}\",region=\"{}\"}}", host, region), value, start + t);
      }
  text += "# TYPE duration_seconds histogram\n";
  for (const char* region : {"eu", "us"}) {
    std::map<std::string, double> buckets = {{"0.1", 0}, {"0.3", 0}, {"1.0", 0}, {"+Inf", 0}};
    for (std::int64_t t = 0; t < span; t += step) {
      double below = 0;
      for (const char* le : {"0.1", "0.3", "1.0", "+Inf"}) {
        below += static_cast<double>(rng.below(50));
        buckets[le] += below;
        sample(fmt::format("duration_seconds_bucket{{le=\"{}\",region=\"{}\"}}", le, region), buckets[le],
               start + t);
      }
    }
  }
  return text + "# EOF\n";
}

// One text in our language and the same in theirs.
struct Pair {
  std::string ours, theirs;
  std::string both() const { return ours == theirs ? ours : ours + "  ↔  " + theirs; }
};
Pair same(const std::string& text) {
  return {text, text};
}

Pair selected(Rng& rng) {
  static const std::vector<std::string> selectors = {
      "requests_total", "requests_total{code=\"500\"}", "requests_total{code!=\"200\"}",
      "requests_total{code=~\"4..|5..\",region=~\"e.|us\"}", "requests_total{region!~\"a.*\"}"};
  static const std::vector<std::string> functions = {"rate", "increase", "irate"};
  static const std::vector<std::string> windows = {"30s", "1m", "5m", "17m"};
  static const std::vector<std::string> offsets = {"", "", " offset 5m", " offset 47s"};
  return same(fmt::format("{}({}[{}]{})", rng.one_of(functions), rng.one_of(selectors), rng.one_of(windows),
                          rng.one_of(offsets)));
}
Pair of_gauge(Rng& rng) {
  static const std::vector<std::string> selectors = {"load", "load{host=~\"0|1\"}", "load{region=\"eu\"}",
                                                     "load{host!=\"3\"}"};
  static const std::vector<std::string> functions = {"delta",         "idelta",         "changes",
                                                     "avg_over_time", "sum_over_time",  "min_over_time",
                                                     "max_over_time", "count_over_time"};
  const std::string& selector = rng.one_of(selectors);
  if (rng.chance(30)) return same(selector + (rng.chance(30) ? " offset 7m" : ""));
  return same(fmt::format("{}({}[{}])", rng.one_of(functions), selector, rng.chance(50) ? "2m" : "10m"));
}
Pair grouped(Rng& rng, const Pair& inner) {
  static const std::vector<std::string> functions = {"sum", "avg", "min", "max", "count"};
  static const std::vector<std::string> groupings = {"by (region) ", "by (code, region) ",
                                                     "without (code, host) ", ""};
  const std::string head = rng.one_of(functions) + " " + rng.one_of(groupings);
  return {head + "(" + inner.ours + ")", head + "(" + inner.theirs + ")"};
}
Pair joined(Rng& rng) {
  static const std::vector<Pair> operators = {same("+"), same("-"), same("*"), same("/"), {"mod", "%"}};
  const Pair& op = rng.one_of(operators);
  const auto infix = [&](const std::string& left, const std::string& matching, const std::string& right) {
    return Pair{left + " " + op.ours + " " + matching + right,
                left + " " + op.theirs + " " + matching + right};
  };
  switch (rng.below(5)) {
    case 0:
      return infix("sum by (region) (rate(requests_total{code=\"500\"}[5m]))", "",
                   "sum by (region) (rate(requests_total[5m]))");
    case 1:
      return infix("rate(requests_total{code=\"500\"}[5m])", "ignoring (code) ",
                   "rate(requests_total{code=\"200\"}[5m])");
    case 2:
      return infix("rate(requests_total[1m])", "on (region) group_left () ",
                   "sum by (region) (rate(requests_total[1m]))");
    case 3:
      return infix("max by (region) (load)", "on (region) ",
                   "sum by (region) (increase(requests_total[5m]))");
    default:
      return infix("load", "", fmt::format("{}", 1 + rng.below(90)));
  }
}
Pair compared(Rng& rng) {
  static const std::vector<std::string> operators = {">", "<", ">=", "<=", "==", "!="};
  const std::string& op = rng.one_of(operators);
  const std::int64_t bound = rng.below(100);
  return {fmt::format("load{{host=~\"0|1\"}} {} {}", op, bound),
          fmt::format("load{{host=~\"0|1\"}} {} bool {}", op, bound)};
}
Pair quantile(Rng& rng) {
  const std::string q = rng.one_of<std::string>({"0.5", "0.9", "0.95", "0.999", "0", "1"});
  const std::string buckets =
      fmt::format("(rate(duration_seconds_bucket[{}]))", rng.chance(50) ? "1m" : "10m");
  if (rng.chance(50)) return same("histogram_quantile(" + q + ", sum by (le, region) " + buckets + ")");
  return same("histogram_quantile(" + q + ", sum by (le) " + buckets + ")");
}

std::vector<Pair> expressions() {
  Rng rng(42);
  std::vector<Pair> all = {
      {"sum(requests_total{code=\"999\"}) default 0", "sum(requests_total{code=\"999\"}) or vector(0)"},
      {"sum(rate(requests_total{code=\"500\"}[1m])) default 0",
       "sum(rate(requests_total{code=\"500\"}[1m])) or vector(0)"},
      {"load{host=\"0\"} > 20 and load{host=\"0\"} < 80",
       "(load{host=\"0\"} > bool 20) * (load{host=\"0\"} < bool 80)"},
      {"p95(duration_seconds[5m])",
       "histogram_quantile(0.95, sum by (le) (rate(duration_seconds_bucket[5m])))"},
      same("-load"),
      // Names: no function over a range keeps them here.
      {"last_over_time(load[10m])", "last_over_time(load[10m])"},
      // Of other exponents the last digits are the C library's.
      same("load ^ 2"),
      same("abs(load)"),
      same("clamp_min(load, 3)"),
      same("clamp_max(load, 3)"),
      same("sum(load) / count(load)"),
      same("1 - sum(rate(requests_total{code=\"500\"}[5m])) / sum(rate(requests_total[5m]))"),
      same("load * 1e20"),
      same("load / 1e9"),
  };
  std::set<std::string> known;
  while (all.size() < 90) {
    Pair next;
    switch (rng.below(8)) {
      case 0:
        next = selected(rng);
        break;
      case 1:
        next = of_gauge(rng);
        break;
      case 2:
        next = grouped(rng, selected(rng));
        break;
      case 3:
        next = grouped(rng, of_gauge(rng));
        break;
      case 4:
        next = compared(rng);
        break;
      case 5:
        next = quantile(rng);
        break;
      default:
        next = joined(rng);
        break;
    }
    if (known.insert(next.ours).second) all.push_back(next);
  }
  return all;
}

// By labels and time, as written.
using Answer = std::map<std::string, std::map<std::int64_t, std::string>>;
Answer answer_of(const json& data) {
  Answer out;
  for (const json& series : data["result"]) {
    auto& points = out[series["metric"].dump()];
    for (const json& point : series["values"])
      points[std::llround(point[0].get<double>() * 1000)] = point[1].get<std::string>();
  }
  return out;
}

class Parity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string text = recording();
    folder_ = std::make_unique<Folder>();
    data_ = folder_->write("samples.om", text);
    server_ = PrometheusServer::start(text, error_);
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
  }
  void SetUp() override { ASSERT_TRUE(server_) << error_; }

  static void compare(const Pair& pair, const std::string& source, const std::vector<std::string>& more) {
    constexpr std::int64_t from = start - 60, to = start + span + 420, by = 37;
    const HttpAnswer http = server_->get(fmt::format("/api/v1/query_range?query={}&start={}&end={}&step={}",
                                                     percent_encoded(pair.theirs), from, to, by));
    ASSERT_EQ(http.status, 200) << pair.both() << "\n" << http.body;
    const Answer theirs = answer_of(json::parse(http.body)["data"]);
    std::vector<std::string> words = {program(),
                                      "eval",
                                      "--data",
                                      source,
                                      "--json",
                                      "--from",
                                      std::to_string(from),
                                      "--to",
                                      std::to_string(to),
                                      "--step",
                                      std::to_string(by) + "s"};
    words.insert(words.end(), more.begin(), more.end());
    words.insert(words.end(), {"--", pair.ours});
    const Finished finished = run(words);
    ASSERT_TRUE(finished.code == 0 || finished.code == 3) << pair.both() << "\n"
                                                          << finished.out << finished.err;
    const Answer ours = answer_of(json::parse(finished.out)["data"]);
    EXPECT_EQ(finished.code == 3, theirs.empty()) << pair.both();
    int shown = 0;
    for (const auto& [labels, points] : theirs) {
      for (const auto& [time, value] : points) {
        ++values_;
        const auto series = ours.find(labels);
        const bool there = series != ours.end() && series->second.contains(time);
        if (there && series->second.at(time) == value) continue;
        if (++shown > 3) continue;
        ADD_FAILURE() << pair.both() << "\n"
                      << labels << " at " << time << ": " << (there ? series->second.at(time) : "nothing")
                      << ", Prometheus has " << value;
      }
    }
    for (const auto& [labels, points] : ours)
      for (const auto& [time, value] : points) {
        const auto series = theirs.find(labels);
        if (series != theirs.end() && series->second.contains(time)) continue;
        if (++shown > 3) continue;
        ADD_FAILURE() << pair.both() << "\n"
                      << labels << " at " << time << ": " << value << ", Prometheus has nothing";
      }
  }

  static std::unique_ptr<Folder> folder_;
  static std::unique_ptr<PrometheusServer> server_;
  static std::string data_, error_;
  static std::size_t values_;
};
std::unique_ptr<Folder> Parity::folder_;
std::unique_ptr<PrometheusServer> Parity::server_;
std::string Parity::data_, Parity::error_;
std::size_t Parity::values_ = 0;

TEST_F(Parity, OverAFileToTheLetter) {
  values_ = 0;
  for (const Pair& pair : expressions()) compare(pair, data_, {"--semantics", "2"});
  fmt::print("{} values compared\n", values_);
  EXPECT_GT(values_, 10'000u);
}

TEST_F(Parity, OverItsOwnHistoryToTheLetter) {
  values_ = 0;
  const std::string url = server_->url();
  const std::vector<Pair> all = expressions();
  for (std::size_t i = 0; i < all.size(); i += 4) compare(all[i], url, {});
  EXPECT_GT(values_, 2'000u);
}

TEST_F(Parity, OneInstantIsAVectorAsTheirs) {
  const std::int64_t at = start + 2000;
  const std::string query = "sum by (region) (rate(requests_total[5m]))";
  const json theirs = json::parse(
      server_->get(fmt::format("/api/v1/query?query={}&time={}", percent_encoded(query), at)).body);
  const Finished finished = run(
      {program(), "eval", query, "--data", data_, "--json", "--semantics", "2", "--at", std::to_string(at)});
  ASSERT_EQ(finished.code, 0) << finished.err;
  json ours = json::parse(finished.out);
  EXPECT_EQ(ours["data"]["evidence"], json::array());
  ours["data"].erase("evidence");
  EXPECT_EQ(ours, theirs);
}

TEST_F(Parity, APageOfMetricsIsReadAsItIsNow) {
  const Finished finished =
      run({program(), "eval", "up + prometheus_ready", "--data", server_->url() + "/metrics", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.out << finished.err;
  const json data = json::parse(finished.out)["data"];
  ASSERT_EQ(data["result"].size(), 1u);
  EXPECT_EQ(data["result"][0]["value"][1], "2");
  EXPECT_EQ("http://" + data["result"][0]["metric"]["instance"].get<std::string>(), server_->url());
}

class Program : public testing::Test {
 protected:
  static std::string small(const std::string& more = "") {
    std::string text;
    for (int i = 0; i < 9; ++i)
      text += fmt::format("requests_total{{code=\"200\"}} {} {}\n", i * 30, start + i * step);
    for (int i = 0; i < 4; ++i)
      text += fmt::format("requests_total{{code=\"500\"}} {} {}\n", i, start + i * step);
    return text + more + "# EOF\n";
  }
  Finished eval(const std::string& expression, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {program(), "eval", expression, "--data", data_};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  Folder folder_;
  std::string data_ = folder_.write("data.om", small());
  const std::string newest_ = std::to_string(start + 8 * step);
};

TEST_F(Program, RowsWithoutAValueSayWhy) {
  const Finished done = eval("rate(requests_total[30s])", {"--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const json data = json::parse(done.out)["data"];
  EXPECT_EQ(data["resultType"], "vector");
  ASSERT_EQ(data["result"].size(), 1u);
  EXPECT_EQ(data["result"][0]["metric"], json({{"code", "200"}}));
  EXPECT_EQ(data["result"][0]["value"][0], start + 8 * step);
  ASSERT_EQ(data["evidence"].size(), 1u);
  EXPECT_EQ(data["evidence"][0]["metric"], json({{"code", "500"}}));
  EXPECT_EQ(data["evidence"][0]["time"], start + 8 * step);
  EXPECT_EQ(data["evidence"][0]["state"], "stale");
}

TEST_F(Program, ConditionsAndScalars) {
  Finished done = eval("increase(requests_total[2m]) > 100", {"--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out)["data"]["result"][0]["value"][1], "1");
  EXPECT_EQ(json::parse(done.out)["data"]["result"][1]["value"][1], "0");
  done = eval("1 + 1", {"--json", "--at", "1700000000.5"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out)["data"]["resultType"], "scalar");
  EXPECT_EQ(json::parse(done.out)["data"]["result"], json({1700000000.5, "2"}));
}

TEST_F(Program, NoDataIsItsOwnOutcome) {
  Finished done = eval("requets_total");
  EXPECT_EQ(done.code, 3);
  EXPECT_NE(done.err.find("requests_total"), std::string::npos) << done.err;
  done = eval("requests_total", {"--at", "1600000000", "--json"});
  EXPECT_EQ(done.code, 3);
  EXPECT_EQ(json::parse(done.out)["data"]["result"], json::array());
  EXPECT_EQ(json::parse(done.out)["data"]["evidence"], json::array());
}

TEST_F(Program, FaultsHaveTheirExitCodes) {
  const auto error_of = [](const Finished& f) { return json::parse(f.out).value("errorType", ""); };
  Finished done = eval("rate(requests_total", {"--json"});
  EXPECT_EQ(done.code, 2);
  EXPECT_EQ(error_of(done), "bad_data");
  EXPECT_EQ(json::parse(done.out)["status"], "error");
  EXPECT_EQ(eval("requests_total", {"--from", newest_}).code, 2);
  EXPECT_EQ(
      eval("requests_total", {"--at", newest_, "--from", newest_, "--to", newest_, "--step", "1s"}).code, 2);
  EXPECT_EQ(eval("requests_total", {"--at", "yesterday"}).code, 2);
  EXPECT_EQ(eval("requests_total", {"--semantics", "4"}).code, 2);
  EXPECT_EQ(run({program(), "eval", "a", "--data", folder_.path("absent"), "--json"}).code, 2);
  const std::string nobody = fmt::format("http://127.0.0.1:{}", free_port());
  done = run({program(), "eval", "a", "--data", nobody, "--json"});
  EXPECT_EQ(done.code, 4) << done.out << done.err;
  EXPECT_EQ(json::parse(done.out)["status"], "error");
  EXPECT_EQ(run({program()}).code, 2);
  EXPECT_EQ(run({program(), "frobnicate"}).code, 2);
  EXPECT_EQ(run({program(), "eval", "--help"}).code, 0);
}

TEST_F(Program, AFolderIsOneRecording) {
  Folder folder;
  folder.write("b.om", fmt::format("errors_total 5 {}\n# EOF\n", start + 2 * step));
  folder.write("a.om", small());
  const Finished done = run({program(), "eval", "errors_total + on () sum(requests_total{code=\"200\"})",
                             "--data", folder.path(""), "--json", "--at", std::to_string(start + 2 * step)});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(json::parse(done.out)["data"]["result"][0]["value"][1], "65");
}

TEST_F(Program, SemanticsDifferAtTheEdge) {
  const auto value = [&](const char* semantics) {
    const Finished done = eval("increase(requests_total{code=\"200\"}[15s])",
                               {"--json", "--semantics", semantics, "--at", newest_});
    return done.code;
  };
  EXPECT_EQ(value("2"), 0);  // both ends of the range are samples
  EXPECT_EQ(value("3"), 3);
}

TEST_F(Program, ModulesLieBesideTheProgram) {
  ASSERT_EQ(::mkdir(folder_.path("shop").c_str(), 0700), 0);
  const std::string path =
      folder_.write("uses.slo", "use shop.common\ntick 5s\nlet double = shop.common.twice * 2\n");
  EXPECT_EQ(run({program(), "check", path}).code, 2);
  folder_.write("shop/common.slo", "let twice = 2\n");
  const Finished done = run({program(), "check", path});
  EXPECT_EQ(done.code, 0) << done.err;
}

TEST_F(Program, FmtLeavesALinkALink) {
  const std::string file = folder_.write("file.slo", "tick    5s\n");
  const std::string link = folder_.path("link.slo");
  ASSERT_EQ(::symlink(file.c_str(), link.c_str()), 0);
  EXPECT_EQ(run({program(), "fmt", link}).code, 0);
  struct stat info {};
  ASSERT_EQ(::lstat(link.c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  EXPECT_EQ(read_file(file), "tick 5s\n");
}

}  // namespace
}  // namespace signalbox::wire
