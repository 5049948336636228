// One run of the whole engine, text to effects, in one thread and virtual time: what a seed stands for, what
// came of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/sim/scenario.hpp"

namespace signalbox::sim {

struct Outcome {
  std::uint64_t hash = 0;  // over every event, effect and commit with its time
  std::vector<std::string> violations;
  std::size_t intents = 0, recomputed = 0, deaths = 0, pages = 0, unknown_commits = 0;
  std::map<std::string, std::size_t> episodes;  // how they ended
};
// `say` hears of everything that happens, with its time.
Outcome run(const Scenario& scenario, const std::function<void(const std::string&)>& say = {});

}  // namespace signalbox::sim
