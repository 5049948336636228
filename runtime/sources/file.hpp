// Recorded files: OpenMetrics or Prometheus text in which every sample has its time.
#pragma once

#include <string_view>

#include "runtime/formats/exposition.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::sources {

struct LoadReport {
  std::size_t series = 0, samples = 0;
  Instant first, last;  // of all samples; meaningless when there are none
};

// Reads the text into the store. Samples may come in any order; of two at one time the first stays. A sample without a time is
// `malformed`. Births are inferred: see infer_births.
Result<LoadReport> load_exposition(std::string_view text, store::SeriesStore& store, const Limits& limits);

// One series, before it is in the store.
struct LoadedSeries {
  Labels labels;
  std::vector<std::int64_t> times;  // rising
  std::vector<double> values;
};
// Appends the series and marks births. Series with the same (job, instance) were scraped together; a series whose first sample
// comes later than the group's first was absent in the scrape before it, if that one is no further away than 2.5 × the group's
// median spacing (else there is a gap, and nothing is known).
Result<LoadReport> store_with_births(std::vector<LoadedSeries> series, store::SeriesStore& store);

}  // namespace signalbox::sources
