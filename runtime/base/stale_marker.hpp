// Prometheus' marker for "this series has ended": one signalling-NaN bit pattern. Compare bits, never values,
// and keep it out of arithmetic. A native histogram is one when its sum is.
#pragma once

#include <bit>
#include <cstdint>

namespace signalbox {

inline constexpr std::uint64_t stale_marker_bits = 0x7ff0000000000002ull;
inline bool is_stale_marker(double value) {
  return std::bit_cast<std::uint64_t>(value) == stale_marker_bits;
}
inline double stale_marker() {
  return std::bit_cast<double>(stale_marker_bits);
}

}  // namespace signalbox
