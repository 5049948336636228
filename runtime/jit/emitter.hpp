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

// Emits one kernel. The loops and what surrounds them are in codegen.cpp, operations in operations.cpp.
class Emitter {
 public:
  Emitter(llvm::Module& module, const plan::Shape& shape, const char* name, const Processor& processor);
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

}  // namespace signalbox::jit
