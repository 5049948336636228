// A replay that reads a data directory SLO by SLO against one that has loaded all of it: the same events,
// budgets and counts, while series come late, end, come again, have gaps and reset, and blocks are damaged.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "compiler/lower/compile.hpp"
#include "runtime/loop/directory_replay.hpp"
#include "runtime/plan/check_plan.hpp"
#include "runtime/plan/slice.hpp"
#include "runtime/sources/blocks.hpp"
#include "tests/support/memory_folders.hpp"

namespace signalbox::loop {
namespace {

using Rng = std::mt19937_64;
constexpr std::int64_t start = 1'700'006'400'000, every = 15'000, block_length = 7'200'000, blocks = 4;

const std::string program = R"(
tick 30s
source s is scrape { url "http://127.0.0.1:1/metrics" }
receiver oncall is webhook { url "http://pager/hook" }
metric depth is gauge with (region)
slo web per (region) max 4 {
  indicator bad req_total{code="500"} of req_total  objective 99% over 1d
  burn { page 10 over 10m & 1m  page 5 over 30m & 3m  ticket 2 over 1h & 5m }
  missing keep for 4m then page  page oncall  ticket oncall
}
slo north { indicator good req_total{code="200",region="north"} of req_total{region="north"}  objective 90% over 6h
  burn { page 2 over 20m & 2m }  floor 100 bad  missing keep for 2m then ticket  page oncall  ticket oncall }
slo calm per (region) max 5 { indicator slices of 1m where max by (region) (depth) > 400  objective 90% over 1h
  burn { page 2 over 10m & 2m }  page oncall }
slo unseen { indicator bad req_total{code="599"} of req_total  objective 99% over 1d  burn { page 10 over 1h & 5m }  page oncall }
slo absent { indicator bad nothing_total{code="500"} of nothing_total  objective 99% over 1d  burn { page 10 over 1h & 5m }  page oncall }
)";

struct Written {
  bool with_up = false;
  bool ends_in_log = false;  // what would be the last block
  bool deletions = false;  // in the first block: of each series in turn its begin, or something in the middle
};

// Requests of four regions in blocks of two hours.
void write_blocks(test::MemoryFolders& folders, std::uint64_t seed, Written how) {
  Rng rng(seed);
  const auto chance = [&](int percent) { return static_cast<int>(rng() % 100) < percent; };
  struct One {
    test::TsdbLabels labels;
    std::int64_t from, to, gap;  // scrapes
    bool is_gauge, is_up;
    double value = 0;
  };
  std::vector<One> all;
  constexpr std::int64_t scrapes = blocks * block_length / every;
  const auto some = [&](std::int64_t n) {
    return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
  };
  for (const char* region : {"east", "north", "south", "west"}) {
    for (const char* code : {"200", "500"})
      all.push_back({{{"__name__", "req_total"},
                      {"code", code},
                      {"instance", region},
                      {"job", "web"},
                      {"region", region}},
                     chance(50) ? 0 : some(scrapes / 2),
                     chance(60) ? scrapes : scrapes - some(scrapes / 3),
                     some(scrapes),
                     false,
                     false});
    all.push_back({{{"__name__", "depth"}, {"instance", region}, {"job", "web"}, {"region", region}},
                   0,
                   scrapes,
                   some(scrapes),
                   true,
                   false});
    if (how.with_up)
      all.push_back(
          {{{"__name__", "up"}, {"instance", region}, {"job", "web"}}, 0, scrapes, -1, false, true});
  }
  std::sort(all.begin(), all.end(), [](const One& a, const One& b) { return a.labels < b.labels; });
  for (std::int64_t b = 0; b < blocks; ++b) {
    std::vector<test::TsdbSeries> series;
    std::vector<std::pair<std::uint64_t, test::TsdbLabels>> numbered;
    std::vector<test::WalSample> logged;
    for (One& one : all) {
      numbered.emplace_back(numbered.size() + 1, one.labels);
      std::vector<test::TsdbChunk> chunks;
      std::vector<test::TsdbSample> samples;
      bool bad_time = chance(25);
      for (std::int64_t i = b * block_length / every; i < (b + 1) * block_length / every; ++i) {
        const std::int64_t time = start + i * every;
        if (chance(1)) bad_time = !bad_time;
        const bool errors = one.labels[1].second == "500";
        const double step = errors ? (bad_time ? 40 : 0.1) : 100;
        one.value = one.is_up        ? 1
                    : one.is_gauge   ? static_cast<double>(rng() % 600)
                    : i % 977 == 976 ? step
                                     : one.value + std::floor(step * static_cast<double>(rng() % 3));
        const auto add = [&](double value) {
          samples.push_back({time, value});
          logged.push_back({numbered.size(), time, value});
        };
        if (i == one.to) add(stale_marker());
        const bool out = i < one.from || i >= one.to || (one.gap >= 0 && i >= one.gap && i < one.gap + 40);
        if (!out && !chance(1)) add(one.value);
        if (samples.size() == 120) {
          chunks.push_back(test::xor_chunk(samples));
          samples.clear();
        }
      }
      if (!samples.empty()) chunks.push_back(test::xor_chunk(samples));
      if (!chunks.empty()) series.push_back({one.labels, std::move(chunks)});
    }
    if (how.ends_in_log && b + 1 == blocks) {
      std::stable_sort(logged.begin(), logged.end(),
                       [](const auto& x, const auto& y) { return x.time < y.time; });
      folders.files["data/wal/00000000"] =
          test::wal_segment({test::series_record(numbered), test::samples_record(logged)});
      continue;
    }
    const std::string ulid = fmt::format("01AAAAAAAAAAAAAAAAAAAAAAA{}", b);
    const std::int64_t from = start + b * block_length;
    const test::TsdbBlock block = test::make_block(series, ulid, from, from + block_length);
    std::vector<test::TsdbTombstone> deleted;
    for (std::size_t s = 0; how.deletions && b == 0 && s < series.size(); ++s)
      deleted.push_back({test::series_reference(block, s), from + (s % 3 == 0 ? 0 : 2'000'000),
                         from + (s % 3 == 1 ? 2'900'000 : 2'400'000)});
    folders.put_block(ulid, block, deleted.empty() ? "" : test::make_tombstones(deleted));
  }
}

std::string text_of(const Story& story) {
  std::string out;
  for (const decide::Event& e : story.events)
    out += fmt::format("{} {} {} {} {} {} {}\n", e.time.ms, e.kind, e.declaration, to_string(e.labels),
                       e.severity, e.id, e.why);
  for (const auto& slo : story.budgets) {
    out += "slo\n";
    for (const decide::BudgetReading& b : slo) {
      out += fmt::format("{} {} {} {} {} {}", to_string(b.labels), static_cast<int>(b.evidence), b.spent,
                         b.seen, b.coverage, b.remaining);
      for (const auto& burn : b.burns)
        out +=
            fmt::format(" {}={}", static_cast<int>(burn.evidence), std::bit_cast<std::uint64_t>(burn.burn));
      out += "\n";
    }
  }
  for (const std::string& sentence : story.unmatched) out += sentence + "\n";
  return out;
}

void compare(test::MemoryFolders& folders, std::optional<Instant> from, std::optional<Instant> to,
             std::size_t& events, std::size_t& left_out) {
  const lower::Compiled compiled = lower::compile({{"p.slo", program}}, {});
  ASSERT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
  const plan::Plan& plan = *compiled.plan;
  ASSERT_TRUE(plan::is_slo_by_slo(plan));

  store::SeriesStore store{Limits{}};
  const auto loaded = sources::load_blocks(folders, "data", plan, from, to, Limits{}, store, {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  StoriesOptions options;
  options.engine.tier = eval::Tier::interpreter;
  options.semantics = Semantics::prometheus2;
  options.from = from.value_or(loaded->load.first);
  options.to = to.value_or(loaded->load.last);
  const Story want = std::move(replay_all({&plan}, store, options)[0]);

  auto directory = DirectoryReplay::open(folders, "data", plan, from, to, Limits{});
  ASSERT_TRUE(directory) << directory.error().message;
  for (const unsigned threads : {1u, 3u}) {
    options.threads = threads;
    Result<std::optional<Streamed>> replayed = std::optional<Streamed>();
    for (int tries = 0; tries < 3 && replayed && !*replayed; ++tries) replayed = directory->replay(options);
    ASSERT_TRUE(replayed) << replayed.error().message;
    ASSERT_TRUE(*replayed);
    const std::optional<Streamed>& have = *replayed;
    EXPECT_EQ(directory->extent()->first, loaded->load.first);
    EXPECT_EQ(directory->extent()->second, loaded->load.last);
    EXPECT_EQ(text_of(have->story), text_of(want));
    EXPECT_EQ(have->story.ticks, want.ticks);
    EXPECT_EQ(have->story.result.last, want.result.last);
    EXPECT_EQ(directory->samples(), loaded->load.samples);
    EXPECT_GT(have->most_bytes, 0u);
    EXPECT_EQ(directory->notices().size(), loaded->notices.size());
  }
  events += want.events.size();
  left_out += loaded->notices.size();
}

TEST(Stream, IsWhatAReplayOfEverythingSays) {
  std::size_t events = 0, left_out = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    test::MemoryFolders folders;
    write_blocks(folders, seed, {.with_up = seed % 2 == 0});
    compare(folders, {}, {}, events, left_out);
    compare(folders, Instant{start + 5'000'000}, Instant{start + 20'000'000}, events, left_out);
  }
  EXPECT_GT(events, 100u);
  EXPECT_EQ(left_out, 0u);
}

TEST(Stream, SeesTheLogAndWhatWasDeleted) {
  std::size_t events = 0, left_out = 0;
  for (std::uint64_t seed = 11; seed <= 14; ++seed) {
    test::MemoryFolders folders;
    write_blocks(folders, seed, {.with_up = seed % 2 == 0, .ends_in_log = true, .deletions = true});
    compare(folders, {}, {}, events, left_out);
    compare(folders, Instant{start + 1'000'000}, {}, events, left_out);
  }
  EXPECT_GT(events, 80u);
  EXPECT_EQ(left_out, 0u);
}

TEST(Stream, LeavesADamagedBlockOutAsAWhole) {
  std::size_t events = 0, left_out = 0;
  for (const std::int64_t damaged : {0, 2, 3}) {
    test::MemoryFolders folders;
    write_blocks(folders, 7, {.with_up = true});
    std::string& bytes =
        folders.files.at(fmt::format("data/01AAAAAAAAAAAAAAAAAAAAAAA{}/chunks/000001", damaged));
    bytes[bytes.size() / 2] ^= 1;
    compare(folders, {}, {}, events, left_out);
  }
  EXPECT_GT(events, 20u);
  EXPECT_EQ(left_out, 3u);
}

TEST(Stream, ASliceIsAPlan) {
  const lower::Compiled compiled = lower::compile({{"p.slo", program}}, {});
  ASSERT_TRUE(compiled.plan);
  plan::Slicer slicer(*compiled.plan);
  for (plan::Index slo = 0; slo < compiled.plan->slos.size(); ++slo) {
    const plan::Plan slice = slicer.slice(slo);
    EXPECT_EQ(plan::to_bytes(slice, true), plan::to_bytes(plan::Slicer(*compiled.plan).slice(slo), true));
    EXPECT_TRUE(plan::from_bytes(plan::to_bytes(slice, true)));
    EXPECT_EQ(slice.slos.size(), 1u);
    EXPECT_EQ(slice.slos[0].name, compiled.plan->slos[slo].name);
    EXPECT_LT(slice.nodes.size(), compiled.plan->nodes.size());
  }
}

TEST(Stream, EndsWhenItIsInterrupted) {
  test::MemoryFolders folders;
  write_blocks(folders, 1, {});
  const lower::Compiled compiled = lower::compile({{"p.slo", program}}, {});
  auto directory = DirectoryReplay::open(folders, "data", *compiled.plan, {}, {}, Limits{});
  ASSERT_TRUE(directory);
  StoriesOptions options;
  options.from = directory->extent()->first;
  options.to = directory->extent()->second;
  int asked = 0;
  options.interrupted = [&] { return ++asked > 3; };
  const auto have = directory->replay(options);
  ASSERT_TRUE(have && *have);
  EXPECT_FALSE((*have)->story.whole());
  EXPECT_TRUE((*have)->story.events.empty());
  EXPECT_TRUE((*have)->story.budgets.empty());
}

}  // namespace
}  // namespace signalbox::loop
