// How a series' samples run, seen by who put them together while they were near: where a counter falls and
// where the distance between samples changes. Few places, as a rule, that need not be looked for among all
// samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace signalbox::store {

// Pieces that samples were put together from, and what their maker saw of each.
struct Pieces {
  std::span<const std::uint32_t> begins;  // places of their first samples, rising
  bool rising = false;  // within each no value is lower than the one before it, or not a number
  bool steady = false;  // within each all samples are as far from each other
};

struct Course {
  std::size_t samples = 0;  // that it is of: of a series with another number of them it says nothing
  bool rises = true;        // times do
  bool markers = false;     // stale markers are among the values
  // Places of samples. At no other one is a value lower than the one before it or not a number.
  std::vector<std::uint32_t> odd_values;
  // At no other one, from the third on, is the distance in time another than that of the sample before. Empty
  // where they come at no rhythm.
  std::vector<std::uint32_t> odd_distances;
  bool restless = false;
  bool broken = false;  // samples were taken out of the middle, or moved: the places are of no use

  void clear();
  // A series has more samples, from place `samples` on: in `pieces`, if any are told, all of them.
  void follow(std::span<const std::int64_t> times, std::span<const double> values, const Pieces& pieces = {});
  // Something else became of those so far, of which `left` are left.
  void lose(std::size_t left);
  // Samples before `first` and from `last` on are gone.
  void cut(std::size_t first, std::size_t last);
  std::size_t allocated() const { return (odd_values.capacity() + odd_distances.capacity()) * 4; }
};

}  // namespace signalbox::store
