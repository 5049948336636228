#include "runtime/eval/kernel.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace signalbox::eval {

Result<std::unique_ptr<KernelCompiler>> load_kernel_compiler(const char* path, const Limits& limits) {
  // Never closed: unloading LLVM's shared object does not give its memory back.
  void* plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    return Error{ErrorCode::not_found, fmt::format("the compiler plugin cannot be loaded: {}", dlerror()),
                 "run with --engine interp, or install the plugin beside the program"};
  }
  const auto create = reinterpret_cast<CreateKernelCompiler>(dlsym(plugin, create_kernel_compiler_symbol));
  if (create == nullptr)
    return Error{ErrorCode::malformed, fmt::format("{} is not Signalbox's compiler plugin", path)};
  char why[256] = "";
  KernelCompiler* compiler = create(limits, why, sizeof why);
  if (compiler == nullptr) return Error{ErrorCode::refused, why};
  return std::unique_ptr<KernelCompiler>(compiler);
}

}  // namespace signalbox::eval
