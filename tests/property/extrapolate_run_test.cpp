// Runs of windows worked out together, by reciprocals where that is sure, against each by itself: to the bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "runtime/store/extrapolate.hpp"
#include "runtime/store/window.hpp"

namespace signalbox::store {
namespace {

struct Samples {
  std::vector<std::int64_t> times;
  std::vector<double> ms, values;
};

class Runs {
 public:
  explicit Runs(std::uint64_t seed) : rng_(seed) {}

  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(rng_() % static_cast<std::uint64_t>(n));
  }
  bool chance(int percent) { return below(100) < percent; }

  // One sample for each instant of the grid, some time before it; counters that begin near zero now and then.
  Samples samples(std::size_t count, std::int64_t spacing, std::int64_t jitter) {
    Samples out;
    double level = chance(30) ? 0 : static_cast<double>(below(1'000'000)) / (chance(50) ? 1 : 37);
    const bool quiet = chance(20), wild = chance(15), tiny = chance(10);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t time = static_cast<std::int64_t>(i) * spacing + below(jitter + 1);
      level += quiet && !chance(3) ? 0 : static_cast<double>(below(1000)) / 7;
      double value = tiny ? static_cast<double>(i / 2) * 5e-324 : level;  // products of which lose digits
      constexpr double odd[] = {std::numeric_limits<double>::quiet_NaN(),
                                HUGE_VAL,
                                -HUGE_VAL,
                                1.7e308,
                                5e-324,
                                -0.0,
                                0.0,
                                -3.0,
                                1e299};
      if (wild && chance(5)) value = odd[below(9)];
      out.times.push_back(time);
      out.ms.push_back(static_cast<double>(time));
      out.values.push_back(value);
    }
    return out;
  }

 private:
  std::mt19937_64 rng_;
};

TEST(ExtrapolateRun, IsEachWindowByItself) {
  Runs runs(7);
  std::size_t sure = 0, all_windows = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::int64_t spacings[] = {1, 250, 1000, 5'000, 15'000, 60'000, 61'234};
    const std::int64_t spacing = spacings[runs.below(7)];
    const std::int64_t jitter = runs.chance(30) ? 0 : runs.chance(70) ? spacing / 60 : spacing - 1;
    const std::size_t steps = 1 + static_cast<std::size_t>(runs.below(runs.chance(50) ? 6 : 300));
    const std::size_t windows = 8 + static_cast<std::size_t>(runs.below(600));
    const Samples of = runs.samples(windows + steps, spacing, jitter);
    // Ends anywhere up to near the next sample, now and then far from both: where the range is cut.
    const std::int64_t late = runs.chance(80) ? jitter + runs.below(spacing) : runs.below(4 * spacing);
    const std::int64_t early = runs.chance(80) ? runs.below(spacing + 1) : runs.below(3 * spacing);
    const std::int64_t length = static_cast<std::int64_t>(steps) * spacing + late + early;
    const std::int64_t end = static_cast<std::int64_t>(steps) * spacing + late;
    std::vector<double> changes(windows);
    const bool with_changes = runs.chance(30);
    for (std::size_t i = 0; i < windows; ++i) {
      changes[i] = of.values[i + steps] - of.values[i];
      if (with_changes && runs.chance(20)) changes[i] += static_cast<double>(runs.below(5000)) / 3;
    }
    for (const RangeFn fn : {RangeFn::rate, RangeFn::increase, RangeFn::delta}) {
      for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3}) {
        std::vector<double> got(windows, -1);
        const bool nan = extrapolate_run(
            fn, semantics, Duration{length},
            {windows, of.ms.data(), of.ms.data() + steps, of.values.data(), of.values.data() + steps,
             static_cast<double>(end), static_cast<double>(spacing), with_changes ? changes.data() : nullptr},
            got.data());
        sure += nan ? 0 : windows;
        all_windows += windows;
        for (std::size_t i = 0; i < windows; ++i) {
          const Instant at{end + static_cast<std::int64_t>(i) * spacing};
          const double want =
              extrapolated(fn, changes[i], {of.times[i], of.times[i + steps], of.values[i], steps}, at,
                           Duration{length}, semantics);
          ASSERT_TRUE(std::bit_cast<std::uint64_t>(want) == std::bit_cast<std::uint64_t>(got[i]) ||
                      (std::isnan(want) && std::isnan(got[i]) && nan))
              << "round " << round << " window " << i << ": " << want << ", " << got[i];
        }
      }
    }
  }
  EXPECT_GT(sure, all_windows / 4);
  EXPECT_LT(sure, all_windows);
}

}  // namespace
}  // namespace signalbox::store
