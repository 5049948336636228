#include "runtime/store/window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <string_view>

#include "runtime/store/extrapolate.hpp"

namespace signalbox::store {
namespace {

double ms_to_seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

// Neumaier's variant of Kahan's sum: takes turns at which of the two loses digits. What was lost before the
// sum became infinite would make NaN of it. Prometheus 2 avoids that only in sums and averages, by looking at
// the end, and lets it happen in variances and regressions: `compensates_infinity`.
struct CompensatedSum {
  double sum = 0, compensation = 0;
  bool compensates_infinity = false;

  void add(double value) {
    const double total = sum + value;
    if (std::isinf(total) && !compensates_infinity) {
      compensation = 0;
    } else if (std::fabs(sum) >= std::fabs(value)) {
      compensation += (sum - total) + value;
    } else {
      compensation += (value - total) + sum;
    }
    sum = total;
  }
  double value() const { return sum + compensation; }
};

double sum_of(std::span<const double> values) {
  CompensatedSum sum;
  for (const double value : values) sum.add(value);
  return sum.value();
}

double running_mean(std::span<const double> values) {
  CompensatedSum mean;
  double count = 0;
  for (const double value : values) {
    ++count;
    // From an infinite mean only the opposite infinity or NaN leads away; subtracting it would give NaN for
    // all.
    if (std::isinf(mean.sum) && !std::isnan(value) && (!std::isinf(value) || (mean.sum > 0) == (value > 0)))
      continue;
    mean.add(value / count - mean.sum / count);
  }
  return mean.value();
}

// The sum divided, and a running mean from the point on where the sum would overflow (Prometheus 3.5 and
// later).
double mean_of_sum(std::span<const double> values) {
  CompensatedSum state{.sum = values[0], .compensation = 0};
  bool running = false;
  double count = 1;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const double before = count;
    ++count;
    if (!running) {
      CompensatedSum next = state;
      next.add(values[i]);
      if (!std::isinf(next.sum)) {
        state = next;
        continue;
      }
      running = true;
      state.sum /= before;
      state.compensation /= before;
    }
    const double share = before / count;
    state.sum *= share;
    state.compensation *= share;
    state.add(values[i] / count);
  }
  return running ? state.value() : state.sum / count + state.compensation / count;
}

// Welford's recurrence, with both running values compensated.
double variance(std::span<const double> values, Semantics semantics) {
  const bool as_2 = semantics == Semantics::prometheus2;
  CompensatedSum mean{0, 0, as_2}, squares = mean;
  double count = 0;
  for (const double value : values) {
    ++count;
    const double delta = value - mean.value();
    mean.add(delta / count);
    squares.add(delta * (value - mean.value()));
  }
  return squares.value() / count;
}

template <class Better>
double extreme(std::span<const double> values, Better better) {
  double best = values[0];
  for (const double value : values)
    if (better(value, best) || std::isnan(best)) best = value;
  return best;
}

double changes(std::span<const double> values) {
  std::size_t count = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const double before = values[i - 1], now = values[i];
    if (now != before && !(std::isnan(now) && std::isnan(before))) ++count;
  }
  return static_cast<double>(count);
}

}  // namespace

Instant window_start(Instant end, Duration length, Semantics semantics) {
  const Instant start = end - length;
  return semantics == Semantics::prometheus3 ? start + milliseconds(1) : start;
}

double extrapolated(RangeFn fn, double change, const WindowEnds& ends, Instant end, Duration length,
                    Semantics semantics) {
  return change * extrapolation_factor(fn, change, ends, end, length, semantics);
}

double extrapolation_factor(RangeFn fn, double change, const WindowEnds& ends, Instant end, Duration length,
                            Semantics semantics) {
  const bool counter = fn != RangeFn::delta;
  const double sampled = ms_to_seconds(ends.last_time - ends.first_time);
  const double spacing = sampled / static_cast<double>(ends.steps);
  const double threshold = spacing * 1.1;
  double to_start = ms_to_seconds(ends.first_time - (end - length).ms);
  double to_end = ms_to_seconds(end.ms - ends.last_time);

  const auto clamp_to_zero_point = [&] {
    if (!counter || !(change > 0) || !(ends.first >= 0)) return;
    const double to_zero = sampled * (ends.first / change);
    if (to_zero < to_start) to_start = to_zero;
  };
  const auto cut_to_half_spacing = [&](double& gap) {
    if (gap >= threshold) gap = spacing / 2;
  };
  if (semantics == Semantics::prometheus2) {
    clamp_to_zero_point();
    cut_to_half_spacing(to_start);
  } else {
    cut_to_half_spacing(to_start);
    clamp_to_zero_point();
  }
  cut_to_half_spacing(to_end);

  double factor = (sampled + to_start + to_end) / sampled;
  if (fn == RangeFn::rate) factor /= range_seconds(length);
  return factor;
}

double over_values(RangeFn fn, std::span<const double> values, Semantics semantics) {
  switch (fn) {
    case RangeFn::changes:
      return changes(values);
    case RangeFn::avg_over_time:
      return semantics == Semantics::prometheus2 ? running_mean(values) : mean_of_sum(values);
    case RangeFn::sum_over_time:
      return sum_of(values);
    case RangeFn::stdvar_over_time:
      return variance(values, semantics);
    case RangeFn::stddev_over_time:
      return std::sqrt(variance(values, semantics));
    case RangeFn::min_over_time:
      return extreme(values, [](double value, double best) { return value < best; });
    default:
      assert(fn == RangeFn::max_over_time);
      return extreme(values, [](double value, double best) { return value > best; });
  }
}

namespace {

struct Line {
  double slope, intercept;  // the latter at `origin`
};
// Least squares through the samples, their times in seconds from `origin`. Samples that are all equal lie on
// a level line, whatever rounding would make of it.
Line regression(const SamplesView& samples, std::int64_t origin, Semantics semantics) {
  const double first = samples.values[0];
  if (std::all_of(samples.values.begin(), samples.values.end(), [&](double v) { return v == first; })) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return std::isinf(first) ? Line{nan, nan} : Line{0, first};
  }
  CompensatedSum x{0, 0, semantics == Semantics::prometheus2}, y = x, xy = x, xx = x;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double at = ms_to_seconds(samples.times[i] - origin), value = samples.values[i];
    x.add(at);
    y.add(value);
    xy.add(at * value);
    xx.add(at * at);
  }
  const auto n = static_cast<double>(samples.size());
  const double covariance = xy.value() - x.value() * y.value() / n;
  const double slope = covariance / (xx.value() - x.value() * x.value() / n);
  return {slope, y.value() / n - slope * x.value() / n};
}

// Double exponential smoothing: level by params[0], trend by params[1].
double smoothed(std::span<const double> values, double level, double trend) {
  double before = 0, now = values[0], slope = values[1] - values[0];
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (i > 1) slope = trend * (now - before) + (1 - trend) * slope;
    const double next = level * values[i] + (1 - level) * (now + slope);
    before = now;
    now = next;
  }
  return now;
}

double over_samples(RangeFn fn, const SamplesView& samples, const RangeArgs& args, Semantics semantics) {
  switch (fn) {
    case RangeFn::quantile_over_time:
      return quantile(args.params[0], {samples.values.begin(), samples.values.end()});
    case RangeFn::deriv:
      return regression(samples, samples.times[0], semantics).slope;
    case RangeFn::predict_linear: {
      const Line line = regression(samples, args.now.ms, semantics);
      return line.slope * args.params[0] + line.intercept;
    }
    default:
      assert(fn == RangeFn::holt_winters);
      return smoothed(samples.values, args.params[0], args.params[1]);
  }
}

}  // namespace

double quantile(double q, std::vector<double> values) {
  if (values.empty() || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  std::sort(values.begin(), values.end(),
            [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
  const double rank = q * static_cast<double>(values.size() - 1), whole = std::floor(rank);
  const auto lower = static_cast<std::size_t>(whole);
  const std::size_t upper = std::min(lower + 1, values.size() - 1);
  const double weight = rank - whole;
  return values[lower] * (1 - weight) + values[upper] * weight;
}

std::optional<std::string> bad_params(RangeFn fn, const RangeArgs& args) {
  if (fn != RangeFn::holt_winters) return std::nullopt;
  constexpr std::string_view names[] = {"smoothing", "trend"};
  for (std::size_t i = 0; i < 2; ++i)
    if (args.params[i] <= 0 || args.params[i] >= 1)  // NaN is not refused: the result is NaN
      return fmt::format("the {} factor of holt_winters is between 0 and 1, not {}", names[i],
                         args.params[i]);
  return std::nullopt;
}

std::optional<double> window_value(const SamplesView& samples, RangeFn fn, Instant end, Duration length,
                                   Semantics semantics, const RangeArgs& args) {
  const std::span<const double> values = samples.values;
  const std::size_t n = values.size();
  if (n < static_cast<std::size_t>(range_fn_needs(fn))) return std::nullopt;
  const auto falls = [&](auto each) {
    for (std::size_t i = 1; i < n; ++i)
      if (values[i] < values[i - 1]) each(values[i - 1]);
  };
  switch (fn) {
    case RangeFn::rate:
    case RangeFn::increase:
    case RangeFn::delta: {
      double change = values.back() - values.front();
      if (fn != RangeFn::delta) falls([&](double before) { change += before; });
      return extrapolated(fn, change, {samples.times.front(), samples.times.back(), values.front(), n - 1},
                          end, length, semantics);
    }
    case RangeFn::irate:
    case RangeFn::idelta: {
      const double last = values[n - 1], previous = values[n - 2];
      if (fn == RangeFn::idelta) return last - previous;
      const double change = last < previous ? last : last - previous;
      return change / ms_to_seconds(samples.times[n - 1] - samples.times[n - 2]);
    }
    case RangeFn::resets: {
      double count = 0;
      falls([&](double) { ++count; });
      return count;
    }
    case RangeFn::first_over_time:
      return values.front();
    case RangeFn::last_over_time:
      return values.back();
    case RangeFn::count_over_time:
      return static_cast<double>(n);
    case RangeFn::present_over_time:
      return 1.0;
    default:
      return range_fn_reads(fn) == RangeReads::samples ? over_samples(fn, samples, args, semantics)
                                                       : over_values(fn, values, semantics);
  }
}

std::optional<double> window_value(Cursor& series, RangeFn fn, Instant end, Duration length,
                                   Semantics semantics, Samples& scratch, const RangeArgs& args) {
  const Instant start = window_start(end, length, semantics);
  const auto last = series.at_or_before(end);
  if (!last || last->time < start.ms) return std::nullopt;
  const auto first = series.at_or_after(start);
  const auto steps = static_cast<std::size_t>(last->place - first->place);
  if (steps + 1 < static_cast<std::size_t>(range_fn_needs(fn))) return std::nullopt;
  switch (fn) {
    case RangeFn::rate:
    case RangeFn::increase:
    case RangeFn::delta: {
      double change = last->value - first->value;
      if (fn != RangeFn::delta)
        for (const double before : series.resets(first->place, last->place).before) change += before;
      return extrapolated(fn, change, {first->time, last->time, first->value, steps}, end, length, semantics);
    }
    case RangeFn::irate:
    case RangeFn::idelta: {
      const Cursor::Sample previous = *series.at_place(last->place - 1);
      if (fn == RangeFn::idelta) return last->value - previous.value;
      const double change = last->value < previous.value ? last->value : last->value - previous.value;
      return change / ms_to_seconds(last->time - previous.time);
    }
    case RangeFn::resets:
      return static_cast<double>(series.resets(first->place, last->place).before.size());
    case RangeFn::first_over_time:
      return first->value;
    case RangeFn::last_over_time:
      return last->value;
    case RangeFn::count_over_time:
      return static_cast<double>(steps + 1);
    case RangeFn::present_over_time:
      return 1.0;
    default:
      scratch.clear();
      series.read(start, end, scratch);
      return window_value(scratch, fn, end, length, semantics, args);
  }
}

bool is_too_old(Instant sample, Instant at, Duration lookback, Semantics semantics) {
  const Duration age = at - sample;
  return semantics == Semantics::prometheus2 ? age > lookback : age >= lookback;
}

InstantValue instant_value(Cursor& series, Instant at, Duration lookback, Semantics semantics) {
  const auto latest = series.at_or_before(at);
  const auto end = series.end_at_or_before(at);
  if (end && (!latest || latest->time < end->ms)) return {InstantValue::State::stale, 0, *end};
  if (!latest) return {};
  if (is_too_old(Instant{latest->time}, at, lookback, semantics))
    return {InstantValue::State::stale, 0, {latest->time}};
  return {InstantValue::State::value, latest->value, {latest->time}};
}

RawIncrease raw_increase(Cursor& series, Instant first, Instant last) {
  RawIncrease out;
  const auto begin = series.at_or_after(first), end = series.at_or_before(last);
  if (!begin || !end || begin->place > end->place) return out;
  bool numbers = true;
  const auto add_up_to = [&](const Cursor::Sample& from, const Cursor::Sample& to) {
    const Cursor::Resets resets = series.resets(from.place, to.place);
    numbers = numbers && (resets.numbers || from.place == to.place);
    if (from.place == to.place) return;
    double change = to.value - from.value;
    for (const double before : resets.before) change += before;
    out.sum += change;
    out.steps += static_cast<std::size_t>(to.place - from.place);
  };
  Cursor::Sample from = *begin;
  for (const Cursor::Birth& birth : series.births(first, last)) {
    if (birth.place > from.place) add_up_to(from, *series.at_place(birth.place - 1));
    from = *series.at_place(birth.place);
    if (birth.absent_at < first) continue;
    out.sum += from.value;
    ++out.steps;
  }
  add_up_to(from, *end);
  if (!numbers) out.sum = std::numeric_limits<double>::quiet_NaN();
  return out;
}

}  // namespace signalbox::store
