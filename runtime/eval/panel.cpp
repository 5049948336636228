#include "runtime/eval/panel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/eval/aggregate.hpp"
#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/gather.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {

using plan::Node;
using plan::NodeKind;

namespace {

Panel::Row row_of(const ColumnOut& cells) {
  return {cells.value, cells.evidence, false, cells.truth};
}

}  // namespace

void PanelMemory::reset(std::size_t ticks) {
  if (ticks > ticks_) {
    ticks_ = std::max(ticks, 2 * ticks_);
    values_.pieces.clear();
    bytes_.pieces.clear();
    zeros_.assign(ticks_, static_cast<std::uint8_t>(Evidence::value));
  }
  values_.used = bytes_.used = 0;
}

Column Panel::at(std::size_t tick) const {
  Column out;
  out.rows = rows;
  const std::size_t cell = steady ? 0 : tick;
  out.evidence.reserve(row.size());
  if (has_truths())
    out.truth.reserve(row.size());
  else
    out.value.reserve(row.size());
  for (const Row& r : row) {
    if (r.truth != nullptr)
      out.truth.push_back(r.truth[cell]);
    else
      out.value.push_back(r.value[cell]);
    out.evidence.push_back(r.evidence[cell]);
  }
  return out;
}

bool is_panel_leaf(const plan::Leaf& leaf) {
  const plan::WindowKind kind = leaf.window.kind;
  const bool reads = leaf.fn == plan::LeafFn::raw_increase || leaf.fn == plan::LeafFn::timestamp ||
                     (leaf.fn == plan::LeafFn::range && range_fn_reads(leaf.range_fn) == RangeReads::samples);
  return !reads && !leaf.window.at &&
         (kind == plan::WindowKind::instant || kind == plan::WindowKind::trailing);
}

std::vector<bool> panel_nodes(const plan::Plan& plan) {
  std::vector<bool> out;
  out.reserve(plan.nodes.size());
  for (const Node& node : plan.nodes) {
    bool able = std::all_of(node.inputs.begin(), node.inputs.end(), [&](plan::Index in) { return out[in]; });
    switch (node.kind) {
      case NodeKind::hold:
      case NodeKind::slices:
      case NodeKind::set:
      case NodeKind::to_scalar:
      case NodeKind::sort:
      case NodeKind::relabel:
      case NodeKind::subquery:
      case NodeKind::histogram:
        able = false;
        break;
      case NodeKind::aggregate:
        able = able && !plan::takes_parameter(node.aggregate) && !plan::chooses_rows(node.aggregate);
        break;
      default:
        break;
    }
    if (node.kind == NodeKind::leaf) {
      able = is_panel_leaf(plan.leaves[node.index]);
    }
    out.push_back(able);
  }
  return out;
}

PanelEvaluation::PanelEvaluation(Context context)
    : context_(std::move(context)),
      slots_(context_.plan->nodes.size()),
      selectors_(context_.plan->leaves.size(), 0) {}

void PanelEvaluation::begin(Instant from, std::size_t ticks) {
  from_ = from;
  ticks_ = ticks;
  ++run_;
  memory_.reset(ticks);
}

std::size_t PanelEvaluation::selector(plan::Index leaf) {
  std::size_t& kept = selectors_[leaf];
  if (kept == 0) kept = context_.leaves->selector(context_.plan->leaves[leaf]) + 1;
  return kept - 1;
}

Instant PanelEvaluation::same_rows_until(plan::Index leaf, Instant at) {
  const Duration offset = context_.plan->leaves[leaf].window.offset;
  constexpr Instant always{std::numeric_limits<std::int64_t>::max()};
  const Instant until = context_.leaves->same_rows_until(selector(leaf), at - offset);
  return until == always ? always : until + offset;
}

const Panel& PanelEvaluation::panel(plan::Index wanted) {
  std::vector<plan::Index> open{wanted};
  while (!open.empty()) {
    const plan::Index node = open.back();
    if (done(node)) {
      open.pop_back();
      continue;
    }
    Slot& slot = slots_[node];
    slot.panel.ticks = ticks_;
    slot.panel.steady = false;
    slot.panel.row.clear();
    if (!refute(node, slot.panel)) {
      const std::size_t before = open.size();
      for (const plan::Index input : context_.plan->nodes[node].inputs)
        if (!done(input)) open.push_back(input);
      if (open.size() != before) continue;
      compute(node, slot.panel);
    }
    open.pop_back();
    slot.run = run_;
  }
  return slots_[wanted].panel;
}

void PanelEvaluation::compute(plan::Index index, Panel& out) {
  const Node& node = context_.plan->nodes[index];
  switch (node.kind) {
    case NodeKind::constant:
      return steady_scalar(node.params[0], out);
    case NodeKind::time: {
      double* value = memory_.values();
      for (std::size_t t = 0; t < ticks_; ++t)
        value[t] = (from_ + context_.plan->tick * static_cast<std::int64_t>(t)).unix_seconds();
      out.rows = one_row();
      out.row.push_back({value, memory_.all_values(), true});
      return;
    }
    case NodeKind::leaf:
      return read_leaf(node.index, out);
    case NodeKind::map:
      return run_map(index, out);
    case NodeKind::absent: {
      const Panel& input = slots_[node.inputs[0]].panel;
      return each_tick([&](std::size_t t) { return absent_column(node, input.at(t)); }, out);
    }
    default:
      return group(index, out);
  }
}

void PanelEvaluation::steady_scalar(double value, Panel& out) {
  double* cell = memory_.values();
  *cell = std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
  out.rows = one_row();
  out.steady = true;
  out.row.push_back({cell, memory_.all_values(), true});
}

// Columns of each tick, all with the same rows.
template <class At>
void PanelEvaluation::each_tick(At at, Panel& out) {
  std::vector<ColumnOut> cells;
  for (std::size_t t = 0; t < ticks_; ++t) {
    const Column column = at(t);
    if (t == 0) {
      out.rows = column.rows;
      for (std::size_t row = 0; row < column.size(); ++row) {
        cells.push_back(memory_.cells(column.has_truths()));
        out.row.push_back(row_of(cells.back()));
      }
    }
    for (std::size_t row = 0; row < column.size(); ++row) {
      cells[row].evidence[t] = column.evidence[row];
      if (column.has_truths()) {
        cells[row].truth[t] = column.truth[row];
        continue;
      }
      const double v = column.value[row];
      cells[row].value[t] = std::isnan(v) ? std::numeric_limits<double>::quiet_NaN() : v;
    }
  }
}

void PanelEvaluation::read_leaf(plan::Index leaf, Panel& out) {
  PanelQuery query;
  query.leaf = &context_.plan->leaves[leaf];
  query.selector = selector(leaf);
  query.from = from_;
  query.step = context_.plan->tick;
  query.ticks = ticks_;
  query.lookback = context_.plan->lookback;
  query.semantics = context_.semantics;
  context_.leaves->read_panel(query, memory_, out);
}

ColumnView PanelEvaluation::view_of_none(const Node& map, std::size_t input) const {
  static constexpr double nothing = 0.0;
  static constexpr std::uint8_t evidences[] = {0, 1, 2, 3, 4, 5, 6};
  static_assert(std::size(evidences) == plan::evidence_count);
  return {&nothing, &evidences[static_cast<std::size_t>(absence(*context_.plan, map, input))], 0};
}

ColumnView PanelEvaluation::view(const Node& map, const Alignment& alignment, std::size_t input,
                                 std::size_t row) const {
  const Alignment::Source& source = alignment.sources[input];
  const Panel& in = slots_[map.inputs[input]].panel;
  const std::size_t from = source.at(row);
  if (from == Alignment::absent || from >= in.row.size()) return view_of_none(map, input);
  return in.row[from].view(0, in.steady ? 0 : 1);
}

void PanelEvaluation::run_map(plan::Index index, Panel& out) {
  const Node& node = context_.plan->nodes[index];
  inputs_.clear();
  rows_.clear();
  for (const plan::Index input : node.inputs) {
    inputs_.push_back(&slots_[input].panel);
    rows_.push_back(inputs_.back()->rows);
  }
  const std::shared_ptr<const Alignment> alignment =
      aligned(*context_.plan, *context_.cache, index, rows_, context_.semantics);
  remember(index, alignment);
  out.rows = alignment->rows;
  const plan::Shape& shape = context_.plan->shapes[node.index];
  views_.resize(inputs_.size());
  for (std::size_t row = 0; row < alignment->rows->size(); ++row) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) views_[i] = view(node, *alignment, i, row);
    const ColumnOut cells = memory_.cells(shape.is_condition());
    context_.shapes->run(node.index, node.params.data(), views_.data(), cells, ticks_);
    out.row.push_back(row_of(cells));
  }
  const bool filters = shape.code.back().op == plan::ShapeOp::keep;
  // Contested rows change hands from tick to tick.
  std::vector<std::uint32_t> pick;
  for (const Contest& contest : alignment->contests) {
    const ColumnOut cells = memory_.cells(shape.is_condition());
    for (std::size_t t = 0; t < ticks_; ++t) {
      const auto has_value = [&](std::size_t i, std::uint32_t r) {
        return inputs_[i]->row[r].evidence[inputs_[i]->steady ? 0 : t] == 0;
      };
      const auto leaves = [&](const std::vector<std::uint32_t>& chosen) {
        for (std::size_t i = 0; i < inputs_.size(); ++i) {
          const bool broadcast = alignment->sources[i].broadcast;
          const Panel& in = *inputs_[i];
          if (broadcast ? in.row.empty() : chosen[i] == Alignment::absent) {
            views_[i] = view_of_none(node, i);
            continue;
          }
          const Panel::Row& from = in.row[broadcast ? 0 : chosen[i]];
          views_[i] = from.view(in.steady ? 0 : t, 0);
        }
        context_.shapes->run(node.index, node.params.data(), views_.data(), cells.from(t), 1);
        return cells.evidence[t] == static_cast<std::uint8_t>(Evidence::value);
      };
      const bool settled = filters ? settle_filtered(*alignment, contest, has_value, leaves, pick)
                                   : settle(*alignment, contest, has_value, pick);
      leaves(pick);
      if (settled) continue;
      cells.set(t, 0.0, Evidence::invalid);
    }
    out.row[contest.row] = row_of(cells);
  }
}

void PanelEvaluation::group(plan::Index index, Panel& out) {
  const Node& node = context_.plan->nodes[index];
  const Panel& input = slots_[node.inputs[node.kind == NodeKind::quantile ? 1 : 0]].panel;
  const bool quantified = node.kind == NodeKind::any || node.kind == NodeKind::all;
  if (quantified && input.rows->empty()) {
    out.rows = no_rows();
    if (!is_bare(node)) return;
    std::uint8_t* evidence = memory_.evidence();
    std::fill_n(evidence, ticks_, static_cast<std::uint8_t>(Evidence::no_data));
    out.rows = one_row();
    out.row.push_back(never_true());
    out.row.back().evidence = evidence;
    out.row.back().known = false;
    return;
  }
  const std::shared_ptr<const Grouping> grouping =
      grouped(*context_.plan, *context_.cache, index, input.rows);
  switch (node.kind) {
    case NodeKind::aggregate:
      return aggregate(node.aggregate, input, *grouping, context_.semantics, memory_, out);
    case NodeKind::count_true:
      return each_tick([&](std::size_t t) { return count_true(input.at(t), *grouping); }, out);
    case NodeKind::quantile: {
      const Panel& q = slots_[node.inputs[0]].panel;
      return each_tick(
          [&](std::size_t t) { return quantiles(q.at(t), input.at(t), *grouping, context_.semantics); }, out);
    }
    default:
      return each_tick(
          [&](std::size_t t) { return quantify(node.kind == NodeKind::all, input.at(t), *grouping); }, out);
  }
}

}  // namespace signalbox::eval
