// One question to a store at a time, for tests. Stale markers stand among the samples here.
#pragma once

#include <algorithm>
#include <optional>

#include "runtime/store/window.hpp"

namespace signalbox::test {

inline store::Cursor open(const store::SeriesStore& store, store::SeriesId id) {
  store::Cursor cursor(store);
  cursor.open(id);
  return cursor;
}

struct Latest {
  Instant time;
  double value;
};
inline std::optional<Latest> latest(const store::SeriesStore& store, store::SeriesId id, Instant at) {
  store::Cursor cursor = open(store, id);
  const auto sample = cursor.at_or_before(at);
  const auto end = cursor.end_at_or_before(at);
  if (end && (!sample || sample->time < end->ms)) return Latest{*end, stale_marker()};
  if (!sample) return std::nullopt;
  return Latest{{sample->time}, sample->value};
}

inline store::Samples points(const store::SeriesStore& store, store::SeriesId id, Instant first,
                             Instant last) {
  store::Samples out;
  store::Cursor cursor = open(store, id);
  cursor.read(first, last, out);
  for (auto end = cursor.end_at_or_before(last); end && *end >= first;
       end = cursor.end_at_or_before(*end - milliseconds(1))) {
    const auto place = std::lower_bound(out.times.begin(), out.times.end(), end->ms) - out.times.begin();
    out.times.insert(out.times.begin() + place, end->ms);
    out.values.insert(out.values.begin() + place, stale_marker());
  }
  return out;
}

inline store::RawIncrease raw_increase(const store::SeriesStore& store, store::SeriesId id, Instant first,
                                       Instant last) {
  store::Cursor cursor = open(store, id);
  return store::raw_increase(cursor, first, last);
}

inline store::InstantValue instant_value(const store::SeriesStore& store, store::SeriesId id, Instant at,
                                         Duration lookback, Semantics semantics) {
  store::Cursor cursor = open(store, id);
  return store::instant_value(cursor, at, lookback, semantics);
}

inline std::optional<double> window_value(const store::SeriesStore& store, store::SeriesId id, RangeFn fn,
                                          Instant end, Duration length, Semantics semantics) {
  store::Cursor cursor = open(store, id);
  store::Samples scratch;
  return store::window_value(cursor, fn, end, length, semantics, scratch);
}

}  // namespace signalbox::test
