// The in-process sample store: series by labels, samples in time order, and windows over them.
// Correct and simple: columns of times and values per series. What a window's value is, is in window.hpp.
#pragma once

#include <bit>
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
#include "runtime/base/time.hpp"

namespace signalbox::store {

using SeriesId = std::uint32_t;

// Prometheus' marker for "this series has ended": one signalling-NaN bit pattern. Compare bits, never values,
// and keep it out of arithmetic.
inline constexpr std::uint64_t stale_marker_bits = 0x7ff0000000000002ull;
// Here, because windows ask it of every sample.
inline bool is_stale_marker(double value) {
  return std::bit_cast<std::uint64_t>(value) == stale_marker_bits;
}
double stale_marker();

enum class AppendOutcome {
  stored,
  duplicate,     // a sample of this time is held with the same bits: nothing to do
  conflicting,   // a sample of this time is held with another value: the first one stays
  out_of_order,  // before the series' last sample, and none of this time is held: refused
};

// A run of samples of one series; `times` and `values` run in parallel, in rising time. A view into the
// store: the next append or retain_from ends it.
struct Points {
  std::span<const std::int64_t> times;
  std::span<const double> values;
  std::size_t size() const { return times.size(); }
};

// Reset-corrected raw increments inside a closed window.
struct RawIncrease {
  double sum = 0;         // NaN when a NaN sample takes part: no increment can be told there
  std::size_t steps = 0;  // increments that belong; 0 means there is none, not that the sum is zero
};

class SeriesStore {
 public:
  explicit SeriesStore(const Limits& limits) : limits_(limits) {}

  // Finds or creates. `limit_exceeded` past store_series. A dropped series comes back under a new id; to the
  // old one append answers `not_found` and everything else answers as for a series without samples.
  Result<SeriesId> series(const Labels& labels);
  std::optional<SeriesId> find(const Labels& labels) const;
  const Labels& labels(SeriesId id) const;
  std::size_t series_count() const;
  std::size_t sample_count() const;

  // `absent_at`: when an earlier scrape of the same target succeeded without this series. Then the whole
  // first value counts as an increment since that moment (a birth), unless the store holds a sample of the
  // series from then or later. A series that ended and comes back is born again. `limit_exceeded` past
  // store_samples.
  Result<AppendOutcome> append(SeriesId id, Instant time, double value,
                               std::optional<Instant> absent_at = {});

  // Series that all matchers accept, by rising id. An absent label matches as "". At least one matcher must
  // refuse the empty string, else `invalid_argument`; a broken regex is `invalid_argument`.
  Result<std::vector<SeriesId>> select(const std::vector<Matcher>& matchers) const;

  // Samples with first <= time <= last, stale markers included.
  Points points(SeriesId id, Instant first, Instant last) const;
  // The latest sample at or before `at` (stale markers included).
  struct Latest {
    Instant time;
    double value;
  };
  std::optional<Latest> latest(SeriesId id, Instant at) const;
  std::optional<Instant> first_time(SeriesId id) const;

  // Increments whose two samples (or a birth's absence and its first sample) both lie in [first, last]. A
  // sample lower than the one before is a reset: its value is the increment. Stale markers are skipped.
  RawIncrease raw_increase(SeriesId id, Instant first, Instant last) const;

  // Forgets samples before `horizon` (keeping the last one before it) and drops series whose last sample is
  // before it. Ids of what remains stay; ids of dropped series are never used again.
  void retain_from(Instant horizon);

 private:
  struct Birth {
    std::int64_t time, absent_at;
  };
  struct Series {
    Labels labels;
    std::vector<std::int64_t> times;
    std::vector<double> values;
    std::size_t head = 0;       // samples before it are forgotten; they are erased when they are half of all
    std::vector<Birth> births;  // in rising time
    Points all() const;
  };
  const Series* held(SeriesId id) const;

  Limits limits_;
  std::vector<std::unique_ptr<Series>> series_;  // null where dropped
  std::unordered_map<Labels, SeriesId, LabelsHash> by_labels_;
  std::unordered_map<std::string, std::vector<SeriesId>> by_name_;
  std::size_t samples_ = 0;
  std::size_t live_series_ = 0;
};

}  // namespace signalbox::store
