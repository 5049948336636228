// The engine: tick by tick it gathers, evaluates, decides, commits, and only then acts. It owns no thread, no
// clock and no socket: the host calls it, and everything it waits for comes back through completions on the
// same thread.
//
// One step is under way at a time. A tick that comes while the one before waits (for a scrape, for the store)
// is a missed tick: holds see it as unknown. An effect starts only after the transaction that holds its
// intent is committed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/decide/decide.hpp"
#include "runtime/eval/evaluate.hpp"
#include "runtime/loop/world.hpp"

namespace signalbox::loop {

// What a replay knows of a tick beforehand.
struct Foreseen {
  const std::vector<bool>* unchanged = nullptr;  // by SLO: reads what it read at the tick before
  // What nodes show, whatever deploys and holds are; null: nothing is known.
  std::shared_ptr<const std::map<plan::Index, eval::Column>> columns;
};

struct EngineOptions {
  Limits limits;
  eval::Tier tier = eval::Tier::automatic;
  std::function<Result<std::unique_ptr<eval::KernelCompiler>>()> load_compiler;
  Semantics semantics = Semantics::prometheus3;  // where neither the program nor its sources say
  plan::Mode mode_ceiling = plan::Mode::act;
  std::string kill_switch;  // a path: while the file exists, nothing is done; "" has none
  // Asked once a tick. Null: everything is looked at.
  std::function<Foreseen()> foreseen;
  bool assumed = false;  // replay
  // Whether the store gets what is decided, state and records, before anything is done. Without it, one who
  // starts again knows nothing: for replays.
  bool durable = true;
  // Seeds the versions of targets that have never been asked (replay and tests).
  std::function<std::vector<std::string>(plan::Index target)> initial_versions;
};

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void event(const decide::Event& event) = 0;
  virtual void notice(const Error& error) = 0;  // something an operator should know; nothing was lost
  virtual void tick_done(Instant, eval::Evaluation&, const decide::State&) {}
};

struct EngineStatus {
  bool ready = false;   // state read, fence taken
  bool fenced = false;  // another engine has taken over: this one decides no more
  Instant last_tick;
  std::uint64_t ticks = 0, missed = 0, effects = 0, commits = 0, unknown_commits = 0;
  std::size_t messages_waiting = 0;
};

class Engine {
 public:
  // `plan`, `host`, `leaves`, `world` and `observer` outlive the engine.
  Engine(const plan::Plan& plan, Host& host, eval::LeafProvider& leaves, World& world,
         EngineObserver& observer, EngineOptions options);
  ~Engine();

  // Reads the state and takes the fence. `ready` is called with the error when that cannot be.
  void start(std::function<void(Result<void>)> ready);
  // Decides the tick `at` (an instant of the program's grid). `done` is called when the step is over: at once
  // for a missed tick. Effects may still be under way.
  void tick(Instant at, std::function<void()> done);
  // No effect is started any more; `done` when the step under way is over and the effects under way are
  // answered: an answer that nobody waits for is a lost one.
  void stop(std::function<void()> done);
  bool acting() const { return !in_flight_.empty(); }

  const EngineStatus& status() const { return status_; }
  // After the latest decision, which may not be durable yet.
  const decide::State& state() const { return state_; }
  // Whether what was held at the latest tick stays so while the measurements do.
  bool holds_settled() const;
  eval::ShapeRunner& shapes() { return shapes_; }

 private:
  struct Arrival {  // what came back between ticks
    std::string policy, key, message;
    Labels instance;
    decide::Answer answer;
    std::optional<std::string> version, refusal;
  };

  void read_state(std::function<void(Result<void>)> ready);
  void read_state_later();
  void await_earlier_calls();
  void read_versions(std::function<void(std::vector<std::optional<std::string>>)> done);
  void decide_tick(Instant at, std::vector<std::optional<std::string>> versions, std::function<void()> done);
  void decide_arrivals();
  void pass_over_ticks(Instant last, Instant at);
  decide::Observed observe(Instant at, std::vector<std::optional<std::string>> versions);
  std::vector<StoreTransaction::Put> changed_entries(const decide::Touched& touched) const;
  void commit(decide::Decision decision, std::function<void()> done);
  void committed(const decide::Decision& decision, const std::function<void()>& done);
  void recover(decide::Decision decision, std::function<void()> done);
  void start_effects(const decide::Decision& decision);
  void send_messages();
  void heartbeats(Instant at);
  void finish(const std::function<void()>& done);
  void become_idle();

  const plan::Plan& plan_;
  Host& host_;
  eval::LeafProvider& leaves_;
  World& world_;
  EngineObserver& observer_;
  EngineOptions options_;
  eval::ShapeRunner shapes_;
  std::shared_ptr<eval::EvalCache> cache_;
  eval::HoldTable holds_;
  Semantics semantics_;
  std::string digest_;  // of the plan; none where no records are kept
  decide::State state_;
  std::map<std::string, std::string> entries_;  // as the store has them
  bool all_touched_ = true;                     // nobody knows where entries_ and state_ differ
  bool plan_kept_ = false;                      // the store has the plan's bytes, which records refer to
  std::uint64_t fence_ = 0;
  bool busy_ = false, stopping_ = false;
  std::vector<Arrival> arrivals_;
  std::set<std::string> in_flight_;   // keys of effects
  std::set<std::string> being_told_;  // ids of messages
  std::vector<std::function<void()>> when_idle_;
  std::map<plan::Index, Instant> last_heartbeat_;
  EngineStatus status_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // completions may come after the engine
};

}  // namespace signalbox::loop
