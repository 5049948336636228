#include "runtime/eval/range_query.hpp"

#include <map>

#include "runtime/base/limits.hpp"
#include "runtime/eval/eval_cache.hpp"
#include "runtime/store/window.hpp"

namespace signalbox::eval {

std::vector<RangeSeries> range_values(const store::SeriesStore& store, plan::Index root,
                                      Evaluation::Context context) {
  const plan::Node& node = context.plan->nodes[root];
  const bool is_subquery = node.kind == plan::NodeKind::subquery;
  const plan::Window& window = is_subquery ? node.subquery.window : context.plan->leaves[node.index].window;
  const Instant last = window.at.value_or(context.at) - window.offset;
  const Instant first = store::window_start(last, window.length, context.semantics);
  std::map<Labels, RangeSeries> found;
  std::size_t samples_found = 0;
  if (is_subquery) {
    for (Instant at = grid_ceil(first, node.subquery.step, {}); at <= last; at = at + node.subquery.step) {
      context.at = at;
      Evaluation evaluation(context);
      const Column& column = evaluation.column(node.inputs[0]);
      for (std::size_t row = 0; row < column.size(); ++row) {
        if (!column.has_sample(row)) continue;
        if (++samples_found > Limits{}.subquery_samples) {
          if (context.faults != nullptr) context.faults->push_back({root, too_many_samples(), fewer_samples});
          return {};
        }
        RangeSeries& to = found[(*column.rows)[row]];
        if (column.is_histogram(row)) {
          to.histograms.push_back({at.ms, column.histogram[row]});
          continue;
        }
        store::Samples& samples = to.samples;
        samples.times.push_back(at.ms);
        samples.values.push_back(column.number(row));
      }
    }
  } else if (const auto ids = store.select(context.plan->leaves[node.index].matchers)) {
    store::Cursor series(store);
    for (const store::SeriesId id : *ids) {
      series.open(id);
      RangeSeries one;
      series.read(first, last, one.samples);
      if (const store::Histograms* histograms = store.histograms(id))
        for (std::size_t i = histograms->until(first.ms - 1); i < histograms->until(last.ms); ++i)
          one.histograms.push_back({histograms->time(i), histograms->at(i)});
      if (one.samples.size() + one.histograms.size() > 0) found[store.labels(id)] = std::move(one);
    }
  }
  std::vector<RangeSeries> out;
  out.reserve(found.size());
  for (auto& [labels, one] : found) {
    one.labels = labels;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace signalbox::eval
