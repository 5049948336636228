#include "runtime/eval/conjuncts.hpp"

#include <algorithm>

namespace signalbox::eval {
namespace {

using plan::ShapeInstr;
using plan::ShapeOp;

// The instruction `root` and all that it is made of.
Conjunct part_of(const plan::Shape& whole, std::uint32_t root) {
  std::vector<bool> needed(root + 1, false);
  needed[root] = true;
  for (std::uint32_t i = root + 1; i-- > 0;) {
    if (!needed[i]) continue;
    const ShapeInstr& in = whole.code[i];
    const int arity = plan::shape_op_arity(in.op);
    if (arity > 0) needed[in.a] = true;
    if (arity > 1) needed[in.b] = true;
    if (arity > 2) needed[in.c] = true;
  }
  Conjunct out;
  out.shape.inputs = whole.inputs;
  out.shape.params = whole.params;
  std::vector<std::uint32_t> place(root + 1, 0);
  for (std::uint32_t i = 0; i <= root; ++i) {
    if (!needed[i]) continue;
    ShapeInstr in = whole.code[i];
    const int arity = plan::shape_op_arity(in.op);
    if (arity > 0) in.a = place[in.a];
    if (arity > 1) in.b = place[in.b];
    if (arity > 2) in.c = place[in.c];
    if (in.op == ShapeOp::input) out.inputs.push_back(in.index);
    place[i] = static_cast<std::uint32_t>(out.shape.code.size());
    out.shape.code.push_back(in);
  }
  std::sort(out.inputs.begin(), out.inputs.end());
  out.inputs.erase(std::unique(out.inputs.begin(), out.inputs.end()), out.inputs.end());
  return out;
}

}  // namespace

std::vector<Conjunct> conjuncts_of(const plan::Shape& shape) {
  std::vector<Conjunct> out;
  if (shape.code.back().op != ShapeOp::both) return out;
  std::vector<std::uint32_t> open = {static_cast<std::uint32_t>(shape.code.size() - 1)};
  while (!open.empty()) {
    const std::uint32_t at = open.back();
    open.pop_back();
    const ShapeInstr& in = shape.code[at];
    if (in.op != ShapeOp::both) {
      out.push_back(part_of(shape, at));
      continue;
    }
    open.push_back(in.b);
    open.push_back(in.a);
  }
  return out;
}

}  // namespace signalbox::eval
