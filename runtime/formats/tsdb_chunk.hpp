// Prometheus' chunks: the frame around one in a block's segment, and the samples of an XOR chunk (Facebook's
// Gorilla with varying widths for times).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/base/result.hpp"

namespace signalbox::formats::tsdb {

enum class Encoding : std::uint8_t { none = 0, xor_floats = 1, histogram = 2, float_histogram = 3 };
// "XOR", "histogram", "float histogram"; "" for what this version does not know.
std::string_view encoding_name(std::uint8_t encoding);

// A chunk's samples are counted in two bytes.
inline constexpr std::size_t most_chunk_samples = 65'535;
// decode_xor() may read so many bytes past the end of its data; their content does not matter.
inline constexpr std::size_t chunk_slack = 40;

// How many samples the data of a chunk says it has; 0 when it is too short to say.
std::size_t chunk_samples(std::string_view data);

// The samples of an XOR chunk's data, chunk_samples() of them, each value with its bits: NaNs and stale
// markers too. False when the bytes are no such chunk; what was written is then meaningless. Times are as
// they stand in the chunk: whether they rise is for the caller to see. `chunk_slack` bytes after `data` must
// be readable.
bool decode_xor(std::string_view data, std::int64_t* times, double* values);

// What was seen of chunks while they were decoded: false also where nobody looked.
struct ChunksSeen {
  bool good;    // false: one of them is no such chunk; which one decode_xor() says
  bool rising;  // within each of them no value is lower than the one before, or not a number
  bool steady;  // within each of them all samples are as far from each other
};
// Chunks of one series, as decode_xor() of one after the other into the same columns: eight at a time where
// the processor can.
ChunksSeen decode_xor_chunks(std::span<const std::string_view> data, std::int64_t* times, double* values);

// A segment of a block: this header, then chunks.
inline constexpr std::size_t segment_header_bytes = 8;
Result<void> check_segment_header(std::string_view first_bytes);

// How long the frame is that begins with these bytes (up to `frame_head_bytes` of them, fewer only at the
// file's end): length, encoding, data, checksum.
inline constexpr std::size_t frame_head_bytes = 6;
Result<std::uint64_t> frame_size(std::string_view first_bytes);

struct Frame {
  std::uint8_t encoding = 0;
  std::string_view data;
};
// A whole frame, its checksum compared.
Result<Frame> read_frame(std::string_view frame);

}  // namespace signalbox::formats::tsdb
