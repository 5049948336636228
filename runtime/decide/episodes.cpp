// Episodes: from the decision to act to its one effect, and what became of it.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/decide/explain.hpp"
#include "runtime/decide/record.hpp"

namespace signalbox::decide {

using plan::Evidence;
using plan::Index;

namespace {

std::string json_text(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
  }
  return out + "\"";
}

// Whose numbers a sentence shows: the rows of a family, or the policy's own instance.
std::vector<Labels> rows_shown(const PolicyState& p) {
  return p.episode->satisfied.empty() ? std::vector<Labels>{p.instance} : p.episode->satisfied;
}

constexpr const char* held_by_switch = "the kill switch is on";

}  // namespace

bool Decider::acts_on(const std::string& policy, Index target) const {
  return std::any_of(plan_.policies.begin(), plan_.policies.end(),
                     [&](const plan::Policy& p) { return p.name == policy && p.target == target; });
}

Duration counted_for(const plan::Plan& plan, Index target) {
  Duration longest;
  for (const plan::Policy& p : plan.policies)
    if (p.target == target) longest = std::max(longest, p.limit_per);
  return longest;
}

// Why the policy may not act now; "" when it may. The one choke point of all effects.
std::string Decider::refusal(Index index, const PolicyState& p) const {
  const plan::Policy& policy = plan_.policies[index];
  const plan::Target& target = plan_.targets[policy.target];
  const plan::Mode mode = std::min(policy.mode, observed_.mode_ceiling);
  if (observed_.kill_switch) return held_by_switch;
  if (mode == plan::Mode::observe) return "mode observe: it only watches";
  if (mode == plan::Mode::dry_run)
    return fmt::format("mode dry_run: it would have done {}", target.actions[policy.action].name);
  if (mode == plan::Mode::approve) return "mode approve: nobody can be asked yet";
  std::size_t effects = 0;
  for (const auto& [key, other] : out_.state.policies) {
    for (const plan::Policy& q : plan_.policies) {
      if (q.name != key.first || q.target != policy.target || &other == &p || !other.episode) continue;
      if (other.episode->state == EpisodeState::executing || other.episode->state == EpisodeState::verifying)
        return fmt::format("{} is acting on {}", q.name, target.name);
    }
    if (!acts_on(key.first, policy.target)) continue;
    for (Instant t : other.effects) effects += now_ - t <= policy.limit_per;
    if (other.cooldown_until && now_ < *other.cooldown_until)
      return fmt::format("{} is cooling down until {}", target.name, to_rfc3339(*other.cooldown_until));
  }
  if (effects >= policy.limit)
    return fmt::format("the limit of {} per {} is reached", policy.limit, to_string(policy.limit_per));
  if (out_.state.actions.size() >= observed_.actions_per_hour)
    return fmt::format("{} actions in the last hour, over all policies: something is wrong",
                       out_.state.actions.size());
  return {};
}

// The head of a record.
Record Decider::about(std::string id, std::string kind, const std::string& declaration,
                      const Labels& instance, std::string sentence) {
  Record record;
  record.id = std::move(id);
  record.number = out_.state.next_record++;
  record.kind = std::move(kind);
  record.declaration = declaration;
  record.instance = instance;
  record.sentence = std::move(sentence);
  record.time = now_;
  return record;
}

void Decider::propose(Index index, PolicyState& p, Instant identity, eval::Evaluation& evaluation) {
  const plan::Policy& policy = plan_.policies[index];
  const bool again = p.episode && p.episode->state == EpisodeState::refused;
  const State before = small_tables(out_.state);
  if (!again) {
    Episode e;
    e.id = episode_id(policy.name, plan_.targets[policy.target].name, p.instance, identity);
    if (policy.anchor != plan::none) e.anchor = identity;
    e.started = now_;
    p.episode = std::move(e);
  }
  Episode& e = *p.episode;
  e.satisfied = satisfied_rows(index, p.instance, evaluation);
  std::string why = refusal(index, p);
  const bool acts = why.empty() && write_intent(index, p, why);
  const std::string numbers = explain_readings(plan_, policy.when, evaluation, rows_shown(p));
  if (!acts) {
    const bool said = again && e.reason == why;
    e.reason = why;
    if (said) return;
    const std::string sentence =
        fmt::format("{} wanted {} on {} and was refused: {}{}{}", policy.name,
                    plan_.targets[policy.target].actions[policy.action].name,
                    plan_.targets[policy.target].name, why, numbers.empty() ? "" : "; ", numbers);
    say("refused", policy.name, p.instance, "", e.id, sentence);
    keep([&] {
      return complete_record(plan_, about(e.id, "refused", policy.name, p.instance, sentence), before,
                             observed_, {{{policy.when}, &evaluation}});
    });
    return;
  }
  const std::string to = e.intent->to_version.empty() ? "" : fmt::format(" to {}", e.intent->to_version);
  const std::string sentence = fmt::format(
      "{} does {}{} on {}{}{}", policy.name, plan_.targets[policy.target].actions[policy.action].name, to,
      plan_.targets[policy.target].name, numbers.empty() ? "" : ": ", numbers);
  e.reason = sentence;
  say("decided", policy.name, p.instance, "", e.id, sentence);
  keep([&] {
    return complete_record(plan_, about(e.id, "decided", policy.name, p.instance, sentence), before,
                           observed_, {{{policy.when}, &evaluation}});
  });
  out_.effects.push_back(
      {index, p.instance, policy.target, policy.action, e.intent->key, e.intent->body, e.intent->to_version});
}

// "Previous" is made absolute here, and what is gone back to must be known and not be what an action went
// away from.
bool Decider::write_intent(Index index, PolicyState& p, std::string& why) {
  const plan::Policy& policy = plan_.policies[index];
  const plan::Target& target = plan_.targets[policy.target];
  const plan::Action& action = target.actions[policy.action];
  TargetState& t = out_.state.targets[target.name];
  Episode& e = *p.episode;
  Intent intent;
  intent.key = fmt::format("{}-{}", e.id, e.effects + 1);
  intent.written = now_;
  intent.from_version = t.version;
  intent.attempts = 1;
  std::string body = "{";
  for (const plan::BodyValue& v : action.body) {
    using Kind = plan::BodyValue::Kind;
    std::string text;
    switch (v.kind) {
      case Kind::text:
        text = json_text(v.text);
        break;
      case Kind::number:
        text = shortest(v.number);
        break;
      case Kind::episode:
        text = json_text(e.id);
        break;
      case Kind::current_version:
        if (t.version.empty()) {
          why = fmt::format("nobody knows which version runs on {}", target.name);
          return false;
        }
        text = json_text(t.version);
        break;
      case Kind::previous_version: {
        const auto good = std::find_if(t.versions.rbegin(), t.versions.rend(), [&](const std::string& x) {
          return x != t.version && t.rejected.count(x) == 0;
        });
        if (t.version.empty() || good == t.versions.rend()) {
          why = fmt::format("no earlier version of {} is known that was not rolled back itself", target.name);
          return false;
        }
        intent.to_version = *good;
        text = json_text(*good);
        break;
      }
    }
    body += fmt::format("{}{}:{}", body.size() > 1 ? "," : "", json_text(v.key), text);
  }
  intent.body = body + "}";
  ++e.effects;
  e.state = EpisodeState::executing;
  e.intent = intent;
  e.done.reset();
  e.seen_known = false;
  p.effects.push_back(now_);
  p.cooldown_until = now_ + policy.cooldown;
  out_.state.actions.push_back(now_);
  t.own = OwnEffect{intent.to_version.empty() ? t.version : intent.to_version, now_,
                    now_ + observed_.intent_lifetime + policy.verify.within, false};
  return true;
}

// An effect that was started and is not done: its answer was lost, it must be sent again, or the target has
// not shown it.
void Decider::carry_on(Index index, PolicyState& p) {
  const plan::Policy& policy = plan_.policies[index];
  const plan::Target& target = plan_.targets[policy.target];
  const plan::Action& action = target.actions[policy.action];
  Intent& intent = *p.episode->intent;
  const std::optional<std::string>& version = observed_.versions[policy.target];
  const bool agrees = version && !intent.to_version.empty() && *version == intent.to_version;
  if (intent.answered) {
    if (target.version_url.empty() || intent.to_version.empty() || agrees || observed_.assumed)
      return became_done(index, p);
    if (now_ - intent.written > policy.verify.within)
      end(index, p, EpisodeState::failed,
          fmt::format("{} said yes and still runs {}", target.name, version.value_or("an unknown version")));
    return;
  }
  if (observed_.in_flight.count(intent.key) != 0) return;
  if (now_ - intent.written > observed_.intent_lifetime)
    return end(index, p, EpisodeState::failed,
               fmt::format(
                   "{} had no good answer for {}{}: nobody knows whether it happened", action.name,
                   to_string(observed_.intent_lifetime),
                   intent.last_answer.empty() ? "" : fmt::format(" (the last one: {})", intent.last_answer)));
  switch (action.delivery) {
    case plan::Delivery::unsafe:
      return end(index, p, EpisodeState::failed,
                 fmt::format("the answer to {} was lost, and it is not safe to send twice", action.name));
    case plan::Delivery::once:
      if (intent.to_version.empty())
        return end(index, p, EpisodeState::failed,
                   fmt::format("the answer to {} was lost, and {} cannot show whether it happened",
                               action.name, target.name));
      if (agrees) return became_done(index, p);
      if (!version) return;
      if (*version != intent.from_version)
        return end(index, p, EpisodeState::failed,
                   fmt::format("{} runs {}, which is neither what was there nor what was asked for",
                               target.name, *version));
      break;
    case plan::Delivery::idempotent:
      break;
  }
  if (observed_.kill_switch) {
    if (intent.last_answer == held_by_switch) return;
    intent.last_answer = held_by_switch;
    return say("held", policy.name, p.instance, "", p.episode->id,
               fmt::format("{} is not sent again: {}", action.name, held_by_switch));
  }
  ++intent.attempts;
  out_.effects.push_back(
      {index, p.instance, policy.target, policy.action, intent.key, intent.body, intent.to_version});
}

void Decider::became_done(Index index, PolicyState& p) {
  const plan::Policy& policy = plan_.policies[index];
  Episode& e = *p.episode;
  e.state = EpisodeState::verifying;
  e.done = now_;
  e.intent->answered = true;
  if (!e.intent->to_version.empty())
    out_.state.targets[plan_.targets[policy.target].name].rejected.insert(e.intent->from_version);
  const std::string sentence =
      fmt::format("{} on {} is done{}", plan_.targets[policy.target].actions[policy.action].name,
                  plan_.targets[policy.target].name,
                  e.intent->to_version.empty() ? "" : fmt::format(": it runs {}", e.intent->to_version));
  say("executed", policy.name, p.instance, "", e.id, sentence);
  keep([&] { return note(plan_, about(e.id, "executed", policy.name, p.instance, sentence), observed_); });
}

void Decider::verify(Index index, PolicyState& p, const State& before, const Evaluate& evaluate) {
  const plan::Policy& policy = plan_.policies[index];
  Episode& e = *p.episode;
  const Instant from = *e.done + policy.verify.after, deadline = *e.done + policy.verify.within;
  if (now_ < from) return;
  eval::Evaluation& evaluation = evaluate(e.id, from, &e.satisfied, policy.verify.family);
  const RowValue v = row_of(evaluation.column(policy.verify.condition), p.instance);
  if (v.evidence == Evidence::value) e.seen_known = true;
  const bool good = v.evidence == Evidence::value && v.value != 0.0;
  if (!good && now_ < deadline) return;
  const std::string numbers = explain_readings(plan_, policy.verify.condition, evaluation, rows_shown(p));
  const std::string tail = numbers.empty() ? "" : ": " + numbers;
  const Looked looked{before, from, evaluate("", std::nullopt, nullptr, plan::none), evaluation};
  if (good)
    end(index, p, EpisodeState::verified, "it helped" + tail, &looked);
  else if (e.seen_known)
    end(index, p, EpisodeState::not_helped,
        fmt::format("it did not help within {}{}", to_string(policy.verify.within), tail), &looked);
  else
    end(index, p, EpisodeState::unverified,
        fmt::format("nothing could be measured within {}", to_string(policy.verify.within)), &looked);
}

// `looked`: what a verify read; null where the outcome is not one of a verify.
void Decider::end(Index index, PolicyState& p, EpisodeState outcome, std::string reason,
                  const Looked* looked) {
  const plan::Policy& policy = plan_.policies[index];
  Episode& e = *p.episode;
  e.state = outcome;
  e.reason = reason;
  e.ended = now_;
  if (policy.anchor != plan::none && e.anchor)
    out_.state.targets[plan_.targets[policy.anchor].name].episodes.emplace_back(*e.anchor, now_);
  const std::string sentence = fmt::format("{}: {}", policy.name, reason);
  say(episode_state_name(outcome), policy.name, p.instance, "", e.id, sentence);
  keep([&] {
    Record record = about(e.id, episode_state_name(outcome), policy.name, p.instance, sentence);
    if (looked == nullptr) return note(plan_, std::move(record), observed_);
    record.of = Record::Of::verify;
    record.since = looked->since;
    return complete_record(plan_, std::move(record), looked->before, observed_,
                           {{{policy.when}, &looked->when}, {{policy.verify.condition}, &looked->verify}});
  });
  const bool again = (outcome == EpisodeState::not_helped || outcome == EpisodeState::unverified) &&
                     e.effects < policy.repeat && policy.anchor == plan::none;
  if (again) {
    e.state = EpisodeState::refused;  // looked at again while `when` holds
    e.ended.reset();
    return;
  }
  if (outcome == EpisodeState::verified || outcome == EpisodeState::lapsed) return;
  // What the program has to say is about an action that was done and did not help.
  const std::string message = policy.verify.message.empty() || looked == nullptr
                                  ? sentence
                                  : fmt::format("{} ({})", policy.verify.message, sentence);
  say("escalated", policy.name, p.instance, "page", e.id, message);
  tell(policy.verify.escalate, "page", policy.name, p.instance, e.id, message, policy.runbook);
}

void Decider::answered(const std::string& policy_name, const Labels& instance, const std::string& key,
                       const Answer& answer, const std::optional<std::string>& version) {
  const auto it = out_.state.policies.find({policy_name, instance});
  if (it == out_.state.policies.end()) return;
  PolicyState& p = it->second;
  if (!p.episode || !p.episode->intent || p.episode->intent->key != key ||
      p.episode->state != EpisodeState::executing)
    return;
  Index index = plan::none;
  for (Index i = 0; i < plan_.policies.size(); ++i)
    if (plan_.policies[i].name == policy_name) index = i;
  if (index == plan::none) return;
  const plan::Policy& policy = plan_.policies[index];
  const plan::Action& action = plan_.targets[policy.target].actions[policy.action];
  if (version) observed_.versions[policy.target] = version;
  switch (answer.kind) {
    case Answer::Kind::succeeded:
      p.episode->intent->answered = true;
      return carry_on(index, p);
    case Answer::Kind::rejected:
      out_.state.targets[plan_.targets[policy.target].name].own.reset();  // no deploy of ours will show
      return end(
          index, p, EpisodeState::failed,
          fmt::format("{} refused {}: {}", plan_.targets[policy.target].name, action.name, answer.text));
    case Answer::Kind::unreachable:
    case Answer::Kind::unknown:
      if (action.delivery == plan::Delivery::unsafe)
        return end(index, p, EpisodeState::failed,
                   fmt::format("{} on {}: {}, and it is not safe to send twice", action.name,
                               plan_.targets[policy.target].name, answer.text));
      if (p.episode->intent->last_answer == answer.text) return;
      p.episode->intent->last_answer = answer.text;
      return say("unanswered", policy.name, p.instance, "", p.episode->id,
                 fmt::format("{} on {} is not known to have happened ({}): {}", action.name,
                             plan_.targets[policy.target].name, answer.text,
                             action.delivery == plan::Delivery::once ? "what runs there will tell"
                                                                     : "it is sent again with the same key"));
  }
}

}  // namespace signalbox::decide
