#include "tests/sim/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace signalbox::sim {
namespace {

struct Draw {
  loop::SeededRandom random;
  bool chance(double p) { return random.unit() < p; }
  double between(double a, double b) { return a + (b - a) * random.unit(); }
  Instant instant(Duration from, Duration to) {
    return sim_start + milliseconds(static_cast<std::int64_t>(
                           between(static_cast<double>(from.ms), static_cast<double>(to.ms))));
  }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return *(values.begin() + static_cast<std::ptrdiff_t>(random.next() % values.size()));
  }
};

}  // namespace

const std::vector<BrokenPart>& broken_parts() {
  static const std::vector<BrokenPart> parts = {
      {Broken::sends_before_commit, "sends-before-commit", "without a committed intent"},
      {Broken::loses_commits, "loses-commits", "without a committed intent"},
      {Broken::tears_commits, "tears-commits", "has no end"},
      {Broken::ignores_fences, "ignores-fences", "that was replaced"},
      {Broken::forgets_keys, "forgets-keys", "took place"},
      {Broken::shows_old_version, "shows-old-version", "took place"},
      {Broken::swallows_messages, "swallows-messages", "never reached its receiver"},
      {Broken::ignores_kill_switch, "ignores-kill-switch", "while the kill switch was on"},
  };
  return parts;
}

Scenario draw(std::uint64_t seed, Broken broken) {
  Draw d{loop::SeededRandom(seed * 0x9e3779b97f4a7c15ull + 1)};
  Scenario s;
  s.seed = seed;
  s.broken = broken;
  s.program = &programs()[d.random.next() % programs().size()];
  for (const plan::Target& t : s.program->plan.targets) s.shop.delivery = t.actions[0].delivery;
  if (d.chance(0.3)) s.shop.regions.push_back("us");
  s.shop.rate = d.between(20, 50) / static_cast<double>(s.shop.regions.size());
  s.shop.baseline = d.one_of({0.0, 0.0002, 0.0005});
  s.shop.counters_restart = d.chance(0.5);
  s.shop.metric_late = d.chance(0.3) ? seconds(static_cast<std::int64_t>(d.between(1, 20))) : Duration{};
  s.calm = d.chance(0.1);
  s.faults_until = sim_start + minutes(12);
  s.end = sim_start + minutes(20);

  const auto share = [&] { return d.one_of({0.02, 0.05, 0.1, 0.25, 0.5, 1.0}); };
  const int deploys = s.calm ? 1 : 1 + static_cast<int>(d.random.next() % 3);
  for (int i = 0; i < deploys; ++i) {
    const bool bad = s.calm || d.chance(0.75);
    // After the first one, often while the action of the one before is under way.
    Instant at = d.instant(minutes(2), i == 0 ? minutes(5) : minutes(11));
    if (i > 0 && d.chance(0.4))
      at = s.deploys.back().at + seconds(static_cast<std::int64_t>(d.between(5, 90)));
    s.deploys.push_back(
        {at, fmt::format("v{}", i + 2), bad ? (s.calm ? d.one_of({0.25, 0.5, 1.0}) : share()) : 0.0});
  }
  std::sort(s.deploys.begin(), s.deploys.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  if (s.calm) {
    s.shop.metric_late = {};
    return s;
  }
  if (s.program->restarts || d.chance(0.2)) {
    for (std::uint64_t n = 1 + d.random.next() % 3; n > 0; --n) {
      const Instant from = d.instant(minutes(1), minutes(10));
      s.sicknesses.push_back({from, from + seconds(static_cast<std::int64_t>(d.between(20, 240))),
                              s.shop.regions[d.random.next() % s.shop.regions.size()], share()});
    }
  }
  if (d.chance(0.15)) {
    const Instant from = d.instant(minutes(2), minutes(8));
    s.idle.emplace_back(from, from + seconds(static_cast<std::int64_t>(d.between(10, 120))));
  }
  const double switches = broken == Broken::ignores_kill_switch ? 0.8 : 0.15;
  if (d.chance(switches)) {
    const Instant from = d.instant(minutes(2), minutes(8));
    s.kill_switch.emplace_back(from, from + seconds(static_cast<std::int64_t>(d.between(5, 200))));
  }
  s.ceiling = d.chance(0.1) ? d.one_of({plan::Mode::observe, plan::Mode::dry_run, plan::Mode::approve})
                            : plan::Mode::act;

  const auto sometimes = [&](double p, double most) { return d.chance(p) ? d.between(0, most) : 0.0; };
  s.delays = d.chance(0.7);
  s.lost_requests = sometimes(0.4, 0.3);
  s.lost_answers = sometimes(0.6, 0.6);
  s.server_errors = sometimes(0.3, 0.3);
  s.failed_scrapes = sometimes(0.3, 0.1);
  s.refused_messages = sometimes(0.4, 0.6);
  s.unknown_commits = sometimes(0.5, 0.3);
  s.failed_reads = sometimes(0.3, 0.4);
  s.unreadable_switch = sometimes(0.1, 0.2);
  s.deaths = sometimes(0.5, 0.03);
  s.effect_deaths = sometimes(0.3, 0.8);
  if (d.chance(0.5))
    for (std::uint64_t n = 1 + d.random.next() % 4; n > 0; --n)
      s.restarts.push_back(d.instant(seconds(5), minutes(12)));
  // Where the broken part would play no role, nobody can notice.
  if (broken == Broken::shows_old_version) s.lost_answers = 0.5;
  if (broken == Broken::ignores_fences) {
    s.delays = true;
    s.deaths = 0.2;
  }
  s.cold = d.chance(0.4);
  s.graceful = d.chance(0.3) ? 0.5 : 0.0;
  return s;
}

std::string describe(const Scenario& s) {
  std::string out = fmt::format("seed {}: {}; {} regions, {:.0f}/s each, baseline {}{}{}\n", s.seed,
                                s.program->name, s.shop.regions.size(), s.shop.rate, s.shop.baseline,
                                s.shop.counters_restart ? ", counters restart" : "", s.calm ? ", calm" : "");
  for (const auto& x : s.deploys)
    out +=
        fmt::format("  deploy {} at {}, failures {}\n", x.version, to_string(x.at - sim_start), x.failures);
  for (const auto& x : s.sicknesses)
    out += fmt::format("  {} sick from {} to {}, failures {}\n", x.region, to_string(x.from - sim_start),
                       to_string(x.until - sim_start), x.failures);
  for (const auto& [a, b] : s.idle)
    out += fmt::format("  idle from {} to {}\n", to_string(a - sim_start), to_string(b - sim_start));
  for (const auto& [a, b] : s.kill_switch)
    out += fmt::format("  kill switch from {} to {}\n", to_string(a - sim_start), to_string(b - sim_start));
  for (const Instant t : s.restarts) out += fmt::format("  restart at {}\n", to_string(t - sim_start));
  out += fmt::format(
      "  ceiling {}, delays {}, lost requests {:.2f}, lost answers {:.2f}, server errors {:.2f}, failed "
      "scrapes {:.2f}, refused "
      "messages {:.2f}, unknown commits {:.2f}, failed reads {:.2f}, deaths {:.3f}, of effects {:.2f}, {}\n",
      static_cast<int>(s.ceiling), s.delays, s.lost_requests, s.lost_answers, s.server_errors,
      s.failed_scrapes, s.refused_messages, s.unknown_commits, s.failed_reads, s.deaths, s.effect_deaths,
      s.cold ? "cold" : "warm");
  return out;
}

}  // namespace signalbox::sim
