#include "runtime/eval/kernel.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <vector>

#include "runtime/eval/ops.hpp"

namespace signalbox::eval {

double math_mod(double a, double b) {
  return std::fmod(a, b);
}
double math_pow(double a, double b) {
  return std::pow(a, b);
}

void interpret(const plan::Shape& shape, const double* params, const ColumnView* inputs, double* out_value,
               std::uint8_t* out_evidence, std::size_t rows) {
  std::vector<Signal> at(shape.code.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < shape.code.size(); ++i) {
      const plan::ShapeInstr& in = shape.code[i];
      if (in.op == ShapeOp::input) {
        const ColumnView& column = inputs[in.index];
        const auto evidence = static_cast<Evidence>(column.evidence[row * column.step]);
        at[i] = evidence == Evidence::value ? Signal{column.value[row * column.step], evidence}
                                            : unknown(evidence);
      } else if (in.op == ShapeOp::param) {
        at[i] = {params[in.index], Evidence::value};
      } else {
        at[i] = apply_op(in.op, at[in.a], at[in.b], at[in.c]);
      }
    }
    const Signal result = canonical(at.back());
    out_value[row] = result.value;
    out_evidence[row] = static_cast<std::uint8_t>(result.evidence);
  }
}

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
