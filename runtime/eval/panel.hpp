// Columns at consecutive ticks, for replay: the same nodes with the same values as Evaluation gives tick by
// tick, to the bit, worked out for a whole run of ticks at once.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {

// Rows side by side, each with its ticks in a run: row r at tick t is value[r * stride() + (steady ? 0 : t)].
struct Panel {
  Rows rows = no_rows();
  std::size_t ticks = 0;
  bool steady = false;  // one value a row, for all ticks
  std::vector<double> value;
  std::vector<std::uint8_t> evidence;

  std::size_t stride() const { return steady ? 1 : ticks; }
  void resize(Rows of, std::size_t n) {
    rows = std::move(of);
    ticks = n;
    steady = false;
    value.resize(rows->size() * n);
    evidence.resize(rows->size() * n);
  }
  Column at(std::size_t tick) const;
};

// What a leaf is asked for a run of ticks: windows and instants as LeafQuery has them, from tick to tick.
struct PanelQuery {
  const plan::Leaf* leaf = nullptr;
  Instant from;  // of the first tick, the leaf's offset not yet taken off
  Duration step;
  std::size_t ticks = 0;
  Duration lookback;
  Semantics semantics = Semantics::prometheus2;
};

// Leaves that are read for many ticks: a LeafProvider that knows how.
class PanelLeaves {
 public:
  virtual ~PanelLeaves() = default;
  // For leaves that look at an instant or a trailing window and are no raw increments. The rows are those
  // known at the first tick.
  virtual void read_panel(const PanelQuery& query, Panel& out) = 0;
  // Until when, exclusively, the rows of a selector stay those known at `at`.
  virtual Instant same_rows_until(const plan::Leaf& leaf, Instant at) = 0;
};

// Whether `node` and all below it can be worked out in panels: no holds, slices, anchored windows or raw
// increments.
std::vector<bool> panel_nodes(const plan::Plan& plan);

class PanelEvaluation {
 public:
  struct Context {
    const plan::Plan* plan = nullptr;
    PanelLeaves* leaves = nullptr;
    ShapeRunner* shapes = nullptr;
    Semantics semantics = Semantics::prometheus2;
    std::shared_ptr<EvalCache> cache;
  };
  explicit PanelEvaluation(Context context) : context_(std::move(context)) {}
  // The ticks that panels are worked out for from now on: `ticks` of them, every plan->tick, in all of which
  // the leaves have the rows they have in the first. Ends all panels given out; their memory is used again.
  void begin(Instant from, std::size_t ticks);
  // `node` is one of panel_nodes().
  const Panel& panel(plan::Index node);

 private:
  Panel fresh();
  Panel compute(plan::Index node);
  Panel read_leaf(const plan::Leaf& leaf);
  Panel run_map(plan::Index node);
  Panel group(plan::Index node);

  Context context_;
  Instant from_;
  std::size_t ticks_ = 0;
  std::map<plan::Index, Panel> memo_;
  std::vector<Panel> spare_;
};

}  // namespace signalbox::eval
