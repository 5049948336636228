// Packed runs: every sample comes back with its bits, and bytes that are no run are refused without harm.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "runtime/store/chunk.hpp"

namespace signalbox::store {
namespace {

using Rng = std::mt19937_64;

std::vector<std::int64_t> random_times(Rng& rng, std::size_t count, int sort) {
  std::vector<std::int64_t> out;
  std::int64_t time =
      sort == 3 ? std::numeric_limits<std::int64_t>::min() : static_cast<std::int64_t>(rng() % (1ull << 45));
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(time);
    const std::uint64_t step = sort == 0   ? 15'000
                               : sort == 1 ? 14'990 + rng() % 20
                               : sort == 2 ? (rng() % 30 == 0 ? rng() % (1ull << 40) + 1 : 1000)
                                           : rng() % (1ull << 57) + 1;
    time = static_cast<std::int64_t>(static_cast<std::uint64_t>(time) + step);
  }
  return out;
}

std::vector<double> random_values(Rng& rng, std::size_t count, int sort) {
  std::vector<double> out;
  double level = static_cast<double>(rng() % 1000);
  for (std::size_t i = 0; i < count; ++i) {
    switch (sort) {
      case 0:
        level += static_cast<double>(rng() % 1000);
        break;  // whole numbers
      case 1:
        level = std::round((level + 0.01) * 100) / 100;
        break;  // two decimals
      case 2:
        level += static_cast<double>(rng() % 1000) / 37;
        break;  // neither
      case 3:
        level = std::bit_cast<double>(rng());
        break;  // any bits
      case 4:
        level = rng() % 20 == 0 ? -0.0 : 9007199254740991.0 - static_cast<double>(rng() % 3);
        break;
      case 5:
        level = rng() % 2 == 0 ? std::numeric_limits<double>::infinity() : 5e-324;
        break;
      case 6:
        level = rng() % 9 == 0 ? level + 1 : level;
        break;  // mostly still
      default:
        level = static_cast<double>(static_cast<std::int64_t>(rng() >> 10)) * (rng() % 2 ? 1 : -1);
        break;
    }
    out.push_back(level);
  }
  return out;
}

TEST(Chunks, EverySampleComesBackWithItsBits) {
  Rng rng(3);
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t count = 1 + rng() % chunk_samples;
    const auto times = random_times(rng, count, round % 4);
    const auto values = random_values(rng, count, round / 4 % 8);
    std::vector<char> packed{'x'};
    pack(times, values, packed);
    const std::size_t size = packed.size();
    packed.resize(size + packed_slack, 'y');
    std::int64_t got_times[chunk_samples];
    double got_values[chunk_samples];
    ASSERT_TRUE(unpack({packed.data() + 1, size - 1}, count, times[0], got_times, got_values));
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(got_times[i], times[i]) << round;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(got_values[i]), std::bit_cast<std::uint64_t>(values[i]))
          << round;
    }
  }
}

TEST(Chunks, ARunCutShortOrLengthenedIsRefused) {
  Rng rng(4);
  for (int round = 0; round < 2'000; ++round) {
    const std::size_t count = 1 + rng() % chunk_samples;
    std::vector<char> packed;
    pack(random_times(rng, count, round % 4), random_values(rng, count, round / 4 % 8), packed);
    std::int64_t times[chunk_samples];
    double values[chunk_samples];
    const std::size_t size = packed.size();
    packed.resize(size + packed_slack + 1);
    EXPECT_FALSE(unpack({packed.data(), size - 1}, count, 0, times, values));
    EXPECT_FALSE(unpack({packed.data(), size + 1}, count, 0, times, values));
    EXPECT_FALSE(unpack({packed.data(), size}, 0, 0, times, values));
    EXPECT_FALSE(unpack({packed.data(), size}, chunk_samples + 1, 0, times, values));
  }
}

// Under the address sanitizer this also shows that no more than the slack is read.
TEST(Chunks, DamagedBytesDoNoHarm) {
  Rng rng(5);
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t count = 1 + rng() % chunk_samples;
    std::vector<char> packed;
    pack(random_times(rng, count, round % 4), random_values(rng, count, round / 4 % 8), packed);
    for (int n = 1 + static_cast<int>(rng() % 4); n > 0; --n)
      packed[rng() % packed.size()] = static_cast<char>(rng());
    const std::size_t size = rng() % 3 == 0 ? rng() % packed.size() : packed.size();
    std::vector<char> exact(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
    exact.resize(size + packed_slack);
    std::int64_t times[chunk_samples];
    double values[chunk_samples];
    static_cast<void>(unpack({exact.data(), size}, 1 + rng() % chunk_samples, 0, times, values));
  }
}

}  // namespace
}  // namespace signalbox::store
