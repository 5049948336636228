// How many functions are compiled depends on how many shapes rules have, not on how many rules there are.
#include <gtest/gtest.h>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/loop/history_world.hpp"
#include "runtime/loop/virtual_host.hpp"
#include "tests/bench/five_shapes.hpp"

namespace signalbox::loop {
namespace {

class Silent : public EngineObserver {
 public:
  void event(const decide::Event&) override {}
  void notice(const Error& e) override { ADD_FAILURE() << e.message; }
};

struct Counted {
  std::size_t slos = 0, shapes = 0, functions = 0;
};

Counted first_tick(int slos) {
  constexpr Instant start{1'700'000'040'000};
  const lower::Compiled program = lower::compile({{"p.slo", tests::five_shapes(slos)}}, {});
  EXPECT_TRUE(program.plan) << source::render_text(program.diagnostics, program.sources);
  if (!program.plan) return {};
  store::SeriesStore store{Limits{}};
  eval::StoreProvider leaves(store);
  VirtualHost host(start);
  HistoryWorld world(*program.plan, leaves, Semantics::prometheus2);
  Silent observer;
  EngineOptions options;
  options.tier = eval::Tier::compiled;
  options.load_compiler = [] { return eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{}); };
  options.assumed = true;
  Engine engine(*program.plan, host.host, leaves, world, observer, options);
  for (int i = 0; i < slos; ++i) {
    for (const char* name : {"bad_total", "req_total"}) {
      const auto id = *store.series(
          Labels(std::vector<Labels::Pair>{{"__name__", name}, {"svc", fmt::format("i{}", i)}}));
      EXPECT_TRUE(store.append(id, start - minutes(1), 0));
      EXPECT_TRUE(store.append(id, start, 100));
    }
  }
  engine.start([](Result<void>) {});
  engine.tick(start, [] {});
  return {program.plan->slos.size(), program.plan->shapes.size(), engine.shapes().compiled_functions()};
}

TEST(CompiledShapes, AreAsManyForTenRulesAsForHundreds) {
  const Counted few = first_tick(30), many = first_tick(600);
  EXPECT_EQ(few.slos, 30u);
  EXPECT_EQ(many.slos, 600u);
  EXPECT_GT(few.functions, 1u);
  EXPECT_LE(few.functions, 5u);
  EXPECT_EQ(many.functions, few.functions);
  EXPECT_EQ(many.shapes, few.shapes);
}

}  // namespace
}  // namespace signalbox::loop
