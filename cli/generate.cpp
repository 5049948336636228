// signalbox generate --seed N …: metrics of services that never were, and what happened to them.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "runtime/generate/incidents.hpp"
#include "runtime/generate/write.hpp"

namespace signalbox::cli {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// A file, or standard output, and what went wrong with it. A file has its name when it is whole: until then
// it is another beside it.
class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() {
    if (file_ && written_ != name_) std::remove(written_.c_str());
  }
  Result<void> open(const std::string& path) {
    name_ = written_ = path;
    std::error_code unknown;
    const auto kind = std::filesystem::status(path, unknown).type();
    if (kind == std::filesystem::file_type::regular || kind == std::filesystem::file_type::not_found)
      written_ += ".part";
    file_.reset(std::fopen(written_.c_str(), "wb"));
    return file_ ? Result<void>() : failed();
  }
  Result<void> write(std::string_view bytes) {
    std::FILE* const file = file_ ? file_.get() : stdout;
    return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() ? Result<void>() : failed();
  }
  // Says of the last bytes too whether they went through.
  Result<void> close() {
    if (!file_) return std::fflush(stdout) == 0 ? Result<void>() : failed();
    if (std::fclose(file_.release()) != 0) return failed();
    return written_ == name_ || std::rename(written_.c_str(), name_.c_str()) == 0 ? Result<void>() : failed();
  }

 private:
  Result<void> failed() const {
    return Error{ErrorCode::io, fmt::format("{}: {}", name_, std::strerror(errno))};
  }

  std::string name_, written_;
  std::unique_ptr<std::FILE, Close> file_;
};

int fail(const Error& error) {
  say(error);
  return exit_code_of(error);
}

bool same_file(const std::string& a, const std::string& b) {
  const auto place = [](const std::string& path) {
    std::error_code failed;
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, failed), failed);
  };
  return place(a) == place(b);
}

// Kinds that were asked for and do not come.
void print_without_room(const generate::TraceSpec& spec) {
  std::string names;
  for (const generate::IncidentKind kind : generate::without_room(spec))
    names += fmt::format("{}{}", names.empty() ? "" : ", ", generate::name_of(kind));
  if (names.empty()) return;
  const generate::Slots slots = generate::slots_of(spec);
  fmt::print(stderr,
             "signalbox: there is no room for {}: each of {} incidents has {}, and scrapes are {} apart\n",
             names, slots.count, to_string(slots.length), to_string(spec.every));
  fmt::print(stderr, "      help: write a longer --duration, fewer --incidents or a shorter --every\n");
}

using Writer = Result<void> (*)(const generate::TraceSpec&, const generate::Out&);

Result<void> write_all(Writer writer, const generate::TraceSpec& spec, Sink& sink) {
  const Result<void> written = writer(spec, [&](std::string_view bytes) { return sink.write(bytes); });
  return written ? sink.close() : written;
}

}  // namespace

int run_generate(const GenerateOptions& options) {
  generate::TraceSpec spec = options.spec;
  auto incidents = generate::parse_incidents(options.incidents);
  if (!incidents) return fail(incidents.error());
  spec.incidents = std::move(*incidents);
  const auto metrics = generate::parse_metrics(options.metrics);
  if (!metrics) return fail(metrics.error());
  spec.metrics = *metrics;
  if (const auto checked = generate::check(spec); !checked) return fail(checked.error());
  if (!options.out.empty() && !options.truth.empty() && same_file(options.out, options.truth))
    return fail({ErrorCode::invalid_argument, "--out and --truth name the same file", "write two names"});
  // Both are opened before either is written: a trace takes long, and a name that is wrong is found out at
  // once.
  Sink out, truth;
  if (!options.out.empty())
    if (const auto opened = out.open(options.out); !opened) return fail(opened.error());
  if (!options.truth.empty()) {
    if (const auto opened = truth.open(options.truth); !opened) return fail(opened.error());
    if (const auto written = write_all(generate::write_truth, spec, truth); !written)
      return fail(written.error());
  }
  print_without_room(spec);
  const auto written = write_all(generate::write_trace, spec, out);
  if (written) return exit_ok;
  // Of standard output main says it.
  return options.out.empty() ? exit_program : fail(written.error());
}

}  // namespace signalbox::cli
