#include "runtime/net/posix_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "runtime/net/fd.hpp"

namespace signalbox::net {

Error os_error(ErrorCode code, const std::string& what, int error_number) {
  return {code, fmt::format("cannot {}: {}", what, std::generic_category().message(error_number))};
}

namespace {

Error disk_error(const char* what, const std::string& path, int error_number) {
  return os_error(error_number == ENOENT ? ErrorCode::not_found : ErrorCode::io,
                  fmt::format("{} {}", what, path), error_number);
}

template <class Call>
auto retry(Call call) {
  for (;;) {
    const auto rc = call();
    if (rc != -1 || errno != EINTR) return rc;
  }
}

bool fits_offset(std::uint64_t offset, std::uint64_t length) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  return offset <= most && length <= most - offset;
}

class PosixFile final : public DiskFile {
 public:
  PosixFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (!fits_offset(offset, into.size())) return disk_error("read", path_, EOVERFLOW);
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = retry([&] {
        return ::pread(fd_.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return disk_error("read", path_, errno);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  Result<void> write(std::uint64_t offset, std::span<const std::uint8_t> bytes) override {
    if (!fits_offset(offset, bytes.size())) return disk_error("write", path_, EFBIG);
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = retry([&] {
        return ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                        static_cast<off_t>(offset + done));
      });
      if (n < 0) return disk_error("write", path_, errno);
      if (n == 0) return disk_error("write", path_, EIO);
      done += static_cast<std::size_t>(n);
    }
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    if (!fits_offset(size, 0)) return disk_error("truncate", path_, EFBIG);
    if (retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0)
      return disk_error("truncate", path_, errno);
    return {};
  }

  Result<void> sync() override {
    if (retry([&] { return ::fsync(fd_.get()); }) != 0) return disk_error("sync", path_, errno);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) return disk_error("look at", path_, errno);
    return static_cast<std::uint64_t>(st.st_size);
  }

 private:
  Fd fd_;
  std::string path_;
};

// `fd` as open(2) left it.
Result<std::unique_ptr<PosixFile>> regular(Fd fd, const std::string& path) {
  if (!fd) return disk_error("open", path, errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return disk_error("look at", path, errno);
  if (!S_ISREG(st.st_mode))
    return Error{ErrorCode::io, fmt::format("cannot open {}: not a regular file", path)};
  return std::make_unique<PosixFile>(std::move(fd), path);
}

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<DiskFile>> open(const std::string& path, Open how) override {
    // O_NONBLOCK: a pipe in the place of a file must not stop the process.
    const int common = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    const int create = how == Open::create ? O_CREAT : 0;
    Fd fd(retry([&] { return ::open(path.c_str(), O_RDWR | create | common, 0600); }));
    if (!fd && how == Open::existing && (errno == EACCES || errno == EROFS || errno == EPERM))
      fd = Fd(retry([&] { return ::open(path.c_str(), O_RDONLY | common); }));
    auto file = regular(std::move(fd), path);
    if (!file) return file.error();
    return std::unique_ptr<DiskFile>(*std::move(file));
  }

  Result<bool> exists(const std::string& path) override {
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return disk_error("look at", path, errno);
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
    return disk_error("remove", path, errno);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return disk_error("rename", fmt::format("{} to {}", from, to), errno);
  }

  Result<void> sync_directory(const std::string& path) override {
    const std::string& name = path.empty() ? std::string(".") : path;
    Fd fd(retry([&] { return ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!fd) return disk_error("open the directory", name, errno);
    if (retry([&] { return ::fsync(fd.get()); }) != 0) return disk_error("sync the directory", name, errno);
    return {};
  }

  Result<void> make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    const int why = errno;
    struct stat st {};
    if (why == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
    return disk_error("make the directory", path, why);
  }
};

class PosixFolders final : public ForeignFolders {
 public:
  Result<std::vector<Entry>> list(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
    if (!folder) return disk_error("list", path, errno);
    std::vector<Entry> out;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(folder.get());
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat st {};
      // What vanished in between is not there.
      if (::fstatat(::dirfd(folder.get()), name.c_str(), &st, 0) == 0)
        out.push_back({name, S_ISDIR(st.st_mode)});
    }
    if (errno != 0) return disk_error("list", path, errno);
    std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return out;
  }
  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    Fd fd(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); }));
    auto file = regular(std::move(fd), path);
    if (!file) return file.error();
    return std::unique_ptr<ReadableFile>(*std::move(file));
  }
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;
};

std::string holder(int fd) {
  char text[24];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string pid;
  for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; ++i) pid.push_back(text[i]);
  return pid.empty() ? "another process" : fmt::format("process {}", pid);
}

}  // namespace

std::unique_ptr<Disk> make_posix_disk() {
  return std::make_unique<PosixDisk>();
}
std::unique_ptr<ForeignFolders> make_posix_folders() {
  return std::make_unique<PosixFolders>();
}

// flock() belongs to the open file, not to the process: closing another descriptor of the same file does not
// let go of it, and a second lock_file() in the same process is refused like one from outside. The file
// itself stays, since removing it would let two processes lock two files of one name.
Result<std::unique_ptr<FileLock>> lock_file(const std::string& path) {
  Fd fd(retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600); }));
  if (!fd) return disk_error("open", path, errno);
  if (retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) return disk_error("lock", path, errno);
    return Error{ErrorCode::conflict, fmt::format("{} is locked by {}", path, holder(fd.get())),
                 "stop it first, or give this one a directory of its own"};
  }
  // For the message above only; whoever cannot write it holds the lock all the same.
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) errno = 0;
  return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(fd)));
}

}  // namespace signalbox::net
