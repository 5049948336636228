// A small shop to watch over: checkout traffic that fails by the deployed version's error share, metrics a
// scraper can read, and the two buttons an operator or an automation can press, deploy and rollback.
//
//   GET  /checkout   200 or 500; the header X-Version names the version that answered
//   GET  /metrics    Prometheus text
//   GET  /version    {"version":"v1"}
//   POST /deploy     {"version":"v2","errors":0.25}
//   POST /rollback   {"to":"v1"}; with an Idempotency-Key, one effect and one answer for each key
//   GET  /effects    what rollbacks did, by key
//   POST /hook       takes a page;  GET /pages  lists them
//
// With --secret, /rollback and /hook are refused unless X-Signalbox-Signature is "sha256=" and the
// HMAC-SHA-256 of the body in lower-case hexadecimal.
//
// One thread, one poll loop, loopback only. The order below: HTTP's words, the shop, the server, main.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/digest.hpp"
#include "runtime/base/time.hpp"

namespace {

using nlohmann::json;
using signalbox::Instant;

constexpr std::size_t max_head_bytes = 16u << 10;  // generous for any client of a demo
constexpr std::size_t max_body_bytes = 64u << 10;  // a page with its explanation fits many times
constexpr std::size_t max_connections = 256;       // under the usual limit of 1,024 descriptors
constexpr std::size_t max_pages = 1000;            // the oldest are dropped
constexpr std::size_t max_keys =
    10'000;  // then new rollbacks are refused; forgetting a key would repeat its effect

Instant wall_clock() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return Instant{std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count()};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

struct Request {
  std::string method, path, body;
  std::map<std::string, std::string> headers;  // names in lower case
  bool keep_alive = true;

  const std::string* header(const std::string& name) const {
    const auto at = headers.find(name);
    return at == headers.end() ? nullptr : &at->second;
  }
};

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string version = {};  // not empty: sent as X-Version
};

Answer error(int status, std::string_view why) {
  return {.status = status, .body = json{{"error", why}}.dump()};
}

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

class Shop {
 public:
  Shop(std::string secret, Instant first_deploy) : secret_(std::move(secret)), deployed_(first_deploy) {
    error_share_["v1"] = 0.0005;
  }

  Answer handle(const Request& request) {
    struct Route {
      std::string_view method, path;
      bool is_signed;
      Answer (Shop::*answer)(const Request&);
    };
    static constexpr std::array<Route, 8> routes{{
        {"GET", "/checkout", false, &Shop::checkout},
        {"GET", "/metrics", false, &Shop::metrics},
        {"GET", "/version", false, &Shop::version},
        {"POST", "/deploy", false, &Shop::deploy},
        {"POST", "/rollback", true, &Shop::rollback},
        {"GET", "/effects", false, &Shop::effects},
        {"POST", "/hook", true, &Shop::hook},
        {"GET", "/pages", false, &Shop::pages},
    }};
    const std::string_view path = std::string_view(request.path).substr(0, request.path.find('?'));
    bool known_path = false;
    for (const Route& route : routes) {
      if (route.path != path) continue;
      known_path = true;
      if (route.method != request.method) continue;
      if (route.is_signed && !signature_holds(request))
        return error(401, "the signature does not match the body");
      return (this->*route.answer)(request);
    }
    return known_path ? error(405, "not with this method") : error(404, "no such page");
  }

 private:
  struct Rollback {
    std::string body;  // of the first request; a key belongs to one request
    Answer answer;
    int effects = 0;
    int requests = 0;
    Instant at;
  };

  // Errors are spread evenly (one in every 1/share requests) and not drawn, so that a demonstration never
  // depends on luck.
  Answer checkout(const Request&) {
    const auto began = std::chrono::steady_clock::now();
    debt_ += error_share_.at(version_);
    const bool fails = debt_ >= 1;
    if (fails) debt_ -= 1;
    ++(fails ? failed_ : served_);
    Answer answer = fails ? error(500, "payment failed") : Answer{.body = R"({"paid":true})"};
    answer.version = version_;
    observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    return answer;
  }

  void observe(double seconds) {
    duration_sum_ += seconds;
    ++duration_count_;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      if (seconds <= bounds[i]) ++buckets_[i];
    }
  }

  Answer metrics(const Request&) {
    constexpr std::string_view who = R"(service="checkout",region="eu",env="prod")";
    std::string out = "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n";
    out += fmt::format("http_requests_total{{{},code=\"200\"}} {}\n", who, served_);
    // As with most client libraries, a series is born with its first event.
    if (failed_ > 0) out += fmt::format("http_requests_total{{{},code=\"500\"}} {}\n", who, failed_);

    out +=
        "# HELP http_request_duration_seconds Time to answer.\n# TYPE http_request_duration_seconds "
        "histogram\n";
    const auto bucket = [&](std::string_view le, std::uint64_t count) {
      out += fmt::format("http_request_duration_seconds_bucket{{{},endpoint=\"/checkout\",le=\"{}\"}} {}\n",
                         who, le, count);
    };
    for (std::size_t i = 0; i < bounds.size(); ++i) bucket(fmt::format("{}", bounds[i]), buckets_[i]);
    bucket("+Inf", duration_count_);
    out += fmt::format("http_request_duration_seconds_sum{{{},endpoint=\"/checkout\"}} {}\n", who,
                       duration_sum_);
    out += fmt::format("http_request_duration_seconds_count{{{},endpoint=\"/checkout\"}} {}\n", who,
                       duration_count_);

    out +=
        "# HELP checkout_deployed_timestamp_seconds When the running version was deployed.\n"
        "# TYPE checkout_deployed_timestamp_seconds gauge\n";
    out += fmt::format("checkout_deployed_timestamp_seconds {:.3f}\n", deployed_.unix_seconds());
    return {.body = std::move(out), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  }

  Answer version(const Request&) { return {.body = json{{"version", version_}}.dump()}; }

  Answer deploy(const Request& request) {
    const json body = json::parse(request.body, nullptr, false);
    if (!body.is_object() || !body.contains("version"))
      return error(400, "expected {\"version\":…,\"errors\":…}");
    const std::optional<std::string> wanted = version_in(body["version"]);
    if (!wanted) return error(400, "a version is 1 to 32 letters, digits, '.', '_' or '-'");
    double share = 0.0005;
    if (body.contains("errors")) {
      if (!body["errors"].is_number()) return error(400, "errors is a number");
      share = body["errors"].get<double>();
    }
    if (!(share >= 0 && share <= 1)) return error(400, "errors is a share from 0 to 1");
    error_share_[*wanted] = share;
    run(*wanted);
    return state();
  }

  Answer rollback(const Request& request) {
    const json body = json::parse(request.body, nullptr, false);
    if (!body.is_object() || !body.contains("to")) return error(400, "expected {\"to\":…}");
    const std::optional<std::string> wanted = version_in(body["to"]);
    if (!wanted || !error_share_.contains(*wanted)) return error(400, "no such version was ever deployed");

    const std::string* key = request.header("idempotency-key");
    if (key == nullptr) {
      run(*wanted);
      ++effects_without_key_;
      return state();
    }
    if (!rollbacks_.contains(*key) && rollbacks_.size() >= max_keys) return error(503, "too many keys");
    Rollback& done = rollbacks_[*key];
    ++done.requests;
    if (done.effects > 0) {
      return done.body == request.body ? done.answer : error(422, "this key belongs to another request");
    }
    run(*wanted);
    done.body = request.body;
    done.answer = state();
    done.at = deployed_;
    ++done.effects;
    return done.answer;
  }

  Answer effects(const Request&) {
    json by_key = json::object();
    for (const auto& [key, done] : rollbacks_) {
      by_key[key] = {{"effects", done.effects}, {"requests", done.requests}, {"time", to_rfc3339(done.at)}};
    }
    return {.body = json{{"by_key", by_key}, {"without_key", effects_without_key_}}.dump()};
  }

  Answer hook(const Request& request) {
    json body = json::parse(request.body, nullptr, false);
    if (body.is_discarded()) return error(400, "a page is JSON");
    if (pages_.size() == max_pages) pages_.pop_front();
    pages_.push_back({{"time", to_rfc3339(wall_clock())}, {"body", std::move(body)}});
    return {.body = "{}"};
  }

  Answer pages(const Request&) { return {.body = json(pages_).dump()}; }

  Answer state() const {
    return {.body = json{{"version", version_}, {"deployed", to_rfc3339(deployed_)}}.dump()};
  }

  void run(const std::string& version) {
    version_ = version;
    deployed_ = wall_clock();
    debt_ = 0;
  }

  bool signature_holds(const Request& request) const {
    if (secret_.empty()) return true;
    const std::string* given = request.header("x-signalbox-signature");
    const std::string wanted = "sha256=" + signalbox::hmac_sha256_hex(secret_, request.body);
    if (given == nullptr || given->size() != wanted.size()) return false;
    unsigned difference = 0;  // in time that does not tell how much of it matched
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      difference |= static_cast<unsigned char>((*given)[i]) ^ static_cast<unsigned char>(wanted[i]);
    }
    return difference == 0;
  }

  static std::optional<std::string> version_in(const json& value) {
    if (!value.is_string()) return std::nullopt;
    const std::string text = value.get<std::string>();
    const bool fits = !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
    });
    return fits ? std::optional(text) : std::nullopt;
  }

  static constexpr std::array<double, 8> bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1, 2.5};

  std::string secret_;
  std::string version_ = "v1";
  Instant deployed_;
  std::map<std::string, double> error_share_;  // of every version ever deployed
  double debt_ = 0;                            // errors owed; one is paid when it reaches 1
  std::uint64_t served_ = 0, failed_ = 0;
  std::array<std::uint64_t, bounds.size()> buckets_{};
  std::uint64_t duration_count_ = 0;
  double duration_sum_ = 0;
  std::map<std::string, Rollback> rollbacks_;
  int effects_without_key_ = 0;
  std::deque<json> pages_;
};

struct Connection {
  int fd = -1;
  std::string in, out;
  bool closing = false;  // once `out` is sent
};

// Takes one request off the front of `in`. Nothing: more bytes are needed. A refusal leaves the connection
// unusable, for where the next request starts is not known.
struct Parsed {
  std::optional<Request> request;
  std::optional<Answer> refusal;
};
Parsed take_request(std::string& in) {
  const std::size_t head_end = in.find("\r\n\r\n");
  if (head_end == std::string::npos) {
    if (in.size() > max_head_bytes) return {{}, error(413, "too many headers")};
    return {};
  }
  Request request;
  const std::string_view head = std::string_view(in).substr(0, head_end);
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  if (first == std::string_view::npos || second == first || !line.substr(second + 1).starts_with("HTTP/1.")) {
    return {{}, error(400, "not HTTP/1")};
  }
  request.method = line.substr(0, first);
  request.path = line.substr(first + 1, second - first - 1);
  request.keep_alive = line.ends_with("1.1");

  for (std::size_t at = line.size(); at < head.size();) {
    at += 2;
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string_view header = head.substr(at, end - at);
    const std::size_t colon = header.find(':');
    if (colon == std::string_view::npos) return {{}, error(400, "a header without a colon")};
    std::string_view value = header.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    request.headers[lower(header.substr(0, colon))] = value;
    at = end;
  }
  if (const std::string* connection = request.header("connection")) {
    request.keep_alive = lower(*connection) != "close" && request.keep_alive;
  }
  if (request.header("transfer-encoding") != nullptr) return {{}, error(501, "send a Content-Length")};

  std::size_t length = 0;
  if (const std::string* stated = request.header("content-length")) {
    const char* end = stated->data() + stated->size();
    const auto [stop, failure] = std::from_chars(stated->data(), end, length);
    if (failure != std::errc() || stop != end) return {{}, error(400, "Content-Length is no number")};
    if (length > max_body_bytes) return {{}, error(413, "the body is too long")};
  }
  const std::size_t body_start = head_end + 4;
  if (in.size() - body_start < length) return {};
  request.body = in.substr(body_start, length);
  in.erase(0, body_start + length);
  return {std::move(request), {}};
}

std::string rendered(const Answer& answer, bool keep_alive) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", answer.status,
                                reason(answer.status), answer.content_type, answer.body.size());
  if (!answer.version.empty()) out += fmt::format("X-Version: {}\r\n", answer.version);
  if (!keep_alive) out += "Connection: close\r\n";
  return out + "\r\n" + answer.body;
}

volatile std::sig_atomic_t stopping = 0;

class Server {
 public:
  Server(int listener, Shop& shop) : listener_(listener), shop_(shop) {}
  ~Server() {
    for (const Connection& connection : connections_) close(connection.fd);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void run() {
    while (stopping == 0) {
      std::vector<pollfd> waits;
      const bool room = connections_.size() < max_connections;
      waits.push_back({.fd = listener_, .events = static_cast<short>(room ? POLLIN : 0), .revents = 0});
      for (const Connection& c : connections_) {
        waits.push_back(
            {.fd = c.fd, .events = static_cast<short>(c.out.empty() ? POLLIN : POLLOUT), .revents = 0});
      }
      // The time limit covers a signal that arrives just before the wait.
      if (poll(waits.data(), waits.size(), 500) < 0) continue;
      for (std::size_t i = 0; i < connections_.size(); ++i) {
        if (waits[i + 1].revents != 0 && !serve(connections_[i])) {
          close(connections_[i].fd);
          connections_[i].fd = -1;
        }
      }
      std::erase_if(connections_, [](const Connection& c) { return c.fd < 0; });
      if ((waits[0].revents & POLLIN) != 0) accept_one();
    }
  }

 private:
  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_.push_back({.fd = fd, .in = {}, .out = {}});
  }

  // False: the connection is over.
  bool serve(Connection& c) {
    if (c.out.empty()) {
      std::array<char, 16384> bytes;
      const ssize_t n = recv(c.fd, bytes.data(), bytes.size(), 0);
      if (n == 0) return false;
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      c.in.append(bytes.data(), static_cast<std::size_t>(n));
    }
    while (true) {
      if (!send_out(c)) return false;
      if (!c.out.empty()) return true;
      if (c.closing) return false;
      const Parsed parsed = take_request(c.in);
      if (parsed.refusal) {
        c.out = rendered(*parsed.refusal, false);
        c.closing = true;
      } else if (parsed.request) {
        c.out = rendered(shop_.handle(*parsed.request), parsed.request->keep_alive);
        c.closing = !parsed.request->keep_alive;
      } else {
        return true;
      }
    }
  }

  static bool send_out(Connection& c) {
    while (!c.out.empty()) {
      const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      c.out.erase(0, static_cast<std::size_t>(n));
    }
    return true;
  }

  int listener_;
  Shop& shop_;
  std::vector<Connection> connections_;
};

int usage() {
  fmt::print(stderr,
             "usage: demo_shop [--port N] [--secret TEXT] [--deployed-ago SECONDS]\n"
             "  --port N                where to listen on 127.0.0.1 (default 18080; 0: any free port)\n"
             "  --secret TEXT           demand signatures made with it on /rollback and /hook\n"
             "  --deployed-ago SECONDS  how long v1 has been running (default 86400)\n");
  return 2;
}

std::optional<long> number(std::string_view text, long most) {
  long value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || stop != text.data() + text.size() || value < 0 || value > most)
    return std::nullopt;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  long port = 18080;
  long deployed_ago = 86400;
  std::string secret;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) return usage();
    if (option == "--secret") {
      secret = argv[i + 1];
      continue;
    }
    const std::optional<long> value = number(argv[i + 1], option == "--port" ? 65535 : 1'000'000'000);
    if (!value) return usage();
    if (option == "--port") {
      port = *value;
    } else if (option == "--deployed-ago") {
      deployed_ago = *value;
    } else {
      return usage();
    }
  }

  struct sigaction stop {};
  stop.sa_handler = [](int) { stopping = 1; };
  sigaction(SIGTERM, &stop, nullptr);
  sigaction(SIGINT, &stop, nullptr);

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || bind(listener, generic, length) != 0 || listen(listener, 128) != 0 ||
      getsockname(listener, generic, &length) != 0) {
    fmt::print(stderr, "demo_shop: cannot listen on 127.0.0.1:{}: {}\n", port, std::strerror(errno));
    return 1;
  }
  fmt::print("{}\n", json{{"listening", fmt::format("http://127.0.0.1:{}", ntohs(address.sin_port))}}.dump());
  std::fflush(stdout);

  Shop shop(secret, wall_clock() - signalbox::seconds(deployed_ago));
  Server(listener, shop).run();
  close(listener);
  return 0;
}
