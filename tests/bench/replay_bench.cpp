// 27 days of 60 s data, 100 SLOs of 8 windows each, samples in memory, one core: looking for changes and
// deciding (alert state and all), against the loop in opponents/. Pairs are interleaved; medians and spread
// are of CPU time. The opponent is built by two compilers, and of each pair the faster one counts.
//   build/tests/replay_bench [pairs] [slos] [days] [interp|jit] [jitter: ms that samples come late at most]
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/loop/replay.hpp"
#include "runtime/loop/virtual_host.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/opponents/two_ended.hpp"

namespace {

using namespace signalbox;
using namespace signalbox::bench;

struct Service {
  std::vector<std::int64_t> times;
  std::vector<double> good, bad, total;
};

class Counting : public loop::EngineObserver {
 public:
  std::uint64_t fired = 0;
  void event(const decide::Event& e) override { fired += e.kind == "page" || e.kind == "ticket"; }
  void notice(const Error& e) override { fmt::print(stderr, "{}\n", e.message); }
};

}  // namespace

int main(int argc, char** argv) {
  const int pairs = argc > 1 ? std::atoi(argv[1]) : 11, slos = argc > 2 ? std::atoi(argv[2]) : 100,
            days = argc > 3 ? std::atoi(argv[3]) : 27, jitter = argc > 5 ? std::atoi(argv[5]) : 0;
  const eval::Tier tier =
      argc > 4 && std::string_view(argv[4]) == "jit" ? eval::Tier::compiled : eval::Tier::interpreter;
  const auto ticks = static_cast<std::size_t>(days) * 1440;
  const Instant from{1'700'000'040'000};
  std::string text =
      "use std.burn\ntick 1m\nsource s is scrape { url \"http://127.0.0.1:1/metrics\" every 1m  semantics 2 "
      "}\n"
      "metric bad_total is counter with (svc)\nmetric req_total is counter with (svc)\nreceiver r is log { "
      "}\n";
  loop::SeededRandom random(7);
  store::SeriesStore store{Limits{}};
  std::vector<Service> services(static_cast<std::size_t>(slos));
  for (std::size_t s = 0; s < services.size(); ++s) {
    text += fmt::format(
        "slo s{0} {{ indicator bad bad_total{{svc=\"{0}\"}} of req_total{{svc=\"{0}\"}}  objective 99.9% "
        "over 30d  burn std.burn.google  page r  ticket r }}\n",
        s);
    Service& service = services[s];
    const auto bad = *store.series(
        Labels(std::vector<Labels::Pair>{{"__name__", "bad_total"}, {"svc", fmt::format("{}", s)}}));
    const auto req = *store.series(
        Labels(std::vector<Labels::Pair>{{"__name__", "req_total"}, {"svc", fmt::format("{}", s)}}));
    double failed = 0, all = 0;
    const std::size_t begins = random.next() % ticks, lasts = 30 + random.next() % 600;
    for (std::size_t k = 0; k < ticks; ++k) {
      const bool ill = k >= begins && k < begins + lasts;
      const double requests = 6000 + static_cast<double>(random.next() % 400);
      all += requests;
      failed += static_cast<double>(static_cast<int>(requests * (ill ? 0.05 : 0.0003) + random.unit()));
      const Instant at =
          from + minutes(1) * static_cast<std::int64_t>(k) +
          milliseconds(
              jitter > 0 ? static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(jitter)) : 0);
      service.times.push_back(at.ms);
      service.bad.push_back(failed);
      service.total.push_back(all);
      if (!store.append(bad, at, failed) || !store.append(req, at, all)) return 1;
    }
  }
  const lower::Compiled program = lower::compile({{"bench.slo", text}}, {});
  if (!program.plan) {
    fmt::print("{}", source::render_text(program.diagnostics, program.sources));
    return 1;
  }
  const double budget = 0.001;
  const TwoEndedRow rows[] = {{3'600'000, 300'000, 14.4 * budget},
                              {21'600'000, 1'800'000, 6 * budget},
                              {86'400'000, 7'200'000, 3 * budget},
                              {259'200'000, 21'600'000, 1 * budget}};
  std::vector<double> ours, gnu, clang;
  std::uint64_t our_fired = 0, their_fired = 0;
  double checksum = 0;
  bool same = true;
  const auto hand_written = [&](TwoEnded* by, std::vector<double>& times) {
    const double begin = cpu();
    double sum = 0;
    their_fired = 0;
    for (const Service& s : services) {
      const TwoEndedSeries bad{s.times.data(), s.bad.data(), ticks},
          total{s.times.data(), s.total.data(), ticks};
      sum += by(&bad, &total, rows, 4, from.ms, 60'000, ticks, &their_fired);
    }
    times.push_back(cpu() - begin);
    same = same && (checksum == 0 || sum == checksum);
    checksum = sum;
  };
  for (int pair = 0; pair < pairs; ++pair) {
    hand_written(two_ended_gnu, gnu);
    hand_written(two_ended_clang, clang);
    const double begin = cpu();
    Counting counting;
    loop::ReplayOptions options;
    options.engine.tier = tier;
    options.engine.load_compiler = [] { return eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{}); };
    options.semantics = Semantics::prometheus2;
    options.from = from;
    options.ticks = ticks;
    const loop::ReplayResult result = loop::replay(*program.plan, store, counting, options);
    ours.push_back(cpu() - begin);
    our_fired = counting.fired;
    if (pair == 0)
      fmt::print("{} ticks, {} of them decided; rows that became true: {} here, {} there\n", ticks,
                 result.decided, our_fired, their_fired);
  }
  const double values = static_cast<double>(ticks) * slos * 16;
  const auto line = [&](const char* what, const std::vector<double>& v) {
    fmt::print("{:<24} {}  {:.2f} ns a window value\n", what, spread(v, " s"), median(v) / values * 1e9);
  };
  line("replay", ours);
  line("two ends by hand, g++", gnu);
  line("two ends by hand, clang", clang);
  fmt::print("ratio to the faster one  {}; checksum {:.17g}\n", spread(ratios(ours, faster(gnu, clang))),
             checksum);
  return our_fired == their_fired && same ? 0 : 1;
}
