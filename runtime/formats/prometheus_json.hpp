// Answers of Prometheus' HTTP API, and of what speaks it (VictoriaMetrics, Thanos).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/base/result.hpp"

namespace signalbox::formats {

enum class QueryResultType { matrix, vector, scalar, string };

struct QuerySeries {
  Labels labels;
  std::vector<std::int64_t> times;  // ms, strictly rising; one in a vector
  std::vector<double> values;
};
struct QueryAnswer {
  QueryResultType result_type = QueryResultType::vector;
  std::vector<QuerySeries> series;  // a scalar is one series without labels; a string is none
  std::string text;                 // of a string
  // Not empty: the response is partial, and what is absent from it may exist.
  std::vector<std::string> warnings;
};

// An answer with "status":"error" is an Error with errorType and error in its message: `invalid_argument` for
// bad_data, `not_found`, and `outcome_unknown` for all that another try may cure. `malformed`: not JSON, not
// such an answer, cut off, or an object that says the same thing twice; the message names the place.
// `limit_exceeded`: store_series, answer_samples, labels_per_series, label_name_bytes, label_value_bytes.
// `unsupported`: native histograms, since leaving them out would read as absence.
Result<QueryAnswer> parse_query_answer(std::string_view json, const Limits& limits);

// data.version of /api/v1/status/buildinfo.
Result<std::string> parse_buildinfo_version(std::string_view json);

}  // namespace signalbox::formats
