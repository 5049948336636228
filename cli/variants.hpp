// --what-if: variants of a program beside the program as written.
#pragma once

#include <string>
#include <vector>

#include "cli/programs.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::cli {

// One variant's changes: `KEY=VALUE` and `param NAME=VALUE`, with commas between them. A comma that no KEY=
// follows belongs to the value before it.
struct Changes {
  std::vector<sema::Edit> edits;
  Params params;
};
Changes read_changes(const std::string& flag, const std::string& text);

lower::Compiled compile_variant(const ProgramTexts& texts, const Params& params, const Changes& changes);

// What is said of a variant and was not said of the program as written; "" when that is nothing.
std::string new_diagnostics(const lower::Compiled& variant, const lower::Compiled& as_written);

// For loading a history once: asks for every series and every window that one of the plans reads. It is not
// to be evaluated.
plan::Plan what_is_read(const std::vector<const plan::Plan*>& plans);

}  // namespace signalbox::cli
