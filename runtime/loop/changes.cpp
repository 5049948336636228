#include "runtime/loop/changes.hpp"

#include <algorithm>
#include <set>

namespace signalbox::loop {
namespace {

using plan::Index;

// Ticks worked out together: their columns of one SLO stay in a core's cache.
constexpr std::size_t block = 1024;

// What a root showed at the end of the block before.
struct Shown {
  eval::Rows rows;
  eval::Column last;
};

// Marks the ticks at which cells are not as they were a tick earlier. Most are: looking at many at a time is
// cheaper.
template <class T>
void mark_cells(const T* cells, std::size_t ticks, std::vector<std::uint8_t>& changed) {
  constexpr std::size_t many = 64;
  for (std::size_t t = 1; t < ticks; t += many) {
    const std::size_t end = std::min(ticks, t + many);
    bool any = false;
    for (std::size_t k = t; k < end; ++k) any |= cells[k] != cells[k - 1];
    for (std::size_t k = t; any && k < end; ++k) changed[k] |= cells[k] != cells[k - 1] ? 1 : 0;
  }
}

// Marks the ticks of a block at which a row is not as it was a tick earlier.
void mark(const eval::Panel& panel, bool with_values, Shown& shown, std::vector<std::uint8_t>& changed) {
  if (shown.rows != panel.rows) {
    changed[0] = 1;
  } else {
    for (std::size_t row = 0; row < panel.row.size(); ++row)
      if (shown.last.evidence[row] != panel.row[row].evidence[0] ||
          (with_values && shown.last.value[row] != panel.row[row].value[0]))
        changed[0] = 1;
  }
  for (const eval::Panel::Row& row : panel.row) {
    if (panel.steady) continue;
    if (!row.known) mark_cells(row.evidence, panel.ticks, changed);
    if (with_values) mark_cells(row.value, panel.ticks, changed);
  }
  shown = {panel.rows, panel.at(panel.ticks - 1)};
}

}  // namespace

ChangeFinder::ChangeFinder(const plan::Plan& plan, eval::StoreProvider& leaves, eval::ShapeRunner& shapes,
                           Semantics semantics, ReplayTicks ticks)
    : plan_(plan),
      leaves_(leaves),
      ticks_(ticks),
      able_(eval::panel_nodes(plan)),
      panels_({&plan, &leaves, &shapes, semantics, eval::make_eval_cache()}) {
  leaves.expect_panels(ticks.from, plan.tick, ticks.count, plan::longest_window(plan));
}

std::vector<Index> ChangeFinder::leaves_below(const std::vector<Index>& roots) const {
  std::set<Index> seen;
  std::vector<Index> open = roots;
  std::vector<Index> out;
  while (!open.empty()) {
    const Index at = open.back();
    open.pop_back();
    if (!seen.insert(at).second) continue;
    const plan::Node& node = plan_.nodes[at];
    if (node.kind == plan::NodeKind::leaf) out.push_back(node.index);
    open.insert(open.end(), node.inputs.begin(), node.inputs.end());
  }
  return out;
}

std::optional<Changes> ChangeFinder::find(Index index, const std::function<bool(double)>& go_on) {
  const plan::Slo& slo = plan_.slos[index];
  std::vector<Index> roots = {slo.universe};
  for (const plan::BurnRow& row : slo.rows) roots.push_back(row.condition);
  Changes out;
  out.every_tick = std::any_of(roots.begin(), roots.end(), [&](Index root) { return !able_[root]; });
  if (out.every_tick) return out;
  const std::vector<Index> leaves = leaves_below(roots);
  out.every_tick =
      std::any_of(leaves.begin(), leaves.end(), [&](Index leaf) { return panels_.finds_histograms(leaf); });
  if (out.every_tick) return out;
  std::vector<Shown> shown(roots.size());
  leaves_.next_panels();
  std::vector<std::uint8_t> changed;
  for (std::size_t first = 0; first < ticks_.count;) {
    if (!go_on(static_cast<double>(first) / static_cast<double>(ticks_.count))) return std::nullopt;
    const Instant from = ticks_.at(plan_, first);
    std::size_t n = std::min(block, ticks_.count - first);
    for (const Index leaf : leaves) {
      const Instant until = panels_.same_rows_until(leaf, from);
      if (until < ticks_.at(plan_, first + n))
        n = static_cast<std::size_t>(((until - from).ms + plan_.tick.ms - 1) / plan_.tick.ms);
    }
    changed.assign(n, 0);
    panels_.begin(from, n);
    for (std::size_t r = 0; r < roots.size(); ++r) mark(panels_.panel(roots[r]), r > 0, shown[r], changed);
    if (first == 0) changed[0] = 1;
    for (std::size_t t = 0; t < n; ++t)
      if (changed[t] != 0) out.ticks.push_back(static_cast<std::uint32_t>(first + t));
    first += n;
  }
  return out;
}

}  // namespace signalbox::loop
