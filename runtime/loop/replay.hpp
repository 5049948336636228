// A program over recorded history, in virtual time: the engine with its decisions, events and records, over
// ticks that could change something. The others are those whose measurements and state are as a tick before.
#pragma once

#include <functional>

#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::loop {

struct ReplayOptions {
  EngineOptions engine;  // `assumed`, `durable` and the semantics are set by the replay
  Semantics semantics = Semantics::prometheus3;
  Instant from;
  std::size_t ticks = 0;
  unsigned threads = 1;     // that look for changes; the engine has one
  bool every_tick = false;  // decide at every tick all the same: what the shorter way is compared with
  // Over the store that is replayed: for those who replay many programs, and keep the memory of its windows.
  eval::StoreProvider* leaves = nullptr;
  std::function<void(double done)> progress = {};
  std::function<bool()> interrupted =
      {};  // asked now and then; a replay that is interrupted ends where it is
};
struct ReplayResult {
  Instant last;             // the last tick that was decided or passed over
  std::size_t decided = 0;  // ticks at which the engine ran
  bool interrupted = false;
};
ReplayResult replay(const plan::Plan& plan, const store::SeriesStore& store, EngineObserver& observer,
                    ReplayOptions options);

}  // namespace signalbox::loop
