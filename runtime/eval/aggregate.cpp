#include "runtime/eval/aggregate.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include "runtime/base/vectors.hpp"
#include "runtime/eval/histogram_quantile.hpp"
#include "runtime/eval/native_histogram.hpp"
#include "runtime/eval/ops.hpp"
#include "runtime/eval/panel.hpp"

namespace signalbox::eval {
namespace {

using plan::Aggregate;
using plan::Node;
using plan::NodeKind;

// Digits may be set apart by single underscores, and are not ended by one: 1_000, 0x_1p0. Nothing where one
// stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  bool after_digit = false;
  const std::size_t sign = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  const std::string_view prefix = text.substr(sign, 2);
  const bool hexadecimal = prefix == "0x" || prefix == "0X";
  const auto is_digit = [&](char c) {
    return hexadecimal ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c >= '0' && c <= '9';
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool of_prefix = hexadecimal && i >= sign && i < sign + 2;
    if (text[i] == '_') {
      if (!after_digit || i + 1 == text.size() || !is_digit(text[i + 1])) return std::nullopt;
      continue;
    }
    after_digit = of_prefix || is_digit(text[i]);
    out += text[i];
  }
  return out;
}

// As Go reads numbers.
std::optional<double> parse_bound(std::string_view text) {
  std::optional<std::string> joined;
  if (text.find('_') != std::string_view::npos) {
    joined = without_underscores(text);
    if (!joined) return std::nullopt;
    text = *joined;
  }
  const std::string_view whole = text;
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') return std::nullopt;
  }
  const bool negative = !text.empty() && text.front() == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  const bool is_nan = digits.size() >= 3 && (digits[0] == 'n' || digits[0] == 'N');
  if (is_nan && (digits.size() > 3 || digits.data() != whole.data())) return std::nullopt;
  // Hexadecimal with its exponent, which cannot be left out.
  const bool hexadecimal = digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
  if (hexadecimal && (digits.find_first_of("pP") == std::string_view::npos || digits[2] == '-'))
    return std::nullopt;
  const std::string_view read = hexadecimal ? digits.substr(2) : text;
  double bound = 0;
  const auto [end, error] =
      std::from_chars(read.data(), read.data() + read.size(), bound,
                      hexadecimal ? std::chars_format::hex : std::chars_format::general);
  if (end != read.data() + read.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is nothing, and too large is refused; strtod tells which.
    bound = std::strtod(std::string(digits).c_str(), nullptr);
    if (std::isinf(bound)) return std::nullopt;
    return negative ? -bound : bound;
  }
  if (error != std::errc{}) return std::nullopt;
  return hexadecimal && negative ? -bound : bound;
}

Labels group_key(const Node& node, const Labels& row) {
  switch (node.kind) {
    case NodeKind::aggregate:
    case NodeKind::count_true:
      return node.without ? row.drop(node.labels) : row.keep(node.labels);
    case NodeKind::quantile:
      return row.with("le", "");  // two metrics are two histograms, also where the result has no name
    default:
      return row.drop(node.labels);
  }
}

Column column_over(const Rows& rows, bool condition = false) {
  Column out = column_of(rows->size(), condition);
  out.rows = rows;
  return out;
}

Evidence evidence_at(const Column& column, std::size_t row) {
  return static_cast<Evidence>(column.evidence[row]);
}

void set(Column& out, std::size_t row, Signal signal) {
  out.set(row, signal.value, signal.evidence);
}

// Neumaier's sum, which keeps apart what the larger operand swallows; an infinite sum has nothing left to
// keep.
struct Compensated {
  double sum = 0, lost = 0;
  void add(double value) {
    const double next = sum + value;
    if (std::isinf(next)) {
      lost = 0;
    } else if (std::fabs(sum) >= std::fabs(value)) {
      lost += (sum - next) + value;
    } else {
      lost += (value - next) + sum;
    }
    sum = next;
  }
};

// Rows of a group are folded in row order, which the result's last bits depend on.
struct Fold {
  Evidence worst = Evidence::value;
  double count = 0;
  double value = 0;  // sum, extreme, running mean of 2.x, or sum of squared distances from `mean`
  double mean = 0;
  Compensated exact;  // of 3.x
  bool running = false;

  void first(Aggregate fn, double v, Semantics semantics) {
    value = v;
    exact.sum = v;
    if (fn != Aggregate::stddev && fn != Aggregate::stdvar) return;
    mean = v;
    value = semantics == Semantics::prometheus3 && !std::isfinite(v)
                ? std::numeric_limits<double>::quiet_NaN()
                : 0;
  }
  void add(Aggregate fn, double v, Semantics semantics) {
    ++count;
    if (count == 1) return first(fn, v, semantics);
    switch (fn) {
      case Aggregate::sum:
        value += v;
        exact.add(v);
        break;
      case Aggregate::avg:
        if (semantics == Semantics::prometheus2) {
          add_to_mean(v);
        } else {
          add_to_exact_mean(v);
        }
        break;
      case Aggregate::min:
        if (v < value || std::isnan(value)) value = v;
        break;
      case Aggregate::max:
        if (v > value || std::isnan(value)) value = v;
        break;
      case Aggregate::stddev:
      case Aggregate::stdvar: {
        const double delta = v - mean;
        mean += delta / count;
        value += delta * (v - mean);
        break;
      }
      default:
        break;
    }
  }
  // An infinite mean stays, until NaN or the opposite infinity comes: subtracting it from itself would give
  // NaN.
  static bool stays_infinite(double mean, double v) {
    return std::isinf(mean) && !std::isnan(v) && (!std::isinf(v) || (v > 0) == (mean > 0));
  }
  void add_to_mean(double v) {
    if (stays_infinite(value, v)) return;
    value += v / count - value / count;
  }
  // A compensated sum, until it would overflow; from there on a running mean of it.
  void add_to_exact_mean(double v) {
    if (!running) {
      Compensated next = exact;
      next.add(v);
      if (!std::isinf(next.sum)) {
        exact = next;
        return;
      }
      running = true;
      exact.sum /= count - 1;
      exact.lost /= count - 1;
    }
    const double share = (count - 1) / count;
    exact.sum *= share;
    exact.lost *= share;
    exact.add(v / count);
  }
  double result(Aggregate fn, Semantics semantics) const {
    if (fn == Aggregate::count) return count;
    if (fn == Aggregate::group) return 1;
    if (fn == Aggregate::stdvar) return value / count;
    if (fn == Aggregate::stddev) return std::sqrt(value / count);
    if (semantics == Semantics::prometheus2 || fn == Aggregate::min || fn == Aggregate::max) return value;
    if (fn == Aggregate::sum || running) return exact.sum + exact.lost;
    return exact.sum / count + exact.lost / count;
  }
};

}  // namespace

Grouping group_rows(const Node& node, const std::vector<Labels>& rows) {
  Grouping out;
  std::vector<Labels> groups;
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_key;
  out.group.reserve(rows.size());
  for (const Labels& row : rows) {
    if (node.kind == NodeKind::quantile) {
      const std::optional<double> bound = parse_bound(row.get("le"));
      out.bounds.push_back(bound.value_or(0));
      if (!bound) {
        out.group.push_back(Grouping::nowhere);
        continue;
      }
    }
    const auto [entry, fresh] =
        by_key.try_emplace(group_key(node, row), static_cast<std::uint32_t>(groups.size()));
    if (fresh) groups.push_back(node.kind == NodeKind::quantile ? entry->first.without_name() : entry->first);
    out.group.push_back(entry->second);
  }
  out.rows = std::make_shared<const std::vector<Labels>>(std::move(groups));
  return out;
}

Column aggregate(Aggregate fn, const Column& input, const Grouping& grouping, Semantics semantics) {
  std::vector<Fold> folds(grouping.rows->size());
  for (std::size_t row = 0; row < input.size(); ++row) {
    Fold& fold = folds[grouping.group[row]];
    const Evidence evidence = evidence_at(input, row);
    if (evidence == Evidence::value) {
      fold.add(fn, input.value[row], semantics);
    } else {
      fold.worst = worse(fold.worst, evidence);
    }
  }
  Column out = column_over(grouping.rows);
  for (std::size_t group = 0; group < folds.size(); ++group) {
    const Fold& fold = folds[group];
    set(out, group,
        fold.count > 0 ? Signal{fold.result(fn, semantics), Evidence::value} : unknown(fold.worst));
  }
  aggregate_histograms(fn, input, grouping, semantics, out);
  return out;
}

namespace {

SIGNALBOX_VECTORS bool all_values(const std::uint8_t* evidence, std::size_t n) {
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < n; ++i) any |= evidence[i];
  return any == static_cast<std::uint8_t>(Evidence::value);
}

// Of rows that have a value at every tick, what need not be folded tick by tick: how many they are, what one
// row alone is, and a sum of 2.x, which is a sum in order.
bool without_folds(Aggregate fn, const Panel& input, const std::vector<std::size_t>& members,
                   Semantics semantics, PanelMemory& memory, Panel::Row& out) {
  if (input.steady) return false;
  const bool counts = fn == Aggregate::group || fn == Aggregate::count, sums = fn == Aggregate::sum;
  const bool in_order = semantics == Semantics::prometheus2, alone = members.size() == 1;
  const bool chooses = fn == Aggregate::min || fn == Aggregate::max;
  if (!counts && !(sums && (in_order || alone)) && !(chooses && alone)) return false;
  const std::size_t ticks = input.ticks;
  for (const std::size_t row : members)
    if (!input.row[row].known && !all_values(input.row[row].evidence, ticks)) return false;
  const double* first = input.row[members[0]].value;
  if (alone && (chooses || (sums && in_order))) {
    out = {first, memory.all_values(), true};
    return true;
  }
  double* value = memory.values();
  out = {value, memory.all_values(), true};
  if (counts) {
    std::fill_n(value, ticks, fn == Aggregate::group ? 1.0 : static_cast<double>(members.size()));
    return true;
  }
  // Compensated, a sum ends by adding what was lost: of −0 that makes 0.
  if (!in_order) {
    std::transform(first, first + ticks, value, [](double v) { return v + 0.0; });
    return true;
  }
  const double* second = input.row[members[1]].value;
  for (std::size_t t = 0; t < ticks; ++t) value[t] = first[t] + second[t];
  for (std::size_t m = 2; m < members.size(); ++m) {
    const double* next = input.row[members[m]].value;
    for (std::size_t t = 0; t < ticks; ++t) value[t] += next[t];
  }
  bool nan = false;
  for (std::size_t t = 0; t < ticks; ++t) nan |= value[t] != value[t];
  for (std::size_t t = 0; nan && t < ticks; ++t)
    if (std::isnan(value[t])) value[t] = std::numeric_limits<double>::quiet_NaN();
  return true;
}

}  // namespace

void aggregate(Aggregate fn, const Panel& input, const Grouping& grouping, Semantics semantics,
               PanelMemory& memory, Panel& out) {
  std::vector<std::vector<std::size_t>> members(grouping.rows->size());
  for (std::size_t row = 0; row < input.row.size(); ++row) members[grouping.group[row]].push_back(row);
  out.rows = grouping.rows;
  out.row.resize(members.size());
  out.steady = input.steady;
  const std::size_t ticks = input.steady ? 1 : out.ticks;
  for (std::size_t group = 0; group < members.size(); ++group) {
    if (without_folds(fn, input, members[group], semantics, memory, out.row[group])) continue;
    double* value = memory.values();
    std::uint8_t* evidence = memory.evidence();
    out.row[group] = {value, evidence, false};
    for (std::size_t t = 0; t < ticks; ++t) {
      Fold fold;
      for (const std::size_t row : members[group]) {
        const auto why = static_cast<Evidence>(input.row[row].evidence[t]);
        if (why == Evidence::value)
          fold.add(fn, input.row[row].value[t], semantics);
        else
          fold.worst = worse(fold.worst, why);
      }
      const Signal signal =
          fold.count > 0 ? canonical({fold.result(fn, semantics), Evidence::value}) : unknown(fold.worst);
      value[t] = signal.value;
      evidence[t] = static_cast<std::uint8_t>(signal.evidence);
    }
  }
}

Column count_true(const Column& condition, const Grouping& grouping) {
  Column out = column_over(grouping.rows);
  std::vector<Evidence> worst(out.size(), Evidence::value);
  std::vector<bool> known(out.size(), false);
  for (std::size_t row = 0; row < condition.size(); ++row) {
    const std::uint32_t group = grouping.group[row];
    const Evidence evidence = evidence_at(condition, row);
    if (evidence == Evidence::value) {
      known[group] = true;
      if (condition.number(row) != 0.0) out.value[group] += 1;
    } else {
      worst[group] = worse(worst[group], evidence);
    }
  }
  for (std::size_t group = 0; group < out.size(); ++group)
    if (!known[group]) set(out, group, unknown(worst[group]));
  return out;
}

Column quantify(bool all, const Column& condition, const Grouping& grouping) {
  Column out = column_over(grouping.rows, true);
  const ShapeOp op = all ? ShapeOp::both : ShapeOp::either;
  std::vector<Signal> folded(out.size(), truth(all));
  for (std::size_t row = 0; row < condition.size(); ++row) {
    Signal& so_far = folded[grouping.group[row]];
    so_far = apply_op(op, so_far, {condition.number(row), evidence_at(condition, row)}, {});
  }
  for (std::size_t group = 0; group < out.size(); ++group) set(out, group, folded[group]);
  return out;
}

namespace {

// Of the histograms among `input`, classic and native: what `classic` says of buckets and `native` of a
// histogram. `parameters`: the worst evidence of what is asked.
template <class Classic, class Native>
Column of_each_histogram(const Column& input, const Grouping& grouping, Evidence parameters,
                         const Classic& classic, const Native& native) {
  Column out = column_over(grouping.rows);
  std::vector<std::vector<Bucket>> of_group(out.size());
  std::vector<Evidence> worst(out.size(), Evidence::value);
  for (std::size_t row = 0; row < input.size(); ++row) {
    const std::uint32_t group = grouping.group[row];
    if (group == Grouping::nowhere) continue;
    const Evidence evidence = evidence_at(input, row);
    if (evidence == Evidence::value) {
      of_group[group].push_back({grouping.bounds[row], input.value[row]});
    } else {
      worst[group] = worse(worst[group], evidence);
    }
  }
  for (std::size_t group = 0; group < out.size(); ++group) {
    if (parameters != Evidence::value) {
      set(out, group, unknown(parameters));
      continue;
    }
    const std::optional<double> value = classic(std::move(of_group[group]));
    set(out, group, value ? Signal{*value, Evidence::value} : unknown(worst[group]));
  }
  add_native(input, grouping, parameters, native, out);
  return out;
}

Evidence evidence_of(const Column& parameter) {
  return parameter.size() > 0 ? evidence_at(parameter, 0) : Evidence::no_data;
}

}  // namespace

Column quantiles(const Column& q, const Column& buckets, const Grouping& grouping, Semantics semantics) {
  return of_each_histogram(
      buckets, grouping, evidence_of(q),
      [&](std::vector<Bucket>&& all) { return histogram_quantile(q.value[0], std::move(all), semantics); },
      [&](const NativeHistogram& h) { return histogram_quantile(q.value[0], h, semantics); });
}

Column fractions(const Column& lower, const Column& upper, const Column& input) {
  Node by_bounds;
  by_bounds.kind = NodeKind::quantile;
  return of_each_histogram(
      input, group_rows(by_bounds, *input.rows), worse(evidence_of(lower), evidence_of(upper)),
      [&](std::vector<Bucket>&& all) {
        return histogram_fraction(lower.value[0], upper.value[0], std::move(all));
      },
      [&](const NativeHistogram& h) {
        return histogram_fraction(lower.value[0], upper.value[0], h, Semantics::prometheus3);
      });
}

}  // namespace signalbox::eval
