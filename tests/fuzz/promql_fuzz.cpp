// Any bytes as PromQL. Every refusal has a place in the text; a plan is sound, its bytes read back as they
// were, and evaluating it over a few series ends, with the same columns twice.
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/plan/check_plan.hpp"
#include "tests/fuzz/require.hpp"

using namespace signalbox;

namespace {

const store::SeriesStore& samples() {
  static const auto* const store = [] {
    auto* made = new store::SeriesStore(Limits{});
    for (const char* name : {"a", "b"})
      for (const char* job : {"x", "y"}) {
        const auto id = *made->series(Labels({{"__name__", name}, {"job", job}, {"le", job}}));
        for (int i = 0; i < 20; ++i)
          require(bool(made->append(id, Instant{i * 15'000}, i * (job[0] - 'u'))), "append");
      }
    return made;
  }();
  return *store;
}

// Subqueries may ask for more instants than a fuzzer has time for.
bool is_quick(const plan::Plan& plan) {
  std::int64_t steps = 1;
  for (const plan::Node& node : plan.nodes)
    if (node.kind == plan::NodeKind::subquery)
      steps *= 1 + node.subquery.window.length.ms / node.subquery.step.ms,
          steps = std::min<std::int64_t>(steps, 1 << 20);
  return steps <= 200;
}

eval::Column evaluated(const plan::Plan& plan, plan::Index root, Semantics semantics) {
  eval::StoreProvider leaves(samples());
  eval::ShapeRunner shapes(plan, eval::Tier::interpreter, nullptr, nullptr);
  std::vector<eval::Fault> faults;
  eval::Evaluation::Context context;
  context.plan = &plan;
  context.leaves = &leaves;
  context.shapes = &shapes;
  context.semantics = semantics;
  context.at = Instant{200'000};
  context.faults = &faults;
  return eval::Evaluation(context).column(root);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const lower::CompiledQuery query = lower::compile_promql(text, std::pair{Instant{0}, Instant{300'000}}, {});
  require(query.plan.has_value() != query.diagnostics.has_errors(), "a plan and errors, or neither");
  for (const source::Diagnostic& d : query.diagnostics.all())
    require(!d.message.empty() && d.span.begin <= d.span.end && d.span.end <= text.size(),
            "a refusal has no place in the text");
  (void)render_text(query.diagnostics, query.sources);
  if (!query.plan) return 0;
  require(!plan::find_fault(*query.plan), "the plan is not sound");
  const std::string bytes = plan::to_bytes(*query.plan, true);
  const auto back = plan::from_bytes(bytes);
  require(back && plan::to_bytes(*back, true) == bytes, "the plan's bytes are not its own");
  if (query.root == plan::none || !is_quick(*query.plan)) return 0;
  for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3}) {
    const eval::Column once = evaluated(*query.plan, query.root, semantics);
    const eval::Column twice = evaluated(*query.plan, query.root, semantics);
    require(once.rows->size() == once.size() && *once.rows == *twice.rows && once.evidence == twice.evidence,
            "rows that are not its values', or not the same again");
    for (std::size_t i = 0; i < once.size(); ++i)
      require(std::bit_cast<std::uint64_t>(once.value[i]) == std::bit_cast<std::uint64_t>(twice.value[i]),
              "another value for the same question");
  }
  return 0;
}
