// A program's files: those it is given and those that `use` pulls in.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/source/diagnostic.hpp"
#include "compiler/syntax/ast.hpp"
#include "runtime/base/limits.hpp"

namespace signalbox::sema {

// The text of module "shop.common", or nothing. The compiler opens no file: its host does.
using ModuleLoader = std::function<std::optional<std::string>(const std::string& module)>;

struct Module {
  std::string path;  // "std.burn"; "" for the program's own files
  syntax::File ast;
  std::map<std::string, std::size_t> uses;  // "std.burn" → index of the module
};

// modules[0 … roots−1] are the program's own files. Cycles, unknown modules and modules that declare more
// than settings are reported. Bounded by Limits::modules.
std::vector<Module> load_modules(source::SourceSet& sources, const std::vector<std::uint32_t>& roots,
                                 const ModuleLoader& loader, const Limits& limits,
                                 source::Diagnostics& diagnostics);

}  // namespace signalbox::sema
