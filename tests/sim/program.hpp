// The programs that the simulator runs, compiled once.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace signalbox::sim {

struct Program {
  std::string name;
  plan::Plan plan;
  bool rolls_back = false, restarts = false;  // which policies it has
};

// Small relatives of the tour with short windows, limits and cooldowns, so that twenty virtual minutes hold
// several episodes: every delivery class, anchored and not, two policies on one target, and modes that must
// not act.
const std::vector<Program>& programs();

// Compiles a text or ends the process with its diagnostics.
plan::Plan compile_or_die(const std::string& name, const std::string& text);

}  // namespace signalbox::sim
