// How costs grow with instances, windows, a window's length, shapes and cores: tables of Markdown, and where
// a directory is given a plot of each. Rounds go over all sizes in turn, so that what else the machine does
// meets all of them; medians and spread.
//   build/tests/growth_bench [DIRECTORY|-] [ROUNDS] [CURVE…]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string_view>
#include <thread>

#include "runtime/loop/replay.hpp"
#include "tests/bench/plot.hpp"
#include "tests/bench/ticking.hpp"

namespace {

using namespace signalbox;
using namespace signalbox::bench;

struct Size {
  double x;
  std::function<double()> measure;
};
// A measurement of each size a round.
PlotSeries in_turn(std::string name, const std::vector<Size>& sizes, int rounds) {
  std::vector<std::vector<double>> values(sizes.size());
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < sizes.size(); ++i) values[i].push_back(sizes[i].measure());
  PlotSeries out{std::move(name), {}};
  for (std::size_t i = 0; i < sizes.size(); ++i) out.points.push_back(point(sizes[i].x, values[i]));
  return out;
}

Limits roomy() {
  Limits limits;
  limits.store_bytes = std::size_t{8} << 30;
  return limits;
}

// One SLO of four rows over N instances: the ticks after the first.
Plot instances(int rounds) {
  Plot plot{"A tick: one SLO of four burn rows over N instances",
            {"instances", true},
            {"ms of CPU a tick", true},
            {{"interpreter", {}}, {"compiled", {}}}};
  for (const int count : {1, 10, 100, 1'000, 10'000, 30'000}) {
    store::SeriesStore store{roomy()};
    fill(store, count, 6 * 60, rounds + 1);
    const plan::Plan plan = plan_of(one_slo(count));
    for (const int s : {0, 1}) {
      const eval::Tier tier = s == 0 ? eval::Tier::interpreter : eval::Tier::compiled;
      plot.series[static_cast<std::size_t>(s)].points.push_back(
          point(count, tick_by_tick(plan, store, tier, rounds + 1, SIGNALBOX_JIT_PATH).after));
    }
  }
  return plot;
}

double replayed(const plan::Plan& plan, const store::SeriesStore& store, std::size_t ticks, unsigned threads,
                double (*clock)()) {
  Quiet observer;
  loop::ReplayOptions options;
  options.engine.tier = eval::Tier::interpreter;
  options.semantics = Semantics::prometheus2;
  options.from = first_tick;
  options.ticks = ticks;
  options.threads = threads;
  return cost(clock, [&] { loop::replay(plan, store, observer, options); });
}

constexpr int replay_days = 9, replay_ticks = replay_days * 1440;

// So many rows, no two windows alike.
std::string burn_rows(int rows) {
  std::string out = "{ ";
  for (int r = 0; r < rows; ++r)
    out += fmt::format("page {} over {}m & {}m  ", 3 + r, 120 + 24 * r, 10 + 2 * r);
  return out + "}";
}

Plot windows(int rounds) {
  constexpr int services = 20;
  store::SeriesStore store{roomy()};
  fill(store, services, 6 * 60, replay_ticks);
  std::vector<Size> families, singles;
  for (const int rows : {1, 2, 4, 8, 16})
    for (auto* sizes : {&families, &singles}) {
      const auto plan = std::make_shared<plan::Plan>(
          plan_of((sizes == &families ? one_slo : slo_each)(services, burn_rows(rows))));
      sizes->push_back(
          {2.0 * rows, [plan, &store] { return 1e3 * replayed(*plan, store, replay_ticks, 1, cpu); }});
    }
  return {
      fmt::format("Replay of {} d, {} services: windows an SLO looks at", replay_days, services),
      {"windows of an SLO", true},
      {"ms of CPU", true},
      {in_turn("one SLO over all services", families, rounds), in_turn("an SLO for each", singles, rounds)}};
}

// One row over a long window and a twelfth of it; the history before the first tick is as long.
Plot window_length(int rounds) {
  constexpr int count = 20, most_days = 30, ticks = 20 * 1440;
  store::SeriesStore store{roomy()};
  fill(store, count, most_days * 1440, ticks);
  std::vector<Size> live, replays;
  for (const int hours : {1, 6, 24, 3 * 24, 10 * 24, 30 * 24}) {
    const std::string burn = fmt::format("{{ page 3 over {}h & {}m }}", hours, hours * 5);
    const auto family = std::make_shared<plan::Plan>(plan_of(one_slo(count, burn))),
               singles = std::make_shared<plan::Plan>(plan_of(slo_each(count, burn)));
    // An instance has four windows: two of bad events and two of all.
    live.push_back({static_cast<double>(hours), [family, &store] {
                      const Ticking ran = tick_by_tick(*family, store, eval::Tier::interpreter, 101, "");
                      return median(ran.after) * 1e6 / (4 * count);
                    }});
    replays.push_back({static_cast<double>(hours), [singles, &store] {
                         return 1e9 * replayed(*singles, store, ticks, 1, cpu) / (4.0 * count * ticks);
                       }});
  }
  return {"A window's length: one minute between samples",
          {"hours of the long window", true},
          {"ns of CPU a window value", true},
          {in_turn("a live tick", live, rounds), in_turn("replay of 20 d", replays, rounds)}};
}

// So many operations over 4 inputs, no two of these shapes alike.
plan::Shape some_shape(std::mt19937_64& random, std::size_t operations) {
  using plan::ShapeOp;
  plan::Shape shape{.inputs = 4, .params = 0, .code = {}};
  for (std::uint32_t i = 0; i < 4; ++i) shape.code.push_back({.op = ShapeOp::input, .index = i});
  constexpr ShapeOp ops[] = {ShapeOp::add, ShapeOp::mul, ShapeOp::ratio, ShapeOp::fallback,
                             ShapeOp::clamp_min};
  while (shape.code.size() < operations) {
    const auto n = static_cast<std::uint32_t>(shape.code.size());
    const auto pick = [&] { return static_cast<std::uint32_t>(n - 1 - random() % 4); };
    shape.code.push_back({.op = ops[random() % std::size(ops)], .a = pick(), .b = pick()});
  }
  return shape;
}

Plot shapes(int rounds) {
  std::vector<Size> sizes;
  for (const int count : {1, 4, 16, 64, 256})
    sizes.push_back({static_cast<double>(count), [count] {
                       std::mt19937_64 random(11);
                       auto compiler = eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{});
                       if (!compiler) std::exit(1);
                       return 1e3 * cost(cpu, [&] {
                                for (int i = 0; i < count; ++i)
                                  if (!(*compiler)->compile(some_shape(random, 13))) std::exit(1);
                              });
                     }});
  return {"Compiling shapes of thirteen operations, all different",
          {"shapes", true},
          {"ms of CPU", true},
          {in_turn("", sizes, std::min(rounds, 5))}};
}

// The first thread takes SLOs like the others and alone runs the engine: its CPU time is what the clock shows
// where each thread has a core for itself.
Plot cores(int rounds) {
  constexpr int count = 100;
  store::SeriesStore store{roomy()};
  fill(store, count, 6 * 60, replay_ticks);
  const plan::Plan plan = plan_of(slo_each(count));
  const auto sizes = [&](double (*clock)()) {
    std::vector<Size> out;
    for (unsigned threads = 1; threads <= std::max(2u, std::thread::hardware_concurrency()); threads *= 2)
      out.push_back({static_cast<double>(threads), [&, clock, threads] {
                       return 1e3 * replayed(plan, store, replay_ticks, threads, clock);
                     }});
    return out;
  };
  return {fmt::format("Replay of {} d, {} SLOs of four rows: threads", replay_days, count),
          {"threads", true},
          {"ms"},
          {in_turn("by the clock", sizes(wall), rounds), in_turn("CPU of all threads", sizes(cpu), rounds),
           in_turn("CPU of the first", sizes(cpu_of_thread), rounds)}};
}

}  // namespace

int main(int argc, char** argv) {
  const struct {
    const char* name;
    Plot (*measure)(int rounds);
  } curves[] = {{"instances", instances},
                {"windows", windows},
                {"window_length", window_length},
                {"shapes", shapes},
                {"cores", cores}};
  const std::string_view directory = argc > 1 ? argv[1] : "-";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 11;
  const std::vector<std::string_view> wanted(argv + std::min(argc, 3), argv + argc);
  const bool known = std::all_of(wanted.begin(), wanted.end(), [&](std::string_view name) {
    return std::any_of(std::begin(curves), std::end(curves), [&](const auto& c) { return name == c.name; });
  });
  if (rounds < 1 || !known || (directory != "-" && !std::filesystem::is_directory(directory))) {
    fmt::print(
        stderr,
        "usage: growth_bench [DIRECTORY|-] [ROUNDS] [instances|windows|window_length|shapes|cores]…\n");
    return 2;
  }
  for (const auto& curve : curves) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), curve.name) == wanted.end()) continue;
    const Plot plot = curve.measure(rounds);
    fmt::print("{}\n\n{}\n", plot.title, to_table(plot));
    if (directory == "-") continue;
    const std::string path = fmt::format("{}/{}.svg", directory, curve.name);
    if (!(std::ofstream(path) << to_svg(plot))) {
      fmt::print(stderr, "{} cannot be written\n", path);
      return 1;
    }
  }
  return 0;
}
