// Deciding: pure. Given the plan, the state, what was measured and what was observed, it says the state
// after, which effects to start and what to tell whom. Nothing here waits, calls or looks at a clock.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/decide/state.hpp"
#include "runtime/eval/evaluate.hpp"

namespace signalbox::decide {

// So many ticks without data may come in a row before a policy says that it misses them.
inline constexpr std::uint32_t unknown_until_missing = 2;

// A line of the timeline: what happened, to what, and why, in one sentence.
struct Event {
  Instant time;
  std::string kind;  // deployed decided refused executed verified unverified not_helped superseded failed
                     // escalated page ticket resolved missing retired lapsed limit undelivered
                     // unanswered held
  std::string declaration;
  Labels labels;
  std::string severity;  // page, ticket or ""
  std::string id;        // of the episode, or ""
  std::string why;
};

// An effect to start once its intent is durable.
struct Effect {
  plan::Index policy = plan::none;
  Labels instance;
  plan::Index target = plan::none, action = plan::none;
  std::string key, body, to_version;
};

// What is true of the world at this tick besides measurements. Read before deciding, recorded with the
// decision.
struct Observed {
  Instant tick;                                      // the evaluated instant
  std::vector<std::optional<std::string>> versions;  // by target; nothing when not asked or not answered
  bool kill_switch = false;
  plan::Mode mode_ceiling = plan::Mode::act;  // outside may lower a policy's mode
  std::uint32_t actions_per_hour = Limits{}.actions_per_hour;
  Duration intent_lifetime = Limits{}.intent_lifetime;
  std::set<std::string> in_flight;  // keys of effects whose call has not been answered yet
  std::string program;              // the plan's digest where it is known; working it out takes time
  bool assumed = false;             // replay: effects are taken to succeed and to change nothing
  bool keeps_records = true;        // false where nobody can ask for them afterwards
};

// What became of an effect's call.
struct Answer {
  enum class Kind { succeeded, rejected, unreachable, unknown } kind = Kind::succeeded;
  std::string text;  // for people: "204", "connection refused"
};

// Evaluates on behalf of a decision: `scope` names whose holds are moved on, `done` anchors `since done`,
// `satisfied` restricts the family of a verify.
using Evaluate = std::function<eval::Evaluation&(const std::string& scope, std::optional<Instant> done,
                                                 const std::vector<Labels>* satisfied, plan::Index family)>;

struct Decision {
  State state;
  Touched touched;  // of `state`, since the one before
  std::vector<Event> events;
  std::vector<Effect> effects;
  struct Recorded {  // what the journal keeps: see record.hpp
    std::string id, kind;
    std::uint64_t number = 0;
    std::string bytes;
  };
  std::vector<Recorded> records;
};

// The row of `labels` in a column, or nothing. A column with a single row and no labels answers for all.
struct RowValue {
  double value = 0;
  plan::Evidence evidence = plan::Evidence::no_data;
};
RowValue row_of(const eval::Column& column, const Labels& labels);
// Where `labels` stand among the rows. Many rows are indexed once for all ticks.
std::optional<std::size_t> place_of(const eval::Column& column, const Labels& labels, eval::EvalCache& cache);
// row_of with such an index. `next`: where they are likely to stand; afterwards, where the labels after them
// are, for those who go through labels in order.
RowValue row_of(const eval::Column& column, const Labels& labels, eval::EvalCache& cache, std::size_t& next);

struct Record;

class Decider {
 public:
  Decider(const plan::Plan& plan, State before, Observed observed)
      : plan_(plan), now_(observed.tick), observed_(std::move(observed)) {
    out_.state = std::move(before);
  }

  // In this order in every tick.
  void observe_targets(const std::function<std::optional<double>(plan::Index node)>& scalar);
  std::vector<eval::Anchors::Deploy> deploys() const;
  void decide_policies(const Evaluate& evaluate);
  // `unchanged`, by SLO: reads what it read a tick before. Those of them that are settled are left as they
  // are.
  void decide_slos(const Evaluate& evaluate, const std::vector<bool>* unchanged = nullptr);

  // One decision made again, for records.
  void decide_again(const std::string& policy, const Labels& instance, const Evaluate& evaluate);
  void decide_row_again(const Record& record, const Evaluate& evaluate);

  // Between ticks: an effect was answered (`version`: read after a success), or a message reached its
  // receiver.
  void answered(const std::string& policy, const Labels& instance, const std::string& key,
                const Answer& answer, const std::optional<std::string>& version);
  void delivered(const std::string& message, bool accepted, const std::string& text);

  Decision take() && { return std::move(out_); }
  const State& state() const { return out_.state; }

 private:
  void say(std::string kind, const std::string& declaration, const Labels& labels, std::string severity,
           const std::string& id, std::string why);
  void tell(plan::Index receiver, std::string kind, const std::string& declaration, const Labels& labels,
            const std::string& episode, std::string summary, const std::string& runbook);

  void say_unwatched(const std::string& declaration, std::uint32_t most, std::uint64_t unwatched);

  // policies.cpp
  void retire_if_spent(const plan::Policy& policy, const Labels& instance);
  void decide_policy(plan::Index index, const Labels& instance, double truth, plan::Evidence evidence,
                     const Evaluate& evaluate);
  bool reason_gone(plan::Index index, const PolicyState& p, eval::Evaluation& evaluation) const;
  void propose(plan::Index index, PolicyState& p, Instant anchor_or_tick, eval::Evaluation& evaluation);
  std::string refusal(plan::Index index, const PolicyState& p) const;
  bool acts_on(const std::string& policy, plan::Index target) const;
  bool executing_on(plan::Index target) const;
  bool write_intent(plan::Index index, PolicyState& p, std::string& why);
  void carry_on(plan::Index index, PolicyState& p);
  void verify(plan::Index index, PolicyState& p, const State& before, const Evaluate& evaluate);
  void became_done(plan::Index index, PolicyState& p);
  struct Looked {  // what a verify decided on
    const State& before;
    Instant since;
    eval::Evaluation& when;
    eval::Evaluation& verify;
  };
  void end(plan::Index index, PolicyState& p, EpisodeState outcome, std::string reason,
           const Looked* looked = nullptr);
  Record about(std::string id, std::string kind, const std::string& declaration, const Labels& instance,
               std::string sentence);
  // Makes a record where records are kept.
  template <class Make>  // () → Decision::Recorded
  void keep(Make make) {
    if (observed_.keeps_records) out_.records.push_back(make());
  }
  void foreign_deploy(plan::Index target);
  void missing_rule(plan::Index index, PolicyState& p, plan::Evidence evidence, const Evaluate& evaluate);
  std::vector<Labels> satisfied_rows(plan::Index index, const Labels& instance,
                                     eval::Evaluation& evaluation) const;

  // slos.cpp
  void decide_slo(plan::Index index, const Evaluate& evaluate);
  void watch_instances(const plan::Slo& slo, const eval::Column& universe, eval::EvalCache& cache);
  struct Read {
    const eval::Column& column;
    std::size_t next = 0;  // the row of the instance that comes next, as a rule
  };
  struct Columns {  // what an SLO reads at this tick
    Read universe;
    std::vector<Read> conditions;  // by row
    eval::EvalCache& cache;
  };
  bool decide_instance(plan::Index index, SloState& s, Columns& columns, const Evaluate& evaluate);
  RowValue row_now(plan::Index index, SloState& s, std::size_t row, RowValue now, const Evaluate& evaluate);
  void decide_row(plan::Index index, SloState& s, std::size_t row, RowValue now, const Evaluate& evaluate);
  void tell_row(plan::Index index, SloState& s, std::size_t row, const RowState& before,
                const Evaluate& evaluate);
  bool deferred(const plan::Slo& slo, const plan::BurnRow& row, RowState& r, const Labels& instance,
                bool& by_outcome) const;
  bool inside_anchored_bound(plan::Index slo) const;

  const plan::Plan& plan_;
  Instant now_;
  Observed observed_;
  Decision out_;
  std::map<std::pair<plan::Index, Labels>, bool> pending_;  // policies whose `when` is on its way or that act
};

// The outermost condition below holds: what is "pending" while a hold counts.
plan::Index below_hold(const plan::Plan& plan, plan::Index node);
// Up to when (exclusively) deciding an SLO again on the same measurements after the tick `at` changes
// nothing: all that there is to tell is told, and no time that counts runs out.
Instant settled_until(const plan::Plan& plan, const State& state, plan::Index slo, Instant at);
// The same of all policies and of what targets show. Whether holds are settled is another question.
Instant policies_settled_until(const plan::Plan& plan, const State& state, Instant at);
// How long effects on a target are counted: as long as any policy on it counts.
Duration counted_for(const plan::Plan& plan, plan::Index target);
// How long a span of an episode counts that windows `before` leave out: longer than any of them looks back.
Duration spans_kept(const plan::Plan& plan);

// "25% of 1,200 requests failed …": the numbers behind a policy's condition, for sentences and records.
std::string explain_readings(const plan::Plan& plan, plan::Index root, eval::Evaluation& evaluation,
                             const std::vector<Labels>& rows);

}  // namespace signalbox::decide
