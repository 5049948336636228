#include "runtime/loop/stream.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "runtime/plan/slice.hpp"

namespace signalbox::loop {
namespace {

// Windows of one SLO are looked at all the time, and read again where they find no room.
constexpr std::size_t window_bytes = 256u << 20;

// What came of the SLOs, by their number, put together as one replay tells it: tick by tick, SLO by SLO.
Story one_story(std::vector<Story>& parts) {
  Story out;
  out.begun = true;
  std::vector<std::pair<std::size_t, std::size_t>> order;  // SLO, event
  for (std::size_t slo = 0; slo < parts.size(); ++slo)
    for (std::size_t i = 0; i < parts[slo].events.size(); ++i) order.emplace_back(slo, i);
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return parts[a.first].events[a.second].time < parts[b.first].events[b.second].time;
  });
  for (const auto& [slo, i] : order) out.events.push_back(std::move(parts[slo].events[i]));
  for (Story& part : parts) {
    out.result.decided += part.result.decided;
    out.result.interrupted = out.result.interrupted || !part.whole();
    for (auto& budgets : part.budgets) out.budgets.push_back(std::move(budgets));
    for (Error& notice : part.notices) out.notices.push_back(std::move(notice));
    for (std::string& sentence : part.unmatched) out.unmatched.push_back(std::move(sentence));
  }
  return out;
}

}  // namespace

Result<Streamed> replay_streamed(const plan::Plan& plan, const StoriesOptions& options,
                                 const std::function<std::unique_ptr<SampleFeed>()>& make_feed) {
  Streamed out;
  std::vector<Story> parts(plan.slos.size());
  std::atomic<plan::Index> next = 0, finished = 0;
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> most_bytes = 0;
  std::mutex mutex;
  std::optional<Error> failed;
  const auto work = [&](bool talks) {
    const std::unique_ptr<SampleFeed> feed = make_feed();
    std::size_t most_here = 0;
    plan::Slicer slicer(plan);
    store::SeriesStore store(options.engine.limits);
    eval::StoreProvider leaves(store, window_bytes);
    for (plan::Index i = next++; i < parts.size() && !stop; i = next++) {
      const plan::Plan slo = slicer.slice(i);
      std::set<std::vector<Matcher>> selectors;
      for (const plan::Leaf& leaf : slo.leaves) selectors.insert(leaf.matchers);
      if (const auto done = feed->load({selectors.begin(), selectors.end()}, store); !done) {
        const std::scoped_lock lock(mutex);
        if (!failed) failed = done.error();
        stop = true;
        break;
      }
      if (store.bytes() > most_here) {
        most_bytes += store.bytes() - most_here;
        most_here = store.bytes();
      }
      StoriesOptions how = options;
      how.threads = 1;
      how.progress = {};
      how.finished = {};
      how.leaves = &leaves;
      leaves.refresh();
      parts[i] = std::move(replay_all({&slo}, store, how)[0]);
      feed->unload(store);
      if (!parts[i].whole()) stop = true;
      ++finished;
      if (talks && options.progress)
        options.progress(static_cast<double>(finished) / static_cast<double>(parts.size()));
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < options.threads && i < parts.size(); ++i) threads.emplace_back(work, false);
  work(true);
  for (std::thread& thread : threads) thread.join();
  if (failed) return *std::move(failed);
  out.most_bytes = most_bytes;
  out.story = one_story(parts);
  Story& story = out.story;
  story.from = grid_ceil(options.from, plan.tick, plan.phase);
  const Instant last = grid_floor(options.to, plan.tick, plan.phase);
  story.ticks = last < story.from ? 0 : static_cast<std::size_t>((last - story.from).ms / plan.tick.ms) + 1;
  story.result.last = story.result.interrupted || story.ticks == 0 ? story.from - plan.tick : last;
  if (story.result.interrupted) {
    story.events.clear();
    story.budgets.clear();
  }
  return out;
}

}  // namespace signalbox::loop
