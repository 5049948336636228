// Writes what Prometheus writes, for tests of what reads it: chunks, blocks of index version 1 and 2,
// tombstones, head chunks and the write-ahead log. By Prometheus' documentation of its formats, and not by
// our reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signalbox::test {

struct TsdbSample {
  std::int64_t time;
  double value;
};
using TsdbLabels = std::vector<std::pair<std::string, std::string>>;  // sorted by name
struct TsdbChunk {
  std::uint8_t encoding = 1;
  std::string data;
  std::int64_t first = 0, last = 0;
};
struct TsdbSeries {
  TsdbLabels labels;
  std::vector<TsdbChunk> chunks;
};

void put_be(std::string& out, std::uint64_t value, int bytes);
void put_uvarint(std::string& out, std::uint64_t value);
void put_varint(std::string& out, std::int64_t value);

TsdbChunk xor_chunk(const std::vector<TsdbSample>& samples);
std::string chunk_frame(const TsdbChunk& chunk);

struct TsdbBlock {
  std::string index;
  std::vector<std::string> segments;
  std::string meta;
};
// `per_segment`: after so many chunks a new segment begins.
TsdbBlock make_block(const std::vector<TsdbSeries>& series, const std::string& ulid, std::int64_t from,
                     std::int64_t to, int version = 2, std::size_t per_segment = 1000);
// Where series `number` (from 0) of such a block stands: what its tombstones call it.
std::uint64_t series_reference(const TsdbBlock& block, std::size_t number, int version = 2);

struct TsdbTombstone {
  std::uint64_t series;
  std::int64_t first, last;
};
std::string make_tombstones(const std::vector<TsdbTombstone>& tombstones);

std::string head_file_header();
std::string head_chunk(std::uint64_t series, const TsdbChunk& chunk, bool late = false);

std::string series_record(const std::vector<std::pair<std::uint64_t, TsdbLabels>>& series);
struct WalSample {
  std::uint64_t series;
  std::int64_t time;
  double value;
};
std::string samples_record(const std::vector<WalSample>& samples);
std::string tombstones_record(const std::vector<TsdbTombstone>& tombstones);
// A segment of records, on pages, each packed with snappy (as one literal) if `packed`.
std::string wal_segment(const std::vector<std::string>& records, bool packed = false);

// Puts a block where a data directory has it.
void write_block(const std::string& directory, const std::string& ulid, const TsdbBlock& block,
                 const std::string& tombstones = "");
void write_bytes(const std::string& path, std::string_view bytes);

}  // namespace signalbox::test
