#include "runtime/jit/codegen.hpp"

#include <llvm/IR/MDBuilder.h>

#include <algorithm>
#include <limits>

#include "runtime/jit/emitter.hpp"
#include "runtime/jit/support.hpp"

namespace signalbox::jit {
namespace {

constexpr double least_threshold = 0x1p-60, most_threshold = 0x1p60;

// Selection, scheduling and register allocation are worse than linear in a block: past this many operations
// the code is made plainly, at a quarter of the interpreter's time (4096 operations: 0.5 s instead of 7).
constexpr std::size_t optimised_ops = 512;
// After so many blocks of rows in a row of which not all turned out false, nobody asks the quick way first.
constexpr unsigned often_in_vain = 2;
// A block of rows wider than a register's doubles keeps several registers for each number.
constexpr std::size_t widened_ops = 32;

// Whether all that becomes of it are LLVM's own operations, which take vectors.
bool calls_nothing(const plan::Shape& shape) {
  return std::none_of(shape.code.begin(), shape.code.end(), [](const ShapeInstr& in) {
    switch (in.op) {
      case ShapeOp::mod:
      case ShapeOp::pow:
      case ShapeOp::atan2:
      case ShapeOp::round:
#define FN(name, text, arity, condition) case ShapeOp::name:
        SIGNALBOX_MATH_FUNCTIONS(FN)
#undef FN
        return true;
      default:
        return false;
    }
  });
}

enum Argument { arg_params, arg_inputs, arg_out, arg_rows };

}  // namespace

Emitter::Emitter(llvm::Module& module, const plan::Shape& shape, const char* name, const Processor& processor)
    : module_(module),
      shape_(shape),
      context_(module.getContext()),
      b_(context_),
      ptr_(b_.getPtrTy()),
      has_fma_(processor.has_fma),
      lanes_(shape.code.size() <= widened_ops && calls_nothing(shape) ? processor.lanes : 0) {
  set_width(1);
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {ptr_, ptr_, ptr_, i64_}, false);
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
  find_gates();
  const Columns out = load_out();
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
  const Rows all{count,
                 {b_.CreateInBoundsGEP(result_type(), out.result, start),
                  b_.CreateInBoundsGEP(i8_, out.evidence, start)}};
  BasicBlock* divided = block("divided");
  undivided_ = undivided != nullptr;
  if (undivided_) {
    BasicBlock* quick = block("quick");
    BasicBlock* checked = block("checked");
    b_.CreateCondBr(undivided, quick, divided);
    b_.SetInsertPoint(quick);
    all_rows(all, checked);
    Value* small = b_.CreateICmpULT(least_, index(std::bit_cast<std::uint64_t>(least_whole) - 1));
    b_.CreateCondBr(small, divided, stretched);
    undivided_ = false;
  } else {
    b_.CreateBr(divided);
  }
  b_.SetInsertPoint(divided);
  all_rows(all, stretched);

  Value* start_next = b_.CreateAdd(start, count, "start_next", true, true);
  start->addIncoming(start_next, stretched);
  b_.CreateCondBr(b_.CreateICmpEQ(start_next, rows), done, stretch);
  b_.SetInsertPoint(done);
  b_.CreateRetVoid();
}

void Emitter::set_width(unsigned width) {
  const auto each = [&](llvm::Type* type) {
    return width == 1 ? type : llvm::FixedVectorType::get(type, width);
  };
  width_ = width;
  f64_ = each(b_.getDoubleTy());
  i8_ = each(b_.getInt8Ty());
  i64_ = each(b_.getInt64Ty());
}

// In blocks as far as they go, and the rest row by row. There is one row at least.
void Emitter::all_rows(const Rows& rows, BasicBlock* after) {
  least_ = undivided_ ? index(~std::uint64_t{0}) : nullptr;
  if (lanes_ == 0) return loop(rows, 1, index(0), rows.count, after);
  Value* none = least_;
  Value* whole = b_.CreateAnd(rows.count, index(~std::uint64_t{lanes_ - 1}));
  BasicBlock *before = b_.GetInsertBlock(), *blocks = block("blocks"), *blocked = block("blocked");
  BasicBlock *rest = block("rest"), *single = block("single"), *rested = block("rested");
  b_.CreateCondBr(b_.CreateICmpEQ(whole, index(0)), rest, blocks);

  b_.SetInsertPoint(blocks);
  loop(rows, lanes_, index(0), whole, blocked);
  Value* least_of_blocks = least_;
  b_.CreateBr(rest);

  b_.SetInsertPoint(rest);
  const auto either = [&](Value* early, BasicBlock* from, Value* late, BasicBlock* to) -> Value* {
    if (!undivided_) return nullptr;
    llvm::PHINode* phi = b_.CreatePHI(b_.getInt64Ty(), 2);
    phi->addIncoming(early, from);
    phi->addIncoming(late, to);
    return phi;
  };
  Value* least_before = least_ = either(none, before, least_of_blocks, blocked);
  b_.CreateCondBr(b_.CreateICmpEQ(whole, rows.count), after, single);

  b_.SetInsertPoint(single);
  loop(rows, 1, whole, rows.count, rested);
  Value* least_of_rest = least_;
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
  least_ = either(least_before, rest, least_of_rest, rested);
}

void Emitter::loop(const Rows& rows, unsigned width, Value* first, Value* last, BasicBlock* after) {
  set_width(width);
  BasicBlock *before = b_.GetInsertBlock(), *body = block("rows"), *next_rows = block("next_rows");
  Value* least_before = undivided_ ? each(least_) : nullptr;
  b_.CreateBr(body);
  b_.SetInsertPoint(body);
  llvm::PHINode* i = b_.CreatePHI(index(0)->getType(), 2, "i");
  i->addIncoming(first, before);
  llvm::PHINode* least = undivided_ ? b_.CreatePHI(i64_, 2, "least") : nullptr;
  const bool asks = std::any_of(gates_.begin(), gates_.end(), [&](auto gate) { return is_quick_gate(gate); });
  llvm::PHINode* in_vain = asks ? b_.CreatePHI(b_.getInt32Ty(), 2, "in_vain") : nullptr;
  row_ = i;
  least_ = least;
  in_vain_ = in_vain;
  row(rows, next_rows);
  if (undivided_) {
    least->addIncoming(least_before, before);
    least->addIncoming(least_, next_rows);
  }
  if (asks) {
    in_vain->addIncoming(b_.getInt32(0), before);
    in_vain->addIncoming(in_vain_, next_rows);
  }
  Value* next = b_.CreateAdd(i, index(width), "next", true, true);
  i->addIncoming(next, next_rows);
  llvm::Instruction* branch = b_.CreateCondBr(b_.CreateICmpEQ(next, last), after, body);
  if (lanes_ != 0) branch->setMetadata(llvm::LLVMContext::MD_loop, as_it_is());
  b_.SetInsertPoint(after);
  if (undivided_ && width > 1) least_ = b_.CreateUnaryIntrinsic(llvm::Intrinsic::vector_reduce_umin, least_);
  set_width(1);
}

// LLVM has nothing to add where blocks of rows are made here.
llvm::MDNode* Emitter::as_it_is() {
  llvm::Metadata* vectors[] = {llvm::MDString::get(context_, "llvm.loop.vectorize.enable"),
                               llvm::ConstantAsMetadata::get(b_.getFalse())};
  llvm::MDNode* loop = llvm::MDNode::getDistinct(context_, {nullptr, llvm::MDNode::get(context_, vectors)});
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
    Value* of_theta = bits_of(params_.at(shape_.code[in.b].index));
    // At least θ is above the double before θ.
    if (!strictly) of_theta = b_.CreateSub(of_theta, index(1));
    Value* theta = b_.CreateBitCast(of_theta, f64_);
    Value* next = b_.CreateBitCast(b_.CreateAdd(of_theta, index(1)), f64_);
    Value* most = b_.CreateMinNum(theta, real(1.0));
    thresholds_[i] = {b_.CreateFNeg(theta), b_.CreateFMul(b_.CreateFSub(next, theta), real(0.5)),
                      b_.CreateFMul(most, real(1.0 - 0x1p-48))};
    Value* here = b_.CreateAnd(b_.CreateFCmpOGE(theta, real(least_threshold)),
                               b_.CreateFCmpOLE(theta, real(most_threshold)));
    if (asks_whether_above(i) && falls_back_to_param(shape_.code[in.a].a)) {
      const ShapeInstr& fallback = shape_.code[shape_.code[in.a].a];
      Value* otherwise = params_.at(shape_.code[fallback.b].index);
      other_default_ = either(other_default_, b_.CreateICmpNE(bits_of(otherwise), bits(0)));
    }
    in_range = in_range == nullptr ? here : b_.CreateAnd(in_range, here);
  }
  return in_range;
}

// The operands of conjunctions of which the result is one, in their order: where each of the rows that go
// together is known to be false in one of those looked at so far, so is its result, and what only the others
// read is left alone.
void Emitter::find_gates() {
  std::uint32_t at = static_cast<std::uint32_t>(shape_.code.size() - 1);
  for (; shape_.code[at].op == ShapeOp::both; at = shape_.code[at].a) gates_.push_back(shape_.code[at].b);
  if (gates_.empty()) return;
  gates_.push_back(at);
  std::reverse(gates_.begin(), gates_.end());
}

bool Emitter::is_gate(std::uint32_t instr) const {
  return std::find(gates_.begin(), gates_.end(), instr) != gates_.end();
}

// Gates that ask whether a ratio is above a parameter: most that are not are so far below that less work
// tells.
bool Emitter::asks_whether_above(std::uint32_t instr) const {
  const ShapeInstr& in = shape_.code[instr];
  return is_gate(instr) && (in.op == ShapeOp::gt || in.op == ShapeOp::ge) &&
         shape_.code[in.a].op == ShapeOp::ratio;
}
bool Emitter::is_quick_gate(std::uint32_t instr) const {
  return undivided_ && width_ > 1 && asks_whether_above(instr) && thresholds_.count(instr) != 0;
}

// Of as many rows as go together, from row_ on.
void Emitter::row(const Rows& rows, BasicBlock* next) {
  cells_.assign(shape_.code.size(), {});
  loaded_.clear();
  ways_.clear();
  if (in_vain_ != nullptr) ask_first(rows, next);
  Value* are_false = nullptr;
  for (std::uint32_t instr = 0; instr < shape_.code.size(); ++instr) {
    Cell& here = cell_of(instr);
    // The last one is no way out: what comes after it is the result.
    if (width_ == 1 || !is_gate(instr) || instr == gates_.back()) continue;
    are_false = either(are_false, decides(here, false));
    if (!is_quick_gate(instr)) leave_where_all(are_false, rows, next);
  }
  Cell& result = cells_.back();
  if (shape_.is_condition()) {
    store(rows, b_.CreateZExt(b_.CreateAnd(known(result), result.truth), i8_), result.evidence);
  } else {
    Value* v = number(result);
    v = b_.CreateSelect(is_nan(v), llvm::ConstantFP::getQNaN(f64_), v);
    store(rows, b_.CreateSelect(known(result), v, real(0.0)), result.evidence);
  }
  Value* in_vain = nullptr;
  if (in_vain_ != nullptr) {
    Value* all_false = b_.CreateAndReduce(decides(result, false));
    in_vain = b_.CreateSelect(all_false, b_.getInt32(0), b_.CreateAdd(in_vain_, b_.getInt32(1)));
  }
  go_on(in_vain, next);
  b_.SetInsertPoint(next);
  const auto carried = [&](Value* Way::*which, Value*& value) {
    if (value == nullptr) return;
    llvm::PHINode* phi = b_.CreatePHI(value->getType(), static_cast<unsigned>(ways_.size()));
    for (const Way& way : ways_) phi->addIncoming(way.*which, way.from);
    value = phi;
  };
  carried(&Way::least, least_);
  carried(&Way::in_vain, in_vain_);
}

void Emitter::go_on(Value* in_vain, BasicBlock* next) {
  ways_.push_back({b_.GetInsertBlock(), least_, in_vain});
  b_.CreateBr(next);
}

// Where the result of all rows is known to be false, that is stored, and nothing else is looked at.
void Emitter::leave_where_all(Value* are_false, const Rows& rows, BasicBlock* next) {
  BasicBlock *all_false = block("all_false"), *further = block("further");
  b_.CreateCondBr(b_.CreateAndReduce(are_false), all_false, further);
  b_.SetInsertPoint(all_false);
  static_assert(static_cast<int>(Evidence::value) == 0);
  Value* no = evidence(Evidence::value);
  store(rows, no, no);
  go_on(in_vain_ != nullptr ? b_.getInt32(0) : nullptr, next);
  b_.SetInsertPoint(further);
}

// The quick gates, one after the other, before anything else; unless that was in vain often enough, or what a
// part falls back to is not what its column has there. What comes of it is not used again: rows that nobody
// asked about come to the same place.
void Emitter::ask_first(const Rows& rows, BasicBlock* next) {
  BasicBlock *ask = block("ask"), *whole = block("whole");
  Value* skip = b_.CreateICmpUGE(in_vain_, b_.getInt32(often_in_vain));
  if (other_default_ != nullptr) skip = b_.CreateOr(skip, other_default_);
  b_.CreateCondBr(skip, whole, ask);
  b_.SetInsertPoint(ask);
  Value *const least = least_, *are_false = nullptr;
  for (const std::uint32_t gate : gates_) {
    if (!is_quick_gate(gate)) continue;
    const ShapeInstr& ratio = shape_.code[shape_.code[gate].a];
    are_false = either(are_false, surely_not_above(ratio, thresholds_.at(gate)));
    leave_where_all(are_false, rows, next);
  }
  b_.CreateBr(whole);
  b_.SetInsertPoint(whole);
  least_ = least;
  cells_.assign(shape_.code.size(), {});
  loaded_.clear();
}

// What goes before comes first, so that this does not go deep but where a gate asks: there shapes are small.
Cell& Emitter::cell_of(std::uint32_t instr) {
  if (cells_[instr].evidence != nullptr) return cells_[instr];
  const ShapeInstr& in = shape_.code[instr];
  const int arity = plan::shape_op_arity(in.op);
  if (arity > 0) cell_of(in.a);
  if (arity > 1) cell_of(in.b);
  if (arity > 2) cell_of(in.c);
  return cells_[instr] = cell(instr);
}

void Emitter::store(const Rows& rows, Value* result, Value* evidence) {
  const auto put = [&](Value* what, llvm::Type* element, Value* column) {
    const llvm::Align align(element->getPrimitiveSizeInBits() / 8);
    scoped(b_.CreateAlignedStore(what, b_.CreateInBoundsGEP(element, column, row_), align), true);
  };
  put(result, result_type(), rows.out.result);
  put(evidence, b_.getInt8Ty(), rows.out.evidence);
}

// eval::ColumnOut has a place for numbers and one for truths.
llvm::Type* Emitter::result_type() {
  return shape_.is_condition() ? b_.getInt8Ty() : b_.getDoubleTy();
}

Emitter::Columns Emitter::load_out() {
  using eval::ColumnOut;
  const auto pointer = [&](std::size_t offset) {
    auto* loaded = b_.CreateLoad(
        ptr_, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), function_->getArg(arg_out), offset));
    scoped(loaded, false);
    return loaded;
  };
  return {pointer(shape_.is_condition() ? offsetof(ColumnOut, truth) : offsetof(ColumnOut, value)),
          pointer(offsetof(ColumnOut, evidence))};
}

// The pointers are read where they are used, so that large shapes do not keep them all in registers; for
// others LLVM hoists them out of the loop.
Cell Emitter::load(std::uint32_t input) {
  static_assert(offsetof(Placed, value) == 0 && offsetof(Placed, evidence) == 8 && sizeof(Placed) == 16);
  Cell& cell = loaded_[input];
  if (cell.evidence != nullptr) return cell;
  const auto elements = [&](llvm::Type* type, unsigned which, unsigned bytes) {
    auto* rows =
        b_.CreateLoad(ptr_, b_.CreateConstInBoundsGEP1_64(ptr_, placed_, 2 * columns_.at(input) + which));
    auto* loaded = b_.CreateAlignedLoad(type, b_.CreateInBoundsGEP(type->getScalarType(), rows, row_),
                                        llvm::Align(bytes));
    scoped(rows, false);
    scoped(loaded, false);
    return loaded;
  };
  cell = {elements(f64_, 0, sizeof(double)), nullptr, elements(i8_, 1, 1)};
  return cell;
}

void emit_kernel(llvm::Module& module, const plan::Shape& shape, const char* name,
                 const Processor& processor) {
  Emitter(module, shape, name, processor).run();
}

}  // namespace signalbox::jit
