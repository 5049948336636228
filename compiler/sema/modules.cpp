#include "compiler/sema/modules.hpp"

#include <fmt/format.h>

#include "compiler/syntax/parser.hpp"

namespace signalbox::sema {
namespace {

using source::Code;

class Loader {
 public:
  Loader(source::SourceSet& sources, const ModuleLoader& loader, const Limits& limits,
         source::Diagnostics& diagnostics)
      : sources_(sources), loader_(loader), limits_(limits), diagnostics_(diagnostics) {}

  std::vector<Module> modules;

  void add_root(std::uint32_t file) {
    modules.push_back({"", syntax::parse_file(sources_, file, limits_, diagnostics_), {}});
  }

  // Depth first, so that a module on the way back to itself is a cycle.
  void resolve(std::size_t index) {
    const std::vector<syntax::Use> uses = modules[index].ast.uses;
    for (const syntax::Use& use : uses) {
      std::string path;
      for (const syntax::Name& part : use.path) path += (path.empty() ? "" : ".") + part.text;
      if (const auto known = by_path_.find(path); known != by_path_.end()) {
        if (open_.count(path) != 0) {
          diagnostics_.report(Code::cyclic_use, use.span,
                              fmt::format("`{}` is used by what it uses itself", path),
                              "move what both need into a third module");
          continue;
        }
        modules[index].uses[path] = known->second;
        continue;
      }
      if (modules.size() >= limits_.modules) {
        diagnostics_.report(Code::program_too_large, use.span,
                            fmt::format("more than {} modules", limits_.modules));
        return;
      }
      const std::optional<std::string> text = loader_ ? loader_(path) : std::nullopt;
      if (!text) {
        std::string file = path;
        for (char& c : file)
          if (c == '.') c = '/';
        diagnostics_.report(
            Code::unknown_module, use.span, fmt::format("there is no module `{}`", path),
            path.rfind("std.", 0) == 0
                ? "std. is the library's: std.burn is there"
                : fmt::format("it would be the file {}.slo beside the program; the library's begin with std.",
                              file));
        continue;
      }
      const std::uint32_t file = sources_.add(path, *text);
      const std::size_t added = modules.size();
      modules.push_back({path, syntax::parse_file(sources_, file, limits_, diagnostics_), {}});
      by_path_[path] = added;
      modules[index].uses[path] = added;
      refuse_declarations(modules[added].ast);
      open_.insert({path, true});
      resolve(added);
      open_.erase(path);
    }
  }

 private:
  void refuse_declarations(const syntax::File& ast) {
    const auto refuse = [&](source::Span span) {
      diagnostics_.report(Code::bad_value, span,
                          "a module has settings only: use, param, let, metric and test",
                          "declarations belong to the program that uses it");
    };
    for (const auto& d : ast.sources) refuse(d.span);
    for (const auto& d : ast.receivers) refuse(d.span);
    for (const auto& d : ast.slos) refuse(d.span);
    for (const auto& d : ast.targets) refuse(d.span);
    for (const auto& d : ast.policies) refuse(d.span);
    for (const auto& d : ast.ticks) refuse(d.span);
  }

  source::SourceSet& sources_;
  const ModuleLoader& loader_;
  const Limits& limits_;
  source::Diagnostics& diagnostics_;
  std::map<std::string, std::size_t> by_path_;
  std::map<std::string, bool> open_;
};

}  // namespace

std::vector<Module> load_modules(source::SourceSet& sources, const std::vector<std::uint32_t>& roots,
                                 const ModuleLoader& loader, const Limits& limits,
                                 source::Diagnostics& diagnostics) {
  Loader l(sources, loader, limits, diagnostics);
  for (std::uint32_t file : roots) l.add_root(file);
  for (std::size_t i = 0; i < roots.size(); ++i) l.resolve(i);
  return std::move(l.modules);
}

}  // namespace signalbox::sema
