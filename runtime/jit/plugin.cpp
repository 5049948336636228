// The plugin's one door: create_kernel_compiler_symbol of eval/kernel.hpp.
#include <cstdio>
#include <memory>
#include <utility>

#include "runtime/eval/kernel.hpp"
#include "runtime/jit/engine.hpp"

namespace signalbox::jit {
namespace {

class Compiler final : public eval::KernelCompiler {
 public:
  explicit Compiler(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
  Result<eval::KernelFn> compile(const plan::Shape& shape) override { return engine_->compile(shape); }
  std::size_t code_bytes() const override { return engine_->code_bytes(); }

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace
}  // namespace signalbox::jit

extern "C" [[gnu::visibility("default")]] signalbox::eval::KernelCompiler* signalbox_create_kernel_compiler(
    const signalbox::Limits& limits, char* error, std::size_t error_bytes) {
  auto engine = signalbox::jit::Engine::create(limits);
  if (engine) return new signalbox::jit::Compiler(*std::move(engine));
  std::snprintf(error, error_bytes, "%s", engine.error().message.c_str());
  return nullptr;
}
