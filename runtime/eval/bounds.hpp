// What can be said of nodes over a stretch of ticks without working them out tick by tick: between which
// values their rows lie. Most of the time most conditions are far from what they compare with, and a stretch
// in which they cannot change costs as much as a tick.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/eval/panel.hpp"

namespace signalbox::eval {

struct Grouping;

// Of a row, at all ticks of a stretch.
struct Bounds {
  enum class State : std::uint8_t {
    unknown,  // nothing is known
    absent,   // it has no value at any
    valued,   // it has a value at every one, which may be any
    bounded,  // it has a finite one in [least, most] at every one
  };
  State state = State::unknown;
  double least = 0, most = 0;
  bool has_value() const { return state >= State::valued; }
  bool is_one_value() const { return state == State::bounded && least == most; }
  bool is_false() const { return is_one_value() && most == 0; }
};

// A shape over bounds: apply_op(), whose operations keep the order of what they round, on both ends.
Bounds bounds_of(const plan::Shape& shape, const double* params, const Bounds* inputs);

class StretchBounds {
 public:
  // That of a PanelEvaluation, whose cache it shares: rows are the same objects.
  explicit StretchBounds(PanelEvaluation::Context context);
  // The stretch asked about from now on. Leaves have the same rows in all of it; while `rows` is the same
  // number, they have them since the stretches before. Without `values` it matters only which rows have one.
  void begin(Instant from, std::size_t ticks, std::uint64_t rows, bool values = true);
  struct Family {
    Rows rows;  // null: not even these are known
    std::vector<Bounds> row;
  };
  // `node` is one of panel_nodes(). Good until the next stretch.
  const Family& of(plan::Index node);

 private:
  struct Slot {
    std::uint64_t stretch = 0, rows = 0;  // that the family, and the alignment or grouping, are of
    Family family;
    std::shared_ptr<const Alignment> alignment;
    std::shared_ptr<const Grouping> grouping;
    std::size_t selector = 0;  // of a leaf, plus one
    Conjunction* conjunction = nullptr;
    bool conjunction_known = false;
  };
  void compute(plan::Index node, Slot& slot);
  void read_leaf(const plan::Node& node, Slot& slot);
  void run_map(plan::Index node, Slot& slot);
  void decide(const plan::Node& node, Slot& slot);
  void group(plan::Index node, Slot& slot);
  void put_inputs(const plan::Node& node, const Alignment& alignment,
                  const std::vector<std::uint32_t>& inputs, std::size_t row);

  PanelEvaluation::Context context_;
  Instant from_;
  std::size_t ticks_ = 0;
  std::uint64_t stretch_ = 0, rows_ = 0;
  bool values_ = true;
  int depth_ = 0;
  std::vector<Slot> slots_;             // by node
  std::vector<Bounds> inputs_;          // of the map at hand, by input
  std::vector<std::uint32_t> members_;  // of the groups at hand
};

}  // namespace signalbox::eval
