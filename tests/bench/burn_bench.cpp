// The condition of an SLO with four burn rows, over many instances, once a tick: machine code and the
// interpreter against the loop in opponents/, all over the same columns. Pairs are interleaved; medians and
// spread are of CPU time. The opponent is built by two compilers, and of each pair the faster one counts.
//   build/tests/burn_bench [pairs] [instances]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/kernel.hpp"
#include "tests/bench/opponents/burn_condition.hpp"

namespace {

using namespace signalbox;

double cpu() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::string spread(std::vector<double> v, const char* unit) {
  std::sort(v.begin(), v.end());
  return fmt::format("{:.2f}{} ({:.2f} to {:.2f})", v[v.size() / 2], unit, v.front(), v.back());
}

struct Cells {
  std::vector<double> value;
  std::vector<std::uint8_t> evidence;
};

}  // namespace

int main(int argc, char** argv) {
  const int pairs = argc > 1 ? std::atoi(argv[1]) : 11;
  const auto rows = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 10'000);
  const lower::Compiled program = lower::compile(
      {{"bench.slo",
        "tick 1m\nuse std.burn\nsource s is scrape { url \"http://127.0.0.1:1/metrics\" }\n"
        "metric bad_total is counter with (svc)\nmetric req_total is counter with (svc)\n"
        "receiver r is log { }\nslo web per (svc) max 1000 { indicator bad bad_total of req_total  "
        "objective 99.9% over 30d  burn std.burn.google  page r  ticket r }"}},
      {});
  if (!program.plan) {
    fmt::print("{}", source::render_text(program.diagnostics, program.sources));
    return 1;
  }
  const plan::Plan& plan = *program.plan;
  std::mt19937_64 random(7);
  std::vector<Cells> columns(16);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (std::size_t i = 0; i < rows; ++i) {
      const bool known = random() % 16 != 0;
      columns[c].evidence.push_back(known ? 0 : static_cast<std::uint8_t>(plan::Evidence::no_data));
      columns[c].value.push_back(!known       ? 0.0
                                 : c % 2 == 0 ? static_cast<double>(random() % 20)
                                              : static_cast<double>(100 + random() % 1000));
    }
  }
  auto compiler = eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{});
  if (!compiler) {
    fmt::print(stderr, "{}\n", compiler.error().message);
    return 1;
  }
  struct Row {
    const plan::Node* node;
    eval::KernelFn kernel;
    double theta;
    std::vector<eval::ColumnView> views;  // as the node's inputs come
    BurnColumn by_hand[4];
  };
  std::vector<Row> all;
  for (const plan::BurnRow& burn : plan.slos[0].rows) {
    const plan::Node& node = plan.nodes[burn.condition];
    const plan::Shape& shape = plan.shapes[node.index];
    const auto kernel = (*compiler)->compile(shape);
    if (!kernel || shape.inputs != 4 || shape.code.size() > 16) {
      fmt::print(stderr, "the condition has another shape than the opponent\n");
      return 1;
    }
    Row row{&node, *kernel, burn.theta, {}, {}};
    for (std::size_t c = 0; c < 4; ++c) {
      const Cells& cells = columns[all.size() * 4 + c];
      row.views.push_back({cells.value.data(), cells.evidence.data(), 1});
      row.by_hand[c] = {cells.value.data(), cells.evidence.data()};
    }
    all.push_back(std::move(row));
  }
  Cells got[4], wanted[4];
  for (auto* cells : {got, wanted})
    for (int r = 0; r < 4; ++r) cells[r] = {std::vector<double>(rows), std::vector<std::uint8_t>(rows)};
  const auto timed = [&](int times, std::vector<double>& into, auto tick) {
    const double begin = cpu();
    for (int i = 0; i < times; ++i) tick();
    into.push_back((cpu() - begin) / times / static_cast<double>(rows) / 4 * 1e9);
  };
  const auto by_hand = [&](BurnCondition* by) {
    for (std::size_t r = 0; r < all.size(); ++r)
      by(&all[r].by_hand[0], &all[r].by_hand[1], &all[r].by_hand[2], &all[r].by_hand[3], all[r].theta, rows,
         wanted[r].value.data(), wanted[r].evidence.data());
  };
  const auto kernels = [&] {
    for (std::size_t r = 0; r < all.size(); ++r)
      all[r].kernel(all[r].node->params.data(), all[r].views.data(), got[r].value.data(),
                    got[r].evidence.data(), rows);
  };
  const auto interpreter = [&] {
    for (std::size_t r = 0; r < all.size(); ++r)
      eval::interpret(plan.shapes[all[r].node->index], all[r].node->params.data(), all[r].views.data(),
                      got[r].value.data(), got[r].evidence.data(), rows);
  };
  const auto same = [&] {
    for (int r = 0; r < 4; ++r)
      if (std::memcmp(got[r].value.data(), wanted[r].value.data(), rows * 8) != 0 ||
          got[r].evidence != wanted[r].evidence)
        return false;
    return true;
  };
  std::vector<double> gnu, clang, kernel, interpreted, ratios, gains;
  bool equal = true;
  for (int pair = 0; pair < pairs; ++pair) {
    timed(300, gnu, [&] { by_hand(burn_condition_gnu); });
    timed(300, clang, [&] { by_hand(burn_condition_clang); });
    timed(300, kernel, kernels);
    equal = equal && same();
    timed(20, interpreted, interpreter);
    equal = equal && same();
    ratios.push_back(kernel.back() / std::min(gnu.back(), clang.back()));
    gains.push_back(interpreted.back() / kernel.back());
  }
  fmt::print("ns for a row of an instance, {} instances of 4 rows\n", rows);
  fmt::print("kernel {}\nby hand, g++ {}\nby hand, clang {}\ninterpreter {}\n", spread(kernel, ""),
             spread(gnu, ""), spread(clang, ""), spread(interpreted, ""));
  fmt::print("kernel to the faster hand {}; interpreter to kernel {}; results {}\n", spread(ratios, ""),
             spread(gains, ""), equal ? "equal" : "DIFFER");
  return equal ? 0 : 1;
}
