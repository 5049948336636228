// A shape's operations as LLVM IR, row by row, and the loops around them.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <bit>
#include <cstddef>
#include <map>
#include <vector>

#include "runtime/jit/codegen.hpp"

namespace signalbox::jit {

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
  Value* is_value = nullptr;  // whether evidence says so, where that is known without making it
  Cell with(Value* other_evidence, Value* other_is_value = nullptr) const {
    return {number, truth, other_evidence, part, whole, other_is_value};
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
  // x ≤ y times this, rounded: x/y is sound and below θ by however little, θ being the double before the
  // parameter where `at least` is asked.
  Value* surely_not = nullptr;
};

// With a smaller whole than this a stretch of rows is worked out again, by dividing.
inline constexpr double least_whole = 0x1p-400;

// Emits one kernel. The loops and what surrounds them are in codegen.cpp, operations in operations.cpp.
class Emitter {
 public:
  Emitter(llvm::Module& module, const plan::Shape& shape, const char* name, const Processor& processor);
  void run();

 private:
  void load_params();
  Value* load_thresholds();
  bool is_ratio(std::uint32_t instr) const;
  void find_gates();
  bool is_gate(std::uint32_t instr) const;
  bool asks_whether_above(std::uint32_t instr) const;
  bool is_quick_gate(std::uint32_t instr) const;
  // Where results go.
  struct Columns {
    Value *result, *evidence;
  };
  // A stretch of rows, one at least.
  struct Rows {
    Value* count;
    Columns out;
  };
  // These emit at the end of the block at hand and go on in `after`, or `next`.
  void all_rows(const Rows& rows, BasicBlock* after);
  void loop(const Rows& rows, unsigned width, Value* first, Value* last, BasicBlock* after);
  void row(const Rows& rows, BasicBlock* next);
  void go_on(Value* in_vain, BasicBlock* next);
  void leave_where_all(Value* are_false, const Rows& rows, BasicBlock* next);
  void ask_first(const Rows& rows, BasicBlock* next);
  Value* either(Value* a, Value* b) { return a == nullptr ? b : b_.CreateOr(a, b); }
  llvm::MDNode* as_it_is();
  Value* layout();
  void store(const Rows& rows, Value* result, Value* evidence);
  llvm::Type* result_type();
  Columns load_out();
  Cell& cell_of(std::uint32_t instr);
  Cell cell(std::uint32_t instr);
  Cell load(std::uint32_t input);

  Cell combine(const Cell& a, const Cell& b, Value* number) { return {number, nullptr, worst(a, b)}; }
  Cell compare(std::uint32_t instr, Cell& a, Cell& b, llvm::CmpInst::Predicate holds);
  Value* is_above(const Cell& ratio, const Threshold& threshold);
  Value* surely_not_above(const ShapeInstr& ratio, const Threshold& threshold);
  bool falls_back_to_param(std::uint32_t instr) const;
  Cell ratio(Cell& a, Cell& b);
  Cell at_least(const Cell& a, Cell& b, Cell& c);
  Cell choose(Value* first, Cell& a, Cell& b, Value* evidence);
  Value* decides(Cell& c, bool either);
  Cell kleene(Cell& a, Cell& b, bool either);

  Value* number(Cell& c);
  Value* is_zero(Cell& c);
  Value* known(const Cell& c) {
    return c.is_value != nullptr ? c.is_value : b_.CreateICmpEQ(c.evidence, evidence(Evidence::value));
  }
  Value* known(const Cell& a, const Cell& b) { return b_.CreateAnd(known(a), known(b)); }
  Value* worst(const Cell& a, const Cell& b) {
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umax, a.evidence, b.evidence);
  }
  Value* bits_of(Value* v) { return b_.CreateBitCast(v, i64_); }
  Value* bits_of(double v) { return bits(std::bit_cast<std::uint64_t>(v)); }
  Value* magnitude(Value* v) { return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v); }
  Value* is_finite(Value* v) { return b_.CreateFCmpOLT(magnitude(v), infinity()); }
  Value* is_nan(Value* v) { return b_.CreateFCmpUNO(v, v); }
  Value* call(const char* name, std::initializer_list<Value*> arguments);

  // For each row that goes together.
  Value* evidence(Evidence e) { return llvm::ConstantInt::get(i8_, static_cast<std::uint8_t>(e)); }
  Value* real(double v) { return llvm::ConstantFP::get(f64_, v); }
  Value* infinity() { return llvm::ConstantFP::getInfinity(f64_); }
  Value* bits(std::uint64_t v) { return llvm::ConstantInt::get(i64_, v); }
  Value* each(Value* v) { return width_ == 1 ? v : b_.CreateVectorSplat(width_, v); }
  void set_width(unsigned width);

  Value* index(std::uint64_t v) { return b_.getInt64(v); }
  BasicBlock* block(const char* name) { return BasicBlock::Create(context_, name, function_); }
  void scoped(llvm::Instruction* access, bool output);

  llvm::Module& module_;
  const plan::Shape& shape_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> b_;
  unsigned width_ = 0;  // of the block of rows that is emitted, and the types of what its rows have together
  llvm::Type* f64_ = nullptr;
  llvm::Type* i8_ = nullptr;
  llvm::Type* i64_ = nullptr;
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
  std::vector<std::uint32_t> gates_;               // instructions that make the result false where they are
  std::map<std::uint32_t, Threshold> thresholds_;  // by the comparison of a ratio that needs no division
  bool undivided_ = false;                         // in the loop at hand
  Value* least_ = nullptr;                         // there: the least whole's bits so far, less one
  Value* in_vain_ = nullptr;                       // where quick gates are asked: see often_in_vain
  Value* other_default_ =
      nullptr;  // whether a quick gate's part falls back to anything but +0.0; null: none does
  struct Way {  // to the next rows, and what is carried to them
    BasicBlock* from;
    Value *least, *in_vain;
  };
  std::vector<Way> ways_;
  std::uint64_t room_rows_ = 0;
  Value* placed_ = nullptr;
  Value* row_ = nullptr;
};

}  // namespace signalbox::jit
