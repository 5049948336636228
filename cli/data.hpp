// --data: a recorded file, a folder of them, a Prometheus' data directory, a Prometheus, or a page of
// metrics.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/eval/evaluate.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::cli {

struct HistoryRequest {
  std::string location;  // path or URL
  std::string cache;     // directory of what was read of files before; "": none
  // What will be evaluated: a Prometheus, or its data directory, is asked for no more than that needs.
  std::optional<Instant> from, to;
  std::optional<Instant> now;  // when a page is read; without it, the wall clock's
  // Instants from `from` to `to` and no others: from a minute on, a Prometheus works the leaves out itself
  // where it can (query_range), instead of sending every sample.
  std::optional<Duration> step;
};
struct History {
  std::size_t samples = 0;
  Instant first, last;
  Semantics semantics =
      Semantics::prometheus3;  // a Prometheus' own; 2 for a data directory, 3 for other files
  std::shared_ptr<eval::LeafProvider> leaves = nullptr;  // null: they come from the store
};
bool is_url(const std::string& location);  // else it is a path
Instant wall_clock();
// Errors keep their meaning for exit codes: `unreachable` for a URL that does not answer, `io` and
// `malformed` for files.
Result<History> load_history(const plan::Plan& plan, const HistoryRequest& request,
                             store::SeriesStore& store);

}  // namespace signalbox::cli
