#include "runtime/decide/budget.hpp"

#include "runtime/decide/decide.hpp"

namespace signalbox::decide {

using plan::Evidence;

std::vector<BudgetReading> read_budget(const plan::Plan& plan, plan::Index index, eval::Evaluation& evaluation) {
  const plan::Slo& slo = plan.slos[index];
  const double budget = sub(Rational(1), slo.objective)->to_double();
  const eval::Column& universe = evaluation.column(slo.slices ? slo.seen : slo.universe);
  std::vector<BudgetReading> out;
  for (std::size_t i = 0; i < universe.size(); ++i) {
    BudgetReading b;
    b.labels = (*universe.rows)[i];
    const RowValue spent = row_of(evaluation.column(slo.spent), b.labels), seen = row_of(evaluation.column(slo.seen), b.labels),
                   coverage = row_of(evaluation.column(slo.coverage), b.labels);
    b.evidence = seen.evidence;
    b.spent = spent.evidence == Evidence::value ? spent.value : 0.0;  // of a known whole, an absent part is none
    b.seen = seen.evidence == Evidence::value ? seen.value : 0.0;
    b.coverage = coverage.evidence == Evidence::value ? coverage.value : 0.0;
    const double expected = slo.traffic > 0 ? slo.traffic * slo.period.seconds() : b.coverage > 0 ? b.seen / b.coverage : 0.0;
    b.allowance = expected * budget;
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

}  // namespace signalbox::decide
