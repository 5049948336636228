#include "tests/support/tsdb_histogram_writer.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "tests/support/bit_writer.hpp"

namespace signalbox::test {
namespace {

using Bucket = NativeHistogram::Bucket;

struct Span {
  std::int64_t offset;
  std::uint64_t length;
};
std::vector<Span> spans_of(const std::vector<std::int32_t>& indices) {
  std::vector<Span> out;
  std::int64_t next = 0;
  for (const std::int32_t index : indices) {
    if (out.empty() || index != next)
      out.push_back({index - next, 1});
    else
      ++out.back().length;
    next = index + 1;
  }
  return out;
}

constexpr int widths[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};

void put_prefixed(BitWriter& bits, std::uint64_t value, int step) {
  // As many ones as there are shorter widths, and a zero unless it is the longest.
  bits.put((std::uint64_t{1} << step) - 1, step);
  if (step < 8) bits.put(0, 1);
  bits.put(value, widths[step]);
}
void put_unsigned(BitWriter& bits, std::uint64_t value) {
  int step = 0;
  while (step < 8 && value >> widths[step] != 0) ++step;
  put_prefixed(bits, value, step);
}
void put_signed(BitWriter& bits, std::int64_t value) {
  int step = value == 0 ? 0 : 1;
  const auto fits = [&](int width) {
    const std::int64_t half = std::int64_t{1} << (width - 1);
    return value > -half && value <= half;
  };
  while (step > 0 && step < 8 && !fits(widths[step])) ++step;
  put_prefixed(bits, static_cast<std::uint64_t>(value), step);
}

// Counts of whole numbers by the difference of their differences.
class CountWriter {
 public:
  void next(BitWriter& bits, std::int64_t value) {
    put_signed(bits, value - before_ - step_);
    step_ = value - before_;
    before_ = value;
  }
  void first(std::int64_t value) { before_ = value; }

 private:
  std::int64_t before_ = 0, step_ = 0;
};

std::vector<double> counts_at(const std::vector<std::int32_t>& indices, const std::vector<Bucket>& buckets) {
  std::vector<double> out;
  for (const std::int32_t index : indices) {
    const auto at =
        std::find_if(buckets.begin(), buckets.end(), [&](const Bucket& b) { return b.index == index; });
    out.push_back(at == buckets.end() ? 0 : at->count);
  }
  return out;
}

void put_threshold(BitWriter& bits, double threshold) {
  int exponent = 0;
  const double fraction = std::frexp(threshold, &exponent);
  if (threshold == 0) return bits.put(0, 8);
  if (fraction == 0.5 && exponent >= -242 && exponent <= 11)
    return bits.put(static_cast<std::uint64_t>(exponent + 243), 8);
  bits.put(255, 8);
  bits.put(std::bit_cast<std::uint64_t>(threshold), 64);
}

}  // namespace

TsdbChunk histogram_chunk(const std::vector<TimedHistogram>& samples, bool floats) {
  TsdbChunk chunk;
  chunk.encoding = floats ? 3 : 2;
  put_be(chunk.data, samples.size(), 2);
  chunk.data.push_back(0);
  if (samples.empty()) return chunk;
  chunk.first = samples.front().time;
  chunk.last = samples.back().time;
  std::set<std::int32_t> seen[2];
  NativeHistogram layout;
  for (const TimedHistogram& one : samples) {
    if (!one.histogram) continue;
    layout = *one.histogram;
    for (const Bucket& b : one.histogram->positive) seen[0].insert(b.index);
    for (const Bucket& b : one.histogram->negative) seen[1].insert(b.index);
  }
  std::vector<std::int32_t> indices[2];
  BitWriter bits(chunk.data);
  put_threshold(bits, layout.zero_threshold);
  put_signed(bits, layout.schema);
  for (int side = 0; side < 2; ++side) {
    indices[side].assign(seen[side].begin(), seen[side].end());
    const std::vector<Span> spans = spans_of(indices[side]);
    put_unsigned(bits, spans.size());
    for (const Span& span : spans) {
      put_unsigned(bits, span.length);
      put_signed(bits, span.offset);
    }
  }
  const std::size_t all = indices[0].size() + indices[1].size();
  CountWriter count, zero;
  XorWriter float_count, float_zero, sum;
  std::vector<CountWriter> buckets(all);
  std::vector<XorWriter> float_buckets(all);
  std::int64_t before = 0, step = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const TimedHistogram& one = samples[i];
    const NativeHistogram h = one.histogram ? *one.histogram : NativeHistogram{};
    const bool first = i == 0;
    if (first) {
      put_signed(bits, one.time);
    } else {
      put_signed(bits, one.time - before - step);
      step = one.time - before;
    }
    before = one.time;
    const double said = one.histogram ? h.sum : std::bit_cast<double>(0x7ff0000000000002ull);
    if (floats && first) {
      float_count.first(bits, h.count);
      float_zero.first(bits, h.zero_count);
    } else if (floats) {
      float_count.next(bits, h.count);
      float_zero.next(bits, h.zero_count);
    } else if (first) {
      put_unsigned(bits, static_cast<std::uint64_t>(h.count));
      put_unsigned(bits, static_cast<std::uint64_t>(h.zero_count));
      count.first(static_cast<std::int64_t>(h.count));
      zero.first(static_cast<std::int64_t>(h.zero_count));
    } else {
      count.next(bits, static_cast<std::int64_t>(h.count));
      zero.next(bits, static_cast<std::int64_t>(h.zero_count));
    }
    first ? sum.first(bits, said) : sum.next(bits, said);
    if (!one.histogram && !first) continue;
    std::size_t at = 0;
    for (int side = 0; side < 2; ++side) {
      double running = 0;
      for (const double value : counts_at(indices[side], side == 0 ? h.positive : h.negative)) {
        if (floats) {
          first ? float_buckets[at].first(bits, value) : float_buckets[at].next(bits, value);
        } else {
          const auto difference = static_cast<std::int64_t>(value - running);
          if (first) {
            put_signed(bits, difference);
            buckets[at].first(difference);
          } else {
            buckets[at].next(bits, difference);
          }
          running = value;
        }
        ++at;
      }
    }
  }
  return chunk;
}

std::string histograms_record(const std::vector<std::pair<std::uint64_t, TimedHistogram>>& samples,
                              bool floats) {
  std::string out(1, floats ? 8 : 7);
  put_be(out, samples[0].first, 8);
  put_be(out, static_cast<std::uint64_t>(samples[0].second.time), 8);
  const auto number = [&](double value) {
    if (floats)
      put_be(out, std::bit_cast<std::uint64_t>(value), 8);
    else
      put_uvarint(out, static_cast<std::uint64_t>(value));
  };
  for (const auto& [series, one] : samples) {
    const NativeHistogram h = one.histogram ? *one.histogram : NativeHistogram{};
    put_varint(out, static_cast<std::int64_t>(series - samples[0].first));
    put_varint(out, one.time - samples[0].second.time);
    out.push_back(0);
    put_varint(out, h.schema);
    put_be(out, std::bit_cast<std::uint64_t>(h.zero_threshold), 8);
    number(h.zero_count);
    number(h.count);
    put_be(out, one.histogram ? std::bit_cast<std::uint64_t>(h.sum) : 0x7ff0000000000002ull, 8);
    for (const auto* side : {&h.positive, &h.negative}) {
      std::vector<std::int32_t> indices;
      for (const Bucket& b : *side) indices.push_back(b.index);
      const std::vector<Span> spans = spans_of(indices);
      put_uvarint(out, spans.size());
      for (const Span& span : spans) {
        put_varint(out, span.offset);
        put_uvarint(out, span.length);
      }
    }
    for (const auto* side : {&h.positive, &h.negative}) {
      put_uvarint(out, side->size());
      std::int64_t before = 0;
      for (const Bucket& b : *side) {
        if (floats) {
          put_be(out, std::bit_cast<std::uint64_t>(b.count), 8);
          continue;
        }
        put_varint(out, static_cast<std::int64_t>(b.count) - before);
        before = static_cast<std::int64_t>(b.count);
      }
    }
    if (h.schema == -53) {  // the bounds of custom buckets, as Prometheus 3.0 writes them here
      put_uvarint(out, 2);
      for (const double bound : {0.5, 1.0}) put_be(out, std::bit_cast<std::uint64_t>(bound), 8);
    }
  }
  return out;
}

}  // namespace signalbox::test
