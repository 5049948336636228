// What reading a page of metrics costs: bytes to samples, without a store behind; a page of series that are
// new, and the same page again.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "runtime/formats/exposition.hpp"

namespace {

using namespace signalbox;
using formats::ExpositionFormat;

// A page as services have it: counters by region and code, and a histogram's buckets.
std::string page(bool timed, int series) {
  std::string out = "# HELP http_requests_total Requests by outcome.\n# TYPE http_requests_total counter\n";
  const std::string time = timed ? " 1700000000.123" : "";
  for (int i = 0; i < series / 2; ++i)
    out += fmt::format(
        "http_requests_total{{service=\"checkout\",region=\"eu-{}\",code=\"{}\",env=\"prod\"}} {}{}\n",
        i / 10, 200 + i % 10, 12345 + 17 * i, time);
  out += "# TYPE http_request_duration_seconds histogram\n";
  for (int i = 0; i < series / 2; ++i)
    out += fmt::format(
        "http_request_duration_seconds_bucket{{service=\"checkout\",endpoint=\"/api/{}\",le=\"0.{:02}\"}} "
        "{}{}\n",
        i / 20, i % 20, 991 + 3 * i, time);
  return timed ? out + "# EOF\n" : out;
}

void parse(benchmark::State& state, ExpositionFormat format, bool timed, bool known) {
  const std::string text = page(timed, static_cast<int>(state.range(0)));
  std::size_t samples = 0;
  std::uint32_t series = 0;
  formats::SeriesTexts texts;
  formats::ExpositionSink sink;
  sink.series = [&](Labels&&) { return series++; };
  sink.sample = [&](std::uint32_t, double value, std::optional<Instant>) {
    benchmark::DoNotOptimize(value);
    ++samples;
  };
  for (auto _ : state) {
    if (!known) texts.clear();
    const Result<void> done = formats::parse_exposition(text, format, Limits{}, 0, texts, sink);
    if (!done) return state.SkipWithError(done.error().message.c_str());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["samples/s"] = benchmark::Counter(static_cast<double>(samples), benchmark::Counter::kIsRate);
}

void new_prometheus_page(benchmark::State& state) {
  parse(state, ExpositionFormat::prometheus, false, false);
}
void known_prometheus_page(benchmark::State& state) {
  parse(state, ExpositionFormat::prometheus, false, true);
}
void new_openmetrics(benchmark::State& state) {
  parse(state, ExpositionFormat::openmetrics, true, false);
}
void known_openmetrics(benchmark::State& state) {
  parse(state, ExpositionFormat::openmetrics, true, true);
}

BENCHMARK(new_prometheus_page)->Arg(1'000)->Arg(50'000);
BENCHMARK(known_prometheus_page)->Arg(1'000)->Arg(50'000);
BENCHMARK(new_openmetrics)->Arg(1'000)->Arg(50'000);
BENCHMARK(known_openmetrics)->Arg(1'000)->Arg(50'000);

}  // namespace

BENCHMARK_MAIN();
