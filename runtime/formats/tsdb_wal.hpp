// Prometheus' write-ahead log: pages, the records in them, and what the records say.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/formats/tsdb_bytes.hpp"

namespace signalbox::formats::tsdb {

inline constexpr std::size_t wal_page_bytes = 32 * 1024;

enum class WalRecord : std::uint8_t {
  series = 1,
  samples = 2,
  tombstones = 3,
  exemplars = 4,
  mmap_markers = 5,
  metadata = 6,
  histograms = 7,
  float_histograms = 8,
};
// "series", "samples", …; "" for what this version does not know.
std::string_view wal_record_name(std::uint8_t type);

// Puts the records of one segment together. Give it the segment's pages in order, then take the records of
// each.
class WalSegment {
 public:
  // `record_bytes`: the longest record, unpacked, that is taken.
  explicit WalSegment(std::size_t record_bytes) : record_bytes_(record_bytes) {}

  // The next page; shorter than wal_page_bytes only at the segment's end. Must stay where it is until next()
  // has said `done`.
  void page(std::string_view bytes);

  enum class Step {
    record,  // `record()` is one, its type first
    done,    // nothing more in this page
    torn,    // the segment ends within a record: it was being written
    damaged,
  };
  Step next();
  std::string_view record() const { return record_; }
  const std::string& damage() const { return damage_; }
  // Where the record, the damage or the torn end begins: bytes from the segment's beginning.
  std::uint64_t offset() const { return record_at_; }
  // Within a record, after the last page: it is torn too.
  bool open() const { return open_; }

 private:
  Step broken(std::string why);

  std::size_t record_bytes_;
  std::string_view page_;
  std::size_t at_ = 0;           // in the page
  std::uint64_t page_from_ = 0;  // of the page
  std::uint64_t record_at_ = 0;
  bool open_ = false, packed_ = false;
  std::string joined_, unpacked_;  // a record over several fragments, and what was packed
  std::string_view record_;
  std::string damage_;
};

// What records say. Each takes a record with its type, calls `visit` for each entry, and is false when the
// record is cut short or of another type; entries before that were visited.

using WalLabels = std::vector<std::pair<std::string_view, std::string_view>>;

// visit(std::uint64_t series, const WalLabels&)
template <class Visit>
bool read_series_record(std::string_view record, WalLabels& labels, Visit&& visit) {
  Bytes in(record);
  if (in.u8() != static_cast<std::uint8_t>(WalRecord::series)) return false;
  while (in.left() > 0) {
    const std::uint64_t series = in.be64(), count = in.uvarint();
    if (!in.ok() || count > in.left()) return false;
    labels.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string_view name = in.text();
      labels.emplace_back(name, in.text());
    }
    if (!in.ok()) return false;
    visit(series, labels);
  }
  return in.ok();
}

// visit(std::uint64_t series, std::int64_t time, double value)
template <class Visit>
bool read_samples_record(std::string_view record, Visit&& visit) {
  Bytes in(record);
  if (in.u8() != static_cast<std::uint8_t>(WalRecord::samples)) return false;
  if (in.left() == 0) return in.ok();
  const std::uint64_t series = in.be64();
  const auto time = static_cast<std::int64_t>(in.be64());
  while (in.left() > 0) {
    const std::int64_t further = in.varint(), later = in.varint();
    const std::uint64_t value = in.be64();
    if (!in.ok()) return false;
    visit(series + static_cast<std::uint64_t>(further), wrapping_add(time, later),
          std::bit_cast<double>(value));
  }
  return in.ok();
}

// visit(std::uint64_t series, std::int64_t first, std::int64_t last)
template <class Visit>
bool read_tombstones_record(std::string_view record, Visit&& visit) {
  Bytes in(record);
  if (in.u8() != static_cast<std::uint8_t>(WalRecord::tombstones)) return false;
  while (in.left() > 0) {
    const std::uint64_t series = in.be64();
    const std::int64_t first = in.varint(), last = in.varint();
    if (!in.ok()) return false;
    visit(series, first, last);
  }
  return in.ok();
}

}  // namespace signalbox::formats::tsdb
