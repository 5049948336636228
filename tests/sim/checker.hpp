// Watches a run from outside and says what must never happen. It believes the store's own memory, the shop's
// and the pager's; of the engine it believes nothing.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"
#include "runtime/decide/decide.hpp"
#include "tests/sim/scenario.hpp"

namespace signalbox::sim {

class Checker {
 public:
  Checker(const Scenario& scenario, const Shop& shop, const Pager& pager)
      : scenario_(scenario), plan_(scenario.program->plan), shop_(shop), pager_(pager) {}

  // In the order in which they happen.
  void committed(Instant now, const StoreTransaction& t);  // the store has taken it
  void sent(Instant now, const std::string& key, const std::string& body,
            bool kill_switch);            // an effect's request left
  void answered(const std::string& key);  // a living process was told that it succeeded
  void event(const decide::Event& event);
  void finish(Instant now);

  std::vector<std::string> violations;
  std::size_t intents() const { return intents_.size(); }
  std::size_t recomputed = 0;
  std::map<std::string, std::size_t> outcomes;

 private:
  struct Intent {
    plan::Index policy = plan::none;
    std::string episode, body;
    Instant written;
    int sent = 0;
    bool answered = false;
  };
  void fail(Instant now, std::string what);
  void policy_forgotten(Instant now, const std::string& before, const std::string& key);
  void policy_changed(Instant now, const std::string& key, const std::string* before,
                      const std::string& after, const std::set<std::string>& ended);
  void new_intent(Instant now, plan::Index policy, const decide::Episode& episode);
  void record(Instant now, const std::string& key, const std::string& bytes, std::set<std::string>& ended);
  void message(Instant now, const std::string& key, const std::string& bytes);

  const Scenario& scenario_;
  const plan::Plan& plan_;
  const Shop& shop_;
  const Pager& pager_;
  std::uint64_t fence_ = 0;
  std::map<std::string, std::string> entries_;                // as the store must have them
  std::map<std::string, Intent> intents_;                     // by key
  std::map<std::string, std::vector<Instant>> intent_times_;  // by policy
  std::map<std::string, std::vector<std::string>> story_;     // kinds of records by episode
  std::map<std::string, std::string> ends_;                   // sentences of outcomes by episode
  std::map<std::string, std::string> messages_;               // by id: what it says
  std::set<std::pair<std::int64_t, std::string>> told_;       // time and summary of messages
};

}  // namespace signalbox::sim
