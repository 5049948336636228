// The seeds of the fuzzers of a data directory and of remote read, written by tests/support: into FOLDER, or
// held against what is there.
//   build/tests/tsdb_corpus [--check] FOLDER
#include <bit>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/support/remote_read_writer.hpp"
#include "tests/support/tsdb_histogram_writer.hpp"

namespace {

using namespace signalbox;
using namespace signalbox::test;

std::map<std::string, std::string> seeds() {
  std::vector<TsdbSample> counter, odd;
  for (std::int64_t i = 0; i < 50; ++i) {
    counter.push_back({1'700'000'000'000 + i * 15'000 + i % 3, static_cast<double>(i * i)});
    odd.push_back({i * i * i * i, i % 5 == 0 ? std::bit_cast<double>(0x7ff0000000000002ull)
                                             : 1.0 / static_cast<double>(i + 1)});
  }
  const TsdbChunk first = xor_chunk(counter), second = xor_chunk(odd);
  const TsdbLabels labels = {{"__name__", "hits_total"}, {"code", "500"}};
  const TsdbBlock block =
      make_block({{labels, {first}}, {{{"__name__", "up"}}, {second}}}, "01AAAAAAAAAAAAAAAAAAAAAAA1", 0, 5);
  const std::vector<std::string> records = {series_record({{1, labels}, {2, {{"__name__", "up"}}}}),
                                            samples_record({{1, 100, 1}, {2, 101, 0.5}}),
                                            tombstones_record({{1, 5, 7}})};
  NativeHistogram h;
  h.schema = 3;
  h.zero_threshold = 0.001;
  std::vector<TimedHistogram> histograms;
  for (std::int32_t i = 0; i < 20; ++i) {
    h.positive.push_back({i * 3 + i % 2, 2.0 * i});
    h.negative = {{-7, 1.0 * i}};
    h.count += 30;
    h.sum += 0.25 * i;
    histograms.push_back({1'700'000'000'000 + i * 15'000, std::make_shared<const NativeHistogram>(h)});
  }
  std::string long_record = records[1];
  for (int i = 0; i < 2500; ++i) long_record += records[1].substr(17, 10);
  return {
      {"tsdb_chunk/counter", first.data},
      {"tsdb_chunk/odd", second.data},
      {"tsdb_chunk/frame", chunk_frame(first)},
      {"tsdb_chunk/segment", block.segments[0]},
      {"tsdb_chunk/histograms", histogram_chunk(histograms, false).data},
      {"tsdb_chunk/float_histograms", histogram_chunk(histograms, true).data},
      {"tsdb_wal/histograms",
       histograms_record({{1, histograms[0]}, {2, histograms[9]}, {1, {9, nullptr}}}, false)},
      {"tsdb_wal/float_histograms", histograms_record({{1, histograms[5]}}, true)},
      {"tsdb_index/file", block.index},
      {"tsdb_index/symbols", block.index.substr(9, 40)},
      {"tsdb_index/toc", block.index.substr(block.index.size() - 52)},
      {"tsdb_index/meta.json", block.meta},
      {"tsdb_tombstones/file", make_tombstones({{1, -5, 9}, {300, 1, 2}})},
      {"tsdb_tombstones/empty", make_tombstones({})},
      {"tsdb_head_chunks/file", head_file_header() + head_chunk(1, first)},
      {"tsdb_head_chunks/chunks", head_chunk(1, first) + head_chunk(2, second, true) + std::string(40, '\0')},
      {"tsdb_wal/plain", wal_segment(records)},
      {"tsdb_wal/packed", wal_segment(records, true)},
      {"tsdb_wal/over_pages", wal_segment({records[0], long_record})},
      {"tsdb_wal/series", records[0]},
      {"tsdb_wal/samples", records[1]},
      {"tsdb_wal/tombstones", records[2]},
      {"remote_read/chunks",
       remote_frame({remote_series_of_chunks(labels, {{1, first.data}, {2, "ab"}})}) +
           remote_frame({remote_series_of_chunks({{"__name__", "up"}}, {{1, second.data}})})},
      {"remote_read/histograms",
       remote_frame({remote_series_of_chunks(labels, {{3, histogram_chunk(histograms, true).data}})})},
      {"remote_read/samples", remote_answer({remote_series_of_samples(labels, counter)})},
      {"remote_read/message", remote_frame({remote_series_of_chunks(labels, {{1, first.data}})}).substr(6)}};
}

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::string_view(argv[1]) == "--check";
  if (argc != 2 && !check) return 2;
  int differ = 0;
  for (const auto& [name, bytes] : seeds()) {
    const std::string path = std::string(argv[argc - 1]) + "/" + name;
    if (!check) {
      write_bytes(path, bytes);
      continue;
    }
    std::ifstream in(path, std::ios::binary);
    if (std::string((std::istreambuf_iterator<char>(in)), {}) == bytes) continue;
    std::fprintf(stderr, "%s is not what tests/fuzz/tsdb_corpus.cpp writes\n", path.c_str());
    ++differ;
  }
  return differ == 0 ? 0 : 1;
}
