// The seam between evaluation and machine code. A kernel runs one shape over columns; who made it
// (the interpreter or jit/) cannot be seen in the results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/base/limits.hpp"
#include "runtime/base/result.hpp"
#include "runtime/plan/shape.hpp"

namespace signalbox::eval {

// Row i is value[i * step], or truth[i * step] of a condition, and evidence[i * step]; step 0 repeats one row
// for all. Where evidence is not `value`, the number is +0.0 and the truth 0: who looks for what is certainly
// small or false need not ask.
struct ColumnView {
  const double* value = nullptr;           // null for a condition
  const std::uint8_t* evidence = nullptr;  // plan::Evidence
  std::size_t step = 1;
  const std::uint8_t* truth = nullptr;  // 1 or 0; null for numbers
  double number(std::size_t row) const { return value != nullptr ? value[row * step] : truth[row * step]; }
};

// Where results go, row by row: numbers to `value`, or, of a shape that is a condition, 1 or 0 to `truth`. A
// byte for a condition, because writing eight costs more than finding out what to write.
struct ColumnOut {
  double* value = nullptr;
  std::uint8_t* evidence = nullptr;
  std::uint8_t* truth = nullptr;
  // A truth is any number but 0.
  void set(std::size_t row, double number, plan::Evidence why) const {
    if (truth != nullptr)
      truth[row] = number != 0.0 ? 1 : 0;
    else
      value[row] = number;
    evidence[row] = static_cast<std::uint8_t>(why);
  }
  ColumnOut from(std::size_t row) const {
    return {value != nullptr ? value + row : nullptr, evidence + row,
            truth != nullptr ? truth + row : nullptr};
  }
};

// C layout on both sides of the plugin border. Writes `rows` results; reads nothing past the inputs.
using KernelFn = void (*)(const double* params, const ColumnView* inputs, const ColumnOut* out,
                          std::size_t rows);

class KernelCompiler {
 public:
  virtual ~KernelCompiler() = default;
  // The function lives until the compiler is destroyed. Errors: `limit_exceeded` past jit_code_bytes or
  // jit_shape_ops, `refused` when the system gives no executable memory; callers then interpret.
  virtual Result<KernelFn> compile(const plan::Shape& shape) = 0;
  virtual std::size_t code_bytes() const = 0;  // counted, as mapped
};

// Runs `shape` row by row through apply_op: the definition.
void interpret(const plan::Shape& shape, const double* params, const ColumnView* inputs, const ColumnOut& out,
               std::size_t rows);

// jit/ as a plugin: loads the shared object at `path` on first need. Errors: `not_found`, `refused`.
Result<std::unique_ptr<KernelCompiler>> load_kernel_compiler(const char* path, const Limits& limits);

// The one symbol that the plugin exports.
using CreateKernelCompiler = KernelCompiler* (*)(const Limits& limits, char* error, std::size_t error_bytes);
inline constexpr const char* create_kernel_compiler_symbol = "signalbox_create_kernel_compiler";

}  // namespace signalbox::eval
