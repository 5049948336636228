// An engine over samples in memory, tick by tick.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/loop/history_world.hpp"
#include "runtime/loop/virtual_host.hpp"
#include "tests/bench/measure.hpp"

namespace signalbox::bench {

constexpr Instant first_tick{1'700'000'040'000};

// bad_total and req_total of `count` services, svc="i0" and on: a sample a minute from `before` minutes
// before the first tick to `after` minutes behind it. None burns its budget at 99.9%.
inline void fill(store::SeriesStore& store, int count, int before, int after) {
  for (int i = 0; i < count; ++i) {
    const auto series = [&](const char* name) {
      return *store.series(
          Labels(std::vector<Labels::Pair>{{"__name__", name}, {"svc", fmt::format("i{}", i)}}));
    };
    const auto bad = series("bad_total"), all = series("req_total");
    double failed = 0, requests = 0;
    for (int k = -before; k <= after; ++k) {
      requests += 6000 + (i * 31 + (k + before) * 17) % 400;
      failed += (i + k + before) % 5 == 0 ? 1 : 0;
      const Instant at = first_tick + minutes(1) * std::int64_t{k};
      if (!store.append(bad, at, failed) || !store.append(all, at, requests)) std::abort();
    }
  }
}

inline std::string settings() {
  return "tick 1m\nsource s is scrape { url \"http://127.0.0.1:1/metrics\" every 1m  semantics 2 }\n"
         "use std.burn\nmetric bad_total is counter with (svc)\nmetric req_total is counter with (svc)\n"
         "receiver r is log { }\n";
}
// One SLO over all of `count` services, or an SLO for each; with `burn`, or what std.burn has.
inline std::string one_slo(int count, const std::string& burn = "std.burn.google") {
  return settings() + fmt::format(
                          "slo web per (svc) max {} {{ indicator bad bad_total of req_total  objective 99.9% "
                          "over 30d  burn {}  page r  ticket r }}\n",
                          count, burn);
}
inline std::string slo_each(int count, const std::string& burn = "std.burn.google") {
  std::string out = settings();
  for (int i = 0; i < count; ++i)
    out += fmt::format(
        "slo s{0} {{ indicator bad bad_total{{svc=\"i{0}\"}} of req_total{{svc=\"i{0}\"}}  objective 99.9% "
        "over 30d  burn {1}  page r  ticket r }}\n",
        i, burn);
  return out;
}

// The plan of a program that has no fault; else says what it is and ends the process.
inline plan::Plan plan_of(const std::string& text) {
  lower::Compiled program = lower::compile({{"bench.slo", text}}, {});
  if (program.plan) return *std::move(program.plan);
  fmt::print(stderr, "{}", source::render_text(program.diagnostics, program.sources));
  std::exit(1);
}

class Quiet : public loop::EngineObserver {
 public:
  void event(const decide::Event&) override { ++events; }
  void notice(const Error& e) override { fmt::print(stderr, "{}\n", e.message); }
  std::uint64_t events = 0;
};

// A compiler of which the CPU time counts, what loading it takes included.
class TimedCompiler : public eval::KernelCompiler {
 public:
  static Result<std::unique_ptr<eval::KernelCompiler>> load(const char* path, double& ms) {
    const double begin = cpu();
    Result<std::unique_ptr<eval::KernelCompiler>> loaded = eval::load_kernel_compiler(path, Limits{});
    ms += (cpu() - begin) * 1e3;
    if (!loaded) return loaded.error();
    return std::unique_ptr<eval::KernelCompiler>(new TimedCompiler(std::move(*loaded), ms));
  }
  Result<eval::KernelFn> compile(const plan::Shape& shape) override {
    const double begin = cpu();
    Result<eval::KernelFn> made = compiler_->compile(shape);
    ms_ += (cpu() - begin) * 1e3;
    return made;
  }
  std::size_t code_bytes() const override { return compiler_->code_bytes(); }

 private:
  TimedCompiler(std::unique_ptr<eval::KernelCompiler> compiler, double& ms)
      : compiler_(std::move(compiler)), ms_(ms) {}
  std::unique_ptr<eval::KernelCompiler> compiler_;
  double& ms_;
};

struct Ticking {
  double first = 0;           // ms
  std::vector<double> after;  // ms
  double compiling = 0;       // ms of the first that went into machine code
  std::size_t functions = 0;  // that were compiled
  std::uint64_t events = 0;
};
inline Ticking tick_by_tick(const plan::Plan& plan, const store::SeriesStore& store, eval::Tier tier,
                            int ticks, const char* jit) {
  eval::StoreProvider leaves(store);
  loop::VirtualHost host(first_tick);
  loop::HistoryWorld world(plan, leaves, Semantics::prometheus2);
  Quiet observer;
  Ticking out;
  loop::EngineOptions options;
  options.tier = tier;
  options.load_compiler = [jit, &out] { return TimedCompiler::load(jit, out.compiling); };
  options.semantics = Semantics::prometheus2;
  options.assumed = true;
  loop::Engine engine(plan, host.host, leaves, world, observer, options);
  engine.start([](const Result<void>&) {});
  for (int k = 0; k < ticks; ++k) {
    const Instant at = first_tick + minutes(1) * std::int64_t{k};
    host.time.advance(at);
    const double ms = cost(cpu, [&] { engine.tick(at, [] {}); }) * 1e3;
    (k == 0 ? out.first : out.after.emplace_back()) = ms;
  }
  out.functions = engine.shapes().compiled_functions();
  out.events = observer.events;
  return out;
}

}  // namespace signalbox::bench
