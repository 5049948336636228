// The native histograms of one series in rising time, beside its samples that are numbers. They are kept
// unpacked: 16 bytes a bucket.
#pragma once

#include <vector>

#include "runtime/base/native_histogram.hpp"
#include "runtime/base/promql_terms.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::store {

class Histograms {
 public:
  // Later than all before it.
  void add(std::int64_t time, HistogramPtr histogram);
  // Keeps the last one before `horizon`.
  void forget_before(std::int64_t horizon);
  std::size_t allocated() const { return bytes_; }

  std::size_t size() const { return times_.size(); }
  std::int64_t time(std::size_t place) const { return times_[place]; }
  const HistogramPtr& at(std::size_t place) const { return values_[place]; }
  // How many are not later than `time`.
  std::size_t until(std::int64_t time) const;
  // How many in (first, last] of these places are resets against the one before.
  std::size_t resets(std::size_t first, std::size_t last) const;

  // rate, increase or delta of the places [first, last), two at least, that lie in the range of `length`
  // ending at `end`: last − first at the lowest schema of all of them (of those two for delta), plus what
  // stood before each reset, extrapolated as numbers are (the zero point of a counter is that of its count,
  // which Prometheus 2 does not look for).
  HistogramPtr change(RangeFn fn, std::size_t first, std::size_t last, Instant end, Duration length,
                      Semantics semantics) const;

 private:
  std::vector<std::int64_t> times_;
  std::vector<HistogramPtr> values_;
  std::vector<bool> reset_;
  std::size_t bytes_ = 0;
};

}  // namespace signalbox::store
