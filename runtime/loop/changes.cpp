#include "runtime/loop/changes.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "runtime/base/vectors.hpp"

namespace signalbox::loop {
namespace {

using plan::Index;

// Ticks worked out together: their columns of one SLO stay in a core's cache.
constexpr std::size_t block = 1024;

// Where it is not known beforehand that nothing changes.
constexpr std::size_t least_together = 32;

// The first cell from `t` on that is not the one before it, or `ticks`. Most are: looking at many at a time
// is cheaper.
SIGNALBOX_VECTORS std::size_t next_change(const double* cells, std::size_t t, std::size_t ticks) {
  constexpr std::size_t many = 64;
  for (; t + many <= ticks; t += many) {
    std::uint64_t any = 0;
    for (std::size_t k = t; k < t + many; ++k) any |= cells[k] != cells[k - 1] ? 1 : 0;
    if (any != 0) break;
  }
  while (t < ticks && cells[t] == cells[t - 1]) ++t;
  return t;
}
SIGNALBOX_VECTORS std::size_t next_change(const std::uint8_t* cells, std::size_t t, std::size_t ticks) {
  constexpr std::size_t many = 64;
  for (; t + many <= ticks; t += many) {
    std::uint8_t any = 0;
    for (std::size_t k = t; k < t + many; ++k) any |= cells[k] ^ cells[k - 1];
    if (any != 0) break;
  }
  while (t < ticks && cells[t] == cells[t - 1]) ++t;
  return t;
}

template <class T>
bool mark_cells(const T* cells, std::size_t ticks, std::vector<std::uint8_t>& changed) {
  bool any = false;
  for (std::size_t t = next_change(cells, 1, ticks); t < ticks; t = next_change(cells, t + 1, ticks)) {
    changed[t] = 1;
    any = true;
  }
  return any;
}

// Whether a row is true at a tick and was not at the one before.
bool becomes_true(const eval::Panel& panel, std::size_t tick) {
  return std::any_of(panel.row.begin(), panel.row.end(), [&](const eval::Panel::Row& row) {
    const std::size_t cell = panel.steady ? 0 : tick;
    return row.number(cell) != 0 && (cell == 0 || row.number(cell - 1) == 0);
  });
}

// Marks the ticks of a run at which a row is not as it was a tick earlier; says whether there are any.
bool mark(const eval::Panel& panel, bool with_values, LastShown& shown, std::vector<std::uint8_t>& changed) {
  bool first = shown.rows != panel.rows, any = false;
  for (std::size_t row = 0; row < panel.row.size() && !first; ++row)
    first = shown.column.evidence[row] != panel.row[row].evidence[0] ||
            (with_values && shown.column.number(row) != panel.row[row].number(0));
  if (first) changed[0] = 1;
  for (const eval::Panel::Row& row : panel.row) {
    if (panel.steady) continue;
    if (!row.known) any |= mark_cells(row.evidence, panel.ticks, changed);
    if (with_values)
      any |= row.truth != nullptr ? mark_cells(row.truth, panel.ticks, changed)
                                  : mark_cells(row.value, panel.ticks, changed);
  }
  shown = {panel.rows, panel.at(panel.ticks - 1)};
  return first || any;
}

}  // namespace

ChangeFinder::ChangeFinder(const plan::Plan& plan, eval::StoreProvider& leaves, eval::ShapeRunner& shapes,
                           Semantics semantics, ReplayTicks ticks, Room& room)
    : plan_(plan),
      leaves_(leaves),
      ticks_(ticks),
      room_(room),
      able_(eval::panel_nodes(plan)),
      panels_({&plan, &leaves, &shapes, semantics, eval::make_eval_cache()}),
      bounds_(panels_.context()) {
  Duration reach;
  const auto read = [&](const std::vector<Root>& roots) {
    for (const Index leaf : leaves_below(roots)) {
      const plan::Window& window = plan.leaves[leaf].window;
      reach = std::max(reach, window.offset + std::max(window.length, plan.lookback));
    }
  };
  for (Index slo = 0; slo < plan.slos.size(); ++slo) read(roots_of_slo(slo));
  for (Index policy = 0; policy < plan.policies.size(); ++policy)
    read(roots_of_policy(policy).value_or(std::vector<Root>{}));
  for (const plan::Target& target : plan.targets)
    if (target.deployed != plan::none) read({Root{target.deployed}});
  leaves.expect_panels(ticks.from, plan.tick, ticks.count, reach);
}

bool Room::take(std::int64_t bytes, bool condition) {
  const std::int64_t least = condition ? 0 : for_conditions_;
  if (left_.fetch_sub(bytes, std::memory_order_relaxed) - bytes >= least) return true;
  left_.fetch_add(bytes, std::memory_order_relaxed);
  return false;
}

void Changes::add(Changes&& other) {
  every_tick = every_tick || other.every_tick;
  shown_until = std::min(shown_until, other.shown_until);
  const auto middle = static_cast<std::ptrdiff_t>(ticks.size());
  ticks.insert(ticks.end(), other.ticks.begin(), other.ticks.end());
  std::inplace_merge(ticks.begin(), ticks.begin() + middle, ticks.end());
  ticks.erase(std::unique(ticks.begin(), ticks.end()), ticks.end());
  const auto shown_before = static_cast<std::ptrdiff_t>(shown.size());
  std::move(other.shown.begin(), other.shown.end(), std::back_inserter(shown));
  std::inplace_merge(shown.begin(), shown.begin() + shown_before, shown.end(),
                     [](const Shown& a, const Shown& b) { return a.tick < b.tick; });
}

std::set<Index> ChangeFinder::nodes_below(std::vector<Index> open) const {
  std::set<Index> out;
  while (!open.empty()) {
    const Index at = open.back();
    open.pop_back();
    if (!out.insert(at).second) continue;
    open.insert(open.end(), plan_.nodes[at].inputs.begin(), plan_.nodes[at].inputs.end());
  }
  return out;
}

// The ratios of a row, and of what a condition compares with a burn rate.
std::vector<Index> ChangeFinder::told_of(Index root) const {
  const std::set<Index> below = nodes_below({root});
  std::set<Index> out;
  for (const plan::Slo& slo : plan_.slos)
    for (const plan::BurnRow& row : slo.rows)
      if (row.condition == root) out.insert({row.long_ratio, row.short_ratio});
  for (const plan::BurnReading& reading : plan_.readings)
    if (below.contains(reading.condition)) out.insert({reading.ratio, reading.bad, reading.total});
  std::erase_if(out, [&](Index node) { return node == plan::none || !able_[node]; });
  return {out.begin(), out.end()};
}

std::vector<Index> ChangeFinder::leaves_below(const std::vector<Root>& roots) const {
  std::vector<Index> nodes, out;
  for (const Root& root : roots) nodes.push_back(root.node);
  for (const Index node : nodes_below(std::move(nodes)))
    if (plan_.nodes[node].kind == plan::NodeKind::leaf) out.push_back(plan_.nodes[node].index);
  return out;
}

std::vector<Root> ChangeFinder::roots_of_slo(Index index) const {
  const plan::Slo& slo = plan_.slos[index];
  std::vector<Root> roots = {{slo.universe, false}};
  for (const plan::BurnRow& row : slo.rows) roots.push_back({row.condition});
  return roots;
}

std::optional<std::vector<Root>> ChangeFinder::roots_of_policy(Index index) const {
  std::vector<Root> roots;
  std::set<Index> visited;
  for (const Index condition : {plan_.policies[index].when, plan_.policies[index].until})
    if (condition != plan::none && !add_parts(condition, visited, roots)) return std::nullopt;
  return roots;
}

std::optional<Changes> ChangeFinder::of_slo(Index index, const GoOn& go_on) {
  return find(roots_of_slo(index), go_on);
}

// Adds what can be read in panels of what `node` is made of. False where that does not say when it changes.
bool ChangeFinder::add_parts(Index at, std::set<Index>& visited, std::vector<Root>& roots) const {
  if (!visited.insert(at).second) return true;
  const plan::Node& node = plan_.nodes[at];
  if (able_[at]) {
    roots.push_back({at});
    return true;
  }
  switch (node.kind) {
    case plan::NodeKind::leaf: {
      const plan::WindowKind window = plan_.leaves[node.index].window.kind;
      return window == plan::WindowKind::since || window == plan::WindowKind::before;
    }
    case plan::NodeKind::slices:
    case plan::NodeKind::subquery:
    case plan::NodeKind::histogram:
      return false;
    default:  // nothing but the tick's own inputs, and what a hold has counted
      return std::all_of(node.inputs.begin(), node.inputs.end(),
                         [&](Index input) { return add_parts(input, visited, roots); });
  }
}

std::optional<Changes> ChangeFinder::of_policy(Index index, const GoOn& go_on) {
  const auto roots = roots_of_policy(index);
  if (!roots) return Changes{{}, true, {}, 0};
  return find(*roots, go_on);
}

std::optional<Changes> ChangeFinder::of_target(Index index, const GoOn& go_on) {
  const Index deployed = plan_.targets[index].deployed;
  if (deployed == plan::none) return Changes{};
  // A deploy that is shown before its time is believed when its time has come.
  Changes believed;
  const auto note = [&](const eval::Panel& panel, std::size_t first) {
    for (const eval::Panel::Row& row : panel.row) {
      for (std::size_t t = 0; t < (panel.steady ? 1 : panel.ticks); ++t) {
        if (t > 0 && row.number(t) == row.number(t - 1)) continue;
        const auto ms = seconds_to_ms(row.number(t));
        const Duration early = ms ? Instant{*ms} - ticks_.at(plan_, first + t) : Duration{};
        const std::uint64_t later =
            first + t + static_cast<std::uint64_t>(std::max<std::int64_t>(0, early.ms) / plan_.tick.ms) + 1;
        if (early.ms <= 0 || later >= ticks_.count) continue;
        for (const std::uint64_t tick : {later - 1, later})
          believed.ticks.push_back(static_cast<std::uint32_t>(tick));
      }
    }
  };
  std::optional<Changes> out = find({{deployed}}, go_on, note);
  std::sort(believed.ticks.begin(), believed.ticks.end());
  if (out) out->add(std::move(believed));
  return out;
}

void ChangeFinder::show(std::uint32_t tick, Index node, const eval::Panel& panel, std::size_t at, bool lasts,
                        Changes& out) {
  for (auto one = out.shown.rbegin(); one != out.shown.rend() && one->tick == tick; ++one) {
    if (one->node != node) continue;
    one->lasts = one->lasts || lasts;
    return;
  }
  const std::size_t cell =
      sizeof(std::uint8_t) + (panel.has_truths() ? sizeof(std::uint8_t) : sizeof(double));
  constexpr std::size_t allocations = 2 * 2 * sizeof(void*);  // what the heap keeps beside a column's two
  const auto bytes =
      static_cast<std::int64_t>(sizeof(Changes::Shown) + panel.row.size() * cell + allocations);
  if (!room_.take(bytes, lasts)) {
    if (lasts) out.shown_until = std::min(out.shown_until, tick);
    return;
  }
  out.shown.push_back({tick, node, panel.at(at), lasts});
}

Instant ChangeFinder::same_rows_until(const std::vector<Index>& leaves, Instant at) {
  Instant out{std::numeric_limits<std::int64_t>::max()};
  for (const Index leaf : leaves) out = std::min(out, panels_.same_rows_until(leaf, at));
  return out;
}

std::optional<Changes> ChangeFinder::find(const std::vector<Root>& roots, const GoOn& go_on,
                                          const Seen& seen) {
  Changes out;
  out.every_tick =
      std::any_of(roots.begin(), roots.end(), [&](const Root& root) { return !able_[root.node]; });
  if (out.every_tick) return out;
  const std::vector<Index> leaves = leaves_below(roots);
  out.every_tick =
      std::any_of(leaves.begin(), leaves.end(), [&](Index leaf) { return panels_.finds_histograms(leaf); });
  if (out.every_tick) return out;
  std::vector<Looked> looked;
  looked.reserve(roots.size());
  for (const Root& root : roots)
    looked.push_back({root,
                      root.with_values ? told_of(root.node) : std::vector<Index>{},
                      Stillness(bounds_, root, ticks_.from, plan_.tick),
                      {},
                      {}});
  leaves_.next_panels();
  Instant rows_until = ticks_.from;
  // Where something moves, more does: the longer it goes on, the more ticks are worked out together.
  std::size_t together = least_together;
  for (std::size_t first = 0; first < ticks_.count;) {
    if (!go_on(static_cast<double>(first) / static_cast<double>(ticks_.count))) return std::nullopt;
    const Instant from = ticks_.at(plan_, first);
    if (from >= rows_until) {
      rows_until = same_rows_until(leaves, from);
      ++rows_;
    }
    std::size_t n = std::min(block, ticks_.count - first);
    if (rows_until < ticks_.at(plan_, first + n))
      n = static_cast<std::size_t>(((rows_until - from).ms + plan_.tick.ms - 1) / plan_.tick.ms);
    const bool by_bounds = first > 0 && !seen;
    if (by_bounds) {
      std::size_t still = n;
      for (Looked& one : looked) still = std::min(still, one.stillness.ticks(first, n, rows_, one.shown));
      if (still > 0) {
        first += still;
        together = least_together;
        continue;
      }
    }
    if (!seen) {
      n = std::min(n, together);
      together = std::min(2 * together, block);
    }
    panels_.begin(from, n);
    if (seen) seen(panels_.panel(roots[0].node), first);
    look(looked, first, n, by_bounds, out);
    first += n;
  }
  return out;
}

// `n` ticks of the roots that are not known to be still in all of them.
void ChangeFinder::look(std::vector<Looked>& looked, std::size_t first, std::size_t n, bool by_bounds,
                        Changes& out) {
  std::vector<std::uint8_t> any(n, 0);
  bool some = false;
  for (Looked& one : looked) {
    one.changed.assign(n, 0);
    if (by_bounds && one.stillness.covers(first, n, rows_, one.shown)) continue;
    if (!mark(panels_.panel(one.root.node), one.root.with_values, one.shown, one.changed)) continue;
    some = true;
    for (std::size_t t = 0; t < n; ++t) any[t] |= one.changed[t];
  }
  if (first == 0) any[0] = 1;
  if (!some && first > 0) return;
  for (std::size_t t = 0; t < n; ++t) {
    if (any[t] == 0) continue;
    const auto tick = static_cast<std::uint32_t>(first + t);
    out.ticks.push_back(tick);
    for (const Looked& one : looked) {
      const eval::Panel& panel = panels_.panel(one.root.node);
      show(tick, one.root.node, panel, t, one.root.with_values, out);
      // Whoever is told of it is told the numbers.
      const bool told = one.changed[t] != 0 || tick == 0;
      if (!told || !one.root.with_values || !becomes_true(panel, t)) continue;
      for (const Index node : one.told) show(tick, node, panels_.panel(node), t, false, out);
    }
  }
}

}  // namespace signalbox::loop
