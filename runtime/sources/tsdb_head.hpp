// What a running Prometheus has not made into a block yet: its head chunks and its write-ahead log.
#pragma once

#include <vector>

#include "runtime/sources/tsdb_block_index.hpp"
#include "runtime/store/cursor.hpp"

namespace signalbox::sources {

struct HeadSeries {
  Labels labels;
  struct Chunk {
    std::uint32_t file = 0;  // of DataFiles::head_chunks
    std::uint32_t size = 0;
    std::uint64_t offset = 0;
    std::int64_t first = 0, last = 0;
  };
  std::vector<Chunk> chunks;               // in rising time
  store::Samples samples;                  // later than those of the chunks, from the log
  std::vector<TimedHistogram> histograms;  // likewise
  std::vector<Chunk> late_chunks;          // samples that came late, in no order
  store::Samples late;
  std::vector<TimedHistogram> late_histograms;
  std::size_t passed_over = 0;  // native histograms of the log that are of no known kind
  Stretches deleted;
};
struct Head {
  std::vector<HeadSeries> series;
};

// Series of the head that one of the selectors accepts, with samples in [from, to]. As Prometheus does when
// it starts: samples before `begin` are the blocks'; a log that is damaged is read up to there.
// That, and a log that was cut off while it was written, is said in `notices`. `limit_exceeded` past
// tsdb_head_bytes.
Result<Head> read_head(const DataFiles& files, const std::vector<Selector>& selectors, Instant begin,
                       Instant from, Instant to, const Limits& limits, std::vector<Error>& notices);

}  // namespace signalbox::sources
