// rate, increase and delta of many windows at once: extrapolated() of window.hpp, element by element, so that
// compilers make vector code of it. Every operation is the one there, in the same order.
#pragma once

#include <cstddef>

#include "runtime/base/promql_terms.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::store {

// Windows side by side. Times are milliseconds since the window's start (`first_gap`), to its end
// (`last_gap`), and between first and last sample (`sampled`); `steps` is samples less one and at least 1.
// `change` is replaced.
struct ManyWindows {
  std::size_t count = 0;
  double* first_gap = nullptr;
  double* last_gap = nullptr;
  double* sampled = nullptr;
  double* steps = nullptr;
  double* first = nullptr;
  double* change = nullptr;
};
void extrapolate(RangeFn fn, Semantics semantics, Duration length, const ManyWindows& windows);

// Windows whose ends both move by one sample a step: what lies at their ends, read in order. Times are whole
// milliseconds since some instant; the first window ends at `end`.
struct WindowRun {
  std::size_t count;
  const double* first_time;
  const double* last_time;
  const double* first_value;
  const double* last_value;
  double end, step;
  const double* changes;  // to start from instead of last − first, or null
};
// Whether a value may be NaN.
bool extrapolate_run(RangeFn fn, Semantics semantics, Duration length, const WindowRun& run, double* value);

// Windows that differ in the values at their ends and in nothing else: samples come as regularly as instants.
// Then the factor that extrapolates is one number, worked out once. Window i has first[i * stride] and
// last[i * stride] at its ends; gaps, `sampled` and `steps` as above.
struct AlikeWindows {
  std::size_t count = 0, stride = 1;
  double first_gap = 0, last_gap = 0, sampled = 0, steps = 0;
  const double* first = nullptr;
  const double* last = nullptr;
  bool with_changes = false;  // `value` holds changes to start from, instead of last − first
  double* value = nullptr;
};
struct AlikeSeen {
  bool nan = false;
  // A counter's zero point may lie in one of the windows: the values are of no use, and to be had one by one.
  bool clamped = false;
};
AlikeSeen extrapolate_alike(RangeFn fn, Semantics semantics, Duration length, const AlikeWindows& windows);

// Seconds of a range: Prometheus divides by whole seconds plus a fraction, which is not always the nearest
// double to ms / 1000.
double range_seconds(Duration length);

}  // namespace signalbox::store
