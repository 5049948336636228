// A table as text: the first column to the left, the others to the right.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/time.hpp"

namespace signalbox::cli {

using TableRow = std::vector<std::string>;
std::string table_text(const std::vector<TableRow>& rows);
// To the second.
std::string seconds_text(Duration d);

}  // namespace signalbox::cli
