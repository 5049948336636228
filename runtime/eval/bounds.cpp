#include "runtime/eval/bounds.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "runtime/eval/aggregate.hpp"
#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

using plan::Aggregate;
using plan::Index;
using plan::Node;
using plan::NodeKind;
using State = Bounds::State;

// How deep nodes are gone into: a plan may be deeper than the stack.
constexpr int deepest = 64;

Bounds between(double least, double most) {
  if (!std::isfinite(least) || !std::isfinite(most)) return {State::valued, 0, 0};
  return {State::bounded, least, most};
}
Bounds one(double value) {
  return between(value, value);
}
Bounds truth(bool never, bool always) {
  return {State::bounded, always ? 1.0 : 0.0, never ? 0.0 : 1.0};
}
constexpr Bounds any_value{State::valued, 0, 0};

bool is_true(const Bounds& b) {
  return b.state == State::bounded && b.least > 0;
}

Bounds hull(double a, double b, double c, double d) {
  // NaN, as of 0 × ∞, cannot come of finite ends, and what overflows is not finite.
  return between(std::min({a, b, c, d}), std::max({a, b, c, d}));
}

Bounds compare(ShapeOp op, const Bounds& a, const Bounds& b) {
  switch (op) {
    case ShapeOp::gt:
    case ShapeOp::is_gt:
      return truth(a.most <= b.least, a.least > b.most);
    case ShapeOp::ge:
    case ShapeOp::is_ge:
      return truth(a.most < b.least, a.least >= b.most);
    case ShapeOp::lt:
    case ShapeOp::is_lt:
      return truth(a.least >= b.most, a.most < b.least);
    case ShapeOp::le:
    case ShapeOp::is_le:
      return truth(a.least > b.most, a.most <= b.least);
    default: {
      const bool apart = a.most < b.least || b.most < a.least;
      const bool same = a.least == a.most && b.least == b.most && a.least == b.least;
      return op == ShapeOp::eq || op == ShapeOp::is_eq ? truth(apart, same) : truth(same, apart);
    }
  }
}

// Part of whole: where the part is surely one, and there is a whole.
Bounds ratio(const Bounds& a, const Bounds& b) {
  constexpr double tolerance = 1.0 + part_above_whole_tolerance;
  const bool usable =
      b.least > 0.0 && a.least >= 0.0 && b.most * tolerance <= DBL_MAX && a.most <= b.least * tolerance;
  return usable ? between(a.least / b.most, a.most / b.least) : Bounds{};
}

Bounds apply(ShapeOp op, const Bounds& a, const Bounds& b, const Bounds& c) {
  const bool bounded = a.state == State::bounded && b.state == State::bounded;
  switch (op) {
    case ShapeOp::input:
    case ShapeOp::param:
      return a;
    case ShapeOp::fallback:
      if (a.has_value()) return a;
      if (a.state == State::absent) return b;
      return b.has_value() ? any_value : Bounds{};
    case ShapeOp::both:
      if (a.is_false() || b.is_false()) return truth(true, false);
      return bounded ? truth(false, is_true(a) && is_true(b)) : Bounds{};
    case ShapeOp::either:
      if (is_true(a) || is_true(b)) return truth(false, true);
      return bounded ? truth(a.is_false() && b.is_false(), false) : Bounds{};
    case ShapeOp::negate:
      return a.state == State::bounded ? truth(is_true(a), a.is_false()) : Bounds{};
    case ShapeOp::gt:
    case ShapeOp::ge:
    case ShapeOp::lt:
    case ShapeOp::le:
    case ShapeOp::eq:
    case ShapeOp::ne:
      return bounded ? compare(op, a, b) : Bounds{};
    case ShapeOp::ratio:
      return bounded ? ratio(a, b) : Bounds{};
    case ShapeOp::at_least:
      return bounded && c.state == State::bounded && b.least >= c.most ? a : Bounds{};
    case ShapeOp::keep:
      return a.has_value() && b.state == State::bounded && (b.least > 0 || b.most < 0) ? a : Bounds{};
    case ShapeOp::where:
      return a.has_value() && b.has_value() ? a : Bounds{};
    default:
      break;
  }
  // All others have a value where their operands do.
  const int arity = plan::shape_op_arity(op);
  if (!a.has_value() || (arity > 1 && !b.has_value())) return {};
  if (a.state != State::bounded || (arity > 1 && !bounded)) return any_value;
  switch (op) {
    case ShapeOp::add:
      return between(a.least + b.least, a.most + b.most);
    case ShapeOp::sub:
      return between(a.least - b.most, a.most - b.least);
    case ShapeOp::mul:
      return hull(a.least * b.least, a.least * b.most, a.most * b.least, a.most * b.most);
    case ShapeOp::div:
      if (b.least <= 0 && b.most >= 0) return any_value;
      return hull(a.least / b.least, a.least / b.most, a.most / b.least, a.most / b.most);
    case ShapeOp::neg:
      return between(-a.most, -a.least);
    case ShapeOp::abs:
      if (a.least >= 0) return a;
      return between(a.most <= 0 ? -a.most : 0.0, std::max(-a.least, a.most));
    case ShapeOp::clamp_min:
      return between(std::max(a.least, b.least), std::max(a.most, b.most));
    case ShapeOp::clamp_max:
      return between(std::min(a.least, b.least), std::min(a.most, b.most));
    case ShapeOp::finite:
      return a;
    case ShapeOp::is_gt:
    case ShapeOp::is_ge:
    case ShapeOp::is_lt:
    case ShapeOp::is_le:
    case ShapeOp::is_eq:
    case ShapeOp::is_ne:
      return compare(op, a, b);
    default:
      return any_value;
  }
}

}  // namespace

Bounds bounds_of(const plan::Shape& shape, const double* params, const Bounds* inputs) {
  constexpr std::size_t usual = 12;
  Bounds here[usual];
  std::vector<Bounds> beyond(shape.code.size() > usual ? shape.code.size() : 0);
  Bounds* const results = beyond.empty() ? here : beyond.data();
  for (std::size_t i = 0; i < shape.code.size(); ++i) {
    const plan::ShapeInstr& in = shape.code[i];
    if (in.op == ShapeOp::param) {
      results[i] = one(params[in.index]);
    } else if (in.op == ShapeOp::input) {
      results[i] = inputs[in.index];
    } else {
      results[i] = apply(in.op, results[in.a], results[in.b], results[in.c]);
    }
  }
  return results[shape.code.size() - 1];
}

StretchBounds::StretchBounds(PanelEvaluation::Context context)
    : context_(std::move(context)), slots_(context_.plan->nodes.size()) {}

void StretchBounds::begin(Instant from, std::size_t ticks, std::uint64_t rows, bool values) {
  from_ = from;
  values_ = values;
  ticks_ = ticks;
  rows_ = rows;
  ++stretch_;
}

const StretchBounds::Family& StretchBounds::of(Index node) {
  Slot& slot = slots_[node];
  if (slot.stretch == stretch_) return slot.family;
  if (slot.rows != rows_) {
    slot.rows = rows_;
    slot.alignment = nullptr;
    slot.grouping = nullptr;
  }
  slot.family.row.clear();
  slot.family.rows = nullptr;
  if (depth_ < deepest) {
    ++depth_;
    compute(node, slot);
    --depth_;
  }
  slot.stretch = stretch_;
  return slot.family;
}

void StretchBounds::compute(Index index, Slot& slot) {
  const Node& node = context_.plan->nodes[index];
  Family& out = slot.family;
  switch (node.kind) {
    case NodeKind::constant:
      out.rows = one_row();
      out.row.push_back(one(node.params[0]));
      return;
    case NodeKind::time: {
      const Instant last = from_ + context_.plan->tick * static_cast<std::int64_t>(ticks_ - 1);
      out.rows = one_row();
      out.row.push_back(between(from_.unix_seconds(), last.unix_seconds()));
      return;
    }
    case NodeKind::leaf:
      return read_leaf(node, slot);
    case NodeKind::map:
      return run_map(index, slot);
    case NodeKind::aggregate:
    case NodeKind::any:
    case NodeKind::all:
      return group(index, slot);
    default:  // whose rows, or values, are not told by bounds
      return;
  }
}

void StretchBounds::read_leaf(const Node& node, Slot& slot) {
  PanelQuery query;
  query.leaf = &context_.plan->leaves[node.index];
  if (slot.selector == 0) slot.selector = context_.leaves->selector(*query.leaf) + 1;
  query.selector = slot.selector - 1;
  query.from = from_;
  query.step = context_.plan->tick;
  query.ticks = ticks_;
  query.lookback = context_.plan->lookback;
  query.semantics = context_.semantics;
  slot.family.rows = context_.leaves->read_bounds(query, values_, slot.family.row);
}

// As PanelEvaluation::view() has it.
void StretchBounds::put_inputs(const Node& node, const Alignment& alignment,
                               const std::vector<std::uint32_t>& inputs, std::size_t row) {
  for (const std::uint32_t input : inputs) {
    const std::vector<Bounds>& in = slots_[node.inputs[input]].family.row;
    const std::size_t from = alignment.sources[input].at(row);
    inputs_[input] = from == Alignment::absent || from >= in.size() ? Bounds{State::absent, 0, 0} : in[from];
  }
}

void StretchBounds::run_map(Index index, Slot& slot) {
  const Node& node = context_.plan->nodes[index];
  if (!slot.conjunction_known) {
    slot.conjunction = conjunction_of(*context_.plan, *context_.cache, index);
    slot.conjunction_known = true;
  }
  // Parts look at their own inputs alone, once it is known how all of them meet.
  const bool by_parts = slot.conjunction != nullptr && slot.alignment != nullptr;
  if (!by_parts) {
    std::vector<Rows> rows;
    for (const Index input : node.inputs) {
      const Family& family = of(input);
      if (family.rows == nullptr) return;
      rows.push_back(family.rows);
    }
    if (slot.alignment == nullptr)
      slot.alignment = aligned(*context_.plan, *context_.cache, index, rows, context_.semantics);
  }
  slot.family.rows = slot.alignment->rows;
  slot.family.row.resize(slot.alignment->rows->size());
  // Of contested rows values tell which one stands there.
  if (!slot.alignment->contests.empty()) return;
  if (by_parts) return decide(node, slot);
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < node.inputs.size(); ++i) all.push_back(i);
  inputs_.resize(std::max(inputs_.size(), node.inputs.size()));
  for (std::size_t row = 0; row < slot.family.row.size(); ++row) {
    put_inputs(node, *slot.alignment, all, row);
    slot.family.row[row] = bounds_of(context_.plan->shapes[node.index], node.params.data(), inputs_.data());
  }
}

// A conjunction: false by one part that is, true by all.
void StretchBounds::decide(const Node& node, Slot& slot) {
  Conjunction& condition = *slot.conjunction;
  std::vector<Bounds>& rows = slot.family.row;
  std::fill(rows.begin(), rows.end(), truth(false, true));
  for (std::size_t i = 0; i < condition.parts.size(); ++i) {
    const std::size_t number = (condition.refuter + i) % condition.parts.size();
    const Conjunct& part = condition.parts[number];
    bool known = true, all_false = true;
    for (const std::uint32_t input : part.inputs)
      if (of(node.inputs[input]).rows == nullptr) known = false;
    inputs_.resize(std::max(inputs_.size(), node.inputs.size()));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (rows[row].is_false()) continue;
      if (known) put_inputs(node, *slot.alignment, part.inputs, row);
      const Bounds here = known ? bounds_of(part.shape, node.params.data(), inputs_.data()) : Bounds{};
      rows[row] = apply(ShapeOp::both, rows[row], here, {});
      all_false = all_false && rows[row].is_false();
    }
    if (!all_false) continue;
    condition.refuter = number;
    return;
  }
}

void StretchBounds::group(Index index, Slot& slot) {
  const Node& node = context_.plan->nodes[index];
  const Family& input = of(node.inputs[0]);
  if (input.rows == nullptr) return;
  Family& out = slot.family;
  const bool quantified = node.kind != NodeKind::aggregate;
  if (quantified && input.rows->empty()) {
    out.rows = is_bare(node) ? one_row() : no_rows();
    if (is_bare(node)) out.row.push_back({State::absent, 0, 0});
    return;
  }
  if (slot.grouping == nullptr) slot.grouping = grouped(*context_.plan, *context_.cache, index, input.rows);
  const Grouping& grouping = *slot.grouping;
  out.rows = grouping.rows;
  out.row.resize(out.rows->size());
  // A row's first member is it, and the others are added to it.
  std::vector<std::uint32_t>& members = members_;
  members.assign(out.row.size(), 0);
  for (std::size_t row = 0; row < input.row.size(); ++row) {
    const std::uint32_t group = grouping.group[row];
    const Bounds& member = input.row[row];
    Bounds& so_far = out.row[group];
    const bool first = members[group]++ == 0;
    if (quantified) {
      const ShapeOp op = node.kind == NodeKind::all ? ShapeOp::both : ShapeOp::either;
      so_far = first ? member : apply(op, so_far, member, {});
      continue;
    }
    if (!first && !so_far.has_value()) continue;
    if (!member.has_value()) {
      so_far = {};
      continue;
    }
    const bool bounded = member.state == State::bounded && (first || so_far.state == State::bounded);
    switch (node.aggregate) {
      case Aggregate::count:
        so_far = one(members[group]);
        break;
      case Aggregate::group:
        so_far = one(1);
        break;
      case Aggregate::sum:
        so_far = !bounded ? any_value : first ? member : apply(ShapeOp::add, so_far, member, {});
        break;
      case Aggregate::min:
        so_far = !bounded ? any_value : first ? member : apply(ShapeOp::clamp_max, so_far, member, {});
        break;
      case Aggregate::max:
        so_far = !bounded ? any_value : first ? member : apply(ShapeOp::clamp_min, so_far, member, {});
        break;
      default:
        so_far = any_value;
    }
  }
  // A compensated sum is nearer to the true one than a sum in order; both ends are let out by more than
  // either is off.
  if (quantified || node.aggregate != Aggregate::sum || context_.semantics == Semantics::prometheus2) return;
  for (std::size_t group = 0; group < out.row.size(); ++group) {
    Bounds& sum = out.row[group];
    if (sum.state != State::bounded || members[group] < 2) continue;
    double size = 0;
    for (std::size_t row = 0; row < input.row.size(); ++row)
      if (grouping.group[row] == group)
        size += std::max(std::fabs(input.row[row].least), std::fabs(input.row[row].most));
    const double off = size * DBL_EPSILON * members[group];
    sum = between(sum.least - off, sum.most + off);
  }
}

}  // namespace signalbox::eval
