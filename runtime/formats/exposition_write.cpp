// The other direction, and which of the two formats a body is in.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "runtime/base/rational.hpp"
#include "runtime/formats/exposition.hpp"
#include "runtime/formats/text.hpp"

namespace signalbox::formats {
namespace {

bool is_name(std::string_view name, bool colons) {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
  };
  if (name.empty() || !letter(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

void append_seconds(std::string& out, std::int64_t ms) {
  if (ms < 0) out += '-';
  const std::int64_t magnitude = ms < 0 ? -ms : ms;
  out += fmt::format("{}", magnitude / 1000);
  if (magnitude % 1000 == 0) return;
  out += fmt::format(".{:03}", magnitude % 1000);
  while (out.back() == '0') out.pop_back();
}

}  // namespace

Result<std::string> write_openmetrics(std::span<const ExpositionSample> samples) {
  std::string out;
  for (const ExpositionSample& sample : samples) {
    const std::string_view metric = sample.labels.get(metric_name_label);
    if (!is_name(metric, true))
      return Error{ErrorCode::invalid_argument, fmt::format("{} cannot be a metric's name", excerpt(metric))};
    for (const auto& [name, value] : sample.labels.pairs()) {
      if (!is_name(name, false))
        return Error{ErrorCode::invalid_argument, fmt::format("{} cannot be a label's name", excerpt(name))};
      if (text_fault(value) != std::string_view::npos)
        return Error{ErrorCode::invalid_argument,
                     fmt::format("label {}: {} is not text", name, excerpt(value))};
    }
    const std::string series = to_string(sample.labels);
    out += series;
    out += ' ';
    out += shortest(sample.value);
    if (sample.time) {
      if (sample.time->ms > max_instant_ms || sample.time->ms < -max_instant_ms)
        return Error{ErrorCode::invalid_argument, fmt::format("{} ms is too far from 1970", sample.time->ms)};
      out += ' ';
      append_seconds(out, sample.time->ms);
    }
    out += '\n';
  }
  out += "# EOF\n";
  return out;
}

ExpositionFormat detect_exposition(std::string_view content_type, std::string_view body) {
  std::string type(content_type);
  for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string_view media = std::string_view(type).substr(0, type.find(';'));
  if (media.find("application/openmetrics-text") != std::string_view::npos)
    return ExpositionFormat::openmetrics;
  // Bare text/plain is what any file server says of any file.
  if (type.find("version=0.0.4") != std::string::npos) return ExpositionFormat::prometheus;
  if (body.ends_with('\n')) body.remove_suffix(1);
  if (body.ends_with('\r')) body.remove_suffix(1);
  constexpr std::string_view eof = "# EOF";
  const bool last =
      body.ends_with(eof) && (body.size() == eof.size() || body[body.size() - eof.size() - 1] == '\n');
  return last ? ExpositionFormat::openmetrics : ExpositionFormat::prometheus;
}

}  // namespace signalbox::formats
