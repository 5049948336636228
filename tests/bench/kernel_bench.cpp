// What a row of a burn rule costs: interpreter, kernel, kernel with a column that repeats one row.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "runtime/eval/kernel.hpp"

namespace {

using namespace signalbox;
using plan::Evidence;
using plan::Shape;
using plan::ShapeOp;

// (bad_long default 0) / total_long > p0 and (bad_short default 0) / total_short > p0 and total_short >=
// floor
Shape burn_shape() {
  Shape s{.inputs = 4, .params = 3, .code = {}};
  const auto leaf = [&](ShapeOp op, std::uint32_t index) {
    s.code.push_back({.op = op, .index = index});
    return static_cast<std::uint32_t>(s.code.size() - 1);
  };
  const auto two = [&](ShapeOp op, std::uint32_t a, std::uint32_t b) {
    s.code.push_back({.op = op, .a = a, .b = b});
    return static_cast<std::uint32_t>(s.code.size() - 1);
  };
  const auto zero = leaf(ShapeOp::param, 0), threshold = leaf(ShapeOp::param, 1),
             floor = leaf(ShapeOp::param, 2);
  const auto burns = [&](std::uint32_t bad, std::uint32_t total) {
    return two(ShapeOp::gt, two(ShapeOp::ratio, two(ShapeOp::fallback, bad, zero), total), threshold);
  };
  const auto over_long = burns(leaf(ShapeOp::input, 0), leaf(ShapeOp::input, 1));
  const auto total_short = leaf(ShapeOp::input, 3);
  const auto over_short = burns(leaf(ShapeOp::input, 2), total_short);
  two(ShapeOp::both, two(ShapeOp::both, over_long, over_short), two(ShapeOp::ge, total_short, floor));
  return s;
}

struct Data {
  explicit Data(std::size_t rows) : truth(rows), out_evidence(rows) {
    std::mt19937_64 random(7);
    for (int c = 0; c < 4; ++c) {
      for (std::size_t i = 0; i < rows; ++i) {
        value[c].push_back(c % 2 == 0 ? static_cast<double>(random() % 20)
                                      : static_cast<double>(100 + random() % 1000));
        evidence[c].push_back(random() % 16 == 0 ? static_cast<std::uint8_t>(Evidence::no_data) : 0);
      }
    }
  }
  std::vector<eval::ColumnView> columns(bool repeat_last) const {
    std::vector<eval::ColumnView> views;
    for (int c = 0; c < 4; ++c)
      views.push_back({value[c].data(), evidence[c].data(), repeat_last && c == 3 ? 0u : 1u});
    return views;
  }
  std::vector<double> value[4];
  std::vector<std::uint8_t> evidence[4];
  std::vector<std::uint8_t> truth, out_evidence;
  eval::ColumnOut out() { return {nullptr, out_evidence.data(), truth.data()}; }
};

constexpr double params[] = {0.0, 0.0072, 150.0};

std::unique_ptr<eval::KernelCompiler> open_compiler() {
  auto compiler = eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{});
  if (compiler) return *std::move(compiler);
  std::fprintf(stderr, "%s\n", compiler.error().message.c_str());
  std::exit(1);
}

void per_row(benchmark::State& state) {
  state.counters["per row"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(state.range(0)),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void interpreter(benchmark::State& state) {
  Data data(static_cast<std::size_t>(state.range(0)));
  const Shape shape = burn_shape();
  const auto columns = data.columns(false);
  for (auto _ : state) {
    eval::interpret(shape, params, columns.data(), data.out(), data.truth.size());
    benchmark::ClobberMemory();
  }
  per_row(state);
}

void run_kernel(benchmark::State& state, bool repeat_last) {
  const auto compiler = open_compiler();
  const auto kernel = compiler->compile(burn_shape());
  if (!kernel) return state.SkipWithError(kernel.error().message.c_str());
  Data data(static_cast<std::size_t>(state.range(0)));
  const auto columns = data.columns(repeat_last);
  const eval::ColumnOut out = data.out();
  for (auto _ : state) {
    (*kernel)(params, columns.data(), &out, data.truth.size());
    benchmark::ClobberMemory();
  }
  per_row(state);
}
void kernel(benchmark::State& state) {
  run_kernel(state, false);
}
void kernel_repeated_column(benchmark::State& state) {
  run_kernel(state, true);
}

void compile(benchmark::State& state) {
  const auto compiler = open_compiler();
  const Shape shape = burn_shape();
  for (auto _ : state) {
    const auto made = compiler->compile(shape);
    if (!made) return state.SkipWithError(made.error().message.c_str());
  }
}

// Code generation is not linear: what the largest shapes that limits admit cost.
void compile_large(benchmark::State& state) {
  const auto compiler = open_compiler();
  std::mt19937_64 random(11);
  Shape shape{.inputs = 16, .params = 0, .code = {}};
  for (std::uint32_t i = 0; i < 16; ++i) shape.code.push_back({.op = ShapeOp::input, .index = i});
  constexpr ShapeOp ops[] = {ShapeOp::add, ShapeOp::mul, ShapeOp::ratio, ShapeOp::fallback,
                             ShapeOp::clamp_min};
  while (shape.code.size() < static_cast<std::size_t>(state.range(0))) {
    const auto n = static_cast<std::uint32_t>(shape.code.size());
    const auto pick = [&] { return static_cast<std::uint32_t>(n - 1 - random() % 16); };
    shape.code.push_back({.op = ops[random() % std::size(ops)], .a = pick(), .b = pick()});
  }
  for (auto _ : state) {
    const auto made = compiler->compile(shape);
    if (!made) return state.SkipWithError(made.error().message.c_str());
  }
}

BENCHMARK(interpreter)->Arg(10'000);
BENCHMARK(kernel)->Arg(1)->Arg(16)->Arg(1'000)->Arg(10'000);
BENCHMARK(kernel_repeated_column)->Arg(1)->Arg(16)->Arg(10'000);
BENCHMARK(compile)->Unit(benchmark::kMillisecond)->Iterations(200);
BENCHMARK(compile_large)
    ->Unit(benchmark::kMillisecond)
    ->Arg(60)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096)
    ->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
