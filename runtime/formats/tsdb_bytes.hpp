// The numbers of Prometheus' files: big-endian, and Go's varints. A reader never trusts a length: running out
// sets a sticky failure.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace signalbox::formats::tsdb {

inline std::uint64_t load_be64(const char* from) {
  std::uint64_t word;
  std::memcpy(&word, from, 8);
  return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}
inline std::uint32_t load_be32(const char* from) {
  std::uint32_t word;
  std::memcpy(&word, from, 4);
  return std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
}

class Bytes {
 public:
  explicit Bytes(std::string_view in) : at_(in.data()), begin_(in.data()), end_(in.data() + in.size()) {}

  std::uint8_t u8() { return has(1) ? static_cast<std::uint8_t>(*at_++) : std::uint8_t{0}; }
  std::uint16_t be16() {
    const std::uint16_t high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t be32() {
    if (!has(4)) return 0;
    at_ += 4;
    return load_be32(at_ - 4);
  }
  std::uint64_t be64() {
    if (!has(8)) return 0;
    at_ += 8;
    return load_be64(at_ - 8);
  }
  std::uint64_t uvarint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = u8();
      if (shift == 63 && b > 1) break;
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    fail();
    return 0;
  }
  std::int64_t varint() {
    const std::uint64_t v = uvarint();
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
  }
  std::string_view take(std::uint64_t n) {
    if (n > left()) {
      fail();
      return {};
    }
    at_ += n;
    return {at_ - n, static_cast<std::size_t>(n)};
  }
  std::string_view text() { return take(uvarint()); }

  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }
  bool ok() const { return !failed_; }
  bool done() const { return !failed_ && at_ == end_; }

 private:
  bool has(std::size_t n) {
    if (left() >= n) return true;
    fail();
    return false;
  }
  void fail() {
    failed_ = true;
    at_ = end_;
  }
  const char* at_;
  const char* begin_;
  const char* end_;
  bool failed_ = false;
};

// Sums of hostile numbers wrap around.
inline std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

}  // namespace signalbox::formats::tsdb
