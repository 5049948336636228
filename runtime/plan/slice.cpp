#include "runtime/plan/slice.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace signalbox::plan {
namespace {

// Numbers things anew in the order in which they come, and copies them.
template <class T>
class Moved {
 public:
  Moved(const std::vector<T>& from, std::vector<T>& to) : from_(from), to_(to) {}
  Index operator()(Index old) {
    if (old == none) return none;
    const auto [entry, fresh] = numbers_.try_emplace(old, static_cast<Index>(to_.size()));
    if (fresh) to_.push_back(from_[old]);
    return entry->second;
  }

 private:
  const std::vector<T>& from_;
  std::vector<T>& to_;
  std::map<Index, Index> numbers_;
};

}  // namespace

bool is_slo_by_slo(const Plan& plan) {
  return plan.policies.empty() && plan.targets.empty() &&
         std::all_of(plan.slos.begin(), plan.slos.end(), [](const Slo& slo) { return slo.defer.empty(); });
}

Plan slice_of(const Plan& plan, Index slo) {
  Plan out;
  out.name = plan.name;
  out.tick = plan.tick;
  out.phase = plan.phase;
  out.lookback = plan.lookback;
  out.semantics = plan.semantics;
  out.sources = plan.sources;
  out.receivers = plan.receivers;
  Slo of = plan.slos[slo];

  std::vector<BurnReading> readings;
  for (const BurnReading& reading : plan.readings)
    if (reading.slo == slo) readings.push_back(reading);
  std::vector<Index*> roots = {&of.universe, &of.spent, &of.seen, &of.coverage};
  for (BurnRow& row : of.rows)
    roots.insert(roots.end(), {&row.condition, &row.long_ratio, &row.short_ratio, &row.clipped});
  for (Slo::WindowReading& window : of.windows) roots.push_back(&window.ratio);
  for (BurnReading& r : readings) {
    roots.insert(roots.end(), {&r.condition, &r.ratio, &r.bad, &r.total});
    r.slo = 0;
  }
  std::set<Index> needed;
  std::vector<Index> open;
  for (const Index* root : roots)
    if (*root != none) open.push_back(*root);
  while (!open.empty()) {
    const Index at = open.back();
    open.pop_back();
    if (!needed.insert(at).second) continue;
    open.insert(open.end(), plan.nodes[at].inputs.begin(), plan.nodes[at].inputs.end());
  }

  Moved origin(plan.origins, out.origins);
  Moved leaf(plan.leaves, out.leaves);
  Moved shape(plan.shapes, out.shapes);
  std::map<Index, Index> moved;  // inputs stand before those who read them, and stay so
  for (const Index at : needed) {
    Node node = plan.nodes[at];
    if (node.kind == NodeKind::leaf) node.index = leaf(node.index);
    if (node.kind == NodeKind::map) node.index = shape(node.index);
    for (Index& input : node.inputs) input = moved.at(input);
    node.origin = origin(node.origin);
    moved[at] = static_cast<Index>(out.nodes.size());
    out.nodes.push_back(std::move(node));
  }
  for (Index* root : roots)
    if (*root != none) *root = moved.at(*root);
  for (BurnRow& row : of.rows) row.origin = origin(row.origin);
  for (Source& source : out.sources) source.origin = origin(source.origin);
  for (Receiver& receiver : out.receivers) receiver.origin = origin(receiver.origin);
  of.origin = origin(of.origin);
  out.slos.push_back(std::move(of));
  out.readings = std::move(readings);
  return out;
}

}  // namespace signalbox::plan
