// Policies: whom they watch, and when an episode begins and ends.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/decide/explain.hpp"
#include "runtime/decide/record.hpp"
#include "runtime/eval/eval_cache.hpp"

namespace signalbox::decide {

using plan::Evidence;
using plan::Index;

namespace {

bool lacks_data(Evidence e) {
  return e == Evidence::no_data || e == Evidence::stale || e == Evidence::invalid;
}

// For how long a condition must have been false for an episode without an anchor and without `until` to end.
// One tick of a false condition is not enough where it is held: a pause of the process or a flapping signal
// would make two episodes of one.
Duration clearing_time(const plan::Plan& plan, Index node) {
  const plan::Node& n = plan.nodes[node];
  if (n.kind != plan::NodeKind::hold) return plan.tick;
  return n.hold.kind == plan::Hold::Kind::time ? std::max(n.hold.time, plan.tick) : plan.tick * n.hold.count;
}

// What has to be false so long. After one false tick what is held is false for its hold's length already, so
// that it is what lies below; what was true at so many of the last ticks is not.
Index clearing_condition(const plan::Plan& plan, Index node) {
  const plan::Node& n = plan.nodes[node];
  const bool of = n.kind == plan::NodeKind::hold && n.hold.kind == plan::Hold::Kind::of;
  return of ? node : below_hold(plan, node);
}

}  // namespace

Index below_hold(const plan::Plan& plan, Index node) {
  while (plan.nodes[node].kind == plan::NodeKind::hold) node = plan.nodes[node].inputs[0];
  return node;
}

RowValue row_of(const eval::Column& column, const Labels& labels) {
  for (std::size_t i = 0; i < column.size(); ++i) {
    if ((*column.rows)[i] == labels || (column.size() == 1 && (*column.rows)[i].empty()))
      return {column.number(i), static_cast<Evidence>(column.evidence[i])};
  }
  return {};
}

namespace {

// So few rows are looked through as fast as an index is asked.
constexpr std::size_t few_rows = 8;

}  // namespace

std::optional<std::size_t> place_of(const eval::Column& column, const Labels& labels,
                                    eval::EvalCache& cache) {
  if (column.size() <= few_rows) {
    const auto at = std::find(column.rows->begin(), column.rows->end(), labels);
    if (at == column.rows->end()) return std::nullopt;
    return static_cast<std::size_t>(at - column.rows->begin());
  }
  const eval::RowIndex& index = eval::row_index(cache, column.rows);
  const auto at = index.place.find(labels);
  if (at == index.place.end()) return std::nullopt;
  return at->second;
}

RowValue row_of(const eval::Column& column, const Labels& labels, eval::EvalCache& cache, std::size_t& next) {
  if (column.size() <= few_rows) return row_of(column, labels);
  std::optional<std::size_t> row = next;
  if (next >= column.size() || (*column.rows)[next] != labels) row = place_of(column, labels, cache);
  if (!row) return {};
  next = *row + 1;
  return {column.number(*row), static_cast<Evidence>(column.evidence[*row])};
}

std::vector<Labels> Decider::satisfied_rows(Index index, const Labels& instance,
                                            eval::Evaluation& evaluation) const {
  const plan::Policy& policy = plan_.policies[index];
  std::vector<Labels> out;
  if (policy.family == plan::none) return out;
  const eval::Column& rows = evaluation.column(policy.family);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Labels& row = (*rows.rows)[i];
    const bool ours = std::all_of(instance.pairs().begin(), instance.pairs().end(),
                                  [&](const auto& p) { return row.get(p.first) == p.second; });
    if (ours && rows.evidence[i] == 0 && rows.number(i) != 0.0) out.push_back(row);
  }
  return out;
}

void Decider::decide_policies(const Evaluate& evaluate) {
  std::erase_if(out_.state.actions, [&](Instant t) { return now_ - t > hours(1); });
  for (Index i = 0; i < plan_.policies.size(); ++i) {
    const plan::Policy& policy = plan_.policies[i];
    if (policy.when == plan::none) continue;
    eval::Evaluation& evaluation = evaluate("", std::nullopt, nullptr, plan::none);
    const eval::Column& when = evaluation.column(policy.when);
    // What is held counts every tick, whoever asks for it.
    if (policy.until != plan::none) evaluation.column(policy.until);
    std::set<Labels> seen, watched;
    for (const auto& [key, p] : out_.state.policies)
      if (key.first == policy.name) watched.insert(key.second);
    std::uint64_t unwatched = 0;
    for (std::size_t r = 0; r < when.size(); ++r) {
      const Labels instance = (*when.rows)[r];
      if (watched.count(instance) == 0 && watched.size() >= policy.max_instances) {
        ++unwatched;
        continue;
      }
      watched.insert(instance);
      seen.insert(instance);
      decide_policy(i, instance, when.number(r), static_cast<Evidence>(when.evidence[r]), evaluate);
    }
    say_unwatched(policy.name, policy.max_instances, unwatched);
    // Without `per` there is one instance, also where the condition has found nothing yet.
    if (policy.per.empty() && seen.insert(Labels{}).second)
      decide_policy(i, {}, 0, Evidence::no_data, evaluate);
    std::vector<Labels> absent;
    for (const auto& [key, p] : out_.state.policies)
      if (key.first == policy.name && seen.count(key.second) == 0) absent.push_back(key.second);
    for (const Labels& instance : absent) {
      decide_policy(i, instance, 0, Evidence::no_data, evaluate);
      retire_if_spent(policy, instance);
    }
  }
}

// An instance whose series are gone is forgotten when nothing of it counts any more: no episode is under way,
// the limit and the cooldown have run out, and whoever wants to hear of missing data has. Else it would hold
// a place under `max` for ever.
void Decider::retire_if_spent(const plan::Policy& policy, const Labels& instance) {
  const auto it = out_.state.policies.find({policy.name, instance});
  const PolicyState& p = it->second;
  if (instance.empty() || (p.episode && !is_outcome(p.episode->state)) || !p.effects.empty()) return;
  if (p.unknown_ticks <= unknown_until_missing || (p.cooldown_until && now_ < *p.cooldown_until)) return;
  say("retired", policy.name, instance, "", "",
      fmt::format("{} has no series of this instance any more: it is forgotten", policy.name));
  out_.state.policies.erase(it);
}

void Decider::decide_policy(Index index, const Labels& instance, double value, Evidence evidence,
                            const Evaluate& evaluate) {
  const plan::Policy& policy = plan_.policies[index];
  PolicyState& p = out_.state.policies[{policy.name, instance}];
  p.instance = instance;
  std::erase_if(p.effects,
                [&, kept = counted_for(plan_, policy.target)](Instant t) { return now_ - t > kept; });
  const bool known = evidence == Evidence::value;
  const bool holds = known && value != 0.0;
  std::optional<State> before;  // for the record of what a verify decides
  if (p.episode && p.episode->state == EpisodeState::verifying) before = small_tables(out_.state);
  missing_rule(index, p, evidence, evaluate);

  if (p.episode && p.episode->state == EpisodeState::executing)
    carry_on(index, p);
  else if (p.episode && p.episode->state == EpisodeState::verifying && before)
    verify(index, p, *before, evaluate);

  eval::Evaluation& evaluation = evaluate("", std::nullopt, nullptr, plan::none);
  const RowValue inner = row_of(evaluation.column(below_hold(plan_, policy.when)), instance);
  // From when the condition ceases to be true, whatever the action is doing meanwhile; and an episode that is
  // to end stays so.
  const RowValue clears = row_of(evaluation.column(clearing_condition(plan_, policy.when)), instance);
  if (p.episode && policy.anchor == plan::none && clears.evidence == Evidence::value &&
      p.clear_for < clearing_time(plan_, policy.when))
    p.clear_for = clears.value != 0.0 ? Duration{} : p.clear_for + plan_.tick;
  std::optional<Instant> anchor;
  if (policy.anchor != plan::none) anchor = out_.state.targets[plan_.targets[policy.anchor].name].deploy;
  const bool waits = p.episode && p.episode->state == EpisodeState::refused;
  if (waits && holds) {
    propose(index, p, p.episode->anchor.value_or(p.episode->started), evaluation);
  } else if (p.episode && (waits || is_outcome(p.episode->state)) && reason_gone(index, p, evaluation)) {
    if (waits) end(index, p, EpisodeState::lapsed, "there is no reason to act any more");
    if (policy.anchor == plan::none) p.episode.reset();
    p.clear_for = {};
  }
  const bool live = p.episode && (!is_outcome(p.episode->state) || policy.anchor == plan::none);
  if (holds && !live) {
    if (policy.anchor == plan::none) {
      propose(index, p, now_, evaluation);
    } else if (anchor && (!p.episode || p.episode->anchor != anchor)) {
      propose(index, p, *anchor, evaluation);
    }
  }
  const bool on_its_way =
      inner.evidence == Evidence::value && inner.value != 0.0 && refusal(index, p).empty() &&
      !(p.episode && is_outcome(p.episode->state) && p.episode->anchor == anchor && anchor);
  const bool acting = p.episode && (p.episode->state == EpisodeState::executing ||
                                    p.episode->state == EpisodeState::verifying);
  pending_[{index, instance}] = on_its_way || acting;
}

// Whether an episode that does not act is over.
bool Decider::reason_gone(Index index, const PolicyState& p, eval::Evaluation& evaluation) const {
  const plan::Policy& policy = plan_.policies[index];
  if (policy.anchor != plan::none)
    return !is_outcome(p.episode->state) && now_ > *p.episode->anchor + policy.bound;
  if (policy.until != plan::none) {
    const RowValue until = row_of(evaluation.column(policy.until), p.instance);
    return until.evidence == Evidence::value && until.value != 0.0;
  }
  return p.clear_for >= clearing_time(plan_, policy.when);
}

void Decider::decide_again(const std::string& policy, const Labels& instance, const Evaluate& evaluate) {
  for (Index i = 0; i < plan_.policies.size(); ++i) {
    if (plan_.policies[i].name != policy) continue;
    const RowValue when =
        row_of(evaluate("", std::nullopt, nullptr, plan::none).column(plan_.policies[i].when), instance);
    decide_policy(i, instance, when.value, when.evidence, evaluate);
  }
}

void Decider::missing_rule(Index index, PolicyState& p, Evidence evidence, const Evaluate& evaluate) {
  const plan::Policy& policy = plan_.policies[index];
  if (!lacks_data(evidence)) {
    if (evidence != Evidence::value) return;
    p.unknown_ticks = 0;
    if (!p.missing_told) return;
    p.missing_told = false;
    const std::string back = fmt::format("{} has data again", policy.name);
    say("resolved", policy.name, p.instance, "", "", back);
    return tell(policy.missing_page, "resolved", policy.name, p.instance, "", back, policy.runbook);
  }
  // One more than may come is as good as any number, and leaves the state as it is from there on.
  p.unknown_ticks = std::min(p.unknown_ticks, unknown_until_missing) + 1;
  if (p.unknown_ticks <= unknown_until_missing || p.missing_told || policy.missing_page == plan::none) return;
  p.missing_told = true;
  const std::string why = fmt::format("{} cannot tell whether to act: its data is {}", policy.name,
                                      plan::evidence_name(evidence));
  const std::string id = episode_id(policy.name, "missing", p.instance, now_);
  say("missing", policy.name, p.instance, "page", id, why);
  tell(policy.missing_page, "page", policy.name, p.instance, id, why, policy.runbook);
  keep([&] {
    Record record = about(id, "missing", policy.name, p.instance, why);
    record.tree = condition_tree(plan_, policy.when, evaluate("", std::nullopt, nullptr, plan::none));
    return note(plan_, std::move(record), observed_);
  });
}

void Decider::delivered(const std::string& id, bool accepted, const std::string& text) {
  const auto it = out_.state.messages.find(id);
  if (it == out_.state.messages.end()) return;
  out_.touched.messages.insert(id);
  Message& m = it->second;
  if (accepted) {
    // A receiver that a reload took away: what it was to be told is not lost without a word.
    if (m.receiver == plan::none)
      say("undelivered", m.declaration, m.labels, m.kind, m.episode,
          fmt::format("the program has no receiver {} any more, who was to be told: {}", m.receiver_name,
                      m.summary));
    out_.state.messages.erase(it);
    return;
  }
  ++m.attempts;
  m.not_before = now_ + Duration{std::min<std::int64_t>(60'000, 1000ll << std::min(m.attempts, 6u))};
  if (m.attempts == 1 || m.attempts % 10 == 0)
    say("undelivered", m.declaration, m.labels, m.kind, m.episode,
        fmt::format("{} could not be told ({}): trying again", m.receiver_name, text));
}

}  // namespace signalbox::decide
