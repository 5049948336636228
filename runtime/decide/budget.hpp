// What is left of a budget: the one definition behind every such number that is shown.
#pragma once

#include "runtime/eval/evaluate.hpp"

namespace signalbox::decide {

struct BudgetReading {
  Labels labels;
  plan::Evidence evidence = plan::Evidence::no_data;  // of spent; the numbers hold when it is `value`
  double spent = 0;                                   // bad events (or slices) in the period's samples
  double seen = 0;                                    // events (or known slices) in them
  double coverage = 0;                                // of the period, 0 to 1
  // expected × (1 − objective), where expected is declared traffic × period, or seen ÷ coverage: the period's
  // total at the rate seen so far while it is young.
  double allowance = 0;
  double remaining = 0;      // 1 − spent ÷ allowance; negative when overspent
  bool provisional = false;  // coverage below what the slo asks for, and no traffic declared
  struct Burn {
    Duration window;
    plan::Evidence evidence;
    double burn;
  };
  std::vector<Burn> burns;
};
// What the history has nothing of up to `at`, a sentence each: all that an SLO counts, or only its numerator
// (perhaps there were no errors, perhaps a label is misspelt), and what shows a target's deploys.
std::vector<std::string> never_matched(const plan::Plan& plan, eval::LeafProvider& leaves, Instant at);

// One reading per instance, in the order of the universe.
std::vector<BudgetReading> read_budget(const plan::Plan& plan, plan::Index slo, eval::Evaluation& evaluation);

}  // namespace signalbox::decide
