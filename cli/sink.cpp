#include "cli/sink.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace signalbox::cli {
namespace {

std::filesystem::path place_of(const std::string& path) {
  std::error_code failed;
  return std::filesystem::weakly_canonical(std::filesystem::absolute(path, failed), failed);
}

}  // namespace

Sink::~Sink() {
  if (file_ && written_ != name_) std::remove(written_.c_str());
}

Result<void> Sink::open(const std::string& path) {
  name_ = written_ = path;
  std::error_code unknown;
  const auto kind = std::filesystem::status(path, unknown).type();
  if (kind == std::filesystem::file_type::regular || kind == std::filesystem::file_type::not_found) {
    if (std::filesystem::is_symlink(path, unknown)) name_ = place_of(path).string();
    written_ = name_ + ".part";
  }
  file_.reset(std::fopen(written_.c_str(), "wb"));
  return file_ ? Result<void>() : failed();
}

Result<void> Sink::write(std::string_view bytes) {
  std::FILE* const file = file_ ? file_.get() : stdout;
  return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() ? Result<void>() : failed();
}

Result<void> Sink::close() {
  if (!file_) return std::fflush(stdout) == 0 ? Result<void>() : failed();
  if (std::fclose(file_.release()) != 0) return failed();
  return written_ == name_ || std::rename(written_.c_str(), name_.c_str()) == 0 ? Result<void>() : failed();
}

Result<void> Sink::failed() const {
  return Error{ErrorCode::io, fmt::format("{}: {}", name_, std::strerror(errno))};
}

bool same_file(const std::string& a, const std::string& b) {
  return place_of(a) == place_of(b);
}

}  // namespace signalbox::cli
