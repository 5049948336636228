// Numbers as programs print most of them: some digits, maybe a point and some more. What is read here is read
// as text.hpp reads it, bit for bit, and everything else is left to that. For exposition.cpp alone.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "runtime/formats/text.hpp"

namespace signalbox::formats {

// How far past its beginning a number and the time after it may be looked at, whatever stands there.
inline constexpr std::size_t plain_reach = 64;

struct Digits {
  std::uint64_t number;
  unsigned count;
};

// The digits that `p` begins with, eight at most. Reads eight bytes.
inline Digits eight_digits(const char* p) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word;
  std::memcpy(&word, p, 8);
  word ^= 0x3030303030303030u;
  // Bytes above 9 get their top bit; what they carry changes only bytes after the first of them.
  const std::uint64_t others = ((word + 0x7676767676767676u) | word) & 0x8080808080808080u;
  const unsigned count = others == 0 ? 8 : static_cast<unsigned>(std::countr_zero(others)) / 8;
  if (count == 0) return {0, 0};
  word <<= 64 - 8 * count;
  word = word * 10 + (word >> 8);
  constexpr std::uint64_t pairs = 0x000000ff000000ffu;
  word = (word & pairs) * 0x000f424000000064u + ((word >> 16) & pairs) * 0x0000271000000001u;
  return {word >> 32, count};
}

inline constexpr std::uint64_t whole_powers[] = {1,
                                                 10,
                                                 100,
                                                 1'000,
                                                 10'000,
                                                 100'000,
                                                 1'000'000,
                                                 10'000'000,
                                                 100'000'000,
                                                 1'000'000'000,
                                                 10'000'000'000,
                                                 100'000'000'000,
                                                 1'000'000'000'000,
                                                 10'000'000'000'000,
                                                 100'000'000'000'000,
                                                 1'000'000'000'000'000,
                                                 10'000'000'000'000'000};

// Sixteen at most. Reads as many bytes.
inline Digits sixteen_digits(const char* p) {
  const Digits high = eight_digits(p);
  if (high.count < 8) return high;
  const Digits low = eight_digits(p + 8);
  return {high.number * whole_powers[low.count] + low.number, 8 + low.count};
}

// Moves `p` past the number. False where it is not plain; `p` is then anywhere. What follows the number is
// the caller's to look at.
inline bool plain_value(const char*& p, double& out) {
  // Whole numbers up to here, and powers of ten up to 10^22, are doubles: one division of two of them rounds
  // once, as reading the decimal does.
  constexpr std::uint64_t largest_whole = std::uint64_t{1} << 53;
  const bool negative = *p == '-';
  if (negative) ++p;
  const Digits whole = sixteen_digits(p);
  if (whole.count == 0) return false;
  p += whole.count;
  std::uint64_t number = whole.number;
  double value;
  if (*p == '.') {
    const Digits part = sixteen_digits(++p);
    if (part.count == 0 || whole.count + part.count > 19) return false;
    p += part.count;
    number = number * whole_powers[part.count] + part.number;
    value = static_cast<double>(static_cast<std::int64_t>(number)) /
            static_cast<double>(static_cast<std::int64_t>(whole_powers[part.count]));
  } else {
    value = static_cast<double>(static_cast<std::int64_t>(number));
  }
  if (number > largest_whole) return false;
  out = negative ? -value : value;
  return true;
}

// Seconds with up to three decimals, from 1970 on.
inline bool plain_seconds(const char*& p, std::int64_t& ms) {
  const Digits whole = sixteen_digits(p);
  if (whole.count == 0 || whole.number > static_cast<std::uint64_t>(max_instant_ms / 1000 - 1)) return false;
  p += whole.count;
  ms = static_cast<std::int64_t>(whole.number) * 1000;
  if (*p != '.') return true;
  const Digits part = eight_digits(++p);
  if (part.count == 0 || part.count > 3) return false;
  p += part.count;
  ms += static_cast<std::int64_t>(part.number * whole_powers[3 - part.count]);
  return true;
}

inline bool plain_ms(const char*& p, std::int64_t& ms) {
  const Digits whole = sixteen_digits(p);
  if (whole.count == 0 || whole.number > static_cast<std::uint64_t>(max_instant_ms)) return false;
  p += whole.count;
  ms = static_cast<std::int64_t>(whole.number);
  return true;
}

}  // namespace signalbox::formats
