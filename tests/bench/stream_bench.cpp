// A replay of a data directory, SLO by SLO on all cores, against decoding the same chunks and summing them.
//   build/tests/stream_bench make DIRECTORY SLOS DAYS [EVERY SECONDS] [LATE MS] [OUTAGE DAYS]
//     blocks of three days, and rules.slo; an outage in each of so many days, 3 if nothing is said
//   build/tests/stream_bench run DIRECTORY [ROUNDS]
// Without arguments: 1,000 SLOs over 30 days with an outage in each, made (580 MB), run and removed.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "compiler/lower/compile.hpp"
#include "runtime/formats/tsdb_bytes.hpp"
#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/loop/directory_replay.hpp"
#include "runtime/net/posix_disk.hpp"
#include "tests/bench/block_chunks.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/opponents/decode_chunks.hpp"
#include "tests/support/tsdb_writer.hpp"

namespace {

using namespace signalbox;
namespace fs = std::filesystem;
namespace tsdb = formats::tsdb;

// Requests and errors of services: one in a thousand where all is well is a tenth of that, and half of them
// for twenty minutes in a block of each `outage_days`.
int make(const fs::path& directory, std::int64_t slos, std::int64_t days, std::int64_t every,
         std::int64_t late, std::int64_t outage_days) {
  constexpr std::int64_t day = 86'400'000, start = 1'700'006'400'000;
  fs::create_directories(directory);
  std::ofstream rules(directory / "rules.slo");
  rules << "tick 60s\nsource s is scrape { url \"http://127.0.0.1:1/metrics\" }\n"
           "receiver oncall is webhook { url \"http://127.0.0.1:1/hook\" }\n";
  for (std::int64_t s = 0; s < slos; ++s)
    rules << fmt::format(
        "slo s{0} {{ indicator bad bad_total{{svc=\"{0}\"}} of all_total{{svc=\"{0}\"}}  objective 99.9% "
        "over 30d\n"
        "  burn {{ page 14.4 over 1h & 5m  page 6 over 6h & 30m  ticket 3 over 1d & 2h  ticket 1 over 3d & "
        "6h }}\n"
        "  page oncall  ticket oncall }}\n",
        s);
  std::mt19937_64 random(1);
  std::vector<double> bad(static_cast<std::size_t>(slos)), all(bad);
  for (std::int64_t from = 0; from < days * day; from += 3 * day) {
    const std::int64_t to = std::min(from + 3 * day, days * day);
    std::vector<test::TsdbSeries> series(2 * static_cast<std::size_t>(slos));
    std::vector<std::string> names;
    for (std::int64_t s = 0; s < slos; ++s) names.push_back(std::to_string(s));
    std::sort(names.begin(), names.end());
    for (std::size_t s = 0; s < names.size(); ++s) {
      series[s].labels = {{"__name__", "all_total"}, {"svc", names[s]}};
      series[s + names.size()].labels = {{"__name__", "bad_total"}, {"svc", names[s]}};
      const std::int64_t block = from / (3 * day),
                         blocks_an_outage = std::max<std::int64_t>(1, outage_days / 3);
      const bool has_outage = (block + static_cast<std::int64_t>(s)) % blocks_an_outage == 0;
      const std::int64_t outage = from + static_cast<std::int64_t>(random() % 70) * 3'600'000;
      std::vector<test::TsdbSample> requests, errors;
      for (std::int64_t t = from; t < to; t += every) {
        const std::uint64_t n = 1000 + random() % 1000;
        const bool out = has_outage && t >= outage && t < outage + 1'200'000;
        all[s] += static_cast<double>(n);
        const std::uint64_t failed = out ? n / 2 : random() % 10 == 0 ? 1 : 0;
        bad[s] += static_cast<double>(failed);
        const std::int64_t at =
            start + t +
            (late > 0 ? static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(late)) : 0);
        requests.push_back({at, all[s]});
        errors.push_back({at, bad[s]});
        if (requests.size() < 120 && t + every < to) continue;
        series[s].chunks.push_back(test::xor_chunk(requests));
        series[s + names.size()].chunks.push_back(test::xor_chunk(errors));
        requests.clear();
        errors.clear();
      }
    }
    const std::string ulid = fmt::format("01AAAAAAAAAAAAAAAAAAAAAA{:02}", from / (3 * day));
    test::write_block(directory.string(), ulid,
                      test::make_block(series, ulid, start + from, start + to, 2, 1'000'000));
  }
  return 0;
}

// All chunks, decoded and summed, as many at a time as keep `threads` busy.
DecodedSums decode_all(DecodeChunks* decode, const std::vector<EncodedChunk>& chunks, unsigned threads) {
  std::atomic<std::size_t> next = 0;
  std::vector<DecodedSums> sums(threads);
  const auto work = [&](unsigned self) {
    constexpr std::size_t many = 256;
    DecodedSums sum{0, 0};
    for (std::size_t from = next.fetch_add(many); from < chunks.size(); from = next.fetch_add(many)) {
      const DecodedSums here = decode(chunks.data() + from, std::min(many, chunks.size() - from));
      sum.values += here.values;
      sum.times = tsdb::wrapping_add(sum.times, here.times);
    }
    sums[self] = sum;
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& one : others) one.join();
  for (unsigned i = 1; i < threads; ++i) {
    sums[0].values += sums[i].values;
    sums[0].times = tsdb::wrapping_add(sums[0].times, sums[i].times);
  }
  return sums[0];
}

// The same by what reads them for the replay.
DecodedSums sums_of(const bench::Chunks& chunks) {
  std::vector<std::int64_t> times(tsdb::most_chunk_samples);
  std::vector<double> values(tsdb::most_chunk_samples);
  DecodedSums out{0, 0};
  for (const std::string_view data : chunks.data) {
    tsdb::decode_xor(data, times.data(), values.data());
    for (std::size_t k = 0; k < tsdb::chunk_samples(data); ++k) {
      out.values += values[k];
      out.times = tsdb::wrapping_add(out.times, times[k]);
    }
  }
  return out;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int run(const std::string& directory, int rounds) {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  const lower::Compiled compiled =
      lower::compile({{"rules.slo", read_text(fs::path(directory) / "rules.slo")}}, {});
  if (!compiled.plan) {
    fmt::print("{}", source::render_text(compiled.diagnostics, compiled.sources));
    return 1;
  }
  const auto folders = net::make_posix_folders();
  std::vector<double> ours, gnu, clang, walls;
  std::size_t samples = 0, events = 0, most = 0, chunk_samples = 0;
  long before_opponent = 0;
  const auto one = [&]() -> bool {
    const double cpu = bench::cpu(), wall = bench::wall();
    auto replay = loop::DirectoryReplay::open(*folders, directory, *compiled.plan, {}, {}, Limits{});
    if (!replay || !replay->extent()) return false;
    loop::StoriesOptions options;
    options.engine.tier = eval::Tier::interpreter;
    options.semantics = Semantics::prometheus2;
    options.from = replay->extent()->first;
    options.to = replay->extent()->second;
    options.threads = threads;
    const auto streamed = replay->replay(options);
    if (!streamed || !*streamed) {
      fmt::print("{}\n", streamed ? "a block is damaged" : streamed.error().message);
      return false;
    }
    ours.push_back(bench::cpu() - cpu);
    walls.push_back(bench::wall() - wall);
    samples = replay->samples();
    events = (*streamed)->story.events.size();
    most = (*streamed)->most_bytes;
    return true;
  };
  if (!one()) return 1;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  before_opponent = usage.ru_maxrss;
  ours.clear();
  walls.clear();
  const bench::Chunks chunks = bench::chunks_of(*folders, directory);
  chunk_samples = chunks.samples;
  std::vector<EncodedChunk> encoded;
  for (const std::string_view data : chunks.data)
    encoded.push_back({reinterpret_cast<const std::uint8_t*>(data.data())});
  const DecodedSums sums = sums_of(chunks);
  bool same = true;
  for (DecodeChunks* decode : {decode_chunks_gnu, decode_chunks_clang}) {
    const DecodedSums theirs = decode(encoded.data(), encoded.size());
    same = same && theirs.values == sums.values && theirs.times == sums.times;
  }
  for (int i = 0; i < rounds; ++i) {
    if (!one()) return 1;
    const auto opponent = [&](DecodeChunks* decode, std::vector<double>& costs) {
      const double cpu = bench::cpu();
      same = decode_all(decode, encoded, threads).times == sums.times && same;
      costs.push_back(bench::cpu() - cpu);
    };
    opponent(decode_chunks_gnu, gnu);
    opponent(decode_chunks_clang, clang);
  }
  if (chunk_samples != samples) fmt::print("{} samples read, {} in the chunks\n", samples, chunk_samples);
  if (!same) fmt::print("the opponents do not decode what we decode\n");
  const double n = static_cast<double>(samples);
  const auto line = [&](const char* what, const std::vector<double>& costs) {
    fmt::print("{:<21}{} s CPU, {:.2f} ns a sample\n", what, bench::spread(costs),
               bench::median(costs) / n * 1e9);
  };
  fmt::print("{} SLOs, {} samples, {} events, {} threads, {} rounds (sum {:.17g}); {} s by the clock\n",
             compiled.plan->slos.size(), samples, events, threads, rounds, sums.values, bench::spread(walls));
  line("replay from blocks", ours);
  line("by hand, g++", gnu);
  line("by hand, clang", clang);
  fmt::print("ratio to the faster  {}\n", bench::spread(bench::ratios(ours, bench::faster(gnu, clang))));
  fmt::print(
      "samples at hand took {:.1f} MiB at most; the process {:.1f} MiB before the opponent had its chunks\n",
      static_cast<double>(most) / 1048576, static_cast<double>(before_opponent) / 1024);
  return same ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const auto number = [&](int i, std::int64_t otherwise) {
    return argc > i ? std::atoll(argv[i]) : otherwise;
  };
  if (what == "make" && argc > 4)
    return make(argv[2], number(3, 0), number(4, 0), number(5, 15) * 1000, number(6, 0), number(7, 3));
  if (what == "run" && argc > 2) return run(argv[2], static_cast<int>(number(3, 11)));
  if (!what.empty()) {
    fmt::print(stderr,
               "usage: stream_bench [make DIRECTORY SLOS DAYS [EVERY] [LATE] [OUTAGE DAYS] | run DIRECTORY "
               "[ROUNDS]]\n");
    return 2;
  }
  const fs::path directory =
      fs::temp_directory_path() / fmt::format("stream_bench.{}", std::random_device{}());
  // By a process of its own: the replay's memory is told.
  if (const pid_t maker = fork(); maker == 0) {
    _exit(make(directory, 1000, 30, 15'000, 0, 30));
  } else if (int status = 0; maker < 0 || waitpid(maker, &status, 0) != maker || status != 0) {
    fmt::print(stderr, "no data could be made in {}\n", directory.string());
    return 1;
  }
  const int code = run(directory.string(), 11);
  fs::remove_all(directory);
  return code;
}
