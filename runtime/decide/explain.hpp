// The condition tree with its numbers, as a record keeps it.
#pragma once

#include "runtime/decide/record.hpp"

namespace signalbox::decide {

std::vector<TreeLine> condition_tree(const plan::Plan& plan, plan::Index root, eval::Evaluation& evaluation);

// Below `root`, a bucket that a `share of` asks for and the histogram does not have: ": no bucket le=\"0.3\";
// there are 0.1, 0.5, +Inf". "" when there is no such thing.
std::string absent_bucket(const plan::Plan& plan, plan::Index root, eval::Evaluation& evaluation);

}  // namespace signalbox::decide
