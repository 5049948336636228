// From a page's samples to the store: identity labels, births, staleness.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::sources {

// The memory of one scraped address. As Prometheus does it: `job` and `instance` are added (a page's own are kept as
// exported_job and exported_instance), `up` and `scrape_samples_scraped` are written, a series that a page no longer shows
// ends with a stale marker, and so does every series when a scrape fails.
class PageIngest {
 public:
  PageIngest(store::SeriesStore& store, std::string job, std::string instance, const Limits& limits)
      : store_(store), job_(std::move(job)), instance_(std::move(instance)), limits_(limits) {}

  // A whole page or nothing: after a fault in it the store is as before, and the caller says failed(). A sample later than
  // `at` is not believed and left out. A series that the previous successful page did not have is a birth. `future` counts
  // what was left out.
  Result<void> page(Instant at, std::string_view content_type, std::string_view body, std::size_t* future = nullptr);
  void failed(Instant at);

 private:
  Labels identify(const Labels& labels) const;
  void write(const std::string& name, Instant at, double value);

  store::SeriesStore& store_;
  std::string job_, instance_;
  Limits limits_;
  std::unordered_map<Labels, store::SeriesId, LabelsHash> shown_;  // by the last successful page
  std::optional<Instant> last_success_;                            // nothing after a failure
};

}  // namespace signalbox::sources
