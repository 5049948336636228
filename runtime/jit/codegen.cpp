#include "runtime/jit/codegen.hpp"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <cfloat>
#include <cstddef>
#include <limits>
#include <map>
#include <vector>

#include "runtime/eval/ops.hpp"
#include "runtime/jit/support.hpp"

namespace signalbox::jit {
namespace {

using llvm::BasicBlock;
using llvm::Value;
using plan::Evidence;
using plan::ShapeInstr;
using plan::ShapeOp;

// The IR of one instruction's (double, Evidence). Without a value the number may be anything: no operation
// looks at the number of a cell that has none, so +0.0 is put there once, at the result.
// A condition keeps its truth as a bit until somebody calculates with it.
struct Cell {
  Value* number = nullptr;
  Value* truth = nullptr;
  Value* evidence = nullptr;
  bool finite = false;  // the number, where there is a value: nobody need ask
};

class Emitter {
 public:
  Emitter(llvm::Module& module, const plan::Shape& shape, const char* name);
  void run();

 private:
  void load_params();
  Value* layout();
  void row(Value* i, Value* out_value, Value* out_evidence);
  Cell cell(const ShapeInstr& in);
  Cell load(std::uint32_t input);

  Cell combine(const Cell& a, const Cell& b, Value* number) { return {number, nullptr, worst(a, b)}; }
  Cell compare(Cell& a, Cell& b, llvm::CmpInst::Predicate holds);
  Cell ratio(Cell& a, Cell& b);
  Cell at_least(const Cell& a, Cell& b, Cell& c);
  Cell choose(Value* first, Cell& a, Cell& b, Value* evidence);
  Cell kleene(Cell& a, Cell& b, bool either);

  Value* number(Cell& c);
  Value* is_zero(const Cell& c);
  Value* known(const Cell& c) { return b_.CreateICmpEQ(c.evidence, evidence(Evidence::value)); }
  Value* worst(const Cell& a, const Cell& b) {
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umax, a.evidence, b.evidence);
  }
  Value* magnitude(Value* v) { return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v); }
  Value* is_finite(Value* v) { return b_.CreateFCmpOLT(magnitude(v), infinity()); }
  Value* is_nan(Value* v) { return b_.CreateFCmpUNO(v, v); }
  Value* call(const char* name, std::initializer_list<Value*> arguments);

  Value* evidence(Evidence e) { return b_.getInt8(static_cast<std::uint8_t>(e)); }
  Value* real(double v) { return llvm::ConstantFP::get(f64_, v); }
  Value* infinity() { return llvm::ConstantFP::getInfinity(f64_); }
  Value* index(std::uint64_t v) { return b_.getInt64(v); }
  BasicBlock* block(const char* name) { return BasicBlock::Create(context_, name, function_); }
  void scoped(llvm::Instruction* access, bool output);

  llvm::Module& module_;
  const plan::Shape& shape_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> b_;
  llvm::Type* const f64_;
  llvm::Type* const i8_;
  llvm::Type* const i64_;
  llvm::PointerType* const ptr_;
  llvm::Function* function_ = nullptr;
  llvm::MDNode* input_scope_ = nullptr;
  llvm::MDNode* output_scope_ = nullptr;
  std::vector<Cell> cells_;
  std::map<std::uint32_t, unsigned> columns_;  // input → its place among the columns that are read
  std::map<std::uint32_t, Cell> loaded_;
  std::map<std::uint32_t, Value*> params_;
  std::uint64_t room_rows_ = 0;
  Value* placed_ = nullptr;
  Value* row_ = nullptr;
};

// Selection, scheduling and register allocation are worse than linear in a block: past this many operations
// the code is made plainly, at a quarter of the interpreter's time (4096 operations: 0.5 s instead of 7).
constexpr std::size_t optimised_ops = 512;

enum Argument { arg_params, arg_inputs, arg_out_value, arg_out_evidence, arg_rows };

Emitter::Emitter(llvm::Module& module, const plan::Shape& shape, const char* name)
    : module_(module),
      shape_(shape),
      context_(module.getContext()),
      b_(context_),
      f64_(b_.getDoubleTy()),
      i8_(b_.getInt8Ty()),
      i64_(b_.getInt64Ty()),
      ptr_(b_.getPtrTy()) {
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
  BasicBlock* loop = block("row");
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
  b_.CreateBr(loop);

  b_.SetInsertPoint(loop);
  llvm::PHINode* i = b_.CreatePHI(i64_, 2, "i");
  i->addIncoming(index(0), stretch);
  row(i, out_value, out_evidence);
  Value* next = b_.CreateAdd(i, index(1), "next", true, true);
  i->addIncoming(next, loop);
  b_.CreateCondBr(b_.CreateICmpEQ(next, count), stretched, loop);

  b_.SetInsertPoint(stretched);
  Value* start_next = b_.CreateAdd(start, count, "start_next", true, true);
  start->addIncoming(start_next, stretched);
  b_.CreateCondBr(b_.CreateICmpEQ(start_next, rows), done, stretch);
  b_.SetInsertPoint(done);
  b_.CreateRetVoid();
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

void Emitter::row(Value* i, Value* out_value, Value* out_evidence) {
  row_ = i;
  cells_.reserve(shape_.code.size());
  for (const ShapeInstr& in : shape_.code) cells_.push_back(cell(in));
  Cell& result = cells_.back();
  Value* v;
  if (result.truth != nullptr) {
    v = b_.CreateUIToFP(result.truth, f64_);
  } else {
    v = b_.CreateSelect(is_nan(result.number), llvm::ConstantFP::getQNaN(f64_), result.number);
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

// Behind the fence, because LLVM drops operations with constants that change no number (x - 0, x * 1) and
// with them the quieting of a signalling NaN, which `pow` can tell: a truth may turn out to be constant.
Value* Emitter::number(Cell& c) {
  if (c.number == nullptr) c.number = b_.CreateArithmeticFence(b_.CreateUIToFP(c.truth, f64_), f64_);
  return c.number;
}

Value* Emitter::is_zero(const Cell& c) {
  return c.truth != nullptr ? b_.CreateNot(c.truth) : b_.CreateFCmpOEQ(c.number, real(0.0));
}

Value* Emitter::call(const char* name, std::initializer_list<Value*> arguments) {
  const std::vector<llvm::Type*> types(arguments.size(), f64_);
  llvm::FunctionCallee callee =
      module_.getOrInsertFunction(name, llvm::FunctionType::get(f64_, types, false));
  auto* function = llvm::cast<llvm::Function>(callee.getCallee());
  function->setDoesNotThrow();
  function->setDoesNotAccessMemory();  // errno is nobody's business here
  function->setWillReturn();
  return b_.CreateCall(callee, arguments);
}

Cell Emitter::cell(const ShapeInstr& in) {
  Cell none;
  const int arity = plan::shape_op_arity(in.op);
  Cell& a = arity > 0 ? cells_[in.a] : none;
  Cell& b = arity > 1 ? cells_[in.b] : none;
  Cell& c = arity > 2 ? cells_[in.c] : none;
  // As apply_op() has it: of equals the limit wins when its sign is `negative`.
  const auto limit = [&](llvm::CmpInst::Predicate inside, bool negative) {
    Value *x = number(a), *bound = number(b);
    Value* bits = b_.CreateBitCast(bound, b_.getInt64Ty());
    Value* zero = b_.getInt64(0);
    Value* sign = negative ? b_.CreateICmpSLT(bits, zero) : b_.CreateICmpSGE(bits, zero);
    Value* equal = b_.CreateAnd(b_.CreateFCmpOEQ(x, bound), sign);
    Value* furthest = llvm::ConstantFP::getInfinity(f64_, negative);
    Value* wins = b_.CreateOr(b_.CreateOr(b_.CreateFCmp(inside, x, bound), is_nan(bound)),
                              b_.CreateOr(equal, b_.CreateFCmpOEQ(bound, furthest)));
    wins = b_.CreateAnd(wins, b_.CreateFCmpUNE(x, furthest));
    return combine(a, b, b_.CreateSelect(wins, bound, x));
  };
  const auto holds = [&](llvm::CmpInst::Predicate predicate) {
    return Cell{nullptr, b_.CreateFCmp(predicate, number(a), number(b)), worst(a, b)};
  };
  switch (in.op) {
    case ShapeOp::input:
      return load(in.index);
    case ShapeOp::param:
      return {params_.at(in.index), nullptr, evidence(Evidence::value)};
    case ShapeOp::add:
      return combine(a, b, b_.CreateFAdd(number(a), number(b)));
    case ShapeOp::sub:
      return combine(a, b, b_.CreateFSub(number(a), number(b)));
    case ShapeOp::mul:
      return combine(a, b, b_.CreateFMul(number(a), number(b)));
    case ShapeOp::div:
      return combine(a, b, b_.CreateFDiv(number(a), number(b)));
    case ShapeOp::mod:
      return combine(a, b, call(mod_symbol, {number(a), number(b)}));
    case ShapeOp::pow:
      return combine(a, b, call(pow_symbol, {number(a), number(b)}));
    case ShapeOp::neg:
      return {b_.CreateFNeg(number(a)), nullptr, a.evidence};
    case ShapeOp::abs:
      return {magnitude(number(a)), nullptr, a.evidence};
    case ShapeOp::clamp_min:
      return limit(llvm::CmpInst::FCMP_OLT, false);
    case ShapeOp::clamp_max:
      return limit(llvm::CmpInst::FCMP_OGT, true);
    case ShapeOp::fallback: {
      Value* first = known(a);
      return choose(first, a, b, b_.CreateSelect(first, a.evidence, b.evidence));
    }
    case ShapeOp::ratio:
      return ratio(a, b);
    case ShapeOp::at_least:
      return at_least(a, b, c);
    case ShapeOp::finite: {
      Value* v = number(a);
      Value* largest = b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, real(DBL_MAX), v);
      return {b_.CreateSelect(b_.CreateFCmpOEQ(magnitude(v), infinity()), largest, v), nullptr, a.evidence};
    }
    case ShapeOp::gt:
      return compare(a, b, llvm::CmpInst::FCMP_OGT);
    case ShapeOp::ge:
      return compare(a, b, llvm::CmpInst::FCMP_OGE);
    case ShapeOp::lt:
      return compare(a, b, llvm::CmpInst::FCMP_OLT);
    case ShapeOp::le:
      return compare(a, b, llvm::CmpInst::FCMP_OLE);
    case ShapeOp::eq:
      return compare(a, b, llvm::CmpInst::FCMP_OEQ);
    case ShapeOp::ne:
      return compare(a, b, llvm::CmpInst::FCMP_UNE);
    case ShapeOp::both:
      return kleene(a, b, false);
    case ShapeOp::either:
      return kleene(a, b, true);
    case ShapeOp::negate:
      return {nullptr, is_zero(a), a.evidence};
    case ShapeOp::is_gt:
      return holds(llvm::CmpInst::FCMP_OGT);
    case ShapeOp::is_ge:
      return holds(llvm::CmpInst::FCMP_OGE);
    case ShapeOp::is_lt:
      return holds(llvm::CmpInst::FCMP_OLT);
    case ShapeOp::is_le:
      return holds(llvm::CmpInst::FCMP_OLE);
    case ShapeOp::is_eq:
      return holds(llvm::CmpInst::FCMP_OEQ);
    case ShapeOp::is_ne:
      return holds(llvm::CmpInst::FCMP_UNE);
    case ShapeOp::keep: {
      Value* worse = worst(a, b);
      Value* stays = b_.CreateOr(b_.CreateICmpNE(worse, evidence(Evidence::value)), b_.CreateNot(is_zero(b)));
      return {a.number, a.truth, b_.CreateSelect(stays, worse, evidence(Evidence::no_data))};
    }
    case ShapeOp::where:
      return {a.number, a.truth, worst(a, b)};
    case ShapeOp::atan2:
      return combine(a, b, call("signalbox_atan2", {number(a), number(b)}));
    case ShapeOp::round:
      return combine(a, b, call("signalbox_round", {number(a), number(b)}));
#define FN(name, text, arity, condition) \
  case ShapeOp::name:                    \
    return {call("signalbox_" text, {number(a)}), nullptr, a.evidence};
      SIGNALBOX_MATH_FUNCTIONS(FN)
#undef FN
  }
  return none;  // not reached: the shape is well formed
}

Cell Emitter::compare(Cell& a, Cell& b, llvm::CmpInst::Predicate holds) {
  Value *x = number(a), *y = number(b);
  Value* outside = b_.CreateOr(b_.CreateICmpEQ(a.evidence, evidence(Evidence::outside)),
                               b_.CreateICmpEQ(b.evidence, evidence(Evidence::outside)));
  const auto numbers = [&](const Cell& cell, Value* v) {
    return cell.finite || cell.truth != nullptr ? b_.getTrue() : is_finite(v);
  };
  Value* worse = worst(a, b);
  Value* compared = b_.CreateSelect(b_.CreateAnd(numbers(a, x), numbers(b, y)), evidence(Evidence::value),
                                    evidence(Evidence::invalid));
  Value* e = b_.CreateSelect(b_.CreateICmpEQ(worse, evidence(Evidence::value)), compared, worse);
  return {nullptr, b_.CreateAnd(b_.CreateNot(outside), b_.CreateFCmp(holds, x, y)),
          b_.CreateSelect(outside, evidence(Evidence::value), e)};
}

Cell Emitter::ratio(Cell& a, Cell& b) {
  Value *part = number(a), *whole = number(b);
  Value* most = b_.CreateFMul(whole, real(1.0 + eval::part_above_whole_tolerance));
  Value* sound =
      b_.CreateAnd(b_.CreateAnd(b_.CreateFCmpOGT(whole, real(0.0)), b_.CreateFCmpOGE(part, real(0.0))),
                   b_.CreateAnd(b_.CreateFCmpOLT(most, infinity()), b_.CreateFCmpOLE(part, most)));
  Value* e = b_.CreateSelect(sound, evidence(Evidence::value), evidence(Evidence::invalid));
  e = b_.CreateSelect(b_.CreateFCmpOEQ(whole, real(0.0)), evidence(Evidence::no_traffic), e);
  Value* worse = worst(a, b);
  e = b_.CreateSelect(b_.CreateICmpEQ(worse, evidence(Evidence::value)), e, worse);
  return {b_.CreateFDiv(part, whole), nullptr, e, true};  // of a sound part and whole: little more than 1
}

Cell Emitter::at_least(const Cell& a, Cell& b, Cell& c) {
  Value* enough = b_.CreateFCmpOGE(number(b), number(c));
  Value* e = b_.CreateSelect(enough, evidence(Evidence::value), evidence(Evidence::too_few));
  for (const Cell* earlier : {static_cast<const Cell*>(&c), static_cast<const Cell*>(&b), &a})
    e = b_.CreateSelect(known(*earlier), e, earlier->evidence);
  return {a.number, a.truth, e};
}

Cell Emitter::choose(Value* first, Cell& a, Cell& b, Value* evidence) {
  if (a.truth != nullptr && b.truth != nullptr)
    return {nullptr, b_.CreateSelect(first, a.truth, b.truth), evidence};
  return {b_.CreateSelect(first, number(a), number(b)), nullptr, evidence};
}

// One operand decides alone: a known 0 for `both`, a known number but 0 for `either` (NaN counts as true).
Cell Emitter::kleene(Cell& a, Cell& b, bool either) {
  const auto decides = [&](Cell& c) {
    Value* zero = is_zero(c);
    return b_.CreateAnd(known(c), either ? b_.CreateNot(zero) : zero);
  };
  Value* decided = b_.CreateOr(decides(a), decides(b));
  return {nullptr, either ? decided : b_.CreateNot(decided),
          b_.CreateSelect(decided, evidence(Evidence::value), worst(a, b))};
}

}  // namespace

void emit_kernel(llvm::Module& module, const plan::Shape& shape, const char* name) {
  Emitter(module, shape, name).run();
}

}  // namespace signalbox::jit
