#include "runtime/eval/rank.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "runtime/base/decimal_text.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

constexpr auto has_value = static_cast<std::uint8_t>(Evidence::value);

void append(Column& out, std::vector<Labels>& rows, const Column& input, std::size_t row) {
  rows.push_back((*input.rows)[row]);
  out.value.push_back(input.value[row]);
  out.evidence.push_back(input.evidence[row]);
}

// A binary heap with the least wanted row on top. Which of equal ones is on top depends on how the heap is
// kept, so it is kept as Prometheus' (Go's container/heap) is.
class Kept {
 public:
  Kept(const Column& input, bool smallest) : input_(input), smallest_(smallest) {}
  bool less(std::uint32_t a, std::uint32_t b) const {
    const double x = input_.value[a], y = input_.value[b];
    if (std::isnan(x)) return true;
    return smallest_ ? x > y : x < y;
  }
  void offer(std::uint32_t row, std::size_t most) {
    if (rows_.size() < most) return push(row);
    const double least = input_.value[rows_.front()], value = input_.value[row];
    const bool better = smallest_ ? value < least : value > least;
    if (!better && !std::isnan(least)) return;  // one NaN takes another's place
    pop();
    push(row);
  }
  std::vector<std::uint32_t> rows() const { return rows_; }

 private:
  void push(std::uint32_t row) {
    rows_.push_back(row);
    for (std::size_t at = rows_.size() - 1; at > 0;) {
      const std::size_t parent = (at - 1) / 2;
      if (!less(rows_[at], rows_[parent])) break;
      std::swap(rows_[at], rows_[parent]);
      at = parent;
    }
  }
  void pop() {
    std::swap(rows_.front(), rows_.back());
    rows_.pop_back();
    for (std::size_t at = 0;;) {
      std::size_t child = 2 * at + 1;
      if (child >= rows_.size()) break;
      if (child + 1 < rows_.size() && less(rows_[child + 1], rows_[child])) ++child;
      if (!less(rows_[child], rows_[at])) break;
      std::swap(rows_[at], rows_[child]);
      at = child;
    }
  }

  const Column& input_;
  bool smallest_;
  std::vector<std::uint32_t> rows_;
};

// NaN after all numbers.
bool in_order(double a, double b, bool descending) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return descending ? a > b : a < b;
}

}  // namespace

Column top(bool smallest, double k, const Column& input, const Grouping& grouping) {
  Column out;
  if (!(k >= 1)) return out;
  const auto most = static_cast<std::size_t>(std::min(k, static_cast<double>(input.size())));
  std::vector<Kept> kept(grouping.rows->size(), Kept(input, smallest));
  for (std::uint32_t row = 0; row < input.size(); ++row)
    if (input.evidence[row] == has_value) kept[grouping.group[row]].offer(row, most);
  std::vector<Labels> rows;
  for (const Kept& group : kept) {
    std::vector<std::uint32_t> best = group.rows();
    std::stable_sort(best.begin(), best.end(), [&](std::uint32_t a, std::uint32_t b) {
      return in_order(input.value[a], input.value[b], !smallest);
    });
    for (const std::uint32_t row : best) append(out, rows, input, row);
  }
  out.rows = std::make_shared<const std::vector<Labels>>(std::move(rows));
  return out;
}

Column quantile_of(double q, const Column& input, const Grouping& grouping) {
  std::vector<std::vector<double>> values(grouping.rows->size());
  std::vector<Evidence> worst(grouping.rows->size(), Evidence::value);
  for (std::size_t row = 0; row < input.size(); ++row) {
    const std::uint32_t group = grouping.group[row];
    if (input.evidence[row] == has_value)
      values[group].push_back(input.value[row]);
    else
      worst[group] = worse(worst[group], static_cast<Evidence>(input.evidence[row]));
  }
  Column out;
  out.rows = grouping.rows;
  for (std::size_t group = 0; group < values.size(); ++group) {
    const bool any = !values[group].empty();
    out.value.push_back(any ? store::quantile(q, std::move(values[group])) : 0.0);
    out.evidence.push_back(static_cast<std::uint8_t>(any ? Evidence::value : worst[group]));
  }
  return out;
}

Column count_values(const plan::Node& node, const Column& input) {
  Column out;
  std::vector<Labels> rows;
  std::unordered_map<Labels, std::size_t, LabelsHash> places;
  std::vector<std::string> kept = node.labels;
  if (!node.without) kept.push_back(node.relabel.to);
  for (std::size_t row = 0; row < input.size(); ++row) {
    if (input.evidence[row] != has_value) continue;
    const Labels with = (*input.rows)[row].with(node.relabel.to, decimal_text(input.value[row]));
    Labels labels = node.without ? with.drop(kept) : with.keep(kept);
    const auto [place, fresh] = places.try_emplace(std::move(labels), rows.size());
    if (fresh) {
      rows.push_back(place->first);
      out.value.push_back(0);
      out.evidence.push_back(has_value);
    }
    out.value[place->second] += 1;
  }
  out.rows = std::make_shared<const std::vector<Labels>>(std::move(rows));
  return out;
}

Column sorted(const Column& input, bool descending) {
  std::vector<std::uint32_t> order(input.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const bool known_a = input.evidence[a] == has_value, known_b = input.evidence[b] == has_value;
    if (!known_a || !known_b) return known_a && !known_b;
    return in_order(input.value[a], input.value[b], descending);
  });
  Column out;
  std::vector<Labels> rows;
  for (const std::uint32_t row : order) append(out, rows, input, row);
  out.rows = std::make_shared<const std::vector<Labels>>(std::move(rows));
  return out;
}

}  // namespace signalbox::eval
