// --vary: the values of a grid of candidates.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/result.hpp"

namespace signalbox::cli {

struct Dimension {
  std::string key;
  std::vector<std::string> values;  // as an edit takes them
};
// KEY=A|B|C             these
// KEY=LOW..HIGH by STEP from LOW in steps up to HIGH
// KEY=LOW..HIGH         each whole number when there are at most ten, else eight values, evenly spaced or,
// from four
//                       times LOW on, in even ratios; rounded to two digits
// LOW and HIGH are numbers, shares, durations or scales (0.5x); what stands behind them (ticks) stands behind
// each value. Errors: `invalid_argument`, `limit_exceeded` past `most` values.
Result<Dimension> read_dimension(const std::string& text, std::size_t most);

// All combinations, the last dimension first to change; each `KEY=VALUE,KEY=VALUE`. `limit_exceeded` past
// `most`.
Result<std::vector<std::string>> grid_of(const std::vector<Dimension>& dimensions, std::size_t most);

}  // namespace signalbox::cli
