#include "cli/directory_replay.hpp"

#include <algorithm>

#include "cli/output.hpp"
#include "runtime/loop/directory_replay.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/plan/slice.hpp"
#include "runtime/sources/tsdb_files.hpp"

namespace signalbox::cli {

bool streams(const plan::Plan& plan, const std::string& location, eval::Tier tier) {
  if (is_url(location) || !plan::is_slo_by_slo(plan) || tier == eval::Tier::compiled) return false;
  return sources::is_data_directory(*net::make_posix_folders(), location);
}

std::optional<DirectoryReplay> replay_directory(const plan::Plan& plan, const HistoryRequest& request,
                                                int& code) {
  const std::unique_ptr<ForeignFolders> folders = net::make_posix_folders();
  const auto refuse = [&](const Error& error) {
    say(error);
    code = exit_code_of(error);
    return std::nullopt;
  };
  auto directory =
      loop::DirectoryReplay::open(*folders, request.location, plan, request.from, request.to, Limits{});
  if (!directory) return refuse(directory.error());
  for (;;) {
    if (!directory->extent()) {
      for (const Error& notice : directory->notices()) say(notice);
      no_samples(request, code);
      return std::nullopt;
    }
    const auto [first, last] = *directory->extent();
    DirectoryReplay out;
    out.data.history.semantics = Semantics::prometheus2;
    out.data.history.first = std::max(first, request.from.value_or(first));
    out.data.history.last = std::min(last, request.to.value_or(last));
    out.data.from = request.from.value_or(out.data.history.first);
    out.data.to = request.to.value_or(out.data.history.last);
    if (!has_ticks({&plan}, request.location, out.data, code)) return std::nullopt;
    auto streamed = directory->replay(stories_options(out.data, {eval::Tier::automatic, false, "replay"}));
    if (!streamed) return refuse(streamed.error());
    if (!*streamed) continue;
    for (const Error& notice : directory->notices()) say(notice);
    out.data.history.samples = directory->samples();
    out.story = std::move((*streamed)->story);
    return out;
  }
}

}  // namespace signalbox::cli
