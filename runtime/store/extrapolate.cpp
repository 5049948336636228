#include "runtime/store/extrapolate.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "runtime/base/vectors.hpp"

namespace signalbox::store {
namespace {

struct Options {
  bool counter, clamp_first, is_rate;
  double range;  // what the result is divided by
};

SIGNALBOX_VECTORS void extrapolate_all(const Options& options, const ManyWindows& w) {
  // Added to a zero point, infinity puts it off for good and zero changes nothing (it is never −0).
  constexpr double never = std::numeric_limits<double>::infinity();
  const double wait_before = options.counter && options.clamp_first ? 0 : never;
  const double wait_after = options.counter && !options.clamp_first ? 0 : never;
  const double range = options.range;
  const double* first_gap = w.first_gap;
  const double* last_gap = w.last_gap;
  const double* all_sampled = w.sampled;
  const double* steps = w.steps;
  const double* firsts = w.first;
  double* changes = w.change;
  SIGNALBOX_NO_ALIASES
  for (std::size_t i = 0; i < w.count; ++i) {
    const double change = changes[i], first = firsts[i];
    const double sampled = all_sampled[i] / 1000;
    const double spacing = sampled / steps[i];
    const double threshold = spacing * 1.1, half = spacing / 2;
    const double to_start = first_gap[i] / 1000;
    double to_end = last_gap[i] / 1000;
    // Only a counter that rose from a number not below zero has a zero point.
    double to_zero = sampled * (first / change);
    to_zero = change > 0 ? to_zero : never;
    to_zero = first >= 0 ? to_zero : never;
    // Prometheus 2 clamps to it before it cuts, 3 after.
    const double early = to_zero + wait_before, late = to_zero + wait_after;
    double start = early < to_start ? early : to_start;
    start = start >= threshold ? half : start;
    start = late < start ? late : start;
    to_end = to_end >= threshold ? half : to_end;
    // Divided by one, a number is itself.
    changes[i] = change * ((sampled + start + to_end) / sampled / range);
  }
}

// Beyond, products of a first value or a change may be infinite, or lose digits.
constexpr double minute = 1e-290, immense = 1e290;

// As much of a run as is worked out together: what of it is in memory twice stays near.
constexpr std::size_t run_block = 256;

SIGNALBOX_VECTORS void read(const WindowRun& run, double length, const ManyWindows& into) {
  const double* first_time = run.first_time;
  const double* last_time = run.last_time;
  const double* first_value = run.first_value;
  const double* last_value = run.last_value;
  const double first_end = run.end, step = run.step;
  const double steps = static_cast<double>(last_time - first_time);
  double* first_gap = into.first_gap;
  double* last_gap = into.last_gap;
  double* sampled = into.sampled;
  double* all_steps = into.steps;
  double* firsts = into.first;
  double* change = into.change;
  SIGNALBOX_NO_ALIASES
  for (int i = 0; i < static_cast<int>(into.count); ++i) {
    // Whole milliseconds, so that nothing is rounded here.
    const double end = first_end + step * static_cast<double>(i);
    first_gap[i] = first_time[i] - (end - length);
    last_gap[i] = end - last_time[i];
    sampled[i] = last_time[i] - first_time[i];
    all_steps[i] = steps;
    firsts[i] = first_value[i];
    change[i] = last_value[i] - first_value[i];
  }
}

// x / y rounded as a division is, by 1 / y, rounded: Markstein's theorem, Handbook of Floating-Point
// Arithmetic. The first correction brings the quotient to within a unit in its last place, whereupon the
// second one rounds it right. Nothing may underflow.
inline __attribute__((always_inline)) double divided(double x, double y, double reciprocal) {
  const double rough = x * reciprocal;
  const double near = __builtin_fma(__builtin_fma(-y, rough, x), reciprocal, rough);
  return __builtin_fma(__builtin_fma(-y, near, x), reciprocal, near);
}

bool has_fma() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("fma") != 0;
  return has;
#elif defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

// For windows that begin and end near a sample, as nearly all do, and no zero point of which comes before
// their start: the same numbers with one division each, and none of them NaN. False when one of them may be
// another; `value` is then of no use.
template <bool with_changes, bool is_rate>
inline __attribute__((always_inline)) bool quick_loop(const Options& options, const WindowRun& run,
                                                      double length, double* value) {
  // More than a few roundings, and less than what decides.
  constexpr double surely_near = 1.09, surely_far = 1 - 1e-9;
  constexpr double per_thousand = 1.0 / 1000;
  const double* first_time = run.first_time;
  const double* last_time = run.last_time;
  const double* first_value = run.first_value;
  const double* last_value = run.last_value;
  const double* changes = run.changes;
  const double first_end = run.end, step = run.step, range = options.range, per_range = 1 / options.range;
  const double steps = static_cast<double>(last_time - first_time);
  const std::uint64_t gauge = options.counter ? 0 : 1;
  std::uint64_t unsure = 0;
  SIGNALBOX_NO_ALIASES
  for (int i = 0; i < static_cast<int>(run.count); ++i) {
    const double end = first_end + step * static_cast<double>(i);
    const double first = first_value[i];
    const double change = with_changes ? changes[i] : last_value[i] - first;
    const double to_start = divided(first_time[i] - (end - length), 1000, per_thousand);
    const double to_end = divided(end - last_time[i], 1000, per_thousand);
    const double sampled = divided(last_time[i] - first_time[i], 1000, per_thousand);
    const double near = sampled * surely_near;
    const std::uint64_t begins = to_start * steps < near ? 1 : 0, ends = to_end * steps < near ? 1 : 0;
    const std::uint64_t far = first * sampled * surely_far >= to_start * change ? 1 : 0;
    const std::uint64_t finite = (change < immense ? 1 : 0) & (change > minute ? 1 : 0);
    const std::uint64_t falls = change > 0 ? 0 : 1, below = first >= 0 ? 0 : 1;
    unsure |= 1 ^ (begins & ends & (gauge | (far & finite) | falls | below));
    const double factor = (sampled + to_start + to_end) / sampled;
    const double v = change * (is_rate ? divided(factor, range, per_range) : factor);
    value[i] = v;
    unsure |= v == v ? 0 : 1;
  }
  return unsure == 0;
}

SIGNALBOX_VECTORS bool quick(const Options& options, const WindowRun& run, double length, double* value) {
  if (run.changes != nullptr)
    return options.is_rate ? quick_loop<true, true>(options, run, length, value)
                           : quick_loop<true, false>(options, run, length, value);
  return options.is_rate ? quick_loop<false, true>(options, run, length, value)
                         : quick_loop<false, false>(options, run, length, value);
}

// What is common to windows alike: `factor` times the change is the value where no zero point comes before
// `start`, and none does where `lift` times the first value is not below the change.
struct Common {
  double factor, lift;
};

Common common_of(const Options& options, const AlikeWindows& w) {
  const double sampled = w.sampled / 1000;
  const double spacing = sampled / w.steps;
  const double threshold = spacing * 1.1, half = spacing / 2;
  const double to_start = w.first_gap / 1000;
  const double to_end = w.last_gap / 1000;
  const double start = to_start >= threshold ? half : to_start;
  const double end = to_end >= threshold ? half : to_end;
  const double clamped_from = options.clamp_first ? to_start : start;
  // A part in a thousand million is more than a few roundings.
  constexpr double surely = 1 - 1e-9;
  const bool clamps = options.counter && clamped_from > 0;
  return {(sampled + start + end) / sampled / options.range, clamps ? sampled / clamped_from * surely : 0};
}

template <bool with_changes, bool clamps, bool dense>
inline __attribute__((always_inline)) AlikeSeen alike_loop(const Common& common, const AlikeWindows& w) {
  const double* first = w.first;
  const double* last = w.last;
  double* value = w.value;
  const double factor = common.factor, lift = common.lift;
  const auto stride = dense ? 1 : static_cast<std::ptrdiff_t>(w.stride);
  const auto count = static_cast<std::ptrdiff_t>(w.count);
  std::uint64_t nan = 0, clamped = 0;
  SIGNALBOX_NO_ALIASES
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const double from = first[i * stride];
    const double change = with_changes ? value[i] : last[i * stride] - from;
    if (clamps) {
      const std::uint64_t far = from * lift >= change ? 1 : 0, finite = change < immense ? 1 : 0;
      const std::uint64_t falls = change > 0 ? 0 : 1, below = from >= 0 ? 0 : 1;
      clamped |= 1 ^ ((far & finite) | falls | below);
    }
    const double v = change * factor;
    value[i] = v;
    nan |= v != v ? 1 : 0;
  }
  return {nan != 0, clamped != 0};
}

template <bool with_changes, bool clamps>
inline __attribute__((always_inline)) AlikeSeen alike_at(const Common& common, const AlikeWindows& w) {
  return w.stride == 1 ? alike_loop<with_changes, clamps, true>(common, w)
                       : alike_loop<with_changes, clamps, false>(common, w);
}

SIGNALBOX_VECTORS AlikeSeen alike(const Common& common, const AlikeWindows& w) {
  if (w.with_changes)
    return common.lift != 0 ? alike_at<true, true>(common, w) : alike_at<true, false>(common, w);
  return common.lift != 0 ? alike_at<false, true>(common, w) : alike_at<false, false>(common, w);
}

Options options_of(RangeFn fn, Semantics semantics, Duration length) {
  const bool is_rate = fn == RangeFn::rate;
  return {fn != RangeFn::delta, semantics == Semantics::prometheus2, is_rate,
          is_rate ? range_seconds(length) : 1};
}

}  // namespace

double range_seconds(Duration length) {
  const std::int64_t whole = length.ms / 1000, nanoseconds = length.ms % 1000 * 1'000'000;
  return static_cast<double>(whole) + static_cast<double>(nanoseconds) / 1e9;
}

void extrapolate(RangeFn fn, Semantics semantics, Duration length, const ManyWindows& windows) {
  extrapolate_all(options_of(fn, semantics, length), windows);
}

AlikeSeen extrapolate_alike(RangeFn fn, Semantics semantics, Duration length, const AlikeWindows& windows) {
  return alike(common_of(options_of(fn, semantics, length), windows), windows);
}

bool extrapolate_run(RangeFn fn, Semantics semantics, Duration length, const WindowRun& run, double* value) {
  const Options options = options_of(fn, semantics, length);
  const double milliseconds = static_cast<double>(length.ms);
  const bool fused = has_fma();
  bool nan = false;
  for (std::size_t i = 0; i < run.count; i += run_block) {
    const std::size_t count = std::min(run_block, run.count - i);
    const WindowRun block{count,
                          run.first_time + i,
                          run.last_time + i,
                          run.first_value + i,
                          run.last_value + i,
                          run.end + run.step * static_cast<double>(i),
                          run.step,
                          run.changes == nullptr ? nullptr : run.changes + i};
    if (fused && quick(options, block, milliseconds, value + i)) continue;
    nan = true;
    double columns[5][run_block];
    const ManyWindows windows{count, columns[0], columns[1], columns[2], columns[3], columns[4], value + i};
    read(block, milliseconds, windows);
    if (block.changes != nullptr) std::copy_n(block.changes, count, value + i);
    extrapolate_all(options, windows);
  }
  return nan;
}

}  // namespace signalbox::store
