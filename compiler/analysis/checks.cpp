#include "compiler/analysis/checks.hpp"

#include "compiler/analysis/checker.hpp"

namespace signalbox::analysis {

void analyse(const plan::Plan& plan, const source::Places& places, source::Diagnostics& diagnostics) {
  Checker checker(plan, places, diagnostics);
  check_data(checker);
  check_rows(checker);
  check_policies(checker);
  check_conflicts(checker);
}

}  // namespace signalbox::analysis
