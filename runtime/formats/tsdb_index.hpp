// The index of a Prometheus block, version 1 and 2, piece by piece: the caller reads the bytes of a piece
// from the file and has them taken apart here. Every piece has a checksum, which is compared. Offsets are
// bytes from the file's beginning.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"

namespace signalbox::formats::tsdb {

// The version, 1 or 2.
inline constexpr std::size_t index_header_bytes = 5;
Result<int> read_index_header(std::string_view first_bytes);

// The table of contents: the last bytes of the file. 0: there is no such section.
inline constexpr std::size_t toc_bytes = 52;
struct Toc {
  std::uint64_t symbols = 0, series = 0, label_indices = 0, label_table = 0, postings = 0, postings_table = 0;
};
Result<Toc> read_toc(std::string_view last_bytes);

// Symbols, postings and tables are sections: a length of four bytes, the content, a checksum.
inline constexpr std::size_t section_head_bytes = 4;
// The whole section, head and checksum included, by its head.
Result<std::uint64_t> section_size(std::string_view head);

// The strings that labels are made of. Refers to the section that it is made of.
class Symbols {
 public:
  // `offset`: where the section stands; series of version 1 refer to bytes of the file.
  static Result<Symbols> read(std::string_view section, int version, std::uint64_t offset);
  Result<std::string_view> at(std::uint64_t reference) const;

 private:
  std::string_view section_;
  std::uint64_t offset_ = 0;
  std::vector<std::uint32_t> places_;  // version 2: of the strings, in the section
};

// Which labels there are, and where the list of the series that have one stands. "" = "" is the list of all
// series.
using PostingsVisitor =
    std::function<void(std::string_view name, std::string_view value, std::uint64_t offset)>;
Result<void> read_postings_table(std::string_view section, const PostingsVisitor& visit);
// A list: references of series, rising. Replaces `references`.
Result<void> read_postings(std::string_view section, std::vector<std::uint64_t>& references);

struct IndexSeries {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> labels;  // references of symbols
  struct Chunk {
    std::int64_t first = 0, last = 0;  // times of its samples
    std::uint64_t reference = 0;       // the segment (from 0) in the upper 32 bits, the offset in the lower
  };
  std::vector<Chunk> chunks;
};
// Where a series stands: a reference counts 16 bytes in version 2.
inline std::uint64_t series_offset(std::uint64_t reference, int version) {
  return version == 1 ? reference : reference * 16;
}
// The whole entry, length and checksum included, by its first bytes (up to `series_head_bytes` of them).
inline constexpr std::size_t series_head_bytes = 10;
Result<std::uint64_t> series_size(std::string_view first_bytes);
// Replaces what is in `series`; its memory is used again.
Result<void> read_series(std::string_view entry, IndexSeries& series);

}  // namespace signalbox::formats::tsdb
