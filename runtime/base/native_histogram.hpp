// Native histograms: observations counted in buckets whose bounds grow by a constant factor, in one sample.
// The arithmetic, resets and bounds are Prometheus' (model/histogram).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace signalbox {

struct NativeHistogram {
  // Bucket i of `positive` counts observations in (bound(i − 1), bound(i)], of `negative` those in
  // [−bound(i), −bound(i − 1)), where bound(i) is 2^(i · 2^−schema).
  struct Bucket {
    std::int32_t index = 0;
    double count = 0;
    bool operator==(const Bucket&) const = default;
  };
  static constexpr std::int32_t least_schema = -4, most_schema = 8;
  // No double is in a bucket beyond it, at any schema.
  static constexpr std::int32_t most_index = 1 << 20;

  std::int32_t schema = 0;
  double zero_threshold = 0;  // observations from −it to it are in zero_count
  double zero_count = 0;
  double count = 0;  // of all observations, NaN among them
  double sum = 0;
  std::vector<Bucket> positive, negative;  // by rising index, empty buckets perhaps among them

  bool operator==(const NativeHistogram&) const = default;
};
using HistogramPtr = std::shared_ptr<const NativeHistogram>;
// What one takes in memory, in bytes.
std::size_t memory_of(const NativeHistogram& h);
// As it was taken, or a stale marker where it is null.
struct TimedHistogram {
  std::int64_t time = 0;  // ms
  HistogramPtr histogram;
};

// The upper bound of a positive bucket. The last one before infinity is the largest double.
double bucket_bound(std::int32_t index, std::int32_t schema);

// Buckets of both signs and the zero bucket, from the lowest on, empty ones too. The zero bucket is there
// when something is in it, and ends one in which its threshold lies.
struct BucketRange {
  double lower = 0, upper = 0, count = 0;
  bool is_zero() const { return lower == -upper; }  // both of whose bounds belong to it
};
std::vector<BucketRange> bucket_ranges(const NativeHistogram& h);

// The same observations in fewer buckets; `schema` is not above its own.
NativeHistogram at_schema(const NativeHistogram& h, std::int32_t schema);
// a + b, or a − b, at the lower schema and the larger zero bucket of the two.
void add(NativeHistogram& a, const NativeHistogram& b);
void subtract(NativeHistogram& a, const NativeHistogram& b);
void scale(NativeHistogram& h, double factor);
// Leaves out empty buckets.
void compact(NativeHistogram& h);
// Whether the counter that was at `before` must have begun anew to be at `now`.
bool is_reset(const NativeHistogram& now, const NativeHistogram& before);

// {count:3, sum:4.5, [-1,-0.5):1, [-0.001,0.001]:1, (1,2]:1}: buckets that are not empty.
std::string to_string(const NativeHistogram& h);

}  // namespace signalbox
