// Prometheus' files, piece by piece, with bytes written by hand and by tests/support/tsdb_writer.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_block.hpp"
#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/formats/tsdb_head_chunks.hpp"
#include "runtime/formats/tsdb_index.hpp"
#include "runtime/formats/tsdb_wal.hpp"
#include "runtime/formats/xor_decoder.hpp"
#include "tests/support/tsdb_writer.hpp"

namespace signalbox::formats::tsdb {
namespace {

using namespace signalbox::test;
using Rng = std::mt19937_64;

std::string bytes_of(std::initializer_list<unsigned> values) {
  std::string out;
  for (const unsigned v : values) out.push_back(static_cast<char>(v));
  return out;
}

struct Decoded {
  bool good = false;
  std::vector<std::int64_t> times;
  std::vector<std::uint64_t> values;
};
// With exactly the slack that is promised behind the data, for the address sanitizer.
Decoded decode(const std::string& data) {
  const std::string_view all = data;
  std::vector<char> buffer(all.begin(), all.end());
  buffer.resize(buffer.size() + chunk_slack, '\xff');
  buffer.shrink_to_fit();
  Decoded out;
  out.times.resize(chunk_samples(data));
  std::vector<double> values(out.times.size());
  out.good = decode_xor({buffer.data(), data.size()}, out.times.data(), values.data());
  for (const double v : values) out.values.push_back(std::bit_cast<std::uint64_t>(v));
  return out;
}

TEST(Crc32c, HasTheValuesOfItsStandardAndIsTheSameBothWays) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(""), 0u);
  Rng rng(1);
  for (std::size_t size = 0; size < 70; ++size) {
    std::string text(size, ' ');
    for (char& c : text) c = static_cast<char>(rng());
    EXPECT_EQ(crc32c(text), crc32c_by_table(text)) << size;
  }
}

TEST(XorChunk, ByHand) {
  // Two samples: 1000 → 1.0, 1015 → 1.0.
  EXPECT_EQ(decode(bytes_of({0, 2, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x0f, 0x00})).times,
            (std::vector<std::int64_t>{1000, 1015}));
  // Three: 1000 → 1.0, 1015 → 2.0, 1031 → 2.0. The value's bits change from 0x3ff0… to 0x4000…: 0x7ff0…, one
  // leading zero, 11 bits. 11 00001 001011 11111111111, then the time's 10 and 14 bits of 1, then 0 for the
  // same value.
  const Decoded three = decode(bytes_of({0, 3, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x0f,  //
                                         0b11000010, 0b01011111, 0b11111111, 0b10000000, 0b00000001, 0}));
  ASSERT_TRUE(three.good);
  EXPECT_EQ(three.times, (std::vector<std::int64_t>{1000, 1015, 1031}));
  EXPECT_EQ(three.values,
            (std::vector<std::uint64_t>{0x3ff0000000000000, 0x4000000000000000, 0x4000000000000000}));
  EXPECT_TRUE(decode(bytes_of({0, 0})).good);
  EXPECT_FALSE(decode(bytes_of({0})).good);
  EXPECT_FALSE(decode("").good);
}

std::vector<TsdbSample> random_samples(Rng& rng, std::size_t count, int sort) {
  std::vector<TsdbSample> out;
  std::int64_t time =
      sort == 3 ? std::numeric_limits<std::int64_t>::min() : static_cast<std::int64_t>(rng() % (1ull << 45));
  double value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    switch (rng() % 7) {
      case 0:
        value = std::bit_cast<double>(rng());
        break;
      case 1:
        value = std::bit_cast<double>(0x7ff0000000000002ull);
        break;
      case 2:
        value = std::bit_cast<double>(0x7ff8000000000001ull ^ (rng() & 0xffff));
        break;
      case 3:
        break;
      case 4:
        value = static_cast<double>(rng() % 100) / 10;
        break;
      default:
        value = std::floor(value) + static_cast<double>(rng() % 1000);
        if (!(std::fabs(value) < 1e18)) value = 1;
    }
    out.push_back({time, value});
    const std::uint64_t step = sort == 0   ? 15'000
                               : sort == 1 ? 14'990 + rng() % 20
                               : sort == 2 ? rng() >> (rng() % 64)
                                           : rng() % (1ull << 57) + 1;
    time = static_cast<std::int64_t>(static_cast<std::uint64_t>(time) + step);
  }
  return out;
}

// Samples of a counter as they are scraped, with something odd now and then.
std::vector<TsdbSample> counted_samples(Rng& rng, std::size_t count, unsigned odd) {
  std::vector<TsdbSample> out;
  std::int64_t time = 1'700'000'000'000;
  double value = static_cast<double>(rng() % 1'000'000);
  const std::uint64_t most = std::uint64_t{1} << (rng() % 20);
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back({time, value});
    value += static_cast<double>(rng() % most);
    time += 15'000;
    if (odd == 0 || rng() % odd != 0) continue;
    switch (rng() % 8) {
      case 0:
        value = 0;
        break;
      case 1:
        value = std::bit_cast<double>(rng());
        break;
      case 2:
        value += 0.1;
        break;
      case 3:
        time += static_cast<std::int64_t>(rng() % (1ull << 40));
        break;
      case 4:
        value = std::nan("");
        break;
      default:
        time += static_cast<std::int64_t>(rng() >> (44 + rng() % 20));
    }
  }
  return out;
}

TEST(XorChunk, ManyAreDecodedAsOneAfterTheOther) {
  Rng rng(11);
  std::size_t good = 0, bad = 0, rising = 0, steady = 0;
  for (int round = 0; round < 600; ++round) {
    const std::size_t many = 1 + rng() % 50;
    const std::size_t usual = 1 + rng() % 140;
    const unsigned odd = round % 3 == 0 ? 0u : 1u << (rng() % 14);
    std::vector<std::string> made;
    for (std::size_t i = 0; i < many; ++i) {
      const std::size_t count = odd != 0 && rng() % 20 == 0 ? 1 + rng() % 200 : usual;
      const auto samples = rng() % 400 == 0 ? random_samples(rng, count, static_cast<int>(rng() % 4))
                                            : counted_samples(rng, count, odd);
      made.push_back(xor_chunk(samples).data);
      std::string& bytes = made.back();
      if (rng() % 800 == 0 && bytes.size() > 2) bytes.resize(2 + rng() % (bytes.size() - 2));
      if (rng() % 800 == 0) bytes[2 + rng() % (bytes.size() - 2)] ^= static_cast<char>(1 << (rng() % 8));
    }
    // One behind the other as in a file, or each on the heap with exactly its slack, some far from the
    // others.
    std::vector<std::vector<char>> buffers;
    std::vector<std::string_view> data;
    if (round % 2 == 0) {
      std::vector<char>& all = buffers.emplace_back();
      for (const std::string& bytes : made) all.insert(all.end(), bytes.begin(), bytes.end());
      all.resize(all.size() + chunk_slack, '\xff');
      all.shrink_to_fit();
      const char* at = all.data();
      for (const std::string& bytes : made) {
        data.emplace_back(at, bytes.size());
        at += bytes.size();
      }
    } else {
      for (const std::string& bytes : made) {
        std::vector<char>& own = buffers.emplace_back();
        const bool far = rng() % 500 == 0;
        if (far) own.reserve(1 << 20);
        own.assign(bytes.begin(), bytes.end());
        own.resize(bytes.size() + chunk_slack, '\xff');
        if (!far) own.shrink_to_fit();
        data.emplace_back(own.data(), bytes.size());
      }
    }
    bool all_good = true, all_rise = true, all_steady = true;
    std::vector<std::int64_t> times;
    std::vector<std::uint64_t> values;
    for (const std::string_view each : data) {
      const Decoded one = decode(std::string(each));
      all_good = all_good && one.good;
      for (std::size_t i = 1; i < one.times.size(); ++i) {
        all_rise =
            all_rise && std::bit_cast<double>(one.values[i]) >= std::bit_cast<double>(one.values[i - 1]);
        const auto distance = [&](std::size_t at) {
          return static_cast<std::uint64_t>(one.times[at]) - static_cast<std::uint64_t>(one.times[at - 1]);
        };
        all_steady = all_steady && (i < 2 || distance(i) == distance(i - 1));
      }
      times.insert(times.end(), one.times.begin(), one.times.end());
      values.insert(values.end(), one.values.begin(), one.values.end());
    }
    std::vector<std::int64_t> have_times(times.size());
    std::vector<double> have_values(values.size());
    const ChunksSeen seen = decode_xor_chunks(data, have_times.data(), have_values.data());
    ASSERT_EQ(seen.good, all_good) << round;
    ++(all_good ? good : bad);
    if (!all_good) continue;
    ASSERT_EQ(have_times, times) << round;
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint64_t>(have_values[i]), values[i]) << round << ' ' << i;
    EXPECT_TRUE(all_rise || !seen.rising) << round;
    EXPECT_TRUE(all_steady || !seen.steady) << round;
    rising += seen.rising ? 1 : 0;
    steady += seen.steady ? 1 : 0;
  }
  EXPECT_GT(good, 300u);
  EXPECT_GT(bad, 10u);
  // Where the processor can decode several at once, it is seen how they are.
  EXPECT_EQ(rising > 10, lanes_for(16).lanes > 0);
  EXPECT_EQ(steady > 10, lanes_for(16).lanes > 0);
}

TEST(XorChunk, EverySampleComesBackWithItsBits) {
  Rng rng(2);
  for (int round = 0; round < 4000; ++round) {
    const auto samples = random_samples(rng, rng() % 200, round % 4);
    const Decoded out = decode(xor_chunk(samples).data);
    ASSERT_TRUE(out.good) << round;
    ASSERT_EQ(out.times.size(), samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      ASSERT_EQ(out.times[i], samples[i].time) << round << " " << i;
      ASSERT_EQ(out.values[i], std::bit_cast<std::uint64_t>(samples[i].value)) << round << " " << i;
    }
  }
}

TEST(XorChunk, EdgesOfTheWidthsOfTimes) {
  for (const std::int64_t edge : {1 << 13, 1 << 16, 1 << 19}) {
    for (const std::int64_t change : {edge - 1, edge, edge + 1, -edge + 1, -edge, -edge - 1}) {
      const std::vector<TsdbSample> samples = {{0, 1}, {10'000'000, 1}, {20'000'000 + change, 1}};
      const Decoded out = decode(xor_chunk(samples).data);
      ASSERT_TRUE(out.good);
      EXPECT_EQ(out.times[2], samples[2].time) << change;
    }
  }
}

TEST(XorChunk, CutShortOrDamagedDoesNoHarm) {
  Rng rng(3);
  for (int round = 0; round < 4000; ++round) {
    std::string data = xor_chunk(random_samples(rng, 2 + rng() % 150, round % 4)).data;
    EXPECT_FALSE(decode(data.substr(0, data.size() - 1 - rng() % (data.size() - 2))).good) << round;
    for (int n = 0; n < 3; ++n) data[rng() % data.size()] = static_cast<char>(rng());
    static_cast<void>(decode(data));
  }
}

TEST(Frame, IsReadAndItsChecksumCompared) {
  const TsdbChunk chunk = xor_chunk({{1, 2}, {3, 4}});
  const std::string frame = chunk_frame(chunk);
  EXPECT_EQ(*frame_size(frame.substr(0, frame_head_bytes)), frame.size());
  const Result<Frame> read = read_frame(frame);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->encoding, 1);
  EXPECT_EQ(read->data, chunk.data);
  for (std::size_t i = 0; i < frame.size(); ++i) {
    std::string damaged = frame;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(read_frame(damaged)) << i;
    EXPECT_FALSE(read_frame(frame.substr(0, i))) << i;
  }
  EXPECT_FALSE(frame_size(std::string(10, '\xff')));
  EXPECT_TRUE(check_segment_header(bytes_of({0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0})));
  EXPECT_EQ(check_segment_header(bytes_of({0x85, 0xbd, 0x40, 0xdd, 2, 0, 0, 0})).error().code,
            ErrorCode::unsupported);
  EXPECT_FALSE(check_segment_header("PK"));
}

TEST(Names, OfEncodingsAndRecords) {
  EXPECT_EQ(encoding_name(1), "XOR");
  EXPECT_EQ(encoding_name(2), "histogram");
  EXPECT_EQ(encoding_name(3), "float histogram");
  EXPECT_EQ(encoding_name(4), "");
  EXPECT_EQ(wal_record_name(6), "metadata");
  EXPECT_EQ(wal_record_name(77), "");
}

class Index : public testing::TestWithParam<int> {};

TEST_P(Index, IsReadPieceByPiece) {
  const int version = GetParam();
  const TsdbChunk early = xor_chunk({{100, 1}, {200, 2}}), late = xor_chunk({{300, 1}, {450, 2}});
  const TsdbBlock block =
      make_block({{{{"__name__", "a"}, {"job", "x"}}, {early, late}}, {{{"__name__", "b"}}, {late}}}, "", 0,
                 500, version);
  const std::string_view index = block.index;
  EXPECT_EQ(*read_index_header(index.substr(0, 5)), version);
  const Result<Toc> toc = read_toc(index.substr(index.size() - toc_bytes));
  ASSERT_TRUE(toc);
  const auto section = [&](std::uint64_t at) {
    const std::string_view from = index.substr(at);
    return from.substr(0, *section_size(from.substr(0, section_head_bytes)));
  };
  const Result<Symbols> symbols = Symbols::read(section(toc->symbols), version, toc->symbols);
  ASSERT_TRUE(symbols);
  std::vector<std::pair<std::string, std::uint64_t>> lists;
  ASSERT_TRUE(read_postings_table(section(toc->postings_table),
                                  [&](std::string_view name, std::string_view value, std::uint64_t offset) {
                                    lists.emplace_back(std::string(name) + "=" + std::string(value), offset);
                                  }));
  ASSERT_EQ(lists.size(), 4u);
  EXPECT_EQ(lists[0].first, "=");
  EXPECT_EQ(lists[3].first, "job=x");
  std::vector<std::uint64_t> references;
  ASSERT_TRUE(read_postings(section(lists[0].second), references));
  ASSERT_EQ(references.size(), 2u);
  EXPECT_EQ(references[1], series_reference(block, 1, version));
  IndexSeries series;
  const std::string_view entry = index.substr(series_offset(references[0], version));
  const Result<std::uint64_t> size = series_size(entry.substr(0, series_head_bytes));
  ASSERT_TRUE(size);
  ASSERT_TRUE(read_series(entry.substr(0, *size), series));
  ASSERT_EQ(series.labels.size(), 2u);
  EXPECT_EQ(*symbols->at(series.labels[1].first), "job");
  EXPECT_EQ(*symbols->at(series.labels[1].second), "x");
  ASSERT_EQ(series.chunks.size(), 2u);
  EXPECT_EQ(series.chunks[0].first, 100);
  EXPECT_EQ(series.chunks[0].last, 200);
  EXPECT_EQ(series.chunks[1].first, 300);
  EXPECT_EQ(series.chunks[1].last, 450);
  EXPECT_EQ(series.chunks[0].reference, segment_header_bytes);
  EXPECT_EQ(series.chunks[1].reference, segment_header_bytes + chunk_frame(early).size());

  EXPECT_FALSE(symbols->at(1'000'000));
  EXPECT_FALSE(read_series(entry.substr(0, *size - 1), series));
  for (std::size_t i = 0; i < *size; ++i) {
    std::string damaged(entry.substr(0, *size));
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(read_series(damaged, series)) << i;
  }
  for (const std::uint64_t at : {toc->symbols, lists[0].second, toc->postings_table}) {
    std::string damaged(section(at));
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
    EXPECT_FALSE(Symbols::read(damaged, version, toc->symbols));
    EXPECT_FALSE(read_postings(damaged, references));
    EXPECT_FALSE(read_postings_table(damaged, [](auto, auto, auto) {}));
  }
}
INSTANTIATE_TEST_SUITE_P(Versions, Index, testing::Values(1, 2));

TEST(IndexPieces, OfOtherSortsAreRefused) {
  EXPECT_EQ(read_index_header(bytes_of({0xba, 0xaa, 0xd7, 0, 3})).error().code, ErrorCode::unsupported);
  EXPECT_FALSE(read_index_header("hello"));
  EXPECT_FALSE(read_toc(std::string(toc_bytes, '\0')));
  EXPECT_FALSE(read_toc("short"));
  // A count that the bytes cannot have, with a checksum that fits: nothing is allocated for it.
  std::string content, section;
  put_be(content, 0xffffffff, 4);
  put_be(section, content.size(), 4);
  section += content;
  put_be(section, crc32c(content), 4);
  EXPECT_FALSE(Symbols::read(section, 2, 5));
  std::vector<std::uint64_t> references;
  EXPECT_FALSE(read_postings(section, references));
  EXPECT_FALSE(read_postings_table(section, [](auto, auto, auto) {}));
  for (const bool labels : {true, false}) {
    std::string entry = labels ? "" : std::string(1, '\0'), framed;
    put_uvarint(entry, std::numeric_limits<std::uint64_t>::max());
    put_uvarint(framed, entry.size());
    framed += entry;
    put_be(framed, crc32c(entry), 4);
    IndexSeries series;
    EXPECT_FALSE(read_series(framed, series));
  }
}

TEST(BlockMeta, SaysWhatItNeedsTo) {
  EXPECT_TRUE(is_block_name("01BKGV7JBM69T2G1BGBGM6KB12"));
  EXPECT_FALSE(is_block_name("01BKGV7JBM69T2G1BGBGM6KB12.tmp-for-creation"));
  EXPECT_FALSE(is_block_name("81BKGV7JBM69T2G1BGBGM6KB12"));
  EXPECT_FALSE(is_block_name("chunks_head"));
  const Result<BlockMeta> meta = read_block_meta(
      R"({"ulid":"A","minTime":5,"maxTime":9,"version":1,"compaction":{"parents":[{"ulid":"B"}],"hints":["from-out-of-order"]}})");
  ASSERT_TRUE(meta);
  EXPECT_EQ(meta->from.ms, 5);
  EXPECT_EQ(meta->to.ms, 9);
  EXPECT_EQ(meta->parents, std::vector<std::string>{"B"});
  EXPECT_TRUE(meta->out_of_order);
  EXPECT_FALSE(read_block_meta("{"));
  EXPECT_FALSE(read_block_meta("[]"));
  EXPECT_FALSE(read_block_meta(R"({"ulid":"A","minTime":5,"version":1})"));
  EXPECT_EQ(read_block_meta(R"({"ulid":"A","minTime":5,"maxTime":9,"version":2})").error().code,
            ErrorCode::unsupported);
}

TEST(TombstonesFile, IsReadWholeOrNotAtAll) {
  const std::string file = make_tombstones({{7, -5, 10}, {300, 20, 30}});
  std::vector<std::int64_t> seen;
  const TombstoneVisitor visit = [&](std::uint64_t series, std::int64_t first, std::int64_t last) {
    seen.insert(seen.end(), {static_cast<std::int64_t>(series), first, last});
  };
  ASSERT_TRUE(tsdb::read_tombstones(file, visit));
  EXPECT_EQ(seen, (std::vector<std::int64_t>{7, -5, 10, 300, 20, 30}));
  seen.clear();
  for (std::size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    EXPECT_FALSE(tsdb::read_tombstones(damaged, visit)) << i;
    EXPECT_FALSE(tsdb::read_tombstones(file.substr(0, i), visit)) << i;
  }
  EXPECT_TRUE(seen.empty());
}

TEST(HeadChunks, OneAfterTheOther) {
  const std::string first = head_chunk(9, xor_chunk({{100, 1}, {200, 2}})),
                    late = head_chunk(10, xor_chunk({{50, 5}}), true);
  EXPECT_TRUE(check_head_file_header(head_file_header()));
  EXPECT_FALSE(check_head_file_header(""));
  EXPECT_EQ(*head_chunk_size((first + late).substr(0, head_chunk_head_bytes)), first.size());
  const Result<HeadChunk> chunk = read_head_chunk(first);
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->series, 9u);
  EXPECT_EQ(chunk->first, 100);
  EXPECT_EQ(chunk->last, 200);
  EXPECT_EQ(chunk->encoding, 1);
  EXPECT_FALSE(chunk->out_of_order);
  EXPECT_TRUE(read_head_chunk(late)->out_of_order);
  EXPECT_EQ(read_head_chunk(late)->encoding, 1);
  EXPECT_EQ(*head_chunk_size(std::string(head_chunk_head_bytes, '\0')), 0u);
  EXPECT_EQ(*head_chunk_size(""), 0u);
  EXPECT_FALSE(head_chunk_size(first.substr(0, 20)));
  for (std::size_t i = 0; i < first.size(); ++i) {
    std::string damaged = first;
    damaged[i] = static_cast<char>(damaged[i] ^ 2);
    EXPECT_FALSE(read_head_chunk(damaged)) << i;
  }
}

// All records of a segment's bytes; then how it ended.
std::pair<std::vector<std::string>, WalSegment::Step> records_of(std::string_view bytes,
                                                                 std::size_t most = 1u << 20) {
  WalSegment segment(most);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < bytes.size(); at += wal_page_bytes) {
    segment.page(bytes.substr(at, wal_page_bytes));
    for (;;) {
      const WalSegment::Step step = segment.next();
      if (step == WalSegment::Step::done) break;
      if (step != WalSegment::Step::record) return {out, step};
      out.emplace_back(segment.record());
    }
  }
  return {out, segment.open() ? WalSegment::Step::torn : WalSegment::Step::done};
}

TEST(Wal, RecordsComeBackHoweverTheyLieOnPages) {
  Rng rng(5);
  for (const bool packed : {false, true}) {
    std::vector<std::string> records;
    for (int i = 0; i < 60; ++i) {
      records.emplace_back(rng() % (i % 10 == 0 ? 100'000 : 3000), ' ');
      for (char& c : records.back()) c = static_cast<char>(rng());
    }
    const std::string bytes = wal_segment(records, packed);
    const auto [read, end] = records_of(bytes);
    EXPECT_EQ(end, WalSegment::Step::done);
    EXPECT_TRUE(read == records);
    // Cut anywhere, what came whole before is there, and it is no damage.
    for (int i = 0; i < 300; ++i) {
      const auto [some, how] = records_of(std::string_view(bytes).substr(0, rng() % bytes.size()));
      EXPECT_NE(how, WalSegment::Step::damaged);
      ASSERT_LE(some.size(), records.size());
      EXPECT_TRUE(std::equal(some.begin(), some.end(), records.begin()));
    }
    // A byte of it changed is seen.
    for (int i = 0; i < 300; ++i) {
      std::string damaged = bytes;
      const std::size_t at = rng() % bytes.size();
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << rng() % 8));
      const auto [some, how] = records_of(damaged);
      EXPECT_TRUE(how != WalSegment::Step::done || some == records) << at;
      EXPECT_TRUE(some.size() <= records.size() && std::equal(some.begin(), some.end(), records.begin()))
          << at;
    }
  }
}

TEST(Wal, ABoundOnRecordsHolds) {
  const std::string bytes = wal_segment({std::string(5000, 'x')});
  EXPECT_EQ(records_of(bytes, 4999).second, WalSegment::Step::damaged);
  EXPECT_EQ(records_of(bytes, 5000).second, WalSegment::Step::done);
  // Packed, it says that it is longer than it is allowed to be.
  std::string bomb;
  put_uvarint(bomb, 1u << 30);
  bomb += std::string(8, '\0');
  std::string record = wal_segment({bomb});
  record[0] = static_cast<char>(1 | 8);
  EXPECT_EQ(records_of(record).second, WalSegment::Step::damaged);
}

TEST(WalRecords, SayWhatWasWritten) {
  std::string seen;
  const auto show = [&](auto... values) { ((seen += std::to_string(values) + " "), ...); };
  WalLabels labels;
  EXPECT_TRUE(read_series_record(series_record({{5, {{"__name__", "a"}}}, {6, {}}}), labels,
                                 [&](std::uint64_t series, const WalLabels& of) {
                                   show(series, of.size());
                                   for (const auto& [name, value] : of)
                                     seen += std::string(name) + "=" + std::string(value) + " ";
                                 }));
  EXPECT_EQ(seen, "5 1 __name__=a 6 0 ");
  seen.clear();
  EXPECT_TRUE(read_samples_record(samples_record({{9, 100, 1}, {3, 90, -2}}), show));
  EXPECT_EQ(seen, "9 100 1.000000 3 90 -2.000000 ");
  seen.clear();
  EXPECT_TRUE(read_tombstones_record(tombstones_record({{4, -1, 8}}), show));
  EXPECT_EQ(seen, "4 -1 8 ");
  EXPECT_TRUE(read_samples_record(samples_record({}), show));
  const std::string samples = samples_record({{9, 100, 1}});
  for (std::size_t i = 18; i < samples.size(); ++i)
    EXPECT_FALSE(read_samples_record(samples.substr(0, i), show)) << i;
  EXPECT_FALSE(read_samples_record(series_record({}), show));
  std::string hostile = "\1";
  put_be(hostile, 1, 8);
  put_uvarint(hostile, std::numeric_limits<std::uint64_t>::max());
  EXPECT_FALSE(read_series_record(hostile, labels, [](auto, const auto&) {}));
}

}  // namespace
}  // namespace signalbox::formats::tsdb
