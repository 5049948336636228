// A data directory as a whole: blocks, head, what is deleted, what is damaged, and what changes while it is
// read.
#include "runtime/sources/tsdb_history.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <set>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_bytes.hpp"
#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/sources/blocks.hpp"
#include "runtime/sources/passed_over.hpp"
#include "tests/support/memory_folders.hpp"
#include "tests/support/series.hpp"
#include "tests/support/tsdb_histogram_writer.hpp"

namespace signalbox::sources {
namespace {

using namespace signalbox::test;

const std::string first_block = "01AAAAAAAAAAAAAAAAAAAAAAA1", second_block = "01AAAAAAAAAAAAAAAAAAAAAAA2",
                  third_block = "01AAAAAAAAAAAAAAAAAAAAAAA3";

std::vector<Matcher> named(const std::string& name) {
  return {{"__name__", MatchOp::equal, name}};
}
TsdbHistory::Request everything(std::vector<std::vector<Matcher>> selectors) {
  return {std::move(selectors), Instant{INT64_MIN}, Instant{INT64_MAX}};
}
TsdbHistory open(MemoryFolders& folders, const TsdbHistory::Request& request) {
  Result<TsdbHistory> history = TsdbHistory::open(folders, "data", request, Limits{});
  if (!history) ADD_FAILURE() << history.error().message;
  return *std::move(history);
}
// "time=value" of each sample, "time!" of each end.
std::string samples(TsdbHistory::Reader& reader, std::size_t series) {
  SeriesSamples out;
  if (const Result<void> read = reader.read(series, out); !read) return read.error().message;
  std::string text;
  for (std::size_t i = 0; i < out.samples.size(); ++i)
    text += fmt::format("{}={} ", out.samples.times[i], out.samples.values[i]);
  for (const std::int64_t end : out.ends) text += fmt::format("{}! ", end);
  return text;
}
std::string samples(const TsdbHistory& history, std::size_t series = 0) {
  TsdbHistory::Reader reader(history);
  return samples(reader, series);
}
std::string all_of(MemoryFolders& folders, const std::string& name = "a") {
  const TsdbHistory history = open(folders, everything({named(name)}));
  return history.size() == 0 ? "" : samples(history);
}
std::string notices(const TsdbHistory& history) {
  std::string out;
  for (const Error& notice : history.notices()) out += notice.message + "\n";
  return out;
}
const TsdbLabels a = {{"__name__", "a"}}, b = {{"__name__", "b"}, {"job", "x"}};

class Versions : public testing::TestWithParam<int> {};

TEST_P(Versions, SeriesAreFoundThroughPostings) {
  MemoryFolders folders;
  std::vector<TsdbSeries> series;
  for (const char* code : {"200", "404", "500"})
    series.push_back({{{"__name__", "hits"}, {"code", code}}, {xor_chunk({{10, 1}, {20, 2}})}});
  series.push_back({{{"__name__", "hits"}}, {xor_chunk({{10, 1}})}});
  series.push_back({{{"__name__", "other"}, {"code", "500"}}, {xor_chunk({{10, 7}})}});
  folders.put_block(first_block, make_block(series, first_block, 0, 100, GetParam()));
  const auto found = [&](std::vector<Matcher> matchers) {
    const TsdbHistory history = open(folders, everything({std::move(matchers)}));
    std::string out;
    for (std::size_t i = 0; i < history.size(); ++i) out += to_string(history.labels(i)) + " ";
    return out + notices(history);
  };
  const Matcher name = {"__name__", MatchOp::equal, "hits"};
  EXPECT_EQ(found({name}), "hits hits{code=\"200\"} hits{code=\"404\"} hits{code=\"500\"} ");
  EXPECT_EQ(found({name, {"code", MatchOp::equal, "404"}}), "hits{code=\"404\"} ");
  EXPECT_EQ(found({name, {"code", MatchOp::not_equal, "404"}}),
            "hits hits{code=\"200\"} hits{code=\"500\"} ");
  EXPECT_EQ(found({name, {"code", MatchOp::equal, ""}}), "hits ");
  EXPECT_EQ(found({name, {"code", MatchOp::not_equal, ""}}),
            "hits{code=\"200\"} hits{code=\"404\"} hits{code=\"500\"} ");
  EXPECT_EQ(found({name, {"code", MatchOp::regex, "[45].."}}), "hits{code=\"404\"} hits{code=\"500\"} ");
  EXPECT_EQ(found({name, {"code", MatchOp::regex, "|200"}}), "hits hits{code=\"200\"} ");
  EXPECT_EQ(found({name, {"code", MatchOp::not_regex, "2..|"}}), "hits{code=\"404\"} hits{code=\"500\"} ");
  EXPECT_EQ(found({{"code", MatchOp::equal, "500"}}), "hits{code=\"500\"} other{code=\"500\"} ");
  EXPECT_EQ(found({{"__name__", MatchOp::not_regex, "h.*"}, {"code", MatchOp::regex, ".+"}}),
            "other{code=\"500\"} ");
  EXPECT_EQ(found({{"code", MatchOp::equal, "nowhere"}}), "");
  EXPECT_EQ(found({name, {"none", MatchOp::equal, "x"}}), "");
  // What compilers refuse finds nothing.
  EXPECT_EQ(found({{"code", MatchOp::not_equal, "500"}}), "");
  EXPECT_EQ(found({{"code", MatchOp::regex, "("}}), "");
  // The head's series are found alike.
  folders.files.clear();
  std::vector<std::pair<std::uint64_t, TsdbLabels>> numbered;
  std::vector<WalSample> logged;
  for (std::uint64_t i = 0; i < series.size(); ++i) {
    numbered.emplace_back(i + 1, series[i].labels);
    logged.push_back({i + 1, 10, 1});
  }
  folders.files["data/wal/00000000"] = wal_segment({series_record(numbered), samples_record(logged)});
  EXPECT_EQ(found({name, {"code", MatchOp::not_regex, "2..|"}}), "hits{code=\"404\"} hits{code=\"500\"} ");
  EXPECT_EQ(found({name, {"code", MatchOp::equal, ""}}), "hits ");
}

// Selectors share matchers, ask for one value or many, and narrow lists of very different lengths: together
// they find what each would by itself.
TEST(TsdbHistory, SelectorsThatShareMatchersFindWhatEachWould) {
  std::mt19937_64 rng(4);
  std::vector<TsdbSeries> series;
  for (int i = 0; i < 300; ++i) {
    TsdbLabels labels = {{"__name__", i % 50 == 0 ? "rare" : "usual"}, {"n", fmt::format("{:03}", i)}};
    if (i % 3 != 0) labels.emplace_back("zone", i % 2 == 0 ? "a" : "b");
    series.push_back({labels, {xor_chunk({{10, 1}})}});
  }
  std::sort(series.begin(), series.end(), [](const auto& x, const auto& y) { return x.labels < y.labels; });
  MemoryFolders folders;
  folders.put_block(first_block, make_block(series, first_block, 0, 100));
  const auto matcher = [&]() -> Matcher {
    const auto op = static_cast<MatchOp>(rng() % 4);
    switch (rng() % 4) {
      case 0:
        return {"__name__", op, rng() % 4 == 0 ? "rare" : "usual"};
      case 1:
        return {"zone", op, rng() % 3 == 0 ? "" : rng() % 2 == 0 ? "a" : "b"};
      case 2:
        return {"n", op, fmt::format("{:03}", rng() % 300)};
      default:
        return {"n", rng() % 2 == 0 ? MatchOp::regex : MatchOp::not_regex, fmt::format(".*{}", rng() % 10)};
    }
  };
  std::size_t many = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<Matcher>> selectors(1 + rng() % 12);
    for (std::vector<Matcher>& selector : selectors)
      for (std::size_t n = 1 + rng() % 3; n > 0; --n) selector.push_back(matcher());
    std::set<std::string> wanted;
    for (const std::vector<Matcher>& selector : selectors) {
      const auto compiled = compile_selector(selector);
      for (const TsdbSeries& one : series) {
        std::vector<Labels::Pair> pairs(one.labels.begin(), one.labels.end());
        const Labels labels(std::move(pairs));
        if (compiled && std::all_of(compiled->begin(), compiled->end(),
                                    [&](const CompiledMatcher& m) { return m.accepts(labels); }))
          wanted.insert(to_string(labels));
      }
    }
    const TsdbHistory history = open(folders, everything(selectors));
    std::set<std::string> found;
    for (std::size_t i = 0; i < history.size(); ++i) found.insert(to_string(history.labels(i)));
    ASSERT_EQ(found, wanted) << round;
    many += found.size() > 1 && found.size() < 300 ? 1 : 0;
  }
  EXPECT_GT(many, 100u);
}

TEST_P(Versions, ChunksSegmentsAndTimes) {
  MemoryFolders folders;
  const TsdbBlock block = make_block(
      {{a, {xor_chunk({{10, 1}, {20, 2}}), xor_chunk({{30, 3}, {40, 4}}), xor_chunk({{50, 5}, {60, 6}})}},
       {b, {xor_chunk({{10, -1}})}}},
      first_block, 0, 100, GetParam(), 2);
  ASSERT_EQ(block.segments.size(), 2u);
  folders.put_block(first_block, block);
  EXPECT_EQ(all_of(folders), "10=1 20=2 30=3 40=4 50=5 60=6 ");
  EXPECT_EQ(all_of(folders, "b"), "10=-1 ");
  const TsdbHistory some = open(folders, {{named("a")}, Instant{20}, Instant{50}});
  EXPECT_EQ(samples(some), "20=2 30=3 40=4 50=5 ");
  TsdbHistory::Reader reader(some);
  SeriesSamples out;
  ASSERT_TRUE(reader.read(0, Instant{0}, Instant{30}, out));
  EXPECT_EQ(out.samples.times, (UnsetVector<std::int64_t>{20, 30}));
  EXPECT_EQ(open(folders, {{named("a")}, Instant{100}, Instant{200}}).size(), 0u);
}
INSTANTIATE_TEST_SUITE_P(IndexVersions, Versions, testing::Values(1, 2));

TEST(TsdbHistory, MarkersAreEndsAndNansKeepTheirBits) {
  MemoryFolders folders;
  const double odd = std::bit_cast<double>(0x7ff8000000000abcull);
  folders.put_block(
      first_block,
      make_block({{a, {xor_chunk({{10, 1}, {20, stale_marker()}, {30, odd}, {40, stale_marker()}})}}},
                 first_block, 0, 100));
  const TsdbHistory history = open(folders, everything({named("a")}));
  TsdbHistory::Reader reader(history);
  SeriesSamples out;
  ASSERT_TRUE(reader.read(0, out));
  EXPECT_EQ(out.samples.times, (UnsetVector<std::int64_t>{10, 30}));
  EXPECT_EQ(std::bit_cast<std::uint64_t>(out.samples.values[1]), 0x7ff8000000000abcull);
  EXPECT_EQ(out.ends, (std::vector<std::int64_t>{20, 40}));
}

// Chunks longer than one is thought to be, the last of them too, and one of many that is wrong.
TEST(TsdbHistory, LongChunksAreReadWholeAndTheWrongOneIsNamed) {
  std::mt19937_64 rng(9);
  TsdbSeries series{a, {}};
  std::vector<double> values;
  std::int64_t time = 0;
  for (int chunk = 0; chunk < 20; ++chunk) {
    std::vector<TsdbSample> some;
    for (int i = 0; i < 400; ++i) {
      values.push_back(std::bit_cast<double>(rng() >> 2));
      some.push_back({time += 1 + static_cast<std::int64_t>(rng() % 100'000), values.back()});
    }
    series.chunks.push_back(xor_chunk(some));
    EXPECT_GT(series.chunks.back().data.size(), 3000u);
  }
  TsdbBlock block = make_block({series}, first_block, 0, time + 1);
  MemoryFolders folders;
  folders.put_block(first_block, block);
  const auto read = [&](std::string& said) {
    const TsdbHistory history = open(folders, everything({named("a")}));
    TsdbHistory::Reader reader(history);
    SeriesSamples out;
    const Result<void> done = reader.read(0, out);
    said = done ? "" : done.error().message;
    return out;
  };
  std::string said;
  const SeriesSamples whole = read(said);
  EXPECT_EQ(said, "");
  ASSERT_EQ(whole.samples.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(whole.samples.values[i], values[i]);
  // The twelfth says that it has more samples than it has; its checksum fits.
  std::string& bytes = folders.files.at("data/" + first_block + "/chunks/000001");
  std::size_t at = formats::tsdb::segment_header_bytes;
  const auto frame_at = [&](std::size_t place) {
    return std::string_view(bytes).substr(
        place,
        static_cast<std::size_t>(*formats::tsdb::frame_size(std::string_view(bytes).substr(place, 6))));
  };
  for (int i = 0; i < 11; ++i) at += frame_at(at).size();
  const std::size_t size = frame_at(at).size(), head = size - series.chunks[11].data.size() - 4;
  bytes[at + head] = '\x7f';
  std::string sum;
  put_be(sum, crc32c(std::string_view(bytes).substr(at + head - 1, series.chunks[11].data.size() + 1)), 4);
  bytes.replace(at + size - 4, 4, sum);
  (void)read(said);
  EXPECT_NE(said.find(fmt::format("at byte {}: the chunk has fewer samples than it says", at)),
            std::string::npos)
      << said;
  // A file that ends within the last one.
  folders.put_block(first_block, block);
  std::string& cut = folders.files.at("data/" + first_block + "/chunks/000001");
  cut.resize(cut.size() - 100);
  (void)read(said);
  EXPECT_NE(said.find("the file ends within what begins here"), std::string::npos) << said;
}

TEST(TsdbHistory, OverlappingBlocksAreMergedAndTheEarlierOneCounts) {
  MemoryFolders folders;
  folders.put_block(second_block,
                    make_block({{a, {xor_chunk({{10, 1}, {30, 3}, {50, 5}})}}}, second_block, 0, 60));
  folders.put_block(first_block,
                    make_block({{a, {xor_chunk({{20, -2}, {30, -3}, {70, -7}})}}}, first_block, 20, 100));
  EXPECT_EQ(all_of(folders), "10=1 20=-2 30=3 50=5 70=-7 ");
}

TEST(TsdbHistory, DeletedStretchesAreGone) {
  MemoryFolders folders;
  const TsdbBlock block = make_block(
      {{a, {xor_chunk({{10, 1}, {20, 2}}), xor_chunk({{30, 3}, {40, 4}})}}, {b, {xor_chunk({{20, 2}})}}},
      first_block, 0, 100);
  folders.put_block(
      first_block, block,
      make_tombstones({{series_reference(block, 0), 15, 30}, {series_reference(block, 0), 40, 40}}));
  EXPECT_EQ(all_of(folders), "10=1 ");
  EXPECT_EQ(all_of(folders, "b"), "20=2 ");
}

TEST(TsdbHistory, BlocksThatAnotherReplacesAreNotRead) {
  MemoryFolders folders;
  folders.put_block(first_block, make_block({{a, {xor_chunk({{10, 1}})}}}, first_block, 0, 50));
  TsdbBlock merged = make_block({{a, {xor_chunk({{10, 2}})}}}, second_block, 0, 50);
  merged.meta.replace(merged.meta.find("\"sources\""), 9,
                      "\"parents\":[{\"ulid\":\"" + first_block + "\"}],\"sources\"");
  folders.put_block(second_block, merged);
  EXPECT_EQ(all_of(folders), "10=2 ");
  // Unless the one that replaces them cannot be opened.
  folders.files.erase("data/" + second_block + "/index");
  EXPECT_EQ(all_of(folders), "10=1 ");
}

TEST(TsdbHistory, TheHeadIsItsChunksAndThenItsLog) {
  MemoryFolders folders;
  folders.put_block(first_block, make_block({{a, {xor_chunk({{10, 1}, {20, 2}})}}}, first_block, 0, 25));
  folders.files["data/chunks_head/000001"] = head_file_header() +
                                             head_chunk(7, xor_chunk({{20, -2}, {30, 3}})) +
                                             head_chunk(8, xor_chunk({{30, 1}})) + std::string(500, '\0');
  folders.files["data/chunks_head/000002"] =
      head_file_header() + head_chunk(7, xor_chunk({{40, 4}, {50, 5}})) + std::string(10, '\0');
  folders.files["data/chunks_head/000003"] = "";
  // The log has the chunks' samples too, and one that the head refused.
  folders.files["data/wal/00000000"] =
      wal_segment({series_record({{7, a}, {8, b}}), samples_record({{7, 20, -9}, {7, 30, -9}, {8, 30, -9}}),
                   samples_record({{7, 50, -9}, {7, 60, 6}, {7, 55, -9}, {8, 60, stale_marker()}}),
                   "\4exemplars", "\5markers", "\6metadata"},
                  true);
  folders.files["data/wal/00000001"] = wal_segment({samples_record({{7, 70, 7}})});
  EXPECT_EQ(all_of(folders), "10=1 20=2 30=3 40=4 50=5 60=6 70=7 ");
  EXPECT_EQ(all_of(folders, "b"), "30=1 60! ");
  EXPECT_EQ(notices(open(folders, everything({named("a")}))), "");
}

TEST(TsdbHistory, ACheckpointStandsForTheSegmentsBeforeIt) {
  MemoryFolders folders;
  folders.files["data/wal/00000001"] = wal_segment({series_record({{7, a}}), samples_record({{7, 5, -1}})});
  folders.files["data/wal/checkpoint.00000001/00000000"] =
      wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}})});
  folders.files["data/wal/checkpoint.00000000/00000000"] = wal_segment({samples_record({{9, 1, 1}})});
  folders.files["data/wal/00000002"] =
      wal_segment({samples_record({{7, 20, 2}}), tombstones_record({{7, 10, 10}})});
  EXPECT_EQ(all_of(folders), "20=2 ");
}

TEST(TsdbHistory, SamplesThatCameLateAreMerged) {
  MemoryFolders folders;
  folders.files["data/wal/00000000"] =
      wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}, {7, 50, 5}})});
  folders.files["data/chunks_head/000001"] =
      head_file_header() + head_chunk(7, xor_chunk({{20, 2}, {30, 3}}), true);
  folders.files["data/wbl/00000000"] =
      wal_segment({samples_record({{7, 40, 4}, {7, 30, 3}, {7, 5, 0}}), "\5"});
  EXPECT_EQ(all_of(folders), "5=0 10=1 20=2 30=3 40=4 50=5 ");
}

TEST(TsdbHistory, ATornLogIsReadUpToThereAndItIsSaid) {
  MemoryFolders folders;
  const std::string whole = wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}})});
  const std::string more =
      wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}}), samples_record({{7, 20, 2}})});
  folders.files["data/wal/00000000"] = more.substr(0, more.size() - 3);
  const TsdbHistory history = open(folders, everything({named("a")}));
  EXPECT_EQ(samples(history), "10=1 ");
  EXPECT_EQ(
      notices(history),
      fmt::format(
          "data/wal/00000000 ends at byte {} within a record that was being written; all before it is read\n",
          whole.size()));
}

TEST(TsdbHistory, ADamagedLogEndsWhereItIsDamaged) {
  MemoryFolders folders;
  const std::string whole = wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}})});
  std::string more = wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}}),
                                  samples_record({{7, 20, 2}}), samples_record({{7, 30, 3}})});
  more[whole.size() + 9] ^= 1;
  folders.files["data/wal/00000000"] = more;
  folders.files["data/wal/00000001"] = wal_segment({samples_record({{7, 40, 4}})});
  const TsdbHistory history = open(folders, everything({named("a")}));
  EXPECT_EQ(samples(history), "10=1 ");
  EXPECT_EQ(
      notices(history),
      fmt::format(
          "data/wal/00000000 at byte {}: the checksum of a record does not fit it; the log is read up to "
          "there, as Prometheus does\n",
          whole.size()));
  EXPECT_NE(history.notices()[0].hint, "");
}

TEST(TsdbHistory, ASegmentThatIsMissingIsToldAndTheRestIsRead) {
  MemoryFolders folders;
  folders.files["data/wal/00000000"] = wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}})});
  folders.files["data/wal/00000002"] = wal_segment({samples_record({{7, 30, 3}})});
  folders.files["data/wbl/00000007"] = wal_segment({samples_record({{7, 5, 0}})});
  EXPECT_EQ(all_of(folders), "5=0 10=1 30=3 ");
  const std::string told = "is missing before 00000002; what it held is not read\n";
  EXPECT_EQ(notices(open(folders, everything({named("a")}))), "data/wal: segment 00000001 " + told);
  // The first one after a checkpoint.
  folders.files["data/wal/checkpoint.00000000/00000000"] = wal_segment({series_record({{7, a}})});
  EXPECT_EQ(all_of(folders), "5=0 30=3 ");
  EXPECT_EQ(notices(open(folders, everything({named("a")}))), "data/wal: segment 00000001 " + told);
}

TEST(TsdbHistory, ASegmentThatIsMissingInACheckpointIsToldAndTheRestIsRead) {
  MemoryFolders folders;
  folders.files["data/wal/checkpoint.00000004/00000000"] =
      wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}})});
  folders.files["data/wal/checkpoint.00000004/00000002"] = wal_segment({samples_record({{7, 30, 3}})});
  folders.files["data/wal/00000005"] = wal_segment({samples_record({{7, 40, 4}})});
  EXPECT_EQ(all_of(folders), "10=1 30=3 40=4 ");
  EXPECT_EQ(notices(open(folders, everything({named("a")}))),
            "data/wal/checkpoint.00000004: segment 00000001 is missing before 00000002; what it held is not "
            "read\n");
}

TEST(TsdbHistory, AfterAMissingFileOfHeadChunksTheLogCounts) {
  MemoryFolders folders;
  const auto chunk = [](std::int64_t time) {
    return head_file_header() + head_chunk(7, xor_chunk({{time, 1}}));
  };
  for (const int number : {3, 4, 6})
    folders.files[fmt::format("data/chunks_head/{:06}", number)] = chunk(10 * number);
  folders.files["data/wal/00000000"] =
      wal_segment({series_record({{7, a}}), samples_record({{7, 40, 2}, {7, 50, 2}, {7, 60, 2}})});
  EXPECT_EQ(all_of(folders), "30=1 40=1 50=2 60=2 ");
  EXPECT_EQ(notices(open(folders, everything({named("a")}))),
            "data/chunks_head: file 000005 is missing before 000006; head chunks are read up to there\n");
}

TEST(TsdbHistory, AHeadChunkThatIsDamagedIsTakenFromTheLog) {
  MemoryFolders folders;
  std::string chunks = head_file_header() + head_chunk(7, xor_chunk({{10, 1}}));
  const std::size_t at = chunks.size();
  chunks += head_chunk(7, xor_chunk({{20, 2}}));
  chunks[at + 30] ^= 1;
  folders.files["data/chunks_head/000001"] = chunks;
  folders.files["data/chunks_head/000002"] = head_file_header() + head_chunk(7, xor_chunk({{30, 3}}));
  folders.files["data/wal/00000000"] =
      wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}, {7, 20, 2}, {7, 30, 3}})});
  const TsdbHistory history = open(folders, everything({named("a")}));
  EXPECT_EQ(samples(history), "10=1 20=2 30=3 ");
  EXPECT_EQ(
      notices(history),
      fmt::format(
          "data/chunks_head/000001 at byte {}: the checksum of the chunk does not fit it; head chunks are "
          "read up to there\n",
          at));
}

TEST(TsdbHistory, SamplesOfSeriesThatTheLogDoesNotNameAreCounted) {
  MemoryFolders folders;
  folders.files["data/wal/00000000"] =
      wal_segment({series_record({{7, a}}), samples_record({{7, 10, 1}, {8, 10, 1}, {9, 10, 1}}), "\x63"});
  const TsdbHistory history = open(folders, everything({named("a")}));
  EXPECT_EQ(notices(history),
            "2 samples in the log are of series that it does not name\n1 records of the log are of type 99, "
            "which this "
            "version does not know\n");
}

TimedHistogram histogram_at(std::int64_t time, std::int32_t schema) {
  NativeHistogram h;
  h.schema = schema;
  h.count = h.sum = 1;
  h.positive = {{0, 1}};
  return {time, std::make_shared<const NativeHistogram>(h)};
}

// Of a later version, and no damage: the block, the log behind it and the other samples are read.
TEST(TsdbHistory, WhatIsNotKnownIsPassedOverAndToldOnce) {
  MemoryFolders folders;
  TsdbChunk strange = xor_chunk({{20, 1}});
  strange.encoding = 9;
  folders.put_block(first_block,
                    make_block({{a,
                                 {xor_chunk({{10, 1}}), strange,
                                  histogram_chunk({histogram_at(30, -53)}, false), xor_chunk({{40, 4}})}}},
                               first_block, 0, 100));
  folders.files["data/wal/00000000"] =
      wal_segment({series_record({{7, a}}),
                   histograms_record({{7, histogram_at(110, -53)}, {7, histogram_at(120, 0)}}, false),
                   samples_record({{7, 130, 5}})});
  const TsdbHistory history = open(folders, everything({named("a")}));
  TsdbHistory::Reader reader(history);
  SeriesSamples out;
  ASSERT_TRUE(reader.read(0, out));
  EXPECT_EQ(out.samples.times, (UnsetVector<std::int64_t>{10, 40, 130}));
  ASSERT_EQ(out.histograms.size(), 1u);
  EXPECT_EQ(out.histograms[0].time, 120);
  EXPECT_EQ(out.passed_over, 3u);
  EXPECT_EQ(notices(history), "");
  EXPECT_EQ(told_passed_over(3)->message,
            "3 samples are passed over: native histograms of a kind that this version does not know");
  EXPECT_FALSE(told_passed_over(0));
}

// However they come, as overlapping blocks have them: what is streamed is what is loaded.
TEST(TsdbHistory, OneTimeHasANumberOrAnEndOrAHistogram) {
  MemoryFolders folders;
  folders.put_block(first_block,
                    make_block({{a, {xor_chunk({{10, 1}, {20, stale_marker()}, {30, stale_marker()}})}}},
                               first_block, 0, 100));
  folders.put_block(
      second_block,
      make_block({{a,
                   {histogram_chunk({histogram_at(10, 0), histogram_at(20, 0), histogram_at(40, 0)}, false),
                    xor_chunk({{50, 5}})}}},
                 second_block, 0, 100));
  const TsdbHistory history = open(folders, everything({named("a")}));
  TsdbHistory::Reader reader(history);
  SeriesSamples out;
  ASSERT_TRUE(reader.read(0, out));
  EXPECT_EQ(out.samples.times, (UnsetVector<std::int64_t>{10, 50}));
  EXPECT_EQ(out.ends, (std::vector<std::int64_t>{20, 30}));
  ASSERT_EQ(out.histograms.size(), 1u);
  EXPECT_EQ(out.histograms[0].time, 40);
}

TEST(TsdbHistory, AServerThatChangesTheDirectoryIsSeenAtOneMoment) {
  MemoryFolders folders;
  folders.put_block(first_block, make_block({{a, {xor_chunk({{10, 1}})}}}, first_block, 0, 20));
  folders.files["data/wal/00000000"] = wal_segment({series_record({{7, a}}), samples_record({{7, 20, 2}})});
  // While it is opened, the head becomes a block and two blocks become one.
  bool compacted = false;
  folders.before_open = [&](const std::string& path) {
    if (compacted || path.find("/chunks/") == std::string::npos) return;
    compacted = true;
    const auto files = folders.files;
    for (const auto& [file, bytes] : files)
      if (file.find(first_block) != std::string::npos || file.find("/wal/") != std::string::npos)
        folders.files.erase(file);
    folders.put_block(third_block, make_block({{a, {xor_chunk({{10, 1}, {20, 2}})}}}, third_block, 0, 30));
    folders.files["data/wal/00000001"] = wal_segment({series_record({{7, a}}), samples_record({{7, 30, 3}})});
  };
  const TsdbHistory history = open(folders, everything({named("a")}));
  EXPECT_TRUE(compacted);
  EXPECT_EQ(samples(history), "10=1 20=2 30=3 ");
  EXPECT_EQ(notices(history), "");
  // One that never stands still is an error.
  int opened = 0;
  folders.before_open = [&](const std::string&) {
    folders.files[fmt::format("data/wal/{:08}", ++opened + 100)] = "";
  };
  const Result<TsdbHistory> never = TsdbHistory::open(folders, "data", everything({named("a")}), Limits{});
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().code, ErrorCode::io);
}

plan::Plan plan_of(const std::string& name, plan::LeafFn fn = plan::LeafFn::sample) {
  plan::Plan plan;
  plan::Leaf leaf;
  leaf.matchers = named(name);
  leaf.fn = fn;
  if (fn != plan::LeafFn::sample) leaf.window = {plan::WindowKind::trailing, minutes(5), {}, plan::none, {}};
  plan.leaves.push_back(leaf);
  return plan;
}

TEST(LoadBlocks, ABlockThatIsDamagedIsLeftOutAsAWhole) {
  for (const std::string file : {"/index", "/meta.json", "/chunks/000001", "/tombstones"}) {
    MemoryFolders folders;
    folders.put_block(
        first_block,
        make_block({{a, {xor_chunk({{10, 1}})}}, {{{"__name__", "a"}, {"z", "1"}}, {xor_chunk({{10, 1}})}}},
                   first_block, 0, 50),
        make_tombstones({}));
    folders.put_block(second_block, make_block({{a, {xor_chunk({{60, 6}})}}}, second_block, 50, 100));
    std::string& bytes = folders.files.at("data/" + first_block + file);
    // The last chunk: the series before it have been read by then.
    bytes[file == "/meta.json" ? 0 : bytes.size() - 2] ^= 1;
    store::SeriesStore store{Limits{}};
    const Result<BlocksReport> loaded =
        load_blocks(folders, "data", plan_of("a"), {}, {}, Limits{}, store, {});
    ASSERT_TRUE(loaded) << file;
    ASSERT_EQ(loaded->notices.size(), 1u) << file;
    const std::string& said = loaded->notices[0].message;
    EXPECT_TRUE(said.starts_with("block data/" + first_block + " is left out: ")) << said;
    EXPECT_NE(said.find(first_block + file), std::string::npos) << said;
    EXPECT_NE(loaded->notices[0].hint, "");
    EXPECT_EQ(loaded->load.samples, 1u) << file;
    EXPECT_EQ(loaded->load.first.ms, 60);
    EXPECT_EQ(store.sample_count(), 1u);
  }
}

// It stands before the blocks that it replaces and before the log's samples of its time.
TEST(LoadBlocks, ABlockThatIsLeftOutHidesNothing) {
  for (const std::string file : {"/index", "/meta.json", "/chunks/000001"}) {
    MemoryFolders folders;
    folders.put_block(first_block, make_block({{a, {xor_chunk({{10, 1}})}}}, first_block, 0, 50));
    TsdbBlock merged = make_block({{a, {xor_chunk({{10, 2}, {60, 2}})}}}, second_block, 0, 100);
    merged.meta.replace(merged.meta.find("\"sources\""), 9,
                        "\"parents\":[{\"ulid\":\"" + first_block + "\"}],\"sources\"");
    folders.put_block(second_block, merged);
    folders.files["data/wal/00000000"] =
        wal_segment({series_record({{7, a}}), samples_record({{7, 40, -1}, {7, 60, 3}, {7, 110, 4}})});
    const auto values = [&] {
      store::SeriesStore store{Limits{}};
      const Result<BlocksReport> loaded =
          load_blocks(folders, "data", plan_of("a"), {}, {}, Limits{}, store, {});
      if (!loaded) return loaded.error().message;
      const auto points = test::points(store, *store.find(Labels(a)), Instant{0}, Instant{200});
      std::string out;
      for (std::size_t i = 0; i < points.size(); ++i)
        out += fmt::format("{}={} ", points.times[i], points.values[i]);
      return out + fmt::format("{}", loaded->notices.size());
    };
    EXPECT_EQ(values(), "10=2 60=2 110=4 0");
    std::string& bytes = folders.files.at("data/" + second_block + file);
    bytes[file == "/meta.json" ? 0 : bytes.size() - 2] ^= 1;
    EXPECT_EQ(values(), "10=1 60=3 110=4 1") << file;
  }
}

TEST(LoadBlocks, ReadsWhatThePlanLooksAt) {
  MemoryFolders folders;
  std::vector<TsdbSample> all;
  for (std::int64_t i = 0; i < 1000; ++i) all.push_back({i * 15'000, static_cast<double>(i)});
  all[500].value = stale_marker();
  folders.put_block(first_block, make_block({{a, {xor_chunk(all)}}, {b, {xor_chunk({{0, 1}})}}}, first_block,
                                            0, 15'000'000));
  store::SeriesStore store{Limits{}};
  const Result<BlocksReport> loaded =
      load_blocks(folders, "data", plan_of("a"), Instant{6'000'000}, Instant{9'000'000}, Limits{}, store, {});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(store.series_count(), 1u);
  const auto id = store.find(Labels(std::vector<Labels::Pair>{{"__name__", "a"}}));
  ASSERT_TRUE(id);
  EXPECT_LE(loaded->load.first, Instant{6'000'000} - minutes(5));
  EXPECT_GE(loaded->load.first, Instant{6'000'000} - minutes(15));
  EXPECT_EQ(loaded->load.last.ms, 9'000'000);
  store::Cursor cursor = test::open(store, *id);
  EXPECT_EQ(cursor.at_or_before(Instant{9'000'000})->value, 600);
  EXPECT_EQ(cursor.end_at_or_before(Instant{9'000'000})->ms, 7'500'000);
}

// The births of a series that is there from the scrape 10 on, but for one; so many others were there in the
// first scrapes.
std::vector<std::int64_t> births(bool with_up, std::size_t failed, int gone = 0) {
  MemoryFolders folders;
  std::vector<TsdbSample> scrapes, whole, late;
  for (std::size_t i = 0; i < 40; ++i) {
    const auto time = static_cast<std::int64_t>(i) * 15'000;
    scrapes.push_back({time, i == failed ? 0.0 : 1.0});
    whole.push_back({time, static_cast<double>(i)});
    if (i < 10 || i == 21) continue;
    late.push_back({time, i == 20 ? stale_marker() : static_cast<double>(i)});
  }
  const auto labels = [](const char* name) {
    return TsdbLabels{{"__name__", name}, {"instance", "i"}, {"job", "j"}};
  };
  TsdbLabels second = labels("a");
  second.insert(second.begin() + 1, {"code", "500"});
  std::vector<TsdbSeries> series = {{second, {xor_chunk(late)}}, {labels("a"), {xor_chunk(whole)}}};
  const std::vector<TsdbSample> few(whole.begin(), whole.begin() + 5);
  for (int i = 0; i < gone; ++i) {
    TsdbLabels other = labels("a");
    other.push_back({"pod", fmt::format("{:02}", i)});
    series.push_back({other, {xor_chunk(few)}});
  }
  if (with_up) series.push_back({labels("up"), {xor_chunk(scrapes)}});
  folders.put_block(first_block, make_block(series, first_block, 0, 15'000'000));
  store::SeriesStore store{Limits{}};
  const auto loaded =
      load_blocks(folders, "data", plan_of("a", plan::LeafFn::raw_increase), {}, {}, Limits{}, store, {});
  EXPECT_TRUE(loaded);
  EXPECT_EQ(store.series_count(), 2u + static_cast<std::size_t>(gone));
  std::vector<std::int64_t> out;
  for (store::SeriesId id = 0; id < store.series_count(); ++id) {
    store::Cursor cursor = test::open(store, id);
    for (const auto& birth : cursor.births(Instant{0}, Instant{15'000'000}))
      out.push_back(birth.absent_at.ms / 15'000);
  }
  return out;
}

TEST(LoadBlocks, BirthsAreToldByTheScrapesOfTheTarget) {
  EXPECT_EQ(births(true, 39), (std::vector<std::int64_t>{9, 21}));
  EXPECT_EQ(births(false, 39), (std::vector<std::int64_t>{9, 21}));
  // Only some of a target's series are asked when it was scraped, and those that ended before are not.
  EXPECT_EQ(births(false, 39, 40), (std::vector<std::int64_t>{9, 21}));
  // A scrape that failed says nothing of what there was.
  EXPECT_EQ(births(true, 9), (std::vector<std::int64_t>{21}));
}

TEST(LoadBlocks, ABoundOnMemoryHolds) {
  MemoryFolders folders;
  std::vector<WalSample> many;
  for (std::int64_t i = 0; i < 1000; ++i) many.push_back({7, i, 1.0});
  folders.files["data/wal/00000000"] =
      wal_segment({series_record({{7, a}}), samples_record(many), samples_record({{7, 2000, 1}})});
  Limits limits;
  limits.tsdb_head_bytes = 10'000;
  store::SeriesStore store{limits};
  const auto refused = load_blocks(folders, "data", plan_of("a"), {}, {}, limits, store, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::limit_exceeded);
  limits = {};
  limits.store_bytes = 100;
  EXPECT_EQ(load_blocks(folders, "data", plan_of("a"), {}, {}, limits, store, {}).error().code,
            ErrorCode::limit_exceeded);
}

TEST(LoadBlocks, BoundsOnABlockHold) {
  MemoryFolders folders;
  std::vector<TsdbSample> samples;
  for (std::int64_t i = 0; i < 100; ++i) samples.push_back({i, 1});
  folders.put_block(first_block, make_block({{a, {xor_chunk(samples)}},
                                             {{{"__name__", "a"}, {"job", "x"}}, {xor_chunk(samples)}}},
                                            first_block, 0, 100));
  const auto refusal = [&](auto set) {
    Limits limits;
    set(limits);
    store::SeriesStore store{limits};
    const auto loaded = load_blocks(folders, "data", plan_of("a"), {}, {}, limits, store, {});
    if (!loaded) return std::string(error_code_name(loaded.error().code)) + " " + loaded.error().message;
    return loaded->notices.empty() ? "" : loaded->notices[0].message;
  };
  const auto names = [&](const std::string& text, const std::string& what) {
    EXPECT_NE(text.find(what), std::string::npos) << text;
  };
  EXPECT_EQ(refusal([](Limits&) {}), "");
  names(refusal([](Limits& l) { l.answer_samples = 99; }),
        "limit_exceeded data/" + first_block + "/chunks/000001 at byte 8: ");
  names(refusal([](Limits& l) { l.labels_per_series = 1; }),
        "limit_exceeded data/" + first_block + "/index at byte ");
  names(refusal([](Limits& l) { l.label_value_bytes = 0; }), "label_value_bytes");
  names(refusal([](Limits& l) { l.store_series = 1; }), "store_series");
  // Longer than pieces are: what a damaged length looks like.
  names(refusal([](Limits& l) { l.tsdb_piece_bytes = 10; }), "is left out: ");
  names(refusal([](Limits& l) { l.tsdb_section_bytes = 10; }), "is left out: ");
}

// A table of postings that names one long list a thousand times takes no thousand times the memory.
TEST(LoadBlocks, ListsOfPostingsThatStandOneInTheOtherAreRefused) {
  std::vector<TsdbSeries> series;
  for (int i = 0; i < 400; ++i)
    series.push_back({{{"__name__", "a"}, {"n", fmt::format("{:03}", i)}}, {xor_chunk({{10, 1}})}});
  TsdbBlock block = make_block(series, first_block, 0, 100);
  // Every n=… is sent to the list of all series.
  const auto* toc = reinterpret_cast<const unsigned char*>(block.index.data() + block.index.size() - 52);
  std::size_t table = 0;
  for (int i = 40; i < 48; ++i) table = table << 8 | toc[i];
  std::string content;
  put_be(content, 401, 4);
  std::uint64_t all_at = 0;
  formats::tsdb::Bytes in(std::string_view(block.index).substr(table + 4));
  in.be32();
  for (int i = 0; i < 402 && in.ok(); ++i) {
    in.uvarint();
    const std::string_view name = in.text(), value = in.text();
    const std::uint64_t at = in.uvarint();
    if (i == 0) {
      all_at = at;
      continue;
    }
    put_uvarint(content, 2);
    put_uvarint(content, name.size());
    content += name;
    put_uvarint(content, value.size());
    content += value;
    put_uvarint(content, all_at);
  }
  const std::string tail = block.index.substr(block.index.size() - 52);
  block.index.resize(table);
  put_be(block.index, content.size(), 4);
  block.index += content;
  put_be(block.index, crc32c(content), 4);
  block.index += tail;
  MemoryFolders folders;
  folders.put_block(first_block, block);
  const TsdbHistory history = open(folders, everything({{{"n", MatchOp::regex, ".+"}}}));
  EXPECT_EQ(history.size(), 0u);
  EXPECT_NE(notices(history).find("lists of postings stand one in the other"), std::string::npos)
      << notices(history);
}

TEST(LoadBlocks, AnEmptyDirectoryHasNoSamples) {
  MemoryFolders folders;
  folders.files["data/wal/00000000"] = "";
  EXPECT_TRUE(is_data_directory(folders, "data"));
  store::SeriesStore store{Limits{}};
  const auto loaded = load_blocks(folders, "data", plan_of("a"), {}, {}, Limits{}, store, {});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->load.samples, 0u);
  EXPECT_TRUE(loaded->notices.empty());
  EXPECT_FALSE(is_data_directory(folders, "elsewhere"));
  folders.files["recordings/monday.om"] = "";
  EXPECT_FALSE(is_data_directory(folders, "recordings"));
}

}  // namespace
}  // namespace signalbox::sources
