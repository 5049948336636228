// Folders in memory, by path; a test may change them whenever something is listed or opened.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "runtime/base/host.hpp"
#include "tests/support/tsdb_writer.hpp"

namespace signalbox::test {

class MemoryFolders final : public ForeignFolders {
 public:
  std::map<std::string, std::string> files;
  std::function<void(const std::string& path)> before_open = [](const std::string&) {};

  Result<std::vector<Entry>> list(const std::string& path) override {
    const std::string prefix = path + "/";
    std::set<std::pair<std::string, bool>> found;
    for (auto it = files.lower_bound(prefix); it != files.end() && it->first.starts_with(prefix); ++it) {
      const std::string rest = it->first.substr(prefix.size());
      const std::size_t slash = rest.find('/');
      found.emplace(rest.substr(0, slash), slash != std::string::npos);
    }
    if (found.empty()) return Error{ErrorCode::not_found, "cannot list " + path};
    std::vector<Entry> out;
    for (const auto& [name, folder] : found) out.push_back({name, folder});
    return out;
  }
  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    before_open(path);
    const auto file = files.find(path);
    if (file == files.end()) return Error{ErrorCode::not_found, "cannot open " + path};
    return std::unique_ptr<ReadableFile>(std::make_unique<File>(file->second));
  }

  void put_block(const std::string& ulid, const TsdbBlock& block, const std::string& tombstones = "") {
    const std::string path = "data/" + ulid;
    files[path + "/index"] = block.index;
    files[path + "/meta.json"] = block.meta;
    for (std::size_t i = 0; i < block.segments.size(); ++i)
      files[path + "/chunks/00000" + std::to_string(i + 1)] = block.segments[i];
    if (!tombstones.empty()) files[path + "/tombstones"] = tombstones;
  }

 private:
  class File final : public ReadableFile {
   public:
    explicit File(std::string bytes) : bytes_(std::move(bytes)) {}
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
      if (offset >= bytes_.size()) return std::size_t{0};
      const std::size_t n =
          std::min<std::size_t>(into.size(), bytes_.size() - static_cast<std::size_t>(offset));
      std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), n, into.begin());
      return n;
    }
    Result<std::uint64_t> size() override { return std::uint64_t{bytes_.size()}; }

   private:
    std::string bytes_;
  };
};

}  // namespace signalbox::test
