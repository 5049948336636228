// Series of the Numenta Anomaly Benchmark as OpenMetrics text with timestamps, for replay.
//
//   nab2om FILE.csv…                       the series, as gauges, on standard output
//   nab2om --windows windows.json [SERIES…]  its labelled incidents: series, start, end, a line each
//
// A series is called after its file ("realKnownCause/nyc_taxi"), in the label `series` and in the windows
// alike; the metric after the file alone ("nyc_taxi"). Values are passed on as they are written. Where
// several lines have one timestamp (nights when clocks change) the first counts, and that is said on
// standard error.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace {

using signalbox::Error;
using signalbox::ErrorCode;
using signalbox::Instant;
using signalbox::Result;

// "2014-03-07 03:41:00", with or without a fraction; always UTC.
Result<Instant> instant_of(std::string_view text) {
  std::string rfc3339(text);
  if (const std::size_t space = rfc3339.find(' '); space != std::string::npos) rfc3339[space] = 'T';
  return signalbox::parse_instant(rfc3339 + "Z");
}

std::string series_of(const std::filesystem::path& file) {
  return (file.parent_path().filename() / file.stem()).generic_string();
}

std::string metric_of(const std::filesystem::path& file) {
  std::string name = file.stem().string();
  for (char& c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fits) c = '_';
  }
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) name.insert(0, 1, '_');
  return name;
}

Result<std::string> converted(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line))
    return Error{ErrorCode::not_found, fmt::format("cannot read {}", file.string())};
  const std::string metric = metric_of(file);
  const std::string series = series_of(file);
  std::string out = fmt::format("# TYPE {} gauge\n", metric);
  std::optional<Instant> previous;
  int repeated = 0;
  for (int number = 2; std::getline(in, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    const auto bad = [&](std::string_view why) {
      return Error{ErrorCode::invalid_argument, fmt::format("{}:{}: {}", file.string(), number, why)};
    };
    const std::size_t comma = line.find(',');
    if (comma == std::string::npos) return bad("expected timestamp,value");
    const Result<Instant> at = instant_of(std::string_view(line).substr(0, comma));
    if (!at) return bad(at.error().message);
    const std::string_view value = std::string_view(line).substr(comma + 1);
    double parsed = 0;
    const auto [stop, failure] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (failure != std::errc() || stop != value.data() + value.size())
      return bad("the value is not a number");
    if (previous && *at < *previous) return bad("time goes backwards");
    if (previous && *at == *previous) {
      ++repeated;
      continue;
    }
    previous = *at;
    out += fmt::format("{}{{series=\"{}\"}} {} {}", metric, series, value, at->ms / 1000);
    if (at->ms % 1000 != 0) out += fmt::format(".{:03}", at->ms % 1000);
    out += '\n';
  }
  if (repeated > 0) fmt::print(stderr, "nab2om: {}: {} repeated timestamps left out\n", series, repeated);
  return out;
}

int print_series(const std::vector<std::string_view>& files) {
  std::set<std::string> metrics;
  for (const std::string_view file : files) {
    if (!metrics.insert(metric_of(file)).second) {
      fmt::print(stderr, "nab2om: two files would both be the metric {}\n", metric_of(file));
      return 1;
    }
    const Result<std::string> text = converted(file);
    if (!text) {
      fmt::print(stderr, "nab2om: {}\n", text.error().message);
      return 1;
    }
    fmt::print("{}", *text);
  }
  fmt::print("# EOF\n");
  return 0;
}

int print_windows(const std::string& file, const std::set<std::string_view>& wanted) {
  std::ifstream in(file);
  const nlohmann::json windows = nlohmann::json::parse(in, nullptr, false);
  if (!windows.is_object()) {
    fmt::print(stderr, "nab2om: {} is not a JSON object of windows\n", file);
    return 1;
  }
  for (const auto& [key, spans] : windows.items()) {
    const std::string series = series_of(key);
    if (!wanted.empty() && !wanted.contains(series)) continue;
    for (const nlohmann::json& span : spans) {
      if (!span.is_array() || span.size() != 2 || !span[0].is_string() || !span[1].is_string()) {
        fmt::print(stderr, "nab2om: {}: a window is [start, end]\n", series);
        return 1;
      }
      const Result<Instant> start = instant_of(span[0].get<std::string>());
      const Result<Instant> end = instant_of(span[1].get<std::string>());
      if (!start || !end) {
        fmt::print(stderr, "nab2om: {}: {}\n", series, (start ? end : start).error().message);
        return 1;
      }
      fmt::print("{} {} {}\n", series, to_rfc3339(*start), to_rfc3339(*end));
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() >= 2 && words[0] == "--windows") {
    return print_windows(std::string(words[1]), {words.begin() + 2, words.end()});
  }
  if (words.empty() || words[0].starts_with('-')) {
    fmt::print(stderr, "usage: nab2om FILE.csv... | nab2om --windows windows.json [SERIES...]\n");
    return 2;
  }
  return print_series(words);
}
