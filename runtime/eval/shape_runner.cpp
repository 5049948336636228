#include <utility>

#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {
namespace {

// A compile costs around a millisecond and loading the compiler a tenth of a second: few rows never repay
// them.
constexpr std::size_t rows_worth_compiling = 512;

}  // namespace

ShapeRunner::ShapeRunner(const plan::Plan& plan, Tier tier,
                         std::function<Result<std::unique_ptr<KernelCompiler>>()> load,
                         std::function<void(const Error&)> notice)
    : plan_(plan), tier_(tier), load_(std::move(load)), notice_(std::move(notice)) {}

void ShapeRunner::say(const Error& error) {
  if (std::exchange(said_, true) || !notice_) return;
  notice_(error);
}

KernelFn ShapeRunner::kernel(plan::Index shape, std::size_t rows) {
  if (tier_ == Tier::interpreter || rows == 0) return nullptr;
  if (slots_.size() < plan_.shapes.size()) slots_.resize(plan_.shapes.size());
  Slot& slot = slots_[shape];
  if (slot.tried) return slot.kernel;
  if (load_failed_ || (tier_ == Tier::automatic && rows < rows_worth_compiling)) return nullptr;
  if (!compiler_) {
    auto loaded = load_ ? load_() : Error{ErrorCode::not_found, "there is no compiler plugin"};
    if (!loaded) {
      load_failed_ = true;
      say(loaded.error());
      return nullptr;
    }
    compiler_ = *std::move(loaded);
  }
  slot.tried = true;
  auto compiled = compiler_->compile(plan_.shapes[shape]);
  if (compiled) {
    slot.kernel = *compiled;
    ++compiled_;
  } else {
    say(compiled.error());
  }
  return slot.kernel;
}

void ShapeRunner::run(plan::Index shape, const double* params, const ColumnView* inputs, const ColumnOut& out,
                      std::size_t rows) {
  if (const KernelFn fn = kernel(shape, rows)) {
    fn(params, inputs, &out, rows);
  } else {
    interpret(plan_.shapes[shape], params, inputs, out, rows);
  }
}

std::size_t ShapeRunner::code_bytes() const {
  return compiler_ ? compiler_->code_bytes() : 0;
}

}  // namespace signalbox::eval
