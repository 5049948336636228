#include "runtime/net/http_parse.hpp"

#include <algorithm>
#include <optional>

namespace signalbox::net {
namespace {

constexpr std::size_t max_method_bytes = 32;

bool token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), token_char);
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string_view trim(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

// Takes "…\r\n" off the front.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  return line;
}

// RFC 9112 lets a client send the whole URL to any server, not only to proxies.
std::optional<std::string_view> origin_form(std::string_view target) {
  if (!std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7f && c != '#'; }))
    return {};
  if (target.starts_with('/')) return target;
  if (!lower(target.substr(0, 7)).starts_with("http://")) return {};
  target.remove_prefix(7);
  const std::size_t path = target.find('/');
  if (path == std::string_view::npos) return "/";
  return target.substr(path);
}

int parse_request_line(std::string_view line, RequestHead& head, bool& is_11) {
  const std::size_t a = line.find(' ');
  const std::size_t b = line.rfind(' ');
  if (a == std::string_view::npos || a == b) return 400;
  const std::string_view method = line.substr(0, a);
  const std::string_view version = line.substr(b + 1);
  if (!is_token(method) || method.size() > max_method_bytes) return 400;
  if (version.size() != 8 || !version.starts_with("HTTP/")) return 400;
  is_11 = version == "HTTP/1.1";
  if (!is_11 && version != "HTTP/1.0") return 505;
  const auto target = origin_form(line.substr(a + 1, b - a - 1));
  if (!target) return 400;
  const std::size_t question = target->find('?');
  head.method = method;
  head.path = target->substr(0, question);
  if (question != std::string_view::npos) head.query = target->substr(question + 1);
  return 0;
}

std::optional<std::size_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 18) return {};
  std::size_t n = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return {};
    n = n * 10 + static_cast<std::size_t>(c - '0');
  }
  return n;
}

}  // namespace

HeadEnd find_head_end(std::string_view text, std::size_t& from) {
  for (; from < text.size(); ++from) {
    if (text[from] != '\n') continue;
    if (from == 0 || text[from - 1] != '\r') return HeadEnd::broken;
    if (from >= 3 && text[from - 2] == '\n') {
      ++from;
      return HeadEnd::found;
    }
  }
  return HeadEnd::not_yet;
}

RequestHead parse_request_head(std::string_view text, std::size_t max_body) {
  RequestHead head;
  bool is_11 = false;
  const auto fail = [&](int status) {
    head.error = status;
    return head;
  };
  if (const int status = parse_request_line(take_line(text), head, is_11)) return fail(status);
  int hosts = 0;
  std::optional<std::size_t> length;
  bool coded = false;
  bool expects_more = false;
  for (std::string_view line = take_line(text); !line.empty(); line = take_line(text)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return fail(400);
    const std::string name = lower(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (value.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) return fail(400);
    if (name == "host") ++hosts;
    if (name == "transfer-encoding") coded = true;
    if (name == "content-length") {
      if (length) return fail(400);
      length = parse_length(value);
      if (!length) return fail(400);
    }
    if (name == "expect") {
      if (lower(value) != "100-continue") return fail(417);
      expects_more = is_11;
    }
  }
  if (hosts > 1 || (is_11 && hosts == 0)) return fail(400);
  if (coded) return fail(length ? 400 : 411);
  head.body_bytes = length.value_or(0);
  if (head.body_bytes > max_body) return fail(413);
  head.wants_continue = expects_more && head.body_bytes > 0;
  return head;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace signalbox::net
