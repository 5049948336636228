// The simulated network, store and disk: the host's interfaces with seeded faults, in virtual time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/sim/checker.hpp"

namespace signalbox::sim {

// What a run shares: the time, the seed's randomness for faults, the trace, and how a process dies.
struct Stage {
  Stage(const Scenario& s, Checker& c)
      : scenario(s), checker(c), time(sim_start), random(s.seed * 0xd1342543de82ef95ull + 7) {}
  const Scenario& scenario;
  Checker& checker;
  loop::VirtualTime time;
  loop::SeededRandom random;
  std::uint64_t hash = 0xcbf29ce484222325ull;
  std::uint64_t process = 0;                    // which process lives; 0: none
  std::function<void(Instant)> die_at;          // the living process dies then
  std::function<void(const std::string&)> say;  // verbose; may be empty

  bool faulty() const { return now() < scenario.faults_until; }
  Instant now() const { return now_of(time); }
  bool chance(double p) { return p > 0 && faulty() && random.unit() < p; }
  // How long something takes: nothing, milliseconds, or in a share of cases up to `most`.
  Duration delay(Duration most, double slow = 0.05);
  // The process may die while an operation is under way that will be over at `until`.
  void perhaps_die(Instant until, bool effect = false);
  void trace(const std::string& line);

 private:
  static Instant now_of(const loop::VirtualTime& t) { return const_cast<loop::VirtualTime&>(t).now(); }
};

class SimStore : public TransactionStore {
 public:
  explicit SimStore(Stage& stage) : stage_(stage) {}
  void commit(StoreTransaction t, std::function<void(CommitOutcome)> completion) override;
  void read(std::string prefix, std::function<void(Result<std::vector<StoreEntry>>)> completion) override;
  void read_fence(std::function<void(Result<std::uint64_t>)> completion) override;
  // For Broken::sends_before_commit: an intent in a transaction that is only on its way.
  std::function<void(const decide::Intent&, bool rollback)> eager;

 private:
  CommitOutcome apply(const StoreTransaction& t);
  Stage& stage_;
  journal::MemoryStore store_;
};

// GET /metrics and /version, POST /rollback and /restart of the shop, POST /hook of the pager.
class SimHttp : public Http {
 public:
  SimHttp(Stage& stage, Shop& shop, Pager& pager) : stage_(stage), shop_(shop), pager_(pager) {}
  void send(HttpRequest request, std::function<void(Result<HttpResponse>)> completion) override;
  bool kill_switch = false;  // as it really stands

 private:
  struct Exchange;
  HttpResponse answer(const Exchange& x);
  Stage& stage_;
  Shop& shop_;
  Pager& pager_;
  std::uint64_t attempts_ = 0;
  std::string old_version_;  // for Broken::shows_old_version, until then
  Instant old_until_;
};

class SimDisk : public loop::NoDisk {
 public:
  SimDisk(Stage& stage, const bool& kill_switch) : stage_(stage), on_(kill_switch) {}
  Result<bool> exists(const std::string&) override;

 private:
  Stage& stage_;
  const bool& on_;
};

}  // namespace signalbox::sim
