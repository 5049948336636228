// Instants and durations, in whole milliseconds as Prometheus keeps them. Both are plain values;
// where "now" comes from is the Host's business.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace signalbox {

struct Duration {
  std::int64_t ms = 0;
  auto operator<=>(const Duration&) const = default;
  constexpr double seconds() const { return static_cast<double>(ms) / 1000.0; }
};
constexpr Duration operator+(Duration a, Duration b) {
  return {a.ms + b.ms};
}
constexpr Duration operator-(Duration a, Duration b) {
  return {a.ms - b.ms};
}
constexpr Duration operator*(Duration a, std::int64_t n) {
  return {a.ms * n};
}
constexpr Duration milliseconds(std::int64_t n) {
  return {n};
}
constexpr Duration seconds(std::int64_t n) {
  return {n * 1000};
}
constexpr Duration minutes(std::int64_t n) {
  return {n * 60'000};
}
constexpr Duration hours(std::int64_t n) {
  return {n * 3'600'000};
}
constexpr Duration days(std::int64_t n) {
  return {n * 86'400'000};
}

// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
struct Instant {
  std::int64_t ms = 0;
  auto operator<=>(const Instant&) const = default;
  constexpr double unix_seconds() const { return static_cast<double>(ms) / 1000.0; }
};
constexpr Instant operator+(Instant t, Duration d) {
  return {t.ms + d.ms};
}
constexpr Instant operator-(Instant t, Duration d) {
  return {t.ms - d.ms};
}
constexpr Duration operator-(Instant a, Instant b) {
  return {a.ms - b.ms};
}

// The latest instant on the grid {phase + k·step} that is not after `t`. `step` must be positive.
Instant grid_floor(Instant t, Duration step, Duration phase);
// The earliest instant on the grid that is not before `t`.
Instant grid_ceil(Instant t, Duration step, Duration phase);

// "1h30m", "300ms", "0s": the shortest compound of d h m s ms (weeks are written as days). A negative
// duration starts with '-'.
std::string to_string(Duration d);
// "2026-11-23T19:12:00Z", with ".123" when there are milliseconds.
std::string to_rfc3339(Instant t);
// RFC 3339 (with any numeric offset) or Unix seconds, fractions allowed and rounded to the millisecond.
Result<Instant> parse_instant(std::string_view text);
// "1h30m", "5m", "300ms", "2w": units in falling order, each once. No sign, no fractions.
std::optional<Duration> parse_duration(std::string_view text);
// Seconds as a double to milliseconds, rounded to nearest; nothing when not finite or out of range.
std::optional<std::int64_t> seconds_to_ms(double seconds);

}  // namespace signalbox
