// What a PromQL expression answers at an instant over a store, by the interpreter.
#pragma once

#include <gtest/gtest.h>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::test {

// With a look-back of five minutes. An expression that is refused, or of which something is wrong with a
// sample, fails the test.
inline eval::Column promql_answer(const store::SeriesStore& store, const std::string& expression, Instant at,
                                  Semantics semantics) {
  lower::CompiledQuery query = lower::compile_promql(expression, std::pair{at, at}, {});
  EXPECT_TRUE(query.plan) << source::render_text(query.diagnostics, query.sources);
  if (!query.plan) return {};
  query.plan->lookback = minutes(5);
  eval::StoreProvider leaves(store);
  eval::ShapeRunner shapes(*query.plan, eval::Tier::interpreter, {}, {});
  eval::Evaluation::Context context;
  context.plan = &*query.plan;
  context.leaves = &leaves;
  context.shapes = &shapes;
  context.at = at;
  context.semantics = semantics;
  std::vector<eval::Fault> faults;
  context.faults = &faults;
  eval::Evaluation evaluation(context);
  const eval::Column& column = evaluation.column(query.root);
  EXPECT_TRUE(faults.empty()) << expression << ": " << faults.front().what;
  return column;
}

}  // namespace signalbox::test
