// Functions over a range, with Prometheus' values to the bit: same formulas, same order of operations.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

#include "runtime/base/promql_terms.hpp"
#include "runtime/base/time.hpp"
#include "runtime/store/cursor.hpp"

namespace signalbox::store {

// The first instant of a range of `length` ending at `end`: closed in Prometheus 2, left-open in 3.
Instant window_start(Instant end, Duration length, Semantics semantics);

// What some functions want beside the range.
struct RangeArgs {
  Instant now;  // the instant of evaluation, from which predict_linear looks ahead
  std::array<double, most_range_fn_params> params{};
};

// Whether the function takes these parameters; the message of one that does not.
std::optional<std::string> bad_params(RangeFn fn, const RangeArgs& args);

// The function's value over the samples of the cursor's series in the range of `length` ending at `end`, or
// nothing where Prometheus gives nothing. What needs only the ends of the range and the resets in it (rate,
// increase, delta, irate, idelta, first, last, count, resets) costs two searches, however long it is; the
// others read every sample, in order, into `scratch` (who asks for minima and maxima of windows that move on
// has MovingExtreme). Parameters are good ones.
std::optional<double> window_value(Cursor& series, RangeFn fn, Instant end, Duration length,
                                   Semantics semantics, Samples& scratch, const RangeArgs& args = {});
// The same over samples that are at hand: all of those in the range.
std::optional<double> window_value(const SamplesView& samples, RangeFn fn, Instant end, Duration length,
                                   Semantics semantics, const RangeArgs& args);

// rate, increase or delta of a window whose ends are known. `change` is last − first, plus the value before
// each reset in turn where counters are asked about.
struct WindowEnds {
  std::int64_t first_time = 0, last_time = 0;
  double first = 0;
  std::size_t steps = 0;  // samples less one; at least 1
};
double extrapolated(RangeFn fn, double change, const WindowEnds& ends, Instant end, Duration length,
                    Semantics semantics);
// What the change is multiplied by for it. A change that is not above zero has no zero point to begin at.
double extrapolation_factor(RangeFn fn, double change, const WindowEnds& ends, Instant end, Duration length,
                            Semantics semantics);
// Functions that read every value of a window (RangeReads::values).
double over_values(RangeFn fn, std::span<const double> values, Semantics semantics);

// The φ-quantile of values in any order, interpolated; −infinity below 0, infinity above 1. NaN sorts first.
double quantile(double q, std::vector<double> values);

// The instant selector's value at `at`: the latest sample no older than `lookback` that is not a stale
// marker.
struct InstantValue {
  enum class State { value, stale, none } state = State::none;  // `stale`: known, but too old or ended
  double value = 0;
  Instant time;
};
bool is_too_old(Instant sample, Instant at, Duration lookback, Semantics semantics);
InstantValue instant_value(Cursor& series, Instant at, Duration lookback, Semantics semantics);

// Reset-corrected raw increments inside a closed window.
struct RawIncrease {
  double sum = 0;         // NaN when a NaN sample takes part: no increment can be told there
  std::size_t steps = 0;  // increments that belong; 0 means there is none, not that the sum is zero
};
// Increments whose two samples (or a birth's absence and its first sample) both lie in [first, last]. A
// sample lower than the one before is a reset: its value is the increment. Between births the sum is last −
// first, plus the value before each reset in turn.
RawIncrease raw_increase(Cursor& series, Instant first, Instant last);

}  // namespace signalbox::store
