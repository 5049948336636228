#include "runtime/sources/scrape_groups.hpp"

#include <algorithm>

namespace signalbox::sources {
namespace {

using Times = std::vector<std::int64_t>;

void sort_unique(Times& times) {
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
}
// `more` is empty after it.
void merge(Times& times, Times& more) {
  sort_unique(more);
  const auto old = static_cast<std::ptrdiff_t>(times.size());
  times.insert(times.end(), more.begin(), more.end());
  std::inplace_merge(times.begin(), times.begin() + old, times.end());
  more.clear();
}
bool has(const Times& times, std::int64_t time) {
  return std::binary_search(times.begin(), times.end(), time);
}
// Appends what `known` lacks of `times`. Series of one group mostly have the same times.
void find_missing(const Times& known, std::span<const std::int64_t> times, Times& missing) {
  auto at = known.begin();
  for (const std::int64_t time : times) {
    if (at == known.end() || *at != time) at = std::lower_bound(at, known.end(), time);
    if (at != known.end() && *at == time)
      ++at;
    else
      missing.push_back(time);
  }
}

bool is_up(const Labels& labels) {
  return labels.get(metric_name_label) == "up";
}

}  // namespace

ScrapeGroupKey scrape_group_of(const Labels& labels) {
  return {std::string(labels.get("job")), std::string(labels.get("instance"))};
}

void ScrapeGroup::measure_spacing() {
  Times gaps;
  for (std::size_t i = 1; i < scrapes.size(); ++i) gaps.push_back(scrapes[i] - scrapes[i - 1]);
  if (gaps.empty()) return;
  const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
  std::nth_element(gaps.begin(), middle, gaps.end());
  spacing = *middle;
}

std::optional<Instant> ScrapeGroup::absent_before(std::int64_t time) const {
  const auto scrape = std::lower_bound(scrapes.begin(), scrapes.end(), time);
  if (scrape == scrapes.begin()) return std::nullopt;
  const std::int64_t before = *std::prev(scrape);
  if (time - before > spacing * 5 / 2 || has(failed, before)) return std::nullopt;
  return Instant{before};
}

bool ScrapeGroup::taken_with_up(const Labels& labels, std::span<const std::int64_t> times) const {
  return !up.empty() && !is_up(labels) && std::includes(up.begin(), up.end(), times.begin(), times.end());
}

std::optional<std::int64_t> ScrapeGroup::missed_scrape(std::int64_t time,
                                                       std::optional<std::int64_t> next) const {
  const auto scrape = std::upper_bound(up.begin(), up.end(), time);
  if (scrape == up.end() || (next && *scrape >= *next)) return std::nullopt;
  if (std::next(scrape) == up.end() && !has(failed, *scrape)) return std::nullopt;
  return *scrape;
}

void ScrapeGroups::add(const Labels& labels, std::span<const std::int64_t> times,
                       std::span<const double> values) {
  Gathered& gathered = groups_[scrape_group_of(labels)];
  ScrapeGroup& group = gathered.group;
  find_missing(group.scrapes, times, gathered.more);
  // Merging only when the list has doubled keeps memory and time at the number of distinct times.
  if (gathered.more.size() > std::max<std::size_t>(group.scrapes.size(), 50'000))
    merge(group.scrapes, gathered.more);
  if (!is_up(labels)) return;
  for (std::size_t i = 0; i < times.size(); ++i) {
    group.up.push_back(times[i]);
    if (values[i] == 0) group.failed.push_back(times[i]);
  }
}

void ScrapeGroups::finish() {
  for (auto& [key, gathered] : groups_) {
    ScrapeGroup& group = gathered.group;
    merge(group.scrapes, gathered.more);
    sort_unique(group.up);
    sort_unique(group.failed);
    group.measure_spacing();
  }
}

const ScrapeGroup& ScrapeGroups::of(const Labels& labels) const {
  return groups_.at(scrape_group_of(labels)).group;
}

}  // namespace signalbox::sources
