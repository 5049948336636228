#include <fmt/format.h>

#include "runtime/sources/prometheus.hpp"

namespace signalbox::sources {
namespace {

std::string percent_encoded(std::string_view text) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (const char ch : text) {
    const auto c = static_cast<unsigned char>(ch);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += ch;
    } else {
      out += '%';
      out += hex[c >> 4];
      out += hex[c & 15];
    }
  }
  return out;
}

std::string seconds_text(std::int64_t ms) {
  const std::int64_t whole = ms < 0 ? -ms : ms;
  return fmt::format("{}{}.{:03}", ms < 0 ? "-" : "", whole / 1000, whole % 1000);
}

}  // namespace

Semantics semantics_of(std::string_view version) {
  return version.starts_with("3.") ? Semantics::prometheus3 : Semantics::prometheus2;
}

PrometheusApi::PrometheusApi(Http& http, std::string base, const Limits& limits)
    : http_(http), base_(std::move(base)), limits_(limits) {
  while (base_.ends_with('/')) base_.pop_back();
}

void PrometheusApi::get(const std::string& path, std::function<void(Result<HttpResponse>)> done) {
  HttpRequest request;
  request.url = base_ + path;
  request.timeout = answer_patience;
  request.max_response_bytes = limits_.answer_bytes;
  http_.send(std::move(request), [base = base_, done = std::move(done)](Result<HttpResponse> response) {
    if (response) return done(std::move(response));
    const Error& e = response.error();
    done(Error{e.code, fmt::format("{}: {}", base, e.message), e.hint});
  });
}

void PrometheusApi::version(std::function<void(Result<std::string>)> done) {
  get("/api/v1/status/buildinfo", [base = base_, done = std::move(done)](Result<HttpResponse> response) {
    if (!response) return done(response.error());
    if (response->status != 200)
      return done(Error{ErrorCode::malformed,
                        fmt::format("{} is no Prometheus: it answers HTTP {}", base, response->status)});
    done(formats::parse_buildinfo_version(response->body));
  });
}

void PrometheusApi::ask(const std::string& path, std::function<void(Result<formats::QueryAnswer>)> done) {
  get(path, [base = base_, limits = limits_, done = std::move(done)](Result<HttpResponse> response) {
    if (!response) return done(response.error());
    Result<formats::QueryAnswer> answer = formats::parse_query_answer(response->body, limits);
    if (!answer) {
      const Error& e = answer.error();
      // What stands before a Prometheus (a proxy, a login) answers in its own words.
      if (response->status != 200 && e.code == ErrorCode::malformed)
        return done(Error{response->status >= 500 ? ErrorCode::outcome_unknown : ErrorCode::malformed,
                          fmt::format("{}: HTTP {} instead of an answer", base, response->status),
                          std::string(way_out_of_status(response->status))});
      return done(Error{e.code, fmt::format("{}: {}", base, e.message), e.hint});
    }
    if (!answer->warnings.empty())
      return done(Error{ErrorCode::outcome_unknown,
                        fmt::format("{}: the answer is partial: {}", base, answer->warnings.front()),
                        "what is missing from it may exist: ask again when its stores are back"});
    done(std::move(answer));
  });
}

void PrometheusApi::query(const std::string& expression, Instant at,
                          std::function<void(Result<formats::QueryAnswer>)> done) {
  ask(fmt::format("/api/v1/query?query={}&time={}", percent_encoded(expression), seconds_text(at.ms)),
      std::move(done));
}

void PrometheusApi::query_range(const std::string& expression, Instant from, Instant to, Duration step,
                                std::function<void(Result<formats::QueryAnswer>)> done) {
  ask(fmt::format("/api/v1/query_range?query={}&start={}&end={}&step={}", percent_encoded(expression),
                  seconds_text(from.ms), seconds_text(to.ms), seconds_text(step.ms)),
      std::move(done));
}

}  // namespace signalbox::sources
