#include "runtime/sources/tsdb_head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "runtime/formats/tsdb_head_chunks.hpp"
#include "runtime/formats/tsdb_histograms.hpp"
#include "runtime/formats/tsdb_wal.hpp"

namespace signalbox::sources {
namespace {

namespace tsdb = formats::tsdb;

constexpr std::size_t read_ahead = 1u << 20;
constexpr std::uint32_t not_selected = std::numeric_limits<std::uint32_t>::max();

struct NumberedChunk {
  std::uint64_t series = 0;
  bool late = false;
  HeadSeries::Chunk chunk;
};

class HeadReader {
 public:
  HeadReader(const DataFiles& files, const std::vector<Selector>& selectors, Instant begin, Instant from,
             Instant to, const Limits& limits, std::vector<Error>& notices)
      : files_(files),
        selectors_(selectors),
        begin_(begin.ms),
        from_(from.ms),
        to_(to.ms),
        limits_(limits),
        notices_(notices) {}

  Result<Head> read() {
    if (const Result<void> read = read_chunks(); !read) return read.error();
    // A checkpoint that is damaged costs what it held; what came after it is worth reading.
    for (const auto* segments : {&files_.checkpoint, &files_.log, &files_.late_log}) {
      reading_late_ = segments == &files_.late_log;
      if (const Result<void> read = read_log(*segments); !read) return read.error();
    }
    if (unknown_ > 0)
      notices_.push_back({ErrorCode::malformed,
                          fmt::format("{} samples in the log are of series that it does not name", unknown_),
                          "the part of the log that named them is lost"});
    for (const auto& [type, count] : strange_)
      notices_.push_back(
          {ErrorCode::unsupported,
           fmt::format("{} records of the log are of type {}, which this version does not know", count, type),
           ""});
    return std::move(head_);
  }

 private:
  Result<void> read_chunks() {
    for (std::uint32_t f = 0; f < files_.head_chunks.size(); ++f) {
      const NamedFile& file = files_.head_chunks[f];
      const Result<std::string_view> begin = window_.bytes(file, 0, tsdb::head_file_header_bytes, read_ahead);
      if (!begin) return begin.error();
      // A file is made before its header is written.
      if (begin->empty() && f + 1 == files_.head_chunks.size()) break;
      if (const Result<void> fine = tsdb::check_head_file_header(*begin); !fine) {
        chunks_end_at(file, 0, fine.error());
        break;
      }
      if (!read_chunks_of(f)) break;
    }
    std::stable_sort(chunks_.begin(), chunks_.end(),
                     [](const auto& a, const auto& b) { return a.series < b.series; });
    return {};
  }

  // False when nothing after it is to be read.
  bool read_chunks_of(std::uint32_t f) {
    const NamedFile& file = files_.head_chunks[f];
    for (std::uint64_t at = tsdb::head_file_header_bytes;;) {
      const Result<std::string_view> first = window_.bytes(file, at, tsdb::head_chunk_head_bytes, read_ahead);
      if (first && first->empty()) return true;
      Result<std::uint64_t> size = first ? tsdb::head_chunk_size(*first) : first.error();
      if (size && *size == 0) return true;
      if (size && *size > limits_.tsdb_piece_bytes)
        size = Error{ErrorCode::malformed, "a chunk longer than is read at once"};
      Result<tsdb::HeadChunk> chunk = size ? tsdb::HeadChunk{} : Result<tsdb::HeadChunk>(size.error());
      if (size) {
        const Result<std::string_view> bytes =
            window_.bytes(file, at, static_cast<std::size_t>(*size), read_ahead);
        chunk = bytes ? tsdb::read_head_chunk(*bytes) : Result<tsdb::HeadChunk>(bytes.error());
      }
      if (!chunk) {
        chunks_end_at(file, at, chunk.error());
        return false;
      }
      chunks_.push_back({chunk->series,
                         chunk->out_of_order,
                         {f, static_cast<std::uint32_t>(*size), at, chunk->first, chunk->last}});
      at += *size;
    }
  }

  // Later chunks would hide from the log's samples that these are missing.
  void chunks_end_at(const NamedFile& file, std::uint64_t offset, const Error& why) {
    const Error placed = at_place(why, file.path, offset);
    notices_.push_back({placed.code, placed.message + "; head chunks are read up to there",
                        "the write-ahead log has their samples too, as far as it reaches back"});
  }

  Result<void> read_log(const std::vector<NamedFile>& segments) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const Result<bool> read = read_segment(segments[i], i + 1 == segments.size());
      if (!read) return read.error();
      if (!*read) break;
    }
    return {};
  }

  // False when nothing after it is to be read.
  Result<bool> read_segment(const NamedFile& file, bool latest) {
    tsdb::WalSegment segment(limits_.tsdb_piece_bytes);
    std::uint64_t at = 0;
    bool torn = false;
    for (; !torn;) {
      const Result<std::string_view> page = window_.bytes(file, at, tsdb::wal_page_bytes, read_ahead);
      if (!page) return page.error();
      if (page->empty()) break;
      segment.page(*page);
      at += page->size();
      for (bool more = true; more;) {
        switch (segment.next()) {
          case tsdb::WalSegment::Step::record:
            if (const Result<void> taken = take(segment.record()); !taken) {
              if (taken.error().code != ErrorCode::malformed) return taken.error();
              return log_ends_at(file, segment.offset(), taken.error().message);
            }
            break;
          case tsdb::WalSegment::Step::done:
            more = false;
            break;
          case tsdb::WalSegment::Step::torn:
            torn = true;
            more = false;
            break;
          case tsdb::WalSegment::Step::damaged:
            return log_ends_at(file, segment.offset(), segment.damage());
        }
      }
      if (page->size() < tsdb::wal_page_bytes) break;
    }
    if (!torn && !segment.open()) return true;
    if (!latest) return log_ends_at(file, segment.offset(), "the segment ends within a record");
    notices_.push_back(
        {ErrorCode::malformed,
         fmt::format("{} ends at byte {} within a record that was being written; all before it is read",
                     file.path, segment.offset()),
         ""});
    return true;
  }

  bool log_ends_at(const NamedFile& file, std::uint64_t offset, const std::string& why) {
    notices_.push_back(
        {ErrorCode::malformed,
         fmt::format("{} at byte {}: {}; the log is read up to there, as Prometheus does", file.path, offset,
                     why),
         "samples after it are missing; a Prometheus that starts on this directory drops them too"});
    return false;
  }

  Result<void> take(std::string_view record) {
    const auto type = record.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(record[0]);
    bool whole = true;
    switch (static_cast<tsdb::WalRecord>(type)) {
      case tsdb::WalRecord::series:
        whole = tsdb::read_series_record(
            record, labels_,
            [&](std::uint64_t series, const tsdb::WalLabels& labels) { know(series, labels); });
        break;
      case tsdb::WalRecord::samples:
        whole = tsdb::read_samples_record(record, [&](std::uint64_t series, std::int64_t time, double value) {
          sample(series, time, value);
        });
        break;
      case tsdb::WalRecord::tombstones:
        whole = tsdb::read_tombstones_record(
            record, [&](std::uint64_t series, std::int64_t first, std::int64_t last) {
              const auto known = known_.find(series);
              if (known == known_.end() || known->second.series == not_selected) return;
              head_.series[known->second.series].deleted.emplace_back(first, last);
              held_ += sizeof(Stretches::value_type);
            });
        break;
      case tsdb::WalRecord::histograms:
      case tsdb::WalRecord::float_histograms:
        whole = tsdb::read_histograms_record(record,
                                             [&](std::uint64_t series, TimedHistogram&& one, bool is_known) {
                                               histogram(series, std::move(one), is_known);
                                             });
        break;
      case tsdb::WalRecord::exemplars:
      case tsdb::WalRecord::mmap_markers:
      case tsdb::WalRecord::metadata:
        break;
      default:
        ++strange_[type];
    }
    if (!whole)
      return Error{ErrorCode::malformed,
                   fmt::format("a record of {} is cut short", tsdb::wal_record_name(type))};
    if (held_ > limits_.tsdb_head_bytes)
      return Error{
          ErrorCode::limit_exceeded,
          fmt::format(
              "the selected series of the head need more than the {} bytes that tsdb_head_bytes allows",
              limits_.tsdb_head_bytes),
          "select fewer series, or a shorter time"};
    return {};
  }

  void know(std::uint64_t series, const tsdb::WalLabels& labels) {
    const auto [entry, fresh] = known_.try_emplace(series);
    if (!fresh) return;
    std::vector<Labels::Pair> pairs(labels.begin(), labels.end());
    const Labels all(std::move(pairs));
    const bool selected = std::any_of(selectors_.begin(), selectors_.end(), [&](const Selector& selector) {
      return std::all_of(selector.begin(), selector.end(), [&](const auto& one) { return one.accepts(all); });
    });
    if (!selected) return;
    const auto [place, first] = by_labels_.try_emplace(all, static_cast<std::uint32_t>(head_.series.size()));
    if (first) {
      head_.series.emplace_back();
      head_.series.back().labels = all;
    }
    entry->second.series = place->second;
    HeadSeries& into = head_.series[place->second];
    auto chunk = std::lower_bound(chunks_.begin(), chunks_.end(), series,
                                  [](const NumberedChunk& a, std::uint64_t b) { return a.series < b; });
    for (; chunk != chunks_.end() && chunk->series == series; ++chunk) {
      if (!chunk->late) entry->second.chunks_to = std::max(entry->second.chunks_to, chunk->chunk.last);
      if (chunk->chunk.last < from_ || chunk->chunk.first > to_) continue;
      (chunk->late ? into.late_chunks : into.chunks).push_back(chunk->chunk);
    }
  }

  void sample(std::uint64_t series, std::int64_t time, double value) {
    HeadSeries* into = that_takes(series, time);
    if (into == nullptr) return;
    store::Samples& samples = reading_late_ ? into->late : into->samples;
    samples.times.push_back(time);
    samples.values.push_back(value);
    held_ += 16;
  }
  void histogram(std::uint64_t series, TimedHistogram&& one, bool is_known) {
    HeadSeries* into = that_takes(series, one.time);
    if (into == nullptr) return;
    if (!is_known) {
      ++into->passed_over;
      return;
    }
    held_ += one.histogram ? memory_of(*one.histogram) : sizeof one;
    (reading_late_ ? into->late_histograms : into->histograms).push_back(std::move(one));
  }
  // Null for a series or a time that is not wanted, or is held already: what chunks and blocks have is logged
  // too; and the log has what the head then refused, since it is written first.
  HeadSeries* that_takes(std::uint64_t series, std::int64_t time) {
    const auto known = known_.find(series);
    if (known == known_.end()) {
      ++unknown_;
      return nullptr;
    }
    if (known->second.series == not_selected || time < from_ || time > to_) return nullptr;
    HeadSeries& into = head_.series[known->second.series];
    if (reading_late_) return &into;
    const bool held = time <= known->second.chunks_to || time < begin_ ||
                      (into.samples.size() > 0 && time <= into.samples.times.back()) ||
                      (!into.histograms.empty() && time <= into.histograms.back().time);
    return held ? nullptr : &into;
  }

  struct Known {
    std::uint32_t series = not_selected;
    std::int64_t chunks_to = std::numeric_limits<std::int64_t>::min();
  };

  const DataFiles& files_;
  const std::vector<Selector>& selectors_;
  std::int64_t begin_, from_, to_;
  const Limits& limits_;
  std::vector<Error>& notices_;
  FileWindow window_;
  std::vector<NumberedChunk> chunks_;  // by series, then as they were written
  std::unordered_map<std::uint64_t, Known> known_;
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_labels_;
  tsdb::WalLabels labels_;
  Head head_;
  bool reading_late_ = false;
  std::size_t held_ = 0, unknown_ = 0;
  std::map<unsigned, std::size_t> strange_;
};

}  // namespace

Result<Head> read_head(const DataFiles& files, const std::vector<Selector>& selectors, Instant begin,
                       Instant from, Instant to, const Limits& limits, std::vector<Error>& notices) {
  return HeadReader(files, selectors, begin, from, to, limits, notices).read();
}

}  // namespace signalbox::sources
