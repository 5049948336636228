// Where the compiler plugin lies: beside the program.
#pragma once

#include <functional>
#include <memory>

#include "runtime/eval/kernel.hpp"

namespace signalbox::cli {

std::function<Result<std::unique_ptr<eval::KernelCompiler>>()> jit_loader();

}  // namespace signalbox::cli
