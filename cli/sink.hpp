// Files that a command writes.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace signalbox::cli {

// A file, or standard output, and what went wrong with it. A file has its name when it is whole: until then
// it is another beside it, and what had the name before stays. Behind a symbolic link its target is replaced.
class Sink {
 public:
  Sink() = default;  // standard output
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink();
  Result<void> open(const std::string& path);
  Result<void> write(std::string_view bytes);
  // Says of the last bytes too whether they went through.
  Result<void> close();

 private:
  Result<void> failed() const;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string name_, written_;
  std::unique_ptr<std::FILE, Close> file_;
};

// Whether two names are of one file, be it there or not.
bool same_file(const std::string& a, const std::string& b);

}  // namespace signalbox::cli
