#include "runtime/store/chunk.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

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

// The most that a run can take: two lists of differences, or one and XORs, nothing of which packs.
constexpr std::size_t most_packed = 4096;

class BitWriter {
 public:
  explicit BitWriter(char* at) : at_(at) {}
  // `value` has no more than `width` bits, 64 at most.
  void bits(std::uint64_t value, unsigned width) {
    word_ |= value << used_;
    used_ += width;
    if (used_ < 64) return;
    std::memcpy(at_, &word_, 8);
    at_ += 8;
    used_ -= 64;
    word_ = used_ == 0 ? 0 : value >> (width - used_);
  }
  // The end of what was written, to the byte.
  char* finish() {
    std::memcpy(at_, &word_, 8);
    return at_ + (used_ + 7) / 8;
  }

 private:
  char* at_;
  std::uint64_t word_ = 0;
  unsigned used_ = 0;
};

char* put_varint(char* out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) *out++ = static_cast<char>(v | 0x80);
  *out++ = static_cast<char>(v);
  return out;
}

// The numbers after the first, each as its difference to the one before.
char* pack_differences(std::span<const std::int64_t> numbers, char* out) {
  for (std::size_t from = 1; from < numbers.size(); from += block) {
    const std::size_t to = std::min(from + block, numbers.size());
    std::int64_t least = minus(numbers[from], numbers[from - 1]), most = least;
    for (std::size_t i = from; i < to; ++i) {
      const std::int64_t d = minus(numbers[i], numbers[i - 1]);
      least = std::min(least, d);
      most = std::max(most, d);
    }
    const unsigned width =
        static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(minus(most, least))));
    out = put_varint(out, zigzag(least));
    *out++ = static_cast<char>(width);
    if (width == 0) continue;
    BitWriter writer(out);
    for (std::size_t i = from; i < to; ++i)
      writer.bits(static_cast<std::uint64_t>(minus(minus(numbers[i], numbers[i - 1]), least)), width);
    out = writer.finish();
  }
  return out;
}

// All values as whole numbers times 10^-exponent, when they have these bits again after the division.
bool as_whole(std::span<const double> values, int exponent, std::int64_t* out) {
  const double power = powers[exponent];
  for (const double value : values) {
    const double scaled = std::nearbyint(value * power);
    if (!(std::fabs(scaled) < largest_whole)) return false;
    const auto number = static_cast<std::int64_t>(scaled);
    const double back = static_cast<double>(number) / power;
    if (std::bit_cast<std::uint64_t>(back) != std::bit_cast<std::uint64_t>(value)) return false;
    *out++ = number;
  }
  return true;
}

// A bit 0: the same value. 1 0: the meaningful bits lie where those of the value before lay. 1 1: where they
// lie is said, in 5 bits (leading zeros, 31 at most) and 6 (their number less one).
template <class Bits>
void code_xor(std::span<const double> values, Bits&& bits) {
  std::uint64_t previous = std::bit_cast<std::uint64_t>(values[0]);
  bits(previous, 64u);
  unsigned leading = 64, trailing = 0;
  for (const double value : values.subspan(1)) {
    const std::uint64_t now = std::bit_cast<std::uint64_t>(value), x = now ^ previous;
    previous = now;
    if (x == 0) {
      bits(0, 1u);
      continue;
    }
    const auto zeros_before = std::min(31u, static_cast<unsigned>(std::countl_zero(x)));
    const auto zeros_after = static_cast<unsigned>(std::countr_zero(x));
    if (leading != 64 && zeros_before >= leading && zeros_after >= trailing) {
      bits(1, 2u);
    } else {
      leading = zeros_before;
      trailing = zeros_after;
      bits(3 | leading << 2 | std::uint64_t{64 - leading - trailing - 1} << 7, 13u);
    }
    bits(x >> trailing, 64 - leading - trailing);
  }
}
std::size_t xor_bytes(std::span<const double> values) {
  std::size_t all = 0;
  code_xor(values, [&](std::uint64_t, unsigned width) { all += width; });
  return (all + 7) / 8;
}
char* pack_xor(std::span<const double> values, char* out) {
  BitWriter writer(out);
  code_xor(values, [&](std::uint64_t value, unsigned width) { writer.bits(value, width); });
  return writer.finish();
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
  char packed[most_packed];
  packed[0] = static_cast<char>(as_xor);
  char* const values_at = pack_differences(times, packed + 1);
  char* end = nullptr;
  std::int64_t whole[chunk_samples];
  for (int exponent = 0; exponent < exponents; ++exponent) {
    if (!as_whole(values, exponent, whole)) continue;
    end = pack_differences({whole, values.size()}, put_varint(values_at, zigzag(whole[0])));
    packed[0] = static_cast<char>(exponent);
    break;
  }
  if (end == nullptr || static_cast<std::size_t>(end - values_at) >= xor_bytes(values)) {
    end = pack_xor(values, values_at);
    packed[0] = static_cast<char>(as_xor);
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
