// `signalbox run` as operators meet it: signals, reloads, the kill switch, what it sends, and what it makes
// of pages that are none.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "runtime/base/digest.hpp"
#include "tests/wire/live_run.hpp"

namespace signalbox::wire {
namespace {

using nlohmann::json;
using std::chrono::seconds;

TEST(RunContract, OneProcessAStateAndACleanEnd) {
  const LiveShop world;
  LiveRun runner(world);
  ASSERT_TRUE(runner.ticks(2)) << runner.story();
  EXPECT_EQ(http_get(runner.port(), "/healthz").status, 200);
  EXPECT_EQ(http_get(runner.port(), "/elsewhere").status, 404);

  const Finished second = run(runner.words(), LiveRun::environment());
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
  LiveShop world;
  world.page = [] { return PeerAnswer{.hang = true}; };
  LiveRun runner(world, {},
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
  LiveShop world;
  world.failing = true;
  LiveRun runner(world, {},
                 world.program({{"secret  shop_key", "version GET \"BASE/hang\"  secret shop_key"},
                                {"timeout 500ms", "timeout 20s"}}));
  ASSERT_TRUE(runner.says("page")) << runner.story();
  ASSERT_TRUE(runner.says("executed")) << runner.story();
  EXPECT_GT(world.requests("/hang").size(), 1u);
  EXPECT_EQ(world.requests("/restart").size(), 1u);
}

TEST(RunContract, MetricsAreWhatPromtoolReads) {
  ASSERT_EQ(missing_programs({"promtool"}), "");
  LiveShop world;
  world.failing = true;
  LiveRun runner(world, {"--mode", "observe"});
  ASSERT_TRUE(runner.says("page")) << runner.story();
  const Folder folder;
  ProcessOptions piped;
  piped.input = folder.write("metrics", http_get(runner.port(), "/metrics").body);
  const Finished checked = run({"promtool", "check", "metrics"}, piped);
  EXPECT_EQ(checked.code, 0) << checked.out << checked.err << read_file(piped.input);
  EXPECT_EQ(runner.metric("signalbox_events_total{kind=\"page\"}"), 1);
}

TEST(RunContract, WhatIsSentIsSignedAndHasAKey) {
  LiveShop world;
  world.failing = true;
  LiveRun runner(world);
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
  LiveShop world;
  world.failing = true;
  LiveRun runner(world);
  ASSERT_TRUE(runner.says("executed")) << runner.story();

  runner.rewrite("this is no program\n");
  runner.process().signal(SIGHUP);
  ASSERT_TRUE(runner.says("reload", "the old one goes on")) << runner.story();
  const double ticks = runner.metric("signalbox_ticks_total");
  EXPECT_TRUE(runner.ticks(ticks + 2)) << runner.story();

  runner.rewrite(world.program() + "# A remark changes nothing.\n");
  runner.process().signal(SIGHUP);
  ASSERT_TRUE(runner.says("reload", "the program is the same")) << runner.story();
  runner.rewrite(world.program({{"restart_shop", "restart_again"}}));
  runner.process().signal(SIGHUP);
  ASSERT_TRUE(runner.says("reload", "has no policy `restart_shop`")) << runner.story();
  runner.rewrite(world.program({{"within 5s", "within 6s"}}));
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

// An answer under way belongs to whoever asked: neither a reload nor an end makes a lost one of it.
TEST(RunContract, AReloadAndAnEndWaitForTheAnswerUnderWay) {
  LiveShop reloaded, ended;
  for (LiveShop* world : {&reloaded, &ended}) {
    world->failing = true;
    world->restart = [](int) { return PeerAnswer{.delay = std::chrono::milliseconds(1500)}; };
  }
  const std::vector<std::pair<std::string, std::string>> unsafe = {{"is idempotent", "is unsafe"},
                                                                   {"timeout 500ms", "timeout 6s"}};
  LiveRun a(reloaded, {}, reloaded.program(unsafe)), b(ended, {}, ended.program(unsafe));
  ASSERT_TRUE(a.says("decided")) << a.story();
  a.rewrite(replaced(reloaded.program(unsafe), "within 5s", "within 6s"));
  a.process().signal(SIGHUP);
  ASSERT_TRUE(a.says("executed")) << a.story();
  ASSERT_TRUE(a.says("reload", "a new program runs")) << a.story();
  EXPECT_EQ(a.events("failed").size(), 0u) << a.story();
  ASSERT_TRUE(b.says("decided")) << b.story();
  b.process().signal(SIGTERM);
  EXPECT_EQ(b.process().wait(seconds(10)), 0) << b.story();
  EXPECT_EQ(b.events("executed").size(), 1u) << b.story();
  for (LiveShop* world : {&reloaded, &ended}) EXPECT_EQ(world->requests("/restart").size(), 1u);
}

TEST(RunContract, WhatMayNotActSaysSo) {
  LiveShop killed, observed;
  for (LiveShop* world : {&killed, &observed}) world->failing = true;
  const Folder folder;
  LiveRun with_switch(killed, {"--kill-switch", folder.write("KILL", "")});
  LiveRun watching(observed, {"--mode", "observe"});
  ASSERT_TRUE(with_switch.says("refused", "the kill switch is on")) << with_switch.story();
  ASSERT_TRUE(watching.says("refused", "mode observe")) << watching.story();
  // Pages are no actions: they come all the same.
  ASSERT_TRUE(with_switch.says("page")) << with_switch.story();
  EXPECT_EQ(killed.requests("/restart").size(), 0u);
  EXPECT_EQ(observed.requests("/restart").size(), 0u);
}

TEST(RunContract, TheSwitchInTheStateDirectoryIsReadBeforeEachAction) {
  LiveShop world;
  LiveRun runner(world);
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
  LiveShop world;
  world.failing = true;
  world.restart = [](int) { return PeerAnswer{.status = 307, .headers = {"Location: /elsewhere"}}; };
  LiveRun runner(world);
  ASSERT_TRUE(runner.says("failed", "HTTP 307")) << runner.story();
  ASSERT_TRUE(runner.says("escalated")) << runner.story();
  EXPECT_EQ(world.requests("/restart").size(), 1u);
  EXPECT_EQ(world.requests("/elsewhere").size(), 0u);
}

TEST(RunContract, ALostAnswerIsAskedForAgainWithTheSameKey) {
  LiveShop world;
  world.failing = true;
  world.restart = [](int attempt) { return PeerAnswer{.hang = attempt <= 2}; };
  LiveRun runner(world);
  ASSERT_TRUE(runner.says("executed")) << runner.story();
  const auto restarts = world.requests("/restart");
  ASSERT_EQ(restarts.size(), 3u);
  for (const PeerRequest& r : restarts) {
    EXPECT_EQ(r.header("Idempotency-Key"), restarts[0].header("Idempotency-Key"));
    EXPECT_EQ(r.body, restarts[0].body);
  }
  EXPECT_EQ(runner.events("decided").size(), 1u);
}

TEST(RunContract, WhatWasBegunIsFinishedByTheNextProcess) {
  LiveShop world;
  world.failing = true;
  world.restart = [](int attempt) { return PeerAnswer{.hang = attempt == 1}; };
  LiveRun runner(world);
  ASSERT_TRUE(eventually([&] { return !world.requests("/restart").empty(); })) << runner.story();
  runner.process().signal(SIGKILL);
  ASSERT_EQ(runner.process().wait(seconds(10)), 128 + SIGKILL);
  runner.start();
  ASSERT_TRUE(runner.says("executed")) << runner.story();
  const auto restarts = world.requests("/restart");
  ASSERT_GE(restarts.size(), 2u);
  for (const PeerRequest& r : restarts)
    EXPECT_EQ(r.header("Idempotency-Key"), restarts[0].header("Idempotency-Key"));
  EXPECT_EQ(runner.events("decided").size(), 0u) << "it was decided before: " << runner.story();
}

TEST(RunContract, APageIsToldUntilItIsTaken) {
  LiveShop world;
  world.failing = true;
  world.hook = [](int attempt) { return PeerAnswer{.status = attempt <= 2 ? 503 : 200}; };
  LiveRun runner(world, {"--mode", "observe"}, world.program({{"heartbeat every 1s", ""}}));
  ASSERT_TRUE(runner.says("undelivered", "HTTP 503")) << runner.story();
  ASSERT_TRUE(eventually([&] { return runner.metric("signalbox_messages_waiting") == 0; })) << runner.story();
  std::map<std::string, int> told;
  for (const PeerRequest& r : world.requests("/hook")) ++told[r.header("Idempotency-Key") + r.body];
  ASSERT_EQ(told.size(), 1u) << "always the same message";
  EXPECT_EQ(told.begin()->second, 3);
}

// Who only reads along must not be able to stop the watch, and neither must a full disk.
TEST(RunContract, LinesThatNobodyTakesStopNothing) {
  LiveShop closed, full;
  const Folder folder;
  const std::string fifo = folder.path("out");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  LiveRun a(closed), b(full);
  a.start_into(fifo);
  b.start_into("/dev/full");
  ASSERT_TRUE(a.ticks(1));
  ::close(reader);
  closed.failing = full.failing = true;
  for (const auto& [world, runner] : {std::pair(&closed, &a), std::pair(&full, &b)}) {
    ASSERT_TRUE(eventually(
        [w = world, r = runner] { return !w->requests("/restart").empty() || !r->process().running(); }));
    ASSERT_TRUE(runner->process().running()) << runner->process().err();
    EXPECT_TRUE(runner->ticks(runner->metric("signalbox_ticks_total") + 2)) << runner->process().err();
  }
  // More lines than a buffer takes.
  b.rewrite("this is no program\n");
  for (int i = 0; i < 40; ++i) {
    b.process().signal(SIGHUP);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_TRUE(b.process().running()) << b.process().err();
  EXPECT_TRUE(b.ticks(b.metric("signalbox_ticks_total") + 2)) << b.process().err();
}

TEST(RunContract, PagesThatAreNoneAreSaidOnceAndCostNoMemory) {
  LiveShop html, endless;
  html.page = [] {
    return PeerAnswer{.type = "text/html", .body = "<!DOCTYPE html><html><body>Log in first</body></html>"};
  };
  endless.page = [] {
    return PeerAnswer{.type = "text/plain; version=0.0.4", .promised = std::size_t{1} << 30};
  };
  html.good_pages = endless.good_pages = 4;
  LiveRun a(html), b(endless);
  for (LiveRun* runner : {&a, &b}) {
    ASSERT_TRUE(runner->says("notice", "/metrics")) << runner->story();
    ASSERT_TRUE(runner->says("missing"))
        << "what is not there is missing, and never an error ratio: " << runner->story();
    ASSERT_TRUE(runner->ticks(14)) << runner->story();
    EXPECT_EQ(runner->events("notice").size(), 1u) << runner->story();
    EXPECT_EQ(runner->events("page").size(), 0u);
    EXPECT_EQ(http_get(runner->port(), "/healthz").status, 200);
  }
  // Which bound ends it, that on bytes or that on time, is a matter of the machine.
  const std::string notice = b.why("notice");
  EXPECT_TRUE(notice.find("longer than") != std::string::npos ||
              notice.find("timed out") != std::string::npos)
      << notice;
  const std::string status = read_file(fmt::format("/proc/{}/status", b.process().pid()));
  const std::size_t peak = status.find("VmHWM:");
  ASSERT_NE(peak, std::string::npos);
  EXPECT_LT(std::atol(status.c_str() + peak + 6), 400 * 1024) << "kB at most";
}

TEST(RunContract, AMissingSecretIsNamedBeforeAnythingRuns) {
  const LiveShop world;
  const Folder folder;
  const std::string file = folder.write("program.slo", world.program());
  const Finished refused = run({SIGNALBOX, "run", file, "--state", folder.path("state")});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("SIGNALBOX_SECRET_PAGER_KEY"), std::string::npos) << refused.err;
  EXPECT_TRUE(world.requests("/metrics").empty());
}

}  // namespace
}  // namespace signalbox::wire
