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

Error left_out(const std::string& block, const Error& why) {
  return {why.code, fmt::format("block {} is left out: {}", block, why.message),
          "restore it from a backup, or move it out of the directory"};
}

Result<void> open_all(ForeignFolders& folders, const std::string& folder, std::vector<NamedFile>& into,
                      std::uint64_t after = 0) {
  const Result<std::vector<Entry>> entries = list_if_there(folders, folder);
  if (!entries) return entries.error();
  for (const Entry& entry : *entries) {
    if (entry.folder || !is_number(entry.name) || std::stoull("0" + entry.name.substr(0, 18)) < after)
      continue;
    Result<NamedFile> file = open(folders, folder + "/" + entry.name);
    if (!file) return file.error();
    into.push_back(*std::move(file));
  }
  return {};
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
  if (latest.empty()) return open_all(folders, wal, out.log);
  // A checkpoint holds what is still of use of the segments up to its number.
  if (const Result<void> opened = open_all(folders, wal + "/" + latest, out.checkpoint); !opened)
    return opened;
  return open_all(folders, wal, out.log, after + 1);
}

Result<DataFiles> open_once(ForeignFolders& folders, const std::string& path,
                            const std::set<std::string>& names, Instant from, Instant to) {
  DataFiles out;
  std::set<std::string> replaced;
  for (const std::string& name : names) {
    if (!formats::tsdb::is_block_name(name)) continue;
    const std::string block = path + "/" + name;
    Result<BlockMeta> meta = open_meta(folders, block);
    if (!meta) {
      out.notices.push_back(left_out(block, meta.error()));
      continue;
    }
    const Instant last = meta->to - milliseconds(1);
    out.last = std::max(out.last.value_or(last), last);
    if (!meta->out_of_order) out.blocks_to = std::max(out.blocks_to, meta->to);
    if (meta->from > to || meta->to <= from) {
      replaced.insert(meta->parents.begin(), meta->parents.end());
      continue;
    }
    Result<BlockFiles> files = open_block(folders, block, *std::move(meta));
    if (!files) {
      out.notices.push_back(left_out(block, files.error()));
      continue;
    }
    replaced.insert(files->meta.parents.begin(), files->meta.parents.end());
    out.blocks.push_back(*std::move(files));
  }
  // A server that was stopped between writing a block and removing those that it replaces has both.
  std::erase_if(out.blocks, [&](const BlockFiles& block) { return replaced.contains(block.meta.ulid); });
  std::sort(out.blocks.begin(), out.blocks.end(), [](const BlockFiles& a, const BlockFiles& b) {
    return std::tie(a.meta.from, a.meta.ulid) < std::tie(b.meta.from, b.meta.ulid);
  });
  // Chunks first: what is not in them yet when they are listed is in the log when that is.
  if (const Result<void> opened = open_all(folders, path + "/chunks_head", out.head_chunks); !opened)
    return opened.error();
  if (const Result<void> opened = open_log(folders, path + "/wal", out); !opened) return opened.error();
  if (const Result<void> opened = open_all(folders, path + "/wbl", out.late_log); !opened)
    return opened.error();
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
