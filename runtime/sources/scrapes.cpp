#include "runtime/sources/scrapes.hpp"

#include <algorithm>

namespace signalbox::sources {

GroupKey group_of(const Labels& labels) {
  return {std::string(labels.get("job")), std::string(labels.get("instance"))};
}

void sort_unique(std::vector<std::int64_t>& times) {
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
}

void Scrapes::measure_spacing() {
  std::vector<std::int64_t> gaps;
  for (std::size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);
  if (gaps.empty()) return;
  const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
  std::nth_element(gaps.begin(), middle, gaps.end());
  spacing = *middle;
}

std::optional<Instant> absent_before(std::int64_t time, const Scrapes& scrapes) {
  const auto scrape = std::lower_bound(scrapes.times.begin(), scrapes.times.end(), time);
  if (scrape == scrapes.times.begin()) return std::nullopt;
  const std::int64_t before = *std::prev(scrape);
  if (time - before > scrapes.spacing * 5 / 2 ||
      std::binary_search(scrapes.failed.begin(), scrapes.failed.end(), before))
    return std::nullopt;
  return Instant{before};
}

}  // namespace signalbox::sources
