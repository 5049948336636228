#include "runtime/formats/xor_decoder.hpp"

#include <algorithm>
#include <bit>

#include "runtime/formats/tsdb_bytes.hpp"

namespace signalbox::formats::tsdb {
namespace {

// At least 57 bits from bit `at` on, the first one on top.
std::uint64_t peek(const char* from, std::size_t at) {
  return load_be64(from + at / 8) << (at % 8);
}
// `width` bits (1 to 64) from bit `at` on.
std::uint64_t bits(const char* from, std::size_t at, unsigned width) {
  std::uint64_t word = peek(from, at);
  if (width > 57) word |= static_cast<std::uint8_t>(from[at / 8 + 8]) >> (8 - at % 8);
  return word >> (64 - width);
}
// A difference of differences in `width` bits. As Prometheus has it, 2^(width−1) itself is positive.
std::int64_t signed_of(std::uint64_t v, unsigned width) {
  const auto value = static_cast<std::int64_t>(v);
  return value > (std::int64_t{1} << (width - 1)) ? value - (std::int64_t{1} << width) : value;
}

// Takes the change of the value that begins at bit `at`, where `word` has at least 56 bits of it.
inline __attribute__((always_inline)) bool take_change(const char* from, std::uint64_t word, std::size_t& at,
                                                       std::uint64_t& value, unsigned& width,
                                                       unsigned& trailing) {
  if (static_cast<std::int64_t>(word) >= 0) {
    at += 1;
    return true;
  }
  if (word < 0xc000'0000'0000'0000) {
    if (width == 0) return false;
    at += 2;
    word <<= 2;
  } else {
    const auto leading = static_cast<unsigned>(word >> 57) & 31;
    width = static_cast<unsigned>(word >> 51) & 63;
    // 64 does not fit into six bits.
    if (width == 0) width = 64;
    if (leading + width > 64) return false;
    trailing = 64 - leading - width;
    at += 13;
    word <<= 13;
  }
  // 43 bits of it are left at least.
  value ^= (width <= 43 ? word >> (64 - width) : bits(from, at, width)) << trailing;
  at += width;
  return true;
}

}  // namespace

bool XorDecoder::begin(std::string_view data, std::int64_t* to_times, double* to_values) {
  times = to_times;
  values = to_values;
  Bytes head(data);
  count = head.be16();
  if (!head.ok()) return false;
  if (count == 0) return true;
  time = head.varint();
  value = head.be64();
  if (!head.ok()) return false;
  times[0] = time;
  values[0] = std::bit_cast<double>(value);
  done = 1;
  if (count == 1) return true;
  delta = static_cast<std::int64_t>(head.uvarint());
  from = data.data() + head.position();
  end = head.left() * 8;
  return head.ok();
}

bool XorDecoder::finish() {
  // In registers.
  const char* const bytes = from;
  std::int64_t* const to_times = times;
  double* const to_values = values;
  const std::size_t until = count;
  std::size_t bit = at, i = done;
  std::int64_t now = time, distance = delta;
  std::uint64_t last = value;
  unsigned wide = width, behind = trailing;
  if (i == 1 && until > 1) {
    // The second one has no distance to change.
    if (end == 0 || !take_change(bytes, peek(bytes, 0), bit, last, wide, behind)) return false;
    now = wrapping_add(now, distance);
    to_times[1] = now;
    to_values[1] = std::bit_cast<double>(last);
    i = 2;
  }
  while (i < until) {
    // A sample begins within the data, and has no more than 145 bits: the slack.
    if (bit >= end) return false;
    std::uint64_t word = peek(bytes, bit);
    if (word >> 62 == 0) {
      // The same value after the same distance, and as many more of these as the bits at hand say.
      constexpr std::size_t most = 28;
      const std::size_t same =
          std::min({static_cast<std::size_t>(std::countl_zero(word)) / 2, most, until - i});
      const double number = std::bit_cast<double>(last);
      for (const std::size_t end_of_run = i + same; i < end_of_run; ++i) {
        now = wrapping_add(now, distance);
        to_times[i] = now;
        to_values[i] = number;
      }
      bit += 2 * same;
      continue;
    }
    if (static_cast<std::int64_t>(word) >= 0) {
      bit += 1;
      word <<= 1;
    } else {
      std::int64_t change;
      if (word < 0xc000'0000'0000'0000) {
        change = signed_of((word << 2) >> 50, 14);
        bit += 16;
      } else if (word < 0xe000'0000'0000'0000) {
        change = signed_of((word << 3) >> 47, 17);
        bit += 20;
      } else if (word < 0xf000'0000'0000'0000) {
        change = signed_of((word << 4) >> 44, 20);
        bit += 24;
      } else {
        change = static_cast<std::int64_t>(bits(bytes, bit + 4, 64));
        bit += 68;
      }
      distance = wrapping_add(distance, change);
      word = peek(bytes, bit);
    }
    now = wrapping_add(now, distance);
    if (!take_change(bytes, word, bit, last, wide, behind)) return false;
    to_times[i] = now;
    to_values[i] = std::bit_cast<double>(last);
    ++i;
  }
  return bit <= end;
}

}  // namespace signalbox::formats::tsdb
