#include "runtime/net/curl_http.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <string_view>

namespace signalbox::net {
namespace {

// Headers of an answer are not counted into its body; without a bound of their own they could be endless.
constexpr std::size_t max_response_header_bytes = 256u << 10;

struct Transfer {
  HttpRequest request;
  std::function<void(Result<HttpResponse>)> completion;
  SteadyTime deadline;
  std::string peer;  // scheme://host:port. Paths and queries may hold secrets and stay out of messages.
  CURL* easy = nullptr;
  CURLU* url = nullptr;
  curl_slist* headers = nullptr;
  HttpResponse response;
  std::size_t header_bytes = 0;
  bool connected = false;  // from here on, bytes of the request may be on their way
  bool too_long = false;
  // curl calls an answer complete when the connection ends within its head.
  bool head_ended = false;
  char curl_says[CURL_ERROR_SIZE] = {};

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    if (easy) curl_easy_cleanup(easy);
    if (url) curl_url_cleanup(url);
    curl_slist_free_all(headers);
  }
};

bool is_token(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y);
  });
}

bool takes_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

// curl sends a request again by itself when a kept connection turns out to be dead, and cannot know whether
// it had arrived. Only what changes nothing may ride on kept connections.
bool may_repeat(std::string_view method) {
  return method == "GET" || method == "HEAD";
}

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK || !text) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

Result<void> check_url(Transfer& t) {
  t.url = curl_url();
  if (!t.url) return Error{ErrorCode::internal, "out of memory"};
  if (t.request.url.find('\0') != std::string::npos)
    return Error{ErrorCode::invalid_argument, "the URL contains a zero byte"};
  const CURLUcode rc = curl_url_set(t.url, CURLUPART_URL, t.request.url.c_str(), CURLU_NON_SUPPORT_SCHEME);
  if (rc != CURLUE_OK)
    return Error{ErrorCode::invalid_argument, fmt::format("not a URL: {}", curl_url_strerror(rc)),
                 "write it as http://host:port/path"};
  const std::string scheme = url_part(t.url, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return Error{ErrorCode::refused, fmt::format("only http and https are spoken, not {}", scheme)};
  if (!url_part(t.url, CURLUPART_USER).empty() || !url_part(t.url, CURLUPART_PASSWORD).empty())
    return Error{ErrorCode::refused, "a URL must not hold a user or a password", "send them in a header"};
  t.peer = fmt::format("{}://{}:{}", scheme, url_part(t.url, CURLUPART_HOST),
                       url_part(t.url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
  return {};
}

Result<void> check_request(Transfer& t) {
  const HttpRequest& r = t.request;
  if (!is_token(r.method) || r.method == "CONNECT")
    return Error{ErrorCode::invalid_argument, "not an HTTP method that can be sent"};
  if (r.timeout <= Duration{0}) return Error{ErrorCode::invalid_argument, "the timeout must be positive"};
  for (const auto& [name, value] : r.headers) {
    if (!is_token(name))
      return Error{ErrorCode::invalid_argument, "a header's name has characters it must not have"};
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      return Error{ErrorCode::invalid_argument, fmt::format("the header {} spans lines", name)};
    if (same_name(name, "content-length") || same_name(name, "transfer-encoding"))
      return Error{ErrorCode::invalid_argument,
                   fmt::format("{} follows from the body and cannot be set", name)};
  }
  return check_url(t);
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const std::size_t n = size * count;
  if (n > t.request.max_response_bytes - t.response.body.size()) {
    t.too_long = true;
    return 0;
  }
  t.response.body.append(data, n);
  return n;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  t.header_bytes += line.size();
  if (line.starts_with("HTTP/")) t.head_ended = false;
  if (line == "\r\n" || line == "\n") t.head_ended = true;
  if (t.header_bytes <= max_response_header_bytes) return size * count;
  t.too_long = true;
  return 0;
}

int on_connected(void* user, char*, char*, int, int) {
  static_cast<Transfer*>(user)->connected = true;
  return CURL_PREREQFUNC_OK;
}

bool add_header(Transfer& t, const std::string& line) {
  curl_slist* longer = curl_slist_append(t.headers, line.c_str());
  if (longer) t.headers = longer;
  return longer != nullptr;
}

bool configure_headers(Transfer& t) {
  bool ok = true;
  bool has_content_type = false;
  for (const auto& [name, value] : t.request.headers) {
    has_content_type = has_content_type || same_name(name, "content-type");
    // curl's spelling of a header without a value; "Name:" would remove one.
    ok = ok && add_header(t, value.empty() ? name + ";" : name + ": " + value);
  }
  // Without these two, curl waits a second before long bodies and calls every body a form.
  ok = ok && add_header(t, "Expect:");
  if (!has_content_type) ok = ok && add_header(t, "Content-Type:");
  return ok;
}

bool configure(Transfer& t, SteadyTime now) {
  t.easy = curl_easy_init();
  if (!t.easy || !configure_headers(t)) return false;
  const HttpRequest& r = t.request;
  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = ok && curl_easy_setopt(t.easy, option, value) == CURLE_OK;
  };
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(t.deadline - now).count();
  const long timeout =
      static_cast<long>(std::clamp<std::int64_t>(left, 1, std::numeric_limits<std::int32_t>::max()));
  set(CURLOPT_CURLU, t.url);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // otherwise the environment's
  set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_HTTP09_ALLOWED, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  // A name server that does not answer would hold up the whole loop: curl waits for its resolver thread
  // otherwise.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_TIMEOUT_MS, timeout);
  set(CURLOPT_CONNECTTIMEOUT_MS, timeout);
  if (!may_repeat(r.method)) {
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
  }
  if (!r.body.empty() || takes_body(r.method)) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
    set(CURLOPT_POSTFIELDS, r.body.c_str());
    set(CURLOPT_CUSTOMREQUEST, r.method.c_str());
  } else if (r.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else {
    set(CURLOPT_HTTPGET, 1L);
    set(CURLOPT_CUSTOMREQUEST, r.method.c_str());
  }
  set(CURLOPT_HTTPHEADER, t.headers);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&t));
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&t));
  set(CURLOPT_PREREQFUNCTION, &on_connected);
  set(CURLOPT_PREREQDATA, static_cast<void*>(&t));
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(t.curl_says));
  set(CURLOPT_PRIVATE, static_cast<void*>(&t));
  return ok;
}

Error failure(const Transfer& t, CURLcode code) {
  const std::string why = t.curl_says[0] ? t.curl_says : curl_easy_strerror(code);
  if (t.too_long)
    return {ErrorCode::limit_exceeded,
            fmt::format("the answer of {} is longer than {} bytes", t.peer, t.request.max_response_bytes)};
  if (t.connected)
    return {ErrorCode::outcome_unknown, fmt::format("no whole answer from {}: {}", t.peer, why)};
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return {ErrorCode::invalid_argument, fmt::format("not a URL: {}", why)};
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorCode::refused, why};
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return {ErrorCode::internal, why};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {ErrorCode::unreachable, fmt::format("cannot trust {}: {}", t.peer, why),
              "its certificate must be valid for this name and signed by an authority this machine knows"};
    default:
      return {ErrorCode::unreachable, fmt::format("cannot connect to {}: {}", t.peer, why)};
  }
}

class CurlHttp final : public HttpPart {
 public:
  CurlHttp(CURLM* multi, std::size_t max_in_flight) : multi_(multi), max_in_flight_(max_in_flight) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlHttp::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, static_cast<void*>(this));
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlHttp::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, static_cast<void*>(this));
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(max_in_flight_));
  }

  ~CurlHttp() override {
    for (auto& [easy, transfer] : active_) curl_multi_remove_handle(multi_, easy);
    active_.clear();
    curl_multi_cleanup(multi_);
  }

  void send(HttpRequest request, std::function<void(Result<HttpResponse>)> completion) override {
    auto t = std::make_unique<Transfer>();
    t->request = std::move(request);
    t->completion = std::move(completion);
    if (auto ok = check_request(*t); !ok) return t->completion(ok.error());
    const auto now = std::chrono::steady_clock::now();
    // Past a year it is the same, and the sum cannot overflow.
    t->deadline = now + std::chrono::milliseconds(std::min(t->request.timeout, days(366)).ms);
    waiting_.push_back(std::move(t));
    start_waiting(now);
  }

  void wants(std::vector<pollfd>& fds) override {
    for (const auto& [socket, events] : sockets_) fds.push_back({socket, events, 0});
  }

  std::optional<SteadyTime> deadline() override {
    std::optional<SteadyTime> first = curl_deadline_;
    for (const auto& t : waiting_)
      if (!first || t->deadline < *first) first = t->deadline;
    return first;
  }

  void turn(std::span<const pollfd> polled, SteadyTime now) override {
    int running = 0;
    for (const pollfd& p : polled) {
      if (!p.revents) continue;
      const int what = (p.revents & POLLIN ? CURL_CSELECT_IN : 0) |
                       (p.revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                       (p.revents & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(multi_, p.fd, what, &running);
    }
    if (curl_deadline_ && *curl_deadline_ <= now) {
      curl_deadline_.reset();
      curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    finish_done();
    expire_waiting(now);
    start_waiting(now);
  }

 private:
  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) {
    auto& self = *static_cast<CurlHttp*>(user);
    if (what == CURL_POLL_REMOVE) {
      self.sockets_.erase(socket);
    } else {
      self.sockets_[socket] =
          static_cast<short>((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    }
    return 0;
  }

  static int on_timer(CURLM*, long ms, void* user) {
    auto& self = *static_cast<CurlHttp*>(user);
    self.curl_deadline_.reset();
    if (ms >= 0) self.curl_deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    return 0;
  }

  void start_waiting(SteadyTime now) {
    while (!waiting_.empty() && active_.size() < max_in_flight_) {
      std::unique_ptr<Transfer> t = std::move(waiting_.front());
      waiting_.pop_front();
      if (!configure(*t, now) || curl_multi_add_handle(multi_, t->easy) != CURLM_OK) {
        t->completion(Error{ErrorCode::internal, "curl cannot take the request"});
        continue;
      }
      active_.emplace(t->easy, std::move(t));
    }
  }

  // A completion may send again, so each one runs with all tables in order.
  void finish_done() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      const CURLcode code = message->data.result;
      std::unique_ptr<Transfer> t = std::move(active_.find(easy)->second);
      active_.erase(easy);
      curl_multi_remove_handle(multi_, easy);
      if (code != CURLE_OK) {
        t->completion(failure(*t, code));
        continue;
      }
      long status = 0;
      const char* type = nullptr;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
      if (!t->head_ended || status < 200) {
        t->completion(failure(*t, CURLE_PARTIAL_FILE));
        continue;
      }
      t->response.status = static_cast<int>(status);
      if (type) t->response.content_type = type;
      t->completion(std::move(t->response));
    }
  }

  void expire_waiting(SteadyTime now) {
    std::vector<std::unique_ptr<Transfer>> late;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if ((*it)->deadline > now) {
        ++it;
        continue;
      }
      late.push_back(std::move(*it));
      it = waiting_.erase(it);
    }
    for (auto& t : late)
      t->completion(Error{
          ErrorCode::unreachable,
          fmt::format("nothing was sent to {}: {} other requests were in flight", t->peer, max_in_flight_)});
  }

  CURLM* multi_;
  std::size_t max_in_flight_;
  std::map<curl_socket_t, short> sockets_;
  std::optional<SteadyTime> curl_deadline_;
  std::deque<std::unique_ptr<Transfer>> waiting_;
  std::map<CURL*, std::unique_ptr<Transfer>> active_;
};

}  // namespace

Result<std::unique_ptr<HttpPart>> make_curl_http(const EgressRules& rules) {
  if (rules.max_in_flight == 0) return Error{ErrorCode::invalid_argument, "max_in_flight must be at least 1"};
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* multi = started == CURLE_OK ? curl_multi_init() : nullptr;
  if (!multi) return Error{ErrorCode::internal, "curl does not start"};
  return std::unique_ptr<HttpPart>(std::make_unique<CurlHttp>(multi, rules.max_in_flight));
}

}  // namespace signalbox::net
