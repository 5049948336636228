// Program files for the subcommands: read, compiled, and their diagnostics shown.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/lower/compile.hpp"

namespace signalbox::cli {

using Params = std::map<std::string, std::string>;

// The texts of one program; "-" is standard input, which can be read once.
struct ProgramTexts {
  std::vector<std::string> files;
  std::vector<lower::Input> inputs;
  std::optional<lower::Compiled> unreadable;  // what is said of a file that cannot be read
};
ProgramTexts read_programs(const std::vector<std::string>& files);
// Modules of `use` are looked for beside the first file. A file that cannot be read is a diagnostic
// (file-unreadable) like any other. With `edits`: the variant that they make of it.
lower::Compiled compile_texts(const ProgramTexts& texts, const Params& params,
                              const std::vector<sema::Edit>& edits = {});
lower::Compiled compile_files(const std::vector<std::string>& files, const Params& params);

// To standard error, as text. Nothing when there is nothing to say.
void print_diagnostics(const lower::Compiled& compiled);

// At most `most` bytes; `limit_exceeded` past them.
Result<std::string> read_text_file(const std::string& path, std::size_t most);

}  // namespace signalbox::cli
