#include "runtime/store/window.hpp"

#include <cmath>

namespace signalbox::store {
namespace {

// Prometheus divides by whole seconds plus a fraction, which is not always the nearest double to ms / 1000.
double range_seconds(Duration length) {
  const std::int64_t whole = length.ms / 1000, nanoseconds = length.ms % 1000 * 1'000'000;
  return static_cast<double>(whole) + static_cast<double>(nanoseconds) / 1e9;
}

double ms_to_seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

double extrapolated(RangeFn fn, const WindowSamples& in, Instant end, Duration length, Semantics semantics) {
  const bool counter = fn != RangeFn::delta;
  const std::size_t steps = in.values.size() - 1;
  double result = in.values.back() - in.values.front();
  if (counter) {
    for (std::size_t i = 1; i <= steps; ++i)
      if (in.values[i] < in.values[i - 1]) result += in.values[i - 1];
  }

  const double sampled = ms_to_seconds(in.times.back() - in.times.front());
  const double spacing = sampled / static_cast<double>(steps);
  const double threshold = spacing * 1.1;
  double to_start = ms_to_seconds(in.times.front() - (end - length).ms);
  double to_end = ms_to_seconds(end.ms - in.times.back());

  const auto clamp_to_zero_point = [&] {
    if (!counter || !(result > 0) || !(in.values.front() >= 0)) return;
    const double to_zero = sampled * (in.values.front() / result);
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
  return result * factor;
}

double instant_change(RangeFn fn, const WindowSamples& in) {
  const std::size_t n = in.values.size();
  const double last = in.values[n - 1], previous = in.values[n - 2];
  if (fn == RangeFn::idelta) return last - previous;
  const double change = last < previous ? last : last - previous;
  return change / ms_to_seconds(in.times[n - 1] - in.times[n - 2]);
}

// Neumaier's variant of Kahan's sum: takes turns at which of the two loses digits. What was lost before the
// sum became infinite would make NaN of it. (Prometheus 2 has the same values by looking at the end.)
struct CompensatedSum {
  double sum = 0, compensation = 0;

  void add(double value) {
    const double total = sum + value;
    if (std::isinf(total)) {
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

double sum_of(const std::vector<double>& values) {
  CompensatedSum sum;
  for (const double value : values) sum.add(value);
  return sum.value();
}

double running_mean(const std::vector<double>& values) {
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
double mean_of_sum(const std::vector<double>& values) {
  CompensatedSum state{.sum = values[0]};
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

template <class Better>
double extreme(const std::vector<double>& values, Better better) {
  double best = values[0];
  for (const double value : values)
    if (better(value, best) || std::isnan(best)) best = value;
  return best;
}

template <class Event>
double count_steps(const std::vector<double>& values, Event event) {
  std::size_t count = 0;
  for (std::size_t i = 1; i < values.size(); ++i)
    if (event(values[i - 1], values[i])) ++count;
  return static_cast<double>(count);
}

}  // namespace

void select_window(const SeriesStore& store, SeriesId id, Instant end, Duration length, Semantics semantics,
                   WindowSamples& out) {
  out.times.clear();
  out.values.clear();
  Instant first = end - length;
  if (semantics == Semantics::prometheus3) first = first + milliseconds(1);
  const Points points = store.points(id, first, end);
  bool ended = false;
  for (const double value : points.values) ended |= is_stale_marker(value);
  if (!ended) {
    out.times.assign(points.times.begin(), points.times.end());
    out.values.assign(points.values.begin(), points.values.end());
    return;
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (is_stale_marker(points.values[i])) continue;
    out.times.push_back(points.times[i]);
    out.values.push_back(points.values[i]);
  }
}

std::optional<double> apply_range_fn(RangeFn fn, const WindowSamples& in, Instant end, Duration length,
                                     Semantics semantics) {
  if (in.values.size() < static_cast<std::size_t>(range_fn_needs(fn))) return std::nullopt;
  const std::vector<double>& values = in.values;
  switch (fn) {
    case RangeFn::rate:
    case RangeFn::increase:
    case RangeFn::delta:
      return extrapolated(fn, in, end, length, semantics);
    case RangeFn::irate:
    case RangeFn::idelta:
      return instant_change(fn, in);
    case RangeFn::resets:
      return count_steps(values, [](double before, double now) { return now < before; });
    case RangeFn::changes:
      return count_steps(values, [](double before, double now) {
        return now != before && !(std::isnan(now) && std::isnan(before));
      });
    case RangeFn::last_over_time:
      return values.back();
    case RangeFn::avg_over_time:
      return semantics == Semantics::prometheus2 ? running_mean(values) : mean_of_sum(values);
    case RangeFn::sum_over_time:
      return sum_of(values);
    case RangeFn::min_over_time:
      return extreme(values, [](double value, double best) { return value < best; });
    case RangeFn::max_over_time:
      return extreme(values, [](double value, double best) { return value > best; });
    case RangeFn::count_over_time:
      return static_cast<double>(values.size());
  }
  return std::nullopt;
}

InstantValue instant_value(const SeriesStore& store, SeriesId id, Instant at, Duration lookback,
                           Semantics semantics) {
  const auto latest = store.latest(id, at);
  if (!latest) return {};
  const Duration age = at - latest->time;
  const bool too_old = semantics == Semantics::prometheus2 ? age > lookback : age >= lookback;
  if (too_old || is_stale_marker(latest->value)) return {InstantValue::State::stale, 0, latest->time};
  return {InstantValue::State::value, latest->value, latest->time};
}

}  // namespace signalbox::store
