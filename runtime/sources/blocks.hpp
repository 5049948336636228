// A Prometheus data directory into the store.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/sources/file.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::sources {

struct BlocksReport {
  LoadReport load;
  std::vector<Error> notices;  // what is left out or passed over, and why
};

// All that evaluating `plan` at instants in [from, to] needs (without them: all that there is) into `store`,
// which is made anew. Births are told as for recordings, of the `up` of a series' job and instance where
// there is one. A damaged block is left out as a whole, and told in the notices. `progress` hears of the
// share done.
Result<BlocksReport> load_blocks(ForeignFolders& folders, const std::string& path, const plan::Plan& plan,
                                 std::optional<Instant> from, std::optional<Instant> to, const Limits& limits,
                                 store::SeriesStore& store, const std::function<void(double)>& progress);

}  // namespace signalbox::sources
