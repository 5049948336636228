#include "runtime/store/extrapolate.hpp"

#include <limits>

// One copy for each width of vectors that processors have; the loader picks. IEEE operations have the same
// results in all of them.
#if defined(__x86_64__) && defined(__GNUC__)
#define SIGNALBOX_VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SIGNALBOX_VECTORS
#endif

// Columns do not overlap.
#if defined(__clang__)
#define SIGNALBOX_NO_ALIASES _Pragma("clang loop vectorize(assume_safety)")
#else
#define SIGNALBOX_NO_ALIASES _Pragma("GCC ivdep")
#endif

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

}  // namespace

double range_seconds(Duration length) {
  const std::int64_t whole = length.ms / 1000, nanoseconds = length.ms % 1000 * 1'000'000;
  return static_cast<double>(whole) + static_cast<double>(nanoseconds) / 1e9;
}

void extrapolate(RangeFn fn, Semantics semantics, Duration length, const ManyWindows& windows) {
  run({fn != RangeFn::delta, semantics == Semantics::prometheus2,
       fn == RangeFn::rate ? range_seconds(length) : 1},
      windows);
}

void read_run(const WindowRun& run, const ManyWindows& into) {
  read(run, into);
}

}  // namespace signalbox::store
