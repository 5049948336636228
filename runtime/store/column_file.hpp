// A store's columns in a file, packed as they are in memory: a cache, which whoever reads it can do without.
// Not a format to exchange: it may change with every version, and then older files are refused.
//
//   header   "SBCOLUMN", version and a mark of the byte order (4 bytes each), key (16), size of the file (8),
//   series (8) series   each: labels; how many chunks and their bytes; each chunk's first time, size and
//   bytes; the tail; births;
//            stale markers. Numbers are LEB128, times differences, values eight bytes.
//   digest   of everything before it (16)
//
// One store has one sequence of bytes for one key.
#pragma once

#include "runtime/base/content_digest.hpp"
#include "runtime/base/host.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::store {

inline constexpr std::uint32_t column_file_version = 1;

// Into an empty file, without sync(): what a crash leaves is refused by its digest. `key` says what the
// columns were made from. Series are written by rising id. Errors are the file's; `invalid_argument` for a
// store that has forgotten samples.
Result<void> write_columns(const SeriesStore& store, const Digest128& key, DiskFile& file);

// `malformed` for whatever is not such a file, whole and of this version, byte order and key;
// `limit_exceeded` when it holds more than `limits` allow; or the file's own error. Nothing that the bytes
// say is believed: chunks are unpacked, and all that can be worked out is.
Result<SeriesStore> read_columns(DiskFile& file, const Digest128& key, const Limits& limits);

}  // namespace signalbox::store
