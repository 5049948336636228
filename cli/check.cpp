// signalbox check FILE…: whether the text makes operational sense, and what its burn rows mean.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/programs.hpp"
#include "compiler/analysis/report.hpp"

namespace signalbox::cli {

int run_check(const CheckOptions& options) {
  std::vector<std::vector<std::string>> programs;
  if (options.together)
    programs.push_back(options.files);
  else
    for (const std::string& file : options.files) programs.push_back({file});
  bool good = true;
  auto report = nlohmann::ordered_json::array();
  for (const auto& files : programs) {
    const lower::Compiled program = compile_files(files, options.params);
    good = good && program.plan.has_value();
    if (options.json) {
      nlohmann::ordered_json entry = {{"file", fmt::format("{}", fmt::join(files, ","))},
                                      {"ok", program.plan.has_value()}};
      entry["diagnostics"] =
          nlohmann::ordered_json::parse(source::render_json(program.diagnostics, program.sources));
      if (program.plan) {
        entry["digest"] = plan::digest(*program.plan);
        entry["burn_rows"] = analysis::burn_table_json(*program.plan);
      }
      report.push_back(std::move(entry));
      continue;
    }
    print_diagnostics(program);
    if (!program.plan || options.quiet) continue;
    const std::string table = analysis::burn_table(*program.plan);
    if (!table.empty()) fmt::print("{}", table);
  }
  if (options.json) fmt::print("{}\n", dump({{"ok", good}, {"files", report}}, 2));
  return good ? exit_ok : exit_program;
}

}  // namespace signalbox::cli
