// A file that is read piece by piece, at any place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/result.hpp"
#include "runtime/sources/file.hpp"

namespace signalbox::cli {

// As long as it was when it was opened; what cannot be read at any place, as a pipe, is read into memory
// first. Errors are `io` with the path and the system's words, and `limit_exceeded` past `most` bytes.
class TextFile {
 public:
  static Result<TextFile> open(const std::string& path, std::size_t most);
  // Holds as long as the file does.
  const sources::TextSource& text() const;

 private:
  struct Opened;
  std::shared_ptr<Opened> opened_;
};

}  // namespace signalbox::cli
