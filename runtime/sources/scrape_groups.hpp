// The scrapes that recorded series were taken by, as far as their times tell: what births and ends are
// inferred from. See Inference in file.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::sources {

// (job, instance): series with the same were scraped together.
using ScrapeGroupKey = std::pair<std::string, std::string>;
ScrapeGroupKey scrape_group_of(const Labels& labels);

// Series with the same key. All times rise.
struct ScrapeGroup {
  std::vector<std::int64_t> scrapes;  // of all its series
  std::vector<std::int64_t> up;       // those that `up` reports
  std::vector<std::int64_t> failed;   // those that it reports as failed
  std::int64_t spacing = 0;           // the median

  // After `scrapes` are complete.
  void measure_spacing();
  // When the scrape before one at `time` was, if it says that a series was absent then.
  std::optional<Instant> absent_before(std::int64_t time) const;
  // Whether all of these samples were taken when `up` was.
  bool taken_with_up(const Labels& labels, std::span<const std::int64_t> times) const;
  // The first scrape after `time` if it comes before `next`, and it failed or is not the group's latest.
  std::optional<std::int64_t> missed_scrape(std::int64_t time, std::optional<std::int64_t> next) const;
};

class ScrapeGroups {
 public:
  // A series' samples in rising time.
  void add(const Labels& labels, std::span<const std::int64_t> times, std::span<const double> values);
  // After the last add().
  void finish();
  // Of a series that was added.
  const ScrapeGroup& of(const Labels& labels) const;

 private:
  struct Gathered {
    ScrapeGroup group;
    std::vector<std::int64_t> more;  // times that group.scrapes lacks, in any order, some of them twice
  };
  std::map<ScrapeGroupKey, Gathered> groups_;
};

}  // namespace signalbox::sources
