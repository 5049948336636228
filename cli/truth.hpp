// --truth: labelled incidents that a replay is held against.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/score/score.hpp"

namespace signalbox::cli {

struct TruthOptions {
  std::string file;                 // "": none
  std::vector<Labels::Pair> where;  // only incidents that have all of these
  std::optional<Duration> grace;    // ten minutes unless stated
  Duration grace_or_default() const { return grace.value_or(minutes(10)); }
};
// Nothing without a file. An error says which file.
Result<std::optional<std::vector<score::Incident>>> load_truth(const TruthOptions& options);

}  // namespace signalbox::cli
