#include "tests/sim/checker.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/decide/record.hpp"

namespace signalbox::sim {

using decide::EpisodeState;

namespace {

// One entry as decide/ reads it.
decide::State decoded(const std::string& key, const std::string& value) {
  auto state = decide::from_entries({{key.substr(6), value}});
  return state ? std::move(*state) : decide::State{};
}

bool outcome_kind(const std::string& kind) {
  for (int s = static_cast<int>(EpisodeState::verified); s <= static_cast<int>(EpisodeState::lapsed); ++s)
    if (kind == decide::episode_state_name(static_cast<EpisodeState>(s))) return true;
  return false;
}

bool may_become(EpisodeState from, EpisodeState to, bool repeats) {
  using S = EpisodeState;
  if (from == to) return true;
  switch (from) {
    case S::refused:
      return to == S::executing || to == S::lapsed;
    case S::executing:
      return to == S::verifying || to == S::failed || to == S::superseded;
    case S::verifying:
      return to == S::verified || to == S::unverified || to == S::not_helped || to == S::superseded ||
             (repeats && (to == S::refused || to == S::executing || to == S::lapsed));
    default:
      return false;
  }
}

}  // namespace

void Checker::fail(Instant now, std::string what) {
  violations.push_back(fmt::format("{}: {}", to_string(now - sim_start), what));
}

void Checker::committed(Instant now, const StoreTransaction& t) {
  if (t.fence < fence_) fail(now, "a transaction of an engine that was replaced was taken");
  fence_ = std::max(fence_, t.fence);
  std::set<std::string> ended;
  for (const auto& put : t.puts)
    if (put.key.rfind("record/", 0) == 0 && put.value) record(now, put.key, *put.value, ended);
  for (const auto& put : t.puts) {
    const auto before = entries_.find(put.key);
    if (put.key.rfind("state/policy/", 0) == 0) {
      if (put.value)
        policy_changed(now, put.key, before == entries_.end() ? nullptr : &before->second, *put.value, ended);
      else if (before != entries_.end())
        policy_forgotten(now, before->second, put.key);
    } else if (put.key.rfind("state/message/", 0) == 0) {
      const std::string id = put.key.substr(14);
      if (put.value)
        message(now, put.key, *put.value);
      else if (pager_.taken.count(id) == 0)
        fail(now, fmt::format("message {} was dropped before its receiver had it", id));
    }
    if (put.value)
      entries_[put.key] = *put.value;
    else
      entries_.erase(put.key);
  }
}

void Checker::record(Instant now, const std::string& key, const std::string& bytes,
                     std::set<std::string>& ended) {
  const auto known = entries_.find(key);
  if (known != entries_.end()) fail(now, "a record was written over: " + key);
  const auto r = decide::record_from_bytes(bytes);
  if (!r) return fail(now, fmt::format("{} cannot be read: {}", key, r.error().message));
  story_[r->id].push_back(r->kind);
  if (outcome_kind(r->kind)) {
    ended.insert(r->id);
    ends_[r->id] = r->sentence;
    ++outcomes[r->kind];
  }
  if (!r->complete) return;
  const auto again = decide::recompute(plan_, *r);
  ++recomputed;
  if (!again)
    fail(now, fmt::format("{} ({}) cannot be made again: {}", key, r->kind, again.error().message));
  else if (*again != bytes)
    fail(now, fmt::format("{} ({}) made again has other bytes", key, r->kind));
}

void Checker::message(Instant now, const std::string& key, const std::string& bytes) {
  const decide::State state = decoded(key, bytes);
  if (state.messages.empty()) return fail(now, key + " cannot be read");
  const decide::Message& m = state.messages.begin()->second;
  const std::string says =
      fmt::format("{} {} {} {} {}", m.kind, m.declaration, m.time.ms, m.episode, m.summary);
  const auto [it, fresh] = messages_.emplace(m.id, says);
  if (!fresh && it->second != says)
    fail(now, fmt::format("message {} was written over: {} | {}", m.id, it->second, says));
  told_.emplace(m.time.ms, m.summary);
}

void Checker::policy_forgotten(Instant now, const std::string& before, const std::string& key) {
  const decide::State state = decoded(key, before);
  const decide::PolicyState& p = state.policies.begin()->second;
  if (p.episode && !decide::is_outcome(p.episode->state))
    fail(now, fmt::format("episode {} was forgotten in state {}", p.episode->id,
                          episode_state_name(p.episode->state)));
}

void Checker::policy_changed(Instant now, const std::string& key, const std::string* before,
                             const std::string& after, const std::set<std::string>& ended) {
  const decide::State state = decoded(key, after);
  if (state.policies.empty()) return fail(now, key + " cannot be read");
  const auto& [name, p] = *state.policies.begin();
  plan::Index index = plan::none;
  for (plan::Index i = 0; i < plan_.policies.size(); ++i)
    if (plan_.policies[i].name == name.first) index = i;
  if (index == plan::none) return fail(now, key + " belongs to no policy");
  const bool repeats = plan_.policies[index].repeat > 1;
  std::optional<decide::Episode> old;
  if (before != nullptr) old = decoded(key, *before).policies.begin()->second.episode;

  if (old && p.episode && old->id == p.episode->id) {
    if (!may_become(old->state, p.episode->state, repeats))
      fail(now, fmt::format("episode {} went from {} to {}", old->id, episode_state_name(old->state),
                            episode_state_name(p.episode->state)));
    if (old->intent && p.episode->intent && old->intent->key == p.episode->intent->key &&
        old->intent->body != p.episode->intent->body)
      fail(now, fmt::format("the intent of {} was changed", old->intent->key));
  } else {
    if (old && !decide::is_outcome(old->state) && ended.count(old->id) == 0)
      fail(now, fmt::format("episode {} was dropped in state {}", old->id, episode_state_name(old->state)));
    if (p.episode && p.episode->state != EpisodeState::refused && p.episode->state != EpisodeState::executing)
      fail(now, fmt::format("episode {} began as {}", p.episode->id, episode_state_name(p.episode->state)));
  }
  if (!p.episode || !p.episode->intent) return;
  const decide::Episode& e = *p.episode;
  if (intents_.count(e.intent->key) == 0) new_intent(now, index, e);
  if (e.state == EpisodeState::verifying && !(old && old->state == EpisodeState::verifying) &&
      shop_.effects_by_key.count(e.intent->key) == 0)
    fail(now, fmt::format("{} was taken to be done, and it never happened", e.intent->key));
}

void Checker::new_intent(Instant now, plan::Index index, const decide::Episode& e) {
  const plan::Policy& policy = plan_.policies[index];
  Intent i;
  i.policy = index;
  i.episode = e.id;
  i.body = e.intent->body;
  i.written = e.intent->written;
  intents_[e.intent->key] = i;
  if (std::min(policy.mode, scenario_.ceiling) != plan::Mode::act)
    fail(now, fmt::format("{} was intended in a mode that does not act", e.intent->key));
  std::vector<Instant>& times = intent_times_[policy.name];
  std::size_t recent = 1;
  for (const Instant t : times) {
    recent += i.written - t < policy.limit_per;
    if (i.written - t < policy.cooldown)
      fail(now, fmt::format("{} came {} after the one before, within its cooldown", e.intent->key,
                            to_string(i.written - t)));
  }
  if (recent > policy.limit)
    fail(now, fmt::format("{} is number {} within {}", e.intent->key, recent, to_string(policy.limit_per)));
  times.push_back(i.written);
}

void Checker::sent(Instant now, const std::string& key, const std::string& body, bool kill_switch) {
  const auto it = intents_.find(key);
  if (it == intents_.end())
    return fail(now, fmt::format("effect {} was sent without a committed intent", key));
  ++it->second.sent;
  if (it->second.body != body)
    fail(now, fmt::format("effect {} is not what was intended: {} | {}", key, body, it->second.body));
  if (kill_switch) fail(now, fmt::format("effect {} was sent while the kill switch was on", key));
}

void Checker::answered(const std::string& key) {
  const auto it = intents_.find(key);
  if (it != intents_.end()) it->second.answered = true;
}

void Checker::event(const decide::Event& e) {
  if (e.kind != "page" && e.kind != "escalated" && e.kind != "missing" && e.kind != "resolved") return;
  if (told_.count({e.time.ms, e.why}) == 0)
    fail(e.time, fmt::format("{} of {} has no durable message: {}", e.kind, e.declaration, e.why));
}

void Checker::finish(Instant now) {
  // A failed attempt may be followed by another, which a guard holds back at the end of the run.
  std::set<std::string> waiting;
  for (const auto& [key, value] : entries_) {
    if (key.rfind("state/policy/", 0) != 0) continue;
    const auto state = decoded(key, value);
    const auto& episode = state.policies.begin()->second.episode;
    if (episode && !decide::is_outcome(episode->state)) waiting.insert(episode->id);
  }
  std::map<std::string, std::string> last_keys;
  for (const auto& [key, i] : intents_) last_keys[i.episode] = key;
  for (const auto& [key, i] : intents_) {
    const plan::Policy& policy = plan_.policies[i.policy];
    const plan::Delivery delivery = plan_.targets[policy.target].actions[policy.action].delivery;
    const auto& story = story_[i.episode];
    std::string last, before;
    for (const std::string& kind : story) {
      if (!outcome_kind(kind)) continue;
      before = std::exchange(last, kind);
    }
    const bool happened = shop_.effects_by_key.count(key) != 0;
    if (last.empty()) {
      fail(now, fmt::format("intent {} has no end: {}", key, fmt::join(story, ", ")));
    } else if (last == "verified") {
      if (!happened) fail(now, fmt::format("effect {} was lost, and nobody was told", key));
    } else if (last == "lapsed" && (before == "not_helped" || before == "unverified") && policy.repeat > 1) {
      if (!happened) fail(now, fmt::format("effect {} was lost, and nobody was told", key));
    } else if ((last == "not_helped" || last == "unverified") && policy.repeat > 1 &&
               waiting.count(i.episode) != 0) {
      if (!happened) fail(now, fmt::format("effect {} was lost, and nobody was told", key));
    } else if (!pager_.told(i.episode)) {
      fail(now, fmt::format("episode {} ended {} and nobody was told", i.episode, last));
    }
    // Where the process and the store do their part, an answer that came counts.
    const bool undisturbed = scenario_.deaths == 0 && scenario_.effect_deaths == 0 &&
                             scenario_.restarts.empty() && scenario_.unknown_commits == 0;
    const bool last_key = key == last_keys[i.episode];
    if (undisturbed && i.answered && last_key && last == "failed" &&
        ends_[i.episode].find("lost") != std::string::npos)
      fail(now, fmt::format("the answer to {} came and was taken for lost: {}", key, ends_[i.episode]));
    if (delivery == plan::Delivery::unsafe && !i.answered) {
      if (!pager_.told(i.episode))
        fail(now, fmt::format("the answer to unsafe {} was lost and nobody was told", key));
      if (i.sent > 1) fail(now, fmt::format("unsafe {} was sent {} times", key, i.sent));
    }
  }
  for (const auto& [episode, n] : shop_.effects_by_episode) {
    int most = 1;
    for (const auto& [key, i] : intents_)
      if (i.episode == episode) most = static_cast<int>(plan_.policies[i.policy].repeat);
    if (n > most) fail(now, fmt::format("episode {} had {} effects", episode, n));
  }
  for (const auto& [key, n] : shop_.effects_by_key)
    if (n > 1) fail(now, fmt::format("effect {} took place {} times", key, n));
  for (const auto& [id, says] : messages_)
    if (pager_.taken.count(id) == 0)
      fail(now, fmt::format("message {} never reached its receiver: {}", id, says));
  for (const std::string& fault : pager_.faults) fail(now, fault);
}

}  // namespace signalbox::sim
