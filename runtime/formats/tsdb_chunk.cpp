#include "runtime/formats/tsdb_chunk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_bytes.hpp"

namespace signalbox::formats::tsdb {
namespace {

constexpr std::uint32_t segment_magic = 0x85bd40dd;
constexpr std::size_t checksum_bytes = 4;

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

}  // namespace

std::string_view encoding_name(std::uint8_t encoding) {
  switch (static_cast<Encoding>(encoding)) {
    case Encoding::none:
      return "empty";
    case Encoding::xor_floats:
      return "XOR";
    case Encoding::histogram:
      return "histogram";
    case Encoding::float_histogram:
      return "float histogram";
  }
  return "";
}

std::size_t chunk_samples(std::string_view data) {
  return Bytes(data).be16();
}

bool decode_xor(std::string_view data, std::int64_t* times, double* values) {
  Bytes head(data);
  const std::size_t count = head.be16();
  if (!head.ok()) return false;
  if (count == 0) return true;
  std::int64_t time = head.varint();
  std::uint64_t value = head.be64();
  times[0] = time;
  values[0] = std::bit_cast<double>(value);
  if (!head.ok()) return false;
  if (count == 1) return true;
  std::int64_t delta = static_cast<std::int64_t>(head.uvarint());
  if (!head.ok()) return false;
  time = wrapping_add(time, delta);

  const char* from = data.data() + head.position();
  const std::size_t end = head.left() * 8;
  std::size_t at = 0;
  unsigned width = 0, trailing = 0;
  for (std::size_t i = 1;;) {
    // A sample begins within the data, and has no more than 145 bits: the slack.
    if (at >= end) return false;
    std::uint64_t word = peek(from, at);
    if (i > 1) {
      if (word >> 62 == 0) {
        // The same value after the same distance, and as many more of these as the bits at hand say.
        constexpr std::size_t most = 28;
        const std::size_t same =
            std::min({static_cast<std::size_t>(std::countl_zero(word)) / 2, most, count - i});
        const double number = std::bit_cast<double>(value);
        for (const std::size_t until = i + same; i < until; ++i) {
          time = wrapping_add(time, delta);
          times[i] = time;
          values[i] = number;
        }
        at += 2 * same;
        if (i == count) break;
        continue;
      }
      if (static_cast<std::int64_t>(word) >= 0) {
        at += 1;
        word <<= 1;
      } else {
        std::int64_t change;
        if (word < 0xc000'0000'0000'0000) {
          change = signed_of((word << 2) >> 50, 14);
          at += 16;
        } else if (word < 0xe000'0000'0000'0000) {
          change = signed_of((word << 3) >> 47, 17);
          at += 20;
        } else if (word < 0xf000'0000'0000'0000) {
          change = signed_of((word << 4) >> 44, 20);
          at += 24;
        } else {
          change = static_cast<std::int64_t>(bits(from, at + 4, 64));
          at += 68;
        }
        delta = wrapping_add(delta, change);
        word = peek(from, at);
      }
      time = wrapping_add(time, delta);
    }
    // `word` has at least 56 bits from `at` on.
    if (static_cast<std::int64_t>(word) >= 0) {
      at += 1;
    } else {
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
    }
    times[i] = time;
    values[i] = std::bit_cast<double>(value);
    if (++i == count) break;
  }
  return at <= end;
}

Result<void> check_segment_header(std::string_view first_bytes) {
  Bytes in(first_bytes);
  const std::uint32_t magic = in.be32();
  const unsigned version = in.u8();
  if (!in.ok() || magic != segment_magic)
    return Error{ErrorCode::malformed, "this is no segment of chunks: it does not begin as one"};
  if (version != 1)
    return Error{ErrorCode::unsupported, fmt::format("chunk segments of version {} are not known", version)};
  return {};
}

Result<std::uint64_t> frame_size(std::string_view first_bytes) {
  Bytes in(first_bytes);
  const std::uint64_t length = in.uvarint();
  const std::size_t head = in.position();
  if (!in.ok() || length > 0xffffffff) return Error{ErrorCode::malformed, "the length of the chunk is none"};
  return head + 1 + length + checksum_bytes;
}

Result<Frame> read_frame(std::string_view frame) {
  Bytes in(frame);
  const std::uint64_t length = in.uvarint();
  const std::string_view summed = in.take(1 + length);
  const std::uint32_t sum = in.be32();
  if (!in.done()) return Error{ErrorCode::malformed, "the chunk is cut short"};
  if (sum != crc32c(summed)) return Error{ErrorCode::malformed, "the checksum of the chunk does not fit it"};
  return Frame{static_cast<std::uint8_t>(summed[0]), summed.substr(1)};
}

}  // namespace signalbox::formats::tsdb
