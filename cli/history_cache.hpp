// What was read of recorded files, kept for the next time: files of columns in one directory, each named by
// the content that it was made from. Nothing here is ever an error: what cannot be read is not there, what
// cannot be written is not kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/base/content_digest.hpp"
#include "runtime/base/host.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::cli {

class HistoryCache {
 public:
  // `directory` is made when it is first written to.
  HistoryCache(Disk& disk, std::string directory, const Limits& limits)
      : disk_(disk), directory_(std::move(directory)), limits_(limits) {}

  std::optional<store::SeriesStore> find(const Digest128& key);
  // Other processes may do the same at once: a file appears as a whole or not at all. Then removes what was
  // not used for the longest time, as far as history_cache_bytes ask for it.
  void keep(const Digest128& key, const store::SeriesStore& store);

 private:
  std::string path_of(const Digest128& key) const;
  void make_room(std::uint64_t most, const std::string& but) const;

  Disk& disk_;
  std::string directory_;
  Limits limits_;
};

}  // namespace signalbox::cli
