// The scrapes that a target must have had, told by the times of its series, and what they say of births.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::sources {

// Series with the same (job, instance) were scraped together; without those labels there is one such group.
using GroupKey = std::pair<std::string, std::string>;
GroupKey group_of(const Labels& labels);

void sort_unique(std::vector<std::int64_t>& times);

struct Scrapes {
  std::vector<std::int64_t> times;   // rising, each once
  std::vector<std::int64_t> failed;  // those that `up` reports as failed; likewise
  std::int64_t spacing = 0;          // the median
  // After `times` are complete.
  void measure_spacing();
};

// The scrape before `time`, if a series whose first sample is at `time` was absent in it: it did not fail,
// and is no further away than 2.5 × the spacing (else there is a gap, and nothing is known).
std::optional<Instant> absent_before(std::int64_t time, const Scrapes& scrapes);

}  // namespace signalbox::sources
