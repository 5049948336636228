#include "runtime/plan/slice.hpp"

#include <algorithm>

namespace signalbox::plan {

bool is_slo_by_slo(const Plan& plan) {
  return plan.policies.empty() && plan.targets.empty() &&
         std::all_of(plan.slos.begin(), plan.slos.end(), [](const Slo& slo) { return slo.defer.empty(); });
}

Slicer::Slicer(const Plan& plan)
    : plan_(plan),
      origins_(plan.origins.size()),
      leaves_(plan.leaves.size()),
      shapes_(plan.shapes.size()),
      nodes_(plan.nodes.size()) {
  for (Index i = 0; i < plan.readings.size(); ++i) readings_.emplace_back(plan.readings[i].slo, i);
  std::sort(readings_.begin(), readings_.end());
}

void Slicer::Numbers::clear() {
  for (const Index old : set_) of_[old] = none;
  set_.clear();
}

template <class T>
Index Slicer::move(const std::vector<T>& from, std::vector<T>& to, Numbers& numbers, Index old) {
  if (old == none) return none;
  if (numbers.of(old) == none) {
    numbers.set(old, static_cast<Index>(to.size()));
    to.push_back(from[old]);
  }
  return numbers.of(old);
}

Plan Slicer::slice(Index slo) {
  Plan out;
  out.name = plan_.name;
  out.tick = plan_.tick;
  out.phase = plan_.phase;
  out.lookback = plan_.lookback;
  out.semantics = plan_.semantics;
  out.sources = plan_.sources;
  out.receivers = plan_.receivers;
  Slo of = plan_.slos[slo];

  for (auto at = std::lower_bound(readings_.begin(), readings_.end(), std::pair<Index, Index>{slo, 0});
       at != readings_.end() && at->first == slo; ++at)
    out.readings.push_back(plan_.readings[at->second]);
  std::vector<Index*> roots = {&of.universe, &of.spent, &of.seen, &of.coverage};
  for (BurnRow& row : of.rows)
    roots.insert(roots.end(), {&row.condition, &row.long_ratio, &row.short_ratio, &row.clipped});
  for (Slo::WindowReading& window : of.windows) roots.push_back(&window.ratio);
  for (BurnReading& r : out.readings) {
    roots.insert(roots.end(), {&r.condition, &r.ratio, &r.bad, &r.total});
    r.slo = 0;
  }
  std::vector<Index> needed, open;
  for (const Index* root : roots)
    if (*root != none) open.push_back(*root);
  while (!open.empty()) {
    const Index at = open.back();
    open.pop_back();
    if (nodes_.of(at) != none) continue;
    nodes_.set(at, at);  // seen; its number comes below
    needed.push_back(at);
    open.insert(open.end(), plan_.nodes[at].inputs.begin(), plan_.nodes[at].inputs.end());
  }
  nodes_.clear();

  const auto origin = [&](Index old) { return move(plan_.origins, out.origins, origins_, old); };
  // Inputs stand before those who read them, and stay so.
  std::sort(needed.begin(), needed.end());
  for (const Index at : needed) {
    Node node = plan_.nodes[at];
    if (node.kind == NodeKind::leaf) node.index = move(plan_.leaves, out.leaves, leaves_, node.index);
    if (node.kind == NodeKind::map) node.index = move(plan_.shapes, out.shapes, shapes_, node.index);
    for (Index& input : node.inputs) input = nodes_.of(input);
    node.origin = origin(node.origin);
    nodes_.set(at, static_cast<Index>(out.nodes.size()));
    out.nodes.push_back(std::move(node));
  }
  for (Index* root : roots)
    if (*root != none) *root = nodes_.of(*root);
  for (BurnRow& row : of.rows) row.origin = origin(row.origin);
  for (Source& source : out.sources) source.origin = origin(source.origin);
  for (Receiver& receiver : out.receivers) receiver.origin = origin(receiver.origin);
  of.origin = origin(of.origin);
  out.slos.push_back(std::move(of));
  for (Numbers* numbers : {&origins_, &leaves_, &shapes_, &nodes_}) numbers->clear();
  return out;
}

}  // namespace signalbox::plan
