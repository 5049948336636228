// signalbox fmt FILE…: the one form of a text.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/programs.hpp"
#include "compiler/syntax/parser.hpp"

namespace signalbox::cli {
namespace {

// Whole or not at all: a file beside it takes its place, with its permissions. Of a link, what it points to.
Result<void> replace_file(const std::string& name, const std::string& text) {
  std::error_code failed;
  const std::filesystem::path path = std::filesystem::canonical(name, failed);
  if (failed) return Error{ErrorCode::io, fmt::format("{}: {}", name, failed.message())};
  std::string fresh = path.string() + ".XXXXXX";
  const int fd = ::mkstemp(fresh.data());
  std::FILE* out = fd < 0 ? nullptr : ::fdopen(fd, "wb");
  if (out == nullptr) return Error{ErrorCode::io, fmt::format("{}: {}", fresh, std::strerror(errno))};
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  const bool closed = std::fclose(out) == 0;
  if (written && closed) {
    const auto mode = std::filesystem::status(path, failed).permissions();
    if (!failed) std::filesystem::permissions(fresh, mode, failed);
    if (!failed) std::filesystem::rename(fresh, path, failed);
    if (!failed) return {};
  }
  std::remove(fresh.c_str());
  return Error{ErrorCode::io, fmt::format("{}: it could not be written; it is as it was", name)};
}

}  // namespace

int run_fmt(const FmtOptions& options) {
  int code = exit_ok;
  for (const std::string& file : options.files) {
    source::SourceSet sources;
    source::Diagnostics diagnostics;
    const Limits limits;
    const Result<std::string> text = read_text_file(file, limits.source_bytes + 1);
    if (!text) {
      tell("signalbox: {}\n", text.error().message);
      code = exit_program;
      continue;
    }
    const std::uint32_t id = sources.add(file == "-" ? "standard input" : file, *text);
    const auto formatted = syntax::format_text(sources, id, limits, diagnostics);
    if (!formatted) {
      tell("{}", source::render_text(diagnostics, sources));
      code = exit_program;
      continue;
    }
    if (options.check) {
      if (*formatted == *text) continue;
      fmt::print("{}\n", file);
      if (code == exit_ok) code = exit_breach;
    } else if (file == "-") {
      fmt::print("{}", *formatted);
    } else if (*formatted != *text) {
      if (const Result<void> replaced = replace_file(file, *formatted); !replaced) {
        tell("signalbox: {}\n", replaced.error().message);
        code = exit_program;
      }
    }
  }
  return code;
}

}  // namespace signalbox::cli
