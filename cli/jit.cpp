#include "cli/jit.hpp"

#include <filesystem>

namespace signalbox::cli {

std::function<Result<std::unique_ptr<eval::KernelCompiler>>()> jit_loader() {
  return []() -> Result<std::unique_ptr<eval::KernelCompiler>> {
    std::error_code failed;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
    if (failed)
      return Error{ErrorCode::not_found, "the program's own place is not known", "run with --engine interp"};
    return eval::load_kernel_compiler((program.parent_path() / "libsignalbox_jit.so").c_str(), Limits{});
  };
}

}  // namespace signalbox::cli
