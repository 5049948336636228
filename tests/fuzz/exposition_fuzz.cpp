// Any bytes, as both text formats and as an answer of Prometheus' API. What is accepted must be writable, and
// reading that back must give as many samples.
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "runtime/formats/prometheus_json.hpp"
#include "tests/support/exposition_samples.hpp"

using namespace signalbox;
using namespace signalbox::formats;

namespace {

Result<void> read(std::string_view text, ExpositionFormat format, std::vector<ExpositionSample>& into) {
  return test::read_samples(
      text, format, Limits{}, 100'000, [&](ExpositionSample&& s) { into.push_back(std::move(s)); },
      [](const ExpositionFamily&) {});
}

// In pieces and with what the text itself has taught: the same samples, and the same fault.
void check_again(std::string_view text, ExpositionFormat format) {
  std::vector<ExpositionSample> first, second;
  std::vector<Labels> series;
  SeriesTexts texts;
  const Limits limits;
  std::vector<ExpositionSample>* into = &first;
  ExpositionSink sink;
  sink.series = [&](Labels&& labels) {
    series.push_back(std::move(labels));
    return static_cast<std::uint32_t>(series.size() - 1);
  };
  sink.sample = [&](std::uint32_t of, double value, std::optional<Instant> time) {
    into->push_back({series[of], value, time});
  };
  const Result<void> whole = parse_exposition(text, format, limits, 100'000, texts, sink);
  into = &second;
  ExpositionReader reader(format, limits, 100'000, texts, sink);
  Result<void> again;
  const std::size_t piece = 1 + text.size() % 97;
  for (std::size_t at = 0; at < text.size() && again; at += piece)
    again = reader.feed(text.substr(at, piece));
  if (again) again = reader.finish();
  if (bool(whole) != bool(again) || (!whole && whole.error().message != again.error().message)) std::abort();
  if (first.size() != second.size()) std::abort();
  for (std::size_t i = 0; i < first.size(); ++i)
    if (first[i].labels != second[i].labels || first[i].time != second[i].time ||
        std::bit_cast<std::uint64_t>(first[i].value) != std::bit_cast<std::uint64_t>(second[i].value))
      std::abort();
}

void check(std::string_view text, ExpositionFormat format) {
  check_again(text, format);
  std::vector<ExpositionSample> samples, again;
  if (!read(text, format, samples)) return;
  const auto written = write_openmetrics(samples);
  if (!written) std::abort();
  if (!read(*written, ExpositionFormat::openmetrics, again) || again.size() != samples.size()) std::abort();
  for (std::size_t i = 0; i < samples.size(); ++i)
    if (samples[i].labels != again[i].labels || samples[i].time != again[i].time) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, ExpositionFormat::prometheus);
  check(text, ExpositionFormat::openmetrics);
  (void)detect_exposition("", text);
  if (const auto answer = parse_query_answer(text, Limits{}))
    for (const QuerySeries& series : answer->series)
      if (series.times.size() != series.values.size()) std::abort();
  (void)parse_buildinfo_version(text);
  return 0;
}
