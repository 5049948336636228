// Changes of a program's thresholds, as a command line gives them: the program as if it had been written so.
#pragma once

#include <string>
#include <vector>

#include "compiler/sema/thresholds.hpp"

namespace signalbox::sema {

struct Edit {
  std::string flag;  // who says so, for places in messages: "--what-if"
  std::string text;  // KEY=VALUE
};
// KEY       a threshold's name; without a declaration before it, that of all declarations that have one
// VALUE     a literal as the language has it; 0.5x for half of what is written; of a hold `5 ticks`, `3 of 5
//           ticks` or `2m`, with or without `for`
//
// Changes the trees of `modules`. What is not KEY=VALUE, names nothing, changes what another edit changed or
// is no literal is reported, at its place in the edit's text.
void apply_edits(std::vector<Module>& modules, std::size_t roots, const std::vector<Edit>& edits,
                 source::SourceSet& sources, const Limits& limits, source::Diagnostics& diagnostics);

}  // namespace signalbox::sema
