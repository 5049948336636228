#include "cli/history_cache.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <tuple>
#include <vector>

#include "cli/commands.hpp"
#include "runtime/store/column_file.hpp"

namespace signalbox::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".columns", unfinished = ".columns.new";

// Two processes never write one file.
std::string unique_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}-{}{}", random(), random(), ::getpid(), unfinished);
}

}  // namespace

std::string HistoryCache::path_of(const Digest128& key) const {
  return (fs::path(directory_) / (to_hex(key) + std::string(suffix))).string();
}

std::optional<store::SeriesStore> HistoryCache::find(const Digest128& key) {
  const std::string path = path_of(key);
  const auto file = disk_.open(path, Disk::Open::existing);
  if (!file) return std::nullopt;
  Result<store::SeriesStore> store = store::read_columns(**file, key, limits_);
  if (!store) return std::nullopt;
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return *std::move(store);
}

void HistoryCache::keep(const Digest128& key, const store::SeriesStore& store) {
  std::error_code failed;
  if (!fs::is_directory(directory_, failed)) {
    fs::create_directories(fs::path(directory_).parent_path(), failed);
    if (!disk_.make_directory(directory_)) return;
  }
  const std::string path = (fs::path(directory_) / unique_name()).string();
  bool kept = false;
  if (const auto file = disk_.open(path, Disk::Open::create)) {
    if (store::write_columns(store, key, **file)) {
      const Result<std::uint64_t> size = (*file)->size();
      if (size && *size <= limits_.history_cache_bytes) {
        make_room(limits_.history_cache_bytes - *size, path);
        kept = bool(disk_.rename(path, path_of(key)));
      }
    }
    if (!kept) (void)disk_.remove(path);
  }
}

// Files of columns that another process is writing count too, and so do those that one left unfinished.
void HistoryCache::make_room(std::uint64_t most, const std::string& but) const {
  struct Kept {
    fs::file_time_type used;
    std::string path;
    std::uint64_t bytes;
  };
  std::vector<Kept> files;
  std::uint64_t all = 0;
  std::error_code failed;
  for (fs::directory_iterator at(directory_, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if ((!name.ends_with(suffix) && !name.ends_with(unfinished)) || at->path() == but) continue;
    std::error_code gone;
    const fs::file_time_type used = fs::last_write_time(at->path(), gone);
    const std::uint64_t bytes = gone ? 0 : fs::file_size(at->path(), gone);
    if (gone) continue;
    files.push_back({used, at->path().string(), bytes});
    all += bytes;
  }
  std::sort(files.begin(), files.end(),
            [](const Kept& a, const Kept& b) { return std::tie(a.used, a.path) > std::tie(b.used, b.path); });
  for (; all > most && !files.empty(); files.pop_back()) {
    all -= files.back().bytes;
    (void)disk_.remove(files.back().path);
  }
}

// $XDG_CACHE_HOME/signalbox, else ~/.cache/signalbox; nowhere when there is neither.
std::string CacheOptions::directory() const {
  if (off || !given.empty()) return off ? "" : given;
  const auto absolute = [](const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr && value[0] == '/' ? fs::path(value) : fs::path();
  };
  fs::path base = absolute("XDG_CACHE_HOME");
  if (base.empty() && !absolute("HOME").empty()) base = absolute("HOME") / ".cache";
  return base.empty() ? "" : (base / "signalbox").string();
}

}  // namespace signalbox::cli
