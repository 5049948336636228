#include "runtime/sources/tsdb_block_index.hpp"

#include <fmt/format.h>

#include "runtime/formats/tsdb_chunk.hpp"

namespace signalbox::sources {
namespace {

namespace tsdb = formats::tsdb;

// Entries of neighbouring series are read together.
constexpr std::size_t read_ahead = 64u << 10;

Result<Labels> labels_of(const tsdb::IndexSeries& entry, const tsdb::Symbols& symbols, const Limits& limits) {
  if (entry.labels.size() > limits.labels_per_series)
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("a series with {} labels, and labels_per_series allows {}", entry.labels.size(),
                             limits.labels_per_series)};
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : entry.labels) {
    const Result<std::string_view> name_text = symbols.at(name), value_text = symbols.at(value);
    if (!name_text) return name_text.error();
    if (!value_text) return value_text.error();
    if (name_text->size() > limits.label_name_bytes || value_text->size() > limits.label_value_bytes)
      return Error{
          ErrorCode::limit_exceeded,
          fmt::format(
              "a label of {} and {} bytes, and label_name_bytes and label_value_bytes allow {} and {}",
              name_text->size(), value_text->size(), limits.label_name_bytes, limits.label_value_bytes)};
    pairs.emplace_back(*name_text, *value_text);
  }
  return Labels(std::move(pairs));
}

}  // namespace

Result<BlockIndex> BlockIndex::open(const BlockFiles& block, const Limits&) {
  FileWindow window;
  BlockIndex out;
  out.block_ = &block;
  const Result<std::string_view> head = window.bytes(block.index, 0, tsdb::index_header_bytes, 0);
  if (!head) return head.error();
  const Result<int> version = tsdb::read_index_header(*head);
  if (!version) return at_place(version.error(), block.index.path, 0);
  out.version_ = *version;
  const Result<std::uint64_t> size = block.index.file->size();
  if (!size) return size.error();
  const std::uint64_t toc_at = *size < tsdb::toc_bytes ? 0 : *size - tsdb::toc_bytes;
  const Result<std::string_view> last = window.bytes(block.index, toc_at, tsdb::toc_bytes, 0);
  if (!last) return last.error();
  const Result<tsdb::Toc> toc = tsdb::read_toc(*last);
  if (!toc) return at_place(toc.error(), block.index.path, toc_at);
  out.toc_ = *toc;
  for (const NamedFile& segment : block.segments) {
    const Result<std::string_view> begin = window.bytes(segment, 0, tsdb::segment_header_bytes, 0);
    if (!begin) return begin.error();
    if (const Result<void> fine = tsdb::check_segment_header(*begin); !fine)
      return at_place(fine.error(), segment.path, 0);
  }
  return out;
}

Result<void> BlockIndex::select(const SelectorSet& selectors, const Limits& limits,
                                const std::function<void(std::uint64_t, Labels&&)>& visit) const {
  const NamedFile& file = block_->index;
  if (toc_.postings_table == 0) return {};
  Result<References> accepted = accepted_series(file, toc_.postings_table, selectors, limits);
  if (!accepted) return accepted.error();
  const References& references = *accepted;
  if (references.empty()) return {};
  if (references.size() > limits.store_series)
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("{} series are selected in {}, and store_series allows {}", references.size(),
                             block_->path, limits.store_series),
                 "select fewer"};
  FileWindow window, tables;
  const Result<std::string_view> symbols_section = read_section(tables, file, toc_.symbols, limits);
  if (!symbols_section) return symbols_section.error();
  const Result<tsdb::Symbols> symbols = tsdb::Symbols::read(*symbols_section, version_, toc_.symbols);
  if (!symbols) return at_place(symbols.error(), file.path, toc_.symbols);
  tsdb::IndexSeries entry;
  for (const std::uint64_t reference : references) {
    if (Result<void> read = series(reference, limits, window, read_ahead, entry); !read) return read;
    Result<Labels> labels = labels_of(entry, *symbols, limits);
    if (!labels) return at_place(labels.error(), file.path, tsdb::series_offset(reference, version_));
    visit(reference, *std::move(labels));
  }
  return {};
}

Result<void> BlockIndex::series(std::uint64_t reference, const Limits& limits, FileWindow& window,
                                std::size_t ahead, tsdb::IndexSeries& into) const {
  const std::uint64_t offset = tsdb::series_offset(reference, version_);
  const Result<std::string_view> entry = read_piece(window, block_->index, offset, tsdb::series_head_bytes,
                                                    tsdb::series_size, limits.tsdb_piece_bytes, ahead);
  if (!entry) return entry.error();
  if (const Result<void> read = tsdb::read_series(*entry, into); !read)
    return at_place(read.error(), block_->index.path, offset);
  return {};
}

Result<Tombstones> read_tombstones_of(const BlockFiles& block, const Limits& limits) {
  Tombstones out;
  if (!block.tombstones.file) return out;
  FileWindow window;
  const Result<std::string_view> bytes = window.bytes(block.tombstones, 0, limits.tsdb_section_bytes + 1, 0);
  if (!bytes) return bytes.error();
  if (bytes->size() > limits.tsdb_section_bytes)
    return at_place({ErrorCode::limit_exceeded, "more tombstones than are read at once"},
                    block.tombstones.path, 0);
  const Result<void> read =
      tsdb::read_tombstones(*bytes, [&](std::uint64_t series, std::int64_t first, std::int64_t last) {
        out[series].emplace_back(first, last);
      });
  if (!read) return at_place(read.error(), block.tombstones.path, 0);
  return out;
}

}  // namespace signalbox::sources
