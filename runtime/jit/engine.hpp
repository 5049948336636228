// LLJIT in its cage. No LLVM header here: the engine's users need none.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "runtime/base/limits.hpp"
#include "runtime/base/result.hpp"
#include "runtime/eval/kernel.hpp"

namespace signalbox::jit {

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(const Limits& limits);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The contract of eval::KernelCompiler. After an error of LLVM that it does not come back from, every
  // later call is `internal`, and kernels made before go on working.
  Result<eval::KernelFn> compile(const plan::Shape& shape);
  std::size_t code_bytes() const;

  // For the tests of the cage: links the function `name` of LLVM IR in text form, exactly as kernels are.
  Result<void*> link_text(const std::string& ir, const char* name);

 private:
  struct Parts;
  explicit Engine(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
  std::size_t shape_ops_;
  std::size_t kernels_ = 0;
  std::string gave_up_;  // LLVM's last words, empty while it lives
};

}  // namespace signalbox::jit
