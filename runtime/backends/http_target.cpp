#include "runtime/backends/http_target.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/base/digest.hpp"

namespace signalbox::backends {

using decide::Answer;

void perform(Http& http, const plan::Target& target, const plan::Action& action, const decide::Effect& effect,
             const std::string& secret, const Limits& limits, std::function<void(Answer)> done) {
  HttpRequest request;
  request.method = action.method;
  request.url = action.url;
  request.body = effect.body;
  request.timeout = target.timeout;
  request.max_response_bytes = limits.effect_response_bytes;
  request.headers = {{"Content-Type", "application/json"}, {"Idempotency-Key", effect.key}};
  if (!secret.empty())
    request.headers.emplace_back("X-Signalbox-Signature", "sha256=" + hmac_sha256_hex(secret, effect.body));
  http.send(std::move(request), [done = std::move(done)](Result<HttpResponse> response) {
    if (!response) {
      const bool unsent = response.error().code == ErrorCode::unreachable ||
                          response.error().code == ErrorCode::refused ||
                          response.error().code == ErrorCode::invalid_argument;
      return done({unsent ? Answer::Kind::unreachable : Answer::Kind::unknown, response.error().message});
    }
    const int status = response->status;
    const std::string text = fmt::format("HTTP {}", status);
    if (status >= 200 && status < 300) return done({Answer::Kind::succeeded, text});
    if (status >= 500 || status == 408 || status == 425 || status == 429)
      return done({Answer::Kind::unknown, text});
    done({Answer::Kind::rejected, text});
  });
}

namespace {

Result<std::string> version_of(const HttpResponse& response, const Limits& limits) {
  if (response.status != 200)
    return Error{ErrorCode::malformed, fmt::format("HTTP {} instead of a version", response.status)};
  std::string text = response.body;
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_object()) {
    const auto it = json.find("version");
    if (it == json.end() || !it->is_string())
      return Error{ErrorCode::malformed, "the answer has no text \"version\""};
    text = it->get<std::string>();
  } else if (json.is_string()) {
    text = json.get<std::string>();
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  if (text.empty() || text.size() > limits.version_bytes)
    return Error{ErrorCode::malformed, fmt::format("a version has 1 to {} bytes, and this has {}",
                                                   limits.version_bytes, text.size())};
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '<')
      return Error{ErrorCode::malformed, "the answer is not a version"};
  return text;
}

}  // namespace

void read_version(Http& http, const plan::Target& target, const Limits& limits,
                  std::function<void(Result<std::string>)> done) {
  HttpRequest request;
  request.url = target.version_url;
  request.timeout = target.timeout;
  request.max_response_bytes = limits.effect_response_bytes;
  http.send(std::move(request), [limits, done = std::move(done)](Result<HttpResponse> response) {
    if (!response) return done(response.error());
    done(version_of(*response, limits));
  });
}

}  // namespace signalbox::backends
