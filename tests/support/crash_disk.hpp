// A disk in memory that can lose what was not synced. For tests that kill the process at every write.
//
// What it promises is the least a file system may: bytes last after sync() of their file, page by page (4
// KiB) in any order before it; creates, renames and removes last after sync_directory() of their directory,
// and before it in the order they were made. A rename is never half done.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"

namespace signalbox::test {

class CrashDisk final : public Disk {
 public:
  CrashDisk();
  ~CrashDisk() override;

  // Operations that change something are counted: create, write, truncate, sync, rename, remove,
  // sync_directory, make_directory. Numbers begin at 1, with the next operation.
  std::uint64_t operations() const { return operations_; }
  // The process dies in the n-th operation from now: that one and all later ones fail with `io`, until
  // reboot().
  void fail_at(std::uint64_t n) { crash_at_ = operations_ + n; }
  // The n-th operation from now fails once with `io`, half done. A failed sync() is like Linux': the pages
  // count as clean afterwards, and only writing them again makes them last.
  void error_at(std::uint64_t n) { error_at_ = operations_ + n; }
  void no_faults() { crash_at_ = error_at_ = 0; }
  bool dead() const { return dead_; }

  // The machine is back after a loss of power. Without a seed nothing un-synced survives; with one, a seeded
  // part does. Files opened before stay dead.
  void reboot(std::optional<std::uint64_t> survivors_seed = {});

  // Looking in from outside: counts as no operation and works on a dead disk.
  std::optional<std::string> contents(const std::string& path) const;
  void put_contents(const std::string& path, std::string bytes);  // lasting at once

  Result<std::unique_ptr<DiskFile>> open(const std::string& path, Open how) override;
  Result<bool> exists(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;

 private:
  static constexpr std::size_t page_size = 4096;
  struct Inode {
    std::string now;              // what reads see
    std::string lasting;          // what is on the platter
    std::set<std::size_t> dirty;  // pages of `now` that the next sync brings there
    bool size_dirty = false;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;  // a directory is a name without an inode
  struct NameChange {
    std::string directory;
    std::optional<std::string> removed;
    std::string set;
    std::shared_ptr<Inode> inode;
    bool sets = false;
  };
  class File;

  // Whether the operation goes on, fails half done, or finds no process any more.
  enum class Fate { go_on, fail_once, die };
  Fate next_operation();
  Error failed(const char* what, const std::string& path) const;
  void change(NameChange c);
  static void apply(const NameChange& c, Names& names);
  static void sync_page(Inode& inode, std::size_t page);

  Names names_, lasting_names_;
  std::vector<NameChange> pending_;
  std::uint64_t operations_ = 0, crash_at_ = 0, error_at_ = 0, epoch_ = 0;
  bool dead_ = false;
};

}  // namespace signalbox::test
