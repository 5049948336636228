#include "cli/recorded_texts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/history_cache.hpp"
#include "cli/text_file.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/sources/file.hpp"
#include "runtime/store/column_file.hpp"

namespace signalbox::cli {
namespace {

// All that the samples of a recording depend on, with the contents of its texts in their order.
class Contents {
 public:
  explicit Contents(const Limits& limits) {
    add(fmt::format("signalbox {}, recording {}, columns {}, limits {} {} {} {} {}\n", SIGNALBOX_VERSION,
                    sources::recording_version, store::column_file_version, limits.labels_per_series,
                    limits.label_name_bytes, limits.label_value_bytes, limits.store_series,
                    limits.store_bytes));
  }
  void add_text(std::uint64_t size, const ContentDigest& text) {
    add(fmt::format("{} {}\n", size, to_hex(text.value())));
    bytes_ += size;
  }
  Digest128 key() const { return all_.value(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  void add(const std::string& line) { all_.add(line); }
  ContentDigest all_;
  std::uint64_t bytes_ = 0;
};

// The texts of the files in their order, as often as they are asked for. What can be read only once is the
// only one, and stays open.
class Texts {
 public:
  Texts(const std::vector<std::string>& files, const Limits& limits) : files_(files), limits_(limits) {}
  Result<const sources::TextSource*> open(std::size_t i) {
    if (!opened_ || at_ != i) {
      opened_.reset();
      Result<TextFile> file = TextFile::open(files_[i], limits_.data_file_bytes);
      if (!file) return file.error();
      opened_ = *std::move(file);
      at_ = i;
    }
    return &opened_->text();
  }

 private:
  const std::vector<std::string>& files_;
  const Limits& limits_;
  std::optional<TextFile> opened_;
  std::size_t at_ = 0;
};

// Nothing when a file cannot be read: reading it for its samples will say why.
std::optional<Contents> contents_of(Texts& texts, std::size_t count, const Limits& limits) {
  Contents out(limits);
  for (std::size_t i = 0; i < count; ++i) {
    const Result<const sources::TextSource*> text = texts.open(i);
    if (!text) return std::nullopt;
    ContentDigest digest;
    const Result<void> read = sources::each_piece(**text, [&](std::string_view piece) {
      digest.add(piece);
      return true;
    });
    if (!read) return std::nullopt;
    out.add_text((*text)->size, digest);
  }
  return out;
}

History history_of(const store::SeriesStore& store) {
  History out;
  out.samples = store.sample_count();
  bool any = false;
  for (store::SeriesId id = 0; id < store.series_count(); ++id) {
    const std::optional<Instant> first = store.first_time(id);
    if (!first) continue;
    const Instant last{store.view(id)->column->last_sample};
    out.first = any ? std::min(out.first, *first) : *first;
    out.last = any ? std::max(out.last, last) : last;
    any = true;
  }
  return out;
}

}  // namespace

Result<History> load_texts(const std::vector<std::string>& files, const std::string& location,
                           const std::string& cache_directory, store::SeriesStore& store) {
  const Limits limits;
  Texts texts(files, limits);
  const std::unique_ptr<Disk> disk = net::make_posix_disk();
  HistoryCache cache(*disk, cache_directory, limits);
  if (!cache_directory.empty()) {
    const std::optional<Contents> contents = contents_of(texts, files.size(), limits);
    if (contents && contents->bytes() >= limits.history_cache_from_bytes) {
      if (std::optional<store::SeriesStore> found = cache.find(contents->key())) {
        store = *std::move(found);
        return history_of(store);
      }
    }
  }
  sources::Recording recording(limits);
  Contents read(limits);  // what is read now: a file may have changed since
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Result<const sources::TextSource*> text = texts.open(i);
    if (!text) return text.error();
    ContentDigest digest;
    const Result<void> added = recording.add(**text, cache_directory.empty() ? nullptr : &digest);
    if (!added)
      return Error{added.error().code, fmt::format("{}: {}", files[i], added.error().message),
                   added.error().hint};
    read.add_text((*text)->size, digest);
  }
  const Result<sources::LoadReport> loaded = std::move(recording).load(store);
  if (!loaded)
    return Error{loaded.error().code, fmt::format("{}: {}", location, loaded.error().message),
                 loaded.error().hint};
  if (!cache_directory.empty() && read.bytes() >= limits.history_cache_from_bytes)
    cache.keep(read.key(), store);
  return History{loaded->samples, loaded->first, loaded->last};
}

}  // namespace signalbox::cli
