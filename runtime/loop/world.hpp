// How an engine brings samples in and acts. Live, these are sources and backends over the host; in a replay
// effects are assumed; in a test of the language a stub with the real one's semantics answers. All on the
// host's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/decide/decide.hpp"

namespace signalbox::loop {

class World {
 public:
  virtual ~World() = default;
  // Brings in what is to be known at the evaluated instant `at`: runs the scrapes that are due, or replays
  // history up to it. `done` is called once, also when sources fail; a source that fails leaves stale
  // markers, not silence.
  virtual void gather(Instant at, std::function<void()> done) = 0;
  // What runs on the target now.
  virtual void read_version(plan::Index target, std::function<void(Result<std::string>)> done) = 0;
  // Calls the target. The answer may never come: the engine asks again after its own rules.
  virtual void perform(const decide::Effect& effect, std::function<void(decide::Answer)> done) = 0;
  // Tells a receiver; an error text when it did not take the message.
  virtual void notify(plan::Index receiver, const decide::Message& message,
                      std::function<void(std::optional<std::string>)> done) = 0;
  // Tells a receiver that Signalbox is alive.
  virtual void heartbeat(plan::Index receiver, Instant at) = 0;
};

}  // namespace signalbox::loop
