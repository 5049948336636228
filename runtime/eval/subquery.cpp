// Range functions over what an expression was at a run of instants.
#include <unordered_map>

#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/native_histogram.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {

Column Evaluation::subquery(plan::Index index) {
  const plan::Node& node = context_.plan->nodes[index];
  const plan::Subquery& query = node.subquery;
  store::RangeArgs args;
  const auto bad = read_args(node, 1, query.range_fn, args);
  const Instant end = query.window.at.value_or(context_.at) - query.window.offset;
  const Instant first =
      grid_ceil(store::window_start(end, query.window.length, context_.semantics), query.step, {});
  const bool keep = !depends_on_anchors(*context_.plan, *context_.cache, node.inputs[0]);
  std::map<Instant, Column> unkept;
  std::map<Instant, Column>& instants = keep ? context_.cache->instants[index] : unkept;

  Context inner = context_;
  inner.holds = nullptr;
  for (Instant at = first; at <= end; at = at + query.step) {
    if (instants.count(at) != 0) continue;
    inner.at = at;
    instants.emplace(at, Evaluation(inner).column(node.inputs[0]));
  }
  instants.erase(instants.begin(), instants.lower_bound(first));

  std::unordered_map<Labels, std::size_t, LabelsHash> places;
  std::unordered_map<const std::vector<Labels>*, std::vector<std::size_t>> of_rows;
  std::vector<Labels> rows;
  std::vector<store::Samples> samples;
  std::map<std::size_t, store::Histograms> histograms;  // by row, where there are any
  for (auto at = instants.begin(); at != instants.end() && at->first <= end; ++at) {
    const Column& column = at->second;
    auto& place = of_rows[column.rows.get()];
    if (place.empty()) {
      for (const Labels& labels : *column.rows) {
        const auto [entry, fresh] = places.try_emplace(labels, rows.size());
        if (fresh) {
          rows.push_back(labels);
          samples.emplace_back();
        }
        place.push_back(entry->second);
      }
    }
    for (std::size_t row = 0; row < column.size(); ++row) {
      if (column.is_histogram(row)) histograms[place[row]].add(at->first.ms, column.histogram[row]);
      if (column.evidence[row] != static_cast<std::uint8_t>(Evidence::value)) continue;
      store::Samples& to = samples[place[row]];
      to.times.push_back(at->first.ms);
      to.values.push_back(column.value[row]);
    }
  }
  Column out;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto value = bad ? std::nullopt
                           : store::window_value(samples[row], query.range_fn, end, query.window.length,
                                                 context_.semantics, args);
    out.value.push_back(value.value_or(0.0));
    out.evidence.push_back(
        static_cast<std::uint8_t>(value ? Evidence::value : bad.value_or(Evidence::no_data)));
    if (query.range_fn != RangeFn::last_over_time) rows[row] = rows[row].without_name();
  }
  for (const auto& [row, of] : histograms)
    if (!bad && (samples[row].size() == 0 || !takes_numbers_alone(query.range_fn, context_.semantics)))
      put(out, row,
          over_range(query.range_fn, of, 0, of.size(), samples[row], end, query.window.length,
                     context_.semantics));
  out.rows = std::make_shared<const std::vector<Labels>>(std::move(rows));
  return out;
}

}  // namespace signalbox::eval
