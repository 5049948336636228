#include "runtime/store/moving_windows.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "runtime/base/vectors.hpp"
#include "runtime/store/extrapolate.hpp"

namespace signalbox::store {

namespace {

// Whether all of `n` windows [first, last) have `needs` samples.
SIGNALBOX_VECTORS bool have_enough(const std::uint32_t* first, const std::uint32_t* last, std::uint32_t needs,
                                   std::size_t n, WindowState* state) {
  static_assert(static_cast<int>(WindowState::value) == 0 && static_cast<int>(WindowState::too_few) == 1);
  static_assert(sizeof(WindowState) == 1);
  unsigned short_of = 0;
  SIGNALBOX_NO_ALIASES
  for (std::size_t i = 0; i < n; ++i) {
    const unsigned lacks = last[i] < first[i] + needs ? 1 : 0;
    short_of |= lacks;
    state[i] = static_cast<WindowState>(lacks);
  }
  return short_of == 0;
}

}  // namespace

std::size_t MovingWindows::segment_end(std::uint32_t place) const {
  const auto next = std::upper_bound(breaks_.begin(), breaks_.end(), place);
  return next == breaks_.end() ? samples_.size() : *next;
}

std::uint32_t MovingWindows::count_before(Instant at, bool closed) const {
  const std::int64_t* times = samples_.times.data();
  const auto size = static_cast<std::int64_t>(samples_.size());
  const std::int64_t edge = at.ms + (closed ? 1 : 0);  // those before it are counted
  if (size == 0 || times[0] >= edge) return 0;
  if (times[size - 1] < edge) return static_cast<std::uint32_t>(size);
  // As if there were no breaks; where there are, it has to be looked for.
  const std::int64_t guess = std::min((edge - 1 - times[0]) / spacing_.ms + 1, size - 1);
  if (stride_ > 0 && breaks_.empty()) return static_cast<std::uint32_t>(guess);
  if (times[guess - 1] < edge && times[guess] >= edge) return static_cast<std::uint32_t>(guess);
  return static_cast<std::uint32_t>(std::lower_bound(times, times + size, edge) - times);
}

MovingWindows::Alike MovingWindows::alike(Duration length, Duration offset, Semantics semantics,
                                          std::size_t tick, std::size_t most) const {
  Alike out;
  const bool open = semantics == Semantics::prometheus3;
  out.at = from_ + step_ * static_cast<std::int64_t>(tick) - offset;
  out.start = out.at - length;
  out.first = count_before(out.start, open);
  out.last = count_before(out.at, true);
  if (out.last <= out.first) return out;
  const std::int64_t* times = samples_.times.data();
  // The sample before the first must leave each window: one `spacing_` earlier than the first, it would.
  const std::int64_t earlier = times[out.first] - spacing_.ms;
  const std::size_t first_end = segment_end(out.first), last_end = segment_end(out.last - 1);
  out.instants = 1;
  if (open ? earlier > out.start.ms : earlier >= out.start.ms) return out;
  const std::size_t more = std::min((first_end - 1 - out.first) / stride_, (last_end - out.last) / stride_);
  std::size_t instants = std::min(more + 1, most);
  // Past the segment's end the next sample may come too early.
  const std::size_t next = out.last + (instants - 1) * stride_;
  if (instants > 1 && next == last_end && next < samples_.size() &&
      times[next] <= (out.at + step_ * static_cast<std::int64_t>(instants - 1)).ms)
    --instants;
  out.instants = instants;
  return out;
}

std::size_t MovingWindows::Counts::run_end(std::size_t i, std::size_t n) const {
  // Most are short where any is, and then a look at what comes next costs less than a search.
  constexpr std::size_t many = 16;
  const std::size_t near = jumps == nullptr ? n : std::min(n, i + many);
  std::size_t end = i + 1;
  while (end < near && data[end] == data[end - 1] + 1) ++end;
  if (end < near || end >= n) return std::min(end, n);
  const auto jump = std::upper_bound(jumps->begin(), jumps->end(), at + end - 1);
  return jump == jumps->end() ? n : std::min<std::size_t>(n, *jump - at);
}

void MovingWindows::windows(Duration length, Duration offset, Semantics semantics, std::size_t first,
                            std::size_t n) {
  last_ = count_until(offset, true, first, n, last_places_);
  first_ = count_until(offset + length, semantics == Semantics::prometheus3, first, n, first_places_);
}

bool MovingWindows::ended_after(std::uint32_t place, Instant at) const {
  const auto after = std::upper_bound(ends_.begin(), ends_.end(), at.ms);
  return after != ends_.begin() && *(after - 1) > samples_.times[place];
}

// In order, since sums of doubles depend on it. Both ends of a window move forward only.
void MovingWindows::add_resets(std::size_t from, std::size_t to, double* change) const {
  auto low = std::upper_bound(resets_.begin(), resets_.end(), first_[from]);
  auto high = low;
  for (std::size_t i = from; i < to; ++i) {
    while (low != resets_.end() && *low <= first_[i]) ++low;
    high = std::max(high, low);
    while (high != resets_.end() && *high < last_[i]) ++high;
    for (auto reset = low; reset != high; ++reset) change[i] += samples_.values[*reset - 1];
  }
}

void MovingWindows::extremes(const Range& range, std::size_t n, double* value) {
  const auto same = [&](const Extreme& e) {
    return e.fn == range.fn && e.length == range.length && e.offset == range.offset;
  };
  auto known = std::find_if(extremes_.begin(), extremes_.end(), same);
  if (known == extremes_.end()) {
    if (extremes_.size() == most_extremes) extremes_.erase(extremes_.begin());
    const bool greatest = range.fn == RangeFn::max_over_time;
    known =
        extremes_.insert(extremes_.end(), {range.fn, range.length, range.offset, MovingExtreme(greatest)});
  }
  for (std::size_t i = 0; i < n; ++i)
    if (first_[i] < last_[i])
      value[i] = known->windows.of(first_[i], last_[i], [&](std::uint64_t from) {
        return samples_.values.subspan(from, last_[i] - from);
      });
}

// `state` is null when every window has samples enough.
bool MovingWindows::extrapolated_all(const Range& range, std::size_t first, std::size_t n, double* value,
                                     const WindowState* state) {
  for (auto& column : scratch_) column.resize(n);
  const bool counter = range.fn != RangeFn::delta;
  bool nan = false;
  double* first_gap = scratch_[0].data();
  double* last_gap = scratch_[1].data();
  double* sampled = scratch_[2].data();
  double* steps = scratch_[3].data();
  double* firsts = scratch_[4].data();
  const double* values = samples_.values.data();
  // The window's end as milliseconds since the first sample.
  const double end_of_first = static_cast<double>(
      (from_ + step_ * static_cast<std::int64_t>(first) - range.offset - samples_from_).ms);
  const double step = static_cast<double>(step_.ms), length = static_cast<double>(range.length.ms);
  const auto fill = [&](std::size_t i, std::size_t a, std::size_t b) {
    const double end = end_of_first + step * static_cast<double>(i);
    const double from = static_cast<double>(samples_.times[a] - samples_from_.ms),
                 to = static_cast<double>(samples_.times[b] - samples_from_.ms);
    first_gap[i] = from - (end - length);
    last_gap[i] = end - to;
    sampled[i] = to - from;
    steps[i] = static_cast<double>(b - a);
    firsts[i] = values[a];
    value[i] = values[b] - values[a];
  };
  // Windows [from, to), filled.
  const auto work_out = [&](std::size_t from, std::size_t to) {
    if (from == to) return;
    nan = true;
    if (counter && !resets_.empty()) add_resets(from, to, value);
    extrapolate(range.fn, range.semantics, range.length,
                {to - from, first_gap + from, last_gap + from, sampled + from, steps + from, firsts + from,
                 value + from});
  };
  std::size_t filled = 0;  // from here on, and not extrapolated
  for (std::size_t i = 0; i < n;) {
    if (state != nullptr && state[i] != WindowState::value) {
      first_gap[i] = last_gap[i] = value[i] = 0;
      sampled[i] = steps[i] = firsts[i] = 1;
      ++i;
      continue;
    }
    const std::size_t run = last_.run_end(i, first_.run_end(i, n));
    if (run - i < 8 || !tables_) {
      for (std::size_t k = i; k < run; ++k) fill(k, first_[k], last_[k] - 1);
    } else {
      work_out(filled, i);
      filled = run;
      const std::uint32_t a = first_[i], b = last_[i] - 1;
      const bool begun_anew =
          counter && std::upper_bound(resets_.begin(), resets_.end(), a) !=
                         std::upper_bound(resets_.begin(), resets_.end(), last_[run - 1] - 1);
      double* changes = begun_anew ? first_gap : nullptr;
      for (std::size_t k = 0; begun_anew && k < run - i; ++k) changes[i + k] = values[b + k] - values[a + k];
      if (begun_anew) add_resets(i, run, changes);
      nan |= extrapolate_run(
          range.fn, range.semantics, range.length,
          {run - i, ms_.data() + a, ms_.data() + b, values + a, values + b,
           end_of_first + step * static_cast<double>(i), step, begun_anew ? changes + i : nullptr},
          value + i);
    }
    i = run;
  }
  work_out(filled, n);
  for (std::size_t i = 0; state != nullptr && i < n; ++i)
    if (state[i] != WindowState::value) value[i] = 0.0;
  return nan;
}

// Runs of windows that are alike go to `together`, which may refuse, and what lies between to `one_by_one`.
template <class Together, class OneByOne>
void MovingWindows::in_runs(Duration length, Duration offset, Semantics semantics, std::size_t first,
                            std::size_t n, std::uint32_t needs, Together together,
                            OneByOne one_by_one) const {
  constexpr std::size_t worthwhile = 8;
  if (stride_ == 0 || n < worthwhile) return one_by_one(std::size_t{0}, n);
  const auto alike_from = [&](std::size_t i) {
    Alike windows = alike(length, offset, semantics, first + i, n - i);
    if (windows.last < windows.first + needs) windows.instants = 1;
    return windows;
  };
  for (std::size_t i = 0; i < n;) {
    const Alike windows = alike_from(i);
    std::size_t end = i + windows.instants;
    if (windows.instants >= worthwhile) {
      if (together(i, windows)) {
        i = end;
        continue;
      }
    } else {
      for (Alike next; end < n; end += next.instants) {
        next = alike_from(end);
        if (next.instants >= worthwhile) break;
      }
    }
    one_by_one(i, end - i);
    i = end;
  }
}

MovingWindows::Seen MovingWindows::extrapolated(const Range& range, std::size_t first, std::size_t n,
                                                double* value, WindowState* state) {
  Seen seen;
  in_runs(
      range.length, range.offset, range.semantics, first, n,
      static_cast<std::uint32_t>(range_fn_needs(range.fn)),
      [&](std::size_t i, const Alike& windows) {
        if (!extrapolated_alike(range, windows, value + i, seen.nan)) return false;
        std::fill_n(state + i, windows.instants, WindowState::value);
        return true;
      },
      [&](std::size_t i, std::size_t count) {
        const Seen here = one_by_one(range, first + i, count, value + i, state + i);
        seen.all &= here.all;
        seen.nan |= here.nan;
      });
  return seen;
}

bool MovingWindows::extrapolated_alike(const Range& range, const Alike& windows, double* value,
                                       bool& nan) const {
  const std::int64_t* times = samples_.times.data();
  const std::uint32_t a = windows.first, b = windows.last - 1;
  const double* values = samples_.values.data();
  AlikeWindows all;
  all.count = windows.instants;
  all.stride = stride_;
  all.first_gap = static_cast<double>(times[a] - windows.start.ms);
  all.last_gap = static_cast<double>(windows.at.ms - times[b]);
  all.sampled = static_cast<double>(times[b] - times[a]);
  all.steps = static_cast<double>(b - a);
  all.first = values + a;
  all.last = values + b;
  all.value = value;
  if (range.fn != RangeFn::delta && !resets_.empty()) {
    const std::size_t moved = (all.count - 1) * stride_;
    auto low = std::upper_bound(resets_.begin(), resets_.end(), a);
    if (low != resets_.end() && *low <= b + moved) {
      all.with_changes = true;
      auto high = low;
      for (std::size_t i = 0; i < all.count; ++i) {
        const std::size_t from = a + i * stride_, to = b + i * stride_;
        while (low != resets_.end() && *low <= from) ++low;
        high = std::max(high, low);
        while (high != resets_.end() && *high <= to) ++high;
        value[i] = values[to] - values[from];
        for (auto reset = low; reset != high; ++reset) value[i] += values[*reset - 1];
      }
    }
  }
  const AlikeSeen seen = extrapolate_alike(range.fn, range.semantics, range.length, all);
  nan |= seen.nan;
  return !seen.clamped;
}

MovingWindows::Seen MovingWindows::range(const Range& range, std::size_t first, std::size_t n, double* value,
                                         WindowState* state) {
  if (range.fn == RangeFn::rate || range.fn == RangeFn::increase || range.fn == RangeFn::delta)
    return extrapolated(range, first, n, value, state);
  return one_by_one(range, first, n, value, state);
}

MovingWindows::Seen MovingWindows::one_by_one(const Range& range, std::size_t first, std::size_t n,
                                              double* value, WindowState* state) {
  if (n == 0) return {};
  make_tables();
  windows(range.length, range.offset, range.semantics, first, n);
  const auto needs = static_cast<std::uint32_t>(range_fn_needs(range.fn));
  const bool all = have_enough(first_.data, last_.data, needs, n, state);
  if (!all) {
    for (std::size_t i = 0; i < n; ++i) {
      if (state[i] == WindowState::value) continue;
      const Instant at = from_ + step_ * static_cast<std::int64_t>(first + i) - range.offset;
      if (last_[i] <= first_[i] || ended_after(last_[i] - 1, at)) state[i] = WindowState::stale;
      value[i] = 0.0;
    }
  }
  const double* values = samples_.values.data();
  switch (range.fn) {
    case RangeFn::rate:
    case RangeFn::increase:
    case RangeFn::delta:
      return {all, extrapolated_all(range, first, n, value, all ? nullptr : state)};
    case RangeFn::irate:
    case RangeFn::idelta:
      for (std::size_t i = 0; i < n; ++i) {
        if (state[i] != WindowState::value) continue;
        const std::uint32_t b = last_[i] - 1;
        const double change = values[b] - values[b - 1];
        if (range.fn == RangeFn::idelta) {
          value[i] = change;
        } else {
          const double seconds = static_cast<double>(samples_.times[b] - samples_.times[b - 1]) / 1000;
          value[i] = (values[b] < values[b - 1] ? values[b] : change) / seconds;
        }
      }
      return {all, true};
    case RangeFn::first_over_time:
      for (std::size_t i = 0; i < n; ++i)
        if (state[i] == WindowState::value) value[i] = values[first_[i]];
      return {all, true};
    case RangeFn::last_over_time:
      for (std::size_t i = 0; i < n; ++i)
        if (state[i] == WindowState::value) value[i] = values[last_[i] - 1];
      return {all, true};
    case RangeFn::count_over_time:
      for (std::size_t i = 0; i < n; ++i)
        if (state[i] == WindowState::value) value[i] = static_cast<double>(last_[i] - first_[i]);
      return {all, true};
    case RangeFn::present_over_time:
      for (std::size_t i = 0; i < n; ++i)
        if (state[i] == WindowState::value) value[i] = 1.0;
      return {all, true};
    case RangeFn::resets:
      for (std::size_t i = 0; i < n; ++i) {
        if (state[i] != WindowState::value) continue;
        const auto low = std::upper_bound(resets_.begin(), resets_.end(), first_[i]);
        value[i] = static_cast<double>(std::lower_bound(low, resets_.end(), last_[i]) - low);
      }
      return {all, true};
    case RangeFn::changes: {
      if (changes_before_.empty()) {
        changes_before_.resize(samples_.size());
        for (std::size_t i = 1; i < samples_.size(); ++i) {
          const bool same =
              values[i] == values[i - 1] || (std::isnan(values[i]) && std::isnan(values[i - 1]));
          changes_before_[i] = changes_before_[i - 1] + (same ? 0 : 1);
        }
      }
      for (std::size_t i = 0; i < n; ++i)
        if (state[i] == WindowState::value)
          value[i] = static_cast<double>(changes_before_[last_[i] - 1] - changes_before_[first_[i]]);
      return {all, true};
    }
    case RangeFn::min_over_time:
    case RangeFn::max_over_time:
      extremes(range, n, value);
      return {all, true};
    case RangeFn::avg_over_time:
    case RangeFn::sum_over_time:
    case RangeFn::stddev_over_time:
    case RangeFn::stdvar_over_time:
      // Compensated sums are sums in order: each window is summed anew.
      for (std::size_t i = 0; i < n; ++i)
        if (state[i] == WindowState::value)
          value[i] = over_values(range.fn, {values + first_[i], last_[i] - first_[i]}, range.semantics);
      return {all, true};
    case RangeFn::quantile_over_time:
    case RangeFn::deriv:
    case RangeFn::predict_linear:
    case RangeFn::holt_winters:
      assert(range_fn_reads(range.fn) != RangeReads::samples);
  }
  return {all, true};
}

MovingWindows::Seen MovingWindows::latest(Duration lookback, Duration offset, Semantics semantics,
                                          std::size_t first, std::size_t n, double* value,
                                          WindowState* state) {
  Seen seen;
  // Young enough is what lies in a window of `lookback`.
  in_runs(
      lookback, offset, semantics, first, n, 1,
      [&](std::size_t i, const Alike& windows) {
        if (!ends_.empty()) return false;
        const double* from = samples_.values.data() + (windows.last - 1);
        std::uint64_t nan = 0;
        for (std::size_t k = 0; k < windows.instants; ++k) {
          value[i + k] = from[k * stride_];
          nan |= value[i + k] != value[i + k] ? 1 : 0;
        }
        seen.nan |= nan != 0;
        std::fill_n(state + i, windows.instants, WindowState::value);
        return true;
      },
      [&](std::size_t i, std::size_t count) {
        const Seen here =
            latest_one_by_one(lookback, offset, semantics, first + i, count, value + i, state + i);
        seen = {seen.all && here.all, seen.nan || here.nan};
      });
  return seen;
}

MovingWindows::Seen MovingWindows::latest_one_by_one(Duration lookback, Duration offset, Semantics semantics,
                                                     std::size_t first, std::size_t n, double* value,
                                                     WindowState* state) {
  Seen seen;
  make_tables();
  last_ = count_until(offset, true, first, n, last_places_);
  for (std::size_t i = 0; i < n; ++i) {
    const Instant at = from_ + step_ * static_cast<std::int64_t>(first + i) - offset;
    state[i] = WindowState::stale;
    value[i] = 0.0;
    const std::uint32_t place = last_[i] - 1;
    if (last_[i] > 0) {
      const Duration age{at.ms - samples_.times[place]};
      const bool too_old = semantics == Semantics::prometheus2 ? age > lookback : age >= lookback;
      if (!too_old && (ends_.empty() || !ended_after(place, at))) {
        state[i] = WindowState::value;
        value[i] = samples_.values[place];
      }
    }
    seen.all = seen.all && state[i] == WindowState::value;
    seen.nan = seen.nan || value[i] != value[i];
  }
  return seen;
}

void MovingWindows::reach(Duration length, Duration offset, std::size_t first, std::size_t n, double* value,
                          WindowState* state) {
  make_tables();
  windows(length, offset, Semantics::prometheus2, first, n);
  for (std::size_t i = 0; i < n; ++i) {
    const bool any = last_[i] > first_[i];
    state[i] = any ? WindowState::value : WindowState::stale;
    value[i] = any ? static_cast<double>(samples_.times[last_[i] - 1] - samples_.times[first_[i]]) : 0.0;
  }
}

}  // namespace signalbox::store
