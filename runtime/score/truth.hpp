// Labelled incidents as files have them.
#pragma once

#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/score/score.hpp"

namespace signalbox::score {

// JSON of one of two forms.
//   {"incidents": [{"kind": "outage", "labels": {"service": "a"}, "from": T, "to": T, "wanted": true}, …], …}
//       as `signalbox generate --truth` writes it. `to` may be absent or null; `labels` may be absent.
//       `wanted` need not be said of generate's own kinds: outage, slow_burn and flapping are there to be
//       found, the others are not.
//   {"realKnownCause/nyc_taxi.csv": [["2014-10-30 15:30:00.000000", "2014-11-03 22:30:00.000000"], …], …}
//       the windows of the Numenta Anomaly Benchmark, in UTC: all are there to be found, with the label
//       `series`, the folder and name of the file without its ending.
// Errors: `malformed` names the place; `limit_exceeded` past a million incidents or Limits::truth_bytes.
Result<std::vector<Incident>> read_truth(std::string_view text);

}  // namespace signalbox::score
