// A text's samples with their labels, for tests that look at single ones.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "runtime/formats/exposition.hpp"

namespace signalbox::test {

inline Result<void> read_samples(std::string_view text, formats::ExpositionFormat format,
                                 const Limits& limits, std::size_t max_samples,
                                 const std::function<void(formats::ExpositionSample&&)>& sample,
                                 std::function<void(const formats::ExpositionFamily&)> family = {}) {
  std::vector<Labels> series;
  formats::SeriesTexts texts;
  formats::ExpositionSink sink;
  sink.series = [&](Labels&& labels) {
    series.push_back(std::move(labels));
    return static_cast<std::uint32_t>(series.size() - 1);
  };
  sink.sample = [&](std::uint32_t of, double value, std::optional<Instant> time) {
    sample({series[of], value, time});
  };
  sink.family = std::move(family);
  return formats::parse_exposition(text, format, limits, max_samples, texts, sink);
}

}  // namespace signalbox::test
