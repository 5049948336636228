// Decisions without an engine: a program's text, gauges and counters put by hand, and one tick after the
// other.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/decide/record.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::test {

class DecideBench {
 public:
  static constexpr Instant start{1'767'225'600'000};

  explicit DecideBench(const std::string& text) {
    lower::Compiled compiled = lower::compile({{"bench.slo", text}}, {});
    EXPECT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
    if (compiled.plan) plan = std::move(*compiled.plan);
    versions.resize(plan.targets.size(), "v2");
    for (const plan::Target& t : plan.targets) {
      decide::TargetState& target = state.targets[t.name];
      target.version = "v2";
      target.versions = {"v1", "v2"};
    }
  }

  plan::Plan plan;
  decide::State state;
  std::vector<std::optional<std::string>> versions;  // what the targets answer at the next tick
  decide::Observed observed;                         // the rest of it
  Instant now = start;
  decide::Decision last;              // of the latest tick or answer
  std::vector<decide::Event> events;  // of all of them
  std::vector<decide::Decision::Recorded> records;

  // The value of a metric from the next tick on, or none at all. `labels` as in "region=eu".
  void set(const std::string& name, std::optional<double> value, const std::string& labels = "") {
    values_[key(name, labels)] = value;
  }
  // Grows by so much a tick.
  void grow(const std::string& name, double by, const std::string& labels = "") {
    growth_[key(name, labels)] = by;
  }
  // No further samples; with end(), the last one says that the series is over.
  void stop(const std::string& name, const std::string& labels = "") {
    set(name, std::nullopt, labels), growth_.erase(key(name, labels));
  }
  void end(const std::string& name, const std::string& labels = "") {
    stop(name, labels);
    (void)store_->append(*store_->series(key(name, labels)), now + milliseconds(1), stale_marker());
  }
  // The store forgets what has had no samples for `longer`.
  void forget(Duration longer) {
    store_->retain_from(now - longer);
    leaves_->refresh();
  }

  decide::Decision& tick() {
    now = now + plan.tick;
    for (const auto& [labels, by] : growth_) values_[labels] = values_[labels].value_or(0.0) + by;
    for (const auto& [labels, value] : values_)
      if (value) (void)store_->append(*store_->series(labels), now, *value);
    decide::Observed o = observed;
    o.tick = now;
    o.versions = versions;
    decide::Decider decider(plan, state, o);
    const eval::HoldTable before = holds_;
    std::list<std::pair<std::string, eval::Evaluation>> evaluations;
    eval::ShapeRunner shapes(plan, eval::Tier::interpreter, {}, {});
    eval::Evaluation::Context context;
    context.plan = &plan;
    context.leaves = leaves_.get();
    context.shapes = &shapes;
    context.at = now;
    {
      eval::Evaluation targets(context);
      decider.observe_targets([&](plan::Index node) -> std::optional<double> {
        const decide::RowValue v = decide::row_of(targets.column(node), {});
        return v.evidence == plan::Evidence::value ? std::optional(v.value) : std::nullopt;
      });
    }
    context.holds = &holds_;
    context.holds_before = &before;
    context.anchors.deploys = decider.deploys();
    const auto evaluate = [&](const std::string& scope, std::optional<Instant> done,
                              const std::vector<Labels>* satisfied, plan::Index family) -> eval::Evaluation& {
      const std::string name = scope + (done ? std::to_string(done->ms) : "");
      for (auto& [known, evaluation] : evaluations)
        if (known == name) return evaluation;
      eval::Evaluation::Context c = context;
      c.scope = scope;
      c.anchors.done = done;
      c.satisfied = satisfied;
      c.family = family;
      evaluations.emplace_back(std::piecewise_construct, std::forward_as_tuple(name),
                               std::forward_as_tuple(std::move(c)));
      return evaluations.back().second;
    };
    decider.decide_policies(evaluate);
    decider.decide_slos(evaluate);
    return take(std::move(decider));
  }
  void ticks(int n) {
    for (int i = 0; i < n; ++i) tick();
  }

  // The target answers the effect under way, between ticks.
  decide::Decision& answer(decide::Answer::Kind kind, const std::optional<std::string>& version = {},
                           const std::string& policy = "", const Labels& instance = {}) {
    const std::string name = policy.empty() ? plan.policies[0].name : policy;
    decide::Observed o = observed;
    o.tick = now;
    o.versions.resize(plan.targets.size());
    decide::Decider decider(plan, state, o);
    decider.answered(name, instance, state.policies[{name, instance}].episode->intent->key,
                     {kind, "the answer"}, version);
    return take(std::move(decider));
  }
  // Every message waiting reaches its receiver. Returns how many pages were among them.
  int deliver() {
    int pages = 0;
    for (const auto& [id, m] : std::map(state.messages)) {
      pages += m.kind == "page";
      decide::Observed o = observed;
      o.tick = now;
      o.versions.resize(plan.targets.size());
      decide::Decider decider(plan, state, o);
      decider.delivered(id, true, "");
      take(std::move(decider));
    }
    return pages;
  }

  const decide::Episode& episode(const std::string& policy = "", const Labels& instance = {}) {
    return *state.policies[{policy.empty() ? plan.policies[0].name : policy, instance}].episode;
  }
  bool has_episode(const std::string& policy = "", const Labels& instance = {}) {
    return state.policies[{policy.empty() ? plan.policies[0].name : policy, instance}].episode.has_value();
  }
  int count(const std::string& kind) const {
    int n = 0;
    for (const decide::Event& e : events) n += e.kind == kind;
    return n;
  }
  // What the latest event of a kind says; "" when there was none.
  std::string why(const std::string& kind) const {
    for (auto e = events.rbegin(); e != events.rend(); ++e)
      if (e->kind == kind) return e->why;
    return "";
  }

 private:
  static Labels key(const std::string& name, const std::string& labels) {
    std::vector<Labels::Pair> pairs = {{std::string(metric_name_label), name}};
    if (!labels.empty())
      pairs.emplace_back(labels.substr(0, labels.find('=')), labels.substr(labels.find('=') + 1));
    return Labels(std::move(pairs));
  }
  // What is kept is what a store would give back: every state travels as bytes.
  decide::Decision& take(decide::Decider&& decider) {
    last = std::move(decider).take();
    const auto kept = decide::from_entries(decide::to_entries(last.state));
    EXPECT_TRUE(kept);
    auto messages = std::move(last.state.messages);
    state = *kept;
    for (auto& [id, m] : state.messages) m.receiver = messages[id].receiver;
    for (const decide::Event& e : last.events) events.push_back(e);
    for (const decide::Decision::Recorded& r : last.records) {
      records.push_back(r);
      const auto record = decide::record_from_bytes(r.bytes);
      EXPECT_TRUE(record);
      if (!record || !record->complete) continue;
      const auto again = decide::recompute(plan, *record);
      EXPECT_TRUE(again && *again == r.bytes) << "a record that cannot be made again: " << record->sentence;
    }
    return last;
  }

  std::unique_ptr<store::SeriesStore> store_ = std::make_unique<store::SeriesStore>(Limits{});
  std::unique_ptr<eval::StoreProvider> leaves_ = std::make_unique<eval::StoreProvider>(*store_);
  eval::HoldTable holds_;
  std::map<Labels, std::optional<double>> values_;
  std::map<Labels, double> growth_;
};

}  // namespace signalbox::test
