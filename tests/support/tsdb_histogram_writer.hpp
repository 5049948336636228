// Chunks of native histograms and their records in the log, as Prometheus writes them.
#pragma once

#include "runtime/base/native_histogram.hpp"
#include "tests/support/tsdb_writer.hpp"

namespace signalbox::test {

// All of one schema and zero bucket, as one chunk has them. A marker may only be followed by markers. Counts
// are written as floats or as whole numbers.
TsdbChunk histogram_chunk(const std::vector<TimedHistogram>& samples, bool floats);

// At one time each.
std::string histograms_record(const std::vector<std::pair<std::uint64_t, TimedHistogram>>& samples,
                              bool floats);

}  // namespace signalbox::test
