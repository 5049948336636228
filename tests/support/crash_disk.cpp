#include "tests/support/crash_disk.hpp"

#include <algorithm>
#include <cstring>
#include <random>

namespace signalbox::test {
namespace {

std::string plain(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.empty() ? "." : path;
}

std::string parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class CrashDisk::File final : public DiskFile {
 public:
  File(CrashDisk& disk, std::shared_ptr<Inode> inode, std::string path)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), epoch_(disk.epoch_) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (gone()) return disk_.failed("read", path_);
    const std::string& now = inode_->now;
    if (offset >= now.size()) return std::size_t{0};
    const std::size_t n = std::min<std::size_t>(into.size(), now.size() - offset);
    std::memcpy(into.data(), now.data() + offset, n);
    return n;
  }

  Result<void> write(std::uint64_t offset, std::span<const std::uint8_t> bytes) override {
    if (gone()) return disk_.failed("write", path_);
    const Fate fate = disk_.next_operation();
    if (fate == Fate::fail_once) bytes = bytes.first(bytes.size() / 2);
    if (!bytes.empty()) {
      const std::size_t end = offset + bytes.size();
      if (end > inode_->now.size()) resize(end);
      std::memcpy(inode_->now.data() + offset, bytes.data(), bytes.size());
      for (std::size_t p = offset / page_size; p * page_size < end; ++p) inode_->dirty.insert(p);
    }
    if (fate != Fate::go_on) return disk_.failed("write", path_);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    if (gone()) return disk_.failed("truncate", path_);
    const Fate fate = disk_.next_operation();
    if (fate != Fate::fail_once) resize(size);
    if (fate != Fate::go_on) return disk_.failed("truncate", path_);
    return {};
  }

  Result<void> sync() override {
    if (gone()) return disk_.failed("sync", path_);
    const Fate fate = disk_.next_operation();
    if (fate == Fate::fail_once) inode_->dirty.clear();
    if (fate != Fate::go_on) return disk_.failed("sync", path_);
    for (std::size_t page : inode_->dirty) sync_page(*inode_, page);
    inode_->dirty.clear();
    if (inode_->size_dirty) inode_->lasting.resize(inode_->now.size());
    inode_->size_dirty = false;
    return {};
  }

  Result<std::uint64_t> size() override {
    if (gone()) return disk_.failed("look at", path_);
    return static_cast<std::uint64_t>(inode_->now.size());
  }

 private:
  bool gone() const { return disk_.dead_ || epoch_ != disk_.epoch_; }

  void resize(std::size_t size) {
    const std::size_t before = inode_->now.size();
    inode_->now.resize(size);
    inode_->size_dirty = true;
    // What a cut left behind on the platter must not come back when the file grows again.
    for (std::size_t p = before / page_size; p * page_size < size; ++p) inode_->dirty.insert(p);
    inode_->dirty.erase(inode_->dirty.lower_bound((size + page_size - 1) / page_size), inode_->dirty.end());
  }

  CrashDisk& disk_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  std::uint64_t epoch_;
};

CrashDisk::CrashDisk() {
  for (const char* always : {".", "/"}) names_[always] = lasting_names_[always] = nullptr;
}
CrashDisk::~CrashDisk() = default;

CrashDisk::Fate CrashDisk::next_operation() {
  ++operations_;
  if (operations_ == crash_at_) {
    dead_ = true;
    return Fate::die;
  }
  return operations_ == error_at_ ? Fate::fail_once : Fate::go_on;
}

Error CrashDisk::failed(const char* what, const std::string& path) const {
  return {ErrorCode::io,
          std::string("cannot ") + what + " " + path + (dead_ ? ": the process died" : ": injected fault")};
}

void CrashDisk::sync_page(Inode& inode, std::size_t page) {
  const std::size_t begin = page * page_size;
  if (begin >= inode.now.size()) return;
  const std::size_t n = std::min(page_size, inode.now.size() - begin);
  if (inode.lasting.size() < begin + n) inode.lasting.resize(begin + n);
  std::memcpy(inode.lasting.data() + begin, inode.now.data() + begin, n);
}

void CrashDisk::apply(const NameChange& c, Names& names) {
  if (c.removed) names.erase(*c.removed);
  if (c.sets) names[c.set] = c.inode;
}

void CrashDisk::change(NameChange c) {
  apply(c, names_);
  pending_.push_back(std::move(c));
}

void CrashDisk::reboot(std::optional<std::uint64_t> survivors_seed) {
  std::mt19937_64 random(survivors_seed.value_or(0));
  const auto coin = [&] { return survivors_seed && (random() & 1) != 0; };
  const std::size_t kept = survivors_seed ? random() % (pending_.size() + 1) : 0;
  for (std::size_t i = 0; i < kept; ++i) apply(pending_[i], lasting_names_);
  pending_.clear();
  names_ = lasting_names_;
  for (auto& [name, inode] : names_) {
    if (!inode) continue;
    for (std::size_t page : inode->dirty)
      if (coin()) sync_page(*inode, page);
    if (inode->size_dirty && coin()) inode->lasting.resize(inode->now.size());
    inode->now = inode->lasting;
    inode->dirty.clear();
    inode->size_dirty = false;
  }
  dead_ = false;
  ++epoch_;
  no_faults();
}

std::optional<std::string> CrashDisk::contents(const std::string& path) const {
  const auto it = names_.find(plain(path));
  if (it == names_.end() || !it->second) return {};
  return it->second->now;
}

void CrashDisk::put_contents(const std::string& path, std::string bytes) {
  auto inode = std::make_shared<Inode>();
  inode->now = inode->lasting = std::move(bytes);
  names_[plain(path)] = lasting_names_[plain(path)] = inode;
}

Result<std::unique_ptr<DiskFile>> CrashDisk::open(const std::string& name, Open how) {
  const std::string path = plain(name);
  if (dead_) return failed("open", path);
  auto it = names_.find(path);
  if (it == names_.end()) {
    if (how == Open::existing || !names_.contains(parent(path)))
      return Error{ErrorCode::not_found, "cannot open " + path + ": No such file or directory"};
    const Fate fate = next_operation();
    if (fate == Fate::fail_once) return failed("open", path);
    change({.directory = parent(path),
            .removed = {},
            .set = path,
            .inode = std::make_shared<Inode>(),
            .sets = true});
    if (fate == Fate::die) return failed("open", path);
    it = names_.find(path);
  }
  if (!it->second) return Error{ErrorCode::io, "cannot open " + path + ": Is a directory"};
  return std::unique_ptr<DiskFile>(std::make_unique<File>(*this, it->second, path));
}

Result<bool> CrashDisk::exists(const std::string& path) {
  if (dead_) return failed("look at", path);
  return names_.contains(plain(path));
}

Result<void> CrashDisk::remove(const std::string& name) {
  const std::string path = plain(name);
  if (dead_) return failed("remove", path);
  const auto it = names_.find(path);
  if (it != names_.end() && !it->second)
    return Error{ErrorCode::io, "cannot remove " + path + ": Is a directory"};
  const Fate fate = next_operation();
  if (fate != Fate::fail_once && it != names_.end())
    change({.directory = parent(path), .removed = path, .set = {}, .inode = {}});
  if (fate != Fate::go_on) return failed("remove", path);
  return {};
}

Result<void> CrashDisk::rename(const std::string& from_name, const std::string& to_name) {
  const std::string from = plain(from_name), to = plain(to_name);
  if (dead_) return failed("rename", from);
  const auto it = names_.find(from);
  if (it == names_.end() || !names_.contains(parent(to)))
    return Error{ErrorCode::not_found, "cannot rename " + from + " to " + to + ": No such file or directory"};
  if (!it->second) return Error{ErrorCode::io, "cannot rename " + from + ": Is a directory"};
  const Fate fate = next_operation();
  if (fate != Fate::fail_once)
    change({.directory = parent(to), .removed = from, .set = to, .inode = it->second, .sets = true});
  if (fate != Fate::go_on) return failed("rename", from);
  return {};
}

Result<void> CrashDisk::sync_directory(const std::string& name) {
  const std::string path = plain(name);
  if (dead_) return failed("sync the directory", path);
  if (!names_.contains(path))
    return Error{ErrorCode::not_found, "cannot sync the directory " + path + ": not there"};
  if (next_operation() != Fate::go_on) return failed("sync the directory", path);
  std::vector<NameChange> others;
  for (NameChange& c : pending_) {
    if (c.directory == path) {
      apply(c, lasting_names_);
    } else {
      others.push_back(std::move(c));
    }
  }
  pending_ = std::move(others);
  return {};
}

Result<void> CrashDisk::make_directory(const std::string& name) {
  const std::string path = plain(name);
  if (dead_) return failed("make the directory", path);
  const auto it = names_.find(path);
  if (it != names_.end() && it->second)
    return Error{ErrorCode::io, "cannot make the directory " + path + ": File exists"};
  if (it != names_.end()) return {};
  if (!names_.contains(parent(path)))
    return Error{ErrorCode::not_found, "cannot make the directory " + path + ": No such file or directory"};
  const Fate fate = next_operation();
  if (fate != Fate::fail_once)
    change({.directory = parent(path), .removed = {}, .set = path, .inode = {}, .sets = true});
  if (fate != Fate::go_on) return failed("make the directory", path);
  return {};
}

}  // namespace signalbox::test
