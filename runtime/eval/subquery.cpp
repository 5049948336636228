// Range functions over what an expression was at a run of instants.
#include <fmt/format.h>

#include "runtime/base/limits.hpp"
#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/native_histogram.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {

std::string too_many_samples() {
  return fmt::format("a subquery has more than {} samples (subquery_samples)", Limits{}.subquery_samples);
}

Column Evaluation::subquery(plan::Index index) {
  const plan::Node& node = context_.plan->nodes[index];
  const plan::Subquery& query = node.subquery;
  const Args args = read_args(node, 1, query.range_fn);
  const bool bad = args.evidence != plan::Evidence::value;
  const Duration length = query.window.length;
  const Instant end = query.window.at.value_or(context_.at) - query.window.offset;
  const Instant first = grid_ceil(store::window_start(end, length, context_.semantics), query.step, {});
  const bool keep = !depends_on_anchors(*context_.plan, *context_.cache, node.inputs[0]);
  SubqueryHistory unkept;
  SubqueryHistory& history = keep ? context_.cache->subqueries[index] : unkept;

  Context inner = context_;
  inner.holds = nullptr;
  inner.given = nullptr;  // it is of this instant
  for (Instant at = history.next(first, query.step); at <= end; at = at + query.step) {
    inner.at = at;
    Evaluation evaluation(inner);
    const Column& column = evaluation.column(node.inputs[0]);
    history.add(at, column);
    if (!history.is_full()) continue;
    fault(too_many_samples(), fewer_samples);
    history.clear();
    Column none;
    none.rows = column.rows;
    none.value.assign(column.size(), 0.0);
    none.evidence.assign(column.size(), static_cast<std::uint8_t>(Evidence::invalid));
    return none;
  }
  history.forget_before(first - length, length);  // another may look back as far again

  const SubqueryHistory::Window& window = history.window(first, end, range_fn_picks(query.range_fn));
  Column out;
  bool refused = false;
  out.rows = window.rows;
  for (const std::size_t place : window.place) {
    const store::SamplesView numbers = history.numbers(place, first, end);
    std::optional<double> value;
    if (numbers.size() > 0 &&
        (query.range_fn == RangeFn::min_over_time || query.range_fn == RangeFn::max_over_time))
      value = history.extreme(place, query.range_fn == RangeFn::max_over_time, first, end);
    else if (!bad)
      value = store::window_value(numbers, query.range_fn, end, length, context_.semantics, args.args);
    if (numbers.size() > 0 && !args.refusal.empty()) refused = true;
    out.value.push_back(value.value_or(0.0));
    out.evidence.push_back(static_cast<std::uint8_t>(value ? Evidence::value
                                                     : bad ? args.evidence
                                                           : Evidence::no_data));
  }
  if (refused) fault(args.refusal, "");
  for (std::size_t row = 0; row < window.place.size() && !bad; ++row) {
    const store::Histograms* all = history.histograms(window.place[row]);
    if (all == nullptr) continue;
    const std::size_t from = all->until(first.ms - 1), to = all->until(end.ms);
    const store::SamplesView numbers = history.numbers(window.place[row], first, end);
    if (from == to || takes_numbers_alone(query.range_fn, *all, to, numbers, context_.semantics)) continue;
    put(out, row, over_range(query.range_fn, *all, from, to, numbers, end, length, context_.semantics));
  }
  return out;
}

}  // namespace signalbox::eval
