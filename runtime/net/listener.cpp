#include "runtime/net/listener.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "runtime/net/fd.hpp"
#include "runtime/net/http_parse.hpp"

namespace signalbox::net {
namespace {

constexpr int backlog = 128;
constexpr std::size_t read_bytes = 64u << 10;  // of one connection in one turn, so that all get theirs
constexpr auto accept_pause = std::chrono::milliseconds(100);

struct Connection {
  enum class State { reading, answering, draining, closed };
  Fd fd;
  State state = State::reading;
  bool refused = false;
  bool drain = false;  // after the answer
  SteadyTime deadline;
  std::string in;
  std::size_t scanned = 0;
  bool has_head = false;
  std::size_t body_begins = 0;
  RequestHead head;
  std::string out;
  std::size_t sent = 0;
};
using State = Connection::State;

std::chrono::milliseconds chrono_ms(Duration d) {
  return std::chrono::milliseconds(d.ms);
}

class PollListener final : public Listener {
 public:
  PollListener(Fd fd, int port, const ListenerBounds& bounds, HttpHandler handler)
      : fd_(std::move(fd)), port_(port), bounds_(bounds), handler_(std::move(handler)) {}

  int port() const override { return port_; }

  void wants(std::vector<pollfd>& fds) override {
    // Negative descriptors are skipped by poll(): a pause keeps its place in the list.
    fds.push_back({paused_until_ ? -1 : fd_.get(), POLLIN, 0});
    for (const auto& c : connections_)
      fds.push_back({c->fd.get(), static_cast<short>(c->state == State::answering ? POLLOUT : POLLIN), 0});
  }

  std::optional<SteadyTime> deadline() override {
    std::optional<SteadyTime> first = paused_until_;
    for (const auto& c : connections_)
      if (!first || c->deadline < *first) first = c->deadline;
    return first;
  }

  void turn(std::span<const pollfd> polled, SteadyTime now) override {
    if (paused_until_ && *paused_until_ <= now) paused_until_.reset();
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      Connection& c = *connections_[i];
      if (i + 1 < polled.size() && polled[i + 1].revents) advance(c, now);
      if (c.state != State::closed && c.deadline <= now) expire(c, now);
    }
    std::erase_if(connections_, [](const auto& c) { return c->state == State::closed; });
    if (!polled.empty() && polled[0].revents) accept_waiting(now);
  }

 private:
  void advance(Connection& c, SteadyTime now) {
    switch (c.state) {
      case State::reading:
        return receive(c, now);
      case State::answering:
        return send_out(c, now);
      case State::draining: {
        const ssize_t n = receive_some(c);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) c.state = State::closed;
        return;
      }
      case State::closed:
        return;
    }
  }

  void expire(Connection& c, SteadyTime now) {
    if (c.state == State::reading) return refuse(c, 408, now);
    c.state = State::closed;
  }

  ssize_t receive_some(Connection& c) { return ::recv(c.fd.get(), buffer_.data(), buffer_.size(), 0); }

  void receive(Connection& c, SteadyTime now) {
    const ssize_t n = receive_some(c);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      c.state = State::closed;
      return;
    }
    c.in.append(buffer_.data(), static_cast<std::size_t>(n));
    if (!c.has_head && !take_head(c, now)) return;
    if (c.in.size() - c.body_begins >= c.head.body_bytes) serve(c, now);
  }

  bool take_head(Connection& c, SteadyTime now) {
    switch (find_head_end(c.in, c.scanned)) {
      case HeadEnd::broken:
        refuse(c, 400, now);
        return false;
      case HeadEnd::not_yet:
        if (c.in.size() > bounds_.header_bytes) refuse(c, 431, now);
        return false;
      case HeadEnd::found:
        break;
    }
    if (c.scanned > bounds_.header_bytes) {
      refuse(c, 431, now);
      return false;
    }
    c.head = parse_request_head(std::string_view(c.in).substr(0, c.scanned), bounds_.body_bytes);
    if (c.head.error) {
      refuse(c, c.head.error, now);
      return false;
    }
    c.has_head = true;
    c.body_begins = c.scanned;
    if (c.head.wants_continue && c.in.size() == c.body_begins) {
      constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      // These are the first bytes out and fit into any send buffer; a failure shows at the next read.
      if (::send(c.fd.get(), go_on.data(), go_on.size(), MSG_NOSIGNAL) < 0) return true;
    }
    return true;
  }

  void serve(Connection& c, SteadyTime now) {
    ServedRequest request{c.head.method, c.head.path, c.head.query,
                          c.in.substr(c.body_begins, c.head.body_bytes)};
    c.drain = c.in.size() - c.body_begins > c.head.body_bytes;
    std::string().swap(c.in);
    answer(c, handler_(request), now);
  }

  void refuse(Connection& c, int status, SteadyTime now) {
    c.drain = true;
    answer(c, {status, "text/plain; charset=utf-8", fmt::format("{} {}\n", status, reason_phrase(status))},
           now);
  }

  void answer(Connection& c, const ServedResponse& response, SteadyTime now) {
    const bool bodiless = response.status == 204 || response.status == 304;
    c.out = fmt::format("HTTP/1.1 {} {}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n",
                        response.status, reason_phrase(response.status));
    if (!bodiless)
      c.out += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", response.content_type,
                           response.body.size());
    c.out += "\r\n";
    if (!bodiless && c.head.method != "HEAD") c.out += response.body;
    c.state = State::answering;
    c.deadline = now + chrono_ms(bounds_.request_time);
    send_out(c, now);
  }

  void send_out(Connection& c, SteadyTime now) {
    while (c.sent < c.out.size()) {
      const ssize_t n = ::send(c.fd.get(), c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) {
        c.state = State::closed;
        return;
      }
      c.sent += static_cast<std::size_t>(n);
    }
    c.state = State::closed;
    if (!c.drain || ::shutdown(c.fd.get(), SHUT_WR) != 0) return;
    c.state = State::draining;
    c.deadline = now + chrono_ms(bounds_.linger);
  }

  void accept_waiting(SteadyTime now) {
    for (int i = 0; i < backlog; ++i) {
      Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        // Out of descriptors or memory the queue stays ready, and polling it would only spin.
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
          paused_until_ = now + accept_pause;
        return;
      }
      auto c = std::make_unique<Connection>();
      c->fd = std::move(fd);
      c->deadline = now + chrono_ms(bounds_.request_time);
      std::size_t refused = 0;
      for (const auto& other : connections_) refused += other->refused;
      if (connections_.size() - refused >= bounds_.connections) {
        if (refused >= bounds_.refused) continue;
        c->refused = true;
        refuse(*c, 503, now);
      }
      if (c->state != State::closed) connections_.push_back(std::move(c));
    }
  }

  Fd fd_;
  int port_;
  ListenerBounds bounds_;
  HttpHandler handler_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::optional<SteadyTime> paused_until_;
  std::array<char, read_bytes> buffer_;
};

Result<int> bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return os_error(ErrorCode::io, "read the port", errno);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

Result<Fd> bind_to(const addrinfo& at, const std::string& name) {
  Fd fd(::socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol));
  if (!fd) return os_error(ErrorCode::io, "listen on " + name, errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), at.ai_addr, at.ai_addrlen) != 0 || ::listen(fd.get(), backlog) != 0)
    return os_error(errno == EADDRINUSE ? ErrorCode::conflict : ErrorCode::io, "listen on " + name, errno);
  return fd;
}

}  // namespace

Result<std::unique_ptr<Listener>> open_listener(const std::string& host, int port,
                                                const ListenerBounds& bounds, HttpHandler handler) {
  if (port < 0 || port > 65535)
    return Error{ErrorCode::invalid_argument, fmt::format("{} is not a port", port),
                 "0 to 65535; 0 takes any"};
  const std::string name = fmt::format("{}:{}", host, port);
  // An empty host would be every address of the machine; whoever wants that must write it.
  if (host.empty())
    return Error{ErrorCode::invalid_argument, "no address to listen on", "127.0.0.1, or 0.0.0.0 for all"};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); rc != 0)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("cannot listen on {}: {}", name, ::gai_strerror(rc))};
  Result<Fd> fd = Error{ErrorCode::io, fmt::format("cannot listen on {}: no address", name)};
  for (const addrinfo* at = found; at && !fd; at = at->ai_next) fd = bind_to(*at, name);
  ::freeaddrinfo(found);
  if (!fd) return fd.error();
  const Result<int> bound = bound_port(fd->get());
  if (!bound) return bound.error();
  return std::unique_ptr<Listener>(
      std::make_unique<PollListener>(*std::move(fd), *bound, bounds, std::move(handler)));
}

}  // namespace signalbox::net
