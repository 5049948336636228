// Functions over a range, with Prometheus' values to the bit: same formulas, same order of operations.
#pragma once

#include <optional>

#include "runtime/base/promql_terms.hpp"
#include "runtime/base/time.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::store {

// The samples of `id` that a range of `length` ending at `end` selects: [end − length, end] for prometheus2,
// (end − length, end] for prometheus3, without stale markers. Fills the two vectors (reused by the caller).
struct WindowSamples {
  std::vector<std::int64_t> times;
  std::vector<double> values;
};
void select_window(const SeriesStore& store, SeriesId id, Instant end, Duration length, Semantics semantics,
                   WindowSamples& out);

// The function's value over the selected samples, or nothing where Prometheus gives nothing. `end` and
// `length` are the range asked for (rate, increase and delta extrapolate to its ends).
std::optional<double> apply_range_fn(RangeFn fn, const WindowSamples& samples, Instant end, Duration length,
                                     Semantics semantics);

// The instant selector's value at `at`: the latest sample no older than `lookback` that is not a stale
// marker.
struct InstantValue {
  enum class State { value, stale, none } state = State::none;  // `stale`: known, but too old or ended
  double value = 0;
  Instant time;
};
InstantValue instant_value(const SeriesStore& store, SeriesId id, Instant at, Duration lookback,
                           Semantics semantics);

}  // namespace signalbox::store
