// Programs side by side over one history: the replay of each, and what it came to.
#pragma once

#include <vector>

#include "runtime/decide/budget.hpp"
#include "runtime/loop/replay.hpp"

namespace signalbox::loop {

struct Story {
  Instant from;           // the first tick
  std::size_t ticks = 0;  // that were asked for; 0 when none lies between both ends
  bool begun = false;     // not, when it was interrupted before its turn
  ReplayResult result;
  std::vector<decide::Event> events;  // in order
  // By SLO, at the last tick; none when it was interrupted.
  std::vector<std::vector<decide::BudgetReading>> budgets;
  std::vector<Error> notices;
  std::vector<std::string> unmatched;  // see never_matched()
  bool whole() const { return begun && !result.interrupted; }
};

struct StoriesOptions {
  EngineOptions engine;
  Semantics semantics = Semantics::prometheus3;
  Instant from, to;      // ticks between them, of each program's own grid
  unsigned threads = 1;  // for all: a program has one, and more when there are fewer programs
  bool every_tick = false;
  eval::StoreProvider* leaves = nullptr;           // as in ReplayOptions, for one thread
  std::function<void(double done)> progress = {};  // on the calling thread
  std::function<bool()> interrupted = {};          // on any thread
  // Of each that was begun, as it ends, on the thread that replayed it: many histories of events need not be
  // kept.
  std::function<void(std::size_t index, Story& story)> finished = {};
};
// In the order of `plans`, each as replay() alone would have it. `plans` and `store` outlive the call.
std::vector<Story> replay_all(const std::vector<const plan::Plan*>& plans, const store::SeriesStore& store,
                              const StoriesOptions& options);

}  // namespace signalbox::loop
