// Any bytes, as both text formats and as an answer of Prometheus' API. What is accepted must be writable, and
// reading that back must give as many samples.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "runtime/formats/prometheus_json.hpp"

using namespace signalbox;
using namespace signalbox::formats;

namespace {

Result<void> read(std::string_view text, ExpositionFormat format, std::vector<ExpositionSample>& into) {
  return parse_exposition(
      text, format, Limits{}, 100'000,
      {[&](ExpositionSample&& s) { into.push_back(std::move(s)); }, [](const ExpositionFamily&) {}});
}

void check(std::string_view text, ExpositionFormat format) {
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
