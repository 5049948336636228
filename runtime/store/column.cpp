#include "runtime/store/column.hpp"

#include <algorithm>
#include <cassert>

namespace signalbox::store {
namespace {

// The tail grows by this many samples at a time: most series have few.
constexpr std::size_t tail_step = 16;

}  // namespace

void Column::grow_tail() {
  tail_times.reserve(tail_times.size() + tail_step);
  tail_values.reserve(tail_values.size() + tail_step);
}

void Column::seal() {
  // Kept by the thread: allocating it for each chunk costs more than packing a plain one.
  thread_local std::vector<char> chunk;
  chunk.clear();
  pack(tail_times, tail_values, chunk);
  note_chunk(tail_times[0], {chunk.data(), chunk.size()}, tail_values.data());
  before_tail = tail_values.back();
  tail_times.clear();
  tail_values.clear();
}

void Column::note_chunk(std::int64_t first_time, std::string_view chunk, const double* values) {
  // What is not a number is not greater or equal either.
  bool odd = !(values[0] >= (chunks.empty() ? values[0] : before_tail));
  for (std::size_t i = 1; i < chunk_samples; ++i) odd |= !(values[i] >= values[i - 1]);
  if (odd) irregular.push_back(tail_from());
  if (!packed.empty()) packed.resize(packed.size() - packed_slack);
  // What is packed stays packed: room for as much again would be too much to hold free.
  const std::size_t room = chunk.size() + packed_slack;
  if (packed.capacity() < packed.size() + room) packed.reserve(packed.size() + packed.size() / 8 + room);
  if (chunks.size() == chunks.capacity()) chunks.reserve(chunks.size() + chunks.size() / 8 + 4);
  chunks.push_back({first_time, packed.size()});
  packed.insert(packed.end(), chunk.begin(), chunk.end());
  packed.resize(packed.size() + packed_slack);
}

bool Column::add_packed(std::int64_t first_time, std::string_view chunk) {
  assert(tail_times.empty());
  std::int64_t times[chunk_samples];
  double values[chunk_samples];
  if (!unpack(chunk, chunk_samples, first_time, times, values)) return false;
  if (!chunks.empty() && times[0] <= last_sample) return false;
  for (std::size_t i = 1; i < chunk_samples; ++i)
    if (times[i] <= times[i - 1]) return false;
  note_chunk(first_time, chunk, values);
  before_tail = values[chunk_samples - 1];
  last_sample = times[chunk_samples - 1];
  return true;
}

void Column::forget_chunks_before(std::uint64_t place) {
  const auto whole =
      std::min<std::size_t>(chunks.size(), static_cast<std::size_t>((place - chunks_from) / chunk_samples));
  if (whole == 0 || whole * 2 < chunks.size()) return;
  const std::uint64_t from = whole < chunks.size() ? chunks[whole].offset : packed.size() - packed_slack;
  packed.erase(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(from));
  chunks.erase(chunks.begin(), chunks.begin() + static_cast<std::ptrdiff_t>(whole));
  for (Chunk& chunk : chunks) chunk.offset -= from;
  packed.shrink_to_fit();
  chunks.shrink_to_fit();
  chunks_from += whole * chunk_samples;
  std::erase_if(irregular, [&](std::uint64_t first) { return first < chunks_from; });
}

std::optional<std::int64_t> Column::time_at(std::uint64_t place) const {
  if (place < chunks_from || place >= end_place()) return std::nullopt;
  if (place >= tail_from()) return tail_times[place - tail_from()];
  const std::size_t index = (place - chunks_from) / chunk_samples,
                    within = (place - chunks_from) % chunk_samples;
  if (within == 0) return chunks[index].first_time;
  std::int64_t times[chunk_samples];
  double values[chunk_samples];
  const bool whole = unpack(packed_chunk(index), chunk_samples, chunks[index].first_time, times, values);
  assert(whole);
  static_cast<void>(whole);
  return times[within];
}

void Column::read_all(UnsetVector<std::int64_t>& times, UnsetVector<double>& values) const {
  const std::size_t packed_samples = chunks.size() * chunk_samples;
  std::size_t at = times.size();
  times.resize(at + packed_samples);
  values.resize(at + packed_samples);
  for (std::size_t i = 0; i < chunks.size(); ++i, at += chunk_samples) {
    const bool whole =
        unpack(packed_chunk(i), chunk_samples, chunks[i].first_time, times.data() + at, values.data() + at);
    assert(whole);
    static_cast<void>(whole);
  }
  times.insert(times.end(), tail_times.begin(), tail_times.end());
  values.insert(values.end(), tail_values.begin(), tail_values.end());
}

}  // namespace signalbox::store
