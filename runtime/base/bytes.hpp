// Canonical bytes: one value has one encoding. Integers are LEB128, doubles their eight bits little-endian,
// strings a length and the bytes. Readers never trust a length: running out sets a sticky failure.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace signalbox {

class ByteWriter {
 public:
  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void uint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) out_.push_back(static_cast<char>(v | 0x80));
    out_.push_back(static_cast<char>(v));
  }
  void sint(std::int64_t v) {
    uint((static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63));
  }
  void real(double v) {
    std::uint64_t bits = std::bit_cast<std::uint64_t>(v);
    for (int i = 0; i < 8; ++i, bits >>= 8) out_.push_back(static_cast<char>(bits));
  }
  void boolean(bool v) { u8(v ? 1 : 0); }
  void text(std::string_view s) {
    uint(s.size());
    out_.append(s);
  }
  const std::string& bytes() const& { return out_; }
  std::string bytes() && { return std::move(out_); }

 private:
  std::string out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}
  std::uint8_t u8() {
    if (at_ >= in_.size()) return fail();
    return static_cast<std::uint8_t>(in_[at_++]);
  }
  std::uint64_t uint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = u8();
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    return fail();
  }
  std::int64_t sint() {
    const std::uint64_t v = uint();
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
  }
  double real() {
    if (in_.size() - at_ < 8) return fail();
    std::uint64_t bits = 0;
    for (int i = 7; i >= 0; --i)
      bits = bits << 8 | static_cast<std::uint8_t>(in_[at_ + static_cast<std::size_t>(i)]);
    at_ += 8;
    return std::bit_cast<double>(bits);
  }
  bool boolean() { return u8() != 0; }
  std::string text() {
    const std::uint64_t n = uint();
    if (n > in_.size() - at_) {
      fail();
      return {};
    }
    std::string s(in_.substr(at_, n));
    at_ += n;
    return s;
  }
  // For element counts: no more than one element a remaining byte, so that a hostile count allocates nothing.
  std::uint64_t count() {
    const std::uint64_t n = uint();
    return n <= in_.size() - at_ ? n : fail();
  }
  bool ok() const { return !failed_; }
  bool done() const { return !failed_ && at_ == in_.size(); }

 private:
  std::uint8_t fail() {
    failed_ = true;
    at_ = in_.size();
    return 0;
  }
  std::string_view in_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace signalbox
