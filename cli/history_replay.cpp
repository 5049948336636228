#include "cli/history_replay.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "cli/jit.hpp"
#include "cli/output.hpp"
#include "cli/variants.hpp"

namespace signalbox::cli {
namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler sets it

bool watched() {
  return ::isatty(STDERR_FILENO) != 0;
}

}  // namespace

bool was_interrupted() {
  return interrupted;
}

void watch_for_interrupt() {
  std::signal(SIGINT, [](int) {
    interrupted = true;
    std::signal(SIGINT, SIG_DFL);
  });
}

void say_last(const std::string& line) {
  tell("{}{}        \n", watched() ? "\r" : "", line);
}

std::optional<ReplayData> load_replay_data(const std::vector<const plan::Plan*>& plans,
                                           const HistoryRequest& request, store::SeriesStore& store,
                                           int& code) {
  const plan::Plan read = what_is_read(plans);
  const Result<History> history = load_history(read, request, store);
  if (!history) {
    say(history.error());
    code = exit_code_of(history.error());
    return std::nullopt;
  }
  if (history->samples == 0) {
    no_samples(request, code);
    return std::nullopt;
  }
  ReplayData out{*history, request.from.value_or(history->first), request.to.value_or(history->last)};
  if (!has_ticks(plans, request.location, out, code)) return std::nullopt;
  return out;
}

void no_samples(const HistoryRequest& request, int& code) {
  std::string asked;
  if (request.from) asked += " from " + to_rfc3339(*request.from);
  if (request.to) asked += " to " + to_rfc3339(*request.to);
  const char* way_out =
      "the data has other metrics, or labels, than the program reads: `signalbox eval --data` looks into it";
  if (is_url(request.location) && !request.from) {
    asked += " in the hour before";
    way_out = "say since when with --from: a server's history has no beginning that could be asked for";
  } else if (!asked.empty()) {
    way_out =
        "look at --from and --to: samples lie before or after, or in other series than the program reads";
  }
  say({ErrorCode::not_found, fmt::format("there is no sample in {}{}", request.location, asked), way_out});
  code = exit_no_data;
}

namespace {

// What a replay would go over if a sample's time is wrong.
std::optional<Error> too_many_ticks(const plan::Plan& plan, Instant from, Instant to,
                                    const ReplayData& data) {
  const std::size_t most = Limits{}.replay_ticks;
  const auto ticks = static_cast<std::uint64_t>((to - from).ms / plan.tick.ms) + 1;
  if (ticks <= most) return std::nullopt;
  return Error{
      ErrorCode::limit_exceeded,
      fmt::format("{} to {} at a tick of {} is {} ticks, more than {} (replay_ticks)", to_rfc3339(from),
                  to_rfc3339(to), to_string(plan.tick), ticks, most),
      fmt::format("the samples reach from {} to {}: name --from and --to, or look for a sample whose "
                  "time is wrong",
                  to_rfc3339(data.history.first), to_rfc3339(data.history.last))};
}

}  // namespace

bool has_ticks(const std::vector<const plan::Plan*>& plans, const std::string& location,
               const ReplayData& data, int& code) {
  code = exit_no_data;
  for (const plan::Plan* plan : plans) {
    const Instant from = grid_ceil(data.from, plan->tick, plan->phase),
                  to = grid_floor(data.to, plan->tick, plan->phase);
    if (to < from) {
      say({ErrorCode::invalid_argument,
           fmt::format("no tick lies between {} and {}", to_rfc3339(data.from), to_rfc3339(data.to)),
           fmt::format(
               "the program has a tick every {}: let --from and --to, or the data, reach over more of them",
               to_string(plan->tick))});
      return false;
    }
    if (data.history.last < from - plan::longest_window(*plan) || data.history.first > to) {
      tell("signalbox: {} has samples from {} to {} and none that a tick from {} to {} could read\n",
           location, to_rfc3339(data.history.first), to_rfc3339(data.history.last), to_rfc3339(from),
           to_rfc3339(to));
      return false;
    }
    if (const auto error = too_many_ticks(*plan, from, to, data)) {
      say(*error);
      code = exit_code_of(*error);
      return false;
    }
  }
  code = exit_ok;
  return true;
}

loop::StoriesOptions stories_options(const ReplayData& data, const ReplayHow& how) {
  loop::StoriesOptions options;
  // Compiling shapes costs a replay more than it gains: stretches of values are interpreted as vectors.
  options.engine.tier = how.tier == eval::Tier::automatic ? eval::Tier::interpreter : how.tier;
  options.engine.load_compiler = jit_loader();
  options.engine.initial_versions = [](plan::Index) {
    return std::vector<std::string>{"the version before"};
  };
  options.semantics = data.history.semantics;
  options.from = data.from;
  options.to = data.to;
  options.threads = std::max(1u, std::thread::hardware_concurrency());
  options.every_tick = how.every_tick;
  options.finished = how.finished;
  const auto began = std::chrono::steady_clock::now();
  if (watched())
    options.progress = [began, what = how.what](double done) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      // Of less nothing can be told yet.
      const std::string left =
          done > 0.01 ? fmt::format("{:.0f} s to go", seconds / done - seconds) : std::string();
      tell("\r{} {:3.0f}%  {:<14}", what, 100 * done, left);
    };
  watch_for_interrupt();
  options.interrupted = was_interrupted;
  return options;
}

std::vector<loop::Story> replay_stories(const std::vector<const plan::Plan*>& plans,
                                        const store::SeriesStore& store, const ReplayData& data,
                                        const ReplayHow& how) {
  return loop::replay_all(plans, store, stories_options(data, how));
}

}  // namespace signalbox::cli
