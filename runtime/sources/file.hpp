// Recorded files: OpenMetrics or Prometheus text in which every sample has its time.
#pragma once

#include <limits>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::sources {

struct LoadReport {
  std::size_t series = 0, samples = 0;
  Instant first, last;  // of all samples; meaningless when there are none
};

// One series, before it is in the store.
struct LoadedSeries {
  Labels labels;
  std::vector<std::int64_t> times;
  std::vector<double> values;
};

// What is worked out from the scrapes that a target must have had (scrapes.hpp): they were at the times of
// any of its series. A scrape whose `up` is 0 failed.
struct Inference {
  // A series whose first sample comes later than the group's first was absent in the scrape before it: a
  // birth, if absent_before() says so.
  bool births = true;
  // Series end with a stale marker at the first scrape that lacks them. Only in groups with an `up`, and only
  // series all of whose samples were taken at its times: others carry times of their own. Nothing is said of
  // the group's latest scrape: it may have been written between two questions.
  bool ends = false;
  Instant complete_to{std::numeric_limits<std::int64_t>::max()};  // no end is told after it
};

// Puts the series into the store, each in order of time. Of two samples at one time the first stays.
Result<LoadReport> store_loaded(std::vector<LoadedSeries> series, const Inference& inference,
                                store::SeriesStore& store);

// Texts that together are one recording: births are inferred over all of them.
class Recording {
 public:
  explicit Recording(const Limits& limits) : limits_(limits) {}
  // Samples may come in any order. A sample without a time is `malformed`, with its line.
  Result<void> add(std::string_view text);
  Result<LoadReport> load(store::SeriesStore& store) &&;

 private:
  Limits limits_;
  std::unordered_map<Labels, std::size_t, LabelsHash> index_;
  std::vector<LoadedSeries> series_;
};

// A recording of one text.
Result<LoadReport> load_exposition(std::string_view text, store::SeriesStore& store, const Limits& limits);

}  // namespace signalbox::sources
