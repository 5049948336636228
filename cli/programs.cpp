#include "cli/programs.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace signalbox::cli {

Result<std::string> read_text_file(const std::string& path, std::size_t most) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return Error{ErrorCode::io, fmt::format("{}: {}", path, std::strerror(errno))};
  std::string text;
  char buffer[65536];
  std::size_t n = 0;
  while ((n = std::fread(buffer, 1, sizeof buffer, file)) > 0 && text.size() <= most) text.append(buffer, n);
  const bool broken = std::ferror(file) != 0;
  const int why = errno;
  if (file != stdin) std::fclose(file);
  if (broken) return Error{ErrorCode::io, fmt::format("{}: {}", path, std::strerror(why))};
  if (text.size() > most)
    return Error{ErrorCode::limit_exceeded, fmt::format("{}: more than {} bytes", path, most)};
  return text;
}

ProgramTexts read_programs(const std::vector<std::string>& files) {
  const Limits limits;
  ProgramTexts out;
  out.files = files;
  for (const std::string& file : files) {
    Result<std::string> text = read_text_file(file, limits.source_bytes + 1);
    if (text) {
      out.inputs.push_back({file == "-" ? "standard input" : file, std::move(*text)});
      continue;
    }
    lower::Compiled& unreadable = out.unreadable.emplace();
    const std::uint32_t id = unreadable.sources.add(file, "");
    unreadable.diagnostics.report(text.error().code == ErrorCode::limit_exceeded
                                      ? source::Code::file_too_large
                                      : source::Code::file_unreadable,
                                  {id, 0, 0}, text.error().message, text.error().hint);
    return out;
  }
  return out;
}

lower::Compiled compile_texts(const ProgramTexts& texts, const Params& params,
                              const std::vector<sema::Edit>& edits) {
  if (texts.unreadable) return *texts.unreadable;
  lower::CompileOptions options;
  options.params = params;
  options.edits = edits;
  const std::filesystem::path home = texts.files.empty() || texts.files[0] == "-"
                                         ? std::filesystem::path(".")
                                         : std::filesystem::path(texts.files[0]).parent_path();
  options.loader = [&](const std::string& module) -> std::optional<std::string> {
    std::string name = module;
    for (char& c : name)
      if (c == '.') c = '/';
    const Result<std::string> text =
        read_text_file((home / (name + ".slo")).string(), options.limits.source_bytes);
    if (!text) return std::nullopt;
    return *text;
  };
  return lower::compile(texts.inputs, options);
}

lower::Compiled compile_files(const std::vector<std::string>& files, const Params& params) {
  return compile_texts(read_programs(files), params);
}

void print_diagnostics(const lower::Compiled& compiled) {
  const std::string text = source::render_text(compiled.diagnostics, compiled.sources);
  // Not with fmt, which throws when it cannot write: a reload must survive a full disk.
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace signalbox::cli
