// A shape as LLVM IR: one function of type eval::KernelFn, whose meaning is eval/ops.hpp.
#pragma once

#include "runtime/plan/shape.hpp"

namespace llvm {
class Module;
}

namespace signalbox::jit {

// Adds the function `name` to an empty module, whose data layout is the host's. `shape` is well formed.
void emit_kernel(llvm::Module& module, const plan::Shape& shape, const char* name);

}  // namespace signalbox::jit
