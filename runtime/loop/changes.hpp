// Where in a replay what an SLO reads is not what it read a tick before. Everywhere else its decision is that
// of the tick before, and need not be made again once its state is settled (decide::settled_until).
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "runtime/eval/panel.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::loop {

struct ReplayTicks {
  Instant from;
  std::size_t count = 0;  // every plan.tick
  Instant at(const plan::Plan& plan, std::size_t tick) const {
    return from + plan.tick * static_cast<std::int64_t>(tick);
  }
};

struct Changes {
  std::vector<std::uint32_t> ticks;  // rising; the first tick is always one
  bool every_tick = false;           // its rows cannot be read in panels: slices, holds, raw increments
};

// Of one SLO: the evidence of its universe, and the truth and evidence of its rows, of every instance.
class ChangeFinder {
 public:
  // One for each thread: `leaves` and `shapes` are used by nobody else meanwhile.
  ChangeFinder(const plan::Plan& plan, eval::StoreProvider& leaves, eval::ShapeRunner& shapes,
               Semantics semantics, ReplayTicks ticks);
  // `go_on` hears of the share done, now and then; when it answers false nothing comes of it.
  std::optional<Changes> find(plan::Index slo, const std::function<bool(double)>& go_on);

 private:
  std::vector<plan::Index> leaves_below(const std::vector<plan::Index>& roots) const;

  const plan::Plan& plan_;
  eval::StoreProvider& leaves_;
  ReplayTicks ticks_;
  std::vector<bool> able_;
  eval::PanelEvaluation panels_;
};

}  // namespace signalbox::loop
