// The in-process sample store: series by labels, samples in time order in packed chunks. It is read through a
// Cursor (cursor.hpp); what a window's value is, is in window.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/base/promql_terms.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/stale_marker.hpp"
#include "runtime/base/time.hpp"
#include "runtime/store/column.hpp"
#include "runtime/store/course.hpp"
#include "runtime/store/histograms.hpp"
#include "runtime/store/postings.hpp"

namespace signalbox::store {

enum class AppendOutcome {
  stored,
  duplicate,     // a sample of this time is held with the same bits: nothing to do
  conflicting,   // a sample of this time is held with another value: the first one stays
  out_of_order,  // before the series' last sample, and none of this time is held: refused
};

class Cursor;

// A sample that came into being: a scrape at `absent_at` did not have it.
struct Birth {
  std::uint64_t place;
  std::int64_t absent_at;
};
// All that is known of a series but its labels.
struct SeriesHistory {
  Column column;
  std::vector<Birth> births;               // by rising place
  std::vector<std::int64_t> ends;          // times of stale markers, rising, none of them a sample's
  std::unique_ptr<Histograms> histograms;  // null: none
  Course course;                           // of a column that is not packed, or of none
};

class SeriesStore {
 public:
  explicit SeriesStore(const Limits& limits) : limits_(limits) {}

  // Finds or creates. `limit_exceeded` past store_series or store_bytes. A dropped series comes back under a
  // new id; to the old one append answers `not_found` and everything else answers as for a series without
  // samples.
  Result<SeriesId> series(const Labels& labels);
  std::optional<SeriesId> find(const Labels& labels) const;
  const Labels& labels(SeriesId id) const;
  std::size_t series_count() const { return live_series_; }
  std::size_t sample_count() const { return samples_; }  // stale markers and histograms too
  // What is held in memory: samples, labels, and what is allocated for later ones.
  std::size_t bytes() const { return bytes_; }
  // Bounds on what will be held more: for a new series, and for `samples` appended to as many series. For
  // those who must know beforehand that all of their samples will be taken.
  static std::size_t series_bytes(const Labels& labels);
  std::size_t append_bytes(std::size_t samples) const;

  // `absent_at`: when an earlier scrape of the same target succeeded without this series. Then the whole
  // first value counts as an increment since that moment (a birth), unless the store holds a sample of the
  // series from then or later. A series that ended and comes back is born again. `limit_exceeded` past
  // store_bytes.
  Result<AppendOutcome> append(SeriesId id, Instant time, double value,
                               std::optional<Instant> absent_at = {});

  // The same of a native histogram: a series may have numbers at some times and histograms at others.
  Result<AppendOutcome> append_histogram(SeriesId id, Instant time, HistogramPtr histogram);
  // Null for a series that has none.
  const Histograms* histograms(SeriesId id) const;
  // Whether any series that is held has some.
  bool has_histograms() const { return with_histograms_ > 0; }

  // Takes a series' whole history at once; nothing of that series may be held yet. `limit_exceeded` past
  // store_bytes.
  Result<void> adopt(SeriesId id, SeriesHistory&& history);
  // Drops a series and gives its history back, whose memory can be used for another. An empty one for a
  // series that is not held.
  SeriesHistory release(SeriesId id);
  // The other direction, for a store of which nothing was forgotten. Null for a dropped series, and for one
  // of which samples were.
  struct View {
    const Column* column;
    const std::vector<Birth>* births;
    const std::vector<std::int64_t>* ends;
  };
  std::optional<View> view(SeriesId id) const;
  // Many at once, all later than what the series holds: samples in rising time without stale markers among
  // them, and the times of the markers, rising too. `limit_exceeded` past store_bytes; what came before is
  // kept.
  Result<void> append_all(SeriesId id, std::span<const std::int64_t> times, std::span<const double> values,
                          std::span<const std::int64_t> ends);
  // The sample at `time`, which is held, was born: see `absent_at` of append(), of which births are told in
  // rising time.
  void born(SeriesId id, Instant time, Instant absent_at);

  // Series that all matchers accept, by rising id. An absent label matches as "". At least one matcher must
  // refuse the empty string, else `invalid_argument`; a broken regex is `invalid_argument`.
  Result<std::vector<SeriesId>> select(const std::vector<Matcher>& matchers) const;

  // The first sample or marker that is held.
  std::optional<Instant> first_time(SeriesId id) const;

  // Forgets samples before `horizon` (keeping the last one before it, and its end) and drops series that have
  // nothing from then on. Ids of what remains stay; ids of dropped series are never used again.
  void retain_from(Instant horizon);

 private:
  friend class Cursor;
  struct Series : Column {
    Labels labels;
    std::uint64_t first_place = 0;  // samples before it are forgotten, and their chunk goes when all of it is
    std::vector<std::int64_t> ends;  // times of stale markers
    std::vector<Birth> births;       // by rising place
    std::unique_ptr<Histograms> histograms;
    Course course;
    std::size_t samples() const { return static_cast<std::size_t>(end_place() - first_place); }
    std::size_t held() const { return samples() + ends.size() + (histograms ? histograms->size() : 0); }
    std::int64_t last_time() const;  // of samples, markers and histograms
    bool empty() const { return held() == 0; }
    std::size_t allocated() const;
    void forget_before(std::uint64_t place);
  };
  static std::size_t own_bytes(const Labels& labels);  // of a series but its samples and its postings
  const Series* held(SeriesId id) const { return id < series_.size() ? series_[id].get() : nullptr; }

  AppendOutcome held_already(SeriesId id, Instant time, double value) const;

  Limits limits_;
  std::vector<std::unique_ptr<Series>> series_;  // null where dropped
  std::unordered_map<Labels, SeriesId, LabelsHash> by_labels_;
  Postings postings_;
  std::size_t samples_ = 0;
  std::size_t bytes_ = 0;
  std::size_t live_series_ = 0;
  std::size_t with_histograms_ = 0;
};

}  // namespace signalbox::store
