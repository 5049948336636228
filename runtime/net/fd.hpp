// Owners of descriptors, and errors of the operating system as ours.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "runtime/base/result.hpp"

namespace signalbox::net {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// "cannot <what>: <strerror>".
Error os_error(ErrorCode code, const std::string& what, int error_number);

}  // namespace signalbox::net
