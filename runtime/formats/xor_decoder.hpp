// One XOR chunk while it is decoded: its first sample, and where the next one begins. What decodes a chunk
// alone and what decodes several at once begin and end with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace signalbox::formats::tsdb {

struct XorDecoder {
  // Writes the first sample of `data` to `times` and `values`, which have room for all; false when it has
  // none. `data` has chunk_slack bytes behind it.
  bool begin(std::string_view data, std::int64_t* times, double* values);
  // Writes those that are left; false when the bytes are no such chunk.
  bool finish();

  std::size_t count = 0, done = 0;  // samples
  std::int64_t* times = nullptr;
  double* values = nullptr;
  // Of the last sample: its time and its distance from the one before, the bits of its value, and the bits
  // that a change of it was written in.
  std::int64_t time = 0, delta = 0;
  std::uint64_t value = 0;
  unsigned width = 0, trailing = 0;
  // The next sample begins at bit `at` from `from` on, of `end` bits.
  const char* from = nullptr;
  std::size_t at = 0, end = 0;
};

// How many of `left` chunks are decoded side by side: 16 or 8 lanes, not all of them full, where that is
// faster than one by one; 0 where it is not, or this processor cannot.
struct LanesTaken {
  std::size_t chunks = 0, lanes = 0;
};
LanesTaken lanes_for(std::size_t left);
inline constexpr std::size_t most_lanes = 16;

// What is known of the samples that advance_lanes() wrote and those before them.
struct LanesSeen {
  bool rising = true;  // no value is lower than the one before it in its chunk, or not a number
  bool steady = true;  // all are as far from the one before as that is from its own
};
// Writes samples of chunks side by side, as many as are common to all and plain enough: what is left, and
// what is wrong with it, is for finish(). All of the 8 or 16 have begun and have one more sample at least;
// several may be the same one.
LanesSeen advance_lanes(std::span<XorDecoder> lanes);

}  // namespace signalbox::formats::tsdb
