#include "runtime/jit/codegen.hpp"

#include <llvm/IR/MDBuilder.h>

#include <algorithm>
#include <limits>

#include "runtime/jit/emitter.hpp"
#include "runtime/jit/support.hpp"

namespace signalbox::jit {
namespace {

constexpr double least_threshold = 0x1p-60, most_threshold = 0x1p60;
// With a smaller whole a stretch of rows is worked out again, by dividing.
constexpr double least_whole = 0x1p-400;

// Selection, scheduling and register allocation are worse than linear in a block: past this many operations
// the code is made plainly, at a quarter of the interpreter's time (4096 operations: 0.5 s instead of 7).
constexpr std::size_t optimised_ops = 512;
// Vectors wider than a register's doubles keep several registers for each number.
constexpr std::size_t widened_ops = 32;

enum Argument { arg_params, arg_inputs, arg_out_value, arg_out_evidence, arg_rows };

}  // namespace

Emitter::Emitter(llvm::Module& module, const plan::Shape& shape, const char* name, const Processor& processor)
    : module_(module),
      shape_(shape),
      context_(module.getContext()),
      b_(context_),
      f64_(b_.getDoubleTy()),
      i8_(b_.getInt8Ty()),
      i64_(b_.getInt64Ty()),
      ptr_(b_.getPtrTy()),
      has_fma_(processor.has_fma),
      lanes_(processor.lanes) {
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {ptr_, ptr_, ptr_, ptr_, i64_}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module_);
  function_->setDoesNotThrow();
  function_->addFnAttr("probe-stack", "inline-asm");  // the room for columns is larger than a guard page
  if (shape.code.size() > optimised_ops) {
    function_->addFnAttr(llvm::Attribute::NoInline);  // the next asks for it
    function_->addFnAttr(llvm::Attribute::OptimizeNone);
  }
  llvm::MDBuilder md(context_);
  llvm::MDNode* domain = md.createAnonymousAliasScopeDomain("kernel");
  input_scope_ = llvm::MDNode::get(context_, {md.createAnonymousAliasScope(domain, "inputs")});
  output_scope_ = llvm::MDNode::get(context_, {md.createAnonymousAliasScope(domain, "outputs")});
}

void Emitter::scoped(llvm::Instruction* access, bool output) {
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, output ? output_scope_ : input_scope_);
  access->setMetadata(llvm::LLVMContext::MD_noalias, output ? input_scope_ : output_scope_);
}

void Emitter::run() {
  BasicBlock* entry = block("entry");
  BasicBlock* open = block("open");
  BasicBlock* stretch = block("stretch");
  BasicBlock* stretched = block("stretched");
  BasicBlock* done = block("done");
  Value* rows = function_->getArg(arg_rows);

  // Without rows nothing may be read, not even parameters.
  b_.SetInsertPoint(entry);
  Value* constants = layout();
  Value* room = b_.CreateAlloca(f64_, index((room_rows_ * columns_.size() * 9 + 7) / 8));
  placed_ = b_.CreateAlloca(ptr_, index(2 * columns_.size()));
  b_.CreateCondBr(b_.CreateICmpEQ(rows, index(0)), done, open);

  b_.SetInsertPoint(open);
  load_params();
  Value* undivided = load_thresholds();
  b_.CreateBr(stretch);

  b_.SetInsertPoint(stretch);
  llvm::PHINode* start = b_.CreatePHI(i64_, 2, "start");
  start->addIncoming(index(0), open);
  llvm::FunctionCallee place = module_.getOrInsertFunction(
      place_symbol, llvm::FunctionType::get(i64_, {ptr_, ptr_, ptr_, ptr_, i64_, i64_}, false));
  llvm::cast<llvm::Function>(place.getCallee())->setDoesNotThrow();
  Value* count = b_.CreateCall(
      place, {function_->getArg(arg_inputs), constants, room, placed_, start, b_.CreateSub(rows, start)});
  Value* out_value = b_.CreateInBoundsGEP(f64_, function_->getArg(arg_out_value), start);
  Value* out_evidence = b_.CreateInBoundsGEP(i8_, function_->getArg(arg_out_evidence), start);
  const Loop divided = loop("row", count, out_value, out_evidence, stretched);
  divided.i->addIncoming(index(0), stretch);
  undivided_ = undivided != nullptr;
  if (undivided_) {
    BasicBlock* checked = block("checked");
    const Loop quick = loop("quick_row", count, out_value, out_evidence, checked);
    quick.i->addIncoming(index(0), stretch);
    quick.least->addIncoming(index(~std::uint64_t{0}), stretch);
    b_.SetInsertPoint(stretch);
    b_.CreateCondBr(undivided, quick.body, divided.body);
    b_.SetInsertPoint(checked);
    divided.i->addIncoming(index(0), checked);
    Value* small = b_.CreateICmpULT(least_, index(std::bit_cast<std::uint64_t>(least_whole) - 1));
    b_.CreateCondBr(small, divided.body, stretched);
  } else {
    b_.SetInsertPoint(stretch);
    b_.CreateBr(divided.body);
  }

  b_.SetInsertPoint(stretched);
  Value* start_next = b_.CreateAdd(start, count, "start_next", true, true);
  start->addIncoming(start_next, stretched);
  b_.CreateCondBr(b_.CreateICmpEQ(start_next, rows), done, stretch);
  b_.SetInsertPoint(done);
  b_.CreateRetVoid();
}

// A loop over `count` rows, one at least.
Emitter::Loop Emitter::loop(const char* name, Value* count, Value* out_value, Value* out_evidence,
                            BasicBlock* after) {
  Loop out;
  out.body = block(name);
  b_.SetInsertPoint(out.body);
  out.i = b_.CreatePHI(i64_, 3, "i");
  if (undivided_) least_ = out.least = b_.CreatePHI(i64_, 2, "least");
  row(out.i, out_value, out_evidence);
  Value* next = b_.CreateAdd(out.i, index(1), "next", true, true);
  out.i->addIncoming(next, out.body);
  if (undivided_) out.least->addIncoming(least_, out.body);
  b_.CreateCondBr(b_.CreateICmpEQ(next, count), after, out.body)
      ->setMetadata(llvm::LLVMContext::MD_loop, wide_vectors());
  return out;
}

// A row is a few doubles and as many bytes: in vectors of doubles alone the bytes would lie idle. Where there
// are few registers, or many operations, LLVM chooses.
llvm::MDNode* Emitter::wide_vectors() {
  if (lanes_ == 0 || shape_.code.size() > widened_ops) return nullptr;
  llvm::Metadata* width[] = {llvm::MDString::get(context_, "llvm.loop.vectorize.width"),
                             llvm::ConstantAsMetadata::get(b_.getInt32(lanes_))};
  llvm::MDNode* loop = llvm::MDNode::getDistinct(context_, {nullptr, llvm::MDNode::get(context_, width)});
  loop->replaceOperandWith(0, loop);
  return loop;
}

// The kernel's jit::Layout, as constants beside its code.
Value* Emitter::layout() {
  std::vector<std::uint32_t> used;
  for (const ShapeInstr& in : shape_.code) {
    if (in.op != ShapeOp::input || columns_.count(in.index) != 0) continue;
    columns_[in.index] = static_cast<unsigned>(used.size());
    used.push_back(in.index);
  }
  // The room of all columns together stays under 64 KiB of stack, whatever the shape.
  room_rows_ = std::clamp<std::uint64_t>((64u << 10) / (9 * (used.size() + 1)), 1, 256);
  const auto constant = [&](llvm::Constant* value) {
    auto* global =
        new llvm::GlobalVariable(module_, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value);
    global->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    return global;
  };
  static_assert(offsetof(Layout, rows) == 0 && offsetof(Layout, columns) == 8 &&
                offsetof(Layout, column) == 16);
  return constant(llvm::ConstantStruct::getAnon({b_.getInt64(room_rows_), b_.getInt64(used.size()),
                                                 constant(llvm::ConstantDataArray::get(context_, used))}));
}

void Emitter::load_params() {
  for (const ShapeInstr& in : shape_.code) {
    if (in.op != ShapeOp::param || params_.count(in.index) != 0) continue;
    auto* param =
        b_.CreateLoad(f64_, b_.CreateConstInBoundsGEP1_64(f64_, function_->getArg(arg_params), in.index));
    scoped(param, false);
    params_[in.index] = param;
  }
}

// Whether the number of `instr` is that of a ratio.
bool Emitter::is_ratio(std::uint32_t instr) const {
  const ShapeInstr& in = shape_.code[instr];
  if (in.op == ShapeOp::at_least || in.op == ShapeOp::where) return is_ratio(in.a);
  return in.op == ShapeOp::ratio;
}

// What comparisons of ratios with parameters need; and whether all of these parameters are in range. Null
// where there are none.
Value* Emitter::load_thresholds() {
  if (!has_fma_ || shape_.code.size() > optimised_ops) return nullptr;
  Value* in_range = nullptr;
  for (std::uint32_t i = 0; i < shape_.code.size(); ++i) {
    const ShapeInstr& in = shape_.code[i];
    const bool strictly = in.op == ShapeOp::gt || in.op == ShapeOp::le;
    if (!strictly && in.op != ShapeOp::ge && in.op != ShapeOp::lt) continue;
    if (shape_.code[in.b].op != ShapeOp::param || !is_ratio(in.a)) continue;
    Value* bits = b_.CreateBitCast(params_.at(shape_.code[in.b].index), i64_);
    // At least θ is above the double before θ.
    if (!strictly) bits = b_.CreateSub(bits, index(1));
    Value* theta = b_.CreateBitCast(bits, f64_);
    Value* next = b_.CreateBitCast(b_.CreateAdd(bits, index(1)), f64_);
    thresholds_[i] = {b_.CreateFNeg(theta), b_.CreateFMul(b_.CreateFSub(next, theta), real(0.5))};
    Value* here = b_.CreateAnd(b_.CreateFCmpOGE(theta, real(least_threshold)),
                               b_.CreateFCmpOLE(theta, real(most_threshold)));
    in_range = in_range == nullptr ? here : b_.CreateAnd(in_range, here);
  }
  return in_range;
}

void Emitter::row(Value* i, Value* out_value, Value* out_evidence) {
  row_ = i;
  cells_.clear();
  loaded_.clear();
  cells_.reserve(shape_.code.size());
  for (std::uint32_t instr = 0; instr < shape_.code.size(); ++instr) cells_.push_back(cell(instr));
  Cell& result = cells_.back();
  Value* v;
  if (result.truth != nullptr) {
    v = b_.CreateUIToFP(result.truth, f64_);
  } else {
    v = number(result);
    v = b_.CreateSelect(is_nan(v), llvm::ConstantFP::getQNaN(f64_), v);
  }
  v = b_.CreateSelect(known(result), v, real(0.0));
  scoped(b_.CreateStore(v, b_.CreateInBoundsGEP(f64_, out_value, i)), true);
  scoped(b_.CreateStore(result.evidence, b_.CreateInBoundsGEP(i8_, out_evidence, i)), true);
}

// The pointers are read where they are used, so that large shapes do not keep them all in registers; for
// others LLVM hoists them out of the loop.
Cell Emitter::load(std::uint32_t input) {
  static_assert(offsetof(Placed, value) == 0 && offsetof(Placed, evidence) == 8 && sizeof(Placed) == 16);
  Cell& cell = loaded_[input];
  if (cell.evidence != nullptr) return cell;
  const auto element = [&](llvm::Type* type, unsigned which) {
    auto* rows =
        b_.CreateLoad(ptr_, b_.CreateConstInBoundsGEP1_64(ptr_, placed_, 2 * columns_.at(input) + which));
    auto* loaded = b_.CreateLoad(type, b_.CreateInBoundsGEP(type, rows, row_));
    scoped(rows, false);
    scoped(loaded, false);
    return loaded;
  };
  cell = {element(f64_, 0), nullptr, element(i8_, 1)};
  return cell;
}

void emit_kernel(llvm::Module& module, const plan::Shape& shape, const char* name,
                 const Processor& processor) {
  Emitter(module, shape, name, processor).run();
}

}  // namespace signalbox::jit
