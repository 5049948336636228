#include "runtime/formats/tsdb_index.hpp"

#include <fmt/format.h>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_bytes.hpp"

namespace signalbox::formats::tsdb {
namespace {

constexpr std::uint32_t index_magic = 0xbaaad700;
constexpr std::size_t checksum_bytes = 4;

Error malformed(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

Result<std::string_view> content_of(std::string_view section, const char* what) {
  Bytes in(section);
  const std::string_view content = in.take(in.be32());
  const std::uint32_t sum = in.be32();
  if (!in.done()) return malformed(fmt::format("{} is cut short", what));
  if (sum != crc32c(content)) return malformed(fmt::format("the checksum of {} does not fit it", what));
  return content;
}

}  // namespace

Result<int> read_index_header(std::string_view first_bytes) {
  Bytes in(first_bytes);
  const std::uint32_t magic = in.be32();
  const int version = in.u8();
  if (!in.ok() || magic != index_magic) return malformed("this is no index: it does not begin as one");
  if (version != 1 && version != 2)
    return Error{ErrorCode::unsupported, fmt::format("indices of version {} are not known", version)};
  return version;
}

Result<Toc> read_toc(std::string_view last_bytes) {
  if (last_bytes.size() != toc_bytes) return malformed("the table of contents is cut short");
  Bytes in(last_bytes);
  Toc toc;
  for (std::uint64_t* entry :
       {&toc.symbols, &toc.series, &toc.label_indices, &toc.label_table, &toc.postings, &toc.postings_table})
    *entry = in.be64();
  if (in.be32() != crc32c(last_bytes.substr(0, toc_bytes - checksum_bytes)))
    return malformed("the checksum of the table of contents does not fit it");
  return toc;
}

Result<std::uint64_t> section_size(std::string_view head) {
  Bytes in(head);
  const std::uint64_t length = in.be32();
  if (!in.ok()) return malformed("a section begins past the end");
  return section_head_bytes + length + checksum_bytes;
}

Result<Symbols> Symbols::read(std::string_view section, int version, std::uint64_t offset) {
  const Result<std::string_view> content = content_of(section, "the symbol table");
  if (!content) return content.error();
  Symbols out;
  out.section_ = section;
  out.offset_ = offset;
  if (version == 1) return out;
  Bytes in(*content);
  const std::uint32_t count = in.be32();
  // A symbol takes a byte at least, so that a hostile count allocates nothing.
  if (!in.ok() || count > in.left()) return malformed("the symbol table counts more symbols than it has");
  out.places_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    out.places_.push_back(static_cast<std::uint32_t>(section_head_bytes + in.position()));
    in.text();
  }
  if (!in.ok()) return malformed("the symbol table counts more symbols than it has");
  return out;
}

Result<std::string_view> Symbols::at(std::uint64_t reference) const {
  std::uint64_t place = reference - offset_;
  if (!places_.empty() || reference < offset_) {
    if (reference >= places_.size()) return malformed(fmt::format("there is no symbol {}", reference));
    place = places_[reference];
  }
  if (place >= section_.size()) return malformed(fmt::format("there is no symbol {}", reference));
  Bytes in(section_.substr(place));
  const std::string_view text = in.text();
  if (!in.ok()) return malformed(fmt::format("there is no symbol {}", reference));
  return text;
}

Result<void> read_postings_table(std::string_view section, const PostingsVisitor& visit) {
  const Result<std::string_view> content = content_of(section, "the table of postings");
  if (!content) return content.error();
  Bytes in(*content);
  const std::uint32_t count = in.be32();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    if (in.uvarint() != 2) return malformed("an entry of the table of postings is not a name and a value");
    const std::string_view name = in.text(), value = in.text();
    const std::uint64_t offset = in.uvarint();
    if (in.ok()) visit(name, value, offset);
  }
  if (!in.ok()) return malformed("the table of postings counts more entries than it has");
  return {};
}

Result<void> read_postings(std::string_view section, std::vector<std::uint64_t>& references) {
  references.clear();
  const Result<std::string_view> content = content_of(section, "a list of postings");
  if (!content) return content.error();
  Bytes in(*content);
  const std::uint32_t count = in.be32();
  if (!in.ok() || in.left() != std::size_t{count} * 4)
    return malformed("a list of postings counts other entries than it has");
  references.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t reference = in.be32();
    if (i > 0 && reference <= references.back()) return malformed("a list of postings is not in order");
    references.push_back(reference);
  }
  return {};
}

Result<std::uint64_t> series_size(std::string_view first_bytes) {
  Bytes in(first_bytes);
  const std::uint64_t length = in.uvarint();
  const std::size_t head = in.position();
  if (!in.ok() || length > 0xffffffff) return malformed("the length of a series is none");
  return head + length + checksum_bytes;
}

Result<void> read_series(std::string_view entry, IndexSeries& series) {
  series.labels.clear();
  series.chunks.clear();
  Bytes frame(entry);
  const std::string_view content = frame.text();
  const std::uint32_t sum = frame.be32();
  if (!frame.done()) return malformed("a series is cut short");
  if (sum != crc32c(content)) return malformed("the checksum of a series does not fit it");
  Bytes in(content);
  const std::uint64_t labels = in.uvarint();
  if (labels > in.left()) return malformed("a series counts more labels than it has");
  for (std::uint64_t i = 0; i < labels; ++i) {
    const std::uint64_t name = in.uvarint();
    series.labels.emplace_back(name, in.uvarint());
  }
  const std::uint64_t chunks = in.uvarint();
  if (!in.ok() || chunks > in.left()) return malformed("a series counts more chunks than it has");
  IndexSeries::Chunk chunk;
  for (std::uint64_t i = 0; i < chunks; ++i) {
    chunk.first = i == 0 ? in.varint() : wrapping_add(chunk.last, static_cast<std::int64_t>(in.uvarint()));
    chunk.last = wrapping_add(chunk.first, static_cast<std::int64_t>(in.uvarint()));
    chunk.reference = i == 0 ? in.uvarint() : chunk.reference + static_cast<std::uint64_t>(in.varint());
    series.chunks.push_back(chunk);
  }
  if (!in.ok()) return malformed("a series counts more chunks than it has");
  return {};
}

}  // namespace signalbox::formats::tsdb
