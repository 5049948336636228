// A block's index: the series that selectors find, and what it says of each.
#pragma once

#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/base/limits.hpp"
#include "runtime/formats/tsdb_index.hpp"
#include "runtime/sources/tsdb_files.hpp"
#include "runtime/sources/tsdb_postings.hpp"

namespace signalbox::sources {

// Entries of `block`'s index by reference. They refer to the block's files.
class BlockIndex {
 public:
  // Reads the header and the table of contents.
  static Result<BlockIndex> open(const BlockFiles& block, const Limits& limits);

  // Series that one of the selectors accepts, by rising reference. `limit_exceeded` past store_series, and
  // for labels past labels_per_series, label_name_bytes and label_value_bytes.
  Result<void> select(const SelectorSet& selectors, const Limits& limits,
                      const std::function<void(std::uint64_t reference, Labels&&)>& visit) const;
  // One series' entry; several threads may read, each with a window of its own. `ahead`: how many bytes are
  // read at once, for the entries that follow.
  Result<void> series(std::uint64_t reference, const Limits& limits, FileWindow& window, std::size_t ahead,
                      formats::tsdb::IndexSeries& into) const;

 private:
  const BlockFiles* block_ = nullptr;
  int version_ = 0;
  formats::tsdb::Toc toc_;
};

// Deleted stretches by series, each [first, last].
using Stretches = std::vector<std::pair<std::int64_t, std::int64_t>>;
using Tombstones = std::unordered_map<std::uint64_t, Stretches>;
Result<Tombstones> read_tombstones_of(const BlockFiles& block, const Limits& limits);

}  // namespace signalbox::sources
