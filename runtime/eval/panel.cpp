#include "runtime/eval/panel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/eval/aggregate.hpp"
#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {

using plan::Node;
using plan::NodeKind;

Column Panel::at(std::size_t tick) const {
  Column out;
  out.rows = rows;
  const std::size_t offset = steady ? 0 : tick;
  out.value.reserve(rows->size());
  out.evidence.reserve(rows->size());
  for (std::size_t row = 0; row < rows->size(); ++row) {
    out.value.push_back(value[row * stride() + offset]);
    out.evidence.push_back(evidence[row * stride() + offset]);
  }
  return out;
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
        able = false;
        break;
      case NodeKind::aggregate:
        able = able && !plan::takes_parameter(node.aggregate) && !plan::chooses_rows(node.aggregate);
        break;
      default:
        break;
    }
    if (node.kind == NodeKind::leaf) {
      const plan::Leaf& leaf = plan.leaves[node.index];
      const plan::WindowKind kind = leaf.window.kind;
      const bool reads =
          leaf.fn == plan::LeafFn::raw_increase || leaf.fn == plan::LeafFn::timestamp ||
          (leaf.fn == plan::LeafFn::range && range_fn_reads(leaf.range_fn) == RangeReads::samples);
      able = !reads && !leaf.window.at &&
             (kind == plan::WindowKind::instant || kind == plan::WindowKind::trailing);
    }
    out.push_back(able);
  }
  return out;
}

namespace {

Panel steady_scalar(double value, std::size_t ticks) {
  Panel out;
  out.rows = one_row();
  out.ticks = ticks;
  out.steady = true;
  out.value = {value};
  out.evidence = {static_cast<std::uint8_t>(Evidence::value)};
  return out;
}

// Columns of each tick, all with the same rows.
template <class At>
Panel each_tick(std::size_t ticks, At at) {
  Panel out;
  for (std::size_t t = 0; t < ticks; ++t) {
    const Column column = at(t);
    if (t == 0) out.resize(column.rows, ticks);
    for (std::size_t row = 0; row < column.size(); ++row) {
      out.value[row * ticks + t] = column.value[row];
      out.evidence[row * ticks + t] = column.evidence[row];
    }
  }
  return out;
}

// Columns carry one NaN. Most have none, and looking is cheaper than writing.
void canonicalise(Panel& panel) {
  unsigned any = 0;
  for (const double value : panel.value) any |= value != value ? 1u : 0u;
  if (any == 0) return;
  for (double& value : panel.value)
    if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

void PanelEvaluation::begin(Instant from, std::size_t ticks) {
  from_ = from;
  ticks_ = ticks;
  for (auto& [node, panel] : memo_) spare_.push_back(std::move(panel));
  memo_.clear();
}

Panel PanelEvaluation::fresh() {
  if (spare_.empty()) return {};
  Panel out = std::move(spare_.back());
  spare_.pop_back();
  return out;
}

const Panel& PanelEvaluation::panel(plan::Index wanted) {
  std::vector<plan::Index> open{wanted};
  while (!open.empty()) {
    const plan::Index node = open.back();
    if (memo_.count(node) != 0) {
      open.pop_back();
      continue;
    }
    const std::size_t before = open.size();
    for (const plan::Index input : context_.plan->nodes[node].inputs)
      if (memo_.count(input) == 0) open.push_back(input);
    if (open.size() != before) continue;
    open.pop_back();
    Panel computed = compute(node);
    // What runs shapes has done so already.
    if (context_.plan->nodes[node].kind != NodeKind::map) canonicalise(computed);
    memo_.emplace(node, std::move(computed));
  }
  return memo_.at(wanted);
}

Panel PanelEvaluation::compute(plan::Index index) {
  const Node& node = context_.plan->nodes[index];
  switch (node.kind) {
    case NodeKind::constant:
      return steady_scalar(node.params[0], ticks_);
    case NodeKind::time: {
      Panel out = fresh();
      out.resize(one_row(), ticks_);
      for (std::size_t t = 0; t < ticks_; ++t)
        out.value[t] = (from_ + context_.plan->tick * static_cast<std::int64_t>(t)).unix_seconds();
      std::fill(out.evidence.begin(), out.evidence.end(), static_cast<std::uint8_t>(Evidence::value));
      return out;
    }
    case NodeKind::leaf:
      return read_leaf(context_.plan->leaves[node.index]);
    case NodeKind::map:
      return run_map(index);
    case NodeKind::absent: {
      const Panel& input = memo_.at(node.inputs[0]);
      return each_tick(ticks_, [&](std::size_t t) { return absent_column(node, input.at(t)); });
    }
    default:
      return group(index);
  }
}

Panel PanelEvaluation::read_leaf(const plan::Leaf& leaf) {
  PanelQuery query;
  query.leaf = &leaf;
  query.from = from_;
  query.step = context_.plan->tick;
  query.ticks = ticks_;
  query.lookback = context_.plan->lookback;
  query.semantics = context_.semantics;
  Panel out = fresh();
  context_.leaves->read_panel(query, out);
  return out;
}

Panel PanelEvaluation::run_map(plan::Index index) {
  const Node& node = context_.plan->nodes[index];
  std::vector<const Panel*> inputs;
  std::vector<Rows> rows;
  for (const plan::Index input : node.inputs) {
    inputs.push_back(&memo_.at(input));
    rows.push_back(inputs.back()->rows);
  }
  const std::shared_ptr<const Alignment> alignment = aligned(*context_.plan, *context_.cache, index, rows);
  const double nothing = 0.0;
  const auto no_data = static_cast<std::uint8_t>(Evidence::no_data);
  const auto absent = static_cast<std::uint8_t>(node.matching.absent);
  Panel out = fresh();
  out.resize(alignment->rows, ticks_);
  std::vector<ColumnView> views(inputs.size());
  for (std::size_t row = 0; row < alignment->rows->size(); ++row) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Alignment::Source& source = alignment->sources[i];
      const Panel& in = *inputs[i];
      std::size_t from = source.broadcast ? 0 : source.direct ? row : source.pick[row];
      if (from == Alignment::absent || from >= in.rows->size()) {
        const bool scalar = context_.plan->nodes[node.inputs[i]].scalar;
        views[i] = {&nothing, scalar ? &no_data : &absent, 0};
        continue;
      }
      from *= in.stride();
      views[i] = {in.value.data() + from, in.evidence.data() + from, in.steady ? 0u : 1u};
    }
    context_.shapes->run(node.index, node.params.data(), views.data(), out.value.data() + row * out.ticks,
                         out.evidence.data() + row * out.ticks, out.ticks);
  }
  // Contested rows change hands from tick to tick.
  std::vector<std::uint32_t> pick;
  for (const Contest& contest : alignment->contests) {
    for (std::size_t t = 0; t < ticks_; ++t) {
      const auto at = [&](std::size_t i, std::uint32_t r) {
        return r * inputs[i]->stride() + (inputs[i]->steady ? 0 : t);
      };
      const bool settled = settle(
          *alignment, contest,
          [&](std::size_t i, std::uint32_t r) { return inputs[i]->evidence[at(i, r)] == 0; }, pick);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const Alignment::Source& source = alignment->sources[i];
        if (source.broadcast ? inputs[i]->rows->empty() : pick[i] == Alignment::absent) {
          const bool scalar = context_.plan->nodes[node.inputs[i]].scalar;
          views[i] = {&nothing, scalar ? &no_data : &absent, 0};
          continue;
        }
        const std::size_t cell = at(i, source.broadcast ? 0 : pick[i]);
        views[i] = {inputs[i]->value.data() + cell, inputs[i]->evidence.data() + cell, 0};
      }
      double* value = out.value.data() + contest.row * out.ticks + t;
      std::uint8_t* evidence = out.evidence.data() + contest.row * out.ticks + t;
      context_.shapes->run(node.index, node.params.data(), views.data(), value, evidence, 1);
      if (settled) continue;
      *value = 0.0;
      *evidence = static_cast<std::uint8_t>(Evidence::invalid);
    }
  }
  return out;
}

Panel PanelEvaluation::group(plan::Index index) {
  const Node& node = context_.plan->nodes[index];
  const Panel& input = memo_.at(node.inputs[node.kind == NodeKind::quantile ? 1 : 0]);
  const bool quantified = node.kind == NodeKind::any || node.kind == NodeKind::all;
  if (quantified && input.rows->empty()) {
    Panel out;
    if (!is_bare(node)) {
      out.ticks = ticks_;
      return out;
    }
    out.resize(one_row(), ticks_);
    std::fill(out.value.begin(), out.value.end(), 0.0);
    std::fill(out.evidence.begin(), out.evidence.end(), static_cast<std::uint8_t>(Evidence::no_data));
    return out;
  }
  const std::shared_ptr<const Grouping> grouping =
      grouped(*context_.plan, *context_.cache, index, input.rows);
  const std::size_t ticks = ticks_;
  switch (node.kind) {
    case NodeKind::aggregate: {
      Panel out = fresh();
      out.resize(grouping->rows, ticks);
      aggregate(node.aggregate, input, *grouping, context_.semantics, out);
      return out;
    }
    case NodeKind::count_true:
      return each_tick(ticks, [&](std::size_t t) { return count_true(input.at(t), *grouping); });
    case NodeKind::quantile: {
      const Panel& q = memo_.at(node.inputs[0]);
      return each_tick(ticks, [&](std::size_t t) {
        return quantiles(q.at(t), input.at(t), *grouping, context_.semantics);
      });
    }
    default:
      return each_tick(
          ticks, [&](std::size_t t) { return quantify(node.kind == NodeKind::all, input.at(t), *grouping); });
  }
}

}  // namespace signalbox::eval
