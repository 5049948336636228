#include "runtime/generate/spec.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "runtime/generate/incidents.hpp"

namespace signalbox::generate {
namespace {

constexpr std::pair<std::string_view, bool Metrics::*> metric_names[] = {{"requests", &Metrics::requests},
                                                                         {"latency", &Metrics::latency},
                                                                         {"queue", &Metrics::queue},
                                                                         {"deployed", &Metrics::deployed}};

// Counts and their sums in milliseconds stay within 64 bits, and counts are exact as doubles.
constexpr double most_requests = 1e15;
// A service is about two kilobytes of memory and sixteen series.
constexpr std::uint32_t most_services = 100'000;
// Beside those that a series has anyway; Limits::labels_per_series is 128.
constexpr std::uint32_t most_labels = 100;

Error wrong(std::string message, std::string hint) {
  return {ErrorCode::invalid_argument, std::move(message), std::move(hint)};
}

// Calls `take` with each word; the first that it does not know is the error.
template <class Take>
Result<void> each_word(std::string_view text, std::string_view what, const std::string& known,
                       const Take& take) {
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view word = text.substr(at, comma - at);
    if (!take(word))
      return wrong(fmt::format("'{}' is not {}", word, what),
                   fmt::format("write none, all, or some of {}", known));
    at = comma + 1;
  }
  return {};
}

}  // namespace

Result<void> check(const TraceSpec& spec) {
  if (spec.start.ms < 0 || spec.start > Instant{} + days(365'000))
    return wrong(fmt::format("a trace cannot begin at {}", to_rfc3339(spec.start)),
                 "write an instant from 1970 to 2969");
  if (spec.duration.ms < 0 || spec.duration > days(36'500))
    return wrong(fmt::format("a trace cannot last {}", to_string(spec.duration)), "write up to 100 years");
  if (spec.every < milliseconds(100) || spec.every > days(36'500))
    return wrong(fmt::format("scrapes cannot be {} apart", to_string(spec.every)),
                 "write 100ms or more, such as 15s");
  if (spec.jitter.ms < 0 || spec.jitter.ms * 2 >= spec.every.ms)
    return wrong(fmt::format("a jitter of {} would put scrapes {} apart out of their order",
                             to_string(spec.jitter), to_string(spec.every)),
                 "write less than half of the spacing, or 0s");
  if (spec.services == 0) return wrong("a trace is of one service at least", "write --services 1 or more");
  if (spec.services > most_services)
    return wrong(fmt::format("{} services are more than {}", spec.services, most_services),
                 "write several traces with different seeds");
  if (spec.labels > most_labels)
    return wrong(fmt::format("{} labels are more than {}", spec.labels, most_labels), "write fewer");
  if (!(spec.errors >= 0 && spec.errors <= 1))
    return wrong("the ratio of errors is not between 0 and 1", "write 0.001 or 0.1%");
  if (!(spec.swing >= 0 && spec.swing <= 1))
    return wrong("the daily swing is not between 0 and 1", "write 0.5, or 0 for none");
  if (!(spec.rate >= 0) || !std::isfinite(spec.rate))
    return wrong("the rate is not a number of requests a second", "write 0 or more");
  const double most = spec.rate * (1 + spec.swing) * most_traffic_factor * spec.duration.seconds();
  if (most > most_requests)
    return wrong(fmt::format("a rate of {:g} for {} may pass {:g} requests, more than counters here hold",
                             spec.rate, to_string(spec.duration), most_requests),
                 "write a lower rate or a shorter duration");
  return {};
}

std::string service_name(std::uint32_t service) {
  return fmt::format("service-{:04}", service);
}

Result<std::vector<IncidentKind>> parse_incidents(std::string_view text) {
  std::vector<IncidentKind> out;
  std::string known;
  for (std::size_t i = 0; i < incident_kinds; ++i)
    known += (i == 0 ? "" : ",") + std::string(name_of(static_cast<IncidentKind>(i)));
  if (text == "none") return out;
  const std::string all = text == "all" ? known : std::string(text);
  const Result<void> read = each_word(all, "a kind of incident", known, [&](std::string_view word) {
    for (std::size_t i = 0; i < incident_kinds; ++i) {
      if (word != name_of(static_cast<IncidentKind>(i))) continue;
      out.push_back(static_cast<IncidentKind>(i));
      return true;
    }
    return false;
  });
  if (!read) return read.error();
  return out;
}

Result<Metrics> parse_metrics(std::string_view text) {
  if (text == "all") return Metrics{};
  Metrics out{false, false, false, false};
  if (text == "none") return out;
  std::string known;
  for (const auto& [name, member] : metric_names) known += (known.empty() ? "" : ",") + std::string(name);
  const Result<void> read = each_word(text, "a metric", known, [&](std::string_view word) {
    for (const auto& [name, member] : metric_names) {
      if (word != name) continue;
      out.*member = true;
      return true;
    }
    return false;
  });
  if (!read) return read.error();
  return out;
}

}  // namespace signalbox::generate
