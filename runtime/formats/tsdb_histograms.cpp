#include "runtime/formats/tsdb_histograms.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/base/stale_marker.hpp"

namespace signalbox::formats::tsdb {
namespace {

using Bucket = NativeHistogram::Bucket;

constexpr std::int64_t most_index = NativeHistogram::most_index;
// Buckets whose bounds are told one by one (Prometheus 3); the last of its fields are those bounds.
constexpr std::int64_t custom_buckets = -53;

// Bits from the top of each byte on; past the end they are zero, and ok() is false.
class Bits {
 public:
  explicit Bits(std::string_view data) : data_(data) {}

  bool bit() { return read(1) != 0; }
  // `width` from 0 to 64.
  std::uint64_t read(unsigned width) {
    std::uint64_t out = 0;
    for (unsigned left = width; left > 0;) {
      if (at_ / 8 >= data_.size()) {
        ok_ = false;
        return 0;
      }
      const auto byte = static_cast<std::uint8_t>(data_[at_ / 8]);
      const unsigned here = std::min<unsigned>(left, 8 - at_ % 8);
      const unsigned shift = 8 - static_cast<unsigned>(at_ % 8) - here;
      out = out << here | (static_cast<unsigned>(byte) >> shift & ((1u << here) - 1));
      at_ += here;
      left -= here;
    }
    return out;
  }
  double real() { return std::bit_cast<double>(read(64)); }

  // A number's length is told by how many ones stand before it.
  unsigned prefixed_width() {
    static constexpr unsigned widths[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};
    unsigned ones = 0;
    while (ones < 8 && bit()) ++ones;
    return widths[ones];
  }
  std::uint64_t unsigned_number() { return read(prefixed_width()); }
  std::int64_t number() {
    const unsigned width = prefixed_width();
    const std::uint64_t v = read(width);
    if (width == 0 || width == 64) return static_cast<std::int64_t>(v);
    // 2^(width−1) itself is positive.
    return v > std::uint64_t{1} << (width - 1)
               ? static_cast<std::int64_t>(v) - static_cast<std::int64_t>(std::uint64_t{1} << width)
               : static_cast<std::int64_t>(v);
  }
  bool ok() const { return ok_; }
  std::size_t left() const { return data_.size() * 8 - std::min(at_, data_.size() * 8); }

 private:
  std::string_view data_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// A double coded by what differs from the one before, as in XOR chunks.
struct Xor {
  std::uint64_t value = 0;
  unsigned width = 0, trailing = 0;

  bool next(Bits& in) {
    if (!in.bit()) return in.ok();
    if (in.bit()) {
      const auto leading = static_cast<unsigned>(in.read(5));
      width = static_cast<unsigned>(in.read(6));
      if (width == 0) width = 64;  // which does not fit into six bits
      if (leading + width > 64) return false;
      trailing = 64 - leading - width;
    } else if (width == 0) {
      return false;
    }
    value ^= in.read(width) << trailing;
    return in.ok();
  }
};

HistogramRead read_spans(Bits& in, std::vector<Span>& out) {
  const std::uint64_t count = in.unsigned_number();
  if (count > in.left()) return HistogramRead::malformed;  // each takes two bits at least
  if (count > most_chunk_buckets) return HistogramRead::unknown;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::uint64_t length = in.unsigned_number();
    out.push_back({in.number(), length});
  }
  return in.ok() ? HistogramRead::whole : HistogramRead::malformed;
}

// How many buckets there are; more than `most` are `most` and one.
std::uint64_t length_of(const std::vector<Span>& spans, std::uint64_t most) {
  std::uint64_t out = 0;
  for (const Span& span : spans) out = std::min(out + std::min(span.length, most + 1), most + 1);
  return out;
}

double read_zero_threshold(Bits& in) {
  const auto byte = static_cast<int>(in.read(8));
  if (byte == 0) return 0;
  if (byte == 255) return in.real();
  return std::ldexp(0.5, byte - 243);
}

// A bucket over the samples of one chunk: whole numbers are told by the difference of its differences.
struct Counted {
  std::int64_t value = 0, step = 0;
  void first(Bits& in) { value = in.number(); }
  void next(Bits& in) {
    step = wrapping_add(step, in.number());
    value = wrapping_add(value, step);
  }
};

// What is at hand of a chunk; whole numbers or floats are used.
struct Counts {
  Counted count, zero;
  Xor float_count, float_zero, sum;
  std::vector<Counted> buckets;
  std::vector<Xor> float_buckets;
};

}  // namespace

std::vector<double> counts_of(const std::vector<std::int64_t>& differences) {
  std::vector<double> out;
  out.reserve(differences.size());
  std::int64_t count = 0;
  for (const std::int64_t difference : differences)
    out.push_back(static_cast<double>(count = wrapping_add(count, difference)));
  return out;
}

bool buckets_of(const std::vector<Span>& spans, const std::vector<double>& counts, std::vector<Bucket>& out) {
  out.clear();
  if (length_of(spans, counts.size()) != counts.size()) return false;
  out.reserve(counts.size());
  std::int64_t index = 0;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    if (s > 0 && spans[s].offset < 0) return false;
    if (spans[s].offset > 2 * most_index || spans[s].offset < -2 * most_index) return false;
    index = std::min(index + spans[s].offset, 2 * most_index);  // spans without a bucket may be many
    for (std::uint64_t i = 0; i < spans[s].length; ++i, ++index) {
      if (index > most_index || index < -most_index) return false;
      out.push_back({static_cast<std::int32_t>(index), counts[out.size()]});
    }
  }
  return true;
}

bool is_known(const NativeHistogram& h) {
  return h.schema >= NativeHistogram::least_schema && h.schema <= NativeHistogram::most_schema &&
         h.zero_threshold >= 0;
}

HistogramRead decode_histograms(Encoding encoding, std::string_view data, std::vector<TimedHistogram>& out) {
  const bool floats = encoding == Encoding::float_histogram;
  const std::size_t samples = chunk_samples(data), before = out.size();
  if (data.size() < 3 && (data.size() < 2 || samples > 0)) return HistogramRead::malformed;
  if (samples == 0) return HistogramRead::whole;
  // Whether its first sample is a reset stands in the third byte; it is seen in the numbers as well.
  Bits in(data.substr(3));
  NativeHistogram layout;
  layout.zero_threshold = read_zero_threshold(in);
  layout.schema = static_cast<std::int32_t>(std::clamp<std::int64_t>(in.number(), -128, 127));
  if (!in.ok()) return HistogramRead::malformed;
  if (!is_known(layout)) return HistogramRead::unknown;
  std::vector<Span> positive, negative;
  for (std::vector<Span>* side : {&positive, &negative})
    if (const HistogramRead read = read_spans(in, *side); read != HistogramRead::whole) return read;
  const std::uint64_t places[2] = {length_of(positive, in.left()), length_of(negative, in.left())};
  const std::uint64_t all = places[0] + places[1];
  if (all > in.left()) return HistogramRead::malformed;  // each takes a bit at least
  if (all * samples > most_chunk_buckets) return HistogramRead::unknown;

  Counts now;
  now.buckets.resize(floats ? 0 : all);
  now.float_buckets.resize(floats ? all : 0);
  std::int64_t time = 0, step = 0;
  std::vector<double> counts[2];
  const auto fail = [&](HistogramRead why) {
    out.resize(before);
    return why;
  };
  for (std::size_t i = 0; i < samples; ++i) {
    const bool first = i == 0;
    bool good = true;
    if (first) {
      time = in.number();
    } else {
      step = wrapping_add(step, in.number());
      time = wrapping_add(time, step);
    }
    if (floats) {
      for (Xor* one : {&now.float_count, &now.float_zero, &now.sum}) {
        if (first)
          one->value = in.read(64);
        else
          good = good && one->next(in);
      }
    } else if (first) {
      now.count.value = static_cast<std::int64_t>(in.unsigned_number());
      now.zero.value = static_cast<std::int64_t>(in.unsigned_number());
      now.sum.value = in.read(64);
    } else {
      now.count.next(in);
      now.zero.next(in);
      good = now.sum.next(in);
    }
    if (!good || !in.ok()) return fail(HistogramRead::malformed);
    // A marker has no buckets, after the first sample.
    if (now.sum.value == stale_marker_bits && !first) {
      out.push_back({time, nullptr});
      continue;
    }
    for (Counted& bucket : now.buckets) first ? bucket.first(in) : bucket.next(in);
    for (Xor& bucket : now.float_buckets) {
      if (first)
        bucket.value = in.read(64);
      else
        good = good && bucket.next(in);
    }
    if (!good || !in.ok()) return fail(HistogramRead::malformed);
    if (now.sum.value == stale_marker_bits) {
      out.push_back({time, nullptr});
      continue;
    }
    NativeHistogram h = layout;
    h.sum = std::bit_cast<double>(now.sum.value);
    h.count = floats ? std::bit_cast<double>(now.float_count.value)
                     : static_cast<double>(static_cast<std::uint64_t>(now.count.value));
    h.zero_count = floats ? std::bit_cast<double>(now.float_zero.value)
                          : static_cast<double>(static_cast<std::uint64_t>(now.zero.value));
    std::size_t at = 0;
    for (int side = 0; side < 2; ++side) {
      counts[side].clear();
      std::int64_t running = 0;
      for (std::uint64_t b = 0; b < places[side]; ++b, ++at)
        counts[side].push_back(
            floats ? std::bit_cast<double>(now.float_buckets[at].value)
                   : static_cast<double>(running = wrapping_add(running, now.buckets[at].value)));
    }
    if (!buckets_of(positive, counts[0], h.positive) || !buckets_of(negative, counts[1], h.negative))
      return fail(HistogramRead::unknown);
    out.push_back({time, std::make_shared<const NativeHistogram>(std::move(h))});
  }
  return HistogramRead::whole;
}

HistogramRead read_recorded_histogram(Bytes& in, bool floats, HistogramPtr& out) {
  out = nullptr;
  NativeHistogram h;
  in.u8();  // whether it is a reset, as far as its writer knew
  const std::int64_t schema = in.varint();
  h.zero_threshold = std::bit_cast<double>(in.be64());
  h.zero_count = floats ? std::bit_cast<double>(in.be64()) : static_cast<double>(in.uvarint());
  h.count = floats ? std::bit_cast<double>(in.be64()) : static_cast<double>(in.uvarint());
  const std::uint64_t sum = in.be64();
  h.sum = std::bit_cast<double>(sum);
  std::vector<Span> spans[2];
  for (std::vector<Span>& side : spans) {
    const std::uint64_t count = in.uvarint();
    if (count > in.left()) return HistogramRead::malformed;
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
      const std::int64_t offset = in.varint();
      side.push_back({offset, in.uvarint()});
    }
  }
  std::vector<Bucket>* const sides[] = {&h.positive, &h.negative};
  bool known = true;
  for (int side = 0; side < 2; ++side) {
    const std::uint64_t count = in.uvarint();
    if (count > in.left()) return HistogramRead::malformed;
    std::vector<double> counts;
    std::vector<std::int64_t> differences;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (floats)
        counts.push_back(std::bit_cast<double>(in.be64()));
      else
        differences.push_back(in.varint());
    }
    if (!floats) counts = counts_of(differences);
    if (!in.ok()) return HistogramRead::malformed;
    known = buckets_of(spans[side], counts, *sides[side]) && known;
  }
  if (schema == custom_buckets)
    for (std::uint64_t bounds = in.uvarint(); bounds > 0 && in.ok(); --bounds) in.be64();
  if (!in.ok()) return HistogramRead::malformed;
  h.schema = static_cast<std::int32_t>(std::clamp<std::int64_t>(schema, -128, 127));
  if (sum == stale_marker_bits) return HistogramRead::whole;
  if (!known || !is_known(h)) return HistogramRead::unknown;
  out = std::make_shared<const NativeHistogram>(std::move(h));
  return HistogramRead::whole;
}

}  // namespace signalbox::formats::tsdb
