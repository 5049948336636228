// What is noted of samples while they come, in pieces of any size, against a look at all of them.
#include "runtime/store/course.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "runtime/base/stale_marker.hpp"
#include "runtime/store/moving_windows.hpp"

namespace signalbox::store {
namespace {

using Rng = std::mt19937_64;

bool chance(Rng& rng, unsigned percent) {
  return rng() % 100 < percent;
}

struct Made {
  std::vector<std::int64_t> times;
  std::vector<double> values;
};
Made some_samples(Rng& rng) {
  Made out;
  const bool jitter = chance(rng, 20), falls_back = chance(rng, 20), markers = chance(rng, 20);
  const unsigned resets = chance(rng, 50) ? 2 : 0, nans = chance(rng, 30) ? 1 : 0;
  std::int64_t time = static_cast<std::int64_t>(rng() % 1000), distance = 15'000;
  double value = 0;
  for (std::size_t n = rng() % 1500; n > 0; --n) {
    if (chance(rng, 1)) distance = 1000 * (1 + static_cast<std::int64_t>(rng() % 60));
    time += jitter                         ? 1 + static_cast<std::int64_t>(rng() % 20'000)
            : falls_back && chance(rng, 1) ? -static_cast<std::int64_t>(rng() % 20'000)
            : chance(rng, 1)               ? 5 * distance
                                           : distance;
    value = chance(rng, resets) ? 1 : value + static_cast<double>(rng() % 100);
    out.times.push_back(time);
    out.values.push_back(chance(rng, nans)           ? std::numeric_limits<double>::quiet_NaN()
                         : markers && chance(rng, 1) ? stale_marker()
                                                     : value);
  }
  return out;
}

void expect_true_of(const Course& course, const Made& made) {
  ASSERT_EQ(course.samples, made.times.size());
  const auto listed = [](const std::vector<std::uint32_t>& places, std::size_t i) {
    return std::binary_search(places.begin(), places.end(), static_cast<std::uint32_t>(i));
  };
  bool rises = true, marked = false;
  for (std::size_t i = 0; i < made.times.size(); ++i) {
    const bool odd = std::isnan(made.values[i]) || (i > 0 && made.values[i] < made.values[i - 1]);
    if (odd) {
      ASSERT_TRUE(listed(course.odd_values, i)) << i;
    }
    rises = rises && (i == 0 || made.times[i] > made.times[i - 1]);
    marked = marked || is_stale_marker(made.values[i]);
    if (course.restless || i < 2 ||
        made.times[i] - made.times[i - 1] == made.times[i - 1] - made.times[i - 2])
      continue;
    ASSERT_TRUE(listed(course.odd_distances, i)) << i;
  }
  ASSERT_EQ(course.rises, rises);
  ASSERT_EQ(course.markers, marked);
  for (const auto* places : {&course.odd_values, &course.odd_distances})
    for (const std::uint32_t place : *places) ASSERT_LT(place, made.times.size());
}

// Samples from `first` on in pieces, and what is true of each of them; some is left unsaid.
struct Told {
  std::vector<std::uint32_t> begins;
  Pieces pieces;
};
Told pieces_of(Rng& rng, const Made& made, std::size_t first, std::size_t last) {
  Told out;
  bool rising = true, steady = true;
  for (std::size_t from = first; from < last;) {
    const std::size_t to = std::min(last, from + 1 + rng() % 150);
    out.begins.push_back(static_cast<std::uint32_t>(from));
    for (std::size_t i = from + 1; i < to; ++i) {
      rising = rising && made.values[i] >= made.values[i - 1];
      steady = steady &&
               (i < from + 2 || made.times[i] - made.times[i - 1] == made.times[i - 1] - made.times[i - 2]);
    }
    from = to;
  }
  out.pieces = {out.begins, rising && chance(rng, 90), steady && chance(rng, 90)};
  return out;
}

TEST(Course, OfPiecesWithWhatTheirMakerSawNamesTheSamePlaces) {
  Rng rng(5);
  std::size_t rising = 0, steady = 0;
  for (int round = 0; round < 4000; ++round) {
    const Made made = some_samples(rng);
    Course course, alone;
    for (std::size_t known = 0; known < made.times.size();) {
      const std::size_t before = known;
      known = std::min(made.times.size(), known + 1 + (chance(rng, 20) ? rng() % 3 : rng() % 500));
      const Told told = pieces_of(rng, made, before, known);
      rising += told.pieces.rising ? 1 : 0;
      steady += told.pieces.steady ? 1 : 0;
      course.follow({made.times.data(), known}, {made.values.data(), known}, told.pieces);
      alone.follow({made.times.data(), known}, {made.values.data(), known});
    }
    expect_true_of(course, made);
    ASSERT_EQ(course.odd_values, alone.odd_values);
    ASSERT_EQ(course.odd_distances, alone.odd_distances);
    ASSERT_EQ(course.restless, alone.restless);
  }
  EXPECT_GT(rising, 1000u);
  EXPECT_GT(steady, 1000u);
}

TEST(Course, NamesEveryPlaceThatIsOdd) {
  Rng rng(3);
  std::size_t restless = 0, few = 0;
  for (int round = 0; round < 2000; ++round) {
    const Made made = some_samples(rng);
    Course course;
    for (std::size_t known = 0; known < made.times.size();) {
      known = std::min(made.times.size(), known + 1 + (chance(rng, 20) ? rng() % 3 : rng() % 200));
      course.follow({made.times.data(), known}, {made.values.data(), known});
    }
    expect_true_of(course, made);
    ++(course.restless ? restless : few);
    if (made.times.empty() || !course.rises || course.markers) continue;
    const std::size_t first = rng() % made.times.size(),
                      last = first + rng() % (made.times.size() - first + 1);
    course.cut(first, last);
    const auto begin = static_cast<std::ptrdiff_t>(first), end = static_cast<std::ptrdiff_t>(last);
    expect_true_of(course, {{made.times.begin() + begin, made.times.begin() + end},
                            {made.values.begin() + begin, made.values.begin() + end}});
  }
  EXPECT_GT(restless, 200u);
  EXPECT_GT(few, 1000u);
}

// A damaged chunk has any times, also such as are further apart than a number tells.
TEST(Course, TakesAnyTimes) {
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min(),
                         highest = std::numeric_limits<std::int64_t>::max();
  const std::vector<double> values = {1, 2, 3, 4};
  const auto followed = [&](const std::vector<std::int64_t>& times) {
    Course course;
    course.follow(times, std::span(values).first(times.size()));
    EXPECT_EQ(course.samples, times.size());
    return course.rises;
  };
  EXPECT_TRUE(followed({}));
  EXPECT_TRUE(followed({lowest, highest}));
  EXPECT_TRUE(followed({lowest, -1, 0, highest}));
  EXPECT_FALSE(followed({lowest, highest, lowest, highest}));
  EXPECT_FALSE(followed({0, lowest, 0, lowest})) << "from each to the next it is as far";
  EXPECT_FALSE(followed({5, 5, 5, 5})) << "twice";
}

// A series that says how its samples run gives the windows, and the resets, that one gives of which they are
// looked for.
TEST(Course, ChangesNothingThatIsSeen) {
  Rng rng(4);
  std::size_t values = 0;
  for (int round = 0; round < 400; ++round) {
    Made made = some_samples(rng);
    Course course;
    course.follow(made.times, made.values);
    if (made.times.size() < 2 || !course.rises || course.markers) continue;
    SeriesStore told{Limits{}}, untold{Limits{}};
    const Labels labels(std::vector<Labels::Pair>{{"__name__", "m"}});
    for (SeriesStore* store : {&told, &untold}) {
      SeriesHistory history;
      history.column.last_sample = made.times.back();
      history.column.tail_times.assign(made.times.begin(), made.times.end());
      history.column.tail_values.assign(made.values.begin(), made.values.end());
      if (store == &told) history.course = course;
      ASSERT_TRUE(store->adopt(*store->series(labels), std::move(history)));
    }
    Cursor a(told), b(untold);
    a.open(*told.find(labels));
    b.open(*untold.find(labels));
    ASSERT_NE(a.course(), nullptr);
    ASSERT_EQ(b.course(), nullptr);
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t first = rng() % made.times.size(), last = first + rng() % made.times.size();
      const Cursor::Resets x = a.resets(first, last), y = b.resets(first, last);
      ASSERT_EQ(x.before, y.before);
      ASSERT_EQ(x.numbers, y.numbers);
    }
    const Instant from{made.times[rng() % made.times.size()]};
    const Duration step{chance(rng, 70) ? 15'000 * (1 + static_cast<std::int64_t>(rng() % 4)) : 7'001};
    constexpr std::size_t count = 300;
    MovingWindows with, without;
    with.load(a, from, step, count, hours(2));
    without.load(b, from, step, count, hours(2));
    std::vector<double> x(count), y(count);
    std::vector<WindowState> s(count), t(count);
    for (const RangeFn fn : {RangeFn::increase, RangeFn::resets, RangeFn::last_over_time, RangeFn::changes}) {
      const MovingWindows::Range range{
          fn, step * (1 + static_cast<std::int64_t>(rng() % 60)), {}, Semantics::prometheus2};
      with.range(range, 0, count, x.data(), s.data());
      without.range(range, 0, count, y.data(), t.data());
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(s[i], t[i]);
        ASSERT_TRUE(x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])));
        values += s[i] == WindowState::value ? 1u : 0u;
      }
    }
  }
  EXPECT_GT(values, 50'000u);
}

}  // namespace
}  // namespace signalbox::store
