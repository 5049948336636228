// What a seed stands for: traffic, deploys, and which faults come how often.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/sim/program.hpp"
#include "tests/sim/shop.hpp"

namespace signalbox::sim {

constexpr Instant sim_start{1'767'225'600'000};  // 2026-01-01T00:00:00Z: on every grid

// Parts that are broken on purpose, to see that the simulator notices.
enum class Broken {
  nothing,
  sends_before_commit,  // the effect goes out while its intent is being committed
  loses_commits,        // the store says committed and forgets
  tears_commits,        // the store takes a part of a transaction
  ignores_fences,       // the store takes transactions of an engine that was replaced
  forgets_keys,         // every attempt of an effect has a key of its own
  shows_old_version,    // the target's version answers from before the effect
  swallows_messages,    // the receiver's acceptance is made up
  ignores_kill_switch,
};
struct BrokenPart {
  Broken part;
  const char* name;
  const char* noticed;  // what one of the violations must say: the right check noticed, not any
};
const std::vector<BrokenPart>& broken_parts();

struct Scenario {
  std::uint64_t seed = 0;
  const Program* program = nullptr;
  Broken broken = Broken::nothing;
  Shop::Options shop;
  struct Deploy {
    Instant at;
    std::string version;
    double failures;
  };
  std::vector<Deploy> deploys;
  struct Sickness {
    Instant from, until;
    std::string region;
    double failures;
  };
  std::vector<Sickness> sicknesses;
  std::vector<std::pair<Instant, Instant>> idle;         // without requests
  std::vector<std::pair<Instant, Instant>> kill_switch;  // on
  plan::Mode ceiling = plan::Mode::act;
  Instant faults_until, end;
  bool calm = false;  // no fault at all: here the engine must also act

  // Shares of operations that go wrong, until faults_until.
  bool delays = false;
  double lost_requests = 0, lost_answers = 0, server_errors = 0, failed_scrapes = 0, refused_messages = 0;
  double unknown_commits = 0, failed_reads = 0, unreadable_switch = 0;
  double deaths = 0;              // of operations during which the process dies
  double effect_deaths = 0;       // the same of effects alone
  std::vector<Instant> restarts;  // and it dies at these
  bool cold = false;              // samples do not survive a restart
  double graceful = 0;            // share of restarts that wait for stop()
};
Scenario draw(std::uint64_t seed, Broken broken);
std::string describe(const Scenario& s);

}  // namespace signalbox::sim
