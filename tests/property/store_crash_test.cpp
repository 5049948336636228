// The store under a machine that dies, or a disk that fails, at every operation there is.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "runtime/journal/sqlite_store.hpp"
#include "tests/support/crash_disk.hpp"
#include "tests/support/store.hpp"

namespace signalbox::journal {
namespace {

using test::commit;
using test::CrashDisk;
using test::read;
using test::read_fence;

const std::string path = "/state/store.db";
constexpr int transactions = 10;

// Entries and the fence; versions left out, since a model that knew them would have to be the store.
struct State {
  std::map<std::string, std::string> entries;
  std::uint64_t fence = 0;
  bool operator==(const State&) const = default;
};

StoreTransaction transaction(std::uint64_t seed, int i) {
  std::mt19937_64 random(seed * 1000 + static_cast<std::uint64_t>(i));
  StoreTransaction t;
  t.fence = static_cast<std::uint64_t>(i / 3 + 1);
  for (std::uint64_t n = 1 + random() % 4; n > 0; --n) {
    const std::string key = "key" + std::to_string(random() % 5);
    if (random() % 4 == 0) {
      t.puts.push_back({key, std::nullopt});
    } else {
      // Short ones, and ones over several pages.
      t.puts.push_back({key, std::string(random() % 3 == 0 ? random() % 20'000 : random() % 50,
                                         static_cast<char>('a' + random() % 26))});
    }
  }
  return t;
}

State after(State state, const StoreTransaction& t) {
  for (const auto& [key, value] : t.puts) {
    if (value) {
      state.entries[key] = *value;
    } else {
      state.entries.erase(key);
    }
  }
  state.fence = t.fence;
  return state;
}

std::optional<State> look(TransactionStore& store) {
  auto entries = read(store);
  auto fence = read_fence(store);
  if (!entries || !fence) return {};
  State state;
  for (auto& e : *entries) state.entries[e.key] = e.value;
  state.fence = *fence;
  return state;
}

std::unique_ptr<CrashDisk> new_disk() {
  auto disk = std::make_unique<CrashDisk>();
  EXPECT_TRUE(disk->make_directory("/state"));
  EXPECT_TRUE(disk->sync_directory("/"));
  return disk;
}

// What may be found after a crash: `sure`, or `perhaps` when the last answer was unknown.
struct Expected {
  State sure;
  std::optional<State> perhaps;
};

Expected run_until_death(CrashDisk& disk, std::uint64_t seed) {
  Expected expected;
  auto store = open_sqlite_store(disk, path);
  if (!store) return expected;
  for (int i = 0; i < transactions; ++i) {
    const StoreTransaction t = transaction(seed, i);
    const State next = after(expected.sure, t);
    switch (commit(**store, t)) {
      case CommitOutcome::committed:
        expected.sure = next;
        break;
      case CommitOutcome::unknown:
        expected.perhaps = next;
        return expected;
      case CommitOutcome::conflict:
        ADD_FAILURE() << "nobody else writes";
    }
  }
  return expected;
}

void expect_found(const std::optional<State>& found, const Expected& expected) {
  ASSERT_TRUE(found);
  EXPECT_TRUE(*found == expected.sure || (expected.perhaps && *found == *expected.perhaps));
}

// `survivors`: the seed of what outlives the crash, or nothing.
void crash_everywhere(std::uint64_t seed, std::optional<std::uint64_t> survivors) {
  std::uint64_t n = 1;
  for (;; ++n) {
    SCOPED_TRACE("crash at operation " + std::to_string(n));
    auto disk = new_disk();
    disk->fail_at(n);
    const Expected expected = run_until_death(*disk, seed);
    const bool died = disk->dead();
    disk->reboot(survivors ? std::optional(*survivors + n) : std::nullopt);
    auto store = open_sqlite_store(*disk, path);
    ASSERT_TRUE(store) << store.error().message;
    const auto found = look(**store);
    expect_found(found, expected);
    if (::testing::Test::HasFailure()) return;
    // And it goes on as if nothing had been.
    const StoreTransaction more = transaction(seed + 1, transactions);
    ASSERT_EQ(commit(**store, more), CommitOutcome::committed);
    disk->reboot(survivors);
    auto again = open_sqlite_store(*disk, path);
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_EQ(look(**again), after(*found, more));
    if (!died) break;
  }
  // One commit alone takes more operations than this.
  EXPECT_GT(n, static_cast<std::uint64_t>(transactions) * 5);
}

TEST(StoreCrash, NothingUnsyncedSurvives) {
  for (std::uint64_t seed : {1, 2, 3}) crash_everywhere(seed, {});
}

TEST(StoreCrash, ASeededPartSurvives) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) crash_everywhere(seed % 3, seed * 7919);
}

// The second crash hits the recovery from the first. What a reader has seen in between must stay.
TEST(StoreCrash, RecoveryMayCrashToo) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    bool first_died = true;
    for (std::uint64_t n = 1; first_died; ++n) {
      bool second_died = true;
      for (std::uint64_t m = 1; second_died; ++m) {
        SCOPED_TRACE("crash at " + std::to_string(n) + ", then at " + std::to_string(m));
        auto disk = new_disk();
        disk->fail_at(n);
        Expected expected = run_until_death(*disk, seed);
        first_died = disk->dead();
        disk->reboot(seed == 1 ? std::nullopt : std::optional(n * 31 + m));
        disk->fail_at(m);
        if (auto store = open_sqlite_store(*disk, path)) {
          if (const auto seen = look(**store)) {
            expect_found(seen, expected);
            expected = {*seen, {}};
          }
        }
        second_died = disk->dead();
        disk->reboot(seed == 1 ? std::nullopt : std::optional(n * 37 + m));
        auto store = open_sqlite_store(*disk, path);
        ASSERT_TRUE(store) << store.error().message;
        expect_found(look(**store), expected);
        if (HasFailure()) return;
      }
    }
  }
}

// One operation fails and the process lives on: an unknown outcome is settled by reading, and stays settled
// over a crash afterwards.
TEST(StoreErrors, EveryOperationMayFailOnce) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    bool was_hit = true;
    for (std::uint64_t n = 1; was_hit; ++n) {
      SCOPED_TRACE("error at operation " + std::to_string(n));
      auto disk = new_disk();
      const std::uint64_t last = disk->operations() + n;
      disk->error_at(n);
      auto store = open_sqlite_store(*disk, path);
      if (!store) store = open_sqlite_store(*disk, path);
      ASSERT_TRUE(store) << store.error().message;
      State state;
      for (int i = 0; i < transactions; ++i) {
        const StoreTransaction t = transaction(seed, i);
        const State next = after(state, t);
        const CommitOutcome outcome = commit(**store, t);
        ASSERT_NE(outcome, CommitOutcome::conflict);
        if (outcome == CommitOutcome::committed) {
          state = next;
          continue;
        }
        auto found = look(**store);
        if (!found) found = look(**store);
        ASSERT_TRUE(found);
        ASSERT_TRUE(*found == state || *found == next);
        state = *found;
        if (seed % 2 == 0) break;
      }
      was_hit = disk->operations() >= last;
      disk->reboot(seed > 2 ? std::optional(n) : std::nullopt);
      auto again = open_sqlite_store(*disk, path);
      ASSERT_TRUE(again) << again.error().message;
      ASSERT_EQ(look(**again), state);
    }
  }
}

}  // namespace
}  // namespace signalbox::journal
