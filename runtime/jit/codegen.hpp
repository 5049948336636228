// A shape as LLVM IR: one function of type eval::KernelFn, whose meaning is eval/ops.hpp.
#pragma once

#include "runtime/plan/shape.hpp"

namespace llvm {
class Module;
}

namespace signalbox::jit {

// What of the machine decides how a kernel is written.
struct Processor {
  bool has_fma = false;  // x·y + z rounded once, in an instruction
  unsigned lanes = 0;    // rows that go together, where that is known better than LLVM does; 0: it is not
};
// Adds the function `name` to an empty module, whose data layout is the host's. `shape` is well formed.
void emit_kernel(llvm::Module& module, const plan::Shape& shape, const char* name,
                 const Processor& processor);

}  // namespace signalbox::jit
