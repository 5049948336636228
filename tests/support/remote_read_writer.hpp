// Answers of remote read, as a server writes them.
#pragma once

#include <string>
#include <vector>

#include "tests/support/tsdb_writer.hpp"

namespace signalbox::test {

struct RemoteChunk {
  std::uint64_t type = 1;  // XOR
  std::string data;
};
// One message of a series: its labels, and samples or chunks.
std::string remote_series_of_samples(const TsdbLabels& labels, const std::vector<TsdbSample>& samples);
std::string remote_series_of_chunks(const TsdbLabels& labels, const std::vector<RemoteChunk>& chunks);
// The whole answer in samples, in a snappy block.
std::string remote_answer(const std::vector<std::string>& series);
std::string snappy_block(const std::string& message);
// A frame of the answer in chunks: length, checksum, message.
std::string remote_frame(const std::vector<std::string>& series);
std::string frame_around(const std::string& message);

}  // namespace signalbox::test
