#include "runtime/sources/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include "runtime/sources/scrapes.hpp"

namespace signalbox::sources {
namespace {

using Times = std::vector<std::int64_t>;

struct Group {
  Scrapes scrapes;  // of all its series
  Times up;         // those that `up` reports
};
using Groups = std::map<GroupKey, Group>;

bool is_up(const Labels& labels) {
  return labels.get(metric_name_label) == "up";
}

// In rising time; of two samples at one time the first one stays.
void put_in_order(LoadedSeries& series) {
  const auto not_rising =
      std::adjacent_find(series.times.begin(), series.times.end(), std::greater_equal<>());
  if (not_rising == series.times.end()) return;
  std::vector<std::size_t> order(series.times.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return series.times[a] < series.times[b]; });
  LoadedSeries sorted{std::move(series.labels), {}, {}};
  sorted.times.reserve(order.size());
  sorted.values.reserve(order.size());
  for (const std::size_t i : order) {
    if (!sorted.times.empty() && sorted.times.back() == series.times[i]) continue;
    sorted.times.push_back(series.times[i]);
    sorted.values.push_back(series.values[i]);
  }
  series = std::move(sorted);
}

Groups find_groups(const std::vector<LoadedSeries>& series) {
  // Merging only when the list has doubled keeps memory and time at the number of distinct times.
  std::map<GroupKey, std::size_t> merge_at;
  Groups groups;
  for (const LoadedSeries& one : series) {
    const GroupKey key = group_of(one.labels);
    Group& group = groups[key];
    Times& times = group.scrapes.times;
    times.insert(times.end(), one.times.begin(), one.times.end());
    std::size_t& bound = merge_at[key];
    if (times.size() > std::max<std::size_t>(bound, 100'000)) {
      sort_unique(times);
      bound = 2 * times.size();
    }
    if (!is_up(one.labels)) continue;
    for (std::size_t i = 0; i < one.times.size(); ++i) {
      group.up.push_back(one.times[i]);
      if (one.values[i] == 0) group.scrapes.failed.push_back(one.times[i]);
    }
  }
  for (auto& [key, group] : groups) {
    sort_unique(group.scrapes.times);
    sort_unique(group.up);
    sort_unique(group.scrapes.failed);
    group.scrapes.measure_spacing();
  }
  return groups;
}

bool taken_with_up(const LoadedSeries& series, const Group& group) {
  return !group.up.empty() && !is_up(series.labels) &&
         std::includes(group.up.begin(), group.up.end(), series.times.begin(), series.times.end());
}

// The first scrape after `time` if it comes before `next`, and the group's latest one is later still.
std::optional<std::int64_t> missed_scrape(const Group& group, std::int64_t time,
                                          std::optional<std::int64_t> next) {
  const auto scrape = std::upper_bound(group.up.begin(), group.up.end(), time);
  if (scrape == group.up.end() || std::next(scrape) == group.up.end()) return std::nullopt;
  if (next && *scrape >= *next) return std::nullopt;
  return *scrape;
}

}  // namespace

Result<LoadReport> store_loaded(std::vector<LoadedSeries> series, const Inference& inference,
                                store::SeriesStore& store) {
  LoadReport report;
  for (LoadedSeries& one : series) put_in_order(one);
  const Groups groups = find_groups(series);
  for (const LoadedSeries& one : series) {
    if (one.times.empty()) continue;
    const Group& group = groups.at(group_of(one.labels));
    const bool ends = inference.ends && taken_with_up(one, group);
    const Result<store::SeriesId> id = store.series(one.labels);
    if (!id) return id.error();
    bool born_here = true;  // the next sample is the first, or the first after an end
    for (std::size_t i = 0; i < one.times.size(); ++i) {
      const std::int64_t time = one.times[i];
      const auto absent_at =
          born_here && inference.births ? absent_before(time, group.scrapes) : std::nullopt;
      const auto stored = store.append(*id, Instant{time}, one.values[i], absent_at);
      if (!stored) return stored.error();
      if (*stored == store::AppendOutcome::stored) ++report.samples;
      born_here = false;
      if (!ends) continue;
      const bool last = i + 1 == one.times.size();
      const auto missed = missed_scrape(group, time, last ? std::nullopt : std::optional(one.times[i + 1]));
      if (!missed || *missed > inference.complete_to.ms) continue;
      const auto ended = store.append(*id, Instant{*missed}, store::stale_marker());
      if (!ended) return ended.error();
      born_here = true;
    }
    report.first.ms = report.series == 0 ? one.times.front() : std::min(report.first.ms, one.times.front());
    report.last.ms = report.series == 0 ? one.times.back() : std::max(report.last.ms, one.times.back());
    ++report.series;
  }
  return report;
}

namespace {

// Unix seconds from 2001 to 5138, which as milliseconds would lie in 1970 to 1973.
constexpr std::int64_t seconds_look_so = 1'000'000'000, seconds_end_so = 100'000'000'000;

}  // namespace

Result<void> Recording::add(std::string_view text) {
  std::size_t samples = 0;
  std::int64_t earliest = std::numeric_limits<std::int64_t>::max(),
               latest = std::numeric_limits<std::int64_t>::min();
  std::optional<std::size_t> timeless;  // which sample of the text, from 0
  formats::ExpositionSink sink;
  sink.sample = [&](formats::ExpositionSample&& sample) {
    const std::size_t number = samples++;
    if (!sample.time) {
      if (!timeless) timeless = number;
      return;
    }
    earliest = std::min(earliest, sample.time->ms);
    latest = std::max(latest, sample.time->ms);
    const auto [entry, fresh] = index_.try_emplace(std::move(sample.labels), series_.size());
    if (fresh) series_.push_back({entry->first, {}, {}});
    LoadedSeries& series = series_[entry->second];
    series.times.push_back(sample.time->ms);
    series.values.push_back(sample.value);
  };
  // A text with an end in its middle is OpenMetrics with something after it, not another format.
  const bool ends_somewhere = text.substr(0, 5) == "# EOF" || text.find("\n# EOF") != std::string_view::npos;
  const auto format =
      ends_somewhere ? formats::ExpositionFormat::openmetrics : formats::detect_exposition("", text);
  const Result<void> parsed = formats::parse_exposition(text, format, limits_, 0, sink);
  const bool milliseconds = format == formats::ExpositionFormat::prometheus;
  if (!parsed) {
    if (milliseconds && parsed.error().message.find("milliseconds") != std::string::npos)
      return Error{ErrorCode::malformed, parsed.error().message,
                   "if this is OpenMetrics, it was cut off: it ends with '# EOF'"};
    return parsed.error();
  }
  if (milliseconds && samples > 0 && !timeless && earliest >= seconds_look_so && latest < seconds_end_so)
    return Error{
        ErrorCode::malformed,
        "the times look like seconds, and the text does not end with '# EOF': OpenMetrics that was cut off",
        "record it again, or end the last whole line with '# EOF'; Prometheus' text has milliseconds"};
  if (!timeless) return {};
  // Every line but comments and empty ones is one sample.
  std::size_t line = 0;
  for (std::size_t at = 0, left = *timeless + 1; left > 0 && at <= text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t begin = std::min(text.find_first_not_of(" \t\r", at), end);
    if (begin < end && text[begin] != '#') --left;
    at = end + 1;
  }
  return Error{ErrorCode::malformed, fmt::format("line {}: a sample without a time", line),
               "recorded data has a time on each line, after the value: in seconds in OpenMetrics, in "
               "milliseconds in Prometheus' text"};
}

Result<LoadReport> Recording::load(store::SeriesStore& store) && {
  index_.clear();
  return store_loaded(std::move(series_), {}, store);
}

Result<LoadReport> load_exposition(std::string_view text, store::SeriesStore& store, const Limits& limits) {
  Recording recording(limits);
  if (const Result<void> added = recording.add(text); !added) return added.error();
  return std::move(recording).load(store);
}

}  // namespace signalbox::sources
