#include "tests/support/tsdb_writer.hpp"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "runtime/base/crc32c.hpp"
#include "tests/support/bit_writer.hpp"

namespace signalbox::test {
namespace {

namespace fs = std::filesystem;

void put_text(std::string& out, std::string_view text) {
  put_uvarint(out, text.size());
  out += text;
}
std::string section(const std::string& content) {
  std::string out;
  put_be(out, content.size(), 4);
  out += content;
  put_be(out, crc32c(content), 4);
  return out;
}
// How long the sections before the series are: what series_reference() needs.
std::size_t series_begin(const TsdbBlock& block) {
  const auto* at = reinterpret_cast<const unsigned char*>(block.index.data() + block.index.size() - 52 + 8);
  std::size_t out = 0;
  for (int i = 0; i < 8; ++i) out = out << 8 | at[i];
  return out;
}

}  // namespace

void put_be(std::string& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}
void put_uvarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void put_varint(std::string& out, std::int64_t value) {
  put_uvarint(out, static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

TsdbChunk xor_chunk(const std::vector<TsdbSample>& samples) {
  TsdbChunk chunk;
  put_be(chunk.data, samples.size(), 2);
  if (samples.empty()) return chunk;
  chunk.first = samples.front().time;
  chunk.last = samples.back().time;
  put_varint(chunk.data, samples[0].time);
  put_be(chunk.data, std::bit_cast<std::uint64_t>(samples[0].value), 8);
  std::uint64_t delta = 0;
  if (samples.size() > 1) {
    delta = static_cast<std::uint64_t>(samples[1].time) - static_cast<std::uint64_t>(samples[0].time);
    put_uvarint(chunk.data, delta);
  }
  BitWriter bits(chunk.data);
  XorWriter values;
  values.after(samples[0].value);
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (i > 1) {
      const std::uint64_t next =
          static_cast<std::uint64_t>(samples[i].time) - static_cast<std::uint64_t>(samples[i - 1].time);
      const auto change = static_cast<std::int64_t>(next - delta);
      delta = next;
      const auto fits = [&](int width) {
        return -(std::int64_t{1} << (width - 1)) < change && change <= std::int64_t{1} << (width - 1);
      };
      const auto put = [&](std::uint64_t prefix, int prefix_bits, int width) {
        bits.put(prefix, prefix_bits);
        bits.put(static_cast<std::uint64_t>(change), width);
      };
      if (change == 0)
        bits.put(0, 1);
      else if (fits(14))
        put(0b10, 2, 14);
      else if (fits(17))
        put(0b110, 3, 17);
      else if (fits(20))
        put(0b1110, 4, 20);
      else
        put(0b1111, 4, 64);
    }
    values.next(bits, samples[i].value);
  }
  return chunk;
}

std::string chunk_frame(const TsdbChunk& chunk) {
  std::string out;
  put_uvarint(out, chunk.data.size());
  const std::string summed = std::string(1, static_cast<char>(chunk.encoding)) + chunk.data;
  out += summed;
  put_be(out, crc32c(summed), 4);
  return out;
}

TsdbBlock make_block(const std::vector<TsdbSeries>& series, const std::string& ulid, std::int64_t from,
                     std::int64_t to, int version, std::size_t per_segment) {
  TsdbBlock block;
  block.meta = "{\"ulid\":\"" + ulid + "\",\"minTime\":" + std::to_string(from) +
               ",\"maxTime\":" + std::to_string(to) +
               ",\"stats\":{},\"compaction\":{\"level\":1,\"sources\":[\"" + ulid + "\"]},\"version\":1}";
  std::vector<std::vector<std::uint64_t>> references;
  std::size_t in_segment = per_segment;
  for (const TsdbSeries& one : series) {
    references.emplace_back();
    for (const TsdbChunk& chunk : one.chunks) {
      if (in_segment++ == per_segment) {
        block.segments.emplace_back();
        put_be(block.segments.back(), 0x85bd40dd01000000, 8);
        in_segment = 1;
      }
      references.back().push_back((block.segments.size() - 1) << 32 | block.segments.back().size());
      block.segments.back() += chunk_frame(chunk);
    }
  }

  std::string& index = block.index;
  put_be(index, 0xbaaad700, 4);
  put_be(index, static_cast<std::uint64_t>(version), 1);
  const std::size_t symbols_at = index.size();
  std::map<std::string, std::uint64_t> symbols = {{"", 0}};
  for (const TsdbSeries& one : series)
    for (const auto& [name, value] : one.labels) symbols[name] = symbols[value] = 0;
  std::string content;
  put_be(content, symbols.size(), 4);
  std::uint64_t number = 0;
  for (auto& [text, reference] : symbols) {
    reference = version == 1 ? symbols_at + 4 + content.size() : number++;
    put_text(content, text);
  }
  index += section(content);

  if (version == 2) index.resize((index.size() + 15) / 16 * 16);
  const std::size_t series_at = index.size();
  std::map<std::pair<std::string, std::string>, std::vector<std::uint64_t>> postings;
  for (std::size_t s = 0; s < series.size(); ++s) {
    if (version == 2) index.resize((index.size() + 15) / 16 * 16);
    const std::uint64_t reference = version == 2 ? index.size() / 16 : index.size();
    postings[{"", ""}].push_back(reference);
    std::string entry;
    put_uvarint(entry, series[s].labels.size());
    for (const auto& label : series[s].labels) {
      put_uvarint(entry, symbols[label.first]);
      put_uvarint(entry, symbols[label.second]);
      postings[label].push_back(reference);
    }
    put_uvarint(entry, series[s].chunks.size());
    for (std::size_t c = 0; c < series[s].chunks.size(); ++c) {
      const TsdbChunk& chunk = series[s].chunks[c];
      if (c == 0)
        put_varint(entry, chunk.first);
      else
        put_uvarint(entry, static_cast<std::uint64_t>(chunk.first - series[s].chunks[c - 1].last));
      put_uvarint(entry, static_cast<std::uint64_t>(chunk.last - chunk.first));
      if (c == 0)
        put_uvarint(entry, references[s][0]);
      else
        put_varint(entry, static_cast<std::int64_t>(references[s][c] - references[s][c - 1]));
    }
    put_uvarint(index, entry.size());
    index += entry;
    put_be(index, crc32c(entry), 4);
  }

  const std::size_t postings_at = index.size();
  std::string table;
  put_be(table, postings.size(), 4);
  for (const auto& [label, list] : postings) {
    index.resize((index.size() + 3) / 4 * 4);
    put_uvarint(table, 2);
    put_text(table, label.first);
    put_text(table, label.second);
    put_uvarint(table, index.size());
    std::string all;
    put_be(all, list.size(), 4);
    for (const std::uint64_t reference : list) put_be(all, reference, 4);
    index += section(all);
  }
  const std::size_t table_at = index.size();
  index += section(table);
  std::string toc;
  for (const std::size_t at : {symbols_at, series_at, std::size_t{0}, std::size_t{0}, postings_at, table_at})
    put_be(toc, at, 8);
  index += toc;
  put_be(index, crc32c(toc), 4);
  return block;
}

std::uint64_t series_reference(const TsdbBlock& block, std::size_t number, int version) {
  std::size_t at = series_begin(block);
  for (std::size_t s = 0;; ++s) {
    if (version == 2) at = (at + 15) / 16 * 16;
    if (s == number) return version == 2 ? at / 16 : at;
    std::size_t length = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(block.index[at++]);
      length |= static_cast<std::size_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += length + 4;
  }
}

std::string make_tombstones(const std::vector<TsdbTombstone>& tombstones) {
  std::string out, content;
  put_be(out, 0x0130ba30, 4);
  put_be(out, 1, 1);
  for (const TsdbTombstone& t : tombstones) {
    put_uvarint(content, t.series);
    put_varint(content, t.first);
    put_varint(content, t.last);
  }
  out += content;
  put_be(out, crc32c(content), 4);
  return out;
}

std::string head_file_header() {
  std::string out;
  put_be(out, 0x0130bc9101000000, 8);
  return out;
}
std::string head_chunk(std::uint64_t series, const TsdbChunk& chunk, bool late) {
  std::string out;
  put_be(out, series, 8);
  put_be(out, static_cast<std::uint64_t>(chunk.first), 8);
  put_be(out, static_cast<std::uint64_t>(chunk.last), 8);
  put_be(out, chunk.encoding | (late ? 0x80u : 0u), 1);
  put_text(out, chunk.data);
  put_be(out, crc32c(out), 4);
  return out;
}

std::string series_record(const std::vector<std::pair<std::uint64_t, TsdbLabels>>& series) {
  std::string out = "\1";
  for (const auto& [reference, labels] : series) {
    put_be(out, reference, 8);
    put_uvarint(out, labels.size());
    for (const auto& [name, value] : labels) {
      put_text(out, name);
      put_text(out, value);
    }
  }
  return out;
}
std::string samples_record(const std::vector<WalSample>& samples) {
  std::string out = "\2";
  if (samples.empty()) return out;
  put_be(out, samples[0].series, 8);
  put_be(out, static_cast<std::uint64_t>(samples[0].time), 8);
  for (const WalSample& sample : samples) {
    put_varint(out, static_cast<std::int64_t>(sample.series - samples[0].series));
    put_varint(out, sample.time - samples[0].time);
    put_be(out, std::bit_cast<std::uint64_t>(sample.value), 8);
  }
  return out;
}
std::string tombstones_record(const std::vector<TsdbTombstone>& tombstones) {
  std::string out = "\3";
  for (const TsdbTombstone& t : tombstones) {
    put_be(out, t.series, 8);
    put_varint(out, t.first);
    put_varint(out, t.last);
  }
  return out;
}

std::string wal_segment(const std::vector<std::string>& records, bool packed) {
  constexpr std::size_t page = 32 * 1024, head = 7;
  std::string out;
  for (const std::string& plain : records) {
    std::string record = plain;
    if (packed) {
      record.clear();
      put_uvarint(record, plain.size());
      for (std::size_t at = 0; at < plain.size(); at += 60) {
        const std::string_view piece = std::string_view(plain).substr(at, 60);
        record.push_back(static_cast<char>((piece.size() - 1) << 2));
        record += piece;
      }
    }
    for (std::size_t at = 0; at < record.size() || at == 0;) {
      if (page - out.size() % page <= head) out.resize((out.size() / page + 1) * page);
      const std::size_t room = page - out.size() % page - head;
      const std::string_view piece = std::string_view(record).substr(at, room);
      const bool begins = at == 0, ends = at + piece.size() == record.size();
      const unsigned type = begins && ends ? 1 : begins ? 2 : ends ? 4 : 3;
      out.push_back(static_cast<char>(type | (packed ? 8u : 0u)));
      put_be(out, piece.size(), 2);
      put_be(out, crc32c(piece), 4);
      out += piece;
      at += piece.size();
      if (piece.empty()) break;
    }
  }
  return out;
}

void write_bytes(const std::string& path, std::string_view bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void write_block(const std::string& directory, const std::string& ulid, const TsdbBlock& block,
                 const std::string& tombstones) {
  const std::string path = directory + "/" + ulid;
  write_bytes(path + "/index", block.index);
  write_bytes(path + "/meta.json", block.meta);
  for (std::size_t i = 0; i < block.segments.size(); ++i) {
    std::string name = std::to_string(i + 1);
    name.insert(0, 6 - name.size(), '0');
    write_bytes(path + "/chunks/" + name, block.segments[i]);
  }
  if (!tombstones.empty()) write_bytes(path + "/tombstones", tombstones);
}

}  // namespace signalbox::test
