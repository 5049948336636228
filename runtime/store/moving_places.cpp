// Where a series' samples lie to the instants of a grid, worked out once for all of its windows.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/vectors.hpp"
#include "runtime/store/cursor.hpp"
#include "runtime/store/moving_windows.hpp"

namespace signalbox::store {
namespace {

// The places of `counts` that do not have one more than the place before. Where samples come as often as
// instants few have not: looking at many at a time is cheaper.
SIGNALBOX_VECTORS void find_jumps(const std::vector<std::uint32_t>& counts, std::vector<std::uint32_t>& out) {
  out.clear();
  constexpr std::size_t many = 64;
  for (std::size_t i = 1; i < counts.size(); i += many) {
    const std::size_t end = std::min(counts.size(), i + many);
    const std::uint32_t* const at = counts.data();
    std::uint32_t any = 0;
    for (std::size_t k = i; k < end; ++k) any |= at[k] - at[k - 1] - 1;
    for (std::size_t k = i; any != 0 && k < end; ++k)
      if (at[k] != at[k - 1] + 1) out.push_back(static_cast<std::uint32_t>(k));
  }
}

// Appends the places of values lower than the one before; says whether all are numbers. Most samples are no
// resets: looking at many at a time is cheaper.
SIGNALBOX_VECTORS bool find_resets(const double* values, std::size_t n, std::vector<std::uint32_t>& out) {
  constexpr std::size_t many = 64;
  std::uint64_t nan = n > 0 && values[0] != values[0] ? 1 : 0;
  for (std::size_t i = 1; i < n; i += many) {
    const std::size_t end = std::min(n, i + many);
    std::uint64_t falls = 0;
    for (std::size_t k = i; k < end; ++k) {
      falls |= values[k] < values[k - 1] ? 1 : 0;
      nan |= values[k] != values[k] ? 1 : 0;
    }
    for (std::size_t k = i; falls != 0 && k < end; ++k)
      if (values[k] < values[k - 1]) out.push_back(static_cast<std::uint32_t>(k));
  }
  return nan == 0;
}

// The same of times that are not `spacing` after the one before; false when there are more than `most` of
// them.
SIGNALBOX_VECTORS bool find_odd_distances(const std::int64_t* times, std::size_t n, std::int64_t spacing,
                                          std::size_t most, std::vector<std::uint32_t>& out) {
  constexpr std::size_t many = 64;
  for (std::size_t i = 1; i < n; i += many) {
    const std::size_t end = std::min(n, i + many);
    std::int64_t differs = 0;
    for (std::size_t k = i; k < end; ++k) differs |= (times[k] - times[k - 1]) ^ spacing;
    for (std::size_t k = i; differs != 0 && k < end; ++k)
      if (times[k] - times[k - 1] != spacing) out.push_back(static_cast<std::uint32_t>(k));
    if (out.size() > most) return false;
  }
  return true;
}

// Those of some rising places that lie in [first, first + n).
std::span<const std::uint32_t> places_within(const std::vector<std::uint32_t>& places, std::size_t first,
                                             std::size_t n) {
  const auto from = std::lower_bound(places.begin(), places.end(), first);
  return {from, std::lower_bound(from, places.end(), first + n)};
}

// Where instants lie to samples: the first comes `ahead` milliseconds before the time that the samples' are
// counted from, or after it; `size` of them, every `step`.
struct Ahead {
  double ahead, step, size;
};

// For each sample the first instant that is later; `size` where there is none. Says whether one of them lies
// at an instant, and marks those. Whole numbers below 2^53: the floor of their rounded quotient is that of
// the quotient.
SIGNALBOX_VECTORS bool find_instants(const double* ms, std::size_t n, const Ahead& grid, std::int32_t* later,
                                     std::uint64_t* exact) {
  const double ahead = grid.ahead, step = grid.step, size = grid.size;
  std::uint64_t any = 0;
  SIGNALBOX_NO_ALIASES
  for (std::size_t i = 0; i < n; ++i) {
    const double since = ms[i] + ahead;
    const double steps = std::floor(since / step);
    const std::uint64_t hit = steps * step == since && steps < size ? 1 : 0;
    double next = steps + 1;
    next = next < 0 ? 0 : next;
    later[i] = static_cast<std::int32_t>(next < size ? next : size);
    exact[i] = hit;
    any |= hit;
  }
  return any != 0;
}

// Whether each is one more than the one before.
SIGNALBOX_VECTORS bool follow(const std::int32_t* numbers, std::size_t n) {
  std::int32_t odd = 0;
  for (std::size_t i = 1; i < n; ++i) odd |= numbers[i] - numbers[i - 1] - 1;
  return odd == 0;
}

}  // namespace

void MovingWindows::load(Cursor& series, Instant from, Duration step, std::size_t count, Duration reach) {
  from_ = from;
  step_ = step;
  const Instant to = from + step * static_cast<std::int64_t>(count - 1);
  samples_ = series.view(from - reach, to, unpacked_);
  ends_.clear();
  for (auto end = series.end_at_or_before(to); end; end = series.end_at_or_before(*end - milliseconds(1)))
    ends_.push_back(end->ms);
  std::reverse(ends_.begin(), ends_.end());

  count_ = count;
  samples_from_ = samples_.size() > 0 ? Instant{samples_.times[0]} : from;
  resets_.clear();
  changes_before_.clear();
  extremes_.clear();
  const Course* const course = series.course();
  const std::size_t view_from =
      course != nullptr && samples_.size() > 0 ? series.at_or_after(samples_from_)->place : 0;
  if (course != nullptr) {
    numbers_ = true;
    for (const std::uint32_t place : places_within(course->odd_values, view_from, samples_.size())) {
      const std::size_t k = place - view_from;
      numbers_ = numbers_ && !std::isnan(samples_.values[k]);
      if (k > 0 && samples_.values[k] < samples_.values[k - 1])
        resets_.push_back(static_cast<std::uint32_t>(k));
    }
  } else {
    numbers_ = find_resets(samples_.values.data(), samples_.size(), resets_);
  }
  // Before the first sample every count is zero, and needs no place in the tables.
  const std::int64_t before = samples_from_ < from ? (from - samples_from_).ms / step.ms + 2 : 0;
  grid_before_ = static_cast<std::size_t>(std::min(before, reach.ms / step.ms));
  tables_ = false;
  find_breaks(course, view_from);
}

void MovingWindows::find_breaks(const Course* course, std::size_t view_from) {
  breaks_.clear();
  stride_ = 0;
  const std::int64_t* times = samples_.times.data();
  const std::size_t size = samples_.size();
  if (size < 2) return;
  spacing_ = Duration{times[size / 2] - times[size / 2 - 1]};
  if (step_.ms % spacing_.ms != 0 || step_.ms / spacing_.ms > 1'000'000) return;
  const std::size_t worthwhile = size / 16;
  if (course != nullptr) {
    if (course->restless) return;
    // Between two odd places all samples are at one distance.
    const auto odd = places_within(course->odd_distances, view_from + 2, size - 2);
    std::size_t from = 1;
    const auto add_until = [&](std::size_t end) {
      if (times[from] - times[from - 1] != spacing_.ms)
        for (; from < end && breaks_.size() <= worthwhile; ++from)
          breaks_.push_back(static_cast<std::uint32_t>(from));
      from = end;
    };
    for (const std::uint32_t place : odd) add_until(place - view_from);
    add_until(size);
    if (breaks_.size() > worthwhile) return;
  } else if (!find_odd_distances(times, size, spacing_.ms, worthwhile, breaks_)) {
    return;
  }
  stride_ = static_cast<std::uint32_t>(step_.ms / spacing_.ms);
}

void MovingWindows::make_tables() {
  // So many instants are looked for one after the other, as where no table is made at all.
  constexpr std::size_t most_places = std::size_t{1} << 28;
  if (tables_ || stride_ > 0 || grid_before_ + count_ >= most_places) return;
  tables_ = true;
  ms_.resize(samples_.size());
  for (std::size_t i = 0; i < samples_.size(); ++i)
    ms_[i] = static_cast<double>(samples_.times[i] - samples_from_.ms);
  const std::size_t size = grid_before_ + count_;
  // A sample lies before the first instant that is later and all after it; one at an instant lies up to that.
  const Instant begin = from_ - step_ * static_cast<std::int64_t>(grid_before_);
  const Ahead ahead{static_cast<double>((samples_from_ - begin).ms), static_cast<double>(step_.ms),
                    static_cast<double>(size)};
  before_.resize(size);
  std::size_t known = 0;  // so many instants' counts
  Places hits;            // instants at which a sample lies
  constexpr std::size_t many = 256;
  std::int32_t later[many];
  std::uint64_t exact[many];
  for (std::size_t i = 0; i < ms_.size(); i += many) {
    const std::size_t n = std::min(many, ms_.size() - i);
    const bool any = find_instants(ms_.data() + i, n, ahead, later, exact);
    for (std::size_t k = 0; any && k < n; ++k)
      if (exact[k] != 0 && later[k] > 0) hits.push_back(static_cast<std::uint32_t>(later[k] - 1));
    const bool steady = follow(later, n);
    for (std::size_t k = 0; k < (steady ? 1 : n); ++k)
      for (const auto until = static_cast<std::size_t>(later[k]); known < until; ++known)
        before_[known] = static_cast<std::uint32_t>(i + k);
    if (!steady) continue;
    std::iota(before_.begin() + static_cast<std::ptrdiff_t>(known),
              before_.begin() + static_cast<std::ptrdiff_t>(known + n - 1),
              static_cast<std::uint32_t>(i + 1));
    known += n - 1;
  }
  std::fill(before_.begin() + static_cast<std::ptrdiff_t>(known), before_.end(),
            static_cast<std::uint32_t>(ms_.size()));
  up_to_ = before_;
  for (const std::uint32_t hit : hits)
    if (hit < size) up_to_[hit] += 1;
  find_jumps(before_, before_jumps_);
  find_jumps(up_to_, up_to_jumps_);
}

MovingWindows::Counts MovingWindows::count_until(Duration shift, bool closed, std::size_t first,
                                                 std::size_t n, Places& out) const {
  if (tables_ && shift.ms % step_.ms == 0) {
    const Places& counts = closed ? up_to_ : before_;
    const auto back = static_cast<std::size_t>(shift.ms / step_.ms);
    if (first + grid_before_ >= back) {
      const std::size_t at = first + grid_before_ - back;
      return {counts.data() + at, closed ? &up_to_jumps_ : &before_jumps_, at};
    }
    out.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t k = first + i + grid_before_;
      out[i] = k >= back ? counts[k - back] : 0;
    }
    return {out.data(), nullptr, 0};
  }
  out.resize(n);
  const std::int64_t* times = samples_.times.data();
  const auto all = static_cast<std::uint32_t>(samples_.size());
  std::int64_t at = (from_ + step_ * static_cast<std::int64_t>(first) - shift).ms;
  const std::int64_t edge = closed ? 1 : 0;
  std::uint32_t place = count_before(Instant{at}, closed);
  for (std::size_t i = 0; i < n; ++i, at += step_.ms) {
    while (place < all && times[place] < at + edge) ++place;
    out[i] = place;
  }
  return {out.data(), nullptr, 0};
}

}  // namespace signalbox::store
