// The trade-off as a picture.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/time.hpp"

namespace signalbox::cli {

struct Point {
  std::string name;  // of the candidate
  std::size_t false_alarms = 0, not_found = 0;
  Duration mean_unfound;
  bool front = false, as_written = false;
};
// SVG, readable on light and dark ground: false alarms to the right, the mean time unfound upwards; what is
// on the front is filled and numbered, with its name below.
std::string tune_svg(const std::string& title, const std::vector<Point>& points);

}  // namespace signalbox::cli
