// What one tick of the engine costs. Two programs, samples in memory:
//   tick_bench instances N   one SLO of four burn rows over N instances: the first tick, and ticks at which
//                            nothing happens
//   tick_bench slos N        N SLOs of five shapes: the first tick, and how many functions were compiled
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/loop/history_world.hpp"
#include "runtime/loop/virtual_host.hpp"
#include "tests/bench/five_shapes.hpp"
#include "tests/bench/measure.hpp"

namespace {

using namespace signalbox;
using bench::cpu;

class Quiet : public loop::EngineObserver {
 public:
  void event(const decide::Event&) override { ++events; }
  void notice(const Error& e) override { fmt::print(stderr, "{}\n", e.message); }
  std::uint64_t events = 0;
};

constexpr Instant start{1'700'000'040'000};
constexpr int minutes_before = 6 * 60;

void fill(store::SeriesStore& store, int count, int ticks) {
  for (int i = 0; i < count; ++i) {
    const auto series = [&](const char* name) {
      return *store.series(
          Labels(std::vector<Labels::Pair>{{"__name__", name}, {"svc", fmt::format("i{}", i)}}));
    };
    const auto bad = series("bad_total"), all = series("req_total");
    double failed = 0, requests = 0;
    for (int k = -minutes_before; k <= ticks; ++k) {
      requests += 6000 + (i * 31 + k * 17) % 400;
      failed += (i + k) % 5 == 0 ? 1 : 0;
      const Instant at = start + minutes(1) * std::int64_t{k};
      if (!store.append(bad, at, failed) || !store.append(all, at, requests)) std::abort();
    }
  }
}

int run(const std::string& text, int count) {
  constexpr int ticks = 11;
  Limits limits;
  limits.store_bytes = std::size_t{8} << 30;
  store::SeriesStore store{limits};
  fill(store, count, ticks);
  double begin = cpu();
  const lower::Compiled program = lower::compile({{"bench.slo", text}}, {});
  if (!program.plan) {
    fmt::print("{}", source::render_text(program.diagnostics, program.sources));
    return 1;
  }
  fmt::print("compiled the program in {:.0f} ms: {} nodes, {} shapes\n", (cpu() - begin) * 1e3,
             program.plan->nodes.size(), program.plan->shapes.size());
  for (const eval::Tier tier : {eval::Tier::interpreter, eval::Tier::automatic, eval::Tier::compiled}) {
    eval::StoreProvider leaves(store);
    loop::VirtualHost host(start);
    loop::HistoryWorld world(*program.plan, leaves, Semantics::prometheus2);
    Quiet observer;
    loop::EngineOptions options;
    options.tier = tier;
    options.load_compiler = [] { return eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{}); };
    options.semantics = Semantics::prometheus2;
    options.assumed = true;
    loop::Engine engine(*program.plan, host.host, leaves, world, observer, options);
    engine.start([](Result<void>) {});
    std::vector<double> steady;
    double first = 0;
    for (int k = 0; k < ticks; ++k) {
      const Instant at = start + minutes(1) * std::int64_t{k};
      host.time.advance(at);
      begin = cpu();
      engine.tick(at, [] {});
      (k == 0 ? first : steady.emplace_back()) = (cpu() - begin) * 1e3;
    }
    fmt::print("{:<12} first tick {:7.1f} ms, a tick after {}; {} functions, {} events\n",
               tier == eval::Tier::interpreter ? "interpreter"
               : tier == eval::Tier::automatic ? "automatic"
                                               : "compiled",
               first, bench::spread(steady, " ms", 1), engine.shapes().compiled_functions(), observer.events);
  }
  return 0;
}

int of_instances(int count) {
  return run(
      fmt::format(
          "tick 1m\nsource s is scrape {{ url \"http://127.0.0.1:1/metrics\" every 1m  semantics 2 }}\n"
          "use std.burn\nmetric bad_total is counter with (svc)\nmetric req_total is counter with (svc)\n"
          "receiver r is log {{ }}\n"
          "slo web per (svc) max {} {{ indicator bad bad_total of req_total  objective 99.9% over 30d  "
          "burn std.burn.google  page r  ticket r }}\n",
          count),
      count);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[1] : "";
  const int count = argc > 2 ? std::atoi(argv[2]) : 0;
  if (what == "instances" && count > 0) return of_instances(count);
  if (what == "slos" && count > 0) return run(tests::five_shapes(count), count);
  if (argc == 1) return of_instances(10'000) + run(tests::five_shapes(1000), 1000);
  fmt::print(stderr, "usage: tick_bench [instances N | slos N]\n");
  return 2;
}
