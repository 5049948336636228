#include "tests/sim/simulation.hpp"

#include <fmt/format.h>

#include <memory>

#include "runtime/loop/engine.hpp"
#include "runtime/loop/live_world.hpp"
#include "tests/sim/faults.hpp"

namespace signalbox::sim {
namespace {

// A process of Signalbox: what dies together. Samples may outlive it.
struct Process {
  Process(Host h, const plan::Plan& plan, std::shared_ptr<loop::LiveData> samples,
          loop::EngineObserver& observer, loop::EngineOptions options)
      : host(h),
        data(std::move(samples)),
        world(
            plan, host, *data, options.limits,
            [](const std::string&) { return std::optional<std::string>("key"); },
            [&observer](const Error& e) { observer.notice(e); }),
        engine(plan, host, data->leaves, world, observer, options) {}
  Host host;
  std::shared_ptr<loop::LiveData> data;
  loop::LiveWorld world;
  loop::Engine engine;
  bool ready = false;
};

class Run : public loop::EngineObserver {
 public:
  Run(const Scenario& s, const std::function<void(const std::string&)>& say)
      : scenario_(s),
        plan_(s.program->plan),
        shop_(s.shop, sim_start, s.seed * 31 + 5),
        checker_(s, shop_, pager_),
        stage_(s, checker_),
        store_(stage_),
        http_(stage_, shop_, pager_),
        disk_(stage_, http_.kill_switch) {
    if (say)
      stage_.say = [this, say](const std::string& line) {
        say(fmt::format("{:>10} {}", to_string(stage_.now() - sim_start), line));
      };
    stage_.die_at = [this](Instant when) { schedule_death(when, stage_.process, false); };
    store_.eager = [this](const decide::Intent& intent, bool rollback) {
      HttpRequest request;
      request.method = "POST";
      request.url = rollback ? "http://shop/rollback" : "http://shop/restart";
      request.body = intent.body;
      request.headers = {{"Idempotency-Key", intent.key}};
      http_.send(std::move(request), [](const Result<HttpResponse>&) {});
    };
  }

  Outcome run() {
    stage_.trace(describe(scenario_));
    for (const auto& d : scenario_.deploys)
      stage_.time.at(d.at, [this, &d] {
        stage_.trace("deploy of " + d.version);
        shop_.deploy(stage_.now(), d.version, d.failures);
      });
    for (const auto& x : scenario_.sicknesses) {
      stage_.time.at(x.from, [this, &x] { shop_.sicken(stage_.now(), x.region, x.failures); });
      stage_.time.at(x.until, [this, &x] { shop_.recover(stage_.now(), x.region); });
    }
    for (const auto& [from, until] : scenario_.idle) {
      stage_.time.at(from, [this] { shop_.set_rate(stage_.now(), 0); });
      stage_.time.at(until, [this] { shop_.set_rate(stage_.now(), scenario_.shop.rate); });
    }
    for (const auto& [from, until] : scenario_.kill_switch) {
      stage_.time.at(from, [this] { http_.kill_switch = true; });
      stage_.time.at(until, [this] { http_.kill_switch = false; });
    }
    for (const Instant t : scenario_.restarts)
      stage_.time.at(t, [this] {
        schedule_death(stage_.now(), stage_.process, stage_.random.unit() < scenario_.graceful);
      });
    stage_.time.at(scenario_.faults_until + minutes(2), [this] { shop_.heal(stage_.now()); });
    begin();
    beat(grid_ceil(sim_start, plan_.tick, plan_.phase));
    stage_.time.advance(scenario_.end);
    checker_.finish(scenario_.end);
    if (scenario_.calm) expect_action();
    if (process_ && stage_.process != 0 && !process_->ready)
      checker_.violations.push_back("the engine did not come back");
    Outcome out;
    out.hash = stage_.hash;
    out.violations = checker_.violations;
    out.intents = checker_.intents();
    out.recomputed = checker_.recomputed;
    out.deaths = deaths_;
    out.pages = pager_.pages();
    out.unknown_commits = unknown_commits_ + (process_ ? process_->engine.status().unknown_commits : 0);
    out.episodes = checker_.outcomes;
    process_.reset();
    return out;
  }

  void event(const decide::Event& e) override {
    checker_.event(e);
    stage_.trace(fmt::format("{} {} {} {} at {}: {}", e.kind, e.declaration, to_string(e.labels), e.id,
                             to_string(e.time - sim_start), e.why));
  }
  void notice(const Error& e) override { stage_.trace("notice: " + e.message); }

 private:
  // Nothing is in the way: a deploy that fails a quarter of requests and more does not stay unanswered.
  void expect_action() {
    if (!scenario_.program->rolls_back) return;
    if (std::min(scenario_.ceiling, plan_.policies[0].mode) != plan::Mode::act) {
      if (pager_.pages() == 0)
        checker_.violations.push_back("nothing may act on the bad deploy, and nobody was paged");
    } else if (checker_.outcomes["verified"] == 0) {
      checker_.violations.push_back("nothing was in the way, and the bad deploy was not rolled back");
    }
  }

  void beat(Instant at) {
    stage_.time.at(at, [this, at] {
      if (process_ && process_->ready) process_->engine.tick(at, [] {});
      beat(at + plan_.tick);
    });
  }

  void begin() {
    stage_.process = ++processes_;
    stage_.trace(fmt::format("process {} begins", processes_));
    if (!samples_ || scenario_.cold) {
      samples_ = std::make_shared<loop::LiveData>(Limits{});
      all_samples_.push_back(samples_);
    }
    loop::EngineOptions options;
    options.tier = eval::Tier::interpreter;
    options.mode_ceiling = scenario_.ceiling;
    options.kill_switch = "/kill";
    process_ = std::make_unique<Process>(Host{stage_.time, stage_.time, stage_.random, http_, disk_, store_},
                                         plan_, samples_, *this, options);
    process_->world.start();
    process_->engine.start([this, me = processes_](Result<void> ready) {
      if (stage_.process != me) return;
      if (ready)
        process_->ready = true;
      else
        schedule_death(stage_.now() + seconds(1), me, false);
    });
  }

  void schedule_death(Instant when, std::uint64_t process, bool graceful) {
    stage_.time.at(when, [this, process, graceful] {
      if (process == 0 || stage_.process != process) return;
      if (!graceful) return die(process);
      process_->ready = false;
      process_->engine.stop(
          [this, process] { stage_.time.at(stage_.now(), [this, process] { die(process); }); });
    });
  }

  void die(std::uint64_t process) {
    if (stage_.process != process) return;
    stage_.trace(fmt::format("process {} is no more", process));
    ++deaths_;
    unknown_commits_ += process_->engine.status().unknown_commits;
    stage_.process = 0;
    process_.reset();
    const double longest = stage_.random.unit() < 0.2 ? 60'000 : 3'000;
    stage_.time.at(stage_.now() + milliseconds(static_cast<std::int64_t>(stage_.random.unit() * longest)),
                   [this] { begin(); });
  }

  const Scenario& scenario_;
  const plan::Plan& plan_;
  Shop shop_;
  Pager pager_;
  Checker checker_;
  Stage stage_;
  SimStore store_;
  SimHttp http_;
  SimDisk disk_;
  std::shared_ptr<loop::LiveData> samples_;
  // Answers to a dead process' scrapes still find what they were asked for.
  std::vector<std::shared_ptr<loop::LiveData>> all_samples_;
  std::unique_ptr<Process> process_;
  std::uint64_t processes_ = 0, deaths_ = 0, unknown_commits_ = 0;
};

}  // namespace

Outcome run(const Scenario& scenario, const std::function<void(const std::string&)>& say) {
  return Run(scenario, say).run();
}

}  // namespace signalbox::sim
