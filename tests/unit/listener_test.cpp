#include "runtime/net/listener.hpp"

#include <gtest/gtest.h>

#include <list>

#include "runtime/net/http_parse.hpp"
#include "tests/support/sockets.hpp"

namespace signalbox::net {
namespace {

using test::Client;

// Drives a listener with a time of the test's own.
class ListenerTest : public ::testing::Test {
 protected:
  void open(ListenerBounds bounds = {}) {
    auto opened = open_listener("127.0.0.1", 0, bounds, [this](const ServedRequest& r) {
      requests_.push_back(r);
      return ServedResponse{200, "text/plain", std::string(answer_bytes_, 'x')};
    });
    ASSERT_TRUE(opened) << opened.error().message;
    listener_ = *std::move(opened);
  }
  void turn() {
    std::vector<pollfd> fds;
    listener_->wants(fds);
    ::poll(fds.data(), fds.size(), 10);
    listener_->turn(fds, now_);
  }
  // The bound only keeps a failing test from hanging.
  bool turn_until(const std::function<bool()>& done) {
    for (int i = 0; i < 3000; ++i) {
      if (done()) return true;
      turn();
    }
    return done();
  }
  bool until_closed(Client& client) {
    return turn_until([&] { return !client.receive(); });
  }
  int status_for(std::string_view request) {
    Client client(listener_->port());
    client.send(request);
    EXPECT_TRUE(until_closed(client)) << request.substr(0, 80);
    return client.status();
  }

  std::unique_ptr<Listener> listener_;
  std::vector<ServedRequest> requests_;
  std::size_t answer_bytes_ = 2;
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
};

TEST_F(ListenerTest, ServesWholeRequests) {
  open();
  EXPECT_EQ(status_for("GET /x?y=z HTTP/1.0\r\n\r\n"), 200);
  EXPECT_EQ(status_for("GET http://any.where/abs HTTP/1.1\r\nHost: any.where\r\n\r\n"), 200);
  EXPECT_EQ(status_for("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody and more"), 200);
  ASSERT_EQ(requests_.size(), 3u);
  EXPECT_EQ(requests_[0].path, "/x");
  EXPECT_EQ(requests_[0].query, "y=z");
  EXPECT_EQ(requests_[1].path, "/abs");
  EXPECT_EQ(requests_[2].body, "body");
}

TEST_F(ListenerTest, TakesARequestByteByByte) {
  open();
  Client client(listener_->port());
  for (char c : std::string_view("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")) {
    client.send({&c, 1});
    turn();
  }
  ASSERT_TRUE(until_closed(client));
  EXPECT_EQ(client.status(), 200);
  EXPECT_EQ(requests_.at(0).body, "abc");
}

TEST_F(ListenerTest, AnswersWhatIsNoRequest) {
  open({.body_bytes = 10});
  const std::string host = "Host: a\r\n";
  const std::pair<std::string, int> cases[] = {
      {"\r\n\r\n", 400},
      {"hello\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
      {"GET  / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET x HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 505},
      {"GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + " folded\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "A: b\rc\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 11\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 411},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Expect: miracles\r\n\r\n", 417},
      {"GET / HTTP/1.1\r\n" + host + "A: " + std::string(17000, 'x'), 431},
      {"GET /" + std::string(17000, 'x'), 431},
  };
  for (const auto& [request, status] : cases) {
    Client client(listener_->port());
    client.send(request);
    // The client keeps its end open: the answer must come all the same.
    ASSERT_TRUE(turn_until([&] {
      client.receive();
      return client.status() != 0;
    })) << request.substr(0, 80);
    EXPECT_EQ(client.status(), status) << request.substr(0, 80);
  }
  EXPECT_TRUE(requests_.empty());
}

TEST_F(ListenerTest, InvitesABodyThatAsksFirst) {
  open();
  Client client(listener_->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(turn_until([&] {
    client.receive();
    return client.status() == 100;
  }));
  client.send("abc");
  ASSERT_TRUE(until_closed(client));
  EXPECT_NE(client.received().find("HTTP/1.1 200 OK"), std::string::npos);
  EXPECT_EQ(requests_.at(0).body, "abc");
}

TEST_F(ListenerTest, TellsSlowClientsThatTimeIsUp) {
  open();
  for (const char* part : {"", "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"}) {
    Client client(listener_->port());
    client.send(part);
    for (int i = 0; i < 5; ++i) turn();
    now_ += std::chrono::seconds(9);
    // A byte now and then does not buy more time.
    if (*part) client.send(" ");
    for (int i = 0; i < 5; ++i) turn();
    client.receive();
    EXPECT_EQ(client.status(), 0) << part;
    now_ += std::chrono::seconds(2);
    ASSERT_TRUE(turn_until([&] {
      client.receive();
      return client.status() != 0;
    }));
    EXPECT_EQ(client.status(), 408) << part;
    // And one that does not even hang up is let go of.
    now_ += std::chrono::seconds(3);
    EXPECT_TRUE(until_closed(client));
  }
  EXPECT_TRUE(requests_.empty());
}

TEST_F(ListenerTest, LetsGoOfAClientThatDoesNotRead) {
  answer_bytes_ = 64u << 20;
  open();
  Client client(listener_->port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(turn_until([&] { return requests_.size() == 1; }));
  now_ += std::chrono::seconds(11);
  turn();
  std::vector<pollfd> fds;
  listener_->wants(fds);
  EXPECT_EQ(fds.size(), 1u);
}

TEST_F(ListenerTest, RefusesConnectionsPastTheBoundAndRecovers) {
  open({.connections = 3, .refused = 2});
  std::list<Client> idle;
  for (int i = 0; i < 3; ++i) idle.emplace_back(listener_->port());
  for (int i = 0; i < 2; ++i) {
    Client one_more(listener_->port());
    one_more.send("GET / HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(turn_until([&] {
      one_more.receive();
      return one_more.status() != 0;
    }));
    EXPECT_EQ(one_more.status(), 503);
  }
  EXPECT_TRUE(requests_.empty());
  idle.clear();
  for (int i = 0; i < 10; ++i) turn();
  EXPECT_EQ(status_for("GET / HTTP/1.0\r\n\r\n"), 200);
}

TEST_F(ListenerTest, FloodOfConnectionsStaysBounded) {
  open({.connections = 3, .refused = 2});
  std::list<Client> clients;
  for (int i = 0; i < 40; ++i) clients.emplace_back(listener_->port());
  for (int i = 0; i < 50; ++i) turn();
  std::vector<pollfd> fds;
  listener_->wants(fds);
  EXPECT_LE(fds.size(), 1u + 3u + 2u);
}

TEST(ListenerOpen, SaysWhyNot) {
  const auto none = [](const ServedRequest&) { return ServedResponse{}; };
  auto first = open_listener("127.0.0.1", 0, {}, none);
  ASSERT_TRUE(first);
  EXPECT_EQ(open_listener("127.0.0.1", (*first)->port(), {}, none).error().code, ErrorCode::conflict);
  EXPECT_EQ(open_listener("127.0.0.1", 70000, {}, none).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(open_listener("", 0, {}, none).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(open_listener("no-such-host.invalid", 0, {}, none).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace signalbox::net
