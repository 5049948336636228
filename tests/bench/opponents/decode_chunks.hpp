// The opponent of the replay from blocks: what a careful programmer writes by hand to decode Prometheus' XOR
// chunks and sum what they hold. Nothing is checked.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct EncodedChunk {
  const std::uint8_t* data;  // from the count of samples on; eight bytes past the end may be read
};
struct DecodedSums {
  double values;
  std::int64_t times;
};
// The sums over all samples, chunk by chunk in order. By either compiler.
using DecodeChunks = DecodedSums(const EncodedChunk* chunks, std::size_t count);
DecodeChunks decode_chunks_gnu, decode_chunks_clang;
}
