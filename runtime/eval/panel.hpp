// Columns at consecutive ticks, for replay: the same nodes with the same values as Evaluation gives tick by
// tick, to the bit, worked out for a whole run of ticks at once.
#pragma once

#include <memory>
#include <vector>

#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {

struct Alignment;
struct Bounds;
struct Conjunct;
struct Conjunction;

// Where panels lie: pieces for one row's ticks each, used again from run to run. A page touched for the first
// time costs more than what is computed in it.
class PanelMemory {
 public:
  // Ends all that was given out; pieces have room for `ticks` cells from now on.
  void reset(std::size_t ticks);
  double* values() { return values_.take(ticks_); }
  std::uint8_t* evidence() { return bytes_.take(ticks_); }
  // Those of a condition, or of numbers.
  ColumnOut cells(bool condition) {
    if (condition) return {nullptr, evidence(), bytes_.take(ticks_)};
    return {values(), evidence(), nullptr};
  }
  // The evidence of cells that all have a value: zeros.
  const std::uint8_t* all_values() const { return zeros_.data(); }

 private:
  template <class T>
  struct Pieces {
    std::vector<std::unique_ptr<T[]>> pieces;
    std::size_t used = 0;
    T* take(std::size_t cells) {
      if (used == pieces.size()) pieces.push_back(std::make_unique_for_overwrite<T[]>(cells));
      return pieces[used++].get();
    }
  };
  std::size_t ticks_ = 0;
  Pieces<double> values_;
  Pieces<std::uint8_t> bytes_;
  std::vector<std::uint8_t> zeros_;
};

// Rows side by side, each with its ticks in a run. Rows of different panels may be the same memory.
struct Panel {
  struct Row {
    const double* value = nullptr;  // of numbers: +0.0 where evidence is not `value`
    const std::uint8_t* evidence = nullptr;
    bool known = false;                   // says that every tick has a value; false says nothing
    const std::uint8_t* truth = nullptr;  // of a condition: 1 where it is known to be true, else 0
    double number(std::size_t tick) const { return truth != nullptr ? truth[tick] : value[tick]; }
    // From a tick on; `step` as ColumnView has it.
    ColumnView view(std::size_t tick, std::size_t step) const {
      if (truth != nullptr) return {nullptr, evidence + tick, step, truth + tick};
      return {value + tick, evidence + tick, step};
    }
  };
  Rows rows = no_rows();
  std::size_t ticks = 0;
  bool steady = false;  // one cell a row, for all ticks
  std::vector<Row> row;

  bool has_truths() const { return !row.empty() && row.front().truth != nullptr; }
  Column at(std::size_t tick) const;
};

// What a leaf is asked for a run of ticks: windows and instants as LeafQuery has them, from tick to tick.
struct PanelQuery {
  const plan::Leaf* leaf = nullptr;
  std::size_t selector = 0;  // PanelLeaves::selector() of it
  Instant from;              // of the first tick, the leaf's offset not yet taken off
  Duration step;
  std::size_t ticks = 0;
  Duration lookback;
  Semantics semantics = Semantics::prometheus2;
};

// Leaves that are read for many ticks: a LeafProvider that knows how.
class PanelLeaves {
 public:
  virtual ~PanelLeaves() = default;
  // The number of the leaf's selector, good as long as this is: what it finds need not be looked up by name
  // again.
  virtual std::size_t selector(const plan::Leaf& leaf) = 0;
  // For leaves that look at an instant or a trailing window and are no raw increments. The rows are those
  // known at the first tick; NaNs are the one that columns carry.
  virtual void read_panel(const PanelQuery& query, PanelMemory& memory, Panel& out) = 0;
  // The rows of the same, and for each of them what it is at all these ticks; `unknown` where that would have
  // to be worked out. Without `values` it matters only whether there is one at every tick.
  virtual Rows read_bounds(const PanelQuery& query, bool values, std::vector<Bounds>& out) = 0;
  // Panels asked for from now on have to do with each other and not, as a rule, with those before.
  virtual void next_panels() = 0;
  // Whether any of its series has native histograms, which panels cannot hold: what reads them is worked out
  // tick by tick.
  virtual bool finds_histograms(std::size_t selector) = 0;
  // Until when, exclusively, the rows of a selector stay those known at `at`.
  virtual Instant same_rows_until(std::size_t selector, Instant at) = 0;
};

// Whether PanelLeaves can read it.
bool is_panel_leaf(const plan::Leaf& leaf);
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
  explicit PanelEvaluation(Context context);
  const Context& context() const { return context_; }
  // The ticks that panels are worked out for from now on: `ticks` of them, every plan->tick, in all of which
  // the leaves have the rows they have in the first. Ends all panels given out; their memory is used again.
  void begin(Instant from, std::size_t ticks);
  // `node` is one of panel_nodes().
  const Panel& panel(plan::Index node);
  bool finds_histograms(plan::Index leaf) { return context_.leaves->finds_histograms(selector(leaf)); }
  // Until when, exclusively, a leaf of the plan has the rows that it has at `at`.
  Instant same_rows_until(plan::Index leaf, Instant at);

 private:
  struct Slot {
    std::uint64_t run = 0;  // that the panel is of
    Panel panel;
  };
  bool done(plan::Index node) const { return slots_[node].run == run_; }
  std::size_t selector(plan::Index leaf);
  void compute(plan::Index node, Panel& out);
  void steady_scalar(double value, Panel& out);
  // Of a condition that is known to be false at all ticks; good for a steady panel too.
  Panel::Row never_true() const { return {nullptr, memory_.all_values(), true, memory_.all_values()}; }
  void read_leaf(plan::Index leaf, Panel& out);
  void run_map(plan::Index node, Panel& out);
  // What an input gives to a row of the map; what it gives where it has no such row.
  ColumnView view(const plan::Node& map, const Alignment& alignment, std::size_t input,
                  std::size_t row) const;
  ColumnView view_of_none(const plan::Node& map, std::size_t input) const;
  void remember(plan::Index map, const std::shared_ptr<const Alignment>& alignment);
  // Whether a conjunct is known to be false for all rows at all ticks; then only what it looks at has been
  // worked out.
  bool refute(plan::Index map, Panel& out);
  bool is_false(const plan::Node& map, const Conjunct& part, const Alignment& alignment);
  Conjunction* conjunction(plan::Index map);
  void group(plan::Index node, Panel& out);
  template <class At>
  void each_tick(At at, Panel& out);

  Context context_;
  Instant from_;
  std::size_t ticks_ = 0;
  std::uint64_t run_ = 0;
  std::vector<Slot> slots_;  // by node
  int refuting_ = 0;         // how deep in parts of conditions
  PanelMemory memory_;
  std::vector<std::size_t> selectors_;  // by leaf, plus one; 0 before the first need
  std::vector<const Panel*> inputs_;
  std::vector<Rows> rows_;
  std::vector<ColumnView> views_;
};

}  // namespace signalbox::eval
