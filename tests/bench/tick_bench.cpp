// What one tick of the engine costs. Two programs, samples in memory:
//   tick_bench instances N   one SLO of four burn rows over N instances: the first tick, and ticks at which
//                            nothing happens
//   tick_bench slos N        N SLOs of five shapes: the first tick, and how many functions were compiled
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "tests/bench/five_shapes.hpp"
#include "tests/bench/ticking.hpp"

namespace {

using namespace signalbox;

int run(const std::string& text, int count) {
  constexpr int ticks = 11;
  Limits limits;
  limits.store_bytes = std::size_t{8} << 30;
  store::SeriesStore store{limits};
  bench::fill(store, count, 6 * 60, ticks);
  const double begin = bench::cpu();
  const plan::Plan plan = bench::plan_of(text);
  fmt::print("compiled the program in {:.0f} ms: {} nodes, {} shapes\n", (bench::cpu() - begin) * 1e3,
             plan.nodes.size(), plan.shapes.size());
  for (const eval::Tier tier : {eval::Tier::interpreter, eval::Tier::automatic, eval::Tier::compiled}) {
    const bench::Ticking ran = bench::tick_by_tick(plan, store, tier, ticks, SIGNALBOX_JIT_PATH);
    fmt::print(
        "{:<12} first tick {:7.1f} ms, {:.1f} of them machine code; a tick after {}; {} functions, {} "
        "events\n",
        tier == eval::Tier::interpreter ? "interpreter"
        : tier == eval::Tier::automatic ? "automatic"
                                        : "compiled",
        ran.first, ran.compiling, bench::spread(ran.after, " ms", 1), ran.functions, ran.events);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[1] : "";
  const int count = argc > 2 ? std::atoi(argv[2]) : 0;
  if (what == "instances" && count > 0) return run(bench::one_slo(count), count);
  if (what == "slos" && count > 0) return run(tests::five_shapes(count), count);
  if (argc == 1) return run(bench::one_slo(10'000), 10'000) + run(tests::five_shapes(1000), 1000);
  fmt::print(stderr, "usage: tick_bench [instances N | slos N]\n");
  return 2;
}
