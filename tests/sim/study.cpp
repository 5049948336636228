// study [--seeds N] [--markdown] [--check]
//
// The tour, as it stands in examples/tour/tour.slo, under the real engine in virtual time: how long after the
// first bad answer it decides, when it has verified, and whether it ever acts without a reason. The seed
// draws the arrivals, the phase of the scrapes and the instant of the deploy within the tick. --check holds
// the numbers to the bounds that the language promises.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/loop/virtual_host.hpp"
#include "runtime/sources/ingest.hpp"
#include "tests/sim/program.hpp"
#include "tests/sim/shop.hpp"

namespace signalbox::sim {
namespace {

constexpr Instant study_start{1'767'225'600'000};
constexpr Duration warm_up = minutes(6), observed = minutes(7);
constexpr double baseline = 0.0005;

struct Case {
  std::string name;
  double rate = 100, failures = 0;  // of the deployed version
  bool on_grid = false;             // scrapes at the ticks, as `run` does them; else at a phase of the seed's
  bool late_metric = false, idle_minute = false, resets = false, flapping = false, deploys = true;
};

struct Result {
  std::optional<double> decided, verified;  // seconds after the first bad answer
  bool acted = false;
  std::size_t pages = 0;
};

class Study : public loop::World, public loop::EngineObserver {
 public:
  Study(const plan::Plan& plan, const Case& c, std::uint64_t seed)
      : plan_(plan),
        case_(c),
        random_(seed * 7919 + 3),
        host_(study_start, seed),
        shop_(options(), study_start, seed * 104'729 + 1) {}

  Result run() {
    loop::EngineOptions o;
    o.tier = eval::Tier::interpreter;
    loop::Engine engine(plan_, host_.host, leaves_, *this, *this, o);
    engine.start([](signalbox::Result<void> ready) {
      if (!ready) std::abort();
    });
    const Instant deploy = study_start + warm_up + part_of(seconds(60));
    const Instant end = deploy + observed;
    const Duration phase = case_.on_grid ? Duration{} : part_of(seconds(5));
    for (Instant t = study_start + phase; t <= end; t = t + seconds(5))
      host_.time.at(t, [this, t] { scrape(t); });
    if (case_.flapping)
      for (Instant t = deploy - minutes(3); t < end; t = t + seconds(20)) {
        host_.time.at(t, [this] { shop_.sicken(host_.time.now(), "eu", 0.025); });
        host_.time.at(t + seconds(10), [this] { shop_.sicken(host_.time.now(), "eu", 0.005); });
      }
    if (case_.resets)
      for (const Instant t : {deploy - minutes(2), deploy + seconds(40), deploy + minutes(2)})
        host_.time.at(t, [this] { shop_.restart_counters(host_.time.now()); });
    if (case_.idle_minute) {
      host_.time.at(deploy, [this] { shop_.set_rate(host_.time.now(), 0); });
      host_.time.at(deploy + minutes(1), [this] { shop_.set_rate(host_.time.now(), case_.rate); });
    }
    host_.time.at(deploy, [this] {
      if (case_.deploys)
        shop_.deploy(host_.time.now(), "v2", case_.failures);
      else
        shop_.sicken(host_.time.now(), "eu", case_.failures);
      shop_.watch_failures();
    });
    for (Instant t = grid_ceil(study_start, plan_.tick, plan_.phase); t <= end; t = t + plan_.tick) {
      host_.time.advance(t);
      engine.tick(t, [] {});
    }
    const auto after_first = [&](Instant t) {
      return (t - shop_.first_failure_since.value_or(deploy)).seconds();
    };
    if (decided_) result_.decided = after_first(*decided_);
    if (verified_) result_.verified = after_first(*verified_);
    return result_;
  }

  void gather(Instant, std::function<void()> done) override { done(); }
  void read_version(plan::Index, std::function<void(signalbox::Result<std::string>)> done) override {
    done(shop_.version());
  }
  void perform(const decide::Effect& effect, std::function<void(decide::Answer)> done) override {
    host_.time.at(host_.time.now() + part_of(milliseconds(500)), [this, effect, done] {
      shop_.rollback(host_.time.now(), effect.key, effect.to_version);
      done({decide::Answer::Kind::succeeded, "204"});
    });
  }
  void notify(plan::Index, const decide::Message& m,
              std::function<void(std::optional<std::string>)> done) override {
    result_.pages += m.kind == "page";
    done(std::nullopt);
  }
  void heartbeat(plan::Index, Instant) override {}
  void event(const decide::Event& e) override {
    if (e.kind == "decided" && !decided_) decided_ = e.time;
    if (e.kind == "verified" && !verified_) verified_ = e.time;
    result_.acted = result_.acted || e.kind == "decided";
  }
  void notice(const Error&) override {}

 private:
  Shop::Options options() {
    Shop::Options o;
    o.rate = case_.rate;
    o.baseline = baseline;
    o.counters_restart = case_.resets;
    if (case_.late_metric) o.metric_late = seconds(1) + part_of(seconds(59));
    return o;
  }
  Duration part_of(Duration d) {
    return milliseconds(static_cast<std::int64_t>(random_.unit() * static_cast<double>(d.ms)));
  }
  void scrape(Instant t) { (void)ingest_.page(t, "text/plain; version=0.0.4", shop_.metrics(t)); }

  const plan::Plan& plan_;
  const Case& case_;
  loop::SeededRandom random_;
  loop::VirtualHost host_;
  Shop shop_;
  store::SeriesStore store_{Limits{}};
  eval::StoreProvider leaves_{store_};
  sources::PageIngest ingest_{store_, "shop", "127.0.0.1:8080", Limits{}};
  std::optional<Instant> decided_, verified_;
  Result result_;
};

struct Spread {
  std::vector<double> values;
  double at(double share) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1,
                           static_cast<std::size_t>(share * static_cast<double>(values.size())))];
  }
  std::string text() {
    return values.empty() ? "–" : fmt::format("{:.0f} / {:.0f} / {:.0f}", at(0), at(0.5), at(1));
  }
};

struct Row {
  Case c;
  std::uint64_t seeds = 0, acted = 0, verified = 0, pages = 0;
  std::uint64_t silent = 0;  // neither acted nor paged
  Spread decided, until_verified;
};

Row study(const plan::Plan& plan, const Case& c, std::uint64_t seeds) {
  Row row;
  row.c = c;
  row.seeds = seeds;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Result r = Study(plan, c, seed).run();
    row.acted += r.acted;
    row.pages += r.pages;
    row.silent += !r.acted && r.pages == 0;
    if (r.decided) row.decided.values.push_back(*r.decided);
    if (r.verified) row.until_verified.values.push_back(*r.verified);
    row.verified += r.verified.has_value();
  }
  return row;
}

std::vector<Case> bad_deploys() {
  std::vector<Case> out;
  for (const double rate : {100.0, 20.0, 500.0})
    for (const double failures : {0.02, 0.05, 0.1, 0.25, 0.5, 1.0}) {
      Case c;
      c.name = fmt::format("{:.0f}/s, {:.0f}% errors", rate, failures * 100);
      c.rate = rate;
      c.failures = failures;
      out.push_back(c);
    }
  return out;
}

std::vector<Case> benign() {
  std::vector<Case> out;
  const auto add = [&](const std::string& name, auto change) {
    Case c;
    c.name = name;
    change(c);
    out.push_back(c);
  };
  add("a harmless deploy", [](Case&) {});
  add("the same at 20/s", [](Case& c) { c.rate = 20; });
  add("the deploy metric comes up to a minute late", [](Case& c) { c.late_metric = true; });
  add("no request for a minute after the deploy", [](Case& c) { c.idle_minute = true; });
  add("counters start anew, with the deploy and without", [](Case& c) { c.resets = true; });
  add("errors flap between 0.5% and 2.5% from before the deploy on", [](Case& c) { c.flapping = true; });
  add("10% errors without a deploy", [](Case& c) { c.failures = 0.1, c.deploys = false; });
  return out;
}

// The report, for a terminal or for docs/study.md.
class Report {
 public:
  Report(bool markdown, std::uint64_t seeds) : markdown_(markdown) {
    if (markdown_) fmt::print(fmt::runtime(introduction), seeds, seeds);
  }
  void deploys(const char* title, std::vector<Row>& rows) {
    fmt::print(fmt::runtime(markdown_ ? "\n## {}\n\n" : "\n{}\n"), title);
    line("case", "acted", "decided after", "verified", "verified after");
    if (markdown_) fmt::print("|---|---|---|---|---|\n");
    for (Row& r : rows)
      line(r.c.name, fmt::format("{}/{}", r.acted, r.seeds), r.decided.text(),
           fmt::format("{}/{}", r.verified, r.seeds), r.until_verified.text());
  }
  void reasonless(const std::vector<Row>& rows) {
    fmt::print("{}", markdown_ ? "\n## Cases without a reason to act\n\n| case | seeds | actions | pages a "
                                 "run |\n|---|---|---|---|\n"
                               : "\nwithout a reason to act\n");
    for (const Row& r : rows)
      fmt::print(fmt::runtime(markdown_ ? "| {} | {} | {} | {:.1f} |\n"
                                        : "{:<62} {} runs, {} actions, {:.1f} pages a run\n"),
                 r.c.name, r.seeds, r.acted, static_cast<double>(r.pages) / static_cast<double>(r.seeds));
  }

 private:
  void line(const std::string& a, const std::string& b, const std::string& c, const std::string& d,
            const std::string& e) {
    fmt::print(
        fmt::runtime(markdown_ ? "| {} | {} | {} | {} | {} |\n" : "{:<26} {:>9} {:>16} {:>9} {:>18}\n"), a, b,
        c, d, e);
  }
  bool markdown_;
  static constexpr const char* introduction = R"(# How soon the tour acts, and that it does not act in vain

The program is [examples/tour/tour.slo](../examples/tour/tour.slo), the engine is the real one, and the time is virtual: the
numbers do not depend on the machine. Generated by

```
build/tests/study --seeds {} --markdown > docs/study.md
```

Each row is {} seeds. A seed draws when every request arrives (exponential gaps) and whether it fails, the instant of the
deploy, the phase of the scrapes against the ticks, and how long the rollback takes to answer (up to half a second). Good
versions fail in 0.05% of requests. Times are seconds after the first bad answer of the new version: least / median / most.

What decides the numbers: an increment needs two samples after the deploy, so a bad answer is known up to two scrapes (10 s)
after it was given; then three ticks (10 s from the first to the third) must agree. A scrape between two ticks waits for the
second of them, 5 s at most. At 2% errors, near the threshold of 1.44%, chance decides which three ticks agree. `verify`
starts 15 s after the rollback, waits for 1000 requests, which take 50 s at 20/s, and for three ticks. Where a deploy at 20/s is
not acted on, chance had put seven failures into the two minutes before it; the policy then blames no deploy, and the page
goes out.
)";
};

// What the language promises of the tour.
int broken_promises(std::vector<Row>& bad, const std::vector<Row>& good) {
  int broken = 0;
  const auto expect = [&](bool holds, const std::string& what) {
    if (holds) return;
    ++broken;
    fmt::print(stderr, "not so: {}\n", what);
  };
  for (Row& r : bad) {
    expect(r.silent == 0, r.c.name + ": rolled back, or a person is paged");
    expect(r.acted * 100 >= r.seeds * (r.c.rate < 100 ? 99 : 100), r.c.name + ": rolled back");
    expect(r.verified == r.acted, r.c.name + ": every rollback verified");
    if (r.c.failures < 0.05 || r.c.rate < 100) continue;
    expect(r.decided.at(0) >= 10 && r.decided.at(1) <= 25,
           r.c.name + ": decided within two scrapes and three ticks");
    expect(r.until_verified.at(1) <= 97, r.c.name + ": verified within 97 s");
  }
  for (const Row& r : good) expect(r.acted == 0, r.c.name + ": never acted on");
  return broken;
}

}  // namespace

int study_main(int argc, char** argv) {
  std::uint64_t seeds = 200;
  bool markdown = false, check = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--seeds" && i + 1 < argc) {
      seeds = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--markdown") {
      markdown = true;
    } else if (word == "--check") {
      check = true;
    } else {
      fmt::print(stderr, "usage: study [--seeds N] [--markdown] [--check]\n");
      return 2;
    }
  }
  std::ifstream file(TOUR_PATH);
  std::stringstream text;
  text << file.rdbuf();
  const plan::Plan plan = compile_or_die("examples/tour/tour.slo", text.str());

  std::vector<Row> anywhere, at_ticks, good;
  for (Case c : bad_deploys()) {
    anywhere.push_back(study(plan, c, seeds));
    c.on_grid = true;
    at_ticks.push_back(study(plan, c, seeds));
  }
  for (const Case& c : benign()) good.push_back(study(plan, c, seeds));
  Report report(markdown, seeds);
  report.deploys("Bad deploys, scrapes at the ticks as `signalbox run` does them", at_ticks);
  report.deploys("The same with scrapes at any phase", anywhere);
  report.reasonless(good);
  if (!check) return 0;
  return broken_promises(at_ticks, good) + broken_promises(anywhere, {}) == 0 ? 0 : 1;
}

}  // namespace signalbox::sim

int main(int argc, char** argv) {
  return signalbox::sim::study_main(argc, argv);
}
