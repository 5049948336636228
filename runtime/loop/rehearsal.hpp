// Runs a `test` of the language: the real engine in virtual time, over given series, with stub targets and
// receivers that keep the real ones' semantics.
#pragma once

#include <string>
#include <vector>

#include "runtime/decide/decide.hpp"
#include "runtime/plan/rehearsal.hpp"

namespace signalbox::loop {

struct RehearsalFailure {
  plan::Origin origin;
  std::string message;  // what was expected, and what came
};
struct RehearsalResult {
  std::string name;
  std::vector<RehearsalFailure> failures;
  std::vector<decide::Event> events;
  Instant start;
  bool passed() const { return failures.empty(); }
};
RehearsalResult run_rehearsal(
    const plan::Plan& plan, const plan::Rehearsal& rehearsal, eval::Tier tier = eval::Tier::interpreter,
    std::function<Result<std::unique_ptr<eval::KernelCompiler>>()> load_compiler = {});

}  // namespace signalbox::loop
