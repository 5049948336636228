// Prometheus' remote-read protocol: one question for one selector, and its answer, as samples in one message
// or as a stream of frames with XOR chunks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/base/native_histogram.hpp"
#include "runtime/base/promql_terms.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::formats {

struct RemoteReadQuery {
  Instant from, to;  // both taken in
  std::vector<Matcher> matchers;
};
// The body of its POST: a protocol buffer in a snappy block. Chunks are preferred, samples accepted.
std::string remote_read_request(const RemoteReadQuery& query);

struct RemoteReadSeries {
  Labels labels;
  std::vector<std::int64_t> times;         // ms, strictly rising, in [from, to] of the query
  std::vector<double> values;              // with their bits: stale markers as what they are
  std::vector<TimedHistogram> histograms;  // likewise rising, in that range
};
struct RemoteReadAnswer {
  std::vector<RemoteReadSeries> series;  // each once
  std::size_t passed_over = 0;           // samples that are in no series: of a kind that is not known
};
// `content_type` says which of the two an answer with HTTP status 200 is. `malformed`: cut off, a checksum
// that differs, times that do not rise, a label twice. `limit_exceeded`: answer_bytes, store_series,
// answer_samples (of all series together), labels_per_series, label_name_bytes, label_value_bytes.
Result<RemoteReadAnswer> parse_remote_read(std::string_view content_type, std::string_view body,
                                           const RemoteReadQuery& query, const Limits& limits);

}  // namespace signalbox::formats
