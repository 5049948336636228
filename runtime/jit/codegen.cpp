#include "runtime/jit/codegen.hpp"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
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
// A condition keeps its truth as a bit until somebody calculates with it, and a ratio its two numbers until
// somebody asks for more than how it compares.
struct Cell {
  Value* number = nullptr;
  Value* truth = nullptr;
  Value* evidence = nullptr;
  Value* part = nullptr;  // of a ratio, where there is a value: sound ones
  Value* whole = nullptr;
  Cell with(Value* other_evidence) const {
    Cell out = *this;
    out.evidence = other_evidence;
    return out;
  }
};

// Whether a ratio x/y, rounded, is above θ, without dividing. Between θ and the next double lies half = their
// distance / 2, and x/y is rounded to more than θ when x/y > θ + half, that is x − θy > half·y. No quotient
// of two doubles lies in the middle of two others. The left side is rounded once by fma; where it is near the
// right side x − θ′y is a double for the rounded quotient θ′, so that its rounding never reaches the right
// side, which is exact (half is a power of two). It needs θ in a range where nothing underflows.
struct Threshold {
  Value* negated = nullptr;  // −θ
  Value* half = nullptr;
};
constexpr double least_threshold = 0x1p-60, most_threshold = 0x1p60;
// With a smaller whole a stretch of rows is worked out again, by dividing.
constexpr double least_whole = 0x1p-400;

// The largest whole that stays finite with the tolerance.
double largest_whole() {
  constexpr double stretched = 1.0 + eval::part_above_whole_tolerance;
  double whole = DBL_MAX / stretched;
  while (whole * stretched <= DBL_MAX) whole = std::nextafter(whole, DBL_MAX);
  while (whole * stretched > DBL_MAX) whole = std::nextafter(whole, 0.0);
  return whole;
}

class Emitter {
 public:
  Emitter(llvm::Module& module, const plan::Shape& shape, const char* name, const Host& host);
  void run();

 private:
  void load_params();
  Value* load_thresholds();
  llvm::MDNode* wide_vectors();
  bool is_ratio(std::uint32_t instr) const;
  struct Loop {
    BasicBlock* body = nullptr;
    llvm::PHINode* i = nullptr;      // without the edge that enters
    llvm::PHINode* least = nullptr;  // likewise: the least whole's bits, less one
  };
  Loop loop(const char* name, Value* count, Value* out_value, Value* out_evidence, BasicBlock* after);
  Value* layout();
  void row(Value* i, Value* out_value, Value* out_evidence);
  Cell cell(std::uint32_t instr);
  Cell load(std::uint32_t input);

  Cell combine(const Cell& a, const Cell& b, Value* number) { return {number, nullptr, worst(a, b)}; }
  Cell compare(std::uint32_t instr, Cell& a, Cell& b, llvm::CmpInst::Predicate holds);
  Value* is_above(const Cell& ratio, const Threshold& threshold);
  Cell ratio(Cell& a, Cell& b);
  Cell at_least(const Cell& a, Cell& b, Cell& c);
  Cell choose(Value* first, Cell& a, Cell& b, Value* evidence);
  Cell kleene(Cell& a, Cell& b, bool either);

  Value* number(Cell& c);
  Value* is_zero(Cell& c);
  Value* known(const Cell& c) { return b_.CreateICmpEQ(c.evidence, evidence(Evidence::value)); }
  Value* worst(const Cell& a, const Cell& b) {
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umax, a.evidence, b.evidence);
  }
  Value* bits_of(Value* v) { return b_.CreateBitCast(v, i64_); }
  Value* bits_of(double v) { return index(std::bit_cast<std::uint64_t>(v)); }
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
  const bool has_fma_;
  const unsigned lanes_;
  std::map<std::uint32_t, Threshold> thresholds_;  // by the comparison of a ratio that needs no division
  bool undivided_ = false;                         // in the loop at hand
  Value* least_ = nullptr;                         // there: of the wholes so far
  std::uint64_t room_rows_ = 0;
  Value* placed_ = nullptr;
  Value* row_ = nullptr;
};

// Selection, scheduling and register allocation are worse than linear in a block: past this many operations
// the code is made plainly, at a quarter of the interpreter's time (4096 operations: 0.5 s instead of 7).
constexpr std::size_t optimised_ops = 512;
// Vectors wider than a register's doubles keep several registers for each number.
constexpr std::size_t widened_ops = 32;

enum Argument { arg_params, arg_inputs, arg_out_value, arg_out_evidence, arg_rows };

Emitter::Emitter(llvm::Module& module, const plan::Shape& shape, const char* name, const Host& host)
    : module_(module),
      shape_(shape),
      context_(module.getContext()),
      b_(context_),
      f64_(b_.getDoubleTy()),
      i8_(b_.getInt8Ty()),
      i64_(b_.getInt64Ty()),
      ptr_(b_.getPtrTy()),
      has_fma_(host.has_fma),
      lanes_(host.lanes) {
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

// Behind the fence, because LLVM drops operations with constants that change no number (x - 0, x * 1) and
// with them the quieting of a signalling NaN, which `pow` can tell: a truth may turn out to be constant.
Value* Emitter::number(Cell& c) {
  if (c.part != nullptr && c.number == nullptr) c.number = b_.CreateFDiv(c.part, c.whole);
  if (c.number == nullptr) c.number = b_.CreateArithmeticFence(b_.CreateUIToFP(c.truth, f64_), f64_);
  return c.number;
}

Value* Emitter::is_zero(Cell& c) {
  return c.truth != nullptr ? b_.CreateNot(c.truth) : b_.CreateFCmpOEQ(number(c), real(0.0));
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

Cell Emitter::cell(std::uint32_t instr) {
  const ShapeInstr& in = shape_.code[instr];
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
      return compare(instr, a, b, llvm::CmpInst::FCMP_OGT);
    case ShapeOp::ge:
      return compare(instr, a, b, llvm::CmpInst::FCMP_OGE);
    case ShapeOp::lt:
      return compare(instr, a, b, llvm::CmpInst::FCMP_OLT);
    case ShapeOp::le:
      return compare(instr, a, b, llvm::CmpInst::FCMP_OLE);
    case ShapeOp::eq:
      return compare(instr, a, b, llvm::CmpInst::FCMP_OEQ);
    case ShapeOp::ne:
      return compare(instr, a, b, llvm::CmpInst::FCMP_UNE);
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
      return a.with(b_.CreateSelect(stays, worse, evidence(Evidence::no_data)));
    }
    case ShapeOp::where:
      return a.with(worst(a, b));
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

// Of a sound ratio: its whole is above zero and finite, its part is neither negative nor much larger.
Value* Emitter::is_above(const Cell& ratio, const Threshold& threshold) {
  least_ =
      b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, least_, b_.CreateSub(bits_of(ratio.whole), index(1)));
  Value* beyond =
      b_.CreateIntrinsic(llvm::Intrinsic::fma, {f64_}, {threshold.negated, ratio.whole, ratio.part});
  return b_.CreateFCmpOGT(beyond, b_.CreateFMul(threshold.half, ratio.whole));
}

Cell Emitter::compare(std::uint32_t instr, Cell& a, Cell& b, llvm::CmpInst::Predicate holds) {
  Value* outside = b_.CreateOr(b_.CreateICmpEQ(a.evidence, evidence(Evidence::outside)),
                               b_.CreateICmpEQ(b.evidence, evidence(Evidence::outside)));
  // A sound ratio is finite: little more than 1 at most.
  // So is a parameter that is in range.
  const bool quick = undivided_ && thresholds_.count(instr) != 0;
  const auto finite = [&](Cell& cell) {
    return quick || cell.part != nullptr || cell.truth != nullptr ? b_.getTrue() : is_finite(number(cell));
  };
  Value* worse = worst(a, b);
  Value* compared = b_.CreateSelect(b_.CreateAnd(finite(a), finite(b)), evidence(Evidence::value),
                                    evidence(Evidence::invalid));
  Value* e = b_.CreateSelect(b_.CreateICmpEQ(worse, evidence(Evidence::value)), compared, worse);
  Value* truth;
  if (quick) {
    truth = is_above(a, thresholds_.at(instr));
    if (holds == llvm::CmpInst::FCMP_OLT || holds == llvm::CmpInst::FCMP_OLE) truth = b_.CreateNot(truth);
  } else {
    truth = b_.CreateFCmp(holds, number(a), number(b));
  }
  return {nullptr, b_.CreateAnd(b_.CreateNot(outside), truth),
          b_.CreateSelect(outside, evidence(Evidence::value), e)};
}

Cell Emitter::ratio(Cell& a, Cell& b) {
  Value *part = number(a), *whole = number(b);
  Value* most = b_.CreateFMul(whole, real(1.0 + eval::part_above_whole_tolerance));
  // Doubles above zero are in the order of their bits, and all others come after them: two comparisons say
  // whether whole is above zero and not too large, and part between zero (not −0, then) and the most.
  Value* usable = b_.CreateICmpULT(b_.CreateSub(bits_of(whole), index(1)), bits_of(largest_whole()));
  Value* sound =
      b_.CreateAnd(usable, b_.CreateICmpULE(bits_of(b_.CreateFAdd(part, real(0.0))), bits_of(most)));
  Value* e = b_.CreateSelect(sound, evidence(Evidence::value), evidence(Evidence::invalid));
  e = b_.CreateSelect(b_.CreateFCmpOEQ(whole, real(0.0)), evidence(Evidence::no_traffic), e);
  Value* worse = worst(a, b);
  e = b_.CreateSelect(b_.CreateICmpEQ(worse, evidence(Evidence::value)), e, worse);
  return {nullptr, nullptr, e, part, whole};
}

Cell Emitter::at_least(const Cell& a, Cell& b, Cell& c) {
  Value* enough = b_.CreateFCmpOGE(number(b), number(c));
  Value* e = b_.CreateSelect(enough, evidence(Evidence::value), evidence(Evidence::too_few));
  for (const Cell* earlier : {static_cast<const Cell*>(&c), static_cast<const Cell*>(&b), &a})
    e = b_.CreateSelect(known(*earlier), e, earlier->evidence);
  return a.with(e);
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

void emit_kernel(llvm::Module& module, const plan::Shape& shape, const char* name, const Host& host) {
  Emitter(module, shape, name, host).run();
}

}  // namespace signalbox::jit
