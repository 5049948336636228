// Windows at the instants of a grid against the same windows one by one: every value and state, to the bit.
#include "runtime/store/moving_windows.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/support/series.hpp"

namespace signalbox::store {
namespace {

using Rng = std::mt19937_64;

std::int64_t below(Rng& rng, std::int64_t n) {
  return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
}
bool chance(Rng& rng, int percent) {
  return below(rng, 100) < percent;
}
bool same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

SeriesId fill(SeriesStore& store, Rng& rng, std::int64_t spacing) {
  const SeriesId id = *store.series(Labels(std::vector<Labels::Pair>{{"__name__", "m"}}));
  const bool whole = chance(rng, 60), wild = chance(rng, 25), regular = chance(rng, 50),
             gauge = chance(rng, 25);
  const int gaps = static_cast<int>(below(rng, 4));
  const int falls = chance(rng, 30) ? 0 : 3;
  std::int64_t time = below(rng, 100'000) / spacing * spacing;
  double level = static_cast<double>(below(rng, chance(rng, 50) ? 50 : 1'000'000));
  for (std::int64_t n = below(rng, 700); n > 0; --n) {
    time += chance(rng, gaps) ? (chance(rng, 30) ? 1 + below(rng, spacing) : spacing * (2 + below(rng, 20)))
            : regular         ? spacing
                              : 1 + below(rng, 2 * spacing);
    const double step = static_cast<double>(below(rng, 1000)) / (whole ? 1.0 : 37.0);
    level = gauge                ? level + step - 400
            : chance(rng, falls) ? step / 10
                                 : level + (chance(rng, 30) ? 0 : step);
    double value = level;
    if (wild && chance(rng, 15)) {
      constexpr double odd[] = {
          std::numeric_limits<double>::quiet_NaN(), HUGE_VAL, -HUGE_VAL, 1.7e308, 5e-324, -0.0, 0.0};
      value = odd[below(rng, 7)];
    }
    if (chance(rng, 2)) value = stale_marker();
    EXPECT_TRUE(store.append(id, {time}, value));
    // A target that goes away and is back at its next scrape.
    if (regular && spacing > 2000 && chance(rng, 1)) {
      EXPECT_TRUE(store.append(id, {time + 1 + below(rng, spacing - 2)}, stale_marker()));
    }
  }
  return id;
}

WindowState state_of(Cursor& series, std::optional<double> value, Instant start, Instant at) {
  if (value) return WindowState::value;
  const auto latest = series.at_or_before(at);
  if (!latest || Instant{latest->time} < start) return WindowState::stale;
  const auto end = series.end_at_or_before(at);
  return end && end->ms > latest->time ? WindowState::stale : WindowState::too_few;
}

TEST(MovingWindows, EqualTheWindowsOneByOne) {
  Rng rng(17);
  std::size_t values = 0, nothings = 0, stretches = 0, latest_stretches = 0;
  for (int round = 0; round < 1000; ++round) {
    SeriesStore store{Limits{}};
    const std::int64_t spacing = 1000 * (1 + below(rng, 30));
    const SeriesId id = fill(store, rng, spacing);
    Cursor series(store), loading(store);
    series.open(id);
    // As often as not, instants come as regularly as samples, or every few of them.
    const Duration step{chance(rng, 50) ? spacing * (chance(rng, 50) ? 1 : 1 + below(rng, 5))
                                        : 1000 * (1 + below(rng, 40))};
    const Instant from{below(rng, 3'000'000) / (chance(rng, 50) ? step.ms : 1) *
                       (chance(rng, 50) ? step.ms : 1) % 5'000'000};
    const auto count = static_cast<std::size_t>(1 + below(rng, 300));
    loading.open(id);
    MovingWindows windows;
    const Duration reach = std::max(Duration{4'000'000}, step * 90);
    windows.load(loading, from, step, count, reach);
    Samples scratch;
    std::vector<double> got(count);
    std::vector<WindowState> states(count);
    for (int f = 0; f < range_fn_count; ++f) {
      if (range_fn_reads(static_cast<RangeFn>(f)) == RangeReads::samples) continue;
      const MovingWindows::Range range{
          static_cast<RangeFn>(f),
          chance(rng, 60) ? step * (1 + below(rng, 60)) : Duration{1 + below(rng, 1'500'000)},
          chance(rng, 70)   ? Duration{}
          : chance(rng, 50) ? step * below(rng, 20)
                            : Duration{below(rng, 500'000)},
          chance(rng, 50) ? Semantics::prometheus2 : Semantics::prometheus3};
      const auto first = static_cast<std::size_t>(below(rng, static_cast<std::int64_t>(count)));
      const std::size_t n = count - first;
      const MovingWindows::Seen seen = windows.range(range, first, n, got.data(), states.data());
      bool all = true, nan = false;
      for (std::size_t i = 0; i < n; ++i) {
        const Instant at = from + step * static_cast<std::int64_t>(first + i) - range.offset;
        const auto expected = window_value(series, range.fn, at, range.length, range.semantics, scratch);
        ASSERT_EQ(states[i], state_of(series, expected, window_start(at, range.length, range.semantics), at));
        ASSERT_TRUE(same(got[i], expected.value_or(0.0)))
            << range_fn_name(range.fn) << " over " << range.length.ms << " at " << at.ms << " in round "
            << round << ": " << got[i] << " and " << expected.value_or(0.0);
        all = all && expected;
        nan = nan || std::isnan(got[i]);
        ++(expected ? values : nothings);
      }
      ASSERT_EQ(seen.all, all);
      ASSERT_TRUE(seen.nan || !nan);
      const bool told = range.fn == RangeFn::rate || range.fn == RangeFn::increase;
      for (int stretch = 0; stretch < (told ? 10 : 1); ++stretch) {
        const auto begin = static_cast<std::size_t>(below(rng, static_cast<std::int64_t>(n)));
        const std::size_t size =
            std::min(n - begin, static_cast<std::size_t>(1 + below(rng, chance(rng, 70) ? 20 : 300)));
        const auto bounds = windows.range_bounds(range, first + begin, size);
        for (std::size_t i = begin; bounds && i < begin + size; ++i) {
          ASSERT_EQ(states[i], WindowState::value);
          ASSERT_GE(got[i], bounds->least);
          ASSERT_LE(got[i], bounds->most);
        }
        if (bounds) ++stretches;
      }
    }
    const Duration lookback{1 + below(rng, 300'000)};
    for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3}) {
      windows.latest(lookback, {}, semantics, 0, count, got.data(), states.data());
      for (std::size_t i = 0; i < count; ++i) {
        const InstantValue expected =
            instant_value(series, from + step * static_cast<std::int64_t>(i), lookback, semantics);
        const bool there = expected.state == InstantValue::State::value;
        ASSERT_EQ(states[i] == WindowState::value, there);
        ASSERT_TRUE(same(got[i], there ? expected.value : 0.0));
      }
      for (int stretch = 0; stretch < 5; ++stretch) {
        const auto begin = static_cast<std::size_t>(below(rng, static_cast<std::int64_t>(count)));
        const std::size_t size = std::min(count - begin, static_cast<std::size_t>(1 + below(rng, 30)));
        if (!windows.always_has_latest(lookback, {}, begin, size)) continue;
        ++latest_stretches;
        const auto bounds = windows.latest_bounds({}, begin, size);
        for (std::size_t i = begin; i < begin + size; ++i) {
          ASSERT_EQ(states[i], WindowState::value);
          if (!bounds) continue;
          ASSERT_GE(got[i], bounds->least);
          ASSERT_LE(got[i], bounds->most);
        }
      }
    }
  }
  EXPECT_GT(values, 200'000u);
  EXPECT_GT(nothings, 20'000u);
  EXPECT_GT(stretches, 1'500u);
  EXPECT_GT(latest_stretches, 3'000u);
}

// Each sample of a falling series is the greatest of some window to come.
TEST(MovingWindows, WhatMaximaRememberCountsInBytes) {
  SeriesStore store{Limits{}};
  const SeriesId id = *store.series(Labels(std::vector<Labels::Pair>{{"__name__", "m"}}));
  constexpr std::size_t count = 1000;
  for (std::size_t i = 0; i < count; ++i)
    ASSERT_TRUE(store.append(id, Instant{} + seconds(static_cast<std::int64_t>(i)), -static_cast<double>(i)));
  Cursor series(store);
  series.open(id);
  MovingWindows windows;
  windows.load(series, Instant{}, seconds(1), count, minutes(20));
  const std::size_t loaded = windows.bytes();
  std::vector<double> got(count);
  std::vector<WindowState> states(count);
  const auto ask = [&](RangeFn fn) {
    windows.range({fn, minutes(20), {}, Semantics::prometheus2}, 0, count, got.data(), states.data());
    return windows.bytes();
  };
  const std::size_t with_minima = ask(RangeFn::min_over_time);
  EXPECT_LT(with_minima - loaded, 1000u);
  EXPECT_GE(ask(RangeFn::max_over_time) - with_minima, count * (sizeof(double) + sizeof(std::uint64_t)));
  EXPECT_EQ(got[count - 1], 0.0);
}

}  // namespace
}  // namespace signalbox::store
