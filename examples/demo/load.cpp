// Steady checkout traffic over loopback, and a log of what customers saw, by this program's own clock.
//
// Requests leave on a fixed schedule; one that is late is sent at once and none is skipped, so that a slow
// answer never thins the traffic that follows. JSON, one object a line, each with "time" and "event":
//
//   started                                      version   the first answer of a version not seen before
//   second    requests and bad of a whole second  first_bad  a version's first bad answer
//   last_bad  a version's last, told at the end   finished   totals
//
// Bad is a status of 500 or more, or no answer at all.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "runtime/base/time.hpp"

namespace {

using nlohmann::json;
using signalbox::Instant;
using Steady = std::chrono::steady_clock;

volatile std::sig_atomic_t stopping = 0;

Instant wall_clock() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return Instant{std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count()};
}

struct Seen {
  int status = 0;
  std::string version;
};

// One kept-alive connection, opened again when it breaks.
class Client {
 public:
  explicit Client(std::uint16_t port) : port_(port) {}
  ~Client() { drop(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Nothing: no answer came. Not sent again: a customer's payment would not be either.
  std::optional<Seen> get_checkout() {
    constexpr std::string_view request = "GET /checkout HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    if (fd_ < 0 && !open()) return std::nullopt;
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
      drop();
      return std::nullopt;
    }
    std::string in;
    std::array<char, 4096> bytes;
    while (true) {
      const ssize_t n = recv(fd_, bytes.data(), bytes.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      in.append(bytes.data(), static_cast<std::size_t>(n));
      const std::size_t head = in.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const std::optional<long> length = number(value_of(in, head, "Content-Length: "));
      const std::optional<long> status =
          number(std::string_view(in).substr(std::min<std::size_t>(9, head), 3));
      if (!length || !status) break;
      if (in.size() < head + 4 + static_cast<std::size_t>(*length)) continue;
      return Seen{static_cast<int>(*status), std::string(value_of(in, head, "X-Version: "))};
    }
    drop();
    return std::nullopt;
  }

  static std::optional<long> number(std::string_view text) {
    long value = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || stop != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
  }

 private:
  static std::string_view value_of(std::string_view in, std::size_t head, std::string_view name) {
    const std::size_t at = in.substr(0, head).find(name);
    if (at == std::string_view::npos) return {};
    const std::size_t begin = at + name.size();
    return in.substr(begin, in.find("\r\n", begin) - begin);
  }

  bool open() {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    drop();
    return false;
  }

  void drop() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  std::uint16_t port_;
  int fd_ = -1;
};

class Log {
 public:
  explicit Log(std::FILE* to) : to_(to) {}
  void write(Instant at, std::string_view event, json fields = json::object()) {
    fields["time"] = to_rfc3339(at);
    fields["event"] = event;
    fmt::print(to_, "{}\n", fields.dump());
    std::fflush(to_);
  }

 private:
  std::FILE* to_;
};

int usage() {
  fmt::print(stderr,
             "usage: demo_load [--port N] [--rate N] [--for SECONDS] [--log FILE]\n"
             "  --port N       the shop's port on 127.0.0.1 (default 18080)\n"
             "  --rate N       requests a second (default 100)\n"
             "  --for SECONDS  how long; a trailing s is fine (default 120s)\n"
             "  --log FILE     where to (default: standard output)\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  long port = 18080;
  long rate = 100;
  long seconds = 120;
  std::FILE* to = stdout;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) return usage();
    if (option == "--log") {
      to = std::fopen(argv[i + 1], "w");
      if (to == nullptr) {
        fmt::print(stderr, "demo_load: cannot write {}\n", argv[i + 1]);
        return 1;
      }
      continue;
    }
    std::string_view text = argv[i + 1];
    if (option == "--for" && text.ends_with('s')) text.remove_suffix(1);
    const std::optional<long> value = Client::number(text);
    if (!value || *value == 0) return usage();
    if (option == "--port" && *value <= 65535) {
      port = *value;
    } else if (option == "--rate" && *value <= 10'000) {
      rate = *value;
    } else if (option == "--for" && *value <= 86'400) {
      seconds = *value;
    } else {
      return usage();
    }
  }

  struct sigaction stop {};
  stop.sa_handler = [](int) { stopping = 1; };
  sigaction(SIGTERM, &stop, nullptr);
  sigaction(SIGINT, &stop, nullptr);

  Log log(to);
  Client client(static_cast<std::uint16_t>(port));
  std::map<std::string, std::optional<Instant>> last_bad;  // of every version seen; "" when none answered
  long requests = 0, bad = 0;
  long second_requests = 0, second_bad = 0;

  log.write(wall_clock(), "started", {{"rate", rate}});
  const Steady::time_point began = Steady::now();
  long whole_seconds = 0;
  const auto end_seconds_before = [&](Steady::time_point now) {
    while (now >= began + std::chrono::seconds(whole_seconds + 1)) {
      ++whole_seconds;
      log.write(wall_clock(), "second",
                {{"second", whole_seconds}, {"requests", second_requests}, {"bad", second_bad}});
      second_requests = second_bad = 0;
    }
  };
  for (long i = 0; i < rate * seconds && stopping == 0; ++i) {
    std::this_thread::sleep_until(began + std::chrono::nanoseconds(1'000'000'000) * i / rate);
    end_seconds_before(Steady::now());
    const std::optional<Seen> seen = client.get_checkout();
    if (!seen && stopping != 0) break;
    const Instant now = wall_clock();
    const std::string version = seen ? seen->version : "";
    if (!last_bad.contains(version)) {
      last_bad[version] = std::nullopt;
      if (seen) log.write(now, "version", {{"version", version}});
    }
    ++requests;
    ++second_requests;
    if (seen && seen->status < 500) continue;
    ++bad;
    ++second_bad;
    if (!last_bad[version]) log.write(now, "first_bad", {{"version", version}});
    last_bad[version] = now;
  }
  end_seconds_before(stopping != 0 ? Steady::now() : began + std::chrono::seconds(seconds));
  for (const auto& [version, at] : last_bad) {
    if (at) log.write(*at, "last_bad", {{"version", version}});
  }
  log.write(wall_clock(), "finished", {{"requests", requests}, {"bad", bad}});
  if (to != stdout) std::fclose(to);
  return 0;
}
