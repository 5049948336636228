// Between which values all windows of a stretch lie, from the samples at its ends alone.
#include <algorithm>
#include <cmath>

#include "runtime/base/vectors.hpp"
#include "runtime/store/extrapolate.hpp"
#include "runtime/store/moving_windows.hpp"

namespace signalbox::store {
namespace {

// More than the roundings of a handful of operations.
constexpr double above = 1 + 1e-12, below = 1 - 1e-12;
// Beyond, a product with a factor near one may be infinite, or lose digits.
constexpr double minute = 1e-290, immense = 1e290;

struct Extremes {
  double least, most;
  bool numbers;
};
SIGNALBOX_VECTORS Extremes extremes_of(const double* values, std::size_t n) {
  double least = values[0], most = values[0];
  std::uint64_t nan = 0;
  for (std::size_t i = 0; i < n; ++i) {
    least = values[i] < least ? values[i] : least;
    most = values[i] > most ? values[i] : most;
    nan |= values[i] != values[i] ? 1 : 0;
  }
  return {least, most, nan == 0};
}

SIGNALBOX_VECTORS std::int64_t longest_distance(const std::int64_t* times, std::size_t n) {
  std::int64_t longest = 0;
  for (std::size_t i = 1; i < n; ++i) longest = std::max(longest, times[i] - times[i - 1]);
  return longest;
}

}  // namespace

std::uint32_t MovingWindows::count_at(Duration shift, bool closed, std::size_t tick) {
  return count_until(shift, closed, tick, 1, first_places_)[0];
}

// A counter that does not fall rises by no more in any window than from the earliest start to the latest end,
// and by no less than from the latest start to the earliest end. What extrapolation adds is at most 1.1 of
// the distance between samples at either end, or what a zero point leaves of that.
std::optional<MovingWindows::Bounds> MovingWindows::range_bounds(const Range& range, std::size_t first,
                                                                 std::size_t n) {
  if (range.fn != RangeFn::rate && range.fn != RangeFn::increase) return std::nullopt;
  const Duration across = step_ * static_cast<std::int64_t>(n - 1);
  if (range.length <= across || samples_.size() < 2 || !numbers_) return std::nullopt;
  make_tables();
  const bool open = range.semantics == Semantics::prometheus3;
  const Duration back = range.offset + range.length;
  const std::uint32_t latest_first = count_at(back, open, first + n - 1),
                      earliest_end = count_at(range.offset, true, first);
  // The shortest window has two samples at least.
  if (earliest_end < latest_first + 2) return std::nullopt;
  const std::uint32_t earliest_first = count_at(back, open, first),
                      latest_end = count_at(range.offset, true, first + n - 1);
  const auto reset = std::upper_bound(resets_.begin(), resets_.end(), earliest_first);
  if (reset != resets_.end() && *reset < latest_end) return std::nullopt;
  const double* const values = samples_.values.data();
  const double lowest = values[earliest_first], highest = values[latest_end - 1];
  const double most = highest - lowest, least = values[earliest_end - 1] - values[latest_first];
  if (!(lowest > -immense) || !(highest < immense) || (most > 0 && most < minute)) return std::nullopt;
  const double steps = static_cast<double>(earliest_end - 1 - latest_first);
  const double seconds = range.fn == RangeFn::rate ? range_seconds(range.length) : 1.0;
  return Bounds{least < minute ? 0.0 : least / seconds * below, most * ((1 + 2.2 / steps) / seconds) * above};
}

// A sample is younger than the next one comes after it, as long as one does.
bool MovingWindows::always_has_latest(Duration lookback, Duration offset, std::size_t first, std::size_t n) {
  if (samples_.size() < 2) return false;
  make_tables();
  const std::uint32_t begun = count_at(offset, true, first), ended = count_at(offset, true, first + n - 1);
  if (begun == 0) return false;
  const std::int64_t* const times = samples_.times.data() + (begun - 1);
  const std::size_t size = ended - begun + 1;
  const Instant last = from_ + step_ * static_cast<std::int64_t>(first + n - 1) - offset;
  if (last.ms - times[size - 1] >= lookback.ms) return false;
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), times[0]);
  if (end != ends_.end() && *end <= last.ms) return false;
  const bool regular = stride_ > 0 && segment_end(begun - 1) >= ended;
  return (regular ? spacing_.ms : longest_distance(times, size)) <= lookback.ms;
}

std::optional<MovingWindows::Bounds> MovingWindows::latest_bounds(Duration offset, std::size_t first,
                                                                  std::size_t n) {
  const std::uint32_t begun = count_at(offset, true, first), ended = count_at(offset, true, first + n - 1);
  const Extremes values = extremes_of(samples_.values.data() + (begun - 1), ended - begun + 1);
  if (!values.numbers || !std::isfinite(values.least) || !std::isfinite(values.most)) return std::nullopt;
  return Bounds{values.least, values.most};
}

}  // namespace signalbox::store
