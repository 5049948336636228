// The columns of one evaluation, by node. Where a node's column stands is kept in a table over the whole
// plan; evaluations hand it on to each other (EvalCache), and only what one used is cleared for the next:
// what an evaluation costs does not grow with what it does not look at.
#pragma once

#include <cassert>
#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {

class Memo {
 public:
  // Empty, for a plan of so many nodes.
  void begin(std::size_t nodes) {
    clear();
    if (place_.size() < nodes) place_.resize(nodes, 0);
  }
  bool has(plan::Index node) const { return place_[node] != 0; }
  // The node has a column. Valid until begin() or clear().
  const Column& at(plan::Index node) const {
    assert(has(node));
    return columns_[place_[node] - 1];
  }
  void add(plan::Index node, Column column) {
    columns_.push_back(std::move(column));
    nodes_.push_back(node);
    place_[node] = static_cast<std::uint32_t>(columns_.size());
  }
  void clear() {
    for (const plan::Index node : nodes_) place_[node] = 0;
    nodes_.clear();
    columns_.clear();
  }

 private:
  std::vector<std::uint32_t> place_;  // by node: its place in columns_, and one; 0 where it has none
  std::deque<Column> columns_;        // which stay where they are
  std::vector<plan::Index> nodes_;    // of columns_
};

}  // namespace signalbox::eval
