// Bits at the end of bytes, the first one on top.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>

namespace signalbox::test {

class BitWriter {
 public:
  explicit BitWriter(std::string& out) : out_(out) {}
  void put(std::uint64_t value, int width) {
    for (int bit = width - 1; bit >= 0; --bit) {
      if (free_ == 0) {
        out_.push_back(0);
        free_ = 8;
      }
      --free_;
      if ((value >> bit & 1) != 0) out_.back() = static_cast<char>(out_.back() | 1 << free_);
    }
  }

 private:
  std::string& out_;
  int free_ = 0;
};

// Doubles by what differs from the one before.
class XorWriter {
 public:
  void first(BitWriter& bits, double value) { bits.put(before_ = std::bit_cast<std::uint64_t>(value), 64); }
  // After a first value that stands elsewhere.
  void after(double value) { before_ = std::bit_cast<std::uint64_t>(value); }
  void next(BitWriter& bits, double value) {
    const std::uint64_t now = std::bit_cast<std::uint64_t>(value), x = now ^ before_;
    before_ = now;
    if (x == 0) return bits.put(0, 1);
    bits.put(1, 1);
    const int zeros_before = std::min(31, std::countl_zero(x)), zeros_after = std::countr_zero(x);
    if (leading_ >= 0 && zeros_before >= leading_ && zeros_after >= trailing_) {
      bits.put(0, 1);
    } else {
      leading_ = zeros_before;
      trailing_ = zeros_after;
      bits.put(1, 1);
      bits.put(static_cast<std::uint64_t>(leading_), 5);
      bits.put(static_cast<std::uint64_t>(64 - leading_ - trailing_), 6);
    }
    bits.put(x >> trailing_, 64 - leading_ - trailing_);
  }

 private:
  std::uint64_t before_ = 0;
  int leading_ = -1, trailing_ = 0;
};

}  // namespace signalbox::test
