// A packed run of samples. Times and counters that are whole numbers (or decimals with few digits) are stored
// as differences, in blocks with one width; all other values as Facebook's Gorilla does (Pelkonen et al.
// 2015: XOR with the value before). Whichever is smaller for the run is taken, so that every double keeps its
// bits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace signalbox::store {

// Samples of a chunk: as many as Prometheus aims at, so that what a chunk costs beside its samples is small,
// and few enough that one sample can be read out of the middle by unpacking all of them.
inline constexpr std::size_t chunk_samples = 128;

// unpack() may read so many bytes past the end of a packed run; their content does not matter.
inline constexpr std::size_t packed_slack = 16;

// Appends the packed run to `out`. `times` rise; there are 1 to chunk_samples of them, and as many values.
void pack(std::span<const std::int64_t> times, std::span<const double> values, std::vector<char>& out);

// The `count` samples of a packed run, the first at `first_time`. False when the bytes are no such run; what
// was written is then meaningless. `packed_slack` bytes after `packed` must be readable.
bool unpack(std::string_view packed, std::size_t count, std::int64_t first_time, std::int64_t* times,
            double* values);

}  // namespace signalbox::store
