// The condition tree with its numbers, as a record keeps it.
#pragma once

#include "runtime/decide/record.hpp"

namespace signalbox::decide {

std::vector<TreeLine> condition_tree(const plan::Plan& plan, plan::Index root, eval::Evaluation& evaluation);

}  // namespace signalbox::decide
