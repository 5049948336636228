// Native histograms in chunks and in the log: what was written is read, and what is cut or changed is refused
// or is another whole.
#include "runtime/formats/tsdb_histograms.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/support/tsdb_histogram_writer.hpp"

namespace signalbox::formats::tsdb {
namespace {

std::vector<TimedHistogram> some(std::uint64_t seed, bool floats) {
  std::mt19937_64 rng(seed);
  NativeHistogram h;
  h.schema = static_cast<std::int32_t>(rng() % 13) - 4;
  h.zero_threshold = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 0x1p-128 : 0.001;
  std::vector<TimedHistogram> out;
  std::int64_t time = static_cast<std::int64_t>(rng() % 2'000'000'000'000) - 1'000'000'000'000;
  const std::size_t count = rng() % 60 + 1;
  for (std::size_t i = 0; i < count; ++i) {
    time += static_cast<std::int64_t>(rng() % (seed % 5 == 0 ? 1'000'000'000 : 30'000)) + 1;
    if (i > 0 && i + 3 >= count && seed % 4 == 0) {
      out.push_back({time, nullptr});
      continue;
    }
    for (auto* side : {&h.positive, &h.negative}) {
      if (rng() % 4 == 0) {
        const auto index = static_cast<std::int32_t>(rng() % 400) - 200;
        const auto at =
            std::find_if(side->begin(), side->end(), [&](const auto& b) { return b.index >= index; });
        if (at == side->end() || at->index != index) side->insert(at, {index, 0});
      }
      for (auto& bucket : *side)
        bucket.count += floats ? static_cast<double>(rng() % 1000) / 7
                               : static_cast<double>(rng() % (seed % 7 == 0 ? 1u << 31 : 9));
    }
    h.count += 5;
    h.zero_count += static_cast<double>(rng() % 3);
    h.sum = seed % 6 == 0 ? std::numeric_limits<double>::quiet_NaN()
                          : h.sum + static_cast<double>(rng() % 100) / 3;
    out.push_back({time, std::make_shared<const NativeHistogram>(h)});
  }
  return out;
}

bool same(const TimedHistogram& a, const TimedHistogram& b) {
  if (a.time != b.time || (a.histogram == nullptr) != (b.histogram == nullptr)) return false;
  if (!a.histogram) return true;
  NativeHistogram x = *a.histogram, y = *b.histogram;
  if (std::bit_cast<std::uint64_t>(x.sum) != std::bit_cast<std::uint64_t>(y.sum)) return false;
  x.sum = y.sum = 0;
  compact(x);
  compact(y);
  return x == y;
}

TEST(TsdbHistograms, ChunksAreReadAsTheyWereWritten) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const bool floats = seed % 2 == 1;
    const std::vector<TimedHistogram> written = some(seed, floats);
    const test::TsdbChunk chunk = test::histogram_chunk(written, floats);
    std::vector<TimedHistogram> read;
    ASSERT_EQ(decode_histograms(floats ? Encoding::float_histogram : Encoding::histogram, chunk.data, read),
              HistogramRead::whole)
        << seed;
    ASSERT_EQ(read.size(), written.size()) << seed;
    for (std::size_t i = 0; i < read.size(); ++i) ASSERT_TRUE(same(written[i], read[i])) << seed << " " << i;
  }
}

TEST(TsdbHistograms, AChunkThatIsCutIsRefusedAndLeavesNothing) {
  for (const bool floats : {false, true}) {
    const std::vector<TimedHistogram> written = some(7, floats);
    const test::TsdbChunk chunk = test::histogram_chunk(written, floats);
    std::vector<TimedHistogram> read{{5, nullptr}};
    const Encoding encoding = floats ? Encoding::float_histogram : Encoding::histogram;
    for (std::size_t n = 0; n + 1 < chunk.data.size(); ++n) {
      EXPECT_EQ(decode_histograms(encoding, std::string_view(chunk.data).substr(0, n), read),
                HistogramRead::malformed)
          << n;
      ASSERT_EQ(read.size(), 1u);
    }
    EXPECT_EQ(decode_histograms(encoding, std::string("\0\0", 2), read), HistogramRead::whole);
    EXPECT_EQ(decode_histograms(encoding, std::string("\0\0\0", 3), read), HistogramRead::whole);
    EXPECT_EQ(read.size(), 1u);
  }
}

// One that arithmetic cannot take is told apart from damage, and what stands behind it in a record is read.
TEST(TsdbHistograms, WhatIsNotKnownIsPassedOver) {
  const TimedHistogram good = some(7, false)[0];
  NativeHistogram custom = *good.histogram, far = custom, no_number = custom, below = custom;
  custom.schema = -53;
  far.positive = {{NativeHistogram::most_index, 1}, {NativeHistogram::most_index + 1, 1}};
  no_number.zero_threshold = std::numeric_limits<double>::quiet_NaN();
  below.zero_threshold = -1;
  for (const NativeHistogram& strange : {custom, far, no_number, below}) {
    const TimedHistogram one{1, std::make_shared<const NativeHistogram>(strange)};
    std::vector<TimedHistogram> read{{5, nullptr}};
    EXPECT_EQ(decode_histograms(Encoding::histogram, test::histogram_chunk({one}, false).data, read),
              HistogramRead::unknown);
    EXPECT_EQ(read.size(), 1u);
    std::string seen;
    EXPECT_TRUE(read_histograms_record(test::histograms_record({{1, one}, {2, good}}, false),
                                       [&](std::uint64_t series, TimedHistogram&& each, bool known) {
                                         seen += std::to_string(series) + (known ? "+" : "-");
                                         EXPECT_EQ(known, each.histogram != nullptr);
                                       }));
    EXPECT_EQ(seen, "1-2+");
  }
}

TEST(TsdbHistograms, RecordsAreReadAsTheyWereWritten) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const bool floats = seed % 2 == 1;
    std::vector<std::pair<std::uint64_t, TimedHistogram>> written;
    for (const TimedHistogram& one : some(seed, floats)) written.emplace_back(written.size() * 3 + seed, one);
    const std::string record = test::histograms_record(written, floats);
    std::size_t at = 0;
    const bool whole =
        read_histograms_record(record, [&](std::uint64_t series, TimedHistogram&& one, bool known) {
          EXPECT_TRUE(known);
          ASSERT_LT(at, written.size());
          EXPECT_EQ(series, written[at].first);
          EXPECT_TRUE(same(written[at].second, one)) << seed << " " << at;
          ++at;
        });
    EXPECT_TRUE(whole);
    EXPECT_EQ(at, written.size());
    EXPECT_FALSE(read_histograms_record(std::string_view(record).substr(0, record.size() - 1),
                                        [](auto, auto&&, bool) {}));
  }
  EXPECT_TRUE(read_histograms_record("\7", [](auto, auto&&, bool) {}));
  EXPECT_FALSE(read_histograms_record("\2", [](auto, auto&&, bool) {}));
}

// Spans that overlap, go on for ever, or have other than a number for each bucket.
TEST(TsdbHistograms, SpansAreHeldAgainstTheirCounts) {
  std::vector<NativeHistogram::Bucket> out;
  EXPECT_TRUE(buckets_of({{-2, 2}, {3, 1}}, {1, 2, 3}, out));
  EXPECT_EQ(out, (std::vector<NativeHistogram::Bucket>{{-2, 1}, {-1, 2}, {3, 3}}));
  EXPECT_TRUE(buckets_of({}, {}, out));
  EXPECT_FALSE(buckets_of({{0, 2}}, {1}, out));
  EXPECT_FALSE(buckets_of({{0, 1}}, {1, 2}, out));
  EXPECT_FALSE(buckets_of({{0, 2}, {-1, 1}}, {1, 2, 3}, out));
  EXPECT_FALSE(buckets_of({{std::numeric_limits<std::int32_t>::max(), 2}}, {1, 2}, out));
  EXPECT_FALSE(buckets_of({{0, 0xffffffff}}, {1}, out));
  EXPECT_FALSE(buckets_of({{0, std::numeric_limits<std::uint64_t>::max()}, {0, 2}}, {1}, out));
  EXPECT_FALSE(buckets_of({{std::numeric_limits<std::int64_t>::min(), 1}}, {1}, out));
  EXPECT_FALSE(buckets_of(std::vector<Span>(100, {NativeHistogram::most_index, 0}), {}, out) && !out.empty());
}

}  // namespace
}  // namespace signalbox::formats::tsdb
