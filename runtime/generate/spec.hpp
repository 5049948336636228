// What a generated trace is to be like.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::generate {

enum class IncidentKind : std::uint8_t { outage, slow_burn, flapping, deploy, scrape_gap, night, growth };
inline constexpr std::size_t incident_kinds = 7;

// Families beside `up`. What is left out changes nothing in what stays.
struct Metrics {
  bool requests = true;  // http_requests_total by code
  bool latency = true;   // http_request_duration_seconds, a classic histogram
  bool queue = true;     // queue_depth, a gauge
  bool deployed = true;  // service_deployed_timestamp_seconds, a gauge
};

// Two specs that are equal give the same bytes, on any platform.
struct TraceSpec {
  std::uint64_t seed = 0;
  Instant start{1'767'225'600'000};    // 2026-01-01T00:00:00Z; the processes begin then, with counters at 0
  Duration duration = days(1);         // samples lie in [start, start + duration)
  Duration every = seconds(15);        // between scrapes of one service
  Duration jitter = milliseconds(20);  // each scrape is early or late by at most this
  std::uint32_t services = 3;          // one scraped instance each, and one SLO for those who write them
  std::uint32_t labels = 0;            // further labels of each series; the nth has n + 1 values
  double rate = 100;                   // requests a second of a service, the mean over a day
  double swing = 0.5;                  // the share that the daily curve adds at 16:00 UTC and takes at 04:00
  double errors = 0.0002;              // of the requests, outside of incidents: a fifth of what 99.9% allows
  // Each service meets them in turn, about every third day, or as often as the duration needs to show each
  // once. A kind named twice comes twice as often.
  std::vector<IncidentKind> incidents = {};
  Metrics metrics = {};
};

// `invalid_argument`, with what can be written instead. Everything else in this room takes a spec that
// passed.
Result<void> check(const TraceSpec& spec);

std::string service_name(std::uint32_t service);  // the value of the label `service`
std::string_view name_of(IncidentKind kind);
// "none", "all", or names with commas between them. `invalid_argument` names the word that is none.
Result<std::vector<IncidentKind>> parse_incidents(std::string_view text);
Result<Metrics> parse_metrics(std::string_view text);

}  // namespace signalbox::generate
