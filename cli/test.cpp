// signalbox test FILE…: the tests that programs carry, in virtual time.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/programs.hpp"
#include "runtime/loop/rehearsal.hpp"

namespace signalbox::cli {

int run_test(const TestOptions& options) {
  std::size_t passed = 0, failed = 0;
  bool broken = false;
  auto report = nlohmann::ordered_json::array();
  for (const std::string& file : options.files) {
    const lower::Compiled program = compile_files({file}, options.params);
    if (!program.plan) {
      print_diagnostics(program);
      broken = true;
      continue;
    }
    for (const plan::Rehearsal& rehearsal : program.rehearsals) {
      const loop::RehearsalResult result = loop::run_rehearsal(*program.plan, rehearsal);
      ++(result.passed() ? passed : failed);
      if (options.json) {
        nlohmann::ordered_json entry = {{"file", file}, {"test", result.name}, {"passed", result.passed()}};
        entry["failures"] = nlohmann::ordered_json::array();
        for (const auto& f : result.failures)
          entry["failures"].push_back({{"file", f.origin.file},
                                       {"line", f.origin.line},
                                       {"column", f.origin.column},
                                       {"message", f.message}});
        entry["events"] = nlohmann::ordered_json::array();
        for (const decide::Event& e : result.events) {
          auto event = event_json(e);
          event["after"] = to_string(e.time - result.start);
          entry["events"].push_back(std::move(event));
        }
        report.push_back(std::move(entry));
        continue;
      }
      fmt::print("{}  {}: {}\n", result.passed() ? "ok  " : "FAIL", file, result.name);
      for (const auto& f : result.failures)
        fmt::print("      {}:{}:{}: {}\n", f.origin.file, f.origin.line, f.origin.column, f.message);
    }
  }
  if (options.json)
    fmt::print("{}\n", dump({{"passed", passed}, {"failed", failed}, {"tests", report}}, 2));
  else
    fmt::print("{} passed, {} failed\n", passed, failed);
  if (broken) return exit_program;
  if (passed + failed == 0) {
    tell("signalbox: there is no test in {}\n", options.files.size() == 1 ? options.files[0] : "these files");
    return exit_no_data;
  }
  return failed == 0 ? exit_ok : exit_breach;
}

}  // namespace signalbox::cli
