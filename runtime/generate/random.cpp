#include "runtime/generate/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace signalbox::generate {
namespace {

// 1/n, since a table is read faster than doubles are divided.
constexpr std::size_t reciprocals = 101;
constexpr auto reciprocal = [] {
  std::array<double, reciprocals> out = {};
  for (std::size_t n = 1; n < out.size(); ++n) out[n] = 1.0 / static_cast<double>(n);
  return out;
}();

// e^-x for 0 ≤ x < 10: whole steps from a table, the rest by twelve terms of the series, which is good to
// 2^-32 and better: less than a draw can show.
double exp_of_minus(double x) {
  static constexpr std::array<double, 10> whole = {1.0,
                                                   0.36787944117144233,
                                                   0.1353352832366127,
                                                   0.049787068367863944,
                                                   0.018315638888734179,
                                                   0.006737946999085467,
                                                   0.0024787521766663585,
                                                   0.00091188196555451624,
                                                   0.00033546262790251185,
                                                   0.00012340980408667956};
  const int steps = static_cast<int>(x);
  const double rest = x - steps;
  double sum = 1;
  for (std::size_t term = 12; term > 0; --term) sum = 1 - sum * rest * reciprocal[term];
  return whole[static_cast<std::size_t>(steps)] * sum;
}

// [0, 1) in steps of 2^-53.
double unit(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// Nearly normal, mean 0 and variance 1: the sum of four uniform numbers of 16 bits (Irwin and Hall), whose
// mean is 4 × 65535/2 and whose variance is 4 × (65536² − 1)/12. It stays within ±3.47.
double normal(std::uint64_t bits) {
  const auto sum =
      static_cast<double>((bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48));
  constexpr double deviation = 37837.22726721923;
  return (sum - 131070.0) / deviation;
}

}  // namespace

std::uint64_t Random::count(double mean) {
  const std::uint64_t bits = next();
  if (mean >= few)
    return static_cast<std::uint64_t>(std::max(0.0, mean + std::sqrt(mean) * normal(bits) + 0.5));
  double left = unit(bits), share = exp_of_minus(std::max(0.0, mean));
  std::size_t n = 0;
  // What rounding leaves over must not run on: a hundred arrivals have a chance of less than 1e-60.
  while (left >= share && n + 1 < reciprocals) {
    left -= share;
    ++n;
    share *= mean * reciprocal[n];
  }
  return n;
}

}  // namespace signalbox::generate
