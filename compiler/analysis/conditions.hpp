// A condition taken apart: the comparisons it rests on, and how `and`, `or`, `not` and holds bind them.
// Conditions are shared between their readers, so everything here visits a node once, and never by recursion.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace signalbox::analysis {

// A plan and what every question about it needs. The plan must outlive it.
struct Facts {
  explicit Facts(const plan::Plan& plan);
  const plan::Plan& plan;
  std::unordered_map<plan::Index, const plan::BurnReading*> burns;  // by the node that compares
  Duration scrape;  // the longest interval of a source; a tick without sources
  Duration settle;  // how far behind the world the slowest source is judged
};

// One comparison, with the sense that it has where it stands: below `not`, > is <=.
struct Reading {
  plan::Index node = plan::none;
  plan::ShapeOp op = plan::ShapeOp::gt;
  const plan::BurnReading* burn = nullptr;  // nothing when it does not compare a burn with a number
  plan::Window window;                      // of the burn
  bool above() const { return op == plan::ShapeOp::gt || op == plan::ShapeOp::ge; }
  bool below() const { return op == plan::ShapeOp::lt || op == plan::ShapeOp::le; }
};

// What a node does to the conditions below it.
struct Step {
  enum class Kind { reading, both, either, through, held } kind = Kind::reading;
  std::vector<std::pair<plan::Index, bool>> inputs;  // and whether they are negated
  Reading reading;
  const plan::Hold* hold = nullptr;
};
Step step_of(const Facts& facts, plan::Index node, bool negated);

// The (node, negated) pairs of a condition in the order in which they can be computed; the root is last.
std::vector<std::pair<plan::Index, bool>> condition_order(const Facts& facts, plan::Index root);
std::vector<Reading> readings_of(const Facts& facts, plan::Index root);

// The nodes of kind `leaf` and `slices` below a node, itself included.
std::vector<plan::Index> windows_below(const plan::Plan& plan, plan::Index root);
// The window of the first of them: the events of one burn all share one.
plan::Window window_of(const plan::Plan& plan, plan::Index root);
// The longest trailing window below a node, offset included; nothing when nothing trails.
std::optional<Duration> longest_trailing(const plan::Plan& plan, plan::Index root);

// From the readings to the root. `join(both, a, b)` for and (true) and or (false); `held(hold, a)` for holds.
template <class T, class Read, class Join, class Held>
T fold_condition(const Facts& facts, plan::Index root, Read read, Join join, Held held) {
  std::map<std::pair<plan::Index, bool>, T> values;
  T value{};
  for (const auto& place : condition_order(facts, root)) {
    const Step step = step_of(facts, place.first, place.second);
    switch (step.kind) {
      case Step::Kind::reading:
        value = read(step.reading);
        break;
      case Step::Kind::through:
        value = values.at(step.inputs[0]);
        break;
      case Step::Kind::held:
        value = held(*step.hold, values.at(step.inputs[0]));
        break;
      case Step::Kind::both:
      case Step::Kind::either:
        value = join(step.kind == Step::Kind::both, values.at(step.inputs[0]), values.at(step.inputs[1]));
        break;
    }
    values[place] = value;
  }
  return value;
}

// A join of optionals where what is absent takes no part.
template <class T, class Choose>
std::optional<T> of_present(const std::optional<T>& a, const std::optional<T>& b, Choose choose) {
  if (!a || !b) return a ? a : b;
  return choose(*a, *b);
}

}  // namespace signalbox::analysis
