// The condition of an SLO with four burn rows, over many instances, once a tick: machine code and the
// interpreter against the opponents in opponents/, all over the same numbers. Rounds are interleaved; medians
// and spread are of CPU time, and ratios are taken round by round. The loop by hand is built by two
// compilers, and LuaJIT and muParser go two ways each: of each round the faster one counts.
//   build/tests/burn_bench [rounds] [instances]
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/kernel.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/opponents/burn_condition.hpp"
#include "tests/bench/opponents/burn_condition_scripted.hpp"

namespace {

using namespace signalbox;
using namespace signalbox::bench;

// Where bad events come at random half of the rows burn and no branch can be foretold; in a quiet fleet
// nearly none burns, and what stops at the first window that says no does half of the work. In `random` and
// `gaps`, a quiet fleet too, a cell in sixteen has no value.
enum class Data { random, gaps, quiet };
constexpr const char* name_of[] = {"random", "gaps", "quiet"};

struct Cells {
  std::vector<double> value;
  std::vector<std::uint8_t> evidence;
  std::vector<double> number;  // NaN where there is no value
};

std::vector<Cells> columns_of(Data data, std::size_t rows) {
  // The first sixty rows decide which way LuaJIT takes for the main one of a loop. With this seed they are
  // like the others; with some a loop takes three times as long for good.
  std::mt19937_64 random(8);
  std::vector<Cells> columns(16);
  for (std::size_t c = 0; c < columns.size(); ++c)
    for (std::size_t i = 0; i < rows; ++i) {
      const bool known = random() % (data == Data::quiet ? 1024 : 16) != 0;
      double value = 0;
      if (known && c % 2 != 0) value = static_cast<double>(100 + random() % 1000);
      if (known && c % 2 == 0 && (data == Data::random || random() % 64 == 0))
        value = static_cast<double>(random() % 20);
      columns[c].value.push_back(value);
      columns[c].evidence.push_back(known ? 0 : static_cast<std::uint8_t>(plan::Evidence::no_data));
      columns[c].number.push_back(known ? value : std::numeric_limits<double>::quiet_NaN());
    }
  return columns;
}

struct Row {
  const plan::Node* node;
  const plan::Shape* shape;
  eval::KernelFn kernel;
  double theta;
  std::vector<eval::ColumnView> views;  // as the node's inputs come
  BurnColumn by_hand[4];
  BurnDoubles doubles;
  std::vector<std::uint8_t> got, got_evidence, wanted, wanted_evidence;
  std::vector<double> scripted;
  std::vector<std::uint8_t> scripted_bytes;
};

// Every condition and the reason where there is none, by weight.
struct Sum {
  std::uint64_t sum = 0, yes = 0, unknown = 0;
  void add(std::size_t i, bool truth, bool known) {
    const std::uint64_t cell = !known ? 2 : truth ? 1 : 0;
    yes += cell == 1;
    unknown += cell == 2;
    sum = sum * 1'099'511'628'211u + cell + i % 7;
  }
  bool operator==(const Sum&) const = default;
};
Sum sum_of(const std::vector<Row>& all) {
  Sum sum;
  for (const Row& row : all)
    for (std::size_t i = 0; i < row.got.size(); ++i) sum.add(i, row.got[i] == 1, row.got_evidence[i] == 0);
  return sum;
}
Sum sum_of_scripted(const std::vector<Row>& all) {
  Sum sum;
  for (const Row& row : all)
    for (std::size_t i = 0; i < row.scripted.size(); ++i)
      sum.add(i, row.scripted[i] == 1, !std::isnan(row.scripted[i]));
  return sum;
}
Sum sum_of_bytes(const std::vector<Row>& all) {
  Sum sum;
  for (const Row& row : all)
    for (std::size_t i = 0; i < row.scripted_bytes.size(); ++i)
      sum.add(i, row.scripted_bytes[i] == 1, row.scripted_bytes[i] != 2);
  return sum;
}

struct Contest {
  std::vector<Row>& all;
  std::size_t rows;
  bool equal = true;

  template <class Tick>
  void timed(int times, std::vector<double>& into, const Tick& tick) const {
    const double seconds = cost(cpu, [&] {
      for (int i = 0; i < times; ++i) tick();
    });
    into.push_back(seconds / times / static_cast<double>(rows * all.size()) * 1e9);
  }
  void by_hand(std::vector<double>& into, BurnCondition* by) {
    timed(300, into, [&] {
      for (Row& r : all)
        by(&r.by_hand[0], &r.by_hand[1], &r.by_hand[2], &r.by_hand[3], r.theta, rows, r.wanted.data(),
           r.wanted_evidence.data());
    });
  }
  void ours(int times, std::vector<double>& into, bool machine_code) {
    timed(times, into, [&] {
      for (Row& r : all) {
        const eval::ColumnOut out{nullptr, r.got_evidence.data(), r.got.data()};
        if (machine_code)
          r.kernel(r.node->params.data(), r.views.data(), &out, rows);
        else
          eval::interpret(*r.shape, r.node->params.data(), r.views.data(), out, rows);
      }
    });
    for (const Row& r : all) equal = equal && r.got == r.wanted && r.got_evidence == r.wanted_evidence;
  }
  void scripted(int times, std::vector<double>& into, ScriptedBurn& by, bool bytes) {
    for (Row& r : all) {
      std::fill(r.scripted.begin(), r.scripted.end(), -1.0);
      std::fill(r.scripted_bytes.begin(), r.scripted_bytes.end(), std::uint8_t{9});
    }
    timed(times, into, [&] { by.tick(); });
    equal = equal && (bytes ? sum_of_bytes(all) : sum_of_scripted(all)) == sum_of(all);
  }
};

bool contest(const plan::Plan& plan, eval::KernelCompiler& compiler, Data data, int rounds,
             std::size_t rows) {
  const std::vector<Cells> columns = columns_of(data, rows);
  std::vector<Row> all(plan.slos[0].rows.size());
  std::vector<BurnDoubles> doubles;
  for (std::size_t r = 0; r < all.size(); ++r) {
    Row& row = all[r];
    row.node = &plan.nodes[plan.slos[0].rows[r].condition];
    row.shape = &plan.shapes[row.node->index];
    row.theta = plan.slos[0].rows[r].theta;
    const auto kernel = compiler.compile(*row.shape);
    if (!kernel || row.shape->inputs != 4 || row.shape->code.size() > 16) {
      fmt::print(stderr, "the condition has another shape than the opponent\n");
      return false;
    }
    row.kernel = *kernel;
    for (auto* cells : {&row.got, &row.got_evidence, &row.wanted, &row.wanted_evidence, &row.scripted_bytes})
      cells->resize(rows);
    row.scripted.resize(rows);
    for (std::size_t c = 0; c < 4; ++c) {
      const Cells& cells = columns[r * 4 + c];
      row.views.push_back({cells.value.data(), cells.evidence.data(), 1});
      row.by_hand[c] = {cells.value.data(), cells.evidence.data()};
    }
    const auto number = [&](std::size_t c) { return columns[r * 4 + c].number.data(); };
    doubles.push_back({number(0), number(1), number(2), number(3), row.theta, row.scripted.data(),
                       row.scripted_bytes.data()});
  }

  Contest run{all, rows};
  std::vector<double> kernel, gnu, clang, interpreted, lua_early, lua_whole, mu_single, mu_bulk;
#ifdef SIGNALBOX_LUAJIT
  const auto early = burn_in_luajit(SIGNALBOX_LUAJIT, "early", doubles, rows),
             whole = burn_in_luajit(SIGNALBOX_LUAJIT, "whole", doubles, rows);
#endif
#ifdef SIGNALBOX_MUPARSER
  const auto single = burn_in_muparser(false, doubles, rows), bulk = burn_in_muparser(true, doubles, rows);
#endif
  for (int round = 0; round < rounds; ++round) {
    run.by_hand(gnu, burn_condition_gnu);
    run.by_hand(clang, burn_condition_clang);
    run.ours(300, kernel, true);
    run.ours(20, interpreted, false);
#ifdef SIGNALBOX_LUAJIT
    run.scripted(100, lua_early, *early, true);
    run.scripted(100, lua_whole, *whole, true);
#endif
#ifdef SIGNALBOX_MUPARSER
    run.scripted(10, mu_single, *single, false);
    run.scripted(10, mu_bulk, *bulk, false);
#endif
  }
  const Sum sum = sum_of(all);
  fmt::print("\n{} data: {} of {} conditions true, {} unknown, checksum {:016x}; results {}\n",
             name_of[static_cast<int>(data)], sum.yes, rows * all.size(), sum.unknown, sum.sum,
             run.equal ? "equal" : "DIFFER");
  const auto line = [](const char* what, const std::vector<double>& times) {
    if (!times.empty()) fmt::print("{:<36} {}\n", what, spread(times, " ns", 2));
  };
  line("kernel", kernel);
  line("by hand, clang", clang);
  line("by hand, g++", gnu);
  line("interpreter", interpreted);
  line("LuaJIT, stops early", lua_early);
  line("LuaJIT, computes both windows", lua_whole);
  line("muParser, a call an instance", mu_single);
  line("muParser, in bulk", mu_bulk);
  const auto against = [&](const char* what, const std::vector<double>& over,
                           const std::vector<double>& under) {
    if (!over.empty() && !under.empty()) fmt::print("{:<36} {}\n", what, spread(ratios(over, under), "", 2));
  };
  against("kernel to the faster hand", kernel, faster(gnu, clang));
  against("interpreter to kernel", interpreted, kernel);
  against("the faster LuaJIT to kernel", faster(lua_early, lua_whole), kernel);
  against("the faster muParser to kernel", faster(mu_single, mu_bulk), kernel);
  return run.equal;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 11;
  const int rows = argc > 2 ? std::atoi(argv[2]) : 10'000;
  if (rounds < 1 || rows < 1) {
    fmt::print(stderr, "usage: burn_bench [ROUNDS] [INSTANCES]\n");
    return 2;
  }
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
  auto compiler = eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{});
  if (!compiler) {
    fmt::print(stderr, "{}\n", compiler.error().message);
    return 1;
  }
  fmt::print("CPU time for a row of an instance, {} instances of 4 rows\n", rows);
#if !defined(SIGNALBOX_LUAJIT) || !defined(SIGNALBOX_MUPARSER)
  fmt::print("LuaJIT or muParser was not there when this was built: ./dev setup bench\n");
#endif
  bool equal = true;
  for (const Data data : {Data::random, Data::gaps, Data::quiet})
    equal = contest(*program.plan, **compiler, data, rounds, static_cast<std::size_t>(rows)) && equal;
  return equal ? 0 : 1;
}
