#include "runtime/decide/budget.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/decide/decide.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::decide {

using plan::Evidence;

std::vector<BudgetReading> read_budget(const plan::Plan& plan, plan::Index index,
                                       eval::Evaluation& evaluation) {
  const plan::Slo& slo = plan.slos[index];
  const Rational share = *sub(Rational(1), slo.objective);
  const double budget = share.to_double();
  const eval::Column& universe = evaluation.column(slo.slices ? slo.seen : slo.universe);
  std::vector<Labels> instances = *universe.rows;
  if (slo.per.empty() && instances.empty()) instances.emplace_back();
  std::vector<BudgetReading> out;
  for (const Labels& labels : instances) {
    BudgetReading b;
    b.labels = labels;
    const RowValue spent = row_of(evaluation.column(slo.spent), b.labels),
                   seen = row_of(evaluation.column(slo.seen), b.labels),
                   coverage = row_of(evaluation.column(slo.coverage), b.labels);
    b.evidence = seen.evidence;
    // What a burn would not divide is no budget either.
    const double most = seen.value * (1.0 + eval::part_above_whole_tolerance);
    if (b.evidence == Evidence::value && !std::isfinite(seen.value)) b.evidence = Evidence::invalid;
    if (b.evidence == Evidence::value && spent.evidence == Evidence::value &&
        !(spent.value >= 0.0 && spent.value <= most))
      b.evidence = Evidence::invalid;
    if (b.evidence == Evidence::value && spent.evidence == Evidence::invalid) b.evidence = Evidence::invalid;
    b.spent =
        spent.evidence == Evidence::value ? spent.value : 0.0;  // of a known whole, an absent part is none
    b.seen = seen.evidence == Evidence::value ? seen.value : 0.0;
    b.coverage = coverage.evidence == Evidence::value ? coverage.value : 0.0;
    const double expected = slo.traffic > 0  ? slo.traffic * slo.period.seconds()
                            : b.coverage > 0 ? b.seen / b.coverage
                                             : 0.0;
    // By the fraction: a thousandth of 86,400 is 86.4, and of a double near 0.001 it is not.
    b.allowance = expected * static_cast<double>(share.num()) / static_cast<double>(share.den());
    b.remaining = b.allowance > 0 ? 1.0 - b.spent / b.allowance : b.spent > 0 ? 0.0 : 1.0;
    b.provisional = slo.traffic <= 0 && b.coverage < slo.least_coverage;
    for (const plan::Slo::WindowReading& w : slo.windows) {
      const RowValue ratio = row_of(evaluation.column(w.ratio), b.labels);
      b.burns.push_back({w.window, ratio.evidence, ratio.value / budget});
    }
    out.push_back(std::move(b));
  }
  return out;
}

namespace {

// The leaf nodes at and below `node`.
std::set<plan::Index> leaves_below(const plan::Plan& plan, plan::Index node) {
  std::set<plan::Index> out, seen;
  std::vector<plan::Index> open = {node};
  while (!open.empty()) {
    const plan::Index at = open.back();
    open.pop_back();
    if (!seen.insert(at).second) continue;
    if (plan.nodes[at].kind == plan::NodeKind::leaf) out.insert(at);
    open.insert(open.end(), plan.nodes[at].inputs.begin(), plan.nodes[at].inputs.end());
  }
  return out;
}

}  // namespace

std::vector<std::string> never_matched(const plan::Plan& plan, eval::LeafProvider& leaves, Instant at) {
  std::vector<std::string> out;
  const auto found = [&](plan::Index leaf) {
    return !leaves.known(plan.leaves[plan.nodes[leaf].index], at)->empty();
  };
  const auto say = [&](const std::string& who, const std::set<plan::Index>& which, const char* what_then) {
    std::set<std::string> selectors;
    for (const plan::Index leaf : which)
      if (plan.nodes[leaf].origin < plan.origins.size())
        selectors.insert(plan.origins[plan.nodes[leaf].origin].text);
    out.push_back(fmt::format("{}: nothing ever matched {}: {}", who, fmt::join(selectors, ", "), what_then));
  };
  constexpr const char* missing =
      "the history has no such series, or a name or a label is spelt otherwise, and nothing can be said of "
      "it";
  for (const plan::Slo& slo : plan.slos) {
    const std::set<plan::Index> whole = leaves_below(plan, slo.slices ? slo.universe : slo.seen);
    if (!whole.empty() && std::none_of(whole.begin(), whole.end(), found)) {
      say(slo.name, whole, missing);
      continue;
    }
    if (slo.slices) continue;  // a condition, not a part of a whole
    std::set<plan::Index> part = leaves_below(plan, slo.spent);
    for (const plan::Index leaf : whole) part.erase(leaf);
    // A bucket that is not there is `invalid`, and said so.
    std::erase_if(part, [&](plan::Index leaf) {
      const auto& matchers = plan.leaves[plan.nodes[leaf].index].matchers;
      return std::any_of(matchers.begin(), matchers.end(), [](const Matcher& m) { return m.label == "le"; });
    });
    if (!part.empty() && std::none_of(part.begin(), part.end(), found))
      say(slo.name, part, "there were no such events at all, or a label is spelt otherwise");
  }
  for (const plan::Target& target : plan.targets) {
    if (target.deployed == plan::none) continue;
    const std::set<plan::Index> shown = leaves_below(plan, target.deployed);
    if (std::none_of(shown.begin(), shown.end(), found))
      say(target.name, shown, "no deploy is seen, and no window since one ever begins");
  }
  return out;
}

}  // namespace signalbox::decide
