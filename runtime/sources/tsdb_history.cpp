#include "runtime/sources/tsdb_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "runtime/base/vectors.hpp"
#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/formats/tsdb_head_chunks.hpp"
#include "runtime/formats/tsdb_histograms.hpp"

namespace signalbox::sources {
namespace {

namespace tsdb = formats::tsdb;

static_assert(FileWindow::slack >= tsdb::chunk_slack);

// Chunks of one series stand together: they are read together, up to so many bytes.
constexpr std::uint64_t most_together = 4u << 20;
// Entries of an index that are read at once: of a few neighbours, since others may stand between those
// selected.
constexpr std::size_t index_ahead = 4u << 10;
// How long a chunk may be thought to be before its length is read: those of 120 samples are shorter, whatever
// their values are. Where the last one is not, all are read again.
constexpr std::size_t usual_chunk = 1280;

// Where a part of a series begins among what was read before it.
struct Place {
  explicit Place(const SeriesSamples& read)
      : samples(read.samples.size()), histograms(read.histograms.size()) {}
  std::size_t samples, histograms;
};

// Takes out what lies in a stretch, from `from` on.
void erase_stretches(const Stretches& stretches, Place from, SeriesSamples& out) {
  const auto deleted = [&](std::int64_t time) {
    return std::any_of(stretches.begin(), stretches.end(),
                       [&](const auto& stretch) { return time >= stretch.first && time <= stretch.second; });
  };
  const auto first = out.histograms.begin() + static_cast<std::ptrdiff_t>(from.histograms);
  out.histograms.erase(
      std::remove_if(first, out.histograms.end(), [&](const TimedHistogram& h) { return deleted(h.time); }),
      out.histograms.end());
  store::Samples& samples = out.samples;
  std::size_t kept = from.samples;
  for (std::size_t i = from.samples; i < samples.size(); ++i) {
    if (deleted(samples.times[i])) continue;
    samples.times[kept] = samples.times[i];
    samples.values[kept] = samples.values[i];
    ++kept;
  }
  if (kept < samples.size()) out.course.lose(kept);
  samples.times.resize(kept);
  samples.values.resize(kept);
}

// Into rising time; of two samples at one time the first one stays.
void put_in_order(store::Samples& samples) {
  const auto& times = samples.times;
  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return times[a] < times[b]; });
  store::Samples sorted;
  for (const std::size_t i : order) {
    if (!sorted.times.empty() && sorted.times.back() == times[i]) continue;
    sorted.times.push_back(times[i]);
    sorted.values.push_back(samples.values[i]);
  }
  samples = std::move(sorted);
}

void put_in_order(std::vector<TimedHistogram>& histograms) {
  std::stable_sort(histograms.begin(), histograms.end(),
                   [](const TimedHistogram& a, const TimedHistogram& b) { return a.time < b.time; });
  const auto same = [](const TimedHistogram& a, const TimedHistogram& b) { return a.time == b.time; };
  histograms.erase(std::unique(histograms.begin(), histograms.end(), same), histograms.end());
}

// The same of histograms as below of samples.
void sort_out_histograms(Instant from, Instant to, SeriesSamples& out) {
  std::erase_if(out.histograms, [&](const TimedHistogram& h) { return h.time < from.ms || h.time > to.ms; });
  for (const TimedHistogram& h : out.histograms)
    if (!h.histogram) out.ends.push_back(h.time);
  std::erase_if(out.histograms, [](const TimedHistogram& h) { return !h.histogram; });
  std::sort(out.ends.begin(), out.ends.end());
  out.ends.erase(std::unique(out.ends.begin(), out.ends.end()), out.ends.end());
}

// Samples outside of [from, to] out, and so markers among them.
void sort_out(Instant from, Instant to, SeriesSamples& out) {
  store::Samples& samples = out.samples;
  const auto first =
      std::lower_bound(samples.times.begin(), samples.times.end(), from.ms) - samples.times.begin();
  const auto last =
      std::upper_bound(samples.times.begin(), samples.times.end(), to.ms) - samples.times.begin();
  samples.times.resize(static_cast<std::size_t>(last));
  samples.values.resize(static_cast<std::size_t>(last));
  samples.times.erase(samples.times.begin(), samples.times.begin() + first);
  samples.values.erase(samples.values.begin(), samples.values.begin() + first);
  if (!out.course.markers) {
    out.course.cut(static_cast<std::size_t>(first), static_cast<std::size_t>(last));
    return;
  }
  std::size_t kept = 0;
  for (std::size_t i = kept; i < samples.size(); ++i) {
    if (is_stale_marker(samples.values[i])) {
      out.ends.push_back(samples.times[i]);
      continue;
    }
    samples.times[kept] = samples.times[i];
    samples.values[kept] = samples.values[i];
    ++kept;
  }
  samples.times.resize(kept);
  samples.values.resize(kept);
  out.course.lose(kept);
}

// Markers where there is no number, and histograms where there is neither.
void one_at_a_time(SeriesSamples& out) {
  const auto among = [](std::span<const std::int64_t> times) {
    return [times, at = times.begin()](std::int64_t time) mutable {
      at = std::lower_bound(at, times.end(), time);
      return at != times.end() && *at == time;
    };
  };
  std::erase_if(out.ends, among(out.samples.times));
  std::erase_if(out.histograms,
                [number = among(out.samples.times), end = among(out.ends)](const TimedHistogram& h) mutable {
                  return number(h.time) || end(h.time);
                });
}

}  // namespace

Result<TsdbHistory> TsdbHistory::open(ForeignFolders& folders, const std::string& path,
                                      const Request& request, const Limits& limits) {
  Result<DataFiles> files = open_data_files(folders, path, request.from, request.to);
  if (!files) return files.error();
  TsdbHistory out;
  out.limits_ = limits;
  out.request_ = request;
  out.files_ = std::make_unique<DataFiles>(*std::move(files));
  out.blocks_.resize(out.files_->blocks.size());
  if (Result<void> found = out.find(); !found) return found.error();
  return out;
}

Result<void> TsdbHistory::find() {
  std::vector<Selector> selectors;
  for (const std::vector<Matcher>& matchers : request_.selectors) {
    auto selector = compile_selector(matchers);
    if (selector) selectors.push_back(*std::move(selector));
  }
  const SelectorSet selector_set(selectors);

  series_.clear();
  std::unordered_map<Labels, std::size_t, LabelsHash> numbers;
  const auto series_of = [&](Labels&& labels) -> Series& {
    const auto [entry, fresh] = numbers.try_emplace(std::move(labels), series_.size());
    if (fresh) series_.push_back({entry->first, {}, {}});
    return series_[entry->second];
  };
  // A server that was stopped between writing a block and removing those that it replaces has both. Names
  // begin with the time at which a block was made: the latest first.
  std::vector<std::uint32_t> order(blocks_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return files_->blocks[a].meta.ulid > files_->blocks[b].meta.ulid;
  });
  std::set<std::string_view> replaced;
  head_from_ = files_->others_to;
  for (const std::uint32_t b : order) {
    const tsdb::BlockMeta& meta = files_->blocks[b].meta;
    if (blocks_[b].left_out || replaced.contains(meta.ulid)) continue;
    std::vector<std::pair<std::uint64_t, Labels>> found;
    if (Result<void> done = find_in(b, selector_set, found); !done) {
      if (done.error().code == ErrorCode::limit_exceeded) return done;
      blocks_[b].left_out = true;
      lost_.push_back(block_left_out(files_->blocks[b].path, done.error()));
      continue;
    }
    replaced.insert(meta.parents.begin(), meta.parents.end());
    if (!meta.out_of_order) head_from_ = std::max(head_from_, meta.to);
    for (auto& [reference, labels] : found) series_of(std::move(labels)).parts.push_back({b, reference});
  }
  for (Series& series : series_)
    std::sort(series.parts.begin(), series.parts.end(),
              [](const Part& a, const Part& b) { return a.block < b.block; });
  notices_ = files_->notices;
  notices_.insert(notices_.end(), lost_.begin(), lost_.end());
  Result<Head> head =
      read_head(*files_, selectors, head_from_, request_.from, request_.to, limits_, notices_);
  if (!head) return head.error();
  head_ = *std::move(head);
  for (std::uint32_t h = 0; h < head_.series.size(); ++h) series_of(Labels(head_.series[h].labels)).head = h;
  std::sort(series_.begin(), series_.end(),
            [](const Series& a, const Series& b) { return a.labels < b.labels; });
  return {};
}

Result<void> TsdbHistory::find_in(std::uint32_t block, const SelectorSet& selectors,
                                  std::vector<std::pair<std::uint64_t, Labels>>& found) {
  Result<BlockIndex> index = BlockIndex::open(files_->blocks[block], limits_);
  if (!index) return index.error();
  Result<Tombstones> tombstones = read_tombstones_of(files_->blocks[block], limits_);
  if (!tombstones) return tombstones.error();
  blocks_[block] = {*std::move(index), *std::move(tombstones), false};
  return blocks_[block].index.select(selectors, limits_, [&](std::uint64_t reference, Labels&& labels) {
    found.emplace_back(reference, std::move(labels));
  });
}

Result<void> TsdbHistory::leave_out(std::size_t block, const Error& why) {
  blocks_[block].left_out = true;
  lost_.push_back(block_left_out(files_->blocks[block].path, why));
  return find();
}

Result<void> TsdbHistory::Reader::read(std::size_t series, SeriesSamples& out) {
  return read(series, history_.request_.from, history_.request_.to, out);
}

Result<void> TsdbHistory::Reader::read(std::size_t series, Instant from, Instant to, SeriesSamples& out) {
  from_ = from = std::max(from, history_.request_.from);
  to_ = to = std::min(to, history_.request_.to);
  damaged_.reset();
  histogram_bytes_ = 0;
  out.samples.clear();
  out.course.clear();
  out.ends.clear();
  out.histograms.clear();
  out.passed_over = 0;
  const Series& of = history_.series_[series];
  for (const Part& part : of.parts) {
    const BlockFiles& files = history_.files_->blocks[part.block];
    if (files.meta.from > to || files.meta.to <= from) continue;
    if (Result<void> read = read_block(part.block, part.reference, out); !read) {
      if (read.error().code != ErrorCode::limit_exceeded) damaged_ = part.block;
      return read;
    }
  }
  if (of.head) {
    const HeadSeries& head = history_.head_.series[*of.head];
    const Place begin(out);
    if (Result<void> read = read_head_chunks(head.chunks, history_.head_from_, out); !read) return read;
    const auto add = [&](const store::Samples& more, const std::vector<TimedHistogram>& histograms) {
      out.samples.times.insert(out.samples.times.end(), more.times.begin(), more.times.end());
      out.samples.values.insert(out.samples.values.end(), more.values.begin(), more.values.end());
      out.histograms.insert(out.histograms.end(), histograms.begin(), histograms.end());
      out.course.follow(out.samples.times, out.samples.values);
    };
    add(head.samples, head.histograms);
    if (Result<void> read = read_head_chunks(head.late_chunks, Instant{INT64_MIN}, out); !read) return read;
    add(head.late, head.late_histograms);
    out.passed_over += head.passed_over;
    if (!head.deleted.empty()) erase_stretches(head.deleted, begin, out);
  }
  if (!out.course.rises) {
    put_in_order(out.samples);
    out.course.lose(out.samples.size());
  }
  sort_out(from, to, out);
  if (!out.histograms.empty()) {
    put_in_order(out.histograms);
    sort_out_histograms(from, to, out);
    one_at_a_time(out);
  }
  return {};
}

// A series that is in one block after the other is read at its ends only, chunk by chunk.
Result<std::optional<std::pair<Instant, Instant>>> TsdbHistory::Reader::extent(std::size_t series) {
  using Extent = std::optional<std::pair<Instant, Instant>>;
  const Series& of = history_.series_[series];
  const auto held = [&](Instant from, Instant to) -> Result<Extent> {
    SeriesSamples here;
    if (Result<void> done = read(series, from, to, here); !done) return done.error();
    Extent out;
    const auto take = [&](std::int64_t first, std::int64_t last) {
      if (!out) out.emplace(Instant{first}, Instant{last});
      out = {std::min(out->first, Instant{first}), std::max(out->second, Instant{last})};
    };
    for (const std::span<const std::int64_t> times :
         {std::span<const std::int64_t>(here.samples.times), std::span<const std::int64_t>(here.ends)})
      if (!times.empty()) take(times.front(), times.back());
    if (!here.histograms.empty()) take(here.histograms.front().time, here.histograms.back().time);
    return out;
  };
  const auto meta = [&](const Part& part) -> const tsdb::BlockMeta& {
    return history_.files_->blocks[part.block].meta;
  };
  // What the first, or the last, chunk of a part has that has anything.
  const auto at_end = [&](const Part& part, bool front) -> Result<Extent> {
    if (Result<void> entry = history_.blocks_[part.block].index.series(
            part.reference, history_.limits_, index_windows_[part.block], index_ahead, entry_);
        !entry) {
      damaged_ = part.block;
      return entry.error();
    }
    auto chunks = entry_.chunks;  // read() has an entry of its own there
    if (!front) std::reverse(chunks.begin(), chunks.end());
    for (const auto& chunk : chunks) {
      Result<Extent> found = held(Instant{chunk.first}, Instant{chunk.last});
      if (!found || *found) return found;
    }
    return Extent{};
  };
  bool apart = !of.parts.empty() && !of.head;
  for (std::size_t i = 1; i < of.parts.size(); ++i)
    apart = apart && meta(of.parts[i]).from >= meta(of.parts[i - 1]).to;
  if (!apart) return held(history_.request_.from, history_.request_.to);
  const Result<Extent> begin = at_end(of.parts.front(), true);
  if (!begin) return begin.error();
  const Result<Extent> end = at_end(of.parts.back(), false);
  if (!end) return end.error();
  if (!*begin || !*end) return held(history_.request_.from, history_.request_.to);
  return Extent(std::pair((*begin)->first, (*end)->second));
}

Result<void> TsdbHistory::Reader::read_block(std::uint32_t number, std::uint64_t reference,
                                             SeriesSamples& out) {
  const Block& block = history_.blocks_[number];
  const BlockFiles& files = history_.files_->blocks[number];
  const Limits& limits = history_.limits_;
  if (Result<void> read = block.index.series(reference, limits, index_windows_[number], index_ahead, entry_);
      !read)
    return read;
  const Place begin(out);
  std::erase_if(entry_.chunks,
                [&](const auto& chunk) { return chunk.last < from_.ms || chunk.first > to_.ms; });
  const auto& chunks = entry_.chunks;
  for (std::size_t i = 0; i < chunks.size();) {
    const std::uint64_t segment = chunks[i].reference >> 32;
    if (segment >= files.segments.size())
      return Error{ErrorCode::malformed,
                   fmt::format("{}: a series has a chunk in segment {}, and there are {}", files.index.path,
                               segment + 1, files.segments.size())};
    const NamedFile& file = files.segments[segment];
    // How far those reach that are read with it.
    std::size_t together = i;
    const auto apart = [&](std::size_t next) { return chunks[next].reference - chunks[i].reference; };
    while (together + 1 < chunks.size() && chunks[together + 1].reference > chunks[together].reference &&
           chunks[together + 1].reference >> 32 == segment && apart(together + 1) < most_together)
      ++together;
    if (Result<void> read = read_together(file, std::span(chunks).subspan(i, together - i + 1), out); !read)
      return read;
    i = together + 1;
  }
  const auto deleted = block.tombstones.find(reference);
  if (deleted != block.tombstones.end()) erase_stretches(deleted->second, begin, out);
  return {};
}

Result<void> TsdbHistory::Reader::read_together(const NamedFile& file,
                                                std::span<const tsdb::IndexSeries::Chunk> chunks,
                                                SeriesSamples& out) {
  const std::uint64_t from = chunks.front().reference;
  const auto offset_of = [](const tsdb::IndexSeries::Chunk& chunk) { return chunk.reference & 0xffffffff; };
  const auto size_of = [&](std::string_view bytes, std::uint64_t offset) {
    return piece_size(bytes, file, offset, tsdb::frame_head_bytes, tsdb::frame_size,
                      history_.limits_.tsdb_piece_bytes);
  };
  // All at once, so that none of them moves while others wait.
  const auto last = static_cast<std::size_t>(chunks.back().reference - from);
  const std::uint64_t begin = offset_of(chunks.front());
  Result<std::string_view> bytes =
      window_.bytes(file, begin, last + tsdb::frame_head_bytes, last + usual_chunk);
  if (bytes && last < bytes->size()) {
    const Result<std::size_t> size = size_of(bytes->substr(last), offset_of(chunks.back()));
    if (size && bytes->size() - last < *size) bytes = window_.bytes(file, begin, last + *size, 0);
  }
  if (!bytes) return bytes.error();
  const auto read = [&]() -> Result<void> {
    for (const tsdb::IndexSeries::Chunk& chunk : chunks) {
      const std::uint64_t offset = offset_of(chunk);
      const std::string_view here =
          bytes->substr(std::min(bytes->size(), static_cast<std::size_t>(chunk.reference - from)));
      const Result<std::size_t> size = size_of(here, offset);
      if (!size) return size.error();
      if (here.size() < *size) return ends_within_piece(file, offset);
      const Result<tsdb::Frame> frame = tsdb::read_frame(here.substr(0, *size));
      if (!frame) return at_place(frame.error(), file.path, offset);
      if (static_cast<tsdb::Encoding>(frame->encoding) == tsdb::Encoding::xor_floats) {
        waiting_.push_back(frame->data);
        waiting_at_.push_back(offset);
        continue;
      }
      if (Result<void> done = decode_waiting(file.path, out); !done) return done;
      if (Result<void> done = decode(frame->encoding, frame->data, file.path, offset, out); !done)
        return done;
    }
    return {};
  };
  Result<void> done = read();
  // What is wrong with those before it is said first.
  if (Result<void> before = decode_waiting(file.path, out); !before) return before;
  return done;
}

Result<void> TsdbHistory::Reader::decode_waiting(const std::string& path, SeriesSamples& out) {
  const std::size_t before = out.samples.size();
  std::size_t after = before;
  begins_.clear();
  for (const std::string_view data : waiting_) {
    begins_.push_back(static_cast<std::uint32_t>(after));
    after += tsdb::chunk_samples(data);
  }
  tsdb::ChunksSeen seen{false, false, false};
  if (samples_taken(after) <= history_.limits_.answer_samples) {
    out.samples.times.resize(after);
    out.samples.values.resize(after);
    seen = tsdb::decode_xor_chunks(waiting_, out.samples.times.data() + before,
                                   out.samples.values.data() + before);
    if (seen.good) {
      out.course.follow(out.samples.times, out.samples.values, {begins_, seen.rising, seen.steady});
    } else {
      out.samples.times.resize(before);
      out.samples.values.resize(before);
    }
  }
  Result<void> done;
  // One by one it is seen which of them is wrong.
  for (std::size_t i = 0; i < waiting_.size() && !seen.good && done; ++i)
    done =
        decode(static_cast<std::uint8_t>(tsdb::Encoding::xor_floats), waiting_[i], path, waiting_at_[i], out);
  waiting_.clear();
  waiting_at_.clear();
  return done;
}

Result<void> TsdbHistory::Reader::read_head_chunks(const std::vector<HeadSeries::Chunk>& chunks, Instant from,
                                                   SeriesSamples& out) {
  for (const HeadSeries::Chunk& chunk : chunks) {
    if (chunk.last < std::max(from_, from).ms || chunk.first > to_.ms) continue;
    const NamedFile& file = history_.files_->head_chunks[chunk.file];
    const Result<std::string_view> bytes = window_.bytes(file, chunk.offset, chunk.size, 0);
    if (!bytes) return bytes.error();
    const Result<tsdb::HeadChunk> read = tsdb::read_head_chunk(*bytes);
    if (!read) return at_place(read.error(), file.path, chunk.offset);
    const Place begin(out);
    if (Result<void> decoded = decode(read->encoding, read->data, file.path, chunk.offset, out); !decoded)
      return decoded;
    if (chunk.first < from.ms) erase_stretches({{INT64_MIN, from.ms - 1}}, begin, out);
  }
  return {};
}

Result<void> TsdbHistory::Reader::decode(std::uint8_t encoding, std::string_view data,
                                         const std::string& path, std::uint64_t offset, SeriesSamples& out) {
  const std::size_t before = out.samples.size(), count = tsdb::chunk_samples(data);
  const auto too_much = [&] {
    return at_place({ErrorCode::limit_exceeded,
                     fmt::format("a series with more than the {} samples that answer_samples allows",
                                 history_.limits_.answer_samples),
                     "select a shorter time"},
                    path, offset);
  };
  const std::size_t histograms = out.histograms.size();
  if (samples_taken(before + count) > history_.limits_.answer_samples) return too_much();
  bool whole = true;
  switch (const auto kind = static_cast<tsdb::Encoding>(encoding)) {
    case tsdb::Encoding::none:
      return {};
    case tsdb::Encoding::histogram:
    case tsdb::Encoding::float_histogram:
      switch (tsdb::decode_histograms(kind, data, out.histograms)) {
        case tsdb::HistogramRead::whole:
          break;
        case tsdb::HistogramRead::malformed:
          whole = false;
          break;
        case tsdb::HistogramRead::unknown:
          out.passed_over += count;
      }
      for (std::size_t i = histograms; i < out.histograms.size(); ++i)
        histogram_bytes_ +=
            out.histograms[i].histogram ? memory_of(*out.histograms[i].histogram) : sizeof(TimedHistogram);
      if (samples_taken(before) > history_.limits_.answer_samples) return too_much();
      break;
    case tsdb::Encoding::xor_floats:
      out.samples.times.resize(before + count);
      out.samples.values.resize(before + count);
      whole = tsdb::decode_xor(data, out.samples.times.data() + before, out.samples.values.data() + before);
      if (!whole) {
        out.samples.times.resize(before);
        out.samples.values.resize(before);
        break;
      }
      out.course.follow(out.samples.times, out.samples.values);
      break;
    default:
      out.passed_over += std::max<std::size_t>(1, count);
  }
  if (whole) return {};
  return at_place({ErrorCode::malformed, "the chunk has fewer samples than it says"}, path, offset);
}

}  // namespace signalbox::sources
