#include "runtime/loop/rehearsal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/loop/virtual_host.hpp"

namespace signalbox::loop {

using plan::Index;
using plan::RehearsalMoment;

namespace {

constexpr Instant test_start{1'767'225'600'000};  // 2026-01-01T00:00:00Z: on every grid
constexpr Instant never{std::numeric_limits<std::int64_t>::max() / 4};

// The state a moment or an expectation names, as the kind of the event that shows it.
std::string event_kind(const std::string& state) {
  if (state == "fires") return "decided";
  if (state == "done") return "executed";
  if (state == "pages") return "page";
  if (state == "tickets") return "ticket";
  if (state == "clears") return "resolved";
  return state;
}

struct Told {
  Index receiver;
  std::string kind, summary;
  Instant time;
};

// Given series, stub targets and receivers, and the memory of what happened.
class Stage : public World, public EngineObserver {
 public:
  Stage(const plan::Plan& plan, const plan::Rehearsal& r, VirtualHost& host, store::SeriesStore& store)
      : plan_(plan),
        rehearsal_(r),
        host_(host),
        store_(store),
        counters_(r.series.size(), 0.0),
        series_seen_(r.series.size(), false) {
    every_ = plan.tick;
    for (const plan::Source& s : plan.sources) every_ = std::min(every_, s.every);
    for (const plan::Target& t : plan.targets) {
      (void)t;
      versions_.emplace_back("current");
      deployed_.push_back(test_start - days(1));
    }
  }

  std::vector<decide::Event> events;
  std::vector<Told> told;
  std::vector<Error> notices;

  std::optional<Instant> when(const std::string& declaration, const std::string& state) const {
    for (const decide::Event& e : events)
      if (e.declaration == declaration && e.kind == event_kind(state)) return e.time;
    return std::nullopt;
  }
  Instant resolve(const RehearsalMoment& m) const {
    if (m.declaration.empty()) return test_start + m.at;
    return when(m.declaration, m.state).value_or(never);
  }

  void gather(Instant at, std::function<void()> done) override {
    for (Instant t = last_ ? *last_ + every_ : test_start; t <= at; t = t + every_) {
      sample(t);
      last_ = t;
    }
    done();
  }
  void read_version(Index target, std::function<void(Result<std::string>)> done) override {
    done(versions_[target]);
  }
  void perform(const decide::Effect& effect, std::function<void(decide::Answer)> done) override {
    const std::string& action = plan_.targets[effect.target].actions[effect.action].name;
    Duration after;
    bool fails = false;
    for (const plan::GivenTarget& g : rehearsal_.targets) {
      if (g.target != effect.target) continue;
      after = std::max(after, g.answers_after);
      fails = fails || g.failing_action == action;
    }
    const auto answer = [this, effect, fails, done] {
      if (fails) return done({decide::Answer::Kind::rejected, "the test says that it fails"});
      // The same key again is the same effect.
      if (std::find(done_keys_.begin(), done_keys_.end(), effect.key) == done_keys_.end()) {
        done_keys_.push_back(effect.key);
        if (!effect.to_version.empty()) {
          versions_[effect.target] = effect.to_version;
          deployed_[effect.target] = host_.time.now();
        }
      }
      done({decide::Answer::Kind::succeeded, "ok"});
    };
    if (after.ms == 0)
      answer();
    else
      host_.time.at(host_.time.now() + after, answer);
  }
  void notify(Index receiver, const decide::Message& m,
              std::function<void(std::optional<std::string>)> done) override {
    const auto& failing = rehearsal_.failing_receivers;
    if (std::find(failing.begin(), failing.end(), receiver) != failing.end())
      return done("the test says that it fails");
    told.push_back({receiver, m.kind, m.summary, m.time});
    done(std::nullopt);
  }
  void heartbeat(Index, Instant) override {}
  void event(const decide::Event& e) override { events.push_back(e); }
  void notice(const Error& e) override { notices.push_back(e); }

 private:
  void put(const Labels& labels, Instant t, double value, bool& seen) {
    const Result<store::SeriesId> id = store_.series(labels);
    if (!id) return notices.push_back(id.error());
    const std::optional<Instant> absent = !seen && t > test_start ? std::optional(t - every_) : std::nullopt;
    const auto stored = store_.append(*id, t, value, absent);
    if (!stored) notices.push_back(stored.error());
    seen = true;
  }

  void sample(Instant t) {
    for (std::size_t i = 0; i < rehearsal_.series.size(); ++i) sample_series(i, t);
    for (const plan::GivenDeploy& d : rehearsal_.deploys) {
      const Instant at = test_start + d.at;
      if (at > t || at <= (last_ ? *last_ : test_start - milliseconds(1))) continue;
      deployed_[d.target] = at;
      versions_[d.target] = fmt::format("deployed at {}", to_string(d.at));
    }
    for (Index i = 0; i < plan_.targets.size(); ++i) {
      if (plan_.targets[i].deployed == plan::none) continue;
      const plan::Node& sum = plan_.nodes[plan_.targets[i].deployed];
      const plan::Leaf& leaf = plan_.leaves[plan_.nodes[sum.inputs[0]].index];
      std::vector<Labels::Pair> pairs;
      for (const Matcher& m : leaf.matchers)
        if (m.op == MatchOp::equal) pairs.emplace_back(m.label, m.value);
      bool seen = true;
      put(Labels(std::move(pairs)), t, deployed_[i].unix_seconds(), seen);
    }
  }

  void sample_series(std::size_t i, Instant t) {
    const plan::GivenSeries& s = rehearsal_.series[i];
    const Instant from = s.from ? resolve(*s.from) : test_start;
    const Instant until = s.until ? resolve(*s.until) : never;
    const Instant before = last_ ? *last_ : test_start;
    double value = 0;
    switch (s.pattern) {
      case plan::GivenSeries::Pattern::rate: {
        Instant begin = std::max(before, from);
        for (const RehearsalMoment& m : s.resets) {
          const Instant reset = resolve(m);
          if (reset > before && reset <= t) {
            counters_[i] = 0;
            begin = std::max(begin, reset);
          }
        }
        const Instant end = std::min(t, until);
        if (end > begin) counters_[i] += s.numbers[0] * (end - begin).seconds();
        value = counters_[i];
        break;
      }
      case plan::GivenSeries::Pattern::value:
        value = t >= from && t < until ? s.numbers[0] : 0.0;
        break;
      case plan::GivenSeries::Pattern::values: {
        if (t < from || t >= until) break;
        const auto k = static_cast<std::size_t>((t - from).ms / every_.ms);
        value = s.numbers[std::min(k, s.numbers.size() - 1)];
        break;
      }
    }
    if (s.appears && t < resolve(*s.appears)) return;
    for (const auto& [a, b] : s.gaps)
      if (t >= resolve(a) && t < resolve(b)) return;
    bool seen = series_seen_[i];
    put(s.labels, t, value, seen);
    series_seen_[i] = seen;
  }

  const plan::Plan& plan_;
  const plan::Rehearsal& rehearsal_;
  VirtualHost& host_;
  store::SeriesStore& store_;
  Duration every_;
  std::optional<Instant> last_;
  std::vector<double> counters_;
  std::vector<bool> series_seen_;
  std::vector<std::string> versions_, done_keys_;
  std::vector<Instant> deployed_;
};

// The last instant that the test mentions, plus the longest of `within`, `defer` and `for`.
Duration length_of(const plan::Plan& plan, const plan::Rehearsal& r) {
  Duration last;
  const auto mention = [&](const RehearsalMoment& m) {
    if (m.declaration.empty()) last = std::max(last, m.at);
  };
  for (const plan::GivenSeries& s : r.series) {
    for (const auto* m : {&s.from, &s.until, &s.appears})
      if (*m) mention(**m);
    for (const RehearsalMoment& m : s.resets) mention(m);
    for (const auto& [a, b] : s.gaps) mention(a), mention(b);
    if (s.pattern == plan::GivenSeries::Pattern::values) {
      Duration every = plan.tick;
      for (const plan::Source& source : plan.sources) every = std::min(every, source.every);
      last = std::max(last, (s.from && s.from->declaration.empty() ? s.from->at : Duration{}) +
                                every * static_cast<std::int64_t>(s.numbers.size()));
    }
  }
  for (const plan::GivenDeploy& d : r.deploys) last = std::max(last, d.at);
  for (const plan::Expectation& e : r.expectations) mention(e.first), mention(e.second);
  Duration more;
  for (const plan::Policy& p : plan.policies) more = std::max(more, p.verify.within + p.verify.after);
  for (const plan::Slo& s : plan.slos)
    for (const plan::DeferRule& d : s.defer) more = std::max(more, d.at_most);
  for (const plan::Node& n : plan.nodes)
    if (n.kind == plan::NodeKind::hold) more = std::max({more, n.hold.time, plan.tick * n.hold.of});
  for (const plan::GivenTarget& t : r.targets) more = more + t.answers_after;
  return last + more + plan.tick * 4;
}

std::string describe(const Stage& stage, Instant t) {
  (void)stage;
  return to_string(t - test_start);
}

}  // namespace

RehearsalResult run_rehearsal(const plan::Plan& plan, const plan::Rehearsal& rehearsal, eval::Tier tier,
                              std::function<Result<std::unique_ptr<eval::KernelCompiler>>()> load_compiler) {
  VirtualHost host(test_start);
  store::SeriesStore store{Limits{}};
  eval::StoreProvider leaves(store);
  Stage stage(plan, rehearsal, host, store);
  EngineOptions options;
  options.tier = tier;
  options.load_compiler = std::move(load_compiler);
  options.initial_versions = [](Index) { return std::vector<std::string>{"previous"}; };
  Engine engine(plan, host.host, leaves, stage, stage, options);
  RehearsalResult result;
  result.name = rehearsal.name;
  result.start = test_start;
  engine.start([&](Result<void> ready) {
    if (!ready) result.failures.push_back({rehearsal.origin, ready.error().message});
  });
  const Instant end = test_start + length_of(plan, rehearsal);
  for (Instant t = grid_ceil(test_start, plan.tick, plan.phase); t <= end; t = t + plan.tick) {
    host.time.advance(t);
    engine.tick(t, [] {});
  }
  host.time.advance(end);
  for (const Error& e : stage.notices) result.failures.push_back({rehearsal.origin, e.message});

  for (const plan::Expectation& x : rehearsal.expectations) {
    std::vector<Instant> times;
    std::string what;
    if (x.kind == plan::Expectation::Kind::state) {
      what = fmt::format("{} {}", x.name, x.state);
      for (const decide::Event& e : stage.events)
        if (e.declaration == x.name && e.kind == event_kind(x.state)) times.push_back(e.time);
    } else {
      const std::string kind = x.kind == plan::Expectation::Kind::page ? "page" : "ticket";
      what = fmt::format("a {} to {}", kind, x.name);
      for (const Told& t : stage.told)
        if (plan.receivers[t.receiver].name == x.name && t.kind == kind) times.push_back(t.time);
    }
    const auto inside = [&](Instant t) {
      using When = plan::Expectation::When;
      switch (x.when) {
        case When::ever:
          return true;
        case When::between:
          return t >= stage.resolve(x.first) && t <= stage.resolve(x.second);
        case When::after:
          return t >= stage.resolve(x.first);
        case When::before:
          return t <= stage.resolve(x.first);
        case When::at:
          return t == grid_ceil(stage.resolve(x.first), plan.tick, plan.phase);
      }
      return false;
    };
    const auto hit = std::find_if(times.begin(), times.end(), inside);
    if ((hit != times.end()) != x.negated) continue;
    std::string came;
    if (x.negated) {
      came = fmt::format("it came {} after the start", describe(stage, *hit));
      for (const decide::Event& e : stage.events)
        if (e.time == *hit && !e.why.empty())
          came += fmt::format("\n      {} {}: {}", e.kind, e.declaration, e.why);
    } else if (times.empty()) {
      came = "it never came";
      for (const decide::Event& e : stage.events)
        if (e.declaration == x.name || x.kind != plan::Expectation::Kind::state)
          came += fmt::format("\n      {} {} {}: {}", describe(stage, e.time), e.kind, e.declaration, e.why);
    } else {
      came = fmt::format("it came {} after the start", describe(stage, times.front()));
    }
    result.failures.push_back(
        {x.origin, fmt::format("expected {}{}: {}", x.negated ? "no " : "", what, came)});
  }
  result.events = std::move(stage.events);
  return result;
}

}  // namespace signalbox::loop
