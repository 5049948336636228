// One engine for live and for history: a target that both a real Prometheus and `run` scrape is replayed out
// of that Prometheus, and the same ticks fire.
//
// Prometheus scrapes at an offset of its own inside each interval, `run` at the ticks. The page changes once
// an interval, after the tick and before Prometheus' scrape, with a quarter of the interval between any two
// of the three: at each tick both have seen the same pages in the same order.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <map>
#include <memory>
#include <thread>

#include "runtime/base/time.hpp"
#include "tests/wire/http_peer.hpp"
#include "tests/wire/process.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::int64_t interval = 2000, write_after = 500;
// Where in its interval Prometheus may scrape.
constexpr std::int64_t earliest_scrape = 1000, latest_scrape = 1550;
constexpr int offered_jobs = 32;
constexpr int no_value = 3;  // eval's exit code

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}
void sleep_until_ms(std::int64_t at) {
  std::this_thread::sleep_until(system_clock::time_point(milliseconds(at)));
}

// A page of counters that an exporter shows, a step an interval.
class Shop {
 public:
  explicit Shop(const Folder& folder) : folder_(folder) { write(); }
  void step(bool failing) {
    ++steps_;
    good_ += failing ? 20 : 100;
    bad_ += failing ? 80 : 0;
    write();
  }
  int steps() const { return steps_; }

 private:
  void write() const {
    folder_.write("shop.prom", fmt::format("# TYPE http_requests_total counter\n"
                                           "http_requests_total{{code=\"200\"}} {}\n"
                                           "http_requests_total{{code=\"500\"}} {}\n"
                                           "# TYPE shop_step gauge\nshop_step {}\n",
                                           good_, bad_, steps_));
  }
  const Folder& folder_;
  // Far from zero, where Prometheus would not extrapolate as far.
  int good_ = 100'000, bad_ = 100'000, steps_ = 0;
};

class RunReplay : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(missing_programs({"prometheus", "prometheus-node-exporter"}), "");
    exporter_port_ = free_port();
    exporter_ = std::make_unique<Process>(std::vector<std::string>{
        "prometheus-node-exporter", fmt::format("--web.listen-address=127.0.0.1:{}", exporter_port_),
        "--collector.disable-defaults", "--collector.textfile",
        "--collector.textfile.directory=" + textfiles_.path("")});
    ASSERT_TRUE(eventually([&] {
      return http_get(exporter_port_, "/metrics").body.find("http_requests_total") != std::string::npos;
    })) << exporter_->err();
    std::vector<std::string> jobs;
    jobs.reserve(offered_jobs);
    for (int i = 0; i < offered_jobs; ++i) jobs.push_back(fmt::format("shop{}", i));
    configure(jobs);
    port_ = free_port();
    prometheus_ = std::make_unique<Process>(std::vector<std::string>{
        "prometheus", "--config.file=" + folder_.path("prometheus.yml"),
        "--storage.tsdb.path=" + folder_.path("data"),
        fmt::format("--web.listen-address=127.0.0.1:{}", port_), "--log.level=warn"});
    ASSERT_TRUE(
        eventually([&] { return http_get(port_, "/-/ready").status == 200; }, std::chrono::seconds(90)))
        << prometheus_->err();
    choose_job();
  }

  void configure(const std::vector<std::string>& jobs) const {
    std::string text =
        fmt::format("global: {{ scrape_interval: {}ms, scrape_timeout: 1s }}\nscrape_configs:\n", interval);
    for (const std::string& job : jobs)
      text += fmt::format("- {{ job_name: {}, static_configs: [ {{ targets: [ \"127.0.0.1:{}\" ] }} ] }}\n",
                          job, exporter_port_);
    folder_.write("prometheus.yml", text);
  }

  json ask(const std::string& path, const std::string& query, const std::string& rest) const {
    const HttpReply reply =
        http_get(port_, fmt::format("/api/v1/{}?query={}{}", path, percent_encoded(query), rest));
    return json::parse(reply.body, nullptr, false);
  }

  // The offset comes from a hash of the target's labels: of many jobs with one target the one in the middle
  // of the allowed part is kept.
  void choose_job() {
    std::map<std::string, std::int64_t> offsets;
    ASSERT_TRUE(eventually([&] {
      const json answer = ask("query", "timestamp(up)", "");
      if (!answer.is_object() || !answer.contains("data")) return false;
      for (const json& one : answer["data"]["result"]) {
        const double seconds = std::stod(one["value"][1].get<std::string>());
        offsets[one["metric"]["job"]] = std::llround(seconds * 1000) % interval;
      }
      return offsets.size() == offered_jobs;
    }));
    constexpr std::int64_t middle = (earliest_scrape + latest_scrape) / 2;
    for (const auto& [job, offset] : offsets)
      if (job_.empty() || std::abs(offset - middle) < std::abs(offsets[job_] - middle)) job_ = job;
    ASSERT_GE(offsets[job_], earliest_scrape);
    ASSERT_LE(offsets[job_], latest_scrape);
    configure({job_});
    prometheus_->signal(SIGHUP);
  }

  std::string program() const {
    return folder_.write("program.slo", fmt::format(R"(tick {1}ms
source {0} is scrape {{ url "http://127.0.0.1:{2}/metrics"  every {1}ms  settle 0s }}
receiver oncall is log {{}}
slo availability {{
  indicator bad http_requests_total{{job="{0}", code=~"5.."}} of http_requests_total{{job="{0}"}}
  objective 90% over 1h
  burn      {{ page 2 over 12s & 6s }}
  page      oncall
}}
)",
                                                    job_, interval, exporter_port_));
  }

  // Whether the pages changed when they should have, as this process and Prometheus saw it.
  bool undisturbed(const std::vector<std::int64_t>& written) const {
    for (const std::int64_t at : written)
      if (at % interval > write_after + 250) return false;
    const std::int64_t first = written.front() / interval * interval,
                       last = written.back() / interval * interval;
    const json steps =
        ask("query", fmt::format("shop_step{{job=\"{}\"}}[{}ms]", job_, last + interval - first),
            fmt::format("&time={}", static_cast<double>(last + interval) / 1000));
    const json& values = steps["data"]["result"].at(0)["values"];
    if (values.size() != written.size()) return false;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto at = std::llround(values[i][0].get<double>() * 1000);
      if (at / interval != written[i] / interval || at % interval < write_after + 250) return false;
      if (std::stod(values[i][1].get<std::string>()) != first_step_ + static_cast<double>(i)) return false;
    }
    return true;
  }

  static std::vector<std::string> told(const std::vector<json>& events, const char* when) {
    std::vector<std::string> out;
    for (const json& event : events) {
      const std::string kind = event.value("kind", "");
      if (kind == "page" || kind == "resolved") out.push_back(kind + " " + event.value(when, ""));
    }
    return out;
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

  // Compares every half second of both answers, and answers whether Prometheus has none.
  bool expect_same(const std::string& query, std::int64_t from, std::int64_t to) const {
    const auto series = [](const json& answer) {
      std::map<std::string, json> out;
      for (const json& one : answer["data"]["result"]) out[one["metric"].dump()] = one["values"];
      return out;
    };
    const auto theirs = series(ask("query_range", query,
                                   fmt::format("&start={}&end={}&step=0.5", static_cast<double>(from) / 1000,
                                               static_cast<double>(to) / 1000)));
    const Finished eval = run({SIGNALBOX, "eval", query, "--data", url(), "--from", to_rfc3339(Instant{from}),
                               "--to", to_rfc3339(Instant{to}), "--step", "500ms", "--json"});
    EXPECT_EQ(eval.code, theirs.empty() ? no_value : 0) << query << eval.err;
    auto ours = series(json::parse(eval.out, nullptr, false));
    for (const auto& [labels, values] : theirs) {
      EXPECT_EQ(ours[labels], values) << query << " of " << labels;
      ours.erase(labels);
    }
    for (const auto& [labels, values] : ours)
      ADD_FAILURE() << query << ": Prometheus has nothing of " << labels << ", and here it is " << values;
    return theirs.empty();
  }

  // A target that went away in the latest scrape has no value from then on, though no later `up` says so.
  void expect_the_last_failure_ends_all() {
    const std::string query = fmt::format("http_requests_total{{job=\"{}\"}}", job_);
    exporter_.reset();
    std::int64_t failed = 0;
    ASSERT_TRUE(eventually([&] {
      const json answer = ask("query", fmt::format("timestamp(up{{job=\"{}\"}} == 0)", job_), "");
      if (!answer.is_object() || answer["data"]["result"].empty()) return false;
      failed = std::llround(std::stod(answer["data"]["result"][0]["value"][1].get<std::string>()) * 1000);
      return true;
    }));
    configure({});
    prometheus_->signal(SIGHUP);
    const std::int64_t then = failed / 500 * 500;
    sleep_until_ms(then + 2 * interval);
    EXPECT_FALSE(expect_same(query, then - 2 * interval, then + 2 * interval));
    EXPECT_TRUE(expect_same(query, then + 500, then + 2 * interval)) << "the scrape at " << failed;
  }

  Folder textfiles_, folder_;
  Shop shop_{textfiles_};
  int exporter_port_ = 0, port_ = 0;
  std::unique_ptr<Process> exporter_, prometheus_;
  std::string job_;
  double first_step_ = 0;
};

TEST_F(RunReplay, TheSameTicksFire) {
  const std::string file = program();
  std::vector<std::string> live;
  std::int64_t from = 0, to = 0;
  bool good = false;
  for (int attempt = 0; attempt < 3 && !good; ++attempt) {
    Process runner({SIGNALBOX, "run", file, "--state", folder_.path(fmt::format("state{}", attempt))});
    std::vector<std::int64_t> written;
    std::int64_t tick = now_ms() / interval * interval + interval;
    from = tick + interval;
    first_step_ = shop_.steps() + 1;
    const std::string story = "....!!!....!!....";
    for (const char c : story) {
      sleep_until_ms(tick + write_after);
      shop_.step(c == '!');
      written.push_back(now_ms());
      tick += interval;
    }
    to = tick;
    sleep_until_ms(tick + interval - 200);
    runner.signal(SIGTERM);
    ASSERT_EQ(runner.wait(std::chrono::seconds(10)), 0) << runner.err();
    live = told(runner.events(), "tick");
    good = undisturbed(written);
  }
  ASSERT_TRUE(good)
      << "this machine is too busy to write a file and to scrape it within a quarter of a second";
  ASSERT_EQ(live.size(), 4u) << "two breaches, told and resolved";

  const std::string first = to_rfc3339(Instant{from}), last = to_rfc3339(Instant{to});
  const Finished replay =
      run({SIGNALBOX, "replay", file, "--data", url(), "--from", first, "--to", last, "--json"});
  ASSERT_EQ(replay.code, 0) << replay.err;
  const json document = json::parse(replay.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << replay.out;
  EXPECT_EQ(document["semantics"], 2) << "of Debian's Prometheus";
  EXPECT_EQ(told(document["events"], "time"), live);

  // The values behind it are Prometheus' own, to the last digit.
  for (const std::string query :
       {"http_requests_total", "rate(http_requests_total[12s])",
        "increase(http_requests_total[7s] offset 3s)",
        "sum(rate(http_requests_total{code=~\"5..\"}[6s])) / sum(rate(http_requests_total[6s]))",
        "max by (job) (delta(shop_step[10s]))"}) {
    EXPECT_FALSE(expect_same(query, from, to)) << query;
  }
  expect_the_last_failure_ends_all();
}

}  // namespace
}  // namespace signalbox::wire
