#include "runtime/loop/replay.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

#include "runtime/loop/changes.hpp"
#include "runtime/loop/history_world.hpp"
#include "runtime/loop/virtual_host.hpp"

namespace signalbox::loop {
namespace {

using plan::Index;

// By SLO, and last of all policies and targets together. Nothing when it was interrupted. It is `share` of
// the replay.
std::optional<std::vector<Changes>> find_changes(const plan::Plan& plan, const store::SeriesStore& store,
                                                 eval::StoreProvider& own, Semantics semantics,
                                                 const ReplayOptions& options, double share) {
  using Find = std::optional<Changes> (ChangeFinder::*)(Index, const ChangeFinder::GoOn&);
  struct Job {
    Find find;
    Index index;
  };
  std::vector<Job> jobs;
  const auto add = [&](Find find, std::size_t count) {
    for (Index i = 0; i < count; ++i) jobs.push_back({find, i});
  };
  add(&ChangeFinder::of_slo, plan.slos.size());
  add(&ChangeFinder::of_policy, plan.policies.size());
  add(&ChangeFinder::of_target, plan.targets.size());
  std::vector<Changes> out(jobs.size());
  Room room(static_cast<std::int64_t>(options.engine.limits.replay_shown_bytes));
  std::atomic<std::size_t> next = 0, finished = 0;
  std::atomic<bool> stop = false;
  const auto work = [&](bool first) {
    std::optional<eval::StoreProvider> another;
    eval::StoreProvider& leaves = first ? own : another.emplace(store);
    eval::ShapeRunner shapes(plan, options.engine.tier, options.engine.load_compiler, [](const Error&) {});
    ChangeFinder finder(plan, leaves, shapes, semantics, {options.from, options.ticks}, room);
    for (std::size_t job = next++; job < out.size() && !stop; job = next++) {
      std::optional<Changes> found = (finder.*jobs[job].find)(jobs[job].index, [&](double part) {
        if (!first) return !stop;  // only one thread talks
        if (options.progress)
          options.progress(share * (static_cast<double>(finished) + part) / static_cast<double>(out.size()));
        if (options.interrupted && options.interrupted()) stop = true;
        return !stop;
      });
      if (!found) break;
      out[job] = *std::move(found);
      ++finished;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < options.threads && i < out.size(); ++i) threads.emplace_back(work, false);
  work(true);
  for (std::thread& thread : threads) thread.join();
  if (stop) return std::nullopt;
  Changes policies;
  for (std::size_t job = plan.slos.size(); job < out.size(); ++job) policies.add(std::move(out[job]));
  out.resize(plan.slos.size());
  out.push_back(std::move(policies));
  return out;
}

// Which SLOs are to be decided at which tick, and when policies are: where something changes, and where a
// time runs out. At a tick that is decided, policies are decided in any case.
class Agenda {
 public:
  Agenda(const plan::Plan& plan, std::vector<Changes> changes, Instant from)
      : plan_(plan),
        changes_(std::move(changes)),
        from_(from),
        next_(changes_.size(), 0),
        shown_(changes_.size(), 0),
        lasting_(changes_.size()),
        unchanged_(changes_.size(), true),
        unsettled_(changes_.size(), false),
        timed_(changes_.size(), Instant{std::numeric_limits<std::int64_t>::min()}) {
    for (Index one = 0; one < changes_.size(); ++one) {
      if (changes_[one].every_tick)
        ++restless_;
      else
        push_next_change(one);
    }
  }
  // The first tick from `tick` on at which anything is to be decided; `end` when there is none before it.
  std::size_t next(std::size_t tick, std::size_t end) const {
    if (restless_ > 0) return tick;
    return due_.empty() ? end : std::clamp<std::size_t>(due_.front().tick, tick, end);
  }
  Foreseen at(std::size_t tick) {
    for (Index one = 0; one < changes_.size(); ++one)
      unchanged_[one] = !changes_[one].every_tick && !unsettled_[one];
    auto columns = std::make_shared<std::map<Index, eval::Column>>();
    while (!due_.empty() && due_.front().tick <= tick) {
      std::pop_heap(due_.begin(), due_.end(), later);
      const Due due = due_.back();
      due_.pop_back();
      unchanged_[due.one] = false;
      if (!due.change) continue;
      push_next_change(due.one);
      take_shown(due.one, tick, *columns);
    }
    // Who is looked at though nothing changes sees what it saw; policies are looked at always.
    const Index policies = static_cast<Index>(plan_.slos.size());
    for (Index one = 0; one <= policies; ++one)
      if ((one == policies || !unchanged_[one]) && tick < changes_[one].shown_until)
        columns->insert(lasting_[one].begin(), lasting_[one].end());
    return {&unchanged_, columns->empty() ? nullptr : std::move(columns)};
  }
  // After the tick: who goes on being looked at though nothing changes, and who is looked at again in time.
  void decided(const Engine& engine, Instant at) {
    const Index policies = static_cast<Index>(plan_.slos.size());
    for (Index one = 0; one <= policies; ++one) {
      if (changes_[one].every_tick || (one != policies && unchanged_[one])) continue;
      const Instant until = one != policies ? decide::settled_until(plan_, engine.state(), one, at)
                            : engine.holds_settled()
                                ? decide::policies_settled_until(plan_, engine.state(), at)
                                : at;
      const bool unsettled = until <= at + plan_.tick;
      restless_ += (unsettled ? 1 : 0) - (unsettled_[one] ? 1 : 0);
      unsettled_[one] = unsettled;
      if (unsettled || until.ms == std::numeric_limits<std::int64_t>::max() || until == timed_[one]) continue;
      timed_[one] = until;
      push({static_cast<std::size_t>(((until - from_).ms + plan_.tick.ms - 1) / plan_.tick.ms), one, false});
    }
  }

 private:
  struct Due {
    std::size_t tick;
    Index one;
    bool change;  // or a time that runs out
  };
  static bool later(const Due& a, const Due& b) { return a.tick > b.tick; }
  void push(Due due) {
    due_.push_back(due);
    std::push_heap(due_.begin(), due_.end(), later);
  }
  void take_shown(Index one, std::size_t tick, std::map<Index, eval::Column>& into) {
    std::vector<Changes::Shown>& shown = changes_[one].shown;
    for (std::size_t& at = shown_[one]; at < shown.size() && shown[at].tick <= tick; ++at) {
      if (shown[at].lasts) lasting_[one].insert_or_assign(shown[at].node, shown[at].column);
      if (shown[at].tick == tick) into.insert_or_assign(shown[at].node, std::move(shown[at].column));
      shown[at].column = {};
    }
  }
  void push_next_change(Index one) {
    const auto& ticks = changes_[one].ticks;
    if (next_[one] < ticks.size()) push({ticks[next_[one]++], one, true});
  }

  const plan::Plan& plan_;
  std::vector<Changes> changes_;
  Instant from_;
  std::vector<std::size_t> next_, shown_;               // of each one's changes, and of what they show
  std::vector<std::map<Index, eval::Column>> lasting_;  // by one, what it showed last
  std::vector<bool> unchanged_, unsettled_;
  std::vector<Instant> timed_;  // when each one's time runs out that was put on the agenda last
  std::vector<Due> due_;
  std::int64_t restless_ = 0;
};

}  // namespace

ReplayResult replay(const plan::Plan& plan, const store::SeriesStore& store, EngineObserver& observer,
                    ReplayOptions options) {
  const Semantics semantics = plan.semantics.value_or(options.semantics);
  ReplayResult result{options.from - plan.tick, 0, false};
  if (options.ticks == 0) return result;
  // The engine finds the windows there that were looked at last.
  std::optional<eval::StoreProvider> own;
  eval::StoreProvider& leaves = options.leaves != nullptr ? *options.leaves : own.emplace(store);
  std::optional<Agenda> agenda;
  const double share = options.every_tick ? 0 : 0.9;
  if (!options.every_tick) {
    auto changes = find_changes(plan, store, leaves, semantics, options, share);
    if (!changes) {
      result.interrupted = true;
      return result;
    }
    agenda.emplace(plan, std::move(*changes), options.from);
  }

  VirtualHost host(options.from);
  HistoryWorld world(plan, leaves, semantics);
  options.engine.assumed = true;
  options.engine.durable = false;  // the store that would have it ends with the replay
  options.engine.semantics = semantics;
  std::size_t tick = 0;
  if (agenda) options.engine.foreseen = [&] { return agenda->at(tick); };
  Engine engine(plan, host.host, leaves, world, observer, options.engine);
  engine.start([](Result<void>) {});
  const std::size_t last = options.ticks - 1, often = std::max<std::size_t>(1, options.ticks / 100);
  for (std::size_t reported = 0; tick <= last; ++tick) {
    if (agenda) tick = agenda->next(tick, last);
    if (tick - reported >= often) {
      reported = tick;
      if (options.progress)
        options.progress(share +
                         (1 - share) * static_cast<double>(tick) / static_cast<double>(options.ticks));
      if (options.interrupted && options.interrupted()) {
        result.interrupted = true;
        return result;
      }
    }
    const Instant at = options.from + plan.tick * static_cast<std::int64_t>(tick);
    host.time.advance(at);
    engine.tick(at, [] {});
    if (agenda) agenda->decided(engine, at);
    ++result.decided;
    result.last = at;
  }
  return result;
}

}  // namespace signalbox::loop
