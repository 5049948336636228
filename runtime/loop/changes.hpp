// Where in a replay what an SLO, a policy or a target reads is not what it read a tick before. Everywhere
// else its decision is that of the tick before, and need not be made again once its state is settled
// (decide::settled_until, decide::policies_settled_until, Engine::holds_settled).
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "runtime/eval/bounds.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/stillness.hpp"

namespace signalbox::loop {

struct ReplayTicks {
  Instant from;
  std::size_t count = 0;  // every plan.tick
  Instant at(const plan::Plan& plan, std::size_t tick) const {
    return from + plan.tick * static_cast<std::int64_t>(tick);
  }
};

struct Changes {
  std::vector<std::uint32_t> ticks;  // rising; the first tick is always one
  bool every_tick = false;           // it cannot be read in panels: slices, raw increments, subqueries
  // What was looked at for changes, as it is at those ticks, and below it what makes a condition true there:
  // by rising tick, as far as there is room.
  struct Shown {
    std::uint32_t tick;
    plan::Index node;
    eval::Column column;
    bool lasts;  // it is that until the node is shown again
  };
  std::vector<Shown> shown;
  std::uint32_t shown_until = ~std::uint32_t{0};  // the first tick at which there was no room for all
  void add(Changes&& other);                      // becomes the changes of both
};

// Bytes for what changes show, which several finders share. What is below conditions may take half of them:
// it can be had again at little cost, and conditions are asked for at every tick that is decided.
struct Room {
  explicit Room(std::int64_t all) : left_(all), for_conditions_(all / 2) {}
  bool take(std::int64_t bytes, bool condition);  // false and nothing where they are not there

 private:
  std::atomic<std::int64_t> left_;
  std::int64_t for_conditions_;
};

class ChangeFinder {
 public:
  // One for each thread: `leaves` and `shapes` are used by nobody else meanwhile.
  ChangeFinder(const plan::Plan& plan, eval::StoreProvider& leaves, eval::ShapeRunner& shapes,
               Semantics semantics, ReplayTicks ticks, Room& room);
  // `go_on` hears of the share done, now and then; when it answers false nothing comes of it.
  using GoOn = std::function<bool(double)>;
  // The evidence of its universe, and the truth and evidence of its rows, of every instance.
  std::optional<Changes> of_slo(plan::Index slo, const GoOn& go_on);
  // What its conditions are made of, below holds and beside windows that deploys move: these change while
  // holds or the state are not settled.
  std::optional<Changes> of_policy(plan::Index policy, const GoOn& go_on);
  // What shows its deploys.
  std::optional<Changes> of_target(plan::Index target, const GoOn& go_on);

 private:
  // A root, and what is known of it so far.
  struct Looked {
    Root root;
    std::vector<plan::Index> told;  // nodes that whoever is told of it is told of
    Stillness stillness;
    LastShown shown;
    std::vector<std::uint8_t> changed;  // by tick of the run at hand
  };
  void look(std::vector<Looked>& looked, std::size_t first, std::size_t n, bool by_bounds, Changes& out);
  using Seen = std::function<void(const eval::Panel& first_root, std::size_t first_tick)>;
  std::optional<Changes> find(const std::vector<Root>& roots, const GoOn& go_on, const Seen& seen = {});
  std::vector<Root> roots_of_slo(plan::Index slo) const;
  // Nothing where it has to be looked at at every tick.
  std::optional<std::vector<Root>> roots_of_policy(plan::Index policy) const;
  bool add_parts(plan::Index node, std::set<plan::Index>& visited, std::vector<Root>& roots) const;
  void show(std::uint32_t tick, plan::Index node, const eval::Panel& panel, std::size_t at, bool lasts,
            Changes& out);
  std::vector<plan::Index> told_of(plan::Index root) const;
  std::set<plan::Index> nodes_below(std::vector<plan::Index> roots) const;
  // Until when, exclusively, all of these leaves have the rows that they have at `at`.
  Instant same_rows_until(const std::vector<plan::Index>& leaves, Instant at);
  // Places in plan.leaves.
  std::vector<plan::Index> leaves_below(const std::vector<Root>& roots) const;

  const plan::Plan& plan_;
  eval::StoreProvider& leaves_;
  ReplayTicks ticks_;
  Room& room_;
  std::uint64_t rows_ = 0;  // a number for each set of rows that leaves had
  std::vector<bool> able_;
  eval::PanelEvaluation panels_;
  eval::StretchBounds bounds_;
};

}  // namespace signalbox::loop
