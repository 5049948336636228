// Between which values all windows of a stretch lie, from the samples at its ends alone.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/vectors.hpp"
#include "runtime/store/extrapolate.hpp"
#include "runtime/store/moving_windows.hpp"

namespace signalbox::store {
namespace {

// More than the roundings of a handful of operations.
constexpr double above = 1 + 1e-12, below = 1 - 1e-12;
// Beyond, a product with a factor near one may be infinite, or lose digits.
constexpr double minute = 1e-290, immense = 1e290;

constexpr std::size_t least_piece = 8, few_pieces = 4;

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

// Times rise, and may be as far from each other as numbers are.
SIGNALBOX_VECTORS std::uint64_t longest_distance(const std::int64_t* times, std::size_t n) {
  std::uint64_t longest = 0;
  for (std::size_t i = 1; i < n; ++i)
    longest =
        std::max(longest, static_cast<std::uint64_t>(times[i]) - static_cast<std::uint64_t>(times[i - 1]));
  return longest;
}

}  // namespace

// As count_until(), for a few instants far from each other.
class MovingWindows::Edge {
 public:
  Edge(MovingWindows& windows, Duration shift, bool closed)
      : windows_(windows), shift_(shift), closed_(closed) {
    const Duration step = windows.step_;
    if (windows.stride_ > 0 && windows.breaks_.empty()) {
      const std::int64_t since = windows.from_.ms - shift.ms - (closed ? 0 : 1) - windows.samples_.times[0];
      const std::int64_t spacing = windows.spacing_.ms;
      at_first_ = since / spacing - (since % spacing < 0 ? 1 : 0) + 1;
      kind_ = Kind::regular;
    } else if (windows.tables_ && shift.ms >= 0 && shift.ms % step.ms == 0) {
      table_ = closed ? windows.up_to_.data() : windows.before_.data();
      at_first_ = static_cast<std::int64_t>(windows.grid_before_) - shift.ms / step.ms;
      kind_ = Kind::table;
    }
  }
  // Places are reckoned, of ticks beyond the last one too.
  bool is_regular() const { return kind_ == Kind::regular; }
  std::uint32_t operator()(std::size_t tick) const {
    const auto k = static_cast<std::int64_t>(tick);
    if (kind_ == Kind::regular) {
      const auto size = static_cast<std::int64_t>(windows_.samples_.size());
      return static_cast<std::uint32_t>(std::clamp<std::int64_t>(at_first_ + k * windows_.stride_, 0, size));
    }
    if (kind_ == Kind::table) return at_first_ + k >= 0 ? table_[at_first_ + k] : 0;
    return windows_.count_until(shift_, closed_, tick, 1, windows_.first_places_)[0];
  }

 private:
  enum class Kind { any, regular, table } kind_ = Kind::any;
  MovingWindows& windows_;
  Duration shift_;
  bool closed_;
  std::int64_t at_first_ = 0;  // samples, or the place in the table, at the first instant
  const std::uint32_t* table_ = nullptr;
};

// A counter that does not fall rises by no more in any window than from the earliest start to the latest end,
// and by no less than from the latest start to the earliest end: told of pieces of half a window each,
// between which not much can happen. What extrapolation adds is at most 1.1 of the distance between samples
// at either end, or what a zero point leaves of that.
std::optional<MovingWindows::Bounds> MovingWindows::range_bounds(const Range& range, std::size_t first,
                                                                 std::size_t n) {
  if (range.fn != RangeFn::rate && range.fn != RangeFn::increase) return std::nullopt;
  if (samples_.size() < 2 || !numbers_) return std::nullopt;
  const auto half = static_cast<std::size_t>(std::max<std::int64_t>(1, range.length.ms / step_.ms / 2));
  // Beyond a few, shorter pieces cost what their windows do.
  if (half < least_piece && n > few_pieces * half) return std::nullopt;
  make_tables();
  const Edge start(*this, range.offset + range.length, range.semantics == Semantics::prometheus3),
      end(*this, range.offset, true);
  const std::uint32_t begun = start(first), ended = end(first + n - 1);
  if (ended < begun + 2) return std::nullopt;
  const auto reset = std::upper_bound(resets_.begin(), resets_.end(), begun);
  if (reset != resets_.end() && *reset < ended) return std::nullopt;
  const double* const values = samples_.values.data();
  if (!(values[begun] > -immense) || !(values[ended - 1] < immense)) return std::nullopt;
  double least = immense, most = 0;
  std::uint32_t steps = std::numeric_limits<std::uint32_t>::max();
  for (std::size_t k = first; k < first + n; k += half) {
    const std::size_t last = std::min(k + half, first + n) - 1;
    const std::uint32_t latest_first = start(last), earliest_end = end(k);
    // The shortest window has two samples at least.
    if (earliest_end < latest_first + 2) return std::nullopt;
    steps = std::min(steps, earliest_end - 1 - latest_first);
    most = std::max(most, values[end(last) - 1] - values[start(k)]);
    least = std::min(least, values[earliest_end - 1] - values[latest_first]);
  }
  // As a rule the stretch after it is asked about next, of which these are far from all that is near.
  if (start.is_regular() && end.is_regular()) {
    __builtin_prefetch(values + start(first + 2 * n - 1));
    __builtin_prefetch(values + end(first + 2 * n - 1));
  }
  if (most > 0 && most < minute) return std::nullopt;
  const double seconds = range.fn == RangeFn::rate ? range_seconds(range.length) : 1.0;
  return Bounds{least < minute ? 0.0 : least / seconds * below,
                most * ((1 + 2.2 / static_cast<double>(steps)) / seconds) * above};
}

// A sample is younger than the next one comes after it, as long as one does.
bool MovingWindows::always_has_latest(Duration lookback, Duration offset, std::size_t first, std::size_t n) {
  if (samples_.size() < 2) return false;
  make_tables();
  const Edge end(*this, offset, true);
  const std::uint32_t begun = end(first), ended = end(first + n - 1);
  if (begun == 0) return false;
  const std::int64_t* const times = samples_.times.data() + (begun - 1);
  const std::size_t size = ended - begun + 1;
  const Instant last = from_ + step_ * static_cast<std::int64_t>(first + n - 1) - offset;
  if (last.ms - times[size - 1] >= lookback.ms) return false;
  const auto ending = std::upper_bound(ends_.begin(), ends_.end(), times[0]);
  if (ending != ends_.end() && *ending <= last.ms) return false;
  const bool regular = stride_ > 0 && segment_end(begun - 1) >= ended;
  const std::uint64_t longest =
      regular ? static_cast<std::uint64_t>(spacing_.ms) : longest_distance(times, size);
  return longest <= static_cast<std::uint64_t>(std::max<std::int64_t>(0, lookback.ms));
}

std::optional<MovingWindows::Bounds> MovingWindows::latest_bounds(Duration offset, std::size_t first,
                                                                  std::size_t n) {
  const Edge end(*this, offset, true);
  const std::uint32_t begun = end(first), ended = end(first + n - 1);
  const Extremes values = extremes_of(samples_.values.data() + (begun - 1), ended - begun + 1);
  if (!values.numbers || !std::isfinite(values.least) || !std::isfinite(values.most)) return std::nullopt;
  return Bounds{values.least, values.most};
}

}  // namespace signalbox::store
