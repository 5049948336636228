#include "runtime/plan/shape.hpp"

namespace signalbox::plan {
namespace {

struct OpRow {
  std::string_view name;
  int arity;
  bool condition;
};
constexpr OpRow op_table[] = {
#define OP(name, text, arity, condition) {text, arity, condition},
    SIGNALBOX_SHAPE_OPS(OP)
#undef OP
};

}  // namespace

std::string_view evidence_name(Evidence e) {
  static constexpr std::string_view names[] = {"value",   "outside", "too_few", "no_traffic",
                                               "no_data", "stale",   "invalid"};
  return names[static_cast<int>(e)];
}

std::string_view shape_op_name(ShapeOp op) {
  return op_table[static_cast<int>(op)].name;
}
int shape_op_arity(ShapeOp op) {
  return op_table[static_cast<int>(op)].arity;
}
bool shape_op_is_condition(ShapeOp op) {
  return op_table[static_cast<int>(op)].condition;
}

bool well_formed(const Shape& shape) {
  if (shape.code.empty()) return false;
  for (std::uint32_t i = 0; i < shape.code.size(); ++i) {
    const ShapeInstr& in = shape.code[i];
    if (static_cast<int>(in.op) >= shape_op_count) return false;
    if (in.op == ShapeOp::input && in.index >= shape.inputs) return false;
    if (in.op == ShapeOp::param && in.index >= shape.params) return false;
    const int arity = shape_op_arity(in.op);
    if ((arity > 0 && in.a >= i) || (arity > 1 && in.b >= i) || (arity > 2 && in.c >= i)) return false;
  }
  return true;
}

void write(ByteWriter& out, const Shape& shape) {
  out.uint(shape.inputs);
  out.uint(shape.params);
  out.uint(shape.code.size());
  for (const ShapeInstr& in : shape.code) {
    out.u8(static_cast<std::uint8_t>(in.op));
    const int arity = shape_op_arity(in.op);
    if (in.op == ShapeOp::input || in.op == ShapeOp::param) out.uint(in.index);
    if (arity > 0) out.uint(in.a);
    if (arity > 1) out.uint(in.b);
    if (arity > 2) out.uint(in.c);
  }
}

Shape read_shape(ByteReader& in) {
  Shape shape;
  shape.inputs = static_cast<std::uint32_t>(in.uint());
  shape.params = static_cast<std::uint32_t>(in.uint());
  const std::uint64_t n = in.count();
  for (std::uint64_t i = 0; i < n && in.ok(); ++i) {
    ShapeInstr instr;
    const std::uint8_t op = in.u8();
    if (op >= shape_op_count) return {};  // an empty shape is not well formed
    instr.op = static_cast<ShapeOp>(op);
    const int arity = shape_op_arity(instr.op);
    if (instr.op == ShapeOp::input || instr.op == ShapeOp::param)
      instr.index = static_cast<std::uint32_t>(in.uint());
    if (arity > 0) instr.a = static_cast<std::uint32_t>(in.uint());
    if (arity > 1) instr.b = static_cast<std::uint32_t>(in.uint());
    if (arity > 2) instr.c = static_cast<std::uint32_t>(in.uint());
    shape.code.push_back(instr);
  }
  return shape;
}

}  // namespace signalbox::plan
