// SLOs: burn rows to pages and tickets, missing data, idleness, and rows that wait for a policy.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/decide/decide.hpp"

namespace signalbox::decide {

using plan::Evidence;
using plan::Index;

namespace {

bool lacks_data(Evidence e) { return e == Evidence::no_data || e == Evidence::stale || e == Evidence::invalid; }
const char* word(plan::Severity s) { return s == plan::Severity::page ? "page" : "ticket"; }

}  // namespace

void Decider::decide_slos(const Evaluate& evaluate) {
  for (Index i = 0; i < plan_.slos.size(); ++i) decide_slo(i, evaluate);
}

bool Decider::inside_anchored_bound(Index slo) const {
  for (const plan::Policy& p : plan_.policies) {
    if (p.anchor == plan::none || std::find(p.anchored_slos.begin(), p.anchored_slos.end(), slo) == p.anchored_slos.end()) continue;
    const auto t = out_.state.targets.find(plan_.targets[p.anchor].name);
    if (t != out_.state.targets.end() && t->second.deploy && *t->second.deploy < now_ && now_ <= *t->second.deploy + p.bound) return true;
  }
  return false;
}

void Decider::decide_slo(Index index, const Evaluate& evaluate) {
  const plan::Slo& slo = plan_.slos[index];
  eval::Evaluation& evaluation = evaluate("", std::nullopt, nullptr, plan::none);
  const eval::Column& universe = evaluation.column(slo.universe);
  // What was there and is gone is missing, not healthy.
  std::set<Labels> instances;
  for (const auto& [key, s] : out_.state.slos)
    if (key.first == slo.name) instances.insert(key.second);
  std::uint64_t unwatched = 0;
  for (std::size_t r = 0; r < universe.size(); ++r) {
    const Labels& labels = (*universe.rows)[r];
    if (instances.count(labels) != 0) continue;
    if (instances.size() >= slo.max_instances) ++unwatched;
    else instances.insert(labels);
  }
  say_unwatched(slo.name, slo.max_instances, unwatched);
  for (const Labels& labels : instances) {
    SloState& s = out_.state.slos[{slo.name, labels}];
    s.instance = labels;
    s.rows.resize(slo.rows.size());
    const RowValue alive = row_of(universe, labels);
    Evidence worst = alive.evidence;
    for (std::size_t r = 0; r < slo.rows.size(); ++r) {
      const plan::BurnRow& row = slo.rows[r];
      RowState& state = s.rows[r];
      RowValue v = row_of(evaluation.column(row.condition), labels);
      if (state.clipped && row.clipped != plan::none) {
        if (v.evidence == Evidence::value && v.value == 0.0) {
          state.clipped = false;
        } else {
          eval::Evaluation& since = evaluate("clip", state.clip_from, nullptr, plan::none);
          v = row_of(since.column(row.clipped), labels);
          // Too little has been seen since to say anything: that is not a page.
          if (v.evidence != Evidence::value) v = {0.0, Evidence::value};
        }
      }
      // A window of slices does not know why its slices are unknown, nor whether there is data now; their condition does.
      if (slo.slices && lacks_data(v.evidence) && alive.evidence == Evidence::no_traffic) v = alive;
      if (!slo.slices && lacks_data(v.evidence)) worst = std::max(worst, v.evidence);
      const auto burn = [&](Index ratio) {
        const double budget = sub(Rational(1), slo.objective)->to_double();
        return fmt::format("{:.4g}", row_of(evaluation.column(ratio), labels).value / budget);
      };
      decide_row(index, s, r, v.value, v.evidence, [&] {
        return fmt::format("{} burns its budget {}× too fast over {} and {}× over {}; the row {} at {}×", slo.name, burn(row.long_ratio),
                           to_string(row.long_window), burn(row.short_ratio), to_string(row.short_window), row.severity == plan::Severity::page ? "pages" : "tickets",
                           shortest(row.factor));
      });
    }
    if (!lacks_data(worst)) {
      s.missing_since.reset();
      s.missing_told = false;
      continue;
    }
    if (!s.missing_since) s.missing_since = now_;
    if (now_ - *s.missing_since >= slo.period) {
      say("retired", slo.name, labels, "", "", fmt::format("{} has had no data for its whole period of {}: it is forgotten", slo.name, to_string(slo.period)));
      out_.state.slos.erase({slo.name, labels});
      continue;
    }
    // A window that has too few samples yet is not a loss: only the instance's own data going away pages at once.
    const bool at_once = lacks_data(alive.evidence) && !slo.slices && inside_anchored_bound(index);
    if (s.missing_told || (!at_once && now_ - *s.missing_since < slo.missing_keep)) continue;
    s.missing_told = true;
    const plan::Severity severity = at_once ? plan::Severity::page : slo.missing;
    const std::string why = at_once ? fmt::format("{} lost its data ({}) right after a deploy", slo.name, plan::evidence_name(worst))
                                    : fmt::format("{} has had no usable data for {}: {}", slo.name, to_string(now_ - *s.missing_since), plan::evidence_name(worst));
    say("missing", slo.name, labels, word(severity), "", why);
    const auto& receivers = severity == plan::Severity::page ? slo.page : slo.ticket;
    for (Index receiver : receivers) tell(receiver, word(severity), slo.name, labels, "", why, slo.runbook);
  }
}

// Whether the row waits for a policy. `by_outcome`: the policy has ended well, and the row is judged on what came after.
bool Decider::deferred(const plan::Slo& slo, const plan::BurnRow& row, RowState& r, const Labels& instance, bool& by_outcome) const {
  by_outcome = false;
  for (const plan::DeferRule& rule : slo.defer) {
    if (rule.severity != row.severity) continue;
    for (const auto& [key, pending] : pending_) {
      if (key.first != rule.policy) continue;
      const bool ours = std::all_of(key.second.pairs().begin(), key.second.pairs().end(), [&](const auto& p) { return instance.get(p.first) == p.second || instance.get(p.first).empty(); });
      if (!ours) continue;
      if (pending) {
        if (now_ - r.since < rule.at_most) return true;
        continue;
      }
      const auto state = out_.state.policies.find({plan_.policies[rule.policy].name, key.second});
      if (state == out_.state.policies.end() || !state->second.episode) continue;
      const Episode& e = *state->second.episode;
      if (e.state == EpisodeState::verified && e.done && e.ended && *e.ended >= r.since) {
        by_outcome = true;
        r.clipped = true;
        r.clip_from = *e.done + plan_.policies[rule.policy].verify.after;
        return true;
      }
    }
  }
  return false;
}

void Decider::decide_row(Index index, SloState& s, std::size_t row_index, double value, Evidence evidence, const std::function<std::string()>& why) {
  const plan::Slo& slo = plan_.slos[index];
  const plan::BurnRow& row = slo.rows[row_index];
  RowState& r = s.rows[row_index];
  const auto& receivers = row.severity == plan::Severity::page ? slo.page : slo.ticket;
  const auto clear = [&](const std::string& reason) {
    if (r.told) {
      say("resolved", slo.name, s.instance, word(row.severity), "", reason);
      for (Index receiver : receivers) tell(receiver, "resolved", slo.name, s.instance, "", reason, slo.runbook);
    }
    const bool clipped = r.clipped;
    const Instant from = r.clip_from;
    r = {};
    r.clipped = clipped;
    r.clip_from = from;
  };
  if (evidence == Evidence::no_traffic) {
    if (!slo.idle_keeps && r.active) clear(fmt::format("{} has no traffic", slo.name));
    return;
  }
  if (evidence != Evidence::value) return;
  if (value == 0.0) {
    if (r.active) clear(fmt::format("{} is back under {} over {}", slo.name, shortest(row.factor), to_string(row.long_window)));
    return;
  }
  if (!r.active) {
    r.active = true;
    r.since = now_;
  }
  if (r.told) return;
  bool by_outcome = false;
  if (deferred(slo, row, r, s.instance, by_outcome)) {
    r.deferred = !by_outcome;
    if (by_outcome) {
      r.active = false;
      r.told = false;
    }
    return;
  }
  r.told = true;
  r.deferred = false;
  const std::string sentence = why();
  say(word(row.severity), slo.name, s.instance, word(row.severity), "", sentence);
  for (Index receiver : receivers) tell(receiver, word(row.severity), slo.name, s.instance, "", sentence, slo.runbook);
}

}  // namespace signalbox::decide
