// Which series of a block a plan's selectors find: through the block's postings, so that other series cost
// nothing.
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

// How long the piece is that begins with `bytes`, which stand at `offset` of `file`. `size_of` says it, of
// its first `head` bytes.
template <class SizeOf>
Result<std::size_t> piece_size(std::string_view bytes, const NamedFile& file, std::uint64_t offset,
                               std::size_t head, SizeOf size_of, std::size_t most) {
  const Result<std::uint64_t> size = size_of(bytes.substr(0, head));
  if (!size) return at_place(size.error(), file.path, offset);
  if (*size > most)
    return at_place({ErrorCode::malformed, "what begins here would be longer than is read at once"},
                    file.path, offset);
  return static_cast<std::size_t>(*size);
}
inline Error ends_within_piece(const NamedFile& file, std::uint64_t offset) {
  return at_place({ErrorCode::malformed, "the file ends within what begins here"}, file.path, offset);
}

// The piece of `file` that begins at `offset`. `malformed` when the file ends within it.
template <class SizeOf>
Result<std::string_view> read_piece(FileWindow& window, const NamedFile& file, std::uint64_t offset,
                                    std::size_t head, SizeOf size_of, std::size_t most, std::size_t ahead) {
  const Result<std::string_view> first = window.bytes(file, offset, head, ahead);
  if (!first) return first.error();
  const Result<std::size_t> size = piece_size(*first, file, offset, head, size_of, most);
  if (!size) return size.error();
  Result<std::string_view> whole = window.bytes(file, offset, *size, ahead);
  if (whole && whole->size() < *size) return ends_within_piece(file, offset);
  return whole;
}

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
