// LLVM ends the process on errors that it holds for impossible (report_fatal_error). Signalbox must not end
// with it: the interpreter can do everything a kernel does.
#pragma once

#include <string>

namespace signalbox::jit {

// From the first call on, LLVM's fatal errors in this process come here. Idempotent.
void own_fatal_errors();

// Runs work(argument). False when LLVM gave up inside it, with LLVM's words in `reason`: the stack was then
// left without destructors, so whatever `work` used must be neither used nor destroyed any more.
// `work` must not throw. Fatal errors outside of a call go to stderr before LLVM ends the process.
bool survive(std::string& reason, void (*work)(void*), void* argument);

template <class Work>
bool survive(std::string& reason, Work&& work) {
  return survive(
      reason, [](void* w) { (*static_cast<std::remove_reference_t<Work>*>(w))(); }, &work);
}

}  // namespace signalbox::jit
