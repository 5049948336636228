// Native histograms as Prometheus stores them: chunks of them, and records of the write-ahead log.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/base/native_histogram.hpp"
#include "runtime/formats/tsdb_bytes.hpp"
#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/formats/tsdb_wal.hpp"

namespace signalbox::formats::tsdb {

enum class HistogramRead {
  whole,
  malformed,
  // In its place, and none that arithmetic here can take: of buckets that do not grow by a factor (schema
  // −53), with a zero bucket that begins below zero, with spans that do not fit its buckets, with more
  // buckets than are kept. It is to be passed over.
  unknown,
};

// What one chunk may become: a bucket takes a bit at least in it, and 16 bytes here. Prometheus' own have
// some ten thousand.
inline constexpr std::size_t most_chunk_buckets = 1u << 22;
// The samples of a chunk of either encoding, chunk_samples() of them, put behind what is in `out`. Unless it
// is whole, `out` is as it was.
HistogramRead decode_histograms(Encoding encoding, std::string_view data, std::vector<TimedHistogram>& out);

// Buckets as they stand in messages and records: spans of consecutive ones, each so far after the end of the
// one before (the first after 0), and a number for each bucket. False when there are not as many numbers as
// buckets, when spans go back, or for indices that no histogram has.
struct Span {
  std::int64_t offset = 0;
  std::uint64_t length = 0;
};
bool buckets_of(const std::vector<Span>& spans, const std::vector<double>& counts,
                std::vector<NativeHistogram::Bucket>& out);
// Counts of whole numbers are told as differences from bucket to bucket.
std::vector<double> counts_of(const std::vector<std::int64_t>& differences);
// A schema that is known, and a zero bucket that begins at zero or above: arithmetic relies on both.
bool is_known(const NativeHistogram& h);

// A record of either type. visit(std::uint64_t series, TimedHistogram&&, bool known): one that is unknown
// comes without its histogram.
template <class Visit>
bool read_histograms_record(std::string_view record, Visit&& visit);

// One histogram of a record, with floats or with whole numbers; null for a stale marker, and unless whole.
HistogramRead read_recorded_histogram(Bytes& in, bool floats, HistogramPtr& out);

template <class Visit>
bool read_histograms_record(std::string_view record, Visit&& visit) {
  Bytes in(record);
  const auto type = static_cast<WalRecord>(in.u8());
  if (type != WalRecord::histograms && type != WalRecord::float_histograms) return false;
  if (in.left() == 0) return in.ok();
  const std::uint64_t series = in.be64();
  const auto time = static_cast<std::int64_t>(in.be64());
  while (in.left() > 0) {
    const std::int64_t further = in.varint(), later = in.varint();
    TimedHistogram sample{wrapping_add(time, later), nullptr};
    const HistogramRead read =
        read_recorded_histogram(in, type == WalRecord::float_histograms, sample.histogram);
    if (read == HistogramRead::malformed) return false;
    visit(series + static_cast<std::uint64_t>(further), std::move(sample), read == HistogramRead::whole);
  }
  return in.ok();
}

}  // namespace signalbox::formats::tsdb
