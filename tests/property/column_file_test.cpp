// Files of columns: what was written comes back, and whatever else the bytes are, they are refused or
// harmless.
#include "runtime/store/column_file.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "runtime/store/cursor.hpp"
#include "tests/support/memory_file.hpp"
#include "tests/support/same_store.hpp"

namespace signalbox::store {
namespace {

using test::MemoryFile;

constexpr Digest128 key{7, 11};

SeriesStore make_store(std::uint64_t seed, std::size_t most_series, std::size_t most_samples) {
  std::mt19937_64 random(seed);
  SeriesStore out{Limits{}};
  const std::size_t series = random() % (most_series + 1);
  for (std::size_t s = 0; s < series; ++s) {
    std::vector<Labels::Pair> pairs{{"__name__", "m" + std::to_string(random() % 3)},
                                    {"s", std::to_string(s)}};
    if (random() % 3 == 0) pairs.emplace_back("text", std::string("\0\xff\"\n", 4));
    const SeriesId id = *out.series(Labels(std::move(pairs)));
    std::int64_t time = static_cast<std::int64_t>(random() % 1000) - 500;
    double value = 0;
    const std::uint64_t sort = random() % 4;
    for (std::size_t n = random() % (most_samples + 1); n > 0; --n) {
      const std::int64_t before = time;
      time += 1 + static_cast<std::int64_t>(random() % 30'000);
      value = sort == 0   ? value + static_cast<double>(random() % 50)
              : sort == 1 ? std::bit_cast<double>(random())
              : sort == 2 ? static_cast<double>(random() % 1000) / 8
                          : (random() % 9 == 0 ? NAN : 0.1);
      if (is_stale_marker(value)) value = 0;
      const auto absent_at = random() % 20 == 0 ? std::optional(Instant{before}) : std::nullopt;
      EXPECT_TRUE(out.append(id, Instant{time}, random() % 30 == 0 ? stale_marker() : value, absent_at));
    }
  }
  return out;
}
std::string written(const SeriesStore& store) {
  MemoryFile file;
  const Result<void> done = write_columns(store, key, file);
  EXPECT_TRUE(done) << done.error().message;
  return file.bytes;
}
Result<SeriesStore> read(const std::string& bytes, const Digest128& as = key, const Limits& limits = {}) {
  MemoryFile file(bytes);
  return read_columns(file, as, limits);
}
// With the size and the digest that the bytes should have.
std::string made_good(std::string bytes) {
  const std::uint64_t size = bytes.size();
  std::memcpy(bytes.data() + 32, &size, sizeof size);
  const Digest128 digest = content_digest(std::string_view(bytes).substr(0, bytes.size() - 16));
  std::memcpy(bytes.data() + bytes.size() - 16, &digest.high, 8);
  std::memcpy(bytes.data() + bytes.size() - 8, &digest.low, 8);
  return bytes;
}
// All that a store can be asked.
void use(const SeriesStore& store) {
  Cursor cursor(store);
  Samples samples;
  for (SeriesId id = 0; id < store.series_count(); ++id) {
    cursor.open(id);
    samples.clear();
    const Instant first{std::numeric_limits<std::int64_t>::min()},
        last{std::numeric_limits<std::int64_t>::max()};
    cursor.read(first, last, samples);
    (void)cursor.births(first, last);
    if (samples.size() > 0) (void)cursor.resets(0, samples.size() - 1);
    (void)store.first_time(id);
  }
}

TEST(ColumnFile, GivesTheStoreThatWasWritten) {
  std::size_t births = 0, ends = 0, chunks = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const SeriesStore store = make_store(seed, 20, 2000);
    const std::string bytes = written(store);
    const auto back = read(bytes);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(test::difference(store, *back), "") << seed;
    ASSERT_EQ(written(*back), bytes) << seed;
    for (SeriesId id = 0; id < store.series_count(); ++id) {
      births += store.view(id)->births->size();
      ends += store.view(id)->ends->size();
      chunks += store.view(id)->column->chunks.size();
    }
  }
  EXPECT_GT(births, 1000u);
  EXPECT_GT(ends, 1000u);
  EXPECT_GT(chunks, 1000u);
}

TEST(ColumnFile, MayGrowOnAfterItWasRead) {
  SeriesStore store = make_store(5, 20, 700);
  auto back = read(written(store));
  ASSERT_TRUE(back);
  for (SeriesId id = 0; id < store.series_count(); ++id)
    for (int i = 0; i < 300; ++i) {
      const Instant time{1'000'000'000 + i};
      ASSERT_TRUE(store.append(id, time, i % 7));
      ASSERT_TRUE(back->append(id, time, i % 7));
    }
  EXPECT_EQ(test::difference(store, *back), "");
}

TEST(ColumnFile, IsRefusedWithAnyByteChanged) {
  const std::string bytes = written(make_store(3, 6, 300));
  ASSERT_GT(bytes.size(), 1000u);
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const int change : {1, 0x80, 0xff}) {
      std::string other = bytes;
      other[at] = static_cast<char>(other[at] ^ change);
      const auto back = read(other);
      ASSERT_FALSE(back) << at;
      ASSERT_EQ(back.error().code, ErrorCode::malformed) << at;
    }
}

TEST(ColumnFile, IsRefusedCutShortOrLengthened) {
  const std::string bytes = written(make_store(3, 6, 300));
  for (std::size_t size = 0; size < bytes.size(); ++size) ASSERT_FALSE(read(bytes.substr(0, size))) << size;
  ASSERT_FALSE(read(bytes + "x"));
  ASSERT_FALSE(read(bytes + bytes));
}

TEST(ColumnFile, IsRefusedForAnotherKeyVersionOrByteOrder) {
  const std::string bytes = written(make_store(3, 6, 300));
  ASSERT_TRUE(read(made_good(bytes)));
  ASSERT_FALSE(read(bytes, {7, 12}));
  ASSERT_FALSE(read(bytes, {11, 7}));
  for (const std::size_t at : {0, 8, 12, 15}) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 3);
    ASSERT_FALSE(read(made_good(other))) << at;
  }
}

TEST(ColumnFile, HoldsNoMoreThanTheLimitsAllow) {
  const SeriesStore store = make_store(3, 6, 300);
  const std::string bytes = written(store);
  Limits limits;
  limits.store_series = store.series_count() - 1;
  ASSERT_EQ(read(bytes, key, limits).error().code, ErrorCode::limit_exceeded);
  limits = Limits{};
  limits.store_bytes = store.bytes() / 2;
  ASSERT_EQ(read(bytes, key, limits).error().code, ErrorCode::limit_exceeded);
}

TEST(ColumnFile, IsNotMadeOfAStoreThatForgot) {
  SeriesStore store{Limits{}};
  const SeriesId id = *store.series(Labels(std::vector<Labels::Pair>{{"__name__", "m"}}));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(store.append(id, Instant{i}, i));
  store.retain_from(Instant{500});
  MemoryFile file;
  EXPECT_FALSE(write_columns(store, key, file));
}

// Bytes that are changed on purpose, with a digest that says that they are good.
TEST(ColumnFile, BelievesNothing) {
  std::mt19937_64 random(1);
  std::size_t refused = 0, taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = written(make_store(random() % 50, 5, 300));
    for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
      const std::size_t body = bytes.size() - 48 - 16;
      if (body < 2) break;
      const std::size_t at = 40 + random() % (body + 8);
      if (random() % 4 == 0)
        bytes.erase(at, 1 + random() % std::min<std::size_t>(4, bytes.size() - 16 - at));
      else
        bytes[at] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    if (const auto back = read(made_good(bytes))) {
      use(*back);
      ++taken;
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000u);
  EXPECT_GT(taken, 2000u);
}

}  // namespace
}  // namespace signalbox::store
