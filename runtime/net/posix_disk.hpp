// Disk, and the folders of others, on the operating system's files.
#pragma once

#include <memory>

#include "runtime/base/host.hpp"

namespace signalbox::net {

std::unique_ptr<Disk> make_posix_disk();
std::unique_ptr<ForeignFolders> make_posix_folders();

// Takes an exclusive advisory lock on `path` (created if absent) for the life of the returned object, so that
// two processes never run on one state directory. `conflict` when another process holds it.
class FileLock {
 public:
  virtual ~FileLock() = default;
};
Result<std::unique_ptr<FileLock>> lock_file(const std::string& path);

}  // namespace signalbox::net
