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

// Whether cells are all known to be false, or 0: a part may be an input alone, which is given as numbers.
SIGNALBOX_VECTORS bool all_false(const ColumnOut& cells, std::size_t n) {
  static_assert(static_cast<std::uint8_t>(Evidence::value) == 0);
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < n; ++i) any |= cells.evidence[i];
  if (cells.truth != nullptr) {
    for (std::size_t i = 0; i < n; ++i) any |= cells.truth[i];
    return any == 0;
  }
  std::uint64_t yes = 0;
  for (std::size_t i = 0; i < n; ++i) yes |= cells.value[i] != 0.0 ? 1 : 0;
  return any == 0 && yes == 0;
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
  Column out = column_of(rows, part.shape.is_condition());
  interpret(part.shape, map.params.data(), views.data(), out.out(), rows);
  return all_false(out.out(), rows);
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
  Column out = column_of(alignment->rows->size(), true);
  out.rows = alignment->rows;
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

bool PanelEvaluation::is_false(const Node& map, const Conjunct& part, const Alignment& alignment) {
  for (const std::uint32_t input : part.inputs) panel(map.inputs[input]);
  std::vector<ColumnView> views(map.inputs.size());
  const ColumnOut out = memory_.cells(part.shape.is_condition());
  for (std::size_t row = 0; row < alignment.rows->size(); ++row) {
    for (const std::uint32_t input : part.inputs) views[input] = view(map, alignment, input, row);
    interpret(part.shape, map.params.data(), views.data(), out, ticks_);
    if (!all_false(out, ticks_)) return false;
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
  const bool refuted =
      one_is_false(*kept, [&](const Conjunct& part) { return is_false(node, part, *kept->alignment); });
  --refuting_;
  if (!refuted) return false;
  out.rows = kept->alignment->rows;
  out.steady = true;
  out.row.assign(out.rows->size(), never_true());
  return true;
}

}  // namespace signalbox::eval
