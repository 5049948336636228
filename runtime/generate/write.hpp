// A trace as text: OpenMetrics with a time on each line, and its ground truth as JSON.
#pragma once

#include <functional>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/generate/spec.hpp"

namespace signalbox::generate {

// Takes blocks of up to a few megabytes, in order. An error of it ends the writing, and is what is answered.
using Out = std::function<Result<void>(std::string_view)>;

// TYPE lines, the samples in order of time (so families take turns: one who streams need not wait), "# EOF".
Result<void> write_trace(const TraceSpec& spec, const Out& out);

// {"seed", "from", "to", …, "incidents": [{"kind", "labels", "from", "to", …}]}, by service and then by time.
// Beside those four an incident has `error_ratio` (outage, slow_burn, flapping, of the requests while it
// lasts), `phase_seconds` (flapping), `counters`: "reset" (deploy), `scrapes`: "failed" or "absent"
// (scrape_gap), or `traffic`, the factor that is reached (night, growth).
Result<void> write_truth(const TraceSpec& spec, const Out& out);

}  // namespace signalbox::generate
