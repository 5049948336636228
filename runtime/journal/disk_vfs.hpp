// SQLite's view of a Disk. Only this room sees SQLite.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>

#include "runtime/base/host.hpp"

namespace signalbox::journal {

// A VFS under a name of its own, registered for the life of the object; every connection that uses it must be
// closed first. It has no locks (one process owns the state directory, by net::lock_file), no shared memory
// (so no WAL) and no memory map, and it knows neither time nor sleep.
class DiskVfs {
 public:
  static Result<std::unique_ptr<DiskVfs>> make(Disk& disk);
  ~DiskVfs();
  DiskVfs(const DiskVfs&) = delete;
  DiskVfs& operator=(const DiskVfs&) = delete;

  const std::string& name() const { return name_; }
  // What the Disk said when it failed last. SQLite keeps only a number of it.
  std::optional<Error> take_error();

 private:
  explicit DiskVfs(Disk& disk);

  struct File;
  struct Calls;

  Disk& disk_;
  std::string name_;
  std::optional<Error> error_;
  sqlite3_vfs vfs_{};
};

// "." for a bare name.
std::string directory_of(const std::string& path);

}  // namespace signalbox::journal
