#include "runtime/formats/tsdb_wal.hpp"

#include <fmt/format.h>
#include <snappy-c.h>

#include <algorithm>

#include "runtime/base/crc32c.hpp"

namespace signalbox::formats::tsdb {
namespace {

// A fragment of a record: its type, two bytes of length, four of checksum.
constexpr std::size_t fragment_head_bytes = 7;
constexpr unsigned page_end = 0, full = 1, first = 2, middle = 3, last = 4;
constexpr unsigned type_mask = 7, snappy_bit = 8, zstd_bit = 16;

}  // namespace

std::string_view wal_record_name(std::uint8_t type) {
  switch (static_cast<WalRecord>(type)) {
    case WalRecord::series:
      return "series";
    case WalRecord::samples:
      return "samples";
    case WalRecord::tombstones:
      return "tombstones";
    case WalRecord::exemplars:
      return "exemplars";
    case WalRecord::mmap_markers:
      return "markers of chunks";
    case WalRecord::metadata:
      return "metadata";
    case WalRecord::histograms:
      return "histograms";
    case WalRecord::float_histograms:
      return "float histograms";
  }
  return "";
}

void WalSegment::page(std::string_view bytes) {
  page_from_ += page_.size();
  page_ = bytes;
  at_ = 0;
}

WalSegment::Step WalSegment::broken(std::string why) {
  damage_ = std::move(why);
  return Step::damaged;
}

WalSegment::Step WalSegment::next() {
  const bool whole = page_.size() == wal_page_bytes;
  while (at_ < page_.size()) {
    const std::uint64_t here = page_from_ + at_;
    const auto head = static_cast<std::uint8_t>(page_[at_]);
    const unsigned type = head & type_mask;
    if (!open_) record_at_ = here;
    if (type == page_end) {
      const std::string_view rest = page_.substr(at_);
      at_ = page_.size();
      if (std::any_of(rest.begin(), rest.end(), [](char c) { return c != 0; })) {
        record_at_ = here;
        return broken("bytes where the page should be empty");
      }
      continue;
    }
    if (page_.size() - at_ < fragment_head_bytes) {
      if (!whole) return Step::torn;
      record_at_ = here;
      return broken("the head of a record passes the end of its page");
    }
    Bytes in(page_.substr(at_ + 1));
    const std::size_t length = in.be16();
    const std::uint32_t sum = in.be32();
    const std::string_view fragment = in.take(length);
    if (!in.ok()) {
      if (!whole && at_ + fragment_head_bytes + length <= wal_page_bytes) return Step::torn;
      record_at_ = here;
      return broken("a record passes the end of its page");
    }
    if (sum != crc32c(fragment)) {
      record_at_ = here;
      return broken("the checksum of a record does not fit it");
    }
    at_ += fragment_head_bytes + length;
    const bool begins = type == full || type == first;
    if (type > last || begins == open_ || (head & zstd_bit) != 0) {
      record_at_ = here;
      return broken(type > last || begins == open_
                        ? "a record is not put together as one"
                        : "a record packed with zstd, which this version does not read");
    }
    if (begins) {
      packed_ = (head & snappy_bit) != 0;
      joined_.clear();
    }
    if (joined_.size() + fragment.size() > record_bytes_)
      return broken(fmt::format("a record is longer than {} bytes", record_bytes_));
    if (type != full) joined_.append(fragment);
    open_ = type == first || type == middle;
    if (open_) continue;
    record_ = type == full ? fragment : std::string_view(joined_);
    if (packed_) {
      std::size_t size = 0;
      if (snappy_uncompressed_length(record_.data(), record_.size(), &size) != SNAPPY_OK)
        return broken("a record cannot be unpacked");
      if (size > record_bytes_) return broken(fmt::format("a record is longer than {} bytes", record_bytes_));
      if (unpacked_.size() < size) unpacked_.resize(size);
      if (snappy_uncompress(record_.data(), record_.size(), unpacked_.data(), &size) != SNAPPY_OK)
        return broken("a record cannot be unpacked");
      record_ = std::string_view(unpacked_).substr(0, size);
    }
    return Step::record;
  }
  return Step::done;
}

}  // namespace signalbox::formats::tsdb
