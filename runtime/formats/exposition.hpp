// Prometheus text (0.0.4) and OpenMetrics (1.0.0): what a /metrics page or a recorded file says, as samples.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/labels.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/formats/series_texts.hpp"

namespace signalbox::formats {

enum class ExpositionFormat {
  prometheus,   // timestamps in whole milliseconds
  openmetrics,  // timestamps in seconds with fractions; must end with "# EOF"
};

// By content type when it names one ("application/openmetrics-text", or "version=0.0.4"); else by a final
// "# EOF" line.
ExpositionFormat detect_exposition(std::string_view content_type, std::string_view body);

struct ExpositionFamily {
  std::string name;  // as in the TYPE line
  std::string type;  // counter gauge histogram summary untyped unknown info stateset gaugehistogram
  std::string unit;
};
struct ExpositionSink {
  // What a series is, when its text is new: returns the number that its samples come with. One series may
  // come more than once, written in other ways.
  std::function<std::uint32_t(Labels&&)> series;
  std::function<void(std::uint32_t series, double value, std::optional<Instant> time)> sample;
  // Once a TYPE or UNIT line, with what the lines just before it said of the same name. Optional.
  std::function<void(const ExpositionFamily&)> family = {};
};

// Reads one text, in pieces that may end anywhere. `limits`, `texts` and `sink` must outlive it; `texts`
// holds what earlier texts for the same sink taught, and learns.
//
// Calls the sink in the order of the text. The first fault ends it with `malformed` and "line L, column C: …"
// (columns count bytes), and nothing more may be fed; what was handed over before stays with the caller, who
// decides whether half a page counts (a scrape does not). Bounds (`limit_exceeded`): scrape_samples (0 in
// `max_samples`: no bound), labels_per_series (the name apart), label_name_bytes, label_value_bytes. HTML is
// recognised and said. Exemplars are read over. A truncated OpenMetrics text (no "# EOF") is malformed.
// Values: all that strconv reads there, "NaN", "+Inf", "-Inf", "Inf" in any case, hex floats; no "_" between
// digits. Whether series repeat or families are split is not looked at.
class ExpositionReader {
 public:
  ExpositionReader(ExpositionFormat format, const Limits& limits, std::size_t max_samples, SeriesTexts& texts,
                   const ExpositionSink& sink);
  ~ExpositionReader();
  Result<void> feed(std::string_view piece);
  Result<void> finish();
  // The line that is being read, from 1.
  std::size_t line() const;
  // Whether a line began with "# EOF", which in Prometheus' text is a comment like others.
  bool saw_end() const;

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

// A text that is there as a whole.
Result<void> parse_exposition(std::string_view text, ExpositionFormat format, const Limits& limits,
                              std::size_t max_samples, SeriesTexts& texts, const ExpositionSink& sink);

struct ExpositionSample {
  Labels labels;  // with __name__
  double value = 0;
  std::optional<Instant> time;
};
// The samples in their order, without TYPE lines, ended by "# EOF". Reading it back gives the same samples
// bit for bit (of NaNs only that they are). `invalid_argument`: names or values the format cannot carry.
Result<std::string> write_openmetrics(std::span<const ExpositionSample> samples);

}  // namespace signalbox::formats
