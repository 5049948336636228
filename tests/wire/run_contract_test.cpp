// `signalbox run` as operators meet it: signals, reloads, the kill switch, what it sends, and what it makes
// of pages that are none.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <set>

#include "runtime/base/digest.hpp"
#include "tests/wire/http_peer.hpp"
#include "tests/wire/process.hpp"

namespace signalbox::wire {
namespace {

using nlohmann::json;
using std::chrono::seconds;

const std::string pager_key = "the pager's secret", shop_key = "the shop's secret";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// A shop whose counters move with every scrape, a pager, and a target, at one address.
class World {
 public:
  World() : peer_([this](const PeerRequest& request) { return answer(request); }) {}

  std::atomic<bool> failing = false;
  // What /metrics (after some good pages) and /restart answer instead; set before the program starts.
  std::function<PeerAnswer()> page;
  int good_pages = 0;
  std::function<PeerAnswer(int attempt)> restart;

  // With each first text replaced by its second, everywhere.
  std::string program(const std::vector<std::pair<std::string, std::string>>& changes = {}) const {
    std::string text = R"(tick 500ms
source pages is scrape { url "BASE/metrics"  every 500ms  settle 0s }
metric http_requests_total is counter with (code)
receiver oncall is webhook { url "BASE/hook"  secret pager_key  heartbeat every 1s }
slo availability {
  indicator bad http_requests_total{code=~"5.."} of http_requests_total
  objective 90% over 1h
  burn      { page 2 over 4s & 2s }
  missing   keep for 2s then ticket
  page      oncall
}
target shop is http {
  secret  shop_key
  timeout 500ms
  action  restart is idempotent { POST "BASE/restart" body { reason "errors" } }
}
policy restart_shop on shop {
  when     availability.burn(2s) > 2 for 2 ticks
  do       restart
  verify   availability.burn(since done) < 1 for 2 ticks after 2s events at least 10 within 5s
           else page oncall "it did not help"
  limit    3 per 1h
  cooldown 30s
  missing  do nothing
  mode     act
}
)";
    for (const auto& [from, to] : changes) text = replaced(text, from, to);
    return replaced(text, "BASE", peer_.url(""));
  }
  std::vector<PeerRequest> requests(const std::string& path) const { return peer_.requests(path); }

 private:
  PeerAnswer answer(const PeerRequest& request) {
    PeerAnswer out;
    if (request.path == "/metrics") {
      if (page && ++pages_ > good_pages) return page();
      good_ += failing ? 50 : 100;
      bad_ += failing ? 50 : 0;
      out.body = fmt::format(
          "# TYPE http_requests_total counter\nhttp_requests_total{{code=\"200\"}} {}\n"
          "http_requests_total{{code=\"500\"}} {}\n",
          good_, bad_);
    } else if (request.path == "/hang") {
      out.hang = true;
    } else if (request.path == "/restart" && restart) {
      return restart(++restarts_);
    }
    return out;
  }

  int good_ = 0, bad_ = 0, pages_ = 0, restarts_ = 0;
  HttpPeer peer_;  // last: it calls the rest
};

// The program, running.
class Runner {
 public:
  Runner(const World& world, const std::vector<std::string>& options = {}, const std::string& program = "")
      : file_(folder_.write("program.slo", program.empty() ? world.program() : program)) {
    start(options);
  }

  void start(const std::vector<std::string>& options = {}) {
    process_.reset();
    process_ = std::make_unique<Process>(words(options), environment());
  }
  std::vector<std::string> words(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> out = {SIGNALBOX, "run", file_, "--state", state(), "--listen", "127.0.0.1:0"};
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }
  static ProcessOptions environment() {
    ProcessOptions options;
    options.environment = {{"SIGNALBOX_SECRET_PAGER_KEY", pager_key},
                           {"SIGNALBOX_SECRET_SHOP_KEY", shop_key}};
    return options;
  }

  std::string state() const { return folder_.path("state"); }
  void rewrite(const std::string& program) const { folder_.write("program.slo", program); }
  Process& process() { return *process_; }

  std::vector<json> events(const std::string& kind) const {
    std::vector<json> out;
    for (json& event : process_->events())
      if (event.value("kind", "") == kind) out.push_back(std::move(event));
    return out;
  }
  std::string why(const std::string& kind) const {
    const auto all = events(kind);
    return all.empty() ? "" : all.back().value("why", "");
  }
  bool says(const std::string& kind, const std::string& part = "", std::size_t times = 1) {
    return eventually([&] {
             const auto all = events(kind);
             const auto hits = std::count_if(all.begin(), all.end(), [&](const json& event) {
               return event.value("why", "").find(part) != std::string::npos;
             });
             return static_cast<std::size_t>(hits) >= times || !process_->running();
           }) &&
           process_->running();
  }
  int port() const {
    const std::string err = process_->err();
    const std::size_t at = err.find("on 127.0.0.1:");
    return at == std::string::npos || err.find('\n', at) == std::string::npos
               ? 0
               : std::atoi(err.c_str() + at + 13);
  }
  double metric(const std::string& name) const {
    const std::string text = "\n" + http_get(port(), "/metrics").body;
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::atof(text.c_str() + at + name.size() + 2);
  }
  bool ticks(double count) {
    return eventually([&] { return port() > 0 && metric("signalbox_ticks_total") >= count; });
  }
  std::string story() const { return process_->out() + process_->err(); }

 private:
  Folder folder_;
  std::string file_;
  std::unique_ptr<Process> process_;
};

TEST(RunContract, OneProcessAStateAndACleanEnd) {
  const World world;
  Runner runner(world);
  ASSERT_TRUE(runner.ticks(2)) << runner.story();
  EXPECT_EQ(http_get(runner.port(), "/healthz").status, 200);
  EXPECT_EQ(http_get(runner.port(), "/elsewhere").status, 404);

  const Finished second = run(runner.words(), Runner::environment());
  EXPECT_EQ(second.code, 2);
  EXPECT_NE(second.err.find(fmt::format("locked by process {}", runner.process().pid())), std::string::npos)
      << second.err;

  runner.process().signal(SIGTERM);
  EXPECT_EQ(runner.process().wait(seconds(10)), 0) << runner.story();
  runner.start();
  ASSERT_TRUE(runner.ticks(2)) << "the state opens again: " << runner.story();
  runner.process().signal(SIGINT);
  EXPECT_EQ(runner.process().wait(seconds(10)), 0) << runner.story();
}

// A page that does not come holds up the tick, and must not hold up the end.
TEST(RunContract, EndsInTheMiddleOfAScrape) {
  World world;
  world.page = [] { return PeerAnswer{.hang = true}; };
  Runner runner(world, {},
                world.program({{"500ms", "10s"},
                               {"settle 0s", "timeout 10s"},
                               {"4s & 2s", "2m & 1m"},
                               {"burn(2s)", "burn(1m)"},
                               {"30s", "10m"},
                               {"after 2s", "after 20s"},
                               {"within 5s", "within 2m"}}));
  ASSERT_TRUE(eventually([&] { return !world.requests("/metrics").empty() || !runner.process().running(); }));
  ASSERT_TRUE(runner.process().running()) << runner.story();
  runner.process().signal(SIGTERM);
  EXPECT_EQ(runner.process().wait(seconds(7)), 0) << runner.story();
}

// Who is ill often does not say its version either, and that must not keep anybody from noticing.
TEST(RunContract, ATargetThatHangsHoldsNothingUp) {
  World world;
  world.failing = true;
  Runner runner(world, {},
                world.program({{"secret  shop_key", "version GET \"BASE/hang\"  secret shop_key"},
                               {"timeout 500ms", "timeout 20s"}}));
  ASSERT_TRUE(runner.says("page")) << runner.story();
  ASSERT_TRUE(runner.says("executed")) << runner.story();
  EXPECT_GT(world.requests("/hang").size(), 1u);
  EXPECT_EQ(world.requests("/restart").size(), 1u);
}

TEST(RunContract, MetricsAreWhatPromtoolReads) {
  ASSERT_EQ(missing_programs({"promtool"}), "");
  World world;
  world.failing = true;
  Runner runner(world, {"--mode", "observe"});
  ASSERT_TRUE(runner.says("page")) << runner.story();
  const Folder folder;
  ProcessOptions piped;
  piped.input = folder.write("metrics", http_get(runner.port(), "/metrics").body);
  const Finished checked = run({"promtool", "check", "metrics"}, piped);
  EXPECT_EQ(checked.code, 0) << checked.out << checked.err << read_file(piped.input);
  EXPECT_EQ(runner.metric("signalbox_events_total{kind=\"page\"}"), 1);
}

TEST(RunContract, WhatIsSentIsSignedAndHasAKey) {
  World world;
  world.failing = true;
  Runner runner(world);
  ASSERT_TRUE(runner.says("executed")) << runner.story();
  const auto restarts = world.requests("/restart");
  ASSERT_EQ(restarts.size(), 1u);
  EXPECT_EQ(restarts[0].method, "POST");
  EXPECT_EQ(restarts[0].body, R"({"reason":"errors"})");
  EXPECT_FALSE(restarts[0].header("Idempotency-Key").empty());
  EXPECT_EQ(restarts[0].header("X-Signalbox-Signature"),
            "sha256=" + hmac_sha256_hex(shop_key, restarts[0].body));

  // A page, a heartbeat at least, and what the escalation says.
  ASSERT_TRUE(runner.says("escalated")) << runner.story();
  const auto told = [&](const std::string& kind) {
    const auto hooks = world.requests("/hook");
    return std::any_of(hooks.begin(), hooks.end(), [&](const PeerRequest& r) {
      return json::parse(r.body, nullptr, false).value("kind", "") == kind;
    });
  };
  EXPECT_TRUE(eventually([&] { return told("heartbeat") && told("page"); }));
  std::set<std::string> keys;
  for (const PeerRequest& hook : world.requests("/hook")) {
    EXPECT_EQ(hook.header("X-Signalbox-Signature"), "sha256=" + hmac_sha256_hex(pager_key, hook.body))
        << hook.body;
    EXPECT_TRUE(keys.insert(hook.header("Idempotency-Key")).second) << "told twice: " << hook.body;
  }

  runner.process().signal(SIGTERM);
  ASSERT_EQ(runner.process().wait(seconds(10)), 0);
  const std::string id = runner.events("decided").at(0).value("id", "");
  const Finished why = run({SIGNALBOX, "why", id, "--state", runner.state()});
  EXPECT_EQ(why.code, 0);
  EXPECT_NE(why.out.find("the same, byte for byte"), std::string::npos) << why.out;
  const json told_why =
      json::parse(run({SIGNALBOX, "why", id, "--state", runner.state(), "--json"}).out, nullptr, false);
  ASSERT_FALSE(told_why["records"].empty());
  EXPECT_EQ(told_why["records"][0]["kind"], "decided");
  EXPECT_EQ(run({SIGNALBOX, "why", "no-such", "--state", runner.state()}).code, 3);
}

TEST(RunContract, ReloadKeepsWhatIsGoodAndWhatWasDone) {
  World world;
  world.failing = true;
  Runner runner(world);
  ASSERT_TRUE(runner.says("executed")) << runner.story();

  runner.rewrite("this is no program\n");
  runner.process().signal(SIGHUP);
  ASSERT_TRUE(runner.says("reload", "the old one goes on")) << runner.story();
  const double ticks = runner.metric("signalbox_ticks_total");
  EXPECT_TRUE(runner.ticks(ticks + 2)) << runner.story();

  // With the episode's own cooldown over in a new program, the state of the old one would be all that holds
  // it back.
  runner.rewrite(world.program() + "let unused = 1\n");
  runner.process().signal(SIGHUP);
  ASSERT_TRUE(runner.says("reload", "a new program runs")) << runner.story();
  ASSERT_TRUE(runner.says("not_helped")) << "the episode goes on under the new program: " << runner.story();
  world.failing = false;
  ASSERT_TRUE(runner.says("resolved")) << "the page was told under the old program: " << runner.story();
  ASSERT_TRUE(runner.ticks(8)) << runner.story();
  world.failing = true;
  ASSERT_TRUE(runner.says("refused", "cooling down until")) << runner.story();
  EXPECT_EQ(world.requests("/restart").size(), 1u);
}

TEST(RunContract, WhatMayNotActSaysSo) {
  World killed, observed;
  for (World* world : {&killed, &observed}) world->failing = true;
  const Folder folder;
  Runner with_switch(killed, {"--kill-switch", folder.write("KILL", "")});
  Runner watching(observed, {"--mode", "observe"});
  ASSERT_TRUE(with_switch.says("refused", "the kill switch is on")) << with_switch.story();
  ASSERT_TRUE(watching.says("refused", "mode observe")) << watching.story();
  // Pages are no actions: they come all the same.
  ASSERT_TRUE(with_switch.says("page")) << with_switch.story();
  EXPECT_EQ(killed.requests("/restart").size(), 0u);
  EXPECT_EQ(observed.requests("/restart").size(), 0u);
}

TEST(RunContract, TheSwitchInTheStateDirectoryIsReadBeforeEachAction) {
  World world;
  Runner runner(world);
  ASSERT_TRUE(runner.ticks(2)) << runner.story();
  const std::string file = runner.state() + "/KILL";
  ASSERT_EQ(run({"touch", file}).code, 0);
  world.failing = true;
  ASSERT_TRUE(runner.says("refused", "the kill switch is on")) << runner.story();
  EXPECT_EQ(world.requests("/restart").size(), 0u);
  ASSERT_EQ(run({"rm", file}).code, 0);
  ASSERT_TRUE(runner.says("executed")) << "it is off again: " << runner.story();
}

TEST(RunContract, ARedirectIsARefusal) {
  World world;
  world.failing = true;
  world.restart = [](int) { return PeerAnswer{.status = 307, .headers = {"Location: /elsewhere"}}; };
  Runner runner(world);
  ASSERT_TRUE(runner.says("failed", "HTTP 307")) << runner.story();
  ASSERT_TRUE(runner.says("escalated")) << runner.story();
  EXPECT_EQ(world.requests("/restart").size(), 1u);
  EXPECT_EQ(world.requests("/elsewhere").size(), 0u);
}

TEST(RunContract, ALostAnswerIsAskedForAgainWithTheSameKey) {
  World world;
  world.failing = true;
  world.restart = [](int attempt) { return PeerAnswer{.hang = attempt <= 2}; };
  Runner runner(world);
  ASSERT_TRUE(runner.says("executed")) << runner.story();
  const auto restarts = world.requests("/restart");
  ASSERT_EQ(restarts.size(), 3u);
  for (const PeerRequest& r : restarts) {
    EXPECT_EQ(r.header("Idempotency-Key"), restarts[0].header("Idempotency-Key"));
    EXPECT_EQ(r.body, restarts[0].body);
  }
  EXPECT_EQ(runner.events("decided").size(), 1u);
}

TEST(RunContract, PagesThatAreNoneAreSaidOnceAndCostNoMemory) {
  World html, endless;
  html.page = [] {
    return PeerAnswer{.type = "text/html", .body = "<!DOCTYPE html><html><body>Log in first</body></html>"};
  };
  endless.page = [] {
    return PeerAnswer{.type = "text/plain; version=0.0.4", .promised = std::size_t{1} << 30};
  };
  html.good_pages = endless.good_pages = 4;
  Runner a(html), b(endless);
  for (Runner* runner : {&a, &b}) {
    ASSERT_TRUE(runner->says("notice", "/metrics")) << runner->story();
    ASSERT_TRUE(runner->says("missing"))
        << "what is not there is missing, and never an error ratio: " << runner->story();
    ASSERT_TRUE(runner->ticks(14)) << runner->story();
    EXPECT_EQ(runner->events("notice").size(), 1u) << runner->story();
    EXPECT_EQ(runner->events("page").size(), 0u);
    EXPECT_EQ(http_get(runner->port(), "/healthz").status, 200);
  }
  EXPECT_NE(b.why("notice").find("longer than"), std::string::npos) << b.why("notice");
  const std::string status = read_file(fmt::format("/proc/{}/status", b.process().pid()));
  const std::size_t peak = status.find("VmHWM:");
  ASSERT_NE(peak, std::string::npos);
  EXPECT_LT(std::atol(status.c_str() + peak + 6), 400 * 1024) << "kB at most";
}

TEST(RunContract, AMissingSecretIsNamedBeforeAnythingRuns) {
  const World world;
  const Folder folder;
  const std::string file = folder.write("program.slo", world.program());
  const Finished refused = run({SIGNALBOX, "run", file, "--state", folder.path("state")});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("SIGNALBOX_SECRET_PAGER_KEY"), std::string::npos) << refused.err;
  EXPECT_TRUE(world.requests("/metrics").empty());
}

}  // namespace
}  // namespace signalbox::wire
