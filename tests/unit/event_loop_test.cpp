#include "runtime/net/event_loop.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <optional>

#include "runtime/net/http_parse.hpp"
#include "runtime/net/listener.hpp"
#include "tests/support/sockets.hpp"

namespace signalbox::net {
namespace {

using test::Client;
using test::ScriptedServer;
using test::SilentServer;

std::unique_ptr<EventLoop> make_loop(EgressRules rules = {}) {
  auto loop = make_event_loop(rules);
  EXPECT_TRUE(loop);
  return *std::move(loop);
}

// The bound only keeps a failing test from hanging.
bool run_until(EventLoop& loop, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    loop.run_once(milliseconds(20));
  }
  return true;
}

std::string url(int port, const std::string& path = "/", const std::string& scheme = "http") {
  return scheme + "://127.0.0.1:" + std::to_string(port) + path;
}

Result<HttpResponse> fetch(EventLoop& loop, HttpRequest request) {
  std::optional<Result<HttpResponse>> answer;
  int calls = 0;
  loop.http().send(std::move(request), [&](Result<HttpResponse> r) {
    answer = std::move(r);
    ++calls;
  });
  if (!run_until(loop, [&] { return answer.has_value(); }))
    return Error{ErrorCode::internal, "no completion"};
  EXPECT_EQ(calls, 1);
  return *std::move(answer);
}
Result<HttpResponse> get(EventLoop& loop, const std::string& at, Duration timeout = seconds(30)) {
  HttpRequest request;
  request.url = at;
  request.timeout = timeout;
  return fetch(loop, request);
}
ErrorCode error_of(const Result<HttpResponse>& r) {
  return r ? ErrorCode::internal : r.error().code;
}

ServedResponse echo(const ServedRequest& r) {
  return {200, "text/plain; charset=utf-8", r.method + "|" + r.path + "|" + r.query + "|" + r.body};
}

TEST(Timers, RunInOrderOfTimeThenOfArrival) {
  auto loop = make_loop();
  std::string order;
  const Instant now = loop->clock().now();
  loop->timer().at(now + milliseconds(60), [&] { order += 'd'; });
  loop->timer().at(now + milliseconds(30), [&] { order += 'b'; });
  loop->timer().at(now + milliseconds(30), [&] { order += 'c'; });
  loop->timer().at(now - seconds(5), [&] { order += 'a'; });
  loop->timer().at(Instant{std::numeric_limits<std::int64_t>::max()}, [&] { order += 'x'; });
  ASSERT_TRUE(run_until(*loop, [&] { return order.size() == 4; }));
  EXPECT_EQ(order, "abcd");
}

TEST(Timers, NeverFireBeforeTheirInstant) {
  auto loop = make_loop();
  int early = 0, ran = 0;
  for (int i = 1; i <= 40; ++i) {
    const Instant when = loop->clock().now() + milliseconds(i);
    loop->timer().at(when, [&, when] {
      early += loop->clock().now() < when;
      ++ran;
    });
  }
  ASSERT_TRUE(run_until(*loop, [&] { return ran == 40; }));
  EXPECT_EQ(early, 0);
}

TEST(Timers, PastTasksThatAddPastTasksLeaveTheLoopAlive) {
  auto loop = make_loop();
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    loop->timer().at(Instant{0}, again);
  };
  loop->timer().at(Instant{0}, again);
  loop->run_once(seconds(0));
  EXPECT_EQ(rounds, 1);
  loop->run_once(seconds(0));
  EXPECT_EQ(rounds, 2);
}

TEST(Loop, RunsUntilStopped) {
  auto loop = make_loop();
  bool ran = false;
  loop->timer().at(loop->clock().now() + milliseconds(5), [&] {
    ran = true;
    loop->stop();
  });
  loop->run();
  EXPECT_TRUE(ran);
}

TEST(Loop, RandomFillsEverything) {
  auto loop = make_loop();
  std::vector<std::uint8_t> a(4096), b(4096);
  loop->random().fill(a);
  loop->random().fill(b);
  EXPECT_NE(a, b);
}

TEST(Signals, ReachTheirHandlerOnTheLoop) {
  struct sigaction before {};
  ::sigaction(SIGUSR1, nullptr, &before);
  {
    auto loop = make_loop();
    int first = 0, second = 0;
    ASSERT_TRUE(loop->on_signal(SIGUSR1, [&] { ++first; }));
    ASSERT_TRUE(loop->on_signal(SIGUSR2, [&] { ++second; }));
    ::raise(SIGUSR1);
    EXPECT_EQ(first, 0);
    loop->run_once(seconds(0));
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 0);
    ::raise(SIGUSR2);
    loop->run_once(seconds(0));
    EXPECT_EQ(second, 1);

    auto other = make_loop();
    auto taken = other->on_signal(SIGUSR1, [] {});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::conflict);
    EXPECT_EQ(loop->on_signal(SIGKILL, [] {}).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(loop->on_signal(1000, [] {}).error().code, ErrorCode::invalid_argument);
  }
  struct sigaction after {};
  ::sigaction(SIGUSR1, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(HttpOut, CarriesMethodBodyAndHeaders) {
  auto loop = make_loop();
  const int port = *loop->listen("127.0.0.1", 0, 1 << 20, echo);
  auto plain = get(*loop, url(port, "/a/b?x=1&y=2"));
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->body, "GET|/a/b|x=1&y=2|");
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "GET"}) {
    HttpRequest request{.method = method, .url = url(port), .headers = {}, .body = std::string("a\0b", 3)};
    auto answer = fetch(*loop, request);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, std::string(method) + "|/||" + std::string("a\0b", 3));
    EXPECT_EQ(answer->content_type, "text/plain; charset=utf-8");
  }
  HttpRequest head{.method = "HEAD", .url = url(port), .headers = {}, .body = ""};
  auto answer = fetch(*loop, head);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "");

  ScriptedServer server("HTTP/1.1 204 No Content\r\n\r\n");
  HttpRequest request{.method = "POST",
                      .url = url(server.port()),
                      .headers = {{"X-Empty", ""}, {"X-Some", "thing"}},
                      .body = ""};
  auto none = fetch(*loop, request);
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(none->status, 204);
  const std::string sent = server.request();
  EXPECT_NE(sent.find("X-Some: thing\r\n"), std::string::npos) << sent;
  EXPECT_NE(sent.find("X-Empty:"), std::string::npos) << sent;
  EXPECT_NE(sent.find("Content-Length: 0\r\n"), std::string::npos) << sent;
  EXPECT_EQ(sent.find("urlencoded"), std::string::npos) << sent;
}

TEST(HttpOut, IgnoresProxiesOfTheEnvironment) {
  const std::string proxy = url(test::closed_port());
  ::setenv("http_proxy", proxy.c_str(), 1);
  ::setenv("all_proxy", proxy.c_str(), 1);
  auto loop = make_loop();
  const int port = *loop->listen("127.0.0.1", 0, 100, echo);
  EXPECT_TRUE(get(*loop, url(port)));
  ::unsetenv("http_proxy");
  ::unsetenv("all_proxy");
}

TEST(HttpOut, RefusesWhatTheEgressRulesForbid) {
  auto loop = make_loop();
  EXPECT_EQ(error_of(get(*loop, "file:///etc/passwd")), ErrorCode::refused);
  EXPECT_EQ(error_of(get(*loop, "gopher://127.0.0.1/")), ErrorCode::refused);
  EXPECT_EQ(error_of(get(*loop, "http://me:secret@127.0.0.1/")), ErrorCode::refused);
  EXPECT_EQ(error_of(get(*loop, "http://me@127.0.0.1/")), ErrorCode::refused);
  EXPECT_EQ(error_of(get(*loop, "127.0.0.1/")), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of(get(*loop, "")), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of(get(*loop, "http://127.0.0.1:99999/")), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of(get(*loop, "http://127.0.0.1/a b\r\nX: y")), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of(get(*loop, "http://127.0.0.1/", seconds(0))), ErrorCode::invalid_argument);
  const auto with = [&](std::string method, std::string name, std::string value) {
    HttpRequest request{.method = std::move(method),
                        .url = "http://127.0.0.1/",
                        .headers = {{std::move(name), std::move(value)}},
                        .body = ""};
    return error_of(fetch(*loop, request));
  };
  EXPECT_EQ(with("GET", "X", "a\r\nY: b"), ErrorCode::invalid_argument);
  EXPECT_EQ(with("GET", "X: y", "a"), ErrorCode::invalid_argument);
  EXPECT_EQ(with("GET", "Content-Length", "5"), ErrorCode::invalid_argument);
  EXPECT_EQ(with("GET /", "X", "a"), ErrorCode::invalid_argument);
}

TEST(HttpOut, HandsRedirectsBack) {
  auto loop = make_loop();
  bool followed = false;
  const int port = *loop->listen("127.0.0.1", 0, 100, [&](const ServedRequest&) {
    followed = true;
    return ServedResponse{};
  });
  ScriptedServer server("HTTP/1.1 302 Found\r\nLocation: " + url(port) + "\r\nContent-Length: 0\r\n\r\n");
  auto answer = get(*loop, url(server.port()));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 302);
  EXPECT_FALSE(followed);
}

TEST(HttpOut, UnreachableOnlyWhenNothingWasSent) {
  auto loop = make_loop();
  EXPECT_EQ(error_of(get(*loop, url(test::closed_port()))), ErrorCode::unreachable);
  EXPECT_EQ(error_of(get(*loop, "http://no-such-host.invalid/")), ErrorCode::unreachable);
  // The connection stands, the handshake does not: still not a byte of the request went out.
  SilentServer silent;
  EXPECT_EQ(error_of(get(*loop, url(silent.port(), "/", "https"), milliseconds(300))),
            ErrorCode::unreachable);
  ScriptedServer plain("HTTP/1.1 400 Bad Request\r\n\r\n");
  const int port = *loop->listen("127.0.0.1", 0, 100, echo);
  EXPECT_EQ(error_of(get(*loop, url(port, "/", "https"))), ErrorCode::unreachable);
}

TEST(HttpOut, OutcomeUnknownOnceItMayHaveArrived) {
  auto loop = make_loop();
  SilentServer silent;
  auto never = get(*loop, url(silent.port(), "/secret-path"), seconds(2));
  EXPECT_EQ(error_of(never), ErrorCode::outcome_unknown);
  EXPECT_EQ(never.error().message.find("secret-path"), std::string::npos);
  for (const char* answer :
       {"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it", "HTTP/1.1 200 OK\r\nContent-Len",
        "nonsense\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    ScriptedServer server(answer);
    EXPECT_EQ(error_of(get(*loop, url(server.port()))), ErrorCode::outcome_unknown) << answer;
    EXPECT_NE(server.request(), "");
  }
}

TEST(HttpOut, TakesChunksTrailersAndInterimAnswers) {
  auto loop = make_loop();
  ScriptedServer server(
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX: "
      "y\r\n\r\n");
  auto answer = get(*loop, url(server.port()));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "abc");
}

TEST(HttpOut, BoundsTheAnswer) {
  auto loop = make_loop();
  const int port = *loop->listen("127.0.0.1", 0, 100, [](const ServedRequest& r) {
    return ServedResponse{200, "text/plain", std::string((1u << 20) + (r.path == "/more" ? 1 : 0), 'x')};
  });
  auto just = get(*loop, url(port));
  ASSERT_TRUE(just) << just.error().message;
  EXPECT_EQ(just->body.size(), 1u << 20);
  EXPECT_EQ(error_of(get(*loop, url(port, "/more"))), ErrorCode::limit_exceeded);
  std::string endless = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 300; ++i) endless += "X-Header: " + std::string(1024, 'x') + "\r\n";
  ScriptedServer server(endless + "\r\n");
  EXPECT_EQ(error_of(get(*loop, url(server.port()))), ErrorCode::limit_exceeded);
}

TEST(HttpOut, WaitsItsTurnAndNoLongerThanItsTimeout) {
  auto loop = make_loop({.max_in_flight = 2});
  SilentServer silent;
  std::vector<ErrorCode> codes;
  for (int i = 0; i < 5; ++i) {
    HttpRequest request;
    request.url = url(silent.port());
    request.timeout = milliseconds(i < 2 ? 2000 : 200);
    loop->http().send(request, [&](Result<HttpResponse> r) { codes.push_back(error_of(r)); });
  }
  ASSERT_TRUE(run_until(*loop, [&] { return codes.size() == 5; }));
  EXPECT_EQ(std::count(codes.begin(), codes.end(), ErrorCode::unreachable), 3);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), ErrorCode::outcome_unknown), 2);
}

TEST(HttpOut, CompletionsMaySendAgain) {
  auto loop = make_loop({.max_in_flight = 1});
  const int port = *loop->listen("127.0.0.1", 0, 100, echo);
  int answers = 0;
  std::function<void()> more = [&] {
    HttpRequest request;
    request.url = url(port);
    loop->http().send(request, [&](Result<HttpResponse> r) {
      EXPECT_TRUE(r);
      if (++answers < 20) more();
    });
  };
  more();
  EXPECT_TRUE(run_until(*loop, [&] { return answers == 20; }));
}

TEST(HttpOut, DroppedWithTheLoop) {
  SilentServer silent;
  bool called = false;
  {
    auto loop = make_loop({.max_in_flight = 1});
    for (int i = 0; i < 2; ++i) {
      HttpRequest request;
      request.url = url(silent.port());
      loop->http().send(request, [&](Result<HttpResponse>) { called = true; });
    }
    loop->run_once(seconds(0));
  }
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace signalbox::net
