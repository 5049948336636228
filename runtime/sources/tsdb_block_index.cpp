#include "runtime/sources/tsdb_block_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "runtime/formats/tsdb_chunk.hpp"

namespace signalbox::sources {
namespace {

namespace tsdb = formats::tsdb;
using References = std::vector<std::uint64_t>;

// Entries of neighbouring series are read together.
constexpr std::size_t read_ahead = 64u << 10;

// A matcher with the lists that it needs: those of the values it accepts; of those it refuses when it accepts
// series without the label too, of which there is no list.
struct Asked {
  const CompiledMatcher* matcher;
  bool excludes;
  std::vector<std::uint64_t> lists;  // where they stand
};

References unite(std::vector<References> lists) {
  References all;
  for (const References& list : lists) all.insert(all.end(), list.begin(), list.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}
References intersect(const References& a, const References& b) {
  References out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}
References subtract(const References& a, const References& b) {
  References out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

Result<std::string_view> section(FileWindow& window, const NamedFile& file, std::uint64_t offset,
                                 const Limits& limits) {
  return read_piece(window, file, offset, tsdb::section_head_bytes, tsdb::section_size,
                    limits.tsdb_section_bytes, read_ahead);
}

// A series has one value of a label: all lists of a name together have no more references than the file has
// room for.
Result<References> united(FileWindow& window, const NamedFile& file, const Asked& asked,
                          const Limits& limits) {
  const Result<std::uint64_t> size = file.file->size();
  if (!size) return size.error();
  std::size_t room = static_cast<std::size_t>(*size / 4);
  std::vector<References> lists(asked.lists.size());
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const Result<std::string_view> bytes = section(window, file, asked.lists[i], limits);
    if (!bytes) return bytes.error();
    if (const Result<void> read = tsdb::read_postings(*bytes, lists[i]); !read)
      return at_place(read.error(), file.path, asked.lists[i]);
    if (lists[i].size() > room)
      return at_place({ErrorCode::malformed, "lists of postings stand one in the other"}, file.path,
                      asked.lists[i]);
    room -= lists[i].size();
  }
  if (lists.size() == 1) return std::move(lists[0]);
  return unite(std::move(lists));
}

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

Result<void> BlockIndex::select(const std::vector<Selector>& selectors, const Limits& limits,
                                const std::function<void(std::uint64_t, Labels&&)>& visit) const {
  const NamedFile& file = block_->index;
  if (toc_.postings_table == 0) return {};
  std::vector<std::vector<Asked>> asked;
  for (const Selector& selector : selectors) {
    asked.emplace_back();
    for (const CompiledMatcher& matcher : selector)
      asked.back().push_back({&matcher, matcher.accepts(""), {}});
  }
  FileWindow tables;
  {
    const Result<std::string_view> table = section(tables, file, toc_.postings_table, limits);
    if (!table) return table.error();
    // Entries of one name stand together: who asks about it is looked up once.
    std::string_view name;
    std::vector<Asked*> of_name;
    const Result<void> read = tsdb::read_postings_table(
        *table, [&](std::string_view entry, std::string_view value, std::uint64_t offset) {
          if (entry != name) {
            name = entry;
            of_name.clear();
            for (std::vector<Asked>& all : asked)
              for (Asked& one : all)
                if (one.matcher->matcher().label == name) of_name.push_back(&one);
          }
          for (Asked* one : of_name)
            if (one->matcher->accepts(value) != one->excludes) one->lists.push_back(offset);
        });
    if (!read) return at_place(read.error(), file.path, toc_.postings_table);
  }
  std::vector<References> found;
  FileWindow window;
  for (std::vector<Asked>& all : asked) {
    // First what narrows: compile_selector() holds that there is such a matcher.
    std::stable_partition(all.begin(), all.end(), [](const Asked& one) { return !one.excludes; });
    References chosen;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Result<References> listed = united(window, file, all[i], limits);
      if (!listed) return listed.error();
      chosen = i == 0 ? *listed : all[i].excludes ? subtract(chosen, *listed) : intersect(chosen, *listed);
      if (chosen.empty()) break;
    }
    found.push_back(std::move(chosen));
  }
  const References references = unite(std::move(found));
  if (references.empty()) return {};
  if (references.size() > limits.store_series)
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("{} series are selected in {}, and store_series allows {}", references.size(),
                             block_->path, limits.store_series),
                 "select fewer"};
  const Result<std::string_view> symbols_section = section(tables, file, toc_.symbols, limits);
  if (!symbols_section) return symbols_section.error();
  const Result<tsdb::Symbols> symbols = tsdb::Symbols::read(*symbols_section, version_, toc_.symbols);
  if (!symbols) return at_place(symbols.error(), file.path, toc_.symbols);
  tsdb::IndexSeries entry;
  for (const std::uint64_t reference : references) {
    if (const Result<void> read = series(reference, limits, window, read_ahead, entry); !read) return read;
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
