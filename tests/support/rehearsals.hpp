// The `test` blocks of a program, run by the engine where there is one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/evaluate.hpp"

#ifdef SIGNALBOX_HAS_LOOP
#include "runtime/loop/rehearsal.hpp"
#endif

namespace signalbox::test {

// What the `test` blocks of a compiled program found wrong, a sentence each; nothing when this build cannot
// run them.
inline std::optional<std::vector<std::string>> run_rehearsals(
    const lower::Compiled& compiled, eval::Tier tier,
    std::function<Result<std::unique_ptr<eval::KernelCompiler>>()> load_compiler) {
#ifdef SIGNALBOX_HAS_LOOP
  std::vector<std::string> out;
  for (const plan::Rehearsal& rehearsal : compiled.rehearsals)
    for (const loop::RehearsalFailure& failure :
         loop::run_rehearsal(*compiled.plan, rehearsal, tier, load_compiler).failures)
      out.push_back(rehearsal.name + ": " + failure.message);
  return out;
#else
  (void)compiled, (void)tier, (void)load_compiler;
  return std::nullopt;
#endif
}

}  // namespace signalbox::test
