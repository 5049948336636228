// Conditions that are false by one conjunct: what only the others look at is not worked out.
#include <algorithm>
#include <limits>
#include <set>

#include "runtime/base/vectors.hpp"
#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/gather.hpp"
#include "runtime/eval/memo.hpp"
#include "runtime/eval/panel.hpp"

namespace signalbox::eval {

using plan::Index;
using plan::Node;
using plan::NodeKind;

namespace {

// Conditions within parts of conditions: a plan may be deeper than the stack.
constexpr int deepest = 16;

// Whether one of the parts is false, by `is_false`; the one that was so last is asked first.
template <class IsFalse>  // (part) → bool
bool one_is_false(Conjunction& condition, IsFalse is_false) {
  for (std::size_t i = 0; i < condition.parts.size(); ++i) {
    const std::size_t part = (condition.refuter + i) % condition.parts.size();
    if (!is_false(condition.parts[part])) continue;
    condition.refuter = part;
    return true;
  }
  return false;
}

// Whether a condition's cells are all known to be false.
SIGNALBOX_VECTORS bool all_false(const double* value, const std::uint8_t* evidence, std::size_t n) {
  std::uint8_t unknown = 0;
  for (std::size_t i = 0; i < n; ++i) unknown |= evidence[i];
  std::uint64_t yes = 0;
  for (std::size_t i = 0; i < n; ++i) yes |= value[i] != 0.0 ? 1 : 0;
  return unknown == static_cast<std::uint8_t>(Evidence::value) && yes == 0;
}

}  // namespace

Conjunction* conjunction_of(const plan::Plan& plan, EvalCache& cache, Index map) {
  const Node& node = plan.nodes[map];
  if (plan.shapes[node.index].code.back().op != plan::ShapeOp::both) return nullptr;
  const auto [at, fresh] = cache.conjunctions.try_emplace(map);
  Conjunction& out = at->second;
  if (!fresh) return out.parts.empty() ? nullptr : &out;
  if (cache.panel_nodes.empty()) cache.panel_nodes = panel_nodes(plan);
  if (!cache.panel_nodes[map]) return nullptr;
  out.parts = conjuncts_of(plan.shapes[node.index]);
  std::vector<Index> open = {map};
  std::set<Index> seen;
  while (!open.empty()) {
    const Index below = open.back();
    open.pop_back();
    if (!seen.insert(below).second) continue;
    const Node& n = plan.nodes[below];
    if (n.kind == NodeKind::leaf) out.leaves.push_back(below);
    if (n.kind == NodeKind::quantile) out.rows_follow_leaves = false;
    open.insert(open.end(), n.inputs.begin(), n.inputs.end());
  }
  return &out;
}

// --- at one instant --------------------------------------------------------------------------------------

bool Evaluation::is_false(const Node& map, const Conjunct& part, const Alignment& alignment) {
  const std::size_t rows = alignment.rows->size();
  std::vector<Gathered> gathered(map.inputs.size());
  std::vector<ColumnView> views(map.inputs.size());
  for (const std::uint32_t input : part.inputs) {
    const Column& in = column(map.inputs[input]);
    if (!in.histogram.empty()) return false;  // a histogram is more than its row here says
    views[input] = gather(in, alignment.sources[input], absence(*context_.plan, map, input), gathered[input]);
  }
  std::vector<double> value(rows);
  std::vector<std::uint8_t> evidence(rows);
  interpret(part.shape, map.params.data(), views.data(), value.data(), evidence.data(), rows);
  return all_false(value.data(), evidence.data(), rows);
}

bool Evaluation::refute(Index map) {
  // Where faults are told, all of them are.
  if (refuting_ >= deepest || context_.faults != nullptr) return false;
  Conjunction* const kept = conjunction_of(*context_.plan, *context_.cache, map);
  if (kept == nullptr || !kept->rows_follow_leaves || kept->tried == number_ || !kept->alignment ||
      kept->leaves.empty() || kept->alignment->rows->empty() || !kept->alignment->contests.empty())
    return false;
  kept->tried = number_;
  for (std::size_t i = 0; i < kept->leaves.size(); ++i)
    if (rows_of_leaf(kept->leaves[i]) != kept->rows[i]) return false;
  const Node& node = context_.plan->nodes[map];
  const std::shared_ptr<const Alignment> alignment = kept->alignment;
  ++refuting_;
  const bool refuted =
      one_is_false(*kept, [&](const Conjunct& part) { return is_false(node, part, *alignment); });
  --refuting_;
  if (!refuted) return false;
  Column out;
  out.rows = alignment->rows;
  out.value.assign(out.rows->size(), 0.0);
  out.evidence.assign(out.rows->size(), static_cast<std::uint8_t>(Evidence::value));
  memo_->add(map, std::move(out));
  return true;
}

// --- at the ticks of a run -------------------------------------------------------------------------------

Conjunction* PanelEvaluation::conjunction(Index map) {
  return context_.plan->nodes[map].kind == NodeKind::map
             ? conjunction_of(*context_.plan, *context_.cache, map)
             : nullptr;
}

// Within a run the rows of a panel are the same at all ticks, whatever their values, and panels have no
// native histograms: the rows follow from the leaves' rows, and so does how they meet.
void PanelEvaluation::remember(Index map, const std::shared_ptr<const Alignment>& alignment) {
  Conjunction* const kept = conjunction(map);
  if (kept == nullptr) return;
  kept->alignment = alignment;
  kept->from = from_;
  kept->until = Instant{std::numeric_limits<std::int64_t>::max()};
  for (const Index leaf : kept->leaves)
    kept->until = std::min(kept->until, same_rows_until(context_.plan->nodes[leaf].index, from_));
}

bool PanelEvaluation::is_false(const Node& map, const Conjunct& part, const Alignment& alignment,
                               double* value, std::uint8_t* evidence) {
  for (const std::uint32_t input : part.inputs) panel(map.inputs[input]);
  std::vector<ColumnView> views(map.inputs.size());
  for (std::size_t row = 0; row < alignment.rows->size(); ++row) {
    for (const std::uint32_t input : part.inputs) views[input] = view(map, alignment, input, row);
    interpret(part.shape, map.params.data(), views.data(), value, evidence, ticks_);
    if (!all_false(value, evidence, ticks_)) return false;
  }
  return true;
}

bool PanelEvaluation::refute(Index map, Panel& out) {
  if (refuting_ >= deepest) return false;
  Conjunction* const kept = conjunction(map);
  if (kept == nullptr || kept->tried == run_ || !kept->alignment || from_ < kept->from ||
      from_ >= kept->until || kept->alignment->rows->empty() || !kept->alignment->contests.empty())
    return false;
  kept->tried = run_;
  ++refuting_;
  const Node& node = context_.plan->nodes[map];
  double* value = memory_.values();
  std::uint8_t* evidence = memory_.evidence();
  const bool refuted = one_is_false(
      *kept, [&](const Conjunct& part) { return is_false(node, part, *kept->alignment, value, evidence); });
  --refuting_;
  if (!refuted) return false;
  value[0] = 0.0;
  out.rows = kept->alignment->rows;
  out.steady = true;
  out.row.assign(out.rows->size(), {value, memory_.all_values(), true});
  return true;
}

}  // namespace signalbox::eval
