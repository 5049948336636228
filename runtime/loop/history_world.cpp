#include "runtime/loop/history_world.hpp"

#include <cmath>

namespace signalbox::loop {

void HistoryWorld::read_version(plan::Index target, std::function<void(Result<std::string>)> done) {
  const plan::Index node = plan_.targets[target].deployed;
  if (node == plan::none) return done(std::string("the version that runs"));
  eval::Evaluation::Context context;
  context.plan = &plan_;
  context.leaves = &leaves_;
  context.shapes = &shapes_;
  context.semantics = semantics_;
  context.at = at_;
  eval::Evaluation evaluation(context);
  const decide::RowValue v = decide::row_of(evaluation.column(node), {});
  const auto ms = v.evidence == plan::Evidence::value ? seconds_to_ms(v.value) : std::nullopt;
  if (!ms) return done(std::string("the version that runs"));
  done("the one deployed at " + to_rfc3339(Instant{*ms}));
}

}  // namespace signalbox::loop
