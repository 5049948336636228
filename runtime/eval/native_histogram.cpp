#include "runtime/eval/native_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

namespace signalbox::eval {
namespace {

using plan::Aggregate;
using plan::HistogramFn;
using plan::ShapeOp;

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 nan = std::numeric_limits<double>::quiet_NaN();

// Where one side has nothing, the zero bucket reaches to 0 only.
BucketRange one_sided(BucketRange bucket, const NativeHistogram& h) {
  if (!(bucket.lower < 0 && bucket.upper > 0)) return bucket;
  if (h.negative.empty() && !h.positive.empty()) bucket.lower = 0;
  if (h.positive.empty() && !h.negative.empty()) bucket.upper = 0;
  return bucket;
}

bool on_a_line(const BucketRange& bucket, Semantics semantics) {
  return semantics == Semantics::prometheus2 || (bucket.lower <= 0 && bucket.upper >= 0);
}

HistogramPtr shared(NativeHistogram h) {
  return std::make_shared<const NativeHistogram>(std::move(h));
}

// Prometheus 2 adds the finer one to the coarser one, whichever comes first.
void add_up(NativeHistogram& sum, const NativeHistogram& more, Semantics semantics) {
  if (semantics != Semantics::prometheus2 || more.schema >= sum.schema) return add(sum, more);
  NativeHistogram coarse = more;
  add(coarse, sum);
  sum = std::move(coarse);
}

HistogramPtr combined(const Cell& a, const Cell& b, bool minus, Semantics semantics) {
  NativeHistogram out = *a.histogram;
  if (minus)
    subtract(out, *b.histogram);
  else
    add_up(out, *b.histogram, semantics);
  compact(out);
  return shared(std::move(out));
}

// With the same buckets, empty ones too. A sum of NaN is itself.
bool same(const NativeHistogram& a, const NativeHistogram& b) {
  const auto bits = [](double v) { return std::bit_cast<std::uint64_t>(v); };
  return a.schema == b.schema && a.zero_threshold == b.zero_threshold && a.zero_count == b.zero_count &&
         a.count == b.count && bits(a.sum) == bits(b.sum) && a.positive == b.positive &&
         a.negative == b.negative;
}

// Resets or changes of numbers and histograms in their order. One kind after the other is both.
std::size_t steps_of_both(RangeFn fn, const store::Histograms& all, std::size_t first, std::size_t last,
                          const store::SamplesView& numbers) {
  const auto differ = [](double a, double b) { return a != b && !(std::isnan(a) && std::isnan(b)); };
  std::size_t steps = 0, h = first, n = 0;
  for (bool was_number = false, begun = false; h < last || n < numbers.size(); begun = true) {
    const bool is_number = n < numbers.size() && (h == last || numbers.times[n] < all.time(h));
    bool step = begun && is_number != was_number;
    if (begun && is_number && was_number)
      step = fn == RangeFn::resets ? numbers.values[n] < numbers.values[n - 1]
                                   : differ(numbers.values[n], numbers.values[n - 1]);
    else if (begun && !is_number && !was_number)
      step = fn == RangeFn::resets ? is_reset(*all.at(h), *all.at(h - 1)) : !same(*all.at(h), *all.at(h - 1));
    steps += step;
    was_number = is_number;
    ++(is_number ? n : h);
  }
  return steps;
}

HistogramPtr scaled(const NativeHistogram& h, double factor) {
  NativeHistogram out = h;
  scale(out, factor);
  return shared(std::move(out));
}

HistogramPtr divided(const NativeHistogram& h, double by) {
  NativeHistogram out = h;
  out.count /= by;
  out.sum /= by;
  out.zero_count /= by;
  for (auto* side : {&out.positive, &out.negative})
    for (NativeHistogram::Bucket& b : *side) b.count /= by;
  // Prometheus': infinite or NaN in every bucket would tell nothing.
  if (by == 0) {
    out.positive.clear();
    out.negative.clear();
  }
  return shared(std::move(out));
}

// The change from the last but one of the histograms before place `last` to the last one, or that a second.
Cell last_change(RangeFn fn, const store::Histograms& all, std::size_t last) {
  NativeHistogram out = *all.at(last - 1);
  const bool rate = fn == RangeFn::irate;
  if (!rate || all.resets(last - 2, last - 1) == 0) subtract(out, *all.at(last - 2));
  compact(out);
  if (!rate) return cell_of(shared(std::move(out)));
  return cell_of(divided(out, static_cast<double>(all.time(last - 1) - all.time(last - 2)) / 1000));
}

Cell apply_to_histograms(ShapeOp op, const Cell& a, const Cell& b, Semantics semantics) {
  const bool number_a = !a.histogram && a.signal.evidence == Evidence::value,
             number_b = !b.histogram && b.signal.evidence == Evidence::value;
  switch (op) {
    case ShapeOp::add:
    case ShapeOp::sub:
      if (a.histogram && b.histogram) return cell_of(combined(a, b, op == ShapeOp::sub, semantics));
      break;
    case ShapeOp::mul:
      if (a.histogram && number_b) return cell_of(scaled(*a.histogram, b.signal.value));
      if (b.histogram && number_a) return cell_of(scaled(*b.histogram, a.signal.value));
      break;
    case ShapeOp::div:
      if (a.histogram && number_b) return cell_of(divided(*a.histogram, b.signal.value));
      break;
    case ShapeOp::neg:
      if (a.histogram) return cell_of(scaled(*a.histogram, -1));
      break;
    case ShapeOp::fallback:
      return a.histogram || number_a ? a : b;
    case ShapeOp::is_eq:
    case ShapeOp::is_ne:
      if (semantics == Semantics::prometheus2 || !a.histogram || !b.histogram) break;
      return {truth(same(*a.histogram, *b.histogram) == (op == ShapeOp::is_eq)), nullptr};
    case ShapeOp::keep:
      if (number_b && b.signal.value != 0) return a;
      break;
    case ShapeOp::where:
      if (b.histogram || number_b) return a;
      break;
    default:
      break;
  }
  return {unknown(Evidence::no_data), nullptr};
}

double value_of(HistogramFn fn, const NativeHistogram& h) {
  switch (fn) {
    case HistogramFn::count:
      return h.count;
    case HistogramFn::sum:
      return h.sum;
    case HistogramFn::avg:
      return h.sum / h.count;
    case HistogramFn::stddev:
      return std::sqrt(histogram_variance(h));
    case HistogramFn::stdvar:
      return histogram_variance(h);
    case HistogramFn::fraction:
      break;
  }
  return nan;
}

// The number that a scalar column is, or why it is none.
Signal number_of(const Column& scalar) {
  if (scalar.size() == 0) return unknown(Evidence::no_data);
  return {scalar.number(0), static_cast<Evidence>(scalar.evidence[0])};
}

}  // namespace

Cell cell_of(HistogramPtr histogram) {
  return {unknown(Evidence::no_data), std::move(histogram)};
}

Cell cell_at(const Column& column, std::size_t row) {
  return {{column.number(row), static_cast<Evidence>(column.evidence[row])},
          column.histogram.empty() ? nullptr : column.histogram[row]};
}

void put(Column& column, std::size_t row, Cell cell) {
  column.set(row, cell.signal.value, cell.signal.evidence);
  if (cell.histogram) column.histogram.resize(column.size());
  if (!column.histogram.empty()) column.histogram[row] = std::move(cell.histogram);
}

bool takes_numbers_alone(RangeFn fn, const store::Histograms& all, std::size_t last,
                         const store::SamplesView& numbers, Semantics semantics) {
  if (semantics != Semantics::prometheus3) return false;
  switch (fn) {
    case RangeFn::irate:
    case RangeFn::idelta:
      return numbers.size() >= 2 && numbers.times[numbers.size() - 2] > all.time(last - 1);
    case RangeFn::min_over_time:
    case RangeFn::max_over_time:
    case RangeFn::stddev_over_time:
    case RangeFn::stdvar_over_time:
    case RangeFn::quantile_over_time:
    case RangeFn::deriv:
    case RangeFn::predict_linear:
    case RangeFn::holt_winters:
      return numbers.size() > 0;
    default:
      return false;
  }
}

Cell over_range(RangeFn fn, const store::Histograms& all, std::size_t first, std::size_t last,
                const store::SamplesView& numbers, Instant end, Duration length, Semantics semantics) {
  const std::size_t count = last - first;
  const auto number = [](std::size_t n) { return Cell{{static_cast<double>(n), Evidence::value}, nullptr}; };
  switch (fn) {
    case RangeFn::count_over_time:
      return number(count + numbers.size());
    case RangeFn::present_over_time:
      return number(1);
    case RangeFn::first_over_time:
      if (numbers.size() > 0 && numbers.times.front() < all.time(first))
        return {{numbers.values.front(), Evidence::value}, nullptr};
      return cell_of(all.at(first));
    case RangeFn::last_over_time:
      if (numbers.size() > 0 && numbers.times.back() > all.time(last - 1))
        return {{numbers.values.back(), Evidence::value}, nullptr};
      return cell_of(all.at(last - 1));
    default:
      break;
  }
  if (semantics == Semantics::prometheus3 && (fn == RangeFn::resets || fn == RangeFn::changes))
    return number(steps_of_both(fn, all, first, last, numbers));
  if (semantics == Semantics::prometheus3 && (fn == RangeFn::irate || fn == RangeFn::idelta)) {
    const bool both_last = count >= 2 && (numbers.size() == 0 || numbers.times.back() < all.time(last - 2));
    return both_last ? last_change(fn, all, last) : Cell{unknown(Evidence::no_data), nullptr};
  }
  if (numbers.size() > 0) return {unknown(Evidence::no_data), nullptr};
  switch (fn) {
    case RangeFn::rate:
    case RangeFn::increase:
    case RangeFn::delta:
      if (count < 2) break;
      return cell_of(all.change(fn, first, last, end, length, semantics));
    case RangeFn::resets:
      return number(all.resets(first, last - 1));
    case RangeFn::changes: {
      std::size_t changes = 0;
      for (std::size_t i = first + 1; i < last; ++i) changes += *all.at(i) != *all.at(i - 1);
      return number(changes);
    }
    case RangeFn::sum_over_time:
    case RangeFn::avg_over_time: {
      NativeHistogram sum = *all.at(first);
      for (std::size_t i = first + 1; i < last; ++i) add_up(sum, *all.at(i), semantics);
      compact(sum);
      return cell_of(fn == RangeFn::sum_over_time ? shared(std::move(sum))
                                                  : divided(sum, static_cast<double>(count)));
    }
    default:
      break;
  }
  return {unknown(Evidence::no_data), nullptr};
}

Cell run_shape(const plan::Shape& shape, const double* params, const std::vector<Cell>& inputs,
               Semantics semantics) {
  std::vector<Cell> cells;
  cells.reserve(shape.code.size());
  for (const plan::ShapeInstr& i : shape.code) {
    if (i.op == ShapeOp::input) {
      cells.push_back(inputs[i.index]);
      continue;
    }
    if (i.op == ShapeOp::param) {
      cells.push_back({{params[i.index], Evidence::value}, nullptr});
      continue;
    }
    const int arity = plan::shape_op_arity(i.op);
    const Cell none{unknown(Evidence::no_data), nullptr};
    const Cell &a = cells[i.a], &b = arity > 1 ? cells[i.b] : none, &c = arity > 2 ? cells[i.c] : none;
    if (a.histogram || b.histogram || c.histogram)
      cells.push_back(apply_to_histograms(i.op, a, b, semantics));
    else
      cells.push_back({apply_op(i.op, a.signal, b.signal, c.signal), nullptr});
  }
  return std::move(cells.back());
}

double histogram_quantile(double q, const NativeHistogram& h, Semantics semantics) {
  if (q < 0) return -infinity;
  if (q > 1) return infinity;
  if (h.count == 0 || std::isnan(q)) return nan;
  std::vector<BucketRange> buckets = bucket_ranges(h);
  // Prometheus 3 counts from the nearer end, where no NaN was observed, and passes over empty buckets.
  const bool from_above = semantics == Semantics::prometheus3 && !std::isnan(h.sum) && q >= 0.5;
  if (from_above) std::reverse(buckets.begin(), buckets.end());
  double rank = (from_above ? 1 - q : q) * h.count, count = 0;
  BucketRange bucket;
  for (const BucketRange& b : buckets) {
    if (semantics == Semantics::prometheus3 && b.count == 0) continue;
    bucket = b;
    count += b.count;
    if (count >= rank) break;
  }
  bucket = one_sided(bucket, h);
  count = std::min(count, h.count);
  // Observations of NaN are counted and lie in no bucket.
  if (count < rank) return bucket.upper;
  rank = from_above ? count - rank : rank - (count - bucket.count);
  const double part = rank / bucket.count;
  if (on_a_line(bucket, semantics)) return bucket.lower + (bucket.upper - bucket.lower) * part;
  const double low = std::log2(std::fabs(bucket.lower)), high = std::log2(std::fabs(bucket.upper));
  if (bucket.lower > 0) return std::exp2(low + (high - low) * part);
  return -std::exp2(high + (low - high) * (1 - part));
}

double histogram_fraction(double lower, double upper, const NativeHistogram& h, Semantics semantics) {
  if (h.count == 0 || std::isnan(lower) || std::isnan(upper)) return nan;
  if (lower >= upper) return 0;
  double rank = 0;
  std::optional<double> lower_rank, upper_rank;
  for (const BucketRange& each : bucket_ranges(h)) {
    const BucketRange b = one_sided(each, h);
    const auto below = [&](double value) {
      if (on_a_line(b, semantics)) return rank + b.count * (value - b.lower) / (b.upper - b.lower);
      const double low = std::log2(std::fabs(b.lower)), high = std::log2(std::fabs(b.upper)),
                   at = std::log2(std::fabs(value));
      const double part = b.lower > 0 ? (at - low) / (high - low) : 1 - (at - high) / (low - high);
      return rank + b.count * part;
    };
    if (!lower_rank && b.lower >= lower) lower_rank = rank;
    if (!upper_rank && b.lower >= upper) upper_rank = rank;
    if (lower_rank && upper_rank) break;
    if (!lower_rank && b.lower < lower && b.upper > lower) lower_rank = below(lower);
    if (!upper_rank && b.lower < upper && b.upper > upper) upper_rank = below(upper);
    if (lower_rank && upper_rank) break;
    rank += b.count;
  }
  return (std::min(upper_rank.value_or(h.count), h.count) - std::min(lower_rank.value_or(h.count), h.count)) /
         h.count;
}

double histogram_variance(const NativeHistogram& h) {
  const double mean = h.sum / h.count;
  double sum = 0;
  for (const BucketRange& b : bucket_ranges(h)) {
    if (b.count == 0) continue;
    double at = 0;
    if (!(b.lower <= 0 && b.upper >= 0)) {
      at = std::sqrt(b.upper * b.lower);
      if (b.upper < 0) at = -at;
    }
    sum += b.count * (at - mean) * (at - mean);
  }
  return sum / h.count;
}

Column of_histograms(HistogramFn fn, const std::vector<const Column*>& args, const Column& input,
                     Semantics semantics) {
  Column out;
  std::vector<Labels> rows;
  for (std::size_t row = 0; row < input.size(); ++row) {
    const Cell cell = cell_at(input, row);
    if (!cell.histogram && cell.signal.evidence == Evidence::value) continue;
    rows.push_back((*input.rows)[row].without_name());
    Signal signal{0, Evidence::value};
    if (!cell.histogram) {
      signal = unknown(cell.signal.evidence);  // why there is none
    } else if (fn == HistogramFn::fraction) {
      const Signal lower = number_of(*args[0]), upper = number_of(*args[1]);
      if (lower.evidence != Evidence::value || upper.evidence != Evidence::value)
        signal = unknown(worse(lower.evidence, upper.evidence));
      else
        signal.value = histogram_fraction(lower.value, upper.value, *cell.histogram, semantics);
    } else {
      signal.value = value_of(fn, *cell.histogram);
    }
    out.value.push_back(signal.value);
    out.evidence.push_back(static_cast<std::uint8_t>(signal.evidence));
  }
  out.rows = std::make_shared<const std::vector<Labels>>(std::move(rows));
  return out;
}

void add_native(const Column& input, const Grouping& grouping, Evidence asked,
                const std::function<double(const NativeHistogram&)>& value_of, Column& out) {
  if (input.histogram.empty()) return;
  std::map<Labels, std::uint32_t> classic;
  for (std::size_t row = 0; row < input.size(); ++row)
    if (!input.histogram[row] && input.evidence[row] == 0 && grouping.group[row] != Grouping::nowhere)
      classic.emplace((*input.rows)[row].with("le", ""), grouping.group[row]);
  std::vector<Labels> rows = *out.rows;
  std::vector<bool> told_twice(rows.size(), false);
  for (std::size_t row = 0; row < input.size(); ++row) {
    if (!input.histogram[row]) continue;
    const Labels& labels = (*input.rows)[row];
    if (const auto other = classic.find(labels.with("le", "")); other != classic.end()) {
      told_twice[other->second] = true;
      continue;
    }
    rows.push_back(labels.without_name());
    out.value.push_back(asked == Evidence::value ? value_of(*input.histogram[row]) : 0);
    out.evidence.push_back(static_cast<std::uint8_t>(asked));
  }
  told_twice.resize(rows.size(), false);
  std::size_t kept = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (told_twice[row]) continue;
    rows[kept] = rows[row];
    out.value[kept] = out.value[row];
    out.evidence[kept] = out.evidence[row];
    ++kept;
  }
  rows.resize(kept);
  out.value.resize(kept);
  out.evidence.resize(kept);
  out.rows = std::make_shared<const std::vector<Labels>>(std::move(rows));
}

void aggregate_histograms(Aggregate fn, const Column& input, const Grouping& grouping, Semantics semantics,
                          Column& out) {
  if (input.histogram.empty()) return;
  std::vector<double> count(grouping.rows->size(), 0);
  std::vector<NativeHistogram> sum(count.size());
  std::vector<bool> numbers(count.size(), false);
  for (std::size_t row = 0; row < input.size(); ++row) {
    const std::uint32_t group = grouping.group[row];
    if (input.evidence[row] == 0) numbers[group] = true;
    if (!input.histogram[row]) continue;
    if (count[group] == 0)
      sum[group] = *input.histogram[row];
    else if (fn == Aggregate::sum || fn == Aggregate::avg)
      add_up(sum[group], *input.histogram[row], semantics);
    ++count[group];
  }
  for (std::size_t group = 0; group < count.size(); ++group) {
    if (count[group] == 0) continue;
    Cell cell{unknown(Evidence::no_data), nullptr};
    if (fn == Aggregate::count)
      cell.signal = {count[group] + (numbers[group] ? out.value[group] : 0), Evidence::value};
    else if (fn == Aggregate::group)
      cell.signal = {1, Evidence::value};
    else if ((fn == Aggregate::sum || fn == Aggregate::avg) && !numbers[group])
      cell.histogram = fn == Aggregate::sum ? shared(sum[group]) : divided(sum[group], count[group]);
    else if (fn != Aggregate::sum && fn != Aggregate::avg)
      continue;  // of the numbers alone
    put(out, group, std::move(cell));
  }
}

}  // namespace signalbox::eval
