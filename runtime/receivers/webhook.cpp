#include "runtime/receivers/webhook.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/base/digest.hpp"

namespace signalbox::receivers {
namespace {

void post(Http& http, const plan::Receiver& receiver, const std::string& key, std::string body,
          const std::string& secret, const Limits& limits,
          std::function<void(std::optional<std::string>)> done) {
  HttpRequest request;
  request.method = "POST";
  request.url = receiver.url;
  request.timeout = receiver.timeout;
  request.max_response_bytes = limits.effect_response_bytes;
  request.headers = {{"Content-Type", "application/json"}, {"Idempotency-Key", key}};
  if (!secret.empty())
    request.headers.emplace_back("X-Signalbox-Signature", "sha256=" + hmac_sha256_hex(secret, body));
  request.body = std::move(body);
  http.send(std::move(request), [done = std::move(done)](Result<HttpResponse> response) {
    if (!response) return done(response.error().message);
    if (response->status >= 200 && response->status < 300) return done(std::nullopt);
    done(fmt::format("HTTP {}", response->status));
  });
}

}  // namespace

void notify(Http& http, const plan::Receiver& receiver, const decide::Message& m, const std::string& secret,
            const Limits& limits, std::function<void(std::optional<std::string>)> done) {
  nlohmann::ordered_json labels = nlohmann::ordered_json::object();
  for (const auto& [name, value] : m.labels.pairs()) labels[name] = value;
  const nlohmann::ordered_json body = {{"id", m.id},
                                       {"kind", m.kind},
                                       {"declaration", m.declaration},
                                       {"labels", labels},
                                       {"summary", m.summary},
                                       {"runbook", m.runbook},
                                       {"episode", m.episode},
                                       {"time", to_rfc3339(m.time)}};
  post(http, receiver, m.id, body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
       secret, limits, std::move(done));
}

void heartbeat(Http& http, const plan::Receiver& receiver, Instant at, const std::string& secret,
               const Limits& limits, std::function<void(std::optional<std::string>)> done) {
  const nlohmann::ordered_json body = {{"kind", "heartbeat"}, {"time", to_rfc3339(at)}};
  post(http, receiver, fmt::format("heartbeat-{}", at.ms), body.dump(), secret, limits, std::move(done));
}

}  // namespace signalbox::receivers
