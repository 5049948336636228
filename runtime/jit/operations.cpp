// What each operation of a shape becomes: the meaning is that of eval/ops.hpp, to the bit.
#include <cfloat>
#include <cmath>

#include "runtime/eval/ops.hpp"
#include "runtime/jit/emitter.hpp"
#include "runtime/jit/support.hpp"

namespace signalbox::jit {
namespace {

// The largest whole that stays finite with the tolerance.
double largest_whole() {
  constexpr double stretched = 1.0 + eval::part_above_whole_tolerance;
  double whole = DBL_MAX / stretched;
  while (whole * stretched <= DBL_MAX) whole = std::nextafter(whole, DBL_MAX);
  while (whole * stretched > DBL_MAX) whole = std::nextafter(whole, 0.0);
  return whole;
}

}  // namespace

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
    Value* sign =
        negative ? b_.CreateICmpSLT(bits_of(bound), bits(0)) : b_.CreateICmpSGE(bits_of(bound), bits(0));
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
      return {each(params_.at(in.index)), nullptr, evidence(Evidence::value)};
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
      b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, least_, b_.CreateSub(bits_of(ratio.whole), bits(1)));
  Value* beyond =
      b_.CreateIntrinsic(llvm::Intrinsic::fma, {f64_}, {each(threshold.negated), ratio.whole, ratio.part});
  return b_.CreateFCmpOGT(beyond, b_.CreateFMul(each(threshold.half), ratio.whole));
}

// Known to be, that is: both have values, the whole is none of those that need a division, and the part is
// neither negative nor a NaN, whose bits come after those of all others. Columns need no look at their
// evidence: they are zero where they have no value, which is no usual whole, and what a part falls back to.
Value* Emitter::surely_not_above(const ShapeInstr& ratio, const Threshold& threshold) {
  const auto least = std::bit_cast<std::uint64_t>(least_whole),
             most = std::bit_cast<std::uint64_t>(largest_whole());
  const bool or_zero = falls_back_to_param(ratio.a);  // see other_default_
  Value* x = or_zero ? number(cell_of(shape_.code[ratio.a].a)) : number(cell_of(ratio.a));
  Value* y = number(cell_of(ratio.b));
  Value* usual = b_.CreateICmpULT(b_.CreateSub(bits_of(y), bits(least)), bits(most - least + 1));
  Value* below = b_.CreateICmpULE(bits_of(x), bits_of(b_.CreateFMul(y, each(threshold.surely_not))));
  Value* out = b_.CreateAnd(usual, below);
  if (!or_zero) out = b_.CreateAnd(out, known(cell_of(ratio.a)));
  if (shape_.code[ratio.b].op != ShapeOp::input) out = b_.CreateAnd(out, known(cell_of(ratio.b)));
  return out;
}

bool Emitter::falls_back_to_param(std::uint32_t instr) const {
  const ShapeInstr& in = shape_.code[instr];
  return in.op == ShapeOp::fallback && shape_.code[in.a].op == ShapeOp::input &&
         shape_.code[in.b].op == ShapeOp::param;
}

Cell Emitter::compare(std::uint32_t instr, Cell& a, Cell& b, llvm::CmpInst::Predicate holds) {
  Value* outside = b_.CreateOr(b_.CreateICmpEQ(a.evidence, evidence(Evidence::outside)),
                               b_.CreateICmpEQ(b.evidence, evidence(Evidence::outside)));
  // A sound ratio is finite: little more than 1 at most.
  // So is a parameter that is in range.
  const bool quick = undivided_ && thresholds_.count(instr) != 0;
  const auto finite = [&](Cell& cell) {
    return quick || cell.part != nullptr || cell.truth != nullptr ? each(b_.getTrue())
                                                                  : is_finite(number(cell));
  };
  Value* worse = worst(a, b);
  Value* both_finite = b_.CreateAnd(finite(a), finite(b));
  Value* compared = b_.CreateSelect(both_finite, evidence(Evidence::value), evidence(Evidence::invalid));
  Value* e = b_.CreateSelect(b_.CreateICmpEQ(worse, evidence(Evidence::value)), compared, worse);
  Value* truth;
  if (quick) {
    truth = is_above(a, thresholds_.at(instr));
    if (holds == llvm::CmpInst::FCMP_OLT || holds == llvm::CmpInst::FCMP_OLE) truth = b_.CreateNot(truth);
  } else {
    truth = b_.CreateFCmp(holds, number(a), number(b));
  }
  Cell out{nullptr, b_.CreateAnd(b_.CreateNot(outside), truth),
           b_.CreateSelect(outside, evidence(Evidence::value), e)};
  out.is_value = b_.CreateOr(outside, b_.CreateAnd(known(a, b), both_finite));
  return out;
}

Cell Emitter::ratio(Cell& a, Cell& b) {
  Value *part = number(a), *whole = number(b);
  Value* most = b_.CreateFMul(whole, real(1.0 + eval::part_above_whole_tolerance));
  // Doubles above zero are in the order of their bits, and all others come after them: two comparisons say
  // whether whole is above zero and not too large, and part between zero (not −0, then) and the most.
  Value* usable = b_.CreateICmpULT(b_.CreateSub(bits_of(whole), bits(1)), bits_of(largest_whole()));
  Value* sound =
      b_.CreateAnd(usable, b_.CreateICmpULE(bits_of(b_.CreateFAdd(part, real(0.0))), bits_of(most)));
  Value* e = b_.CreateSelect(sound, evidence(Evidence::value), evidence(Evidence::invalid));
  e = b_.CreateSelect(b_.CreateFCmpOEQ(whole, real(0.0)), evidence(Evidence::no_traffic), e);
  Value* worse = worst(a, b);
  e = b_.CreateSelect(b_.CreateICmpEQ(worse, evidence(Evidence::value)), e, worse);
  return {nullptr, nullptr, e, part, whole, b_.CreateAnd(known(a, b), sound)};
}

Cell Emitter::at_least(const Cell& a, Cell& b, Cell& c) {
  Value* enough = b_.CreateFCmpOGE(number(b), number(c));
  Value* e = b_.CreateSelect(enough, evidence(Evidence::value), evidence(Evidence::too_few));
  for (const Cell* earlier : {static_cast<const Cell*>(&c), static_cast<const Cell*>(&b), &a})
    e = b_.CreateSelect(known(*earlier), e, earlier->evidence);
  return a.with(e, b_.CreateAnd(b_.CreateAnd(known(a, b), known(c)), enough));
}

Cell Emitter::choose(Value* first, Cell& a, Cell& b, Value* evidence) {
  if (a.truth != nullptr && b.truth != nullptr)
    return {nullptr, b_.CreateSelect(first, a.truth, b.truth), evidence};
  return {b_.CreateSelect(first, number(a), number(b)), nullptr, evidence};
}

// One operand decides alone: a known 0 for `both`, a known number but 0 for `either` (NaN counts as true).
Value* Emitter::decides(Cell& c, bool either) {
  Value* zero = is_zero(c);
  return b_.CreateAnd(known(c), either ? b_.CreateNot(zero) : zero);
}

Cell Emitter::kleene(Cell& a, Cell& b, bool either) {
  Value* decided = b_.CreateOr(decides(a, either), decides(b, either));
  Cell out{nullptr, either ? decided : b_.CreateNot(decided),
           b_.CreateSelect(decided, evidence(Evidence::value), worst(a, b))};
  out.is_value = b_.CreateOr(decided, known(a, b));
  return out;
}

}  // namespace signalbox::jit
