// Any bytes as a packed run: refused, or unpacked without a look further than the slack; what was unpacked
// packs again to the same samples, when its times rise as a run's do.
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/store/chunk.hpp"

using namespace signalbox::store;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 9) return 0;
  // A byte that says how many samples, and the first time.
  const std::size_t count = data[0];
  std::int64_t first = 0;
  std::memcpy(&first, data + 1, sizeof first);
  // On the heap and exactly so long.
  std::vector<char> bytes(data + 9, data + size);
  const std::size_t packed_size = bytes.size();
  bytes.resize(packed_size + packed_slack);
  std::int64_t times[chunk_samples], times_again[chunk_samples];
  double values[chunk_samples], values_again[chunk_samples];
  if (!unpack({bytes.data(), packed_size}, count, first, times, values)) return 0;
  if (times[0] != first) std::abort();
  for (std::size_t i = 1; i < count; ++i)
    if (times[i] <= times[i - 1]) return 0;
  std::vector<char> packed;
  pack({times, count}, {values, count}, packed);
  const std::size_t again_size = packed.size();
  packed.resize(again_size + packed_slack);
  if (!unpack({packed.data(), again_size}, count, first, times_again, values_again)) std::abort();
  for (std::size_t i = 0; i < count; ++i)
    if (times[i] != times_again[i] ||
        std::bit_cast<std::uint64_t>(values[i]) != std::bit_cast<std::uint64_t>(values_again[i]))
      std::abort();
  return 0;
}
