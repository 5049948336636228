// Files of recorded text, read or remembered.
#pragma once

#include <string>
#include <vector>

#include "cli/data.hpp"

namespace signalbox::cli {

// The files are one recording; `location` is what messages call it. `store` is empty. `cache`: see
// HistoryRequest.
Result<History> load_texts(const std::vector<std::string>& files, const std::string& location,
                           const std::string& cache, store::SeriesStore& store);

}  // namespace signalbox::cli
