#include "runtime/store/extrapolate.hpp"

#include <cstdint>
#include <limits>

#include "runtime/base/vectors.hpp"

namespace signalbox::store {
namespace {

struct Options {
  bool counter, clamp_first;
  double range;  // what the result is divided by
};

SIGNALBOX_VECTORS void run(const Options& options, const ManyWindows& w) {
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

SIGNALBOX_VECTORS void read(const WindowRun& run, const ManyWindows& into) {
  const double* first_time = run.first_time;
  const double* last_time = run.last_time;
  const double* first_value = run.first_value;
  const double* last_value = run.last_value;
  const double first_end = run.end, step = run.step, length = run.length;
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

// Beyond, products of a first value may be infinite without the change being so.
constexpr double immense = 1e290;

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
  return {fn != RangeFn::delta, semantics == Semantics::prometheus2,
          fn == RangeFn::rate ? range_seconds(length) : 1};
}

}  // namespace

double range_seconds(Duration length) {
  const std::int64_t whole = length.ms / 1000, nanoseconds = length.ms % 1000 * 1'000'000;
  return static_cast<double>(whole) + static_cast<double>(nanoseconds) / 1e9;
}

void extrapolate(RangeFn fn, Semantics semantics, Duration length, const ManyWindows& windows) {
  run(options_of(fn, semantics, length), windows);
}

AlikeSeen extrapolate_alike(RangeFn fn, Semantics semantics, Duration length, const AlikeWindows& windows) {
  return alike(common_of(options_of(fn, semantics, length), windows), windows);
}

void read_run(const WindowRun& run, const ManyWindows& into) {
  read(run, into);
}

}  // namespace signalbox::store
