#include "runtime/sources/prometheus_leaves.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/promql/leaf_text.hpp"

namespace signalbox::sources {
namespace {

// Prometheus refuses 11,000 points a series.
constexpr std::int64_t points_a_request = 10'000;
constexpr Duration servers_lookback = minutes(5);

// The order in which the store hands out the same series, so that sums over them have the same bits.
Labels in_order_of(const plan::Leaf& leaf, const Labels& labels) {
  for (const Matcher& matcher : leaf.matchers)
    if (matcher.label == metric_name_label && matcher.op == MatchOp::equal)
      return labels.with(metric_name_label, matcher.value);
  return labels;
}

}  // namespace

std::vector<bool> pushable_leaves(const plan::Plan& plan) {
  std::vector<bool> sliced(plan.nodes.size());
  for (std::size_t i = plan.nodes.size(); i-- > 0;) {
    const plan::NodeKind kind = plan.nodes[i].kind;
    const bool slices = kind == plan::NodeKind::slices || kind == plan::NodeKind::subquery;
    for (const plan::Index input : plan.nodes[i].inputs)
      if (sliced[i] || slices) sliced[input] = true;
  }
  std::vector<bool> out;
  for (const plan::Leaf& leaf : plan.leaves) {
    const bool own_lookback = leaf.fn == plan::LeafFn::sample && plan.lookback != servers_lookback;
    out.push_back(promql::leaf_text(leaf).has_value() && !own_lookback);
  }
  for (std::size_t i = 0; i < plan.nodes.size(); ++i)
    if (sliced[i] && plan.nodes[i].kind == plan::NodeKind::leaf) out[plan.nodes[i].index] = false;
  return out;
}

struct PrometheusLeaves::Load {
  std::vector<const plan::Leaf*> leaves;
  std::size_t leaf = 0;
  Instant at;  // where the next request begins
  std::function<void(Result<void>)> done;
};

void PrometheusLeaves::load(const plan::Plan& plan, Instant from, Instant to, Duration step,
                            std::function<void(Result<void>)> done) {
  tables_.clear();
  points_ = 0;
  from_ = from;
  to_ = to;
  step_ = step;
  auto load = std::make_shared<Load>();
  const std::vector<bool> pushable = pushable_leaves(plan);
  for (std::size_t i = 0; i < pushable.size(); ++i)
    if (pushable[i]) load->leaves.push_back(&plan.leaves[i]);
  load->at = from;
  load->done = std::move(done);
  next(load);
}

void PrometheusLeaves::next(const std::shared_ptr<Load>& load) {
  if (load->at > to_) {
    ++load->leaf;
    load->at = from_;
  }
  if (load->leaf >= load->leaves.size()) return load->done({});
  const plan::Leaf& leaf = *load->leaves[load->leaf];
  const Instant begin = load->at, end = std::min(to_, begin + step_ * (points_a_request - 1));
  load->at = end + step_;
  api_.query_range(*promql::leaf_text(leaf), begin, end, step_,
                   [this, load, &leaf](Result<formats::QueryAnswer> answer) {
                     if (!answer) return load->done(answer.error());
                     if (const auto taken = take(leaf, tables_[&leaf], *answer); !taken)
                       return load->done(taken.error());
                     next(load);
                   });
}

Result<void> PrometheusLeaves::take(const plan::Leaf& leaf, Table& table,
                                    const formats::QueryAnswer& answer) {
  for (const formats::QuerySeries& one : answer.series) {
    const Labels labels = eval::keeps_name(leaf) ? one.labels : one.labels.without_name();
    Series& series = table.series[in_order_of(leaf, labels)];
    for (std::size_t i = 0; i < one.times.size(); ++i) {
      const std::int64_t since = one.times[i] - from_.ms;
      if (since < 0 || since % step_.ms != 0 || one.times[i] > to_.ms)
        return Error{ErrorCode::malformed,
                     fmt::format("the answer has a point at {}, which was not asked for",
                                 to_rfc3339(Instant{one.times[i]}))};
      const auto place = static_cast<std::size_t>(since / step_.ms);
      if (series.has.empty()) {
        series.labels = labels;
        series.first = place;
        table.births.insert(std::upper_bound(table.births.begin(), table.births.end(), place), place);
      }
      const std::size_t size = place - series.first + 1;
      points_ += size - series.has.size();
      series.values.resize(size);
      series.has.resize(size);
      series.values.back() = one.values[i];
      series.has.back() = true;
    }
    if (points_ > limits_.answer_samples)
      return Error{
          ErrorCode::limit_exceeded,
          fmt::format("the answers have more than {} points (answer_samples)", limits_.answer_samples)};
  }
  return {};
}

PrometheusLeaves::Table* PrometheusLeaves::table_at(const plan::Leaf& leaf, Instant instant,
                                                    std::size_t& place) {
  const auto table = tables_.find(&leaf);
  if (table == tables_.end()) return nullptr;
  const std::int64_t since = (instant + leaf.window.offset - from_).ms;
  if (since < 0 || since % step_.ms != 0 || instant + leaf.window.offset > to_) return nullptr;
  place = static_cast<std::size_t>(since / step_.ms);
  return &table->second;
}

eval::Rows PrometheusLeaves::rows_at(Table& table, std::size_t place) {
  const auto known = static_cast<std::size_t>(
      std::upper_bound(table.births.begin(), table.births.end(), place) - table.births.begin());
  eval::Rows& rows = table.rows[known];
  if (!rows) {
    std::vector<Labels> list;
    for (const auto& [key, series] : table.series)
      if (series.first <= place) list.push_back(series.labels);
    rows = std::make_shared<const std::vector<Labels>>(std::move(list));
  }
  return rows;
}

eval::Column PrometheusLeaves::read(const eval::LeafQuery& query) {
  std::size_t place = 0;
  Table* table = table_at(*query.leaf, query.at, place);
  if (table == nullptr) return raw_.read(query);
  eval::Column out;
  out.rows = rows_at(*table, place);
  out.value.reserve(out.rows->size());
  out.evidence.reserve(out.rows->size());
  for (const auto& [key, series] : table->series) {
    if (series.first > place) continue;
    const std::size_t i = place - series.first;
    const bool has = i < series.has.size() && series.has[i];
    out.value.push_back(has ? series.values[i] : 0.0);
    out.evidence.push_back(static_cast<std::uint8_t>(has ? plan::Evidence::value : plan::Evidence::stale));
  }
  return out;
}

eval::Rows PrometheusLeaves::known(const plan::Leaf& leaf, Instant at) {
  std::size_t place = 0;
  Table* table = table_at(leaf, at, place);
  return table == nullptr ? raw_.known(leaf, at) : rows_at(*table, place);
}

}  // namespace signalbox::sources
