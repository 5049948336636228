#include "runtime/base/native_histogram.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "runtime/base/rational.hpp"

namespace signalbox {
namespace {

using Bucket = NativeHistogram::Bucket;
using Buckets = std::vector<Bucket>;

constexpr double largest = std::numeric_limits<double>::max();

// 2^(i / 2^8) / 2 for i from 0 to 255: in [0.5, 1). Those of lower schemas are among them. Prometheus has
// them in a table that is not correctly rounded, and what it answers is to be met to the bit: by how many
// units in the last place its numbers are smaller, plus one, as a 2.42 answers them.
constexpr char smaller_by[] =
    "1111112111211111112311222222222211211121122211221122102211221122"
    "1111112222332132112111211112111111121011213311221222112121332222"
    "2121223322322122222222323233323311221121223321332233212232332232"
    "2243223233433343333333444455435422322333324422333243223333543344";
static_assert(sizeof smaller_by == 256 + 1);

const std::array<double, 256>& fractions() {
  static const std::array<double, 256> all = [] {
    std::array<double, 256> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto rounded = static_cast<double>(std::exp2(static_cast<long double>(i) / 256.0L) / 2.0L);
      out[i] = rounded - (smaller_by[i] - '1') * 0x1p-53;
    }
    return out;
  }();
  return all;
}

// The bucket of `to` that takes in bucket `index` of the finer `from`.
std::int32_t coarser(std::int32_t index, std::int32_t from, std::int32_t to) {
  return ((index - 1) >> (from - to)) + 1;
}

Buckets coarser(const Buckets& buckets, std::int32_t from, std::int32_t to) {
  Buckets out;
  for (const Bucket& b : buckets) {
    const std::int32_t index = coarser(b.index, from, to);
    if (!out.empty() && out.back().index == index)
      out.back().count += b.count;
    else
      out.push_back({index, b.count});
  }
  return out;
}

// What lies outside of a zero bucket up to `threshold`, at `schema`.
Buckets outside(const NativeHistogram& h, const Buckets& buckets, double threshold, std::int32_t schema) {
  Buckets out = schema < h.schema ? coarser(buckets, h.schema, schema) : buckets;
  if (threshold > 0)
    std::erase_if(out, [&](const Bucket& b) { return bucket_bound(b.index, schema) <= threshold; });
  return out;
}

struct Zero {
  double count, threshold;
};
// What the zero bucket would hold if it reached to `threshold`, which is not below its own. A bucket in which
// that lies is taken in as a whole, when there is something in it.
Zero zero_up_to(const NativeHistogram& h, double threshold) {
  if (threshold == h.zero_threshold) return {h.zero_count, threshold};
  for (;;) {
    double count = h.zero_count;
    bool again = false;
    for (const Bucket& b : h.positive) {
      if (bucket_bound(b.index - 1, h.schema) >= threshold) break;
      count += b.count;
      const double upper = bucket_bound(b.index, h.schema);
      if (upper > threshold) {
        if (b.count != 0) threshold = upper;
        break;
      }
    }
    for (const Bucket& b : h.negative) {
      if (bucket_bound(b.index - 1, h.schema) >= threshold) break;
      count += b.count;
      const double upper = bucket_bound(b.index, h.schema);
      if (upper > threshold) {
        again = b.count != 0;
        if (again) threshold = upper;
        break;
      }
    }
    if (!again) return {count, threshold};
  }
}

void widen_zero(NativeHistogram& h, Zero zero) {
  h.zero_count = zero.count;
  h.zero_threshold = zero.threshold;
  for (Buckets* side : {&h.positive, &h.negative})
    std::erase_if(*side,
                  [&](const Bucket& b) { return bucket_bound(b.index - 1, h.schema) < zero.threshold; });
}

void add_buckets(Buckets& into, const Buckets& more, double sign) {
  Buckets out;
  out.reserve(into.size() + more.size());
  auto a = into.begin();
  for (const Bucket& b : more) {
    while (a != into.end() && a->index < b.index) out.push_back(*a++);
    if (a != into.end() && a->index == b.index) {
      out.push_back({a->index, a->count + sign * b.count});
      ++a;
    } else {
      out.push_back({b.index, sign * b.count});
    }
  }
  out.insert(out.end(), a, into.end());
  into = std::move(out);
}

void combine(NativeHistogram& a, const NativeHistogram& b, double sign) {
  // What lies in a zero bucket is told apart by the buckets that each had.
  Zero other{b.zero_count, b.zero_threshold};
  while (other.threshold != a.zero_threshold) {
    if (a.zero_threshold > other.threshold) other = zero_up_to(b, a.zero_threshold);
    if (other.threshold > a.zero_threshold) {
      widen_zero(a, zero_up_to(a, other.threshold));
      compact(a);
    }
  }
  if (b.schema < a.schema) a = at_schema(a, b.schema);
  a.zero_count += sign * other.count;
  a.count += sign * b.count;
  a.sum += sign * b.sum;
  add_buckets(a.positive, outside(b, b.positive, a.zero_threshold, a.schema), sign);
  add_buckets(a.negative, outside(b, b.negative, a.zero_threshold, a.schema), sign);
}

bool lost(const Buckets& now, const Buckets& before) {
  auto at = now.begin();
  for (const Bucket& b : before) {
    while (at != now.end() && at->index < b.index) ++at;
    if (at == now.end() || at->index > b.index) {
      if (b.count != 0) return true;
    } else if (at->count < b.count) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::size_t memory_of(const NativeHistogram& h) {
  constexpr std::size_t allocation = 16;  // what the allocator keeps beside each of three
  return sizeof(NativeHistogram) + sizeof(TimedHistogram) + 3 * allocation +
         (h.positive.capacity() + h.negative.capacity()) * sizeof(Bucket);
}

double bucket_bound(std::int32_t index, std::int32_t schema) {
  if (schema < 0) {
    const auto exponent = static_cast<std::int64_t>(index) << -schema;
    if (exponent == 1024) return largest;
    return std::ldexp(1.0, static_cast<int>(std::clamp<std::int64_t>(exponent, -5000, 5000)));
  }
  const std::int32_t part = index & ((1 << schema) - 1);
  const double fraction = fractions()[static_cast<std::size_t>(part) << (8 - schema)];
  const int exponent = (index >> schema) + 1;
  if (fraction == 0.5 && exponent == 1025) return largest;
  return std::ldexp(fraction, exponent);
}

std::vector<BucketRange> bucket_ranges(const NativeHistogram& h) {
  std::vector<BucketRange> out;
  out.reserve(h.negative.size() + h.positive.size() + 1);
  const auto from = [&](const Bucket& b) {
    return std::max(bucket_bound(b.index - 1, h.schema), h.zero_threshold);
  };
  for (auto b = h.negative.rbegin(); b != h.negative.rend(); ++b)
    out.push_back({-bucket_bound(b->index, h.schema), -from(*b), b->count});
  if (h.zero_count > 0) out.push_back({-h.zero_threshold, h.zero_threshold, h.zero_count});
  for (const Bucket& b : h.positive) out.push_back({from(b), bucket_bound(b.index, h.schema), b.count});
  return out;
}

NativeHistogram at_schema(const NativeHistogram& h, std::int32_t schema) {
  if (schema == h.schema) return h;
  NativeHistogram out = h;
  out.schema = schema;
  out.positive = coarser(h.positive, h.schema, schema);
  out.negative = coarser(h.negative, h.schema, schema);
  return out;
}

void add(NativeHistogram& a, const NativeHistogram& b) {
  combine(a, b, 1);
}

void subtract(NativeHistogram& a, const NativeHistogram& b) {
  combine(a, b, -1);
}

void scale(NativeHistogram& h, double factor) {
  h.zero_count *= factor;
  h.count *= factor;
  h.sum *= factor;
  for (Bucket& b : h.positive) b.count *= factor;
  for (Bucket& b : h.negative) b.count *= factor;
}

void compact(NativeHistogram& h) {
  for (Buckets* side : {&h.positive, &h.negative})
    std::erase_if(*side, [](const Bucket& b) { return b.count == 0; });
}

bool is_reset(const NativeHistogram& now, const NativeHistogram& before) {
  if (now.count < before.count || now.schema > before.schema || now.zero_threshold < before.zero_threshold)
    return true;
  const Zero zero = zero_up_to(before, now.zero_threshold);
  if (zero.threshold != now.zero_threshold || now.zero_count < zero.count) return true;
  const double threshold = now.zero_threshold;
  return lost(outside(now, now.positive, threshold, now.schema),
              outside(before, before.positive, threshold, now.schema)) ||
         lost(outside(now, now.negative, threshold, now.schema),
              outside(before, before.negative, threshold, now.schema));
}

std::string to_string(const NativeHistogram& h) {
  std::string out = "{count:" + shortest(h.count) + ", sum:" + shortest(h.sum);
  for (const BucketRange& b : bucket_ranges(h)) {
    if (b.count == 0) continue;
    const bool zero = b.is_zero(), negative = !zero && b.lower < 0;
    out += std::string(", ") + (zero || negative ? "[" : "(") + shortest(b.lower) + "," + shortest(b.upper) +
           (negative ? ")" : "]") + ":" + shortest(b.count);
  }
  return out + "}";
}

}  // namespace signalbox
