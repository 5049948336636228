#include "runtime/eval/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/gather.hpp"
#include "runtime/eval/leaf_window.hpp"
#include "runtime/eval/memo.hpp"
#include "runtime/eval/native_histogram.hpp"
#include "runtime/eval/ops.hpp"
#include "runtime/eval/rank.hpp"

namespace signalbox::eval {
namespace {

using plan::Node;
using plan::NodeKind;

Column scalar(double value) {
  Column out;
  out.rows = one_row();
  out.value = {value};
  out.evidence = {static_cast<std::uint8_t>(Evidence::value)};
  return out;
}

Column all_of(Rows rows, Evidence evidence, bool condition = false) {
  Column out = column_of(rows->size(), condition);
  out.evidence.assign(rows->size(), static_cast<std::uint8_t>(evidence));
  out.rows = std::move(rows);
  return out;
}

// A NaN's sign and payload depend on the machine and on operand order: columns carry one NaN, so that they
// compare as bits.
void canonicalise(Column& column) {
  for (double& value : column.value)
    if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
}

// Labels that more than one row with a value has: Prometheus answers no such thing.
std::optional<Labels> twins_of(const Column& column) {
  std::unordered_set<Labels, LabelsHash> seen;
  for (std::size_t row = 0; row < column.size(); ++row)
    if (column.has_sample(row) && !seen.insert((*column.rows)[row]).second) return (*column.rows)[row];
  return std::nullopt;
}

constexpr const char* told_apart = "keep a label that tells them apart, or aggregate: sum by (…) (…)";

double only_value(const Column& column) {
  std::size_t found = 0, at = 0;
  for (std::size_t row = 0; row < column.size(); ++row)
    if (column.evidence[row] == 0 && ++found == 1) at = row;
  return found == 1 ? column.value[at] : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

Rows no_rows() {
  static const Rows rows = std::make_shared<const std::vector<Labels>>();
  return rows;
}

Rows one_row() {
  static const Rows rows = std::make_shared<const std::vector<Labels>>(1);
  return rows;
}

bool keeps_name(const plan::Leaf& leaf) {
  return leaf.fn == plan::LeafFn::sample || (leaf.fn == plan::LeafFn::range && range_fn_picks(leaf.range_fn));
}

std::shared_ptr<EvalCache> make_eval_cache() {
  return std::make_shared<EvalCache>();
}

Column column_of(std::size_t rows, bool condition) {
  Column out;
  if (condition)
    out.truth.assign(rows, 0);
  else
    out.value.assign(rows, 0.0);
  out.evidence.assign(rows, static_cast<std::uint8_t>(Evidence::value));
  return out;
}

bool is_bare(const Node& node) {
  return !node.scalar && node.closed && node.rows.empty();
}

std::shared_ptr<const Alignment> aligned(const plan::Plan& plan, EvalCache& cache, plan::Index map,
                                         const std::vector<Rows>& rows, Semantics semantics) {
  EvalCache::Aligned& kept = cache.alignments[map];
  if (!kept.alignment || kept.inputs != rows) {
    const Node& node = plan.nodes[map];
    plan::Matching matching = node.matching;
    if (matching.name == plan::Matching::Name::kept_by_prometheus2)
      matching.name =
          semantics == Semantics::prometheus2 ? plan::Matching::Name::kept : plan::Matching::Name::dropped;
    std::vector<JoinInput> join;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Node& input = plan.nodes[node.inputs[i]];
      join.push_back({rows[i], input.scalar, is_bare(input)});
    }
    kept = {rows, std::make_shared<const Alignment>(align(matching, join))};
  }
  return kept.alignment;
}

std::shared_ptr<const Grouping> grouped(const plan::Plan& plan, EvalCache& cache, plan::Index node,
                                        const Rows& input) {
  EvalCache::Grouped& kept = cache.groupings[node];
  if (!kept.grouping || kept.input != input)
    kept = {input, std::make_shared<const Grouping>(group_rows(plan.nodes[node], *input))};
  return kept.grouping;
}

bool depends_on_anchors(const plan::Plan& plan, EvalCache& cache, plan::Index node) {
  for (auto at = static_cast<plan::Index>(cache.anchored.size()); at <= node; ++at) {
    const Node& n = plan.nodes[at];
    bool anchored =
        std::any_of(n.inputs.begin(), n.inputs.end(), [&](plan::Index in) { return cache.anchored[in]; });
    if (n.kind == NodeKind::leaf) {
      const plan::WindowKind kind = plan.leaves[n.index].window.kind;
      anchored = kind != plan::WindowKind::instant && kind != plan::WindowKind::trailing;
    }
    cache.anchored.push_back(anchored);
  }
  return cache.anchored[node];
}

Evaluation::Evaluation(Context context) : context_(std::move(context)) {
  if (!context_.cache) context_.cache = make_eval_cache();
  std::vector<std::unique_ptr<Memo>>& spare = context_.cache->spare_memos;
  if (spare.empty()) {
    memo_ = std::make_unique<Memo>();
  } else {
    memo_ = std::move(spare.back());
    spare.pop_back();
  }
  memo_->begin(context_.plan->nodes.size());
  number_ = ++context_.cache->evaluations;
  if (context_.given)
    for (const auto& [node, column] : *context_.given)
      if (node < context_.plan->nodes.size()) memo_->add(node, column);
}

Evaluation::~Evaluation() {
  memo_->clear();
  context_.cache->spare_memos.push_back(std::move(memo_));
}

// Inputs first, without recursion: a plan may be deeper than the stack.
const Column& Evaluation::column(plan::Index wanted) {
  std::vector<plan::Index> open{wanted};
  while (!open.empty()) {
    const plan::Index node = open.back();
    if (memo_->has(node)) {
      open.pop_back();
      continue;
    }
    const std::size_t before = open.size();
    const Node& n = context_.plan->nodes[node];
    if (n.kind == NodeKind::map && refute(node)) {
      open.pop_back();
      continue;
    }
    // What slices and subqueries look at is asked for at other instants, never at this one.
    const bool elsewhere = n.kind == NodeKind::slices || n.kind == NodeKind::subquery;
    for (std::size_t i = elsewhere ? 1 : 0; i < n.inputs.size(); ++i)
      if (!memo_->has(n.inputs[i])) open.push_back(n.inputs[i]);
    if (open.size() != before) continue;
    open.pop_back();
    working_on_ = node;
    Column computed = compute(node);
    canonicalise(computed);
    if (context_.faults != nullptr)
      if (const auto twins = twins_of(computed))
        fault(fmt::format("more than one row has the labels {}", to_string(*twins)), told_apart);
    memo_->add(node, std::move(computed));
  }
  return memo_->at(wanted);
}

Column Evaluation::compute(plan::Index index) {
  const Node& node = context_.plan->nodes[index];
  switch (node.kind) {
    case NodeKind::constant:
      return scalar(node.params[0]);
    case NodeKind::time:
      return scalar(context_.at.unix_seconds());
    case NodeKind::leaf:
      return read_leaf(node);
    case NodeKind::map:
      return run_map(index);
    case NodeKind::aggregate:
    case NodeKind::count_true:
    case NodeKind::any:
    case NodeKind::all:
    case NodeKind::quantile:
      return group(index);
    case NodeKind::absent:
      return absent_column(node, memo_->at(node.inputs[0]));
    case NodeKind::hold:
      return hold(index);
    case NodeKind::slices:
      return slices(index);
    case NodeKind::set:
      return set(index);
    case NodeKind::to_scalar:
      return scalar(only_value(memo_->at(node.inputs[0])));
    case NodeKind::sort:
      return sorted(memo_->at(node.inputs[0]), node.descending);
    case NodeKind::relabel:
      return relabel(index);
    case NodeKind::subquery:
      return subquery(index);
    case NodeKind::histogram: {
      std::vector<const Column*> args;
      for (std::size_t i = 0; i + 1 < node.inputs.size(); ++i) args.push_back(&memo_->at(node.inputs[i]));
      const auto fn = static_cast<plan::HistogramFn>(node.index);
      const Column& input = memo_->at(node.inputs.back());
      if (fn == plan::HistogramFn::fraction && context_.semantics == Semantics::prometheus3)
        return fractions(*args[0], *args[1], input);
      return of_histograms(fn, args, input, context_.semantics);
    }
  }
  return {};
}

Evaluation::Args Evaluation::read_args(const Node& node, std::size_t first, RangeFn fn) {
  Args out;
  out.args.now = context_.at;
  for (std::size_t i = first; i < node.inputs.size(); ++i) {
    const Column& column = memo_->at(node.inputs[i]);
    if (column.size() != 1 || column.evidence[0] != 0) {
      out.evidence = Evidence::no_data;
      return out;
    }
    out.args.params[i - first] = column.value[0];
  }
  if (auto bad = store::bad_params(fn, out.args)) out = {out.args, Evidence::invalid, *std::move(bad)};
  return out;
}

Column Evaluation::read_leaf(const Node& node) {
  const plan::Leaf& leaf = context_.plan->leaves[node.index];
  LeafWindow window = resolve(leaf, context_);
  const Args args = read_args(node, 0, leaf.range_fn);
  window.query.args = args.args;
  if (args.evidence != Evidence::value) window.instead = args.evidence;
  if (window.instead == Evidence::value) return context_.leaves->read(window.query);
  if (!args.refusal.empty()) {
    // It is called for series that have samples there, and refuses then.
    plan::Leaf any = leaf;
    any.range_fn = RangeFn::present_over_time;
    window.query.leaf = &any;
    const Column there = context_.leaves->read(window.query);
    for (std::size_t row = 0; row < there.size(); ++row)
      if (there.has_sample(row)) {
        fault(args.refusal, "");
        break;
      }
  }
  return all_of(context_.leaves->known(leaf, context_.at), window.instead);
}

// A leaf below a condition that was refuted may not have been read.
Rows Evaluation::rows_of_leaf(plan::Index node) {
  if (memo_->has(node)) return memo_->at(node).rows;
  const plan::Leaf& leaf = context_.plan->leaves[context_.plan->nodes[node].index];
  return context_.leaves->known(leaf, resolve(leaf, context_).query.at);
}

Column Evaluation::run_map(plan::Index index) {
  const Node& node = context_.plan->nodes[index];
  std::vector<const Column*> inputs;
  std::vector<Rows> rows;
  for (const plan::Index input : node.inputs) {
    inputs.push_back(&memo_->at(input));
    rows.push_back(inputs.back()->rows);
  }
  const std::shared_ptr<const Alignment> alignment =
      aligned(*context_.plan, *context_.cache, index, rows, context_.semantics);
  if (Conjunction* const kept = conjunction_of(*context_.plan, *context_.cache, index)) {
    kept->alignment = alignment;
    kept->rows.clear();
    for (const plan::Index leaf : kept->leaves) kept->rows.push_back(rows_of_leaf(leaf));
  }

  std::vector<Gathered> gathered(inputs.size());
  std::vector<ColumnView> views(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    views[i] = gather(*inputs[i], alignment->sources[i], absence(*context_.plan, node, i), gathered[i]);
  }
  const double nothing = 0.0;
  const auto absent = static_cast<std::uint8_t>(node.matching.absent);
  Column out = all_of(alignment->rows, Evidence::value, context_.plan->shapes[node.index].is_condition());
  context_.shapes->run(node.index, node.params.data(), views.data(), out.out(), out.size());
  const auto has_value = [&](std::size_t input, std::uint32_t row) { return inputs[input]->has_sample(row); };
  // Rows that meet a native histogram, worked out again with it.
  const bool any_histogram =
      std::any_of(inputs.begin(), inputs.end(), [](const Column* c) { return !c->histogram.empty(); });
  const auto with_histograms = [&](std::size_t row, const auto& place_of) {
    std::vector<Cell> cells;
    bool met = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::uint32_t at = alignment->sources[i].broadcast ? 0 : place_of(i);
      const bool here = at != Alignment::absent && at < inputs[i]->size();
      cells.push_back(here ? cell_at(*inputs[i], at) : Cell{unknown(node.matching.absent), nullptr});
      met = met || cells.back().histogram;
    }
    if (met)
      put(out, row,
          run_shape(context_.plan->shapes[node.index], node.params.data(), cells, context_.semantics));
  };
  for (std::size_t row = 0; any_histogram && row < out.size(); ++row)
    with_histograms(row, [&](std::size_t i) {
      const Alignment::Source& source = alignment->sources[i];
      return source.direct ? static_cast<std::uint32_t>(row) : source.pick[row];
    });
  const auto work_out = [&](std::size_t row, const std::vector<std::uint32_t>& pick) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (pick[i] != Alignment::absent) {
        views[i] = inputs[i]->view(pick[i], 0);
      } else if (!alignment->sources[i].broadcast) {
        views[i] = {&nothing, &absent, 0};
      }
    }
    context_.shapes->run(node.index, node.params.data(), views.data(), out.out().from(row), 1);
    if (!any_histogram) return;
    if (!out.histogram.empty()) out.histogram[row] = nullptr;
    with_histograms(row, [&](std::size_t i) { return pick[i]; });
  };
  const bool filters = context_.plan->shapes[node.index].code.back().op == plan::ShapeOp::keep;
  std::vector<std::uint32_t> pick;
  for (const Contest& contest : alignment->contests) {
    const auto leaves = [&](const std::vector<std::uint32_t>& rows_of) {
      work_out(contest.row, rows_of);
      return out.has_sample(contest.row);
    };
    const bool settled = filters ? settle_filtered(*alignment, contest, has_value, leaves, pick)
                                 : settle(*alignment, contest, has_value, pick);
    work_out(contest.row, pick);
    if (settled) continue;
    const std::string labels = to_string((*alignment->rows)[contest.row]);
    if (std::count_if(alignment->sources.begin(), alignment->sources.end(),
                      [](const Alignment::Source& source) { return !source.broadcast; }) < 2)
      fault(fmt::format("more than one row has the labels {} without its name", labels), told_apart);
    else
      fault(
          fmt::format("more than one row of a side has a value where one is matched: {}", labels),
          "match by labels that tell them apart, or say which side has many: group_left() or group_right()");
    out.set(contest.row, 0.0, Evidence::invalid);
    if (!out.histogram.empty()) out.histogram[contest.row] = nullptr;
  }
  // Where a side has nothing, Prometheus does not look at the other.
  const bool met = std::all_of(inputs.begin(), inputs.end(), [](const Column* c) {
    for (std::size_t row = 0; row < c->size(); ++row)
      if (c->has_sample(row)) return true;
    return false;
  });
  for (std::size_t i = 0; context_.faults != nullptr && met && i < alignment->rivals.size(); ++i) {
    const Rivals& rivals = alignment->rivals[i];
    if (rivals.of_one_side && clash(*alignment, rivals, has_value))
      fault("more than one row of the \"one\" side has a value in one place of a match",
            "match by more labels, or aggregate that side: sum by (…) (…)");
  }
  return out;
}

namespace {

// The `all` of a verify: rows outside `satisfied` may be unknown, rows of it may not be absent.
Column quantify_satisfied(const Column& condition, const std::vector<Labels>& satisfied,
                          const Grouping& grouping) {
  Column input = condition;
  std::size_t found = 0;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const bool ours = std::find(satisfied.begin(), satisfied.end(), (*input.rows)[i]) != satisfied.end();
    found += ours;
    if (ours || satisfied.empty() || input.evidence[i] == 0) continue;
    input.set(i, 1.0, Evidence::value);
  }
  Column out = quantify(true, input, grouping);
  for (std::size_t i = 0; i < out.size() && found < satisfied.size(); ++i) {
    if (out.evidence[i] == 0 && out.number(i) == 0.0) continue;
    out.set(i, 0.0, Evidence::no_data);
  }
  return out;
}

}  // namespace

Column Evaluation::group(plan::Index index) {
  const Node& node = context_.plan->nodes[index];
  const Column& input = memo_->at(node.inputs[node.kind == NodeKind::quantile ? 1 : 0]);
  const bool quantified = node.kind == NodeKind::any || node.kind == NodeKind::all;
  // Of nothing, nothing is known: neither "none of them" nor "all of them".
  if (quantified && input.size() == 0)
    return is_bare(node) ? all_of(one_row(), Evidence::no_data, true) : Column{};
  const std::shared_ptr<const Grouping> grouping =
      grouped(*context_.plan, *context_.cache, index, input.rows);
  switch (node.kind) {
    case NodeKind::aggregate:
      if (node.aggregate == plan::Aggregate::count_values) return count_values(node, input);
      if (plan::takes_parameter(node.aggregate)) {
        const Column& parameter = memo_->at(node.inputs[1]);
        if (parameter.size() != 1 || parameter.evidence[0] != 0)
          return all_of(grouping->rows, Evidence::no_data);
        const double wanted = parameter.value[0];
        if (node.aggregate == plan::Aggregate::quantile) return quantile_of(wanted, input, *grouping);
        // The largest number below 2^63, in 2.42 too.
        if (!(wanted >= -0x1p63 && wanted < 0x1p63))
          fault(fmt::format("{} is no number of rows", shortest(wanted)), "write a whole number");
        return top(node.aggregate == plan::Aggregate::bottomk, wanted, input, *grouping);
      }
      return aggregate(node.aggregate, input, *grouping, context_.semantics);
    case NodeKind::count_true:
      return count_true(input, *grouping);
    case NodeKind::quantile:
      return quantiles(memo_->at(node.inputs[0]), input, *grouping, context_.semantics);
    default:
      if (node.kind == NodeKind::all && context_.satisfied != nullptr && node.inputs[0] == context_.family)
        return quantify_satisfied(input, *context_.satisfied, *grouping);
      return quantify(node.kind == NodeKind::all, input, *grouping);
  }
}

Column absent_column(const Node& node, const Column& input) {
  bool found = false;
  for (std::size_t row = 0; row < input.size(); ++row) found = found || input.has_sample(row);
  std::vector<Labels::Pair> pairs;
  for (std::size_t i = 0; i + 1 < node.labels.size(); i += 2)
    pairs.emplace_back(node.labels[i], node.labels[i + 1]);
  const Labels labels(std::move(pairs));
  Column out = scalar(1.0);
  if (!labels.empty()) out.rows = std::make_shared<const std::vector<Labels>>(1, labels);
  if (found) {
    out.value[0] = 0.0;
    out.evidence[0] = static_cast<std::uint8_t>(Evidence::no_data);
  }
  return out;
}

Column Evaluation::hold(plan::Index index) {
  const Node& node = context_.plan->nodes[index];
  Column out = memo_->at(node.inputs[0]);
  if (context_.holds == nullptr) return out;
  const Duration step = context_.plan->tick;
  HoldTable& holds = *context_.holds;
  for (std::size_t row = 0; row < out.size(); ++row) {
    auto evidence = static_cast<Evidence>(out.evidence[row]);
    HoldCell& cell = holds[{index, context_.scope, (*out.rows)[row]}];
    double held = 0;
    advance_hold(node.hold, step, context_.at, out.number(row), evidence, cell, held, evidence);
    out.set(row, held, evidence);
  }
  // A row that has been away for as long as resets a hold starts afresh when it comes back, with its cell or
  // without.
  const Duration forgotten = step * (std::int64_t{node.hold.unknown_at_most} + 2);
  auto at = holds.lower_bound({index, context_.scope, Labels{}});
  while (at != holds.end() && at->first.node == index && at->first.scope == context_.scope)
    at = context_.at - at->second.last_tick >= forgotten ? holds.erase(at) : std::next(at);
  return out;
}

}  // namespace signalbox::eval
