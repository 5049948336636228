// The samples of one series in rising time: full chunks are packed, what is not yet a chunk's worth is beside
// them. Samples have places: how many came before them, ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/base/unset_vector.hpp"
#include "runtime/store/chunk.hpp"

namespace signalbox::store {

struct Column {
  struct Chunk {
    std::int64_t first_time;
    std::uint64_t offset;  // into packed
  };
  std::uint64_t chunks_from = 0;  // place of the first chunk's first sample
  std::vector<Chunk> chunks;
  std::vector<char> packed;  // chunks in order, then packed_slack bytes
  UnsetVector<std::int64_t> tail_times;
  UnsetVector<double> tail_values;
  double before_tail = 0;  // the value before the tail's first; meaningless without chunks
  std::vector<std::uint64_t>
      irregular;                 // first places of chunks with a sample that is a reset or not a number
  std::int64_t last_sample = 0;  // its time; meaningless when there is none

  std::uint64_t tail_from() const { return chunks_from + chunks.size() * chunk_samples; }
  std::uint64_t end_place() const { return tail_from() + tail_times.size(); }
  // What is allocated, with room for later samples.
  std::size_t allocated() const {
    return packed.capacity() + chunks.capacity() * sizeof(Chunk) +
           (tail_times.capacity() + tail_values.capacity() + irregular.capacity()) * 8;
  }
  // The bytes of a chunk, and after them at least packed_slack more.
  std::string_view packed_chunk(std::size_t index) const {
    const std::size_t begin = chunks[index].offset;
    const std::size_t end =
        index + 1 < chunks.size() ? chunks[index + 1].offset : packed.size() - packed_slack;
    return {packed.data() + begin, end - begin};
  }

  // `time` is later than that of the last sample. True when a chunk became full.
  bool add(std::int64_t time, double value) {
    if (tail_times.size() == tail_times.capacity()) grow_tail();
    tail_times.push_back(time);
    tail_values.push_back(value);
    last_sample = time;
    if (tail_times.size() < chunk_samples) return false;
    seal();
    return true;
  }
  // Puts a full chunk, as pack() makes it, at the end of a column without a tail. False and no change when it
  // is none, or when its samples do not rise, from after the last one on.
  bool add_packed(std::int64_t first_time, std::string_view chunk);
  // Lets whole chunks before `place` go, when half of all or more would.
  void forget_chunks_before(std::uint64_t place);
  // Nothing for a place that is not held.
  std::optional<std::int64_t> time_at(std::uint64_t place) const;
  // Appends all samples that are held.
  void read_all(UnsetVector<std::int64_t>& times, UnsetVector<double>& values) const;

 private:
  void grow_tail();
  void seal();
  void note_chunk(std::int64_t first_time, std::string_view chunk, const double* values);
};

}  // namespace signalbox::store
