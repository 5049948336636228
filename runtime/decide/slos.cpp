// SLOs: burn rows to pages and tickets, missing data, idleness, and rows that wait for a policy.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

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
const char* word(plan::Severity s) {
  return s == plan::Severity::page ? "page" : "ticket";
}
const std::vector<Index>& receivers_of(const plan::Slo& slo, const plan::BurnRow& row) {
  return row.severity == plan::Severity::page ? slo.page : slo.ticket;
}

// From the row's first true tick until it is false again, it is one thing that is told.
std::string row_id(const plan::Slo& slo, const Labels& instance, std::size_t row, const RowState& state) {
  return episode_id(slo.name, fmt::format("row {}", row), instance, state.since);
}

}  // namespace

void Decider::decide_slos(const Evaluate& evaluate, const std::vector<bool>* unchanged) {
  for (Index i = 0; i < plan_.slos.size(); ++i)
    if (unchanged == nullptr || !(*unchanged)[i] ||
        settled_until(plan_, out_.state, i, now_ - plan_.tick) <= now_)
      decide_slo(i, evaluate);
}

bool Decider::inside_anchored_bound(Index slo) const {
  for (const plan::Policy& p : plan_.policies) {
    if (p.anchor == plan::none ||
        std::find(p.anchored_slos.begin(), p.anchored_slos.end(), slo) == p.anchored_slos.end())
      continue;
    const auto t = out_.state.targets.find(plan_.targets[p.anchor].name);
    if (t != out_.state.targets.end() && t->second.deploy && *t->second.deploy < now_ &&
        now_ <= *t->second.deploy + p.bound)
      return true;
  }
  return false;
}

// What there is to watch: what was there before, gone or not, and what shows for the first time.
void Decider::watch_instances(const plan::Slo& slo, const eval::Column& universe, eval::EvalCache& cache) {
  auto& slos = out_.state.slos;
  const auto watch = [&](const Labels& labels) {
    const auto [at, fresh] = slos.try_emplace({slo.name, labels});
    at->second.instance = labels;
    if (fresh) out_.touched.slos.insert(at->first);
    return fresh;
  };
  // Without `per` there is one instance, also before anything was seen of it.
  if (slo.per.empty()) watch(Labels{});
  std::vector<bool> watched(universe.size(), false);
  std::size_t instances = 0;
  for (auto at = slos.lower_bound({slo.name, Labels{}}); at != slos.end() && at->first.first == slo.name;
       ++at, ++instances) {
    if (const auto row = place_of(universe, at->first.second, cache)) watched[*row] = true;
  }
  std::uint64_t unwatched = 0;
  for (std::size_t r = 0; r < universe.size(); ++r) {
    // What has ended does not appear: a retired instance comes back with a sample.
    if (watched[r] || lacks_data(static_cast<Evidence>(universe.evidence[r]))) continue;
    const Labels& labels = (*universe.rows)[r];
    if (instances < slo.max_instances)
      instances += watch(labels) ? 1 : 0;
    else if (slos.count({slo.name, labels}) == 0)
      ++unwatched;
  }
  say_unwatched(slo.name, slo.max_instances, unwatched);
}

void Decider::decide_slo(Index index, const Evaluate& evaluate) {
  const plan::Slo& slo = plan_.slos[index];
  eval::Evaluation& evaluation = evaluate("", std::nullopt, nullptr, plan::none);
  Columns columns{{evaluation.column(slo.universe)}, {}, *evaluation.context().cache};
  watch_instances(slo, columns.universe.column, columns.cache);
  for (const plan::BurnRow& row : slo.rows) columns.conditions.push_back({evaluation.column(row.condition)});
  auto& slos = out_.state.slos;
  std::vector<RowState> rows;
  for (auto at = slos.lower_bound({slo.name, Labels{}}); at != slos.end() && at->first.first == slo.name;) {
    SloState& s = at->second;
    rows = s.rows;
    const auto missing_since = s.missing_since;
    const bool told = s.missing_told, page = s.missing_page;
    const bool stays = decide_instance(index, s, columns, evaluate);
    if (!stays || rows != s.rows || missing_since != s.missing_since || told != s.missing_told ||
        page != s.missing_page)
      out_.touched.slos.insert(at->first);
    at = stays ? std::next(at) : slos.erase(at);
  }
}

// Says whether the instance is still to be remembered.
bool Decider::decide_instance(Index index, SloState& s, Columns& columns, const Evaluate& evaluate) {
  const plan::Slo& slo = plan_.slos[index];
  const Labels& labels = s.instance;
  const auto read = [&](Read& from) { return row_of(from.column, labels, columns.cache, from.next); };
  s.rows.resize(slo.rows.size());
  // What was there and is gone is missing, not healthy.
  const RowValue alive = read(columns.universe);
  Evidence worst = alive.evidence;
  for (std::size_t r = 0; r < slo.rows.size(); ++r) {
    RowValue v = row_now(index, s, r, read(columns.conditions[r]), evaluate);
    // A window of slices does not know why its slices are unknown, nor whether there is data now; their
    // condition does.
    if (slo.slices && lacks_data(v.evidence) && alive.evidence == Evidence::no_traffic) v = alive;
    if (!slo.slices && lacks_data(v.evidence)) worst = std::max(worst, v.evidence);
    decide_row(index, s, r, v, evaluate);
  }
  if (!lacks_data(worst)) {
    if (s.missing_told) {
      const std::string why = fmt::format("{} has data again", slo.name);
      const std::string id = episode_id(slo.name, "missing", labels, *s.missing_since);
      say("resolved", slo.name, labels, "", id, why);
      for (Index receiver : s.missing_page ? slo.page : slo.ticket)
        tell(receiver, "resolved", slo.name, labels, id, why, slo.runbook);
    }
    s.missing_since.reset();
    s.missing_told = false;
    return true;
  }
  if (!s.missing_since) s.missing_since = now_;
  if (!slo.per.empty() && lacks_data(alive.evidence) && now_ - *s.missing_since >= slo.period) {
    say("retired", slo.name, labels, "", "",
        fmt::format("{} has had no data for its whole period of {}: it is forgotten", slo.name,
                    to_string(slo.period)));
    return false;
  }
  // A window that has too few samples yet is not a loss: only the instance's own data going away pages at
  // once.
  const bool at_once = lacks_data(alive.evidence) && !slo.slices && inside_anchored_bound(index);
  if (s.missing_told || (!at_once && now_ - *s.missing_since < slo.missing_keep)) return true;
  s.missing_told = true;
  const plan::Severity severity = at_once ? plan::Severity::page : slo.missing;
  s.missing_page = severity == plan::Severity::page;
  eval::Evaluation& evaluation = evaluate("", std::nullopt, nullptr, plan::none);
  const std::string why =
      at_once
          ? fmt::format("{} lost its data ({}) right after a deploy", slo.name, plan::evidence_name(worst))
          : fmt::format("{} has had no usable data for {}: {}", slo.name, to_string(now_ - *s.missing_since),
                        plan::evidence_name(worst)) +
                (worst == Evidence::invalid ? absent_bucket(plan_, slo.seen, evaluation) +
                                                  absent_bucket(plan_, slo.spent, evaluation)
                                            : "");
  const std::string id = episode_id(slo.name, "missing", labels, *s.missing_since);
  say("missing", slo.name, labels, word(severity), id, why);
  const auto& receivers = severity == plan::Severity::page ? slo.page : slo.ticket;
  for (Index receiver : receivers) tell(receiver, word(severity), slo.name, labels, id, why, slo.runbook);
  keep([&] {
    Record record = about(id, "missing", slo.name, labels, why);
    record.tree = condition_tree(plan_, slo.universe, evaluation);
    return note(plan_, std::move(record), observed_);
  });
  return true;
}

// Whether the row waits for a policy. `by_outcome`: the policy has ended well, and the row is judged on what
// came after.
bool Decider::deferred(const plan::Slo& slo, const plan::BurnRow& row, RowState& r, const Labels& instance,
                       bool& by_outcome) const {
  by_outcome = false;
  for (const plan::DeferRule& rule : slo.defer) {
    if (rule.severity != row.severity) continue;
    for (const auto& [key, pending] : pending_) {
      if (key.first != rule.policy) continue;
      const bool ours = std::all_of(key.second.pairs().begin(), key.second.pairs().end(), [&](const auto& p) {
        return instance.get(p.first) == p.second || instance.get(p.first).empty();
      });
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

// The row's condition; where a policy has ended well, judged on what came after.
RowValue Decider::row_now(Index index, SloState& s, std::size_t row_index, RowValue now,
                          const Evaluate& evaluate) {
  const plan::BurnRow& row = plan_.slos[index].rows[row_index];
  RowState& r = s.rows[row_index];
  if (!r.clipped || row.clipped == plan::none) return now;
  if (now.evidence == Evidence::value && now.value == 0.0) {
    r.clipped = false;
    return now;
  }
  const RowValue since =
      row_of(evaluate("clip", r.clip_from, nullptr, plan::none).column(row.clipped), s.instance);
  // Too little has been seen since to say anything: that is not a page.
  return since.evidence == Evidence::value ? since : RowValue{0.0, Evidence::value};
}

void Decider::decide_row(Index index, SloState& s, std::size_t row_index, RowValue now,
                         const Evaluate& evaluate) {
  const plan::Slo& slo = plan_.slos[index];
  const plan::BurnRow& row = slo.rows[row_index];
  RowState& r = s.rows[row_index];
  const RowState before = r;
  const auto clear = [&](const std::string& reason) {
    if (r.told) {
      const std::string id = row_id(slo, s.instance, row_index, r);
      say("resolved", slo.name, s.instance, word(row.severity), id, reason);
      for (Index receiver : receivers_of(slo, row))
        tell(receiver, "resolved", slo.name, s.instance, id, reason, slo.runbook);
    }
    r = {};
    r.clipped = before.clipped;
    r.clip_from = before.clip_from;
  };
  if (now.evidence == Evidence::no_traffic) {
    if (!slo.idle_keeps && r.active) clear(fmt::format("{} has no traffic", slo.name));
    return;
  }
  if (now.evidence != Evidence::value) return;
  if (now.value == 0.0) {
    if (r.active) {
      const std::string windows =
          fmt::format("{} and {}", to_string(row.long_window), to_string(row.short_window));
      clear(fmt::format("{} no longer burns {}× too fast over both {}", slo.name, shortest(row.factor),
                        windows));
    }
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
  tell_row(index, s, row_index, before, evaluate);
}

void Decider::tell_row(Index index, SloState& s, std::size_t row_index, const RowState& before,
                       const Evaluate& evaluate) {
  const plan::Slo& slo = plan_.slos[index];
  const plan::BurnRow& row = slo.rows[row_index];
  eval::Evaluation& evaluation = evaluate("", std::nullopt, nullptr, plan::none);
  const double budget = sub(Rational(1), slo.objective)->to_double();
  const auto burn = [&](Index ratio) {
    return fmt::format("{:.4g}", row_of(evaluation.column(ratio), s.instance).value / budget);
  };
  const std::string sentence = fmt::format(
      "{} burns its budget {}× too fast over {} and {}× over {}; the row {} at {}×", slo.name,
      burn(row.long_ratio), to_string(row.long_window), burn(row.short_ratio), to_string(row.short_window),
      row.severity == plan::Severity::page ? "pages" : "tickets", shortest(row.factor));
  const std::string id = row_id(slo, s.instance, row_index, s.rows[row_index]);
  say(word(row.severity), slo.name, s.instance, word(row.severity), id, sentence);
  for (Index receiver : receivers_of(slo, row))
    tell(receiver, word(row.severity), slo.name, s.instance, id, sentence, slo.runbook);

  keep([&] {
    State state = small_tables(out_.state);
    SloState& told = state.slos[{slo.name, s.instance}] = s;
    told.rows[row_index] = before;
    Record record = about(id, word(row.severity), slo.name, s.instance, sentence);
    record.of = Record::Of::row;
    record.row = static_cast<std::uint32_t>(row_index);
    for (const auto& [key, pending] : pending_)
      if (pending) record.pending.emplace_back(plan_.policies[key.first].name, key.second);
    std::vector<RecordedInputs> inputs = {{{row.long_ratio, row.short_ratio, row.condition}, &evaluation}};
    if (before.clipped && row.clipped != plan::none) {
      record.since = before.clip_from;
      inputs.push_back({{row.clipped}, &evaluate("clip", before.clip_from, nullptr, plan::none)});
    }
    return complete_record(plan_, std::move(record), state, observed_, inputs);
  });
}

void Decider::decide_row_again(const Record& record, const Evaluate& evaluate) {
  for (const auto& [key, p] : out_.state.policies) {
    for (Index i = 0; i < plan_.policies.size(); ++i)
      if (plan_.policies[i].name == key.first)
        pending_[{i, key.second}] =
            std::find(record.pending.begin(), record.pending.end(), key) != record.pending.end();
  }
  for (Index i = 0; i < plan_.slos.size(); ++i) {
    if (plan_.slos[i].name != record.declaration || record.row >= plan_.slos[i].rows.size()) continue;
    SloState& s = out_.state.slos[{record.declaration, record.instance}];
    s.instance = record.instance;
    s.rows.resize(plan_.slos[i].rows.size());
    const RowValue now = row_of(
        evaluate("", std::nullopt, nullptr, plan::none).column(plan_.slos[i].rows[record.row].condition),
        s.instance);
    decide_row(i, s, record.row, row_now(i, s, record.row, now, evaluate), evaluate);
  }
}

}  // namespace signalbox::decide
