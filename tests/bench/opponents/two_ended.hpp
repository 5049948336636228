// The opponent of the replay benchmark: what a careful programmer writes by hand for this very job. One pass
// over raw arrays, two moving ends a window, Prometheus' formula for increase, the rows' alert state. No
// generality.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct TwoEndedSeries {
  const std::int64_t* times;  // milliseconds, rising
  const double* values;
  std::size_t count;
};
struct TwoEndedRow {
  std::int64_t long_ms, short_ms;
  double theta;
};
// For one SLO: `bad` over `total`, at ticks from + k × step. Returns a checksum of the window values; `fired`
// gets how often a row became true. By either compiler.
using TwoEnded = double(const TwoEndedSeries* bad, const TwoEndedSeries* total, const TwoEndedRow* rows,
                        std::size_t row_count, std::int64_t from, std::int64_t step, std::size_t ticks,
                        std::uint64_t* fired);
TwoEnded two_ended_gnu, two_ended_clang;
}
