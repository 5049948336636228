// sim --seeds N [--first S] | --seed X [--verbose] | --broken PART --seeds N
//
// Runs seeds and fails on the first that shows what must never happen; every 20th seed runs twice and must
// leave the same trace. With --broken it fails unless a seed is caught by the check that is there for it.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/sim/simulation.hpp"

using namespace signalbox;
using namespace signalbox::sim;

namespace {

struct Arguments {
  std::uint64_t first = 1, seeds = 100;
  bool one = false, verbose = false;
  Broken broken = Broken::nothing;
  std::string noticed;
};

[[noreturn]] void usage() {
  fmt::print(
      stderr,
      "usage: sim --seeds N [--first S] [--broken PART] | --seed X [--verbose] [--broken PART]\nparts:");
  for (const BrokenPart& p : broken_parts()) fmt::print(stderr, " {}", p.name);
  fmt::print(stderr, "\n");
  std::exit(2);
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : (usage(), argv[0]); };
    if (word == "--seeds")
      a.seeds = std::strtoull(value(), nullptr, 10);
    else if (word == "--first")
      a.first = std::strtoull(value(), nullptr, 10);
    else if (word == "--seed")
      a.first = std::strtoull(value(), nullptr, 10), a.seeds = 1, a.one = true;
    else if (word == "--verbose")
      a.verbose = true;
    else if (word == "--broken") {
      const std::string name = value();
      for (const BrokenPart& p : broken_parts())
        if (name == p.name) a.broken = p.part, a.noticed = p.noticed;
      if (a.broken == Broken::nothing) usage();
    } else
      usage();
  }
  return a;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = parse(argc, argv);
  Outcome all;
  std::uint64_t hash = 0;
  for (std::uint64_t seed = a.first; seed < a.first + a.seeds; ++seed) {
    const Scenario scenario = draw(seed, a.broken);
    std::function<void(const std::string&)> say;
    if (a.verbose) say = [](const std::string& line) { fmt::print("{}\n", line); };
    Outcome outcome = run(scenario, say);
    if (a.broken == Broken::nothing && (seed % 20 == 0 || a.one)) {
      if (run(scenario).hash != outcome.hash)
        outcome.violations.push_back("the same seed left another trace");
    }
    if (a.broken != Broken::nothing)
      std::erase_if(outcome.violations,
                    [&](const std::string& v) { return v.find(a.noticed) == std::string::npos; });
    if (!outcome.violations.empty()) {
      fmt::print("{}", describe(scenario));
      for (const std::string& v : outcome.violations) fmt::print("  {}\n", v);
      if (a.broken != Broken::nothing) {
        fmt::print("caught by seed {}\n", seed);
        return 0;
      }
      fmt::print("seed {} failed: again with --seed {} --verbose\n", seed, seed);
      return 1;
    }
    hash = hash * 0x100000001b3ull ^ outcome.hash;
    all.intents += outcome.intents;
    all.recomputed += outcome.recomputed;
    all.deaths += outcome.deaths;
    all.pages += outcome.pages;
    all.unknown_commits += outcome.unknown_commits;
    for (const auto& [kind, n] : outcome.episodes) all.episodes[kind] += n;
  }
  if (a.broken != Broken::nothing) {
    fmt::print("no seed noticed\n");
    return 1;
  }
  fmt::print(
      "{} seeds: {} effects intended, {} deaths, {} unknown commits, {} pages, {} records made again; trace "
      "{:016x}\n",
      a.seeds, all.intents, all.deaths, all.unknown_commits, all.pages, all.recomputed, hash);
  for (const auto& [kind, n] : all.episodes) fmt::print("  {} {}\n", n, kind);
  return 0;
}
