// Numbers behind a condition, for sentences and trees.
#include "runtime/decide/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace signalbox::decide {

using plan::Evidence;
using plan::Index;

namespace {

const plan::BurnReading* reading_of(const plan::Plan& plan, Index node) {
  for (const plan::BurnReading& r : plan.readings)
    if (r.condition == node) return &r;
  return nullptr;
}

std::string text_of(const plan::Plan& plan, const plan::Node& node) {
  return node.origin < plan.origins.size() ? plan.origins[node.origin].text
                                           : std::string(node.condition ? "condition" : "value");
}

std::string outcome_of(const plan::Node& node, double value, Evidence evidence) {
  if (evidence != Evidence::value) return fmt::format("unknown ({})", plan::evidence_name(evidence));
  if (node.condition) return value != 0.0 ? "true" : "false";
  return fmt::format("{:.6g}", value);
}

std::string numbers_of(const plan::BurnReading& r, const Labels& row, eval::Evaluation& evaluation) {
  const RowValue ratio = row_of(evaluation.column(r.ratio), row), bad = row_of(evaluation.column(r.bad), row),
                 total = row_of(evaluation.column(r.total), row);
  const double failed = bad.evidence == Evidence::value ? bad.value : 0.0;
  const std::string events = total.evidence == Evidence::value
                                 ? fmt::format("{:.6g} of {:.6g}", failed, total.value)
                                 : std::string(plan::evidence_name(total.evidence));
  if (ratio.evidence != Evidence::value)
    return fmt::format("{} ({})", plan::evidence_name(ratio.evidence), events);
  return fmt::format("burn {:.4g} against {}, {}", ratio.value / r.budget, shortest(r.factor), events);
}

void walk(const plan::Plan& plan, Index node, eval::Evaluation& evaluation, std::uint32_t depth,
          std::vector<TreeLine>& out) {
  if (out.size() > 200) return;
  const plan::Node& n = plan.nodes[node];
  const eval::Column& column = evaluation.column(node);
  const plan::BurnReading* reading = reading_of(plan, node);
  for (std::size_t i = 0; i < column.size() && i < 20; ++i) {
    const Labels& row = (*column.rows)[i];
    TreeLine line;
    line.depth = depth;
    line.text = row.empty() ? text_of(plan, n) : fmt::format("{} {}", to_string(row), text_of(plan, n));
    line.outcome = outcome_of(n, column.number(i), static_cast<Evidence>(column.evidence[i]));
    if (reading != nullptr) line.numbers = numbers_of(*reading, row, evaluation);
    out.push_back(std::move(line));
  }
  if (column.size() == 0) out.push_back({depth, text_of(plan, n), "unknown (no rows)", ""});
  if (reading != nullptr) return;
  if (!n.condition) return;
  for (Index input : n.inputs) walk(plan, input, evaluation, depth + 1, out);
}

void collect(const plan::Plan& plan, Index node, std::vector<const plan::BurnReading*>& out) {
  if (const plan::BurnReading* r = reading_of(plan, node)) {
    out.push_back(r);
    return;
  }
  if (!plan.nodes[node].condition) return;
  for (Index input : plan.nodes[node].inputs) collect(plan, input, out);
}

}  // namespace

std::string explain_readings(const plan::Plan& plan, Index root, eval::Evaluation& evaluation,
                             const std::vector<Labels>& rows) {
  std::vector<const plan::BurnReading*> readings;
  collect(plan, root, readings);
  std::string out;
  const std::vector<Labels> shown = rows.empty() ? std::vector<Labels>{Labels{}} : rows;
  for (std::size_t r = 0; r < shown.size() && r < 3; ++r) {
    for (const plan::BurnReading* reading : readings) {
      if (!out.empty()) out += "; ";
      out += fmt::format("{}{} is {}", shown[r].empty() ? "" : to_string(shown[r]) + " ",
                         text_of(plan, plan.nodes[reading->condition]),
                         numbers_of(*reading, shown[r], evaluation));
    }
  }
  return out;
}

std::vector<TreeLine> condition_tree(const plan::Plan& plan, Index root, eval::Evaluation& evaluation) {
  std::vector<TreeLine> out;
  walk(plan, root, evaluation, 0, out);
  return out;
}

std::string absent_bucket(const plan::Plan& plan, Index root, eval::Evaluation& evaluation) {
  const eval::Evaluation::Context& context = evaluation.context();
  std::vector<Index> open = {root};
  std::set<Index> seen;
  while (!open.empty()) {
    const Index index = open.back();
    open.pop_back();
    if (!seen.insert(index).second) continue;
    const plan::Node& node = plan.nodes[index];
    open.insert(open.end(), node.inputs.begin(), node.inputs.end());
    if (node.kind != plan::NodeKind::leaf) continue;
    plan::Leaf leaf = plan.leaves[node.index];
    const auto le = std::find_if(leaf.matchers.begin(), leaf.matchers.end(),
                                 [](const Matcher& m) { return m.label == "le"; });
    if (le == leaf.matchers.end() || !context.leaves->known(leaf, context.at)->empty()) continue;
    const std::string asked = fmt::format("le{}\"{}\"", match_op_text(le->op), le->value);
    leaf.matchers.erase(le);
    std::set<std::string> bounds;
    for (const Labels& row : *context.leaves->known(leaf, context.at)) bounds.emplace(row.get("le"));
    bounds.erase("");
    if (!bounds.empty()) return fmt::format(": no bucket {}; there are {}", asked, fmt::join(bounds, ", "));
  }
  return {};
}

}  // namespace signalbox::decide
