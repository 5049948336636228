#include "runtime/store/chunk.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace signalbox::store {
namespace {

// Differences with one width: a burst or a gap widens its neighbours only.
constexpr std::size_t block = 64;
// Values are whole numbers times 10^-e. Above 2^53 doubles skip whole numbers.
constexpr int exponents = 7;
constexpr double powers[exponents] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
constexpr double largest_whole = 9007199254740992.0;
// The first byte says how values are stored: 0 to 6 whole numbers times 10^-e, or this.
constexpr std::uint8_t as_xor = 7;

std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}
// Differences of hostile numbers wrap around, and back when they are added.
std::int64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t plus(std::int64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + b);
}

// What a run takes at most, either way: eight bytes a number, and the heads of its blocks; 77 bits a value.
constexpr std::size_t most_differences = 16 + chunk_samples * 8 + (chunk_samples / block + 2) * 16;
constexpr std::size_t most_xor = 16 + (chunk_samples * 77 + 7) / 8;

// Writes eight bytes at a time, past what it has written by as many.
class BitWriter {
 public:
  explicit BitWriter(char* to) : to_(to) {}
  // `value` has no bits above `width`, which is 1 to 64.
  void bits(std::uint64_t value, unsigned width) {
    word_ |= value << used_;
    used_ += width;
    if (used_ < 64) return;
    std::memcpy(to_, &word_, 8);
    to_ += 8;
    used_ -= 64;
    word_ = used_ == 0 ? 0 : value >> (width - used_);
  }
  // Up to the next whole byte. Returns where it ends.
  char* flush() {
    std::memcpy(to_, &word_, 8);
    to_ += (used_ + 7) / 8;
    return to_;
  }

 private:
  char* to_;
  std::uint64_t word_ = 0;
  unsigned used_ = 0;
};

char* put_varint(char* to, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) *to++ = static_cast<char>(v | 0x80);
  *to++ = static_cast<char>(v);
  return to;
}

// The numbers after the first, each as its difference to the one before. Returns where it ends.
char* pack_differences(std::span<const std::int64_t> numbers, char* to) {
  for (std::size_t from = 1; from < numbers.size(); from += block) {
    const std::size_t end = std::min(from + block, numbers.size());
    std::int64_t differences[block];
    std::int64_t least = minus(numbers[from], numbers[from - 1]), most = least;
    for (std::size_t i = from; i < end; ++i) {
      const std::int64_t d = differences[i - from] = minus(numbers[i], numbers[i - 1]);
      least = std::min(least, d);
      most = std::max(most, d);
    }
    const unsigned width =
        static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(minus(most, least))));
    to = put_varint(to, zigzag(least));
    *to++ = static_cast<char>(width);
    if (width == 0) continue;
    BitWriter writer(to);
    for (std::size_t i = 0; i < end - from; ++i)
      writer.bits(static_cast<std::uint64_t>(minus(differences[i], least)), width);
    to = writer.flush();
  }
  return to;
}

// To the nearest, to the even one of two.
std::int64_t rounded(double value) {
#if defined(__x86_64__)
  return _mm_cvtsd_si64(_mm_set_sd(value));
#else
  return static_cast<std::int64_t>(std::nearbyint(value));
#endif
}

// All values as whole numbers times 10^-exponent, when they have these bits again after the division.
bool as_whole(std::span<const double> values, int exponent, std::int64_t* out) {
  const double power = powers[exponent];
  for (const double value : values) {
    const double scaled = value * power;
    if (!(std::fabs(scaled) < largest_whole)) return false;
    const std::int64_t number = rounded(scaled);
    const double back = static_cast<double>(number) / power;
    if (std::bit_cast<std::uint64_t>(back) != std::bit_cast<std::uint64_t>(value)) return false;
    *out++ = number;
  }
  return true;
}

std::uint64_t xor_of(std::span<const double> values, std::size_t i) {
  return std::bit_cast<std::uint64_t>(values[i]) ^ std::bit_cast<std::uint64_t>(values[i - 1]);
}

// Whether pack_xor() is sure to take `bytes` or more: each value takes its meaningful bits at least.
bool xor_takes(std::span<const double> values, std::size_t bytes) {
  std::size_t bits = 64;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const std::uint64_t x = xor_of(values, i);
    bits += x == 0 ? 1 : 2 + 64 - static_cast<std::size_t>(std::countl_zero(x) + std::countr_zero(x));
  }
  return bits > (bytes - 1) * 8;
}

// A bit 0: the same value. 1 0: the meaningful bits lie where those of the value before lay. 1 1: where they
// lie is said, in 5 bits (leading zeros, 31 at most) and 6 (their number less one). Returns where it ends.
char* pack_xor(std::span<const double> values, char* to) {
  BitWriter writer(to);
  writer.bits(std::bit_cast<std::uint64_t>(values[0]), 64);
  unsigned leading = 64, trailing = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const std::uint64_t x = xor_of(values, i);
    if (x == 0) {
      writer.bits(0, 1);
      continue;
    }
    const auto zeros_before = std::min(31u, static_cast<unsigned>(std::countl_zero(x)));
    const auto zeros_after = static_cast<unsigned>(std::countr_zero(x));
    if (leading != 64 && zeros_before >= leading && zeros_after >= trailing) {
      writer.bits(1, 2);
    } else {
      leading = zeros_before;
      trailing = zeros_after;
      writer.bits(3 | leading << 2 | (64 - leading - trailing - 1) << 7, 13);
    }
    writer.bits(x >> trailing, 64 - leading - trailing);
  }
  return writer.flush();
}

class Reader {
 public:
  explicit Reader(std::string_view in) : at_(in.data()), end_(in.data() + in.size()) {}
  bool ok() const { return !failed_; }
  bool done() const { return !failed_ && at_ == end_; }
  std::uint8_t byte() {
    if (at_ == end_) {
      failed_ = true;
      return 0;
    }
    return static_cast<std::uint8_t>(*at_++);
  }
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = byte();
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    failed_ = true;
    return 0;
  }
  // The bytes that hold `bits` bits; null when there are not so many.
  const char* take(std::size_t bits) {
    const std::size_t bytes = (bits + 7) / 8;
    if (failed_ || static_cast<std::size_t>(end_ - at_) < bytes) {
      failed_ = true;
      return nullptr;
    }
    const char* from = at_;
    at_ += bytes;
    return from;
  }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

 private:
  const char* at_;
  const char* end_;
  bool failed_ = false;
};

std::uint64_t load(const char* from) {
  std::uint64_t word;
  std::memcpy(&word, from, 8);
  return word;
}
// `width` bits from bit `at` on; up to eight bytes past them are read.
std::uint64_t bits_at(const char* from, std::size_t at, unsigned width) {
  const char* p = from + at / 8;
  const unsigned shift = at % 8;
  std::uint64_t word = load(p) >> shift;
  if (shift + width > 64) word |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(p[8])) << (64 - shift);
  return width == 64 ? word : word & ((std::uint64_t{1} << width) - 1);
}

bool unpack_differences(Reader& in, std::int64_t first, std::size_t count, std::int64_t* numbers) {
  std::int64_t last = numbers[0] = first;
  for (std::size_t from = 1; from < count; from += block) {
    const std::size_t to = std::min(from + block, count);
    const auto least = static_cast<std::uint64_t>(unzigzag(in.varint()));
    const unsigned width = in.byte();
    if (width > 64) return false;
    const char* packed = in.take((to - from) * width);
    if (packed == nullptr) return false;
    if (width == 0) {
      for (std::size_t i = from; i < to; ++i) numbers[i] = last = plus(last, least);
    } else if (width <= 56) {
      const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
      std::size_t at = 0;
      for (std::size_t i = from; i < to; ++i, at += width)
        numbers[i] = last = plus(last, least + ((load(packed + at / 8) >> (at % 8)) & mask));
    } else {
      for (std::size_t i = from; i < to; ++i)
        numbers[i] = last = plus(last, least + bits_at(packed, (i - from) * width, width));
    }
  }
  return true;
}

bool unpack_xor(Reader& in, std::size_t count, double* values) {
  const std::size_t all = in.left() * 8;
  const char* from = in.take(all);
  if (from == nullptr || all < 64) return false;
  std::uint64_t value = load(from);
  values[0] = std::bit_cast<double>(value);
  std::size_t at = 64;
  unsigned width = 0, trailing = 0;
  for (std::size_t i = 1; i < count; ++i) {
    if (at >= all) return false;
    const std::uint64_t control = bits_at(from, at, 13);
    if ((control & 1) == 0) {
      ++at;
    } else {
      at += 2;
      if ((control & 2) != 0) {
        const unsigned leading = (control >> 2) & 31;
        width = static_cast<unsigned>((control >> 7) & 63) + 1;
        if (leading + width > 64) return false;
        trailing = 64 - leading - width;
        at += 11;
      }
      if (width == 0 || at + width > all) return false;
      value ^= bits_at(from, at, width) << trailing;
      at += width;
    }
    values[i] = std::bit_cast<double>(value);
  }
  return at <= all && all - at < 8;
}

}  // namespace

void pack(std::span<const std::int64_t> times, std::span<const double> values, std::vector<char>& out) {
  char packed[1 + most_differences + std::max(most_differences, most_xor) + 8];
  char* const values_at = pack_differences(times, packed + 1);
  char* end = values_at;
  std::int64_t whole[chunk_samples];
  for (int exponent = 0; exponent < exponents; ++exponent) {
    if (!as_whole(values, exponent, whole)) continue;
    packed[0] = static_cast<char>(exponent);
    end = pack_differences({whole, values.size()}, put_varint(values_at, zigzag(whole[0])));
    break;
  }
  const auto size = static_cast<std::size_t>(end - values_at);
  if (size == 0 || !xor_takes(values, size)) {
    char as_bits[most_xor + 8];
    const auto bits_size = static_cast<std::size_t>(pack_xor(values, as_bits) - as_bits);
    if (size == 0 || bits_size <= size) {
      packed[0] = static_cast<char>(as_xor);
      std::memcpy(values_at, as_bits, bits_size);
      end = values_at + bits_size;
    }
  }
  out.insert(out.end(), packed, end);
}

bool unpack(std::string_view packed, std::size_t count, std::int64_t first_time, std::int64_t* times,
            double* values) {
  if (count == 0 || count > chunk_samples) return false;
  Reader in(packed);
  const std::uint8_t mode = in.byte();
  if (mode > as_xor || !unpack_differences(in, first_time, count, times)) return false;
  if (mode == as_xor) return unpack_xor(in, count, values);
  std::int64_t whole[chunk_samples];
  const std::int64_t first = unzigzag(in.varint());
  if (!in.ok() || !unpack_differences(in, first, count, whole) || !in.done()) return false;
  if (mode == 0) {
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(whole[i]);
  } else {
    const double power = powers[mode];
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(whole[i]) / power;
  }
  return true;
}

}  // namespace signalbox::store
