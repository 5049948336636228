// Bits at the end of bytes, the first one on top.
#pragma once

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

}  // namespace signalbox::test
