#include "runtime/sources/tsdb_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace signalbox::sources {
namespace {

using formats::tsdb::BlockMeta;
using Entry = ForeignFolders::Entry;

// A server changes its directory every few minutes, within a second.
constexpr int attempts = 5;
// Descriptions are a few kB; one of a block made of thousands names them all.
constexpr std::size_t meta_bytes = 16u << 20;

bool is_number(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Names of the folder; none when it is not there.
Result<std::vector<Entry>> list_if_there(ForeignFolders& folders, const std::string& path) {
  Result<std::vector<Entry>> listed = folders.list(path);
  if (!listed && listed.error().code == ErrorCode::not_found) return std::vector<Entry>{};
  return listed;
}

// What a directory held when it was listed: names that matter, each below the directory.
Result<std::set<std::string>> listing(ForeignFolders& folders, const std::string& path) {
  std::set<std::string> out;
  const Result<std::vector<Entry>> top = folders.list(path);
  if (!top) return top.error();
  for (const Entry& entry : *top)
    if (entry.folder && formats::tsdb::is_block_name(entry.name)) out.insert(entry.name);
  for (const char* folder : {"chunks_head", "wal", "wbl"}) {
    const Result<std::vector<Entry>> inside = list_if_there(folders, path + "/" + folder);
    if (!inside) return inside.error();
    for (const Entry& entry : *inside) {
      const bool checkpoint = entry.folder && entry.name.starts_with("checkpoint.") &&
                              is_number(std::string_view(entry.name).substr(11));
      if (checkpoint || (!entry.folder && is_number(entry.name)))
        out.insert(fmt::format("{}/{}", folder, entry.name));
    }
  }
  return out;
}

Result<NamedFile> open(ForeignFolders& folders, const std::string& path) {
  auto file = folders.open(path);
  if (!file) return file.error();
  return NamedFile{path, *std::move(file)};
}

Result<std::string> read_whole(const NamedFile& file, std::size_t most) {
  FileWindow window;
  const Result<std::string_view> bytes = window.bytes(file, 0, most + 1, 0);
  if (!bytes) return bytes.error();
  if (bytes->size() > most)
    return Error{ErrorCode::limit_exceeded, fmt::format("{} is longer than {} bytes", file.path, most)};
  return std::string(*bytes);
}

Result<BlockMeta> open_meta(ForeignFolders& folders, const std::string& block) {
  const Result<NamedFile> file = open(folders, block + "/meta.json");
  if (!file) return file.error();
  const Result<std::string> text = read_whole(*file, meta_bytes);
  if (!text) return text.error();
  Result<BlockMeta> meta = formats::tsdb::read_block_meta(*text);
  if (!meta) return Error{meta.error().code, fmt::format("{}: {}", file->path, meta.error().message)};
  return meta;
}

Result<BlockFiles> open_block(ForeignFolders& folders, const std::string& path, BlockMeta meta) {
  BlockFiles out;
  out.path = path;
  out.meta = std::move(meta);
  Result<NamedFile> index = open(folders, path + "/index");
  if (!index) return index.error();
  out.index = *std::move(index);
  Result<NamedFile> tombstones = open(folders, path + "/tombstones");
  if (!tombstones && tombstones.error().code != ErrorCode::not_found) return tombstones.error();
  if (tombstones) out.tombstones = *std::move(tombstones);
  const Result<std::vector<Entry>> chunks = folders.list(path + "/chunks");
  if (!chunks) return chunks.error();
  for (const Entry& entry : *chunks) {
    if (entry.folder || !is_number(entry.name)) continue;
    Result<NamedFile> segment = open(folders, path + "/chunks/" + entry.name);
    if (!segment) return segment.error();
    out.segments.push_back(*std::move(segment));
  }
  return out;
}

// Segments of a folder in the order of their numbers, from number `from` on.
struct Numbered {
  std::vector<NamedFile> files;
  std::vector<std::uint64_t> numbers;
};
Result<Numbered> open_numbered(ForeignFolders& folders, const std::string& folder, std::uint64_t from = 0) {
  const Result<std::vector<Entry>> entries = list_if_there(folders, folder);
  if (!entries) return entries.error();
  std::vector<std::pair<std::uint64_t, const Entry*>> found;
  for (const Entry& entry : *entries) {
    if (entry.folder || !is_number(entry.name)) continue;
    const std::uint64_t number = std::stoull("0" + entry.name.substr(0, 18));
    if (number >= from) found.emplace_back(number, &entry);
  }
  std::sort(found.begin(), found.end());
  Numbered out;
  for (const auto& [number, entry] : found) {
    Result<NamedFile> file = open(folders, folder + "/" + entry->name);
    if (!file) return file.error();
    out.files.push_back(*std::move(file));
    out.numbers.push_back(number);
  }
  return out;
}

// Segments of a log that begins with number `from`. What one that is missing held cannot be told, and what
// comes after it is worth reading.
Result<std::vector<NamedFile>> open_segments(ForeignFolders& folders, const std::string& folder,
                                             std::optional<std::uint64_t> from, std::vector<Error>& notices) {
  Result<Numbered> segments = open_numbered(folders, folder, from.value_or(0));
  if (!segments) return segments.error();
  for (std::size_t i = 0; i < segments->numbers.size(); ++i) {
    const std::uint64_t number = segments->numbers[i];
    const std::uint64_t due = i > 0 ? segments->numbers[i - 1] + 1 : from.value_or(number);
    if (number > due)
      notices.push_back({ErrorCode::malformed,
                         fmt::format("{}: segment {:08} is missing before {:08}; what it held is not read",
                                     folder, due, number),
                         "restore it from a backup: a Prometheus does not start without it"});
  }
  return std::move(segments->files);
}

// Later chunks would hide from the log's samples that those of a missing file are not there.
Result<std::vector<NamedFile>> open_head_chunks(ForeignFolders& folders, const std::string& folder,
                                                std::vector<Error>& notices) {
  Result<Numbered> chunks = open_numbered(folders, folder);
  if (!chunks) return chunks.error();
  for (std::size_t i = 1; i < chunks->numbers.size(); ++i) {
    if (chunks->numbers[i] == chunks->numbers[i - 1] + 1) continue;
    notices.push_back({ErrorCode::malformed,
                       fmt::format("{}: file {:06} is missing before {:06}; head chunks are read up to there",
                                   folder, chunks->numbers[i - 1] + 1, chunks->numbers[i]),
                       "the write-ahead log has their samples too, as far as it reaches back"});
    chunks->files.resize(i);
    break;
  }
  return std::move(chunks->files);
}

Result<void> open_log(ForeignFolders& folders, const std::string& wal, DataFiles& out) {
  const Result<std::vector<Entry>> entries = list_if_there(folders, wal);
  if (!entries) return entries.error();
  std::string latest;
  std::uint64_t after = 0;
  for (const Entry& entry : *entries) {
    if (!entry.folder || !entry.name.starts_with("checkpoint.") || !is_number(entry.name.substr(11)))
      continue;
    const std::uint64_t number = std::stoull("0" + entry.name.substr(11, 18));
    if (!latest.empty() && number < after) continue;
    latest = entry.name;
    after = number;
  }
  // A checkpoint holds what is still of use of the segments up to its number.
  if (!latest.empty()) {
    auto checkpoint = open_segments(folders, wal + "/" + latest, 0, out.notices);
    if (!checkpoint) return checkpoint.error();
    out.checkpoint = *std::move(checkpoint);
  }
  auto log =
      open_segments(folders, wal, latest.empty() ? std::nullopt : std::optional(after + 1), out.notices);
  if (!log) return log.error();
  out.log = *std::move(log);
  return {};
}

Result<DataFiles> open_once(ForeignFolders& folders, const std::string& path,
                            const std::set<std::string>& names, Instant from, Instant to) {
  DataFiles out;
  for (const std::string& name : names) {
    if (!formats::tsdb::is_block_name(name)) continue;
    const std::string block = fmt::format("{}/{}", path, name);
    Result<BlockMeta> meta = open_meta(folders, block);
    if (!meta) {
      out.notices.push_back(block_left_out(block, meta.error()));
      continue;
    }
    const Instant last = meta->to - milliseconds(1);
    out.last = std::max(out.last.value_or(last), last);
    if (meta->from > to || meta->to <= from) {
      if (!meta->out_of_order) out.others_to = std::max(out.others_to, meta->to);
      continue;
    }
    Result<BlockFiles> files = open_block(folders, block, *std::move(meta));
    if (!files) {
      out.notices.push_back(block_left_out(block, files.error()));
      continue;
    }
    out.blocks.push_back(*std::move(files));
  }
  std::sort(out.blocks.begin(), out.blocks.end(), [](const BlockFiles& a, const BlockFiles& b) {
    return std::tie(a.meta.from, a.meta.ulid) < std::tie(b.meta.from, b.meta.ulid);
  });
  // Chunks first: what is not in them yet when they are listed is in the log when that is.
  auto chunks = open_head_chunks(folders, path + "/chunks_head", out.notices);
  if (!chunks) return chunks.error();
  out.head_chunks = *std::move(chunks);
  if (const Result<void> opened = open_log(folders, path + "/wal", out); !opened) return opened.error();
  // It is cut at its front without a checkpoint.
  auto late = open_segments(folders, path + "/wbl", std::nullopt, out.notices);
  if (!late) return late.error();
  out.late_log = *std::move(late);
  return out;
}

}  // namespace

Result<std::string_view> FileWindow::bytes(const NamedFile& file, std::uint64_t offset, std::size_t size,
                                           std::size_t ahead) {
  const bool same = file.file == file_ && offset >= from_ && offset - from_ <= size_;
  if (!same || size_ - static_cast<std::size_t>(offset - from_) < size) {
    std::size_t want = std::max(size, ahead);
    // Hostile sizes take no more memory than the file has bytes.
    if (want > buffer_.size()) {
      const Result<std::uint64_t> whole = file.file->size();
      if (!whole) return whole.error();
      want = static_cast<std::size_t>(std::min<std::uint64_t>(want, *whole > offset ? *whole - offset : 0));
    }
    if (buffer_.size() < want + slack) buffer_.resize(want + slack);
    file_.reset();
    const Result<std::size_t> got = file.file->read(offset, std::span(buffer_).first(want));
    if (!got) return got.error();
    file_ = file.file;
    from_ = offset;
    size_ = *got;
  }
  const auto at = static_cast<std::size_t>(offset - from_);
  return std::string_view(reinterpret_cast<const char*>(buffer_.data()) + at, std::min(size, size_ - at));
}

Error at_place(const Error& error, const std::string& path, std::uint64_t offset) {
  return {error.code, fmt::format("{} at byte {}: {}", path, offset, error.message), error.hint};
}

Error block_left_out(const std::string& block, const Error& why) {
  return {why.code, fmt::format("block {} is left out: {}", block, why.message),
          "restore it from a backup, or move it out of the directory"};
}

bool is_data_directory(ForeignFolders& folders, const std::string& path) {
  const Result<std::vector<Entry>> top = folders.list(path);
  if (!top) return false;
  return std::any_of(top->begin(), top->end(), [](const Entry& entry) {
    return entry.folder && (entry.name == "wal" || formats::tsdb::is_block_name(entry.name));
  });
}

Result<DataFiles> open_data_files(ForeignFolders& folders, const std::string& path, Instant from,
                                  Instant to) {
  Result<std::set<std::string>> before = listing(folders, path);
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (!before) return before.error();
    Result<DataFiles> opened = open_once(folders, path, *before, from, to);
    Result<std::set<std::string>> after = listing(folders, path);
    if (!after) return after.error();
    if (*after == *before) return opened;
    before = std::move(after);
  }
  return Error{ErrorCode::io, fmt::format("{} changes faster than it can be opened", path), "try again"};
}

}  // namespace signalbox::sources
