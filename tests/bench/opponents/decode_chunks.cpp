#include "tests/bench/opponents/decode_chunks.hpp"

#include <cstring>

namespace {

inline std::uint64_t big_endian(const std::uint8_t* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return __builtin_bswap64(word);
}

struct Bits {
  const std::uint8_t* from;
  std::size_t at;  // in bits

  // The next bits on top: 57 of them at least.
  std::uint64_t peek() const { return big_endian(from + at / 8) << (at % 8); }
  std::uint64_t take(unsigned width) {
    if (width == 0) return 0;
    if (width > 57) {
      const std::uint64_t high = take(width - 32);
      return high << 32 | take(32);
    }
    const std::uint64_t bits = peek() >> (64 - width);
    at += width;
    return bits;
  }
};

inline std::uint64_t varint(const std::uint8_t*& at) {
  std::uint64_t out = 0;
  for (unsigned shift = 0;; shift += 7) {
    const std::uint8_t byte = *at++;
    out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return out;
  }
}

// The change of the distance between two samples; its kind is a run of ones, four at most.
inline std::int64_t change_of_distance(Bits& bits) {
  const std::uint64_t next = bits.peek();
  if (next >> 63 == 0) {
    bits.at += 1;
    return 0;
  }
  unsigned width = 14;
  if (next >> 62 == 2) {
    bits.at += 2;
  } else if (next >> 61 == 6) {
    bits.at += 3;
    width = 17;
  } else if (next >> 60 == 14) {
    bits.at += 4;
    width = 20;
  } else {
    bits.at += 4;
    return static_cast<std::int64_t>(bits.take(64));
  }
  const std::uint64_t raw = bits.take(width);
  const std::uint64_t half = std::uint64_t{1} << (width - 1);
  return static_cast<std::int64_t>(raw > half ? raw - 2 * half : raw);
}

void decode(const std::uint8_t* data, DecodedSums& sums) {
  const unsigned count = static_cast<unsigned>(data[0]) << 8 | data[1];
  if (count == 0) return;
  const std::uint8_t* at = data + 2;
  const std::uint64_t zigzag = varint(at);
  std::uint64_t time = zigzag >> 1 ^ (0 - (zigzag & 1));
  std::uint64_t value = big_endian(at);
  at += 8;
  double sum = sums.values, number;
  std::uint64_t times = static_cast<std::uint64_t>(sums.times) + time;
  std::memcpy(&number, &value, sizeof number);
  sum += number;
  std::uint64_t distance = count > 1 ? varint(at) : 0;
  Bits bits{at, 0};
  unsigned leading = 0, width = 0;
  for (unsigned i = 1; i < count; ++i) {
    if (i > 1) distance += static_cast<std::uint64_t>(change_of_distance(bits));
    time += distance;
    times += time;
    const std::uint64_t next = bits.peek();
    if (next >> 63 != 0) {
      if (next >> 62 == 2) {
        bits.at += 2;
      } else {
        leading = next >> 57 & 31;
        width = next >> 51 & 63;
        if (width == 0) width = 64;
        bits.at += 13;
      }
      value ^= bits.take(width) << (64 - leading - width);
    } else {
      bits.at += 1;
    }
    std::memcpy(&number, &value, sizeof number);
    sum += number;
  }
  sums = {sum, static_cast<std::int64_t>(times)};
}

}  // namespace

#define SIGNALBOX_JOIN(name, compiler) name##_##compiler
#define SIGNALBOX_NAMED(name, compiler) SIGNALBOX_JOIN(name, compiler)

extern "C" DecodedSums SIGNALBOX_NAMED(decode_chunks, SIGNALBOX_OPPONENT)(const EncodedChunk* chunks,
                                                                          std::size_t count) {
  DecodedSums sums{0, 0};
  for (std::size_t i = 0; i < count; ++i) decode(chunks[i].data, sums);
  return sums;
}
