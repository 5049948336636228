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
// Windows whose ends both move by one sample a step: what lies at their ends, read in order. Times are
// milliseconds since some instant; the first window ends at `end`.
struct WindowRun {
  const double* first_time;
  const double* last_time;
  const double* first_value;
  const double* last_value;
  double end, step, length;
};
void read_run(const WindowRun& run, const ManyWindows& into);

void extrapolate(RangeFn fn, Semantics semantics, Duration length, const ManyWindows& windows);

// Seconds of a range: Prometheus divides by whole seconds plus a fraction, which is not always the nearest
// double to ms / 1000.
double range_seconds(Duration length);

}  // namespace signalbox::store
