// What `replay` and `tune` share: a history that is read once, and programs that are replayed over it with
// progress and Ctrl-C.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/data.hpp"
#include "runtime/loop/stories.hpp"

namespace signalbox::cli {

struct ReplayData {
  History history;
  Instant from, to;  // what is replayed
};
// What --data, --from, --to and --cache ask for.
template <class Options>
HistoryRequest request_of(const Options& options) {
  HistoryRequest out;
  out.location = options.data;
  out.cache = options.cache.directory();
  out.from = options.from;
  out.to = options.to;
  return out;
}
// Reads what any of the plans needs into `store`. Nothing, and `code`, after an error, which was said.
std::optional<ReplayData> load_replay_data(const std::vector<const plan::Plan*>& plans,
                                           const HistoryRequest& request, store::SeriesStore& store,
                                           int& code);

struct ReplayHow {
  eval::Tier tier = eval::Tier::automatic;
  bool every_tick = false;
  std::string what;                                                          // of the progress: "replay"
  std::function<void(std::size_t index, loop::Story& story)> finished = {};  // on any thread
};
// Whether the data has something for a tick of every plan; else it is said, with `code`.
bool has_ticks(const std::vector<const plan::Plan*>& plans, const std::string& location,
               const ReplayData& data, int& code);
void no_samples(const HistoryRequest& request, int& code);
// From now on Ctrl-C ends replays where they are; a second one ends the program.
void watch_for_interrupt();
bool was_interrupted();
// With progress, and interrupted by Ctrl-C.
loop::StoriesOptions stories_options(const ReplayData& data, const ReplayHow& how);
// Until Ctrl-C: from then on no replay begins, and those under way end where they are.
std::vector<loop::Story> replay_stories(const std::vector<const plan::Plan*>& plans,
                                        const store::SeriesStore& store, const ReplayData& data,
                                        const ReplayHow& how);

// Standard error, over a line of progress where there is one.
void say_last(const std::string& line);

}  // namespace signalbox::cli
