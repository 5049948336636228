// The store and its windows against a second, naive telling of the same rules: whole scans over plain
// vectors, no index, no shared code. Where Prometheus fixes the order of operations, equality is of bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>

#include "runtime/store/series_store.hpp"
#include "runtime/store/window.hpp"
#include "tests/support/series.hpp"

namespace signalbox::store {
namespace {

using Rng = std::mt19937_64;
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Sample {
  std::int64_t time;
  double value;
  std::optional<std::int64_t> absent_at = {};
};
using Given = std::vector<Sample>;

std::int64_t below(Rng& rng, std::int64_t n) {
  return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
}
bool chance(Rng& rng, int percent) {
  return below(rng, 100) < percent;
}

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
bool same(std::optional<double> a, std::optional<double> b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

Given random_series(Rng& rng) {
  const bool counter = chance(rng, 60), whole = chance(rng, 50), wild = chance(rng, 30),
             jitter = chance(rng, 50);
  const std::int64_t spacing = 1000 * (1 + below(rng, 30));
  Given out;
  std::int64_t time = below(rng, 100'000);
  double level = counter ? static_cast<double>(below(rng, 50)) : static_cast<double>(below(rng, 200) - 100);
  for (std::int64_t n = below(rng, chance(rng, 25) ? 1000 : 120); n > 0; --n) {
    time += chance(rng, 5) ? spacing * (2 + below(rng, 20)) : jitter ? 1 + below(rng, 2 * spacing) : spacing;
    const double step = static_cast<double>(below(rng, 1000)) / (whole ? 1.0 : 37.0);
    if (counter) {
      level = chance(rng, 4) ? step / 10 : level + (chance(rng, 30) ? 0 : step);
    } else {
      level += step - 13;
    }
    double value = level;
    if (wild && chance(rng, 15)) {
      constexpr double odd[] = {nan, inf, -inf, 1.7e308, -1.7e308, 5e-324, -0.0, 1e16};
      value = odd[below(rng, 8)];
    }
    if (chance(rng, 4)) value = stale_marker();
    Sample sample{time, value};
    if (chance(rng, 5)) sample.absent_at = time - below(rng, 3 * spacing);
    out.push_back(sample);
  }
  return out;
}

SeriesId fill(SeriesStore& store, const Given& samples, const std::string& name) {
  const SeriesId id = *store.series(Labels({{"__name__", name}}));
  for (const Sample& s : samples) {
    std::optional<Instant> absent_at;
    if (s.absent_at) absent_at = Instant{*s.absent_at};
    EXPECT_EQ(*store.append(id, {s.time}, s.value, absent_at), AppendOutcome::stored);
  }
  return id;
}

Given naive_window(const Given& samples, std::int64_t end, std::int64_t length, Semantics semantics) {
  Given out;
  for (const Sample& s : samples) {
    if (s.time > end || s.time < end - length) continue;
    if (s.time == end - length && semantics == Semantics::prometheus3) continue;
    if (std::bit_cast<std::uint64_t>(s.value) == 0x7ff0000000000002ull) continue;
    out.push_back(s);
  }
  return out;
}

double naive_extrapolation(const Given& in, std::int64_t end, std::int64_t length, bool counter,
                           bool per_second, Semantics semantics) {
  double rise = in.back().value - in.front().value;
  for (std::size_t i = 0; counter && i + 1 < in.size(); ++i)
    if (in[i + 1].value < in[i].value) rise = rise + in[i].value;
  const double covered = static_cast<double>(in.back().time - in.front().time) / 1000.0;
  const double mean_gap = covered / static_cast<double>(in.size() - 1);
  double before = static_cast<double>(in.front().time - (end - length)) / 1000.0;
  double after = static_cast<double>(end - in.back().time) / 1000.0;
  const bool has_zero_point = counter && rise > 0 && in.front().value >= 0;
  const double zero_point = has_zero_point ? covered * (in.front().value / rise) : inf;
  if (semantics == Semantics::prometheus2) before = zero_point < before ? zero_point : before;
  if (!(before < mean_gap * 1.1)) before = mean_gap / 2;
  if (semantics == Semantics::prometheus3) before = zero_point < before ? zero_point : before;
  if (!(after < mean_gap * 1.1)) after = mean_gap / 2;
  double interval = covered;
  interval += before;
  interval += after;
  const double stretch = interval / covered;
  const std::int64_t whole = length / 1000, rest = length % 1000;
  const double seconds = static_cast<double>(whole) + static_cast<double>(rest) * 1e6 / 1e9;
  return per_second ? rise * (stretch / seconds) : rise * stretch;
}

std::pair<double, double> two_sum(double sum, double carry, double value, Semantics semantics) {
  const double total = sum + value;
  if (semantics == Semantics::prometheus3 && (total == inf || total == -inf)) return {total, 0};
  const bool sum_larger = std::abs(sum) >= std::abs(value);
  const double large = sum_larger ? sum : value, small = sum_larger ? value : sum;
  return {total, carry + ((large - total) + small)};
}

double naive_sum(const Given& in, Semantics semantics) {
  double sum = 0, carry = 0;
  for (const Sample& s : in) std::tie(sum, carry) = two_sum(sum, carry, s.value, semantics);
  return sum == inf || sum == -inf ? sum : sum + carry;
}

double naive_mean2(const Given& in) {
  double mean = 0, carry = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double n = static_cast<double>(i + 1), v = in[i].value;
    const bool stays_infinite = (mean == inf && v > -inf) || (mean == -inf && v < inf);
    if (!stays_infinite)
      std::tie(mean, carry) = two_sum(mean, carry, v / n - mean / n, Semantics::prometheus2);
  }
  return mean == inf || mean == -inf ? mean : mean + carry;
}

double naive_mean3(const Given& in) {
  // The longest prefix whose compensated sum stays finite is summed; what comes after moves its mean.
  double sum = in[0].value, carry = 0;
  std::size_t n = 1;
  for (; n < in.size(); ++n) {
    const auto [next, next_carry] = two_sum(sum, carry, in[n].value, Semantics::prometheus3);
    if (next == inf || next == -inf) break;
    sum = next;
    carry = next_carry;
  }
  const double summed = static_cast<double>(n);
  if (n == in.size()) return sum / summed + carry / summed;
  double mean = sum / summed;
  carry = carry / summed;
  for (; n < in.size(); ++n) {
    const double count = static_cast<double>(n + 1), weight = static_cast<double>(n) / count;
    std::tie(mean, carry) =
        two_sum(weight * mean, weight * carry, in[n].value / count, Semantics::prometheus3);
  }
  return mean + carry;
}

std::optional<double> naive(RangeFn fn, const Given& in, std::int64_t end, std::int64_t length,
                            Semantics semantics) {
  if (in.empty()) return {};
  const std::string_view name = range_fn_name(fn);
  const bool pairs =
      name == "rate" || name == "increase" || name == "delta" || name == "irate" || name == "idelta";
  if (pairs && in.size() < 2) return {};
  if (name == "rate") return naive_extrapolation(in, end, length, true, true, semantics);
  if (name == "increase") return naive_extrapolation(in, end, length, true, false, semantics);
  if (name == "delta") return naive_extrapolation(in, end, length, false, false, semantics);
  if (name == "irate" || name == "idelta") {
    const Sample a = in[in.size() - 2], b = in.back();
    if (name == "idelta") return b.value - a.value;
    return (b.value < a.value ? b.value : b.value - a.value) /
           (static_cast<double>(b.time - a.time) / 1000.0);
  }
  if (name == "count_over_time") return static_cast<double>(in.size());
  if (name == "first_over_time") return in.front().value;
  if (name == "last_over_time") return in.back().value;
  if (name == "sum_over_time") return naive_sum(in, semantics);
  if (name == "avg_over_time") return semantics == Semantics::prometheus2 ? naive_mean2(in) : naive_mean3(in);
  if (name == "resets" || name == "changes") {
    int n = 0;
    for (std::size_t i = 1; i < in.size(); ++i) {
      const double a = in[i - 1].value, b = in[i].value;
      n += name == "resets" ? b < a : !(a == b || (std::isnan(a) && std::isnan(b)));
    }
    return n;
  }
  std::vector<double> numbers;
  for (const Sample& s : in)
    if (!std::isnan(s.value)) numbers.push_back(s.value);
  if (numbers.empty()) return nan;
  return name == "min_over_time" ? *std::min_element(numbers.begin(), numbers.end())
                                 : *std::max_element(numbers.begin(), numbers.end());
}

TEST(Windows, EqualTheNaiveTellingForEveryFunction) {
  Rng rng(20230203);
  std::size_t values = 0, nothings = 0;
  for (int round = 0; round < 1500; ++round) {
    SeriesStore store{Limits{}};
    const Given samples = random_series(rng);
    const SeriesId id = fill(store, samples, "m");
    for (int window = 0; window < 20; ++window) {
      // Half of the ends and starts are exactly at samples: borders are where ranges differ.
      std::int64_t end = below(rng, 2'500'000), length = 1 + below(rng, chance(rng, 50) ? 40'000 : 1'500'000);
      if (!samples.empty() && chance(rng, 50)) {
        const auto n = static_cast<std::int64_t>(samples.size());
        const std::int64_t a = samples[static_cast<std::size_t>(below(rng, n))].time;
        const std::int64_t b = samples[static_cast<std::size_t>(below(rng, n))].time;
        end = std::max(a, b);
        if (a != b) length = end - std::min(a, b);
      }
      for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3}) {
        const Samples selected = test::points(store, id, window_start({end}, {length}, semantics), {end});
        const Given expected = naive_window(samples, end, length, semantics);
        std::size_t place = 0;
        for (std::size_t i = 0; i < selected.size(); ++i) {
          if (is_stale_marker(selected.values[i])) continue;
          ASSERT_LT(place, expected.size());
          ASSERT_EQ(selected.times[i], expected[place].time);
          ASSERT_TRUE(same(selected.values[i], expected[place++].value));
        }
        ASSERT_EQ(place, expected.size());
        // Those after it are held to Prometheus itself (wire/promql_test.cpp).
        for (int f = 0; f <= static_cast<int>(RangeFn::count_over_time); ++f) {
          const auto fn = static_cast<RangeFn>(f);
          const auto ours = test::window_value(store, id, fn, {end}, {length}, semantics);
          const auto theirs = naive(fn, expected, end, length, semantics);
          ASSERT_TRUE(same(ours, theirs))
              << range_fn_name(fn) << " over " << length << " ms ending at " << end << ", round " << round
              << ": " << ours.value_or(-1) << " and " << theirs.value_or(-1);
          ++(ours ? values : nothings);
        }
      }
    }
  }
  EXPECT_GT(values, 100'000u);
  EXPECT_GT(nothings, 10'000u);
}

struct NaiveIncrease {
  double sum = 0;
  std::size_t steps = 0;
};
// From birth to birth: last less first, and what was there before each reset.
NaiveIncrease naive_increase(const Given& samples, std::int64_t first, std::int64_t last) {
  NaiveIncrease out;
  std::optional<Sample> before;
  std::vector<double> run;
  bool numbers = true;
  const auto end_run = [&] {
    if (run.size() > 1) {
      double rise = run.back() - run.front();
      for (std::size_t i = 1; i < run.size(); ++i) {
        if (run[i] < run[i - 1]) rise += run[i - 1];
        numbers = numbers && !std::isnan(run[i]) && !std::isnan(run[i - 1]);
      }
      out.sum += rise;
      out.steps += run.size() - 1;
    }
    run.clear();
  };
  for (const Sample& s : samples) {
    if (is_stale_marker(s.value)) continue;
    const bool born = s.absent_at && *s.absent_at < s.time && (!before || before->time < *s.absent_at);
    before = s;
    if (s.time < first || s.time > last) continue;
    if (born) {
      end_run();
      if (*s.absent_at >= first) {
        out.sum += s.value;
        ++out.steps;
      }
    }
    run.push_back(s.value);
  }
  end_run();
  if (!numbers) out.sum = nan;
  return out;
}

TEST(Windows, RawIncreasesEqualTheNaiveTelling) {
  Rng rng(7);
  for (int round = 0; round < 1500; ++round) {
    SeriesStore store{Limits{}};
    const Given samples = random_series(rng);
    const SeriesId id = fill(store, samples, "m");
    for (int window = 0; window < 30; ++window) {
      const std::int64_t first = below(rng, 2'000'000), last = first + below(rng, 800'000);
      const RawIncrease ours = test::raw_increase(store, id, {first}, {last});
      const NaiveIncrease theirs = naive_increase(samples, first, last);
      ASSERT_EQ(ours.steps, theirs.steps);
      ASSERT_TRUE(same(ours.sum, theirs.sum));
    }
  }
}

TEST(Windows, RawIncreasesOfWholeNumbersAddUpOverSlicesCutAtSamples) {
  Rng rng(11);
  for (int round = 0; round < 300; ++round) {
    SeriesStore store{Limits{}};
    Given samples;
    double level = 0;
    for (int i = 0; i < 60; ++i) {
      level = chance(rng, 5) ? 0 : level + static_cast<double>(below(rng, 100));
      samples.push_back({i * 10'000, level});
    }
    const SeriesId id = fill(store, samples, "m");
    const std::int64_t cut = below(rng, 60) * 10'000;
    const RawIncrease whole = test::raw_increase(store, id, {0}, {600'000});
    const RawIncrease left = test::raw_increase(store, id, {0}, {cut}),
                      right = test::raw_increase(store, id, {cut}, {600'000});
    ASSERT_EQ(whole.sum, left.sum + right.sum);
    ASSERT_EQ(whole.steps, left.steps + right.steps);
  }
}

TEST(Windows, RetentionChangesNothingAfterTheHorizon) {
  Rng rng(13);
  for (int round = 0; round < 300; ++round) {
    SeriesStore whole{Limits{}}, pruned{Limits{}};
    std::vector<Given> all(5);
    std::int64_t horizon = 0;
    for (std::size_t s = 0; s < all.size(); ++s) {
      all[s] = random_series(rng);
      fill(whole, all[s], "m" + std::to_string(s));
      fill(pruned, all[s], "m" + std::to_string(s));
    }
    for (int prune = 0; prune < 6; ++prune) {
      horizon += below(rng, 400'000);
      pruned.retain_from({horizon});
      std::size_t samples = 0, live = 0;
      for (SeriesId id = 0; id < all.size(); ++id) {
        const bool drops = !all[id].empty() && all[id].back().time < horizon;
        ASSERT_EQ(pruned.find(whole.labels(id)).has_value(), !drops);
        if (drops) continue;
        ++live;
        const Samples before = test::points(whole, id, {horizon}, {1'000'000'000});
        const Samples after = test::points(pruned, id, {horizon}, {1'000'000'000});
        ASSERT_TRUE(
            std::equal(before.times.begin(), before.times.end(), after.times.begin(), after.times.end()));
        const auto a = test::latest(whole, id, {horizon}), b = test::latest(pruned, id, {horizon});
        ASSERT_EQ(a.has_value(), b.has_value());
        if (a) {
          ASSERT_EQ(a->time, b->time);
        }
        const RawIncrease x = test::raw_increase(whole, id, {horizon}, {1'000'000'000});
        const RawIncrease y = test::raw_increase(pruned, id, {horizon}, {1'000'000'000});
        ASSERT_EQ(x.steps, y.steps);
        ASSERT_TRUE(same(x.sum, y.sum));
        samples += test::points(pruned, id, {0}, {1'000'000'000}).size();
      }
      ASSERT_EQ(pruned.series_count(), live);
      ASSERT_EQ(pruned.sample_count(), samples);
    }
  }
}

}  // namespace
}  // namespace signalbox::store
