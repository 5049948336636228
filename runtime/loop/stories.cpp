#include "runtime/loop/stories.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace signalbox::loop {
namespace {

class Teller : public EngineObserver {
 public:
  Teller(const plan::Plan& plan, Story& story, Instant last) : plan_(plan), story_(story), last_(last) {}
  void event(const decide::Event& e) override { story_.events.push_back(e); }
  void notice(const Error& e) override { story_.notices.push_back(e); }
  void tick_done(Instant at, eval::Evaluation& evaluation, const decide::State&) override {
    if (at != last_) return;
    for (plan::Index s = 0; s < plan_.slos.size(); ++s)
      story_.budgets.push_back(decide::read_budget(plan_, s, evaluation));
  }

 private:
  const plan::Plan& plan_;
  Story& story_;
  Instant last_;
};

}  // namespace

std::vector<Story> replay_all(const std::vector<const plan::Plan*>& plans, const store::SeriesStore& store,
                              const StoriesOptions& options) {
  std::vector<Story> out(plans.size());
  std::vector<std::atomic<double>> done(plans.size());
  const auto report = [&] {
    double sum = 0;
    for (const std::atomic<double>& one : done) sum += one.load(std::memory_order_relaxed);
    options.progress(sum / static_cast<double>(plans.size()));
  };
  std::atomic<std::size_t> next = 0;
  const auto work = [&](bool talks) {
    for (std::size_t i = next++; i < plans.size(); i = next++) {
      const plan::Plan& plan = *plans[i];
      Story& story = out[i];
      story.from = grid_ceil(options.from, plan.tick, plan.phase);
      const Instant last = grid_floor(options.to, plan.tick, plan.phase);
      story.result.last = story.from - plan.tick;
      if (last < story.from || (options.interrupted && options.interrupted())) continue;
      story.begun = true;
      story.ticks = static_cast<std::size_t>((last - story.from).ms / plan.tick.ms) + 1;
      Teller teller(plan, story, last);
      ReplayOptions how;
      how.engine = options.engine;
      how.semantics = options.semantics;
      how.from = story.from;
      how.ticks = story.ticks;
      how.threads = std::max(1u, options.threads / static_cast<unsigned>(plans.size()));
      how.every_tick = options.every_tick;
      how.leaves = options.leaves;
      how.interrupted = options.interrupted;
      how.progress = [&, i](double part) {
        done[i].store(part, std::memory_order_relaxed);
        if (talks && options.progress) report();
      };
      story.result = replay(plan, store, teller, how);
      how.progress(1);
      eval::StoreProvider leaves(store);
      story.unmatched = decide::never_matched(plan, leaves, last);
      if (options.finished) options.finished(i, story);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < options.threads && i < plans.size(); ++i) threads.emplace_back(work, false);
  work(true);
  for (std::thread& thread : threads) thread.join();
  return out;
}

}  // namespace signalbox::loop
