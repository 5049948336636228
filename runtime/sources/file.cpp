#include "runtime/sources/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

namespace signalbox::sources {

Result<LoadReport> store_with_births(std::vector<LoadedSeries> series, store::SeriesStore& store) {
  LoadReport report;
  struct Group {
    std::vector<std::int64_t> times;
    std::int64_t spacing = 0;
  };
  std::map<std::pair<std::string, std::string>, Group> groups;
  const auto key_of = [](const LoadedSeries& s) {
    return std::pair(std::string(s.labels.get("job")), std::string(s.labels.get("instance")));
  };
  for (const LoadedSeries& s : series) {
    Group& g = groups[key_of(s)];
    g.times.insert(g.times.end(), s.times.begin(), s.times.end());
    // Keeps the memory at the number of distinct times, not of samples.
    if (g.times.size() > 4'000'000) {
      std::sort(g.times.begin(), g.times.end());
      g.times.erase(std::unique(g.times.begin(), g.times.end()), g.times.end());
    }
  }
  for (auto& [key, g] : groups) {
    std::sort(g.times.begin(), g.times.end());
    g.times.erase(std::unique(g.times.begin(), g.times.end()), g.times.end());
    std::vector<std::int64_t> gaps;
    for (std::size_t i = 1; i < g.times.size(); ++i) gaps.push_back(g.times[i] - g.times[i - 1]);
    if (gaps.empty()) continue;
    std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2), gaps.end());
    g.spacing = gaps[gaps.size() / 2];
  }
  bool any = false;
  for (const LoadedSeries& s : series) {
    if (s.times.empty()) continue;
    const Group& g = groups[key_of(s)];
    std::optional<Instant> absent_at;
    const auto first = std::lower_bound(g.times.begin(), g.times.end(), s.times.front());
    if (first != g.times.begin() && s.times.front() - *(first - 1) <= g.spacing * 5 / 2) absent_at = Instant{*(first - 1)};
    const Result<store::SeriesId> id = store.series(s.labels);
    if (!id) return id.error();
    ++report.series;
    for (std::size_t i = 0; i < s.times.size(); ++i) {
      const auto stored = store.append(*id, Instant{s.times[i]}, s.values[i], i == 0 ? absent_at : std::nullopt);
      if (!stored) return stored.error();
      if (*stored == store::AppendOutcome::stored) ++report.samples;
    }
    if (!any || s.times.front() < report.first.ms) report.first.ms = s.times.front();
    if (!any || s.times.back() > report.last.ms) report.last.ms = s.times.back();
    any = true;
  }
  return report;
}

Result<LoadReport> load_exposition(std::string_view text, store::SeriesStore& store, const Limits& limits) {
  std::unordered_map<Labels, std::size_t, LabelsHash> index;
  std::vector<LoadedSeries> series;
  std::optional<Labels> without_time;
  formats::ExpositionSink sink;
  sink.sample = [&](formats::ExpositionSample&& s) {
    if (!s.time) {
      if (!without_time) without_time = s.labels;
      return;
    }
    const auto [it, fresh] = index.try_emplace(s.labels, series.size());
    if (fresh) series.push_back({std::move(s.labels), {}, {}});
    series[it->second].times.push_back(s.time->ms);
    series[it->second].values.push_back(s.value);
  };
  const Result<void> parsed = formats::parse_exposition(text, formats::detect_exposition("", text), limits, 0, sink);
  if (!parsed) return parsed.error();
  if (without_time)
    return Error{ErrorCode::malformed, fmt::format("{} has a sample without a time", to_string(*without_time)),
                 "recorded data has a timestamp on each line; OpenMetrics writes it in seconds after the value"};
  for (LoadedSeries& s : series) {
    if (std::is_sorted(s.times.begin(), s.times.end())) continue;
    std::vector<std::size_t> order(s.times.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return s.times[a] < s.times[b]; });
    LoadedSeries sorted{s.labels, {}, {}};
    for (std::size_t i : order) {
      sorted.times.push_back(s.times[i]);
      sorted.values.push_back(s.values[i]);
    }
    s = std::move(sorted);
  }
  return store_with_births(std::move(series), store);
}

}  // namespace signalbox::sources
