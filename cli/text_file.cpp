#include "cli/text_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace signalbox::cli {

struct TextFile::Opened {
  std::string path;
  int fd = -1;
  std::string whole;         // of what is no file
  std::vector<char> buffer;  // used again: fresh memory costs more than reading into it
  sources::TextSource text;

  Opened() = default;
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened() {
    if (fd > STDERR_FILENO) ::close(fd);
  }
  Error broken() const { return {ErrorCode::io, fmt::format("{}: {}", path, std::strerror(errno))}; }
  template <class Read>
  static ssize_t retry(const Read& call) {
    for (;;) {
      const ssize_t n = call();
      if (n >= 0 || errno != EINTR) return n;
    }
  }
  Result<std::string_view> read(std::uint64_t offset, std::size_t most) {
    if (offset >= text.size) return std::string_view();
    most = std::min<std::uint64_t>(most, text.size - offset);
    if (buffer.size() < most) buffer.resize(most);
    const ssize_t n = retry([&] { return ::pread(fd, buffer.data(), most, static_cast<off_t>(offset)); });
    if (n < 0) return Error{ErrorCode::io, std::strerror(errno)};
    return std::string_view(buffer.data(), static_cast<std::size_t>(n));
  }
  Result<void> read_whole(std::size_t most) {
    buffer.resize(1u << 16);
    while (whole.size() <= most) {
      const ssize_t n = retry([&] { return ::read(fd, buffer.data(), buffer.size()); });
      if (n < 0) return broken();
      if (n == 0) return {};
      whole.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return too_long(most);
  }
  Error too_long(std::size_t most) const {
    return {ErrorCode::limit_exceeded, fmt::format("{}: more than {} bytes (data_file_bytes)", path, most),
            "give it less of it, or a Prometheus' data directory"};
  }
};

Result<TextFile> TextFile::open(const std::string& path, std::size_t most) {
  const auto opened = std::make_shared<Opened>();
  opened->path = path;
  struct stat status {};
  opened->fd = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (opened->fd < 0 || ::fstat(opened->fd, &status) != 0) return opened->broken();
  // Where the system makes files up as they are read, they have no size.
  if (S_ISREG(status.st_mode) && status.st_size > 0 && path != "-") {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > most) return opened->too_long(most);
    Opened* const file = opened.get();
    opened->text = {size,
                    [file](std::uint64_t offset, std::size_t bytes) { return file->read(offset, bytes); }};
  } else {
    if (const Result<void> whole = opened->read_whole(most); !whole) return whole.error();
    opened->text = sources::text_in_memory(opened->whole);
  }
  TextFile out;
  out.opened_ = opened;
  return out;
}

const sources::TextSource& TextFile::text() const {
  return opened_->text;
}

}  // namespace signalbox::cli
