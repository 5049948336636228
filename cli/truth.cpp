#include "cli/truth.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/programs.hpp"
#include "runtime/score/truth.hpp"

namespace signalbox::cli {

Result<std::optional<std::vector<score::Incident>>> load_truth(const TruthOptions& options) {
  using Incidents = std::optional<std::vector<score::Incident>>;
  if (options.file.empty()) {
    if (options.grace || !options.where.empty())
      return Error{ErrorCode::invalid_argument,
                   "--grace and --truth-where are about the incidents of --truth", "add --truth FILE"};
    return Incidents();
  }
  const Result<std::string> text = read_text_file(options.file, Limits{}.truth_bytes);
  if (!text) return text.error();
  auto read = score::read_truth(*text);
  if (!read)
    return Error{read.error().code, fmt::format("{}: {}", options.file, read.error().message),
                 read.error().hint};
  const std::size_t before = read->size();
  std::erase_if(*read, [&](const score::Incident& incident) {
    return std::any_of(options.where.begin(), options.where.end(), [&](const Labels::Pair& label) {
      return incident.labels.get(label.first) != label.second;
    });
  });
  if (read->empty() && before > 0) {
    const Labels::Pair& first = options.where.front();
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{}: of {} incidents none has {}=\"{}\"{}", options.file, before, first.first,
                             first.second, options.where.size() > 1 ? " and the others" : ""),
                 "name a label and a value as the file has them"};
  }
  return Incidents(std::move(*read));
}

}  // namespace signalbox::cli
