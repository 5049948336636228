#include "runtime/base/time.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace signalbox {
namespace {

// Days from 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's civil-day algorithm).
std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const unsigned yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

struct Civil {
  std::int64_t year;
  unsigned month, day;
};
Civil civil_from_days(std::int64_t z) {
  z += 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const unsigned doe = static_cast<unsigned>(z - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned d = doy - (153 * mp + 2) / 5 + 1;
  const unsigned m = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<std::int64_t>(yoe) + era * 400 + (m <= 2), m, d};
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

bool two_digits(std::string_view s, std::size_t at, int& out) {
  if (at + 2 > s.size() || s[at] < '0' || s[at] > '9' || s[at + 1] < '0' || s[at + 1] > '9') return false;
  out = (s[at] - '0') * 10 + (s[at + 1] - '0');
  return true;
}

std::optional<Instant> parse_rfc3339(std::string_view s) {
  int c = 0, yy = 0, mo = 0, da = 0, ho = 0, mi = 0, se = 0;
  if (s.size() < 20 || !two_digits(s, 0, c) || !two_digits(s, 2, yy) || s[4] != '-' ||
      !two_digits(s, 5, mo) || s[7] != '-' || !two_digits(s, 8, da) ||
      (s[10] != 'T' && s[10] != 't' && s[10] != ' ') || !two_digits(s, 11, ho) || s[13] != ':' ||
      !two_digits(s, 14, mi) || s[16] != ':' || !two_digits(s, 17, se)) {
    return std::nullopt;
  }
  static constexpr int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (mo < 1 || mo > 12 || da < 1 || da > month_days[mo - 1] || ho > 23 || mi > 59 || se > 60)
    return std::nullopt;
  const std::int64_t days =
      days_from_civil(c * 100 + yy, static_cast<unsigned>(mo), static_cast<unsigned>(da));
  const Civil back = civil_from_days(days);
  if (back.month != static_cast<unsigned>(mo)) return std::nullopt;  // 29 February outside a leap year
  std::size_t at = 19;
  double fraction = 0;
  if (at < s.size() && s[at] == '.') {
    double scale = 0.1;
    std::size_t digits = 0;
    for (++at; at < s.size() && s[at] >= '0' && s[at] <= '9'; ++at, ++digits) {
      fraction += (s[at] - '0') * scale;
      scale /= 10;
    }
    if (digits == 0) return std::nullopt;
  }
  std::int64_t offset_minutes = 0;
  if (at < s.size() && (s[at] == 'Z' || s[at] == 'z')) {
    ++at;
  } else if (at + 6 <= s.size() && (s[at] == '+' || s[at] == '-')) {
    int oh = 0, om = 0;
    if (!two_digits(s, at + 1, oh) || s[at + 3] != ':' || !two_digits(s, at + 4, om) || oh > 23 || om > 59)
      return std::nullopt;
    offset_minutes = (s[at] == '-' ? -1 : 1) * (oh * 60 + om);
    at += 6;
  } else {
    return std::nullopt;
  }
  if (at != s.size()) return std::nullopt;
  const std::int64_t whole = days * 86400 + ho * 3600 + mi * 60 + se - offset_minutes * 60;
  return Instant{whole * 1000 + std::llround(fraction * 1000)};
}

}  // namespace

Instant grid_floor(Instant t, Duration step, Duration phase) {
  return {floor_div(t.ms - phase.ms, step.ms) * step.ms + phase.ms};
}

Instant grid_ceil(Instant t, Duration step, Duration phase) {
  const Instant floor = grid_floor(t, step, phase);
  return floor == t ? floor : floor + step;
}

std::string to_string(Duration d) {
  if (d.ms == 0) return "0s";
  std::string out = d.ms < 0 ? "-" : "";
  std::int64_t rest = d.ms < 0 ? -d.ms : d.ms;
  static constexpr struct {
    std::int64_t ms;
    const char* unit;
  } units[] = {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}};
  for (const auto& u : units) {
    if (rest >= u.ms) out += fmt::format("{}{}", rest / u.ms, u.unit);
    rest %= u.ms;
  }
  return out;
}

std::string to_rfc3339(Instant t) {
  const std::int64_t day = floor_div(t.ms, 86'400'000);
  const std::int64_t in_day = t.ms - day * 86'400'000;
  const Civil c = civil_from_days(day);
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day,
                                in_day / 3'600'000, in_day / 60'000 % 60, in_day / 1000 % 60);
  if (in_day % 1000 != 0) out += fmt::format(".{:03}", in_day % 1000);
  return out + "Z";
}

std::optional<std::int64_t> seconds_to_ms(double seconds) {
  const double ms = seconds * 1000.0;
  if (!std::isfinite(ms) || std::fabs(ms) > 9.0e15) return std::nullopt;
  return std::llround(ms);
}

Result<Instant> parse_instant(std::string_view text) {
  if (auto t = parse_rfc3339(text)) return *t;
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed == std::errc{} && end == text.data() + text.size()) {
    if (auto ms = seconds_to_ms(value)) return Instant{*ms};
  }
  return Error{ErrorCode::invalid_argument, fmt::format("'{}' is not a time", text),
               "write RFC 3339, as 2026-11-23T19:12:00Z, or Unix seconds"};
}

std::optional<Duration> parse_duration(std::string_view text) {
  static constexpr struct {
    std::string_view unit;
    std::int64_t ms;
  } units[] = {{"w", 604'800'000}, {"d", 86'400'000}, {"h", 3'600'000},
               {"m", 60'000},      {"s", 1000},       {"ms", 1}};
  std::int64_t total = 0;
  std::size_t at = 0;
  int next_unit = 0;
  if (text.empty()) return std::nullopt;
  while (at < text.size()) {
    std::int64_t n = 0;
    const auto [end, failed] = std::from_chars(text.data() + at, text.data() + text.size(), n);
    if (failed != std::errc{} || n < 0) return std::nullopt;
    at = static_cast<std::size_t>(end - text.data());
    std::size_t stop = at;
    while (stop < text.size() && text[stop] >= 'a' && text[stop] <= 'z') ++stop;
    const std::string_view unit = text.substr(at, stop - at);
    int i = next_unit;
    while (i < 6 && units[i].unit != unit) ++i;
    if (i == 6 || n > (INT64_MAX / 4 - total) / units[i].ms) return std::nullopt;
    total += n * units[i].ms;
    next_unit = i + 1;
    at = stop;
  }
  return Duration{total};
}

}  // namespace signalbox
