#include "runtime/sources/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

#include "runtime/sources/append_in_order.hpp"
#include "runtime/sources/scrape_groups.hpp"

namespace signalbox::sources {
namespace {

// In rising time; of two samples at one time the first one stays.
template <class Times, class Values>
void sort_samples(Times& times, Values& values) {
  const auto not_rising = std::adjacent_find(times.begin(), times.end(), std::greater_equal<>());
  if (not_rising == times.end()) return;
  std::vector<std::size_t> order(times.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return times[a] < times[b]; });
  Times sorted_times;
  Values sorted_values;
  sorted_times.reserve(order.size());
  sorted_values.reserve(order.size());
  for (const std::size_t i : order) {
    if (!sorted_times.empty() && sorted_times.back() == times[i]) continue;
    sorted_times.push_back(times[i]);
    sorted_values.push_back(values[i]);
  }
  times = std::move(sorted_times);
  values = std::move(sorted_values);
}

void count_series(std::int64_t first, std::int64_t last, LoadReport& report) {
  report.first.ms = report.series == 0 ? first : std::min(report.first.ms, first);
  report.last.ms = report.series == 0 ? last : std::max(report.last.ms, last);
  ++report.series;
}
// `one` has a sample or a marker, each kind in rising time.
void count_series(const LoadedSeries& one, LoadReport& report) {
  std::int64_t first = std::numeric_limits<std::int64_t>::max(),
               last = std::numeric_limits<std::int64_t>::min();
  const auto saw = [&](std::int64_t from, std::int64_t to) {
    first = std::min(first, from);
    last = std::max(last, to);
  };
  for (const std::vector<std::int64_t>* times : {&one.times, &one.ends})
    if (!times->empty()) saw(times->front(), times->back());
  if (!one.histograms.empty()) saw(one.histograms.front().time, one.histograms.back().time);
  count_series(first, last, report);
}

Result<void> store_with_histograms(LoadedSeries& one, store::SeriesStore& store, LoadReport& report) {
  std::stable_sort(one.histograms.begin(), one.histograms.end(),
                   [](const TimedHistogram& a, const TimedHistogram& b) { return a.time < b.time; });
  const Result<store::SeriesId> id = store.series(one.labels);
  if (!id) return id.error();
  const Result<std::size_t> taken =
      append_in_order(*id, one.times, one.values, one.ends, one.histograms, store);
  if (!taken) return taken.error();
  report.samples += *taken;
  count_series(one, report);
  return {};
}

}  // namespace

Result<LoadReport> store_loaded(std::vector<LoadedSeries> series, const Inference& inference,
                                store::SeriesStore& store) {
  LoadReport report;
  ScrapeGroups groups;
  for (LoadedSeries& one : series) {
    sort_samples(one.times, one.values);
    groups.add(one.labels, one.times, one.values);
  }
  groups.finish();
  for (LoadedSeries& one : series) {
    std::sort(one.ends.begin(), one.ends.end());
    if (!one.histograms.empty()) {
      if (Result<void> taken = store_with_histograms(one, store, report); !taken) return taken.error();
      continue;
    }
    if (one.times.empty() && one.ends.empty()) continue;
    const ScrapeGroup& group = groups.of(one.labels);
    const bool ends = inference.ends && group.taken_with_up(one.labels, one.times);
    const Result<store::SeriesId> id = store.series(one.labels);
    if (!id) return id.error();
    bool born_here = true;  // the next sample is the first, or the first after an end
    const auto end_at = [&](std::int64_t time) -> Result<void> {
      born_here = true;
      const auto ended = store.append(*id, Instant{time}, stale_marker());
      return ended ? Result<void>() : Result<void>(ended.error());
    };
    std::size_t told = 0;
    for (std::size_t i = 0; i < one.times.size(); ++i) {
      const std::int64_t time = one.times[i];
      for (; told < one.ends.size() && one.ends[told] < time; ++told)
        if (Result<void> ended = end_at(one.ends[told]); !ended) return ended.error();
      const auto absent_at = born_here && inference.births ? group.absent_before(time) : std::nullopt;
      const auto stored = store.append(*id, Instant{time}, one.values[i], absent_at);
      if (!stored) return stored.error();
      if (*stored == store::AppendOutcome::stored) ++report.samples;
      born_here = false;
      if (!ends) continue;
      const bool last = i + 1 == one.times.size();
      const auto missed = group.missed_scrape(time, last ? std::nullopt : std::optional(one.times[i + 1]));
      if (!missed || *missed > inference.complete_to.ms) continue;
      if (Result<void> ended = end_at(*missed); !ended) return ended.error();
    }
    for (; told < one.ends.size(); ++told)
      if (Result<void> ended = end_at(one.ends[told]); !ended) return ended.error();
    count_series(one, report);
  }
  return report;
}

namespace {

// Small enough to stay in a core's cache, large enough that asking for it costs nothing.
constexpr std::size_t piece_bytes = 256u << 10;

// Unix seconds from 2001 to 5138, which as milliseconds would lie in 1970 to 1973.
constexpr std::int64_t seconds_look_so = 1'000'000'000, seconds_end_so = 100'000'000'000;

Result<formats::ExpositionFormat> format_of(const TextSource& text) {
  constexpr std::uint64_t enough = 16;  // for "\n# EOF\r\n"
  const Result<std::string_view> end = text.read(text.size - std::min(text.size, enough), enough);
  if (!end) return end.error();
  return formats::detect_exposition("", *end);
}

// The fault of a text that has an end in its middle: it is OpenMetrics with something after it, not another
// format.
Result<std::optional<Error>> fault_after_end(const TextSource& text, const Limits& limits) {
  constexpr std::string_view mark = "\n# EOF";
  std::string tail = "\n";
  bool found = false;
  Result<void> read = each_piece(text, [&](std::string_view piece) {
    found = piece.find(mark) != std::string_view::npos ||
            (tail + std::string(piece.substr(0, mark.size()))).find(mark) != std::string::npos;
    tail += piece.substr(piece.size() - std::min(piece.size(), mark.size()));
    tail.erase(0, tail.size() - std::min(tail.size(), mark.size()));
    return !found;
  });
  if (!read) return read.error();
  if (!found) return std::optional<Error>();
  formats::SeriesTexts texts;
  formats::ExpositionSink nobody;
  nobody.series = [](Labels&&) { return 0u; };
  nobody.sample = [](std::uint32_t, double, std::optional<Instant>) {};
  formats::ExpositionReader reader(formats::ExpositionFormat::openmetrics, limits, 0, texts, nobody);
  Result<void> parsed;
  read = each_piece(text, [&](std::string_view piece) { return bool(parsed = reader.feed(piece)); });
  if (!read) return read.error();
  if (parsed) parsed = reader.finish();
  if (parsed) return Error{ErrorCode::io, "it changed while it was read"};
  return std::optional(parsed.error());
}

}  // namespace

Result<void> each_piece(const TextSource& text, const std::function<bool(std::string_view)>& take) {
  for (std::uint64_t at = 0; at < text.size;) {
    const Result<std::string_view> piece = text.read(at, piece_bytes);
    if (!piece) return piece.error();
    if (piece->empty()) return Error{ErrorCode::io, "it became shorter while it was read"};
    at += piece->size();
    if (!take(*piece)) break;
  }
  return {};
}

TextSource text_in_memory(std::string_view text) {
  return {text.size(), [text](std::uint64_t offset, std::size_t most) -> Result<std::string_view> {
            return text.substr(std::min<std::uint64_t>(offset, text.size()), most);
          }};
}

std::uint32_t Recording::number_of(Labels&& labels) {
  const auto number = static_cast<std::uint32_t>(series_.size());
  const auto [entry, fresh] = index_.try_emplace(std::move(labels), number);
  if (fresh) {
    series_.push_back({entry->first, {}, {}, {}});
    bytes_ += store::SeriesStore::series_bytes(entry->first);
  }
  return entry->second;
}

void Recording::put(Series& series, std::int64_t time, double value) {
  store::Column& column = series.column;
  if (column.end_place() == 0 || time > column.last_sample) {
    if (column.add(time, value))
      bytes_ += column.packed.size() - column.chunks.back().offset + sizeof(store::Column::Chunk);
    return;
  }
  series.late_times.push_back(time);
  series.late_values.push_back(value);
  bytes_ += sizeof time + sizeof value;
}

void Recording::put_in_order(Series& series) {
  if (series.late_times.empty()) return;
  UnsetVector<std::int64_t> times;
  UnsetVector<double> values;
  // A sample came late when one of its time or a later one was there: those of the column are the first of
  // their times.
  series.column.read_all(times, values);
  times.insert(times.end(), series.late_times.begin(), series.late_times.end());
  values.insert(values.end(), series.late_values.begin(), series.late_values.end());
  sort_samples(times, values);
  series = {std::move(series.labels), {}, {}, {}};
  for (std::size_t i = 0; i < times.size(); ++i) series.column.add(times[i], values[i]);
}

Result<void> Recording::add(const TextSource& text, ContentDigest* digest) {
  const Result<formats::ExpositionFormat> format = format_of(text);
  if (!format) return format.error();
  const bool milliseconds = *format == formats::ExpositionFormat::prometheus;
  bool any = false;
  std::int64_t earliest = std::numeric_limits<std::int64_t>::max(),
               latest = std::numeric_limits<std::int64_t>::min();
  std::optional<std::size_t> timeless;  // its line
  formats::ExpositionReader* reading = nullptr;
  formats::ExpositionSink sink;
  sink.series = [&](Labels&& labels) { return number_of(std::move(labels)); };
  sink.sample = [&](std::uint32_t series, double value, std::optional<Instant> time) {
    if (!time) {
      if (!timeless) timeless = reading->line();
      return;
    }
    any = true;
    earliest = std::min(earliest, time->ms);
    latest = std::max(latest, time->ms);
    put(series_[series], time->ms, value);
  };
  formats::ExpositionReader reader(*format, limits_, 0, texts_, sink);
  reading = &reader;
  Result<void> parsed;
  const Result<void> read = each_piece(text, [&](std::string_view piece) {
    if (digest != nullptr) digest->add(piece);
    parsed = reader.feed(piece);
    if (parsed && series_.size() > limits_.store_series)
      parsed = Error{
          ErrorCode::limit_exceeded,
          fmt::format("line {}: more than {} series (store_series)", reader.line(), limits_.store_series),
          "give it fewer files, or a Prometheus' data directory: of that only what is asked for is read"};
    if (parsed && bytes_ > limits_.store_bytes)
      parsed = Error{
          ErrorCode::limit_exceeded,
          fmt::format("line {}: the samples up to here need more than {} bytes (store_bytes)", reader.line(),
                      limits_.store_bytes),
          "give it fewer files, or a Prometheus' data directory: of that only what is asked for is read"};
    return bool(parsed);
  });
  if (!read) return read.error();
  if (parsed) parsed = reader.finish();
  const bool in_seconds =
      milliseconds && any && !timeless && earliest >= seconds_look_so && latest < seconds_end_so;
  if (milliseconds && (!parsed || in_seconds || reader.saw_end())) {
    const Result<std::optional<Error>> fault = fault_after_end(text, limits_);
    if (!fault) return fault.error();
    if (*fault) return **fault;
  }
  if (!parsed) {
    if (milliseconds && parsed.error().message.find("milliseconds") != std::string::npos)
      return Error{ErrorCode::malformed, parsed.error().message,
                   "if this is OpenMetrics, it was cut off: it ends with '# EOF'"};
    return parsed.error();
  }
  if (milliseconds && text.size > 0) {
    const Result<std::string_view> end = text.read(text.size - 1, 1);
    if (!end) return end.error();
    if (*end != "\n")
      return Error{ErrorCode::malformed, "the text ends within a line: it was cut off",
                   "record it again, or end the last line if it is whole"};
  }
  if (in_seconds)
    return Error{
        ErrorCode::malformed,
        "the times look like seconds, and the text does not end with '# EOF': OpenMetrics that was cut off",
        "record it again, or end the last whole line with '# EOF'; Prometheus' text has milliseconds"};
  if (!timeless) return {};
  return Error{ErrorCode::malformed, fmt::format("line {}: a sample without a time", *timeless),
               "recorded data has a time on each line, after the value: in seconds in OpenMetrics, in "
               "milliseconds in Prometheus' text"};
}

Result<LoadReport> Recording::load(store::SeriesStore& store) && {
  index_.clear();
  texts_.clear();
  LoadReport report;
  ScrapeGroups groups;
  UnsetVector<std::int64_t> times;
  UnsetVector<double> values;
  const auto read = [&](const Series& one) {
    times.clear();
    values.clear();
    one.column.read_all(times, values);
  };
  for (Series& one : series_) {
    put_in_order(one);
    read(one);
    groups.add(one.labels, times, values);
  }
  groups.finish();
  for (Series& one : series_) {
    if (one.column.end_place() == 0) continue;
    const std::int64_t first =
        one.column.chunks.empty() ? one.column.tail_times[0] : one.column.chunks[0].first_time;
    const std::optional<Instant> absent_at = groups.of(one.labels).absent_before(first);
    const Result<store::SeriesId> id = store.series(one.labels);
    if (!id) return id.error();
    count_series(first, one.column.last_sample, report);
    if (!store.first_time(*id)) {
      report.samples += one.column.end_place();
      store::SeriesHistory history{std::move(one.column), {}, {}, nullptr, {}};
      if (absent_at) history.births.push_back({0, absent_at->ms});
      if (const Result<void> adopted = store.adopt(*id, std::move(history)); !adopted) return adopted.error();
      continue;
    }
    read(one);
    for (std::size_t i = 0; i < times.size(); ++i) {
      const auto stored = store.append(*id, Instant{times[i]}, values[i], i == 0 ? absent_at : std::nullopt);
      if (!stored) return stored.error();
      if (*stored == store::AppendOutcome::stored) ++report.samples;
    }
  }
  return report;
}

Result<LoadReport> load_exposition(std::string_view text, store::SeriesStore& store, const Limits& limits) {
  Recording recording(limits);
  if (const Result<void> added = recording.add(text_in_memory(text)); !added) return added.error();
  return std::move(recording).load(store);
}

}  // namespace signalbox::sources
