// The world of a replay: samples are in the store already, no effect is ever sent. An action is taken to be
// done in the deciding tick and to change nothing; who runs what is taken from the deploys that the history
// shows.
#pragma once

#include "runtime/eval/evaluate.hpp"
#include "runtime/loop/world.hpp"

namespace signalbox::loop {

class HistoryWorld : public World {
 public:
  HistoryWorld(const plan::Plan& plan, eval::LeafProvider& leaves, Semantics semantics)
      : plan_(plan), leaves_(leaves), shapes_(plan, eval::Tier::interpreter, {}, {}), semantics_(semantics) {}

  std::uint64_t effects = 0, messages = 0;

  void gather(Instant at, std::function<void()> done) override {
    at_ = at;
    done();
  }
  void read_version(plan::Index target, std::function<void(Result<std::string>)> done) override;
  void perform(const decide::Effect&, std::function<void(decide::Answer)> done) override {
    ++effects;
    done({decide::Answer::Kind::succeeded, "assumed"});
  }
  void notify(plan::Index, const decide::Message&,
              std::function<void(std::optional<std::string>)> done) override {
    ++messages;
    done(std::nullopt);
  }
  void heartbeat(plan::Index, Instant) override {}

 private:
  const plan::Plan& plan_;
  eval::LeafProvider& leaves_;
  eval::ShapeRunner shapes_;
  Semantics semantics_;
  Instant at_;
};

}  // namespace signalbox::loop
