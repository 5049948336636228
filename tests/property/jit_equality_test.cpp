// The one promise of machine code: bit for bit what eval::interpret gives, for every shape and all data.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/eval/evaluate.hpp"

namespace signalbox {
namespace {

using plan::Shape;
using plan::ShapeInstr;
using plan::ShapeOp;
using Random = std::mt19937_64;

std::uint64_t below(Random& random, std::uint64_t n) {
  return random() % n;
}

// An array that ends where memory ends: one element too far is a crash.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t n) : n_(n) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (n * sizeof(T) + page - 1) / page * page + page;
    base_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(base_, MAP_FAILED);
    auto* wall = static_cast<std::byte*>(base_) + bytes_ - page;
    mprotect(wall, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(wall - n * sizeof(T));
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, bytes_); }
  T* data() { return data_; }
  std::size_t size() const { return n_; }
  T& operator[](std::size_t i) { return data_[i]; }

 private:
  std::size_t n_, bytes_ = 0;
  void* base_ = nullptr;
  T* data_ = nullptr;
};

const std::vector<double>& odd_numbers() {
  static const std::vector<double> all = {
      0.0,
      -0.0,
      1.0,
      -1.0,
      2.0,
      0.5,
      3.0,
      100.0,
      0.1,
      -0.3,
      1e-9,
      1.0 + 1e-9,
      1.0 + 2e-9,
      1e300,
      -1e300,
      DBL_MAX,
      -DBL_MAX,
      DBL_MIN,
      0x1p-1074,
      -0x1p-1074,
      0x1.fffffffffffffp-1023,
      HUGE_VAL,
      -HUGE_VAL,
      std::bit_cast<double>(0x7ff8000000000000),  // the quiet NaN
      std::bit_cast<double>(0xfff8000000000000),
      std::bit_cast<double>(0x7ff8dead0000beef),
      std::bit_cast<double>(0x7ff0000000000002),  // Prometheus' stale marker, a signalling NaN
      std::bit_cast<double>(0xfff4000000000001)};
  return all;
}

double any_number(Random& random) {
  switch (below(random, 4)) {
    case 0:
      return std::bit_cast<double>(random());
    case 1:
      return static_cast<double>(below(random, 12));
    case 2:
      return static_cast<double>(random()) * 0x1p-60 - 5.0;
    default:
      return odd_numbers()[below(random, odd_numbers().size())];
  }
}

struct Columns {
  void add(std::size_t rows, std::size_t step) {
    const std::size_t length = step == 0 ? 1 : (rows == 0 ? 0 : (rows - 1) * step + 1);
    values.push_back(std::make_unique<Guarded<double>>(length));
    evidences.push_back(std::make_unique<Guarded<std::uint8_t>>(length));
    views.push_back({values.back()->data(), evidences.back()->data(), step});
  }
  void set(std::size_t column, std::size_t row, double value, std::uint64_t evidence) {
    (*values[column])[row] = evidence == 0 ? value : 0.0;
    (*evidences[column])[row] = static_cast<std::uint8_t>(evidence);
  }
  // Of a column: what it says as a number is true or not.
  void make_truths(std::size_t column) {
    auto& from = *values[column];
    truths.push_back(std::make_unique<Guarded<std::uint8_t>>(from.size()));
    for (std::size_t i = 0; i < from.size(); ++i) (*truths.back())[i] = from[i] > 1 ? 1 : 0;
    views[column].value = nullptr;
    views[column].truth = truths.back()->data();
  }
  std::vector<std::unique_ptr<Guarded<double>>> values;
  std::vector<std::unique_ptr<Guarded<std::uint8_t>>> truths;
  std::vector<std::unique_ptr<Guarded<std::uint8_t>>> evidences;
  std::vector<eval::ColumnView> views;
};

Columns any_columns(Random& random, std::uint32_t count, std::size_t rows) {
  Columns columns;
  const bool all_one = below(random, 2) == 0;
  for (std::uint32_t c = 0; c < count; ++c) {
    // Other steps than 0 and 1 are rare and legal.
    const std::uint64_t dice = below(random, 16);
    columns.add(rows, all_one ? 1 : dice == 0 ? 3 : dice < 6 ? 0 : 1);
    for (std::size_t i = 0; i < columns.values[c]->size(); ++i) {
      columns.set(c, i, any_number(random), below(random, 3) > 0 ? 0 : below(random, plan::evidence_count));
    }
    if (!all_one && below(random, 4) == 0) columns.make_truths(c);
  }
  return columns;
}

ShapeInstr leaf(ShapeOp op, std::uint32_t index) {
  return {.op = op, .index = index};
}

Shape any_shape(Random& random, std::size_t ops) {
  Shape shape{.inputs = static_cast<std::uint32_t>(1 + below(random, 7)),
              .params = static_cast<std::uint32_t>(below(random, 5)),
              .code = {}};
  shape.code.push_back(leaf(ShapeOp::input, static_cast<std::uint32_t>(below(random, shape.inputs))));
  while (shape.code.size() < ops) {
    const auto n = static_cast<std::uint32_t>(shape.code.size());
    const std::uint64_t dice = below(random, 10);
    if (dice < 2 || n < 3) {
      shape.code.push_back(leaf(ShapeOp::input, static_cast<std::uint32_t>(below(random, shape.inputs))));
    } else if (dice == 2 && shape.params > 0) {
      shape.code.push_back(leaf(ShapeOp::param, static_cast<std::uint32_t>(below(random, shape.params))));
    } else {
      // Mostly recent operands: else most of a large shape would not reach its result.
      const auto operand = [&] {
        const std::uint64_t reach = below(random, 3) == 0 ? n : std::min<std::uint64_t>(n, 4);
        return static_cast<std::uint32_t>(n - 1 - below(random, reach));
      };
      const auto op = static_cast<ShapeOp>(2 + below(random, plan::shape_op_count - 2));
      shape.code.push_back({.op = op, .index = 0, .a = operand(), .b = operand(), .c = operand()});
    }
  }
  return shape;
}

std::string text_of(const Shape& shape) {
  std::string text;
  for (const ShapeInstr& in : shape.code) {
    text += std::string(plan::shape_op_name(in.op)) + "(";
    const int arity = plan::shape_op_arity(in.op);
    if (arity == 0) text += "#" + std::to_string(in.index);
    if (arity > 0) text += std::to_string(in.a);
    if (arity > 1) text += " " + std::to_string(in.b);
    if (arity > 2) text += " " + std::to_string(in.c);
    text += ") ";
  }
  return text;
}

eval::Column interpreted(const Shape& shape, const std::vector<double>& params, const Columns& columns,
                         std::size_t rows) {
  eval::Column out = eval::column_of(rows, shape.is_condition());
  eval::interpret(shape, params.data(), columns.views.data(), out.out(), rows);
  return out;
}

testing::AssertionResult agree(const Shape& shape, eval::KernelFn kernel, const std::vector<double>& params,
                               const Columns& columns, std::size_t rows) {
  const eval::Column want = interpreted(shape, params, columns, rows);
  const bool condition = shape.is_condition();
  Guarded<double> got(condition ? 0 : rows);
  Guarded<std::uint8_t> got_truth(condition ? rows : 0), got_evidence(rows);
  const eval::ColumnOut out{condition ? nullptr : got.data(), got_evidence.data(),
                            condition ? got_truth.data() : nullptr};
  kernel(params.data(), columns.views.data(), &out, rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto want_bits = condition ? want.truth[i] : std::bit_cast<std::uint64_t>(want.value[i]),
               got_bits = condition ? got_truth[i] : std::bit_cast<std::uint64_t>(got[i]);
    if (want_bits == got_bits && want.evidence[i] == got_evidence[i]) continue;
    return testing::AssertionFailure()
           << fmt::format("row {} of {}: interpreted {:016x}/{}, compiled {:016x}/{}\n{}", i, rows, want_bits,
                          want.evidence[i], got_bits, got_evidence[i], text_of(shape));
  }
  return testing::AssertionSuccess();
}

struct Compiled {
  Shape shape;
  eval::KernelFn kernel;
};

double moved(double from, std::int64_t steps) {
  return std::bit_cast<double>(std::bit_cast<std::int64_t>(from) + steps);
}

enum Part { plain, or_param, absolute, where_sound, parts };
enum Whole { whole_plain, whole_sum, wholes };

// Of two columns from `input` on; what the forms need beside are the parameters 0, 2 and 3.
std::uint32_t ratio_of(Shape& shape, std::uint32_t input, int part, int whole) {
  const auto add = [&](ShapeInstr in) {
    shape.code.push_back(in);
    return static_cast<std::uint32_t>(shape.code.size() - 1);
  };
  std::uint32_t x = add(leaf(ShapeOp::input, input)), y = add(leaf(ShapeOp::input, input + 1));
  if (part == or_param) {
    const std::uint32_t otherwise = add(leaf(ShapeOp::param, 2));
    x = add({.op = ShapeOp::fallback, .a = x, .b = otherwise});
  }
  if (part == absolute) x = add({.op = ShapeOp::abs, .a = x});
  if (part == where_sound) {
    const std::uint32_t ratio = add({.op = ShapeOp::ratio, .a = x, .b = y}),
                        theta = add(leaf(ShapeOp::param, 0));
    const std::uint32_t above = add({.op = ShapeOp::gt, .a = ratio, .b = theta});
    x = add({.op = ShapeOp::where, .a = x, .b = above});
  }
  if (whole == whole_sum) {
    const std::uint32_t more = add(leaf(ShapeOp::param, 3));
    y = add({.op = ShapeOp::add, .a = y, .b = more});
  }
  return add({.op = ShapeOp::ratio, .a = x, .b = y});
}

// Of two such ratios in all forms, each compared with the parameter of its number.
std::vector<Shape> conjunctions_of_ratios() {
  std::vector<Shape> out;
  constexpr ShapeOp ops[] = {ShapeOp::gt, ShapeOp::ge, ShapeOp::lt, ShapeOp::le};
  for (int part = 0; part < parts; ++part)
    for (int whole = 0; whole < wholes; ++whole)
      for (const auto& [first_op, second_op] : {std::pair{0, 0}, {1, 0}, {0, 3}, {2, 1}}) {
        Shape& shape = out.emplace_back(Shape{.inputs = 4, .params = 4, .code = {}});
        std::uint32_t sides[2];
        for (std::uint32_t side = 0; side < 2; ++side) {
          const std::uint32_t ratio = ratio_of(shape, 2 * side, part, whole);
          shape.code.push_back(leaf(ShapeOp::param, side));
          sides[side] = ratio + 2;
          shape.code.push_back({.op = ops[side == 0 ? first_op : second_op], .a = ratio, .b = ratio + 1});
        }
        shape.code.push_back({.op = ShapeOp::both, .a = sides[0], .b = sides[1]});
      }
  return out;
}

class JitEquality : public testing::Test {
 protected:
  static std::unique_ptr<eval::KernelCompiler> open(const Limits& limits = {}) {
    auto compiler = eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, limits);
    if (compiler) return *std::move(compiler);
    ADD_FAILURE() << compiler.error().message;
    std::abort();
  }
};

// All rows of a product of odd numbers and evidences, so that a single operation meets every case it has.
TEST_F(JitEquality, EveryOperationOnEveryPair) {
  const auto compiler = open();
  const auto& numbers = odd_numbers();
  const std::size_t states = numbers.size() * plan::evidence_count;
  Columns columns;
  for (int c = 0; c < 3; ++c) columns.add(states * states, 1);
  Random random(3);
  for (std::size_t i = 0; i < states * states; ++i) {
    const std::size_t state[] = {i / states, i % states, below(random, states)};
    for (std::size_t c = 0; c < 3; ++c) {
      columns.set(c, i, numbers[state[c] / plan::evidence_count], state[c] % plan::evidence_count);
    }
  }
  for (int op = 2; op < plan::shape_op_count; ++op) {
    // Each operand as a column, as a comparison (kept as a bit in machine code), as another's result.
    for (int form = 0; form < 4; ++form) {
      Shape shape{.inputs = 3, .params = 0, .code = {}};
      for (std::uint32_t c = 0; c < 3; ++c) shape.code.push_back(leaf(ShapeOp::input, c));
      ShapeInstr last{.op = static_cast<ShapeOp>(op), .index = 0, .a = 0, .b = 1, .c = 2};
      if (form == 1) {
        shape.code.push_back({.op = ShapeOp::gt, .a = 0, .b = 2});
        last.a = 3;
      } else if (form == 2) {
        shape.code.push_back({.op = ShapeOp::ne, .a = 1, .b = 1});
        last.b = 3;
      } else if (form == 3) {
        shape.code.push_back({.op = ShapeOp::both, .a = 0, .b = 1});
        shape.code.push_back({.op = ShapeOp::ge, .a = 1, .b = 0});
        last = {.op = last.op, .a = 3, .b = 4, .c = 1};
      }
      shape.code.push_back(last);
      const auto kernel = compiler->compile(shape);
      ASSERT_TRUE(kernel) << kernel.error().message;
      ASSERT_TRUE(agree(shape, *kernel, {}, columns, states * states));
    }
  }
}

// An operation that changes no number still quiets a signalling NaN, and pow tells the difference.
TEST_F(JitEquality, QuietingIsNotOptimisedAway) {
  const auto compiler = open();
  Columns columns;
  columns.add(64, 1);
  for (std::size_t i = 0; i < 64; ++i) {
    (*columns.values[0])[i] = odd_numbers()[i % odd_numbers().size()];
    (*columns.evidences[0])[i] = 0;
  }
  for (const ShapeOp op : {ShapeOp::add, ShapeOp::sub, ShapeOp::mul, ShapeOp::div, ShapeOp::mod}) {
    for (const ShapeOp constant : {ShapeOp::gt, ShapeOp::eq, ShapeOp::ne, ShapeOp::ge}) {
      Shape shape{.inputs = 1, .params = 1, .code = {leaf(ShapeOp::input, 0), leaf(ShapeOp::param, 0)}};
      shape.code.push_back({.op = constant, .a = 1, .b = 1});  // 2: constant whenever it is known
      shape.code.push_back({.op = op, .a = 0, .b = 2});
      shape.code.push_back({.op = ShapeOp::sub, .a = 1, .b = 1});  // 4: zero, behind a parameter
      shape.code.push_back({.op = ShapeOp::pow, .a = 3, .b = 4});
      const auto kernel = compiler->compile(shape);
      ASSERT_TRUE(kernel) << kernel.error().message;
      ASSERT_TRUE(agree(shape, *kernel, {1.0}, columns, 64));
    }
  }
}

// SIGNALBOX_SHAPES=n and SIGNALBOX_SEED=n for a longer look.
TEST_F(JitEquality, GeneratedShapes) {
  const char* count_text = std::getenv("SIGNALBOX_SHAPES");
  const char* seed_text = std::getenv("SIGNALBOX_SEED");
  const int count = count_text != nullptr ? std::atoi(count_text) : 2500;
  const std::uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1;
  std::unique_ptr<eval::KernelCompiler> compiler;
  for (int s = 0; s < count; ++s) {
    if (s % 2000 == 0) compiler = open();
    Random random(seed * 1'000'003 + static_cast<std::uint64_t>(s));
    // Small shapes find as much and compile sooner; one in twelve is large.
    const Shape shape =
        any_shape(random, below(random, 12) == 0 ? 4 + below(random, 57) : 3 + below(random, 8));
    ASSERT_TRUE(plan::well_formed(shape));
    const auto kernel = compiler->compile(shape);
    ASSERT_TRUE(kernel) << kernel.error().message << "\n" << text_of(shape);
    std::vector<double> params;
    for (std::uint32_t p = 0; p < shape.params; ++p) params.push_back(any_number(random));
    for (const std::size_t rows : {0, 1, 2, 3, 7, 64, 1000}) {
      const Columns columns = any_columns(random, shape.inputs, rows);
      ASSERT_TRUE(agree(shape, *kernel, params, columns, rows)) << "shape " << s << " of seed " << seed;
    }
  }
}

// Machine code compares a ratio with a parameter without dividing. Ratios within a few units in the last
// place of the parameter, and of the middle between it and the next double, at all magnitudes; parameters at
// and past the ends of where that is done; and, in some columns, wholes so small that it is divided after
// all.
TEST_F(JitEquality, RatiosNextToWhatTheyAreComparedWith) {
  const auto compiler = open();
  Random random(11);
  std::vector<Compiled> all;
  for (const ShapeOp op : {ShapeOp::gt, ShapeOp::ge, ShapeOp::lt, ShapeOp::le}) {
    for (const bool floor : {false, true}) {
      Shape shape{.inputs = 2, .params = 2, .code = {leaf(ShapeOp::input, 0), leaf(ShapeOp::input, 1)}};
      shape.code.push_back({.op = ShapeOp::ratio, .a = 0, .b = 1});
      shape.code.push_back(leaf(ShapeOp::param, 0));
      shape.code.push_back(leaf(ShapeOp::param, 1));
      if (floor) shape.code.push_back({.op = ShapeOp::at_least, .a = 2, .b = 1, .c = 4});
      shape.code.push_back({.op = op, .a = floor ? 5u : 2u, .b = 3});
      const auto kernel = compiler->compile(shape);
      ASSERT_TRUE(kernel) << kernel.error().message;
      all.push_back({shape, *kernel});
    }
  }
  std::size_t true_rows = 0, false_rows = 0;
  for (int round = 0; round < 1500; ++round) {
    double theta = std::ldexp(1.0 + static_cast<double>(random() >> 11) * 0x1p-53,
                              -1 - static_cast<int>(below(random, round % 3 == 0 ? 61 : 12)));
    if (round % 7 == 0) theta = std::ldexp(1.0, -static_cast<int>(below(random, 63)));
    if (round % 11 == 0) theta = moved(theta, static_cast<std::int64_t>(below(random, 3)) - 1);
    if (round % 29 == 0) theta = odd_numbers()[below(random, odd_numbers().size())];
    const std::size_t rows = 1 + below(random, 70);
    const bool small = round % 5 == 0;
    Columns columns;
    for (int c = 0; c < 2; ++c) columns.add(rows, 1);
    for (std::size_t i = 0; i < rows; ++i) {
      const int exponent =
          small ? -1074 + static_cast<int>(below(random, 800)) : -390 + static_cast<int>(below(random, 1400));
      const bool count = below(random, 4) == 0;
      const double whole = count ? static_cast<double>(1 + below(random, 100'000))
                                 : std::ldexp(1.0 + static_cast<double>(random() >> 11) * 0x1p-53, exponent);
      const double next = moved(theta, 1);
      const long double middle = (static_cast<long double>(theta) + next) / 2;
      const double near = below(random, 2) == 0 ? theta * whole : static_cast<double>(middle * whole);
      const double part = std::isfinite(near) && near > 0
                              ? moved(near, static_cast<std::int64_t>(below(random, 7)) - 3)
                              : near;
      for (std::size_t c = 0; c < 2; ++c)
        columns.set(c, i,
                    below(random, 40) == 0 ? any_number(random)
                    : c == 0               ? part
                                           : whole,
                    below(random, 12) > 0 ? 0 : below(random, plan::evidence_count));
    }
    const std::vector<double> params = {theta, 0x1p-600};
    for (const Compiled& one : all)
      ASSERT_TRUE(agree(one.shape, one.kernel, params, columns, rows)) << fmt::format("{:a}", theta);
    const eval::Column said = interpreted(all[0].shape, params, columns, rows);
    for (std::size_t i = 0; i < rows; ++i)
      if (said.evidence[i] == 0) ++(said.truth[i] != 0 ? true_rows : false_rows);
  }
  EXPECT_GT(true_rows, 5'000u);
  EXPECT_GT(false_rows, 5'000u);
}

// Where the first operands of a conjunction are false for all rows of a block, machine code reads no others.
// Runs of rows in which the first or the second condition is known to be false, unknown or true, of all
// lengths, at all places in a block; wholes so small that their comparison has to be made again by dividing.
TEST_F(JitEquality, ConjunctionsThatAreFalseForRunsOfRows) {
  const auto compiler = open();
  Random random(17);
  const auto exceeds = [](Shape& shape, std::uint32_t input, std::uint32_t param) {
    const auto at = static_cast<std::uint32_t>(shape.code.size());
    for (const std::uint32_t i : {input, input + 1}) shape.code.push_back(leaf(ShapeOp::input, i));
    shape.code.push_back({.op = ShapeOp::ratio, .a = at, .b = at + 1});
    shape.code.push_back(leaf(ShapeOp::param, param));
    shape.code.push_back({.op = ShapeOp::gt, .a = at + 2, .b = at + 3});
    return at + 4;
  };
  Shape two{.inputs = 6, .params = 3, .code = {}};
  const std::uint32_t first = exceeds(two, 0, 0), second = exceeds(two, 2, 1);
  two.code.push_back({.op = ShapeOp::both, .a = first, .b = second});
  Shape three = two;
  const std::uint32_t third = exceeds(three, 4, 2);
  three.code.push_back({.op = ShapeOp::both, .a = second + 1, .b = third});
  Shape negated = two;
  negated.code.push_back({.op = ShapeOp::negate, .a = second + 1});
  std::size_t result_true = 0, result_false = 0, unknown = 0;
  for (const Shape& shape : {two, three, negated}) {
    const auto kernel = compiler->compile(shape);
    ASSERT_TRUE(kernel) << kernel.error().message;
    for (int round = 0; round < 600; ++round) {
      const std::size_t rows = 1 + below(random, 300);
      Columns columns;
      for (int c = 0; c < 6; ++c) columns.add(rows, 1);
      for (std::size_t pair = 0; pair < 6; pair += 2) {
        std::uint64_t kind = 0;
        std::size_t left = 0;
        for (std::size_t i = 0; i < rows; ++i, --left) {
          if (left == 0) {
            kind = below(random, 5);
            left = 1 + below(random, below(random, 2) == 0 ? 80 : 3);
          }
          const double whole = kind == 4 ? std::ldexp(1.0, -1074 + static_cast<int>(below(random, 674)))
                                         : static_cast<double>(100 + below(random, 1000));
          const double share = kind == 1 ? 0.5 : kind == 4 ? static_cast<double>(below(random, 4)) / 4 : 0.0;
          columns.set(pair, i, share * whole, 0);
          columns.set(pair + 1, i, kind == 2 ? any_number(random) : whole,
                      kind != 3 ? 0 : below(random, plan::evidence_count));
        }
      }
      ASSERT_TRUE(agree(shape, *kernel, {0.25, 0.3, 0.2}, columns, rows)) << round;
      const eval::Column said = interpreted(shape, {0.25, 0.3, 0.2}, columns, rows);
      for (std::size_t i = 0; i < rows; ++i)
        ++(said.evidence[i] != 0 ? unknown : said.truth[i] != 0 ? result_true : result_false);
    }
  }
  for (const std::size_t rows : {result_true, result_false, unknown}) EXPECT_GT(rows, 10'000u);
}

// The first question to a conjunction's ratios asks less than the comparison does, and columns without a look
// at their evidence. Parts and wholes of all forms; nearly all rows far below the threshold, and a few of
// what the question must not take for that: near to the threshold on both sides, as well as at the ends of
// what it takes for a usual whole; negative, infinite and no numbers; no values.
TEST_F(JitEquality, RowsThatAreSurelyBelowAThreshold) {
  const auto compiler = open();
  Random random(23);
  std::vector<Compiled> all;
  for (const Shape& shape : conjunctions_of_ratios()) {
    const auto kernel = compiler->compile(shape);
    ASSERT_TRUE(kernel) << kernel.error().message;
    all.push_back({shape, *kernel});
  }
  const auto few_steps = [&] { return static_cast<std::int64_t>(below(random, 5)) - 2; };
  const double thetas[] = {0.25, 0.0144, 1.0, moved(1.0, -1), 1.0 + 1e-9, 1.5, 0x1p-60, 0x1p-61};
  const double ends[] = {0x1p-400, std::numeric_limits<double>::max() / (1.0 + 1e-9)};
  const double defaults[] = {0.0, 0.0, -0.0, 5.0, 500.0};
  std::size_t by_reason[3] = {};
  for (int round = 0; round < 2000; ++round) {
    const std::vector<double> params = {
        thetas[below(random, std::size(thetas))], thetas[below(random, std::size(thetas))],
        defaults[below(random, std::size(defaults))], below(random, 2) == 0 ? 0.0 : 100.0};
    const std::size_t rows = 16 + below(random, 120);
    const std::uint64_t odd_one_in = below(random, 8) == 0 ? 1 : 1 + below(random, 40);
    Columns columns;
    for (int c = 0; c < 4; ++c) columns.add(rows, 1);
    for (std::size_t i = 0; i < rows; ++i) {
      // Beside what is odd the other side is true: else it alone would make the row false.
      const std::uint64_t odd = below(random, odd_one_in) == 0 ? below(random, 2) : 2;
      for (std::size_t side = 0; side < 2; ++side) {
        const double theta = params[side];
        double whole = static_cast<double>(100 + below(random, 1000));
        double part = below(random, 2) == 0 ? 0.0 : theta * whole / 2;
        std::uint64_t evidence[2] = {};
        if (odd == side) {
          const std::uint64_t kind = below(random, 9);
          if (kind <= 1) whole = moved(ends[kind], few_steps());
          if (kind <= 3) part = theta * whole * (1.0 - static_cast<double>(few_steps()) * 0x1p-49);
          if (kind <= 2) part = moved(part, few_steps());
          if (kind == 4) part = any_number(random);
          if (kind == 5) whole = any_number(random);
          if (kind == 6) part = -part;
          if (kind >= 7) evidence[kind - 7] = 1 + below(random, plan::evidence_count - 1);
        } else if (odd < 2) {
          part = std::min(1.0, 2 * theta) * whole;
        }
        columns.set(2 * side, i, part, evidence[0]);
        columns.set(2 * side + 1, i, whole, evidence[1]);
      }
    }
    const Compiled& one = all[below(random, all.size())];
    ASSERT_TRUE(agree(one.shape, one.kernel, params, columns, rows)) << round;
    const eval::Column said = interpreted(one.shape, params, columns, rows);
    for (std::size_t i = 0; i < rows; ++i) ++by_reason[said.evidence[i] != 0 ? 2 : said.truth[i]];
  }
  for (const std::size_t found : by_reason) EXPECT_GT(found, 2'000u);
}

TEST_F(JitEquality, LargeShapesCompiledPlainly) {
  const auto compiler = open();
  for (const std::size_t ops : {511, 513, 1200}) {
    Random random(ops);
    const Shape shape = any_shape(random, ops);
    const auto kernel = compiler->compile(shape);
    ASSERT_TRUE(kernel) << kernel.error().message;
    for (const std::size_t rows : {1, 7, 1000}) {
      const Columns columns = any_columns(random, shape.inputs, rows);
      ASSERT_TRUE(agree(shape, *kernel, {0.5, 1.0, -2.0, 7.0, 1e300}, columns, rows));
    }
  }
}

TEST_F(JitEquality, NoColumns) {
  const auto compiler = open();
  const Shape shape{
      .inputs = 0,
      .params = 2,
      .code = {leaf(ShapeOp::param, 1), leaf(ShapeOp::param, 0), {.op = ShapeOp::div, .a = 0, .b = 1}}};
  const auto kernel = compiler->compile(shape);
  ASSERT_TRUE(kernel) << kernel.error().message;
  for (const std::size_t rows : {0, 1, 300}) EXPECT_TRUE(agree(shape, *kernel, {3.0, 1.0}, {}, rows));
}

TEST_F(JitEquality, ManyColumns) {
  const auto compiler = open();
  Shape shape{.inputs = 900, .params = 0, .code = {}};
  for (std::uint32_t c = 0; c < shape.inputs; ++c) shape.code.push_back(leaf(ShapeOp::input, c));
  for (std::uint32_t c = 1; c < shape.inputs; ++c) {
    const auto n = static_cast<std::uint32_t>(shape.code.size());
    shape.code.push_back({.op = c % 2 == 0 ? ShapeOp::fallback : ShapeOp::add, .a = n - 1, .b = c - 1});
  }
  const auto kernel = compiler->compile(shape);
  ASSERT_TRUE(kernel) << kernel.error().message;
  Random random(5);
  const Columns columns = any_columns(random, shape.inputs, 100);
  EXPECT_TRUE(agree(shape, *kernel, {}, columns, 100));
}

const Shape one_column{.inputs = 1, .params = 0, .code = {leaf(ShapeOp::input, 0)}};

TEST_F(JitEquality, CodeIsCountedAndBounded) {
  Limits limits;
  limits.jit_code_bytes = 100'000;
  const auto compiler = open(limits);
  EXPECT_EQ(compiler->code_bytes(), 0u);
  std::vector<eval::KernelFn> kernels;
  for (;;) {
    const std::size_t before = compiler->code_bytes();
    const auto kernel = compiler->compile(one_column);
    EXPECT_LE(compiler->code_bytes(), limits.jit_code_bytes);
    if (!kernel) {
      EXPECT_EQ(kernel.error().code, ErrorCode::limit_exceeded);
      EXPECT_NE(kernel.error().message.find("jit_code_bytes"), std::string::npos) << kernel.error().message;
      EXPECT_EQ(compiler->code_bytes(), before);
      break;
    }
    EXPECT_GT(compiler->code_bytes(), before);
    kernels.push_back(*kernel);
    ASSERT_LT(kernels.size(), 100u);
  }
  ASSERT_GT(kernels.size(), 3u);
  Random random(9);
  const Columns columns = any_columns(random, 1, 7);
  for (const eval::KernelFn kernel : kernels) EXPECT_TRUE(agree(one_column, kernel, {}, columns, 7));
  EXPECT_EQ(compiler->compile(one_column).error().code, ErrorCode::limit_exceeded);
}

TEST_F(JitEquality, ShapesAreCheckedBeforeAnyWork) {
  Limits limits;
  limits.jit_shape_ops = 10;
  const auto compiler = open(limits);
  Random random(1);
  EXPECT_TRUE(compiler->compile(any_shape(random, 10)));
  const auto large = compiler->compile(any_shape(random, 11));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::limit_exceeded);
  EXPECT_NE(large.error().message.find("jit_shape_ops"), std::string::npos);
  EXPECT_EQ(compiler->compile(Shape{}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(
      compiler->compile({.inputs = 1, .params = 0, .code = {{.op = ShapeOp::neg, .a = 0}}}).error().code,
      ErrorCode::invalid_argument);
}

// In a child, since neither prohibition can be lifted again.
template <class Forbid>
int compile_where(eval::KernelCompiler& compiler, Forbid forbid) {
  const pid_t child = fork();
  if (child == 0) {
    if (!forbid()) _exit(77);
    const std::size_t before = compiler.code_bytes();
    for (int i = 0; i < 3; ++i) {
      const auto kernel = compiler.compile(one_column);
      if (kernel) _exit(1);
      if (kernel.error().code != ErrorCode::refused) _exit(2);
      if (kernel.error().message.find("executable") == std::string::npos) _exit(3);
      if (compiler.code_bytes() != before) _exit(4);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(JitEquality, RefusedUnderMemoryDenyWriteExecute) {
  const auto compiler = open();
  ASSERT_TRUE(compiler->compile(one_column));
  constexpr int set_mdwe = 65, refuse_exec_gain = 1;  // newer than Debian 12's headers
  const int result = compile_where(*compiler, [] { return prctl(set_mdwe, refuse_exec_gain, 0, 0, 0) == 0; });
  if (result == 77)
    GTEST_SKIP() << "this kernel has no PR_SET_MDWE; the next test forbids the same by seccomp";
  EXPECT_EQ(result, 0);
}

TEST_F(JitEquality, RefusedWhereMprotectForbidsExecution) {
  const auto compiler = open();
  ASSERT_TRUE(compiler->compile(one_column));
  const int result = compile_where(*compiler, [] {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{.len = static_cast<unsigned short>(std::size(filter)), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  });
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace signalbox
