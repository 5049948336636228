#include "runtime/jit/fatal.hpp"

#include <llvm/Support/ErrorHandling.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace signalbox::jit {
namespace {

struct Shelter {
  std::jmp_buf back;
  char reason[512];
};
thread_local Shelter* shelter = nullptr;

void on_fatal(void*, const char* reason, bool) {
  Shelter* here = shelter;
  if (here == nullptr) {
    std::fprintf(stderr, "signalbox: the code generator failed outside of a compilation: %s\n", reason);
    return;
  }
  std::snprintf(here->reason, sizeof here->reason, "%s", reason);
  std::longjmp(here->back, 1);
}

// In a function of its own, so that no variable lives across the second return of setjmp.
bool run(Shelter& here, void (*work)(void*), void* argument) {
  if (setjmp(here.back) != 0) return false;
  work(argument);
  return true;
}

}  // namespace

void own_fatal_errors() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::remove_fatal_error_handler();  // installing over another one is undefined
    llvm::install_fatal_error_handler(on_fatal);
    llvm::remove_bad_alloc_error_handler();
    llvm::install_bad_alloc_error_handler(on_fatal);
  });
}

bool survive(std::string& reason, void (*work)(void*), void* argument) {
  Shelter here{};
  Shelter* const outer = shelter;
  shelter = &here;
  const bool done = run(here, work, argument);
  shelter = outer;
  if (!done) reason = here.reason;
  return done;
}

}  // namespace signalbox::jit
