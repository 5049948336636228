#include "runtime/store/course.hpp"

#include <algorithm>

#include "runtime/base/stale_marker.hpp"
#include "runtime/base/vectors.hpp"

namespace signalbox::store {
namespace {

// Damaged files have any times.
inline std::uint64_t distance(const std::int64_t* times, std::size_t i) {
  return static_cast<std::uint64_t>(times[i]) - static_cast<std::uint64_t>(times[i - 1]);
}

// What is looked for among many samples at once; nearly always there is none.
SIGNALBOX_VECTORS bool all_rise(const double* values, std::size_t first, std::size_t size) {
  std::uint64_t odd = 0;
  for (std::size_t i = first; i < size; ++i) odd |= values[i] >= values[i - 1] ? 0 : 1;
  return odd == 0;
}
SIGNALBOX_VECTORS bool all_at_one_distance(const std::int64_t* times, std::size_t first, std::size_t size) {
  std::uint64_t odd = 0;
  for (std::size_t i = first; i < size; ++i) odd |= distance(times, i) ^ distance(times, i - 1);
  return odd == 0;
}
SIGNALBOX_VECTORS bool all_later(const std::int64_t* times, std::size_t first, std::size_t size) {
  std::uint64_t falls = 0;
  for (std::size_t i = first; i < size; ++i) falls |= times[i] <= times[i - 1] ? 1 : 0;
  return falls == 0;
}

// The same where pieces are known to be so, of their seams.
bool seams_rise(const double* values, std::span<const std::uint32_t> begins) {
  std::uint64_t odd = 0;
  for (const std::uint32_t i : begins)
    if (i > 0) odd |= values[i] >= values[i - 1] ? 0 : 1;
  return odd == 0;
}
bool seams_at_one_distance(const std::int64_t* times, std::span<const std::uint32_t> begins,
                           std::size_t size) {
  std::uint64_t odd = 0;
  for (const std::uint32_t i : begins) {
    if (i > 1) odd |= distance(times, i) ^ distance(times, i - 1);
    if (i > 0 && i + 1 < size) odd |= distance(times, i + 1) ^ distance(times, i);
  }
  return odd == 0;
}

void move_back(std::vector<std::uint32_t>& places, std::size_t first, std::size_t last) {
  places.erase(std::lower_bound(places.begin(), places.end(), last), places.end());
  places.erase(places.begin(), std::lower_bound(places.begin(), places.end(), first));
  for (std::uint32_t& place : places) place -= static_cast<std::uint32_t>(first);
}

}  // namespace

void Course::clear() {
  samples = 0;
  rises = true;
  markers = restless = broken = false;
  odd_values.clear();
  odd_distances.clear();
}

void Course::follow(std::span<const std::int64_t> times, std::span<const double> values,
                    const Pieces& pieces) {
  const std::size_t first = samples, size = times.size();
  if (first == size) return;
  if (first == 0 && values[0] != values[0]) odd_values.push_back(0);
  const bool rising = pieces.rising ? seams_rise(values.data(), pieces.begins)
                                    : all_rise(values.data(), std::max<std::size_t>(first, 1), size);
  if (!rising)
    for (std::size_t i = std::max<std::size_t>(first, 1); i < size; ++i)
      if (!(values[i] >= values[i - 1])) odd_values.push_back(static_cast<std::uint32_t>(i));
  for (auto odd = std::lower_bound(odd_values.begin(), odd_values.end(), first); odd != odd_values.end();
       ++odd)
    markers = markers || is_stale_marker(values[*odd]);
  const std::size_t second = std::max<std::size_t>(first, 1), third = std::max<std::size_t>(first, 2);
  const bool steady = !restless && (pieces.steady ? seams_at_one_distance(times.data(), pieces.begins, size)
                                                  : all_at_one_distance(times.data(), third, size));
  // At one distance, all are later when the first is.
  if (rises) rises = all_later(times.data(), second, steady ? std::min(size, third + 1) : size);
  if (!steady && !restless) {
    for (std::size_t i = third; i < size; ++i)
      if (distance(times.data(), i) != distance(times.data(), i - 1))
        odd_distances.push_back(static_cast<std::uint32_t>(i));
    // A list of most places would be of no use.
    restless = odd_distances.size() > 64 + size / 16;
    if (restless) odd_distances.clear();
  }
  samples = size;
}

void Course::lose(std::size_t left) {
  samples = left;
  broken = true;
}

void Course::cut(std::size_t first, std::size_t last) {
  move_back(odd_values, first, last);
  move_back(odd_distances, first, last);
  samples = last - first;
}

}  // namespace signalbox::store
