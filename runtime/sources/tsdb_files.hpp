// The files of a Prometheus data directory, opened together, and pieces of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/host.hpp"
#include "runtime/formats/tsdb_block.hpp"

namespace signalbox::sources {

struct NamedFile {
  std::string path;
  std::shared_ptr<ReadableFile> file;
};

// Reads pieces into a buffer that is used again. One for each thread.
class FileWindow {
 public:
  // `size` bytes from `offset` on, valid until the next call; fewer only at the file's end. Where they are
  // not at hand yet, `ahead` bytes are read if that is more. `slack` bytes behind them can be read and mean
  // nothing.
  Result<std::string_view> bytes(const NamedFile& file, std::uint64_t offset, std::size_t size,
                                 std::size_t ahead);
  static constexpr std::size_t slack = 64;

 private:
  std::shared_ptr<ReadableFile> file_;
  std::uint64_t from_ = 0;
  std::size_t size_ = 0;  // bytes at hand
  std::vector<std::uint8_t> buffer_;
};

// A message with the place that it is about.
Error at_place(const Error& error, const std::string& path, std::uint64_t offset);

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

struct BlockFiles {
  std::string path;
  formats::tsdb::BlockMeta meta;
  NamedFile index, tombstones;  // without a file when there are no tombstones
  std::vector<NamedFile> segments;
};

struct DataFiles {
  // Those with samples in the time asked for, by where they begin; also those that others of them replace.
  std::vector<BlockFiles> blocks;
  Instant others_to{INT64_MIN};  // where the latest of the other blocks ends
  std::optional<Instant> last;   // of all blocks
  std::vector<NamedFile> head_chunks;
  std::vector<NamedFile> checkpoint, log;  // segments of the write-ahead log, in order
  std::vector<NamedFile> late_log;         // of samples that came late
  std::vector<Error> notices;              // what is left out
};

// What is said of the block in the folder `block` when it cannot be read.
Error block_left_out(const std::string& block, const Error& why);

// Whether the folder has what a Prometheus data directory has: a log or a block.
bool is_data_directory(ForeignFolders& folders, const std::string& path);

// Opens what has samples in [from, to]. The directory of a running server changes: this sees it as it was at
// one moment, or fails with `io` after some attempts. A block that cannot be opened is left out, with a
// notice.
Result<DataFiles> open_data_files(ForeignFolders& folders, const std::string& path, Instant from, Instant to);

}  // namespace signalbox::sources
