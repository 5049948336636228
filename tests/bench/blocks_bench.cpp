// A Prometheus data directory: what decoding its samples costs, alone, through a TsdbHistory, and into the
// store; and how many bytes a sample takes there and here.
//   build/tests/blocks_bench [DIRECTORY] [METRIC, a regex] [ROUNDS]
// Without a directory: 64 counters of 9 days every 15 s in blocks of three days, in memory.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/sources/blocks.hpp"
#include "runtime/sources/tsdb_history.hpp"
#include "runtime/store/chunk.hpp"
#include "tests/bench/block_chunks.hpp"
#include "tests/bench/measure.hpp"
#include "tests/support/memory_folders.hpp"

namespace {

using namespace signalbox;
using sources::TsdbHistory;
namespace tsdb = formats::tsdb;

struct Cost {
  double cpu, wall;
};
Cost measure(const std::function<void()>& work) {
  const double cpu = bench::cpu(), wall = bench::wall();
  work();
  return {bench::cpu() - cpu, bench::wall() - wall};
}
// The least of the rounds.
Cost least(int rounds, const std::function<void()>& work) {
  Cost best = measure(work);
  for (int i = 1; i < rounds; ++i) {
    const Cost cost = measure(work);
    best = {std::min(best.cpu, cost.cpu), std::min(best.wall, cost.wall)};
  }
  return best;
}

// Requests a scrape as services have them: some hundreds, more or less. A server that keeps up scrapes to the
// millisecond.
void make_up(test::MemoryFolders& folders) {
  std::mt19937_64 rng(1);
  std::vector<double> counters(64, 0);
  constexpr std::int64_t day = 86'400'000, every = 15'000;
  for (int b = 0; b < 3; ++b) {
    std::vector<test::TsdbSeries> series;
    const std::int64_t from = 1'700'006'400'000 + b * 3 * day;
    for (std::size_t s = 0; s < counters.size(); ++s) {
      series.push_back({{{"__name__", "http_requests_total"}, {"instance", fmt::format("i{:02}", s)}}, {}});
      for (std::int64_t t = from; t < from + 3 * day;) {
        std::vector<test::TsdbSample> samples;
        for (; samples.size() < 120 && t < from + 3 * day; t += every)
          samples.push_back({t, counters[s] += static_cast<double>(rng() % (s % 8 == 0 ? 2 : 400))});
        series.back().chunks.push_back(test::xor_chunk(samples));
      }
    }
    const std::string ulid = fmt::format("01AAAAAAAAAAAAAAAAAAAAAAA{}", b);
    folders.put_block(ulid, test::make_block(series, ulid, from, from + 3 * day, 2, 1'000'000));
  }
}

// Bytes a sample of full chunks: ours with their entry in the list of chunks, Prometheus' as they stand in a
// segment.
void compare_sizes(const TsdbHistory& history) {
  TsdbHistory::Reader reader(history);
  sources::SeriesSamples series;
  std::size_t ours = 0, our_samples = 0, theirs = 0, their_samples = 0;
  for (std::size_t s = 0; s < history.size(); ++s) {
    if (!reader.read(s, series)) return;
    const std::span<const std::int64_t> times = series.samples.times;
    const std::span<const double> values = series.samples.values;
    for (std::size_t at = 0; at + store::chunk_samples <= times.size(); at += store::chunk_samples) {
      std::vector<char> packed;
      store::pack(times.subspan(at, store::chunk_samples), values.subspan(at, store::chunk_samples), packed);
      ours += packed.size() + 16;
      our_samples += store::chunk_samples;
    }
    for (std::size_t at = 0; at + 120 <= times.size(); at += 120) {
      std::vector<test::TsdbSample> samples;
      for (std::size_t i = at; i < at + 120; ++i) samples.push_back({times[i], values[i]});
      theirs += test::chunk_frame(test::xor_chunk(samples)).size();
      their_samples += 120;
    }
  }
  if (our_samples == 0) return;
  const double our_bytes = static_cast<double>(ours) / static_cast<double>(our_samples),
               their_bytes = static_cast<double>(theirs) / static_cast<double>(their_samples);
  fmt::print("full chunks: {:.3f} bytes a sample here, {:.3f} in Prometheus' chunks of 120: {:.2f}\n",
             our_bytes, their_bytes, our_bytes / their_bytes);
}

void report(const char* what, const Cost& cost, std::size_t samples) {
  const double n = static_cast<double>(samples);
  fmt::print("{:<44} {:8.2f} ns/sample CPU {:8.2f} ns/sample wall\n", what, cost.cpu / n * 1e9,
             cost.wall / n * 1e9);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "data", name = argc > 2 ? argv[2] : ".+";
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  std::unique_ptr<ForeignFolders> folders = net::make_posix_folders();
  if (argc < 2) {
    auto made_up = std::make_unique<test::MemoryFolders>();
    make_up(*made_up);
    folders = std::move(made_up);
  }
  plan::Plan plan;
  plan.leaves.emplace_back();
  plan.leaves[0].matchers = {{"__name__", MatchOp::regex, name}};

  {
    const bench::Chunks chunks = bench::chunks_of(*folders, directory);
    if (chunks.samples == 0) {
      fmt::print("{} has no blocks with XOR chunks\n", directory);
      return 1;
    }
    std::vector<std::int64_t> times(tsdb::most_chunk_samples);
    std::vector<double> values(tsdb::most_chunk_samples);
    double sum = 0;
    report("all chunks in memory, decoded and summed",
           least(rounds,
                 [&] {
                   for (const std::string_view data : chunks.data) {
                     tsdb::decode_xor(data, times.data(), values.data());
                     for (std::size_t i = 0; i < tsdb::chunk_samples(data); ++i) sum += values[i];
                   }
                 }),
           chunks.samples);
    fmt::print("{} samples in {} chunks, {:.3f} bytes a sample in blocks (sum {:.3g})\n", chunks.samples,
               chunks.data.size(), static_cast<double>(chunks.bytes) / static_cast<double>(chunks.samples),
               sum);
  }

  const auto history = TsdbHistory::open(
      *folders, directory, {{plan.leaves[0].matchers}, Instant{INT64_MIN}, Instant{INT64_MAX}}, Limits{});
  if (!history) {
    fmt::print("{}\n", history.error().message);
    return 1;
  }
  std::size_t samples = 0, ends = 0;
  const auto read_every = [&](std::size_t first, std::size_t step, double& sum, std::size_t& count,
                              std::size_t& markers) {
    TsdbHistory::Reader reader(*history);
    sources::SeriesSamples out;
    for (std::size_t s = first; s < history->size(); s += step) {
      if (const auto read = reader.read(s, out); !read) {
        fmt::print("{}\n", read.error().message);
        return;
      }
      for (const double v : out.samples.values) sum += v;
      count += out.samples.size();
      markers += out.ends.size();
    }
  };
  const Cost streamed = least(rounds, [&] {
    double sum = 0;
    samples = ends = 0;
    read_every(0, 1, sum, samples, ends);
  });
  fmt::print("{} series selected\n", history->size());
  compare_sizes(*history);
  report("series by series from files, summed", streamed, samples);
  report("the same on two threads",
         least(rounds,
               [&] {
                 double sums[2] = {};
                 std::size_t counts[2] = {}, markers[2] = {};
                 std::thread other([&] { read_every(1, 2, sums[1], counts[1], markers[1]); });
                 read_every(0, 2, sums[0], counts[0], markers[0]);
                 other.join();
               }),
         samples);

  store::SeriesStore store{Limits{}};
  const Cost loaded = least(std::min(rounds, 2), [&] {
    const auto done = sources::load_blocks(*folders, directory, plan, {}, {}, Limits{}, store, {});
    if (!done) fmt::print("{}\n", done.error().message);
  });
  report("into the store", loaded, samples);
  std::size_t label_bytes = 0;
  for (store::SeriesId id = 0; id < store.series_count(); ++id)
    label_bytes += store::SeriesStore::series_bytes(store.labels(id));
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("store: {:.3f} bytes a sample ({:.3f} without labels), peak memory of the process {} MiB\n",
             static_cast<double>(store.bytes()) / static_cast<double>(store.sample_count()),
             static_cast<double>(store.bytes() - label_bytes) / static_cast<double>(store.sample_count()),
             usage.ru_maxrss / 1024);
  return 0;
}
