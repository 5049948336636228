#include "runtime/eval/range_query.hpp"

#include <map>

#include "runtime/store/window.hpp"

namespace signalbox::eval {

std::vector<RangeSeries> range_values(const store::SeriesStore& store, plan::Index root,
                                      Evaluation::Context context) {
  const plan::Node& node = context.plan->nodes[root];
  const bool is_subquery = node.kind == plan::NodeKind::subquery;
  const plan::Window& window = is_subquery ? node.subquery.window : context.plan->leaves[node.index].window;
  const Instant last = window.at.value_or(context.at) - window.offset;
  const Instant first = store::window_start(last, window.length, context.semantics);
  std::map<Labels, store::Samples> found;
  if (is_subquery) {
    for (Instant at = grid_ceil(first, node.subquery.step, {}); at <= last; at = at + node.subquery.step) {
      context.at = at;
      Evaluation evaluation(context);
      const Column& column = evaluation.column(node.inputs[0]);
      for (std::size_t row = 0; row < column.size(); ++row) {
        if (column.evidence[row] != static_cast<std::uint8_t>(plan::Evidence::value)) continue;
        store::Samples& samples = found[(*column.rows)[row]];
        samples.times.push_back(at.ms);
        samples.values.push_back(column.value[row]);
      }
    }
  } else if (const auto ids = store.select(context.plan->leaves[node.index].matchers)) {
    store::Cursor series(store);
    for (const store::SeriesId id : *ids) {
      series.open(id);
      store::Samples samples;
      series.read(first, last, samples);
      if (samples.size() > 0) found[store.labels(id)] = std::move(samples);
    }
  }
  std::vector<RangeSeries> out;
  out.reserve(found.size());
  for (auto& [labels, samples] : found) out.push_back({labels, std::move(samples)});
  return out;
}

}  // namespace signalbox::eval
