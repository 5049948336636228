// A replay of a Prometheus data directory that reads the series of one SLO after the other, on all cores, and
// keeps no more of them than it is looking at.
#pragma once

#include <optional>

#include "cli/history_replay.hpp"

namespace signalbox::cli {

// Whether it can be done so: a data directory, SLOs that are decided each by itself, and shapes that are not
// to be compiled for each.
bool streams(const plan::Plan& plan, const std::string& location, eval::Tier tier);

struct DirectoryReplay {
  ReplayData data;
  loop::Story story;
};
// As load_replay_data() and replay_stories() have it. Nothing, and `code`, after an error, which was said.
std::optional<DirectoryReplay> replay_directory(const plan::Plan& plan, const HistoryRequest& request,
                                                int& code);

}  // namespace signalbox::cli
