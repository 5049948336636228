// Any bytes as a segment of the write-ahead log, page by page: as they are, and with checksums that fit; and
// as the records themselves.
#include <algorithm>
#include <cstdint>
#include <string>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_histograms.hpp"
#include "tests/support/tsdb_writer.hpp"

using namespace signalbox;
using namespace signalbox::formats::tsdb;

namespace {

std::size_t entries = 0;

void read_record(std::string_view record) {
  WalLabels labels;
  (void)read_series_record(record, labels, [](std::uint64_t, const WalLabels& of) { entries += of.size(); });
  (void)read_samples_record(record, [](std::uint64_t, std::int64_t, double) { ++entries; });
  (void)read_histograms_record(record, [](std::uint64_t, TimedHistogram&&, bool) { ++entries; });
  (void)read_tombstones_record(record, [](std::uint64_t, std::int64_t, std::int64_t) { ++entries; });
}

void read_segment(std::string_view bytes) {
  WalSegment segment(1u << 20);
  for (std::size_t at = 0; at < bytes.size(); at += wal_page_bytes) {
    segment.page(bytes.substr(at, wal_page_bytes));
    for (;;) {
      const WalSegment::Step step = segment.next();
      if (step == WalSegment::Step::done) break;
      if (segment.offset() > bytes.size()) __builtin_trap();
      if (step != WalSegment::Step::record) return;
      read_record(segment.record());
    }
  }
}

std::string with_checksums(std::string bytes) {
  for (std::size_t page = 0; page < bytes.size(); page += wal_page_bytes) {
    const std::size_t end = std::min(page + wal_page_bytes, bytes.size());
    for (std::size_t at = page; at + 7 <= end && (bytes[at] & 7) != 0;) {
      const std::size_t length = static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[at + 1])) << 8 |
                                 static_cast<std::uint8_t>(bytes[at + 2]);
      if (at + 7 + length > end) break;
      std::string sum;
      test::put_be(sum, crc32c(std::string_view(bytes).substr(at + 7, length)), 4);
      bytes.replace(at + 3, 4, sum);
      at += 7 + length;
    }
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_segment(bytes);
  read_segment(with_checksums(std::string(bytes)));
  read_record(bytes);
  return 0;
}
