// From a page's samples to the store: identity labels, births, staleness.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::sources {

// The memory of one scraped address. As Prometheus does it: `job` and `instance` are added (a page's own are
// kept as exported_job and exported_instance), `up` and `scrape_samples_scraped` are written, a series that a
// page no longer shows ends with a stale marker, and so does every series when a scrape fails.
class PageIngest {
 public:
  // `limits` are the store's too.
  PageIngest(store::SeriesStore& store, std::string job, std::string instance, const Limits& limits)
      : store_(store), job_(std::move(job)), instance_(std::move(instance)), limits_(limits) {}

  // A whole page or nothing: after an error the store is as before, and the caller says failed(). A series
  // that the previous page did not have is a birth, if that page was good. Of a series shown twice the first
  // sample of a time counts. A sample later than `at` is invalid: it is left out and counted in `future`, and
  // its series ends until a page shows it with a time that can be.
  Result<void> page(Instant at, std::string_view content_type, std::string_view body,
                    std::size_t* future = nullptr);
  void failed(Instant at);

 private:
  // A series that pages have shown. What pages show again is known by its text: its labels are not read
  // twice.
  struct Known {
    Labels labels;
    std::optional<store::SeriesId> id;  // in the store; nothing when none of it is there
    std::uint64_t seen = 0;             // the last page that showed it, were it a good one or not
    std::uint64_t shown = 0;            // the last good one
    bool live = false;                  // its last sample there was stored, and no stale marker after it
    bool taken = false;                 // the same of the page that is being read
  };

  Labels identify(const Labels& labels) const;
  Labels own(std::string_view name) const;
  std::uint32_t number_of(const Labels& labels);
  std::optional<store::SeriesId> find(const Known& series) const;
  void end(const Known& series, Instant at);
  void write(std::string_view name, Instant at, double value);
  void forget_unshown();

  store::SeriesStore& store_;
  std::string job_, instance_;
  Limits limits_;
  formats::SeriesTexts texts_;
  std::vector<Known> known_;
  std::unordered_map<Labels, std::uint32_t, LabelsHash> numbers_;
  std::vector<std::uint32_t> shown_;     // by the last page, if it was good
  std::uint64_t pages_ = 0, good_ = 0;   // how many there were, and which of them was the last good one
  std::optional<Instant> last_success_;  // when that was; nothing after a failure
};

}  // namespace signalbox::sources
