// A replay of a Prometheus data directory that reads the series of one SLO after the other, on all cores, and
// keeps no more of them than it is looking at.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/loop/stream.hpp"
#include "runtime/sources/tsdb_feed.hpp"

namespace signalbox::loop {

class DirectoryReplay {
 public:
  // `plan` is_slo_by_slo(). What it reads of [from, to], or of all that there is. `folders` and `plan`
  // outlive the replay.
  static Result<DirectoryReplay> open(ForeignFolders& folders, const std::string& path,
                                      const plan::Plan& plan, std::optional<Instant> from,
                                      std::optional<Instant> to, const Limits& limits);

  // The first and the last sample or marker of the plan's series.
  const std::optional<std::pair<Instant, Instant>>& extent() const { return extent_; }
  // Nothing when a block turned out to be damaged: it is left out as a whole from now on, extent() may be
  // another, and everything is to be replayed again.
  Result<std::optional<Streamed>> replay(const StoriesOptions& options);
  std::size_t samples() const { return samples_; }  // that the last replay read, each once
  // What was left out or passed over, and why; after replay().
  const std::vector<Error>& notices() const { return notices_; }

 private:
  DirectoryReplay(const plan::Plan& plan, sources::TsdbHistory history)
      : plan_(&plan), history_(std::make_unique<sources::TsdbHistory>(std::move(history))) {}
  Result<void> look();

  const plan::Plan* plan_;
  std::unique_ptr<sources::TsdbHistory> history_;
  std::unique_ptr<sources::TsdbFeed> feed_;
  std::optional<std::pair<Instant, Instant>> extent_;
  std::size_t samples_ = 0;
  std::vector<Error> notices_;
};

}  // namespace signalbox::loop
