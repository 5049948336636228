#include "runtime/loop/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <list>
#include <tuple>

namespace signalbox::loop {

using decide::Decision;
using decide::Observed;
using plan::Index;

Engine::Engine(const plan::Plan& plan, Host& host, eval::LeafProvider& leaves, World& world,
               EngineObserver& observer, EngineOptions options)
    : plan_(plan),
      host_(host),
      leaves_(leaves),
      world_(world),
      observer_(observer),
      options_(std::move(options)),
      shapes_(plan, options_.tier, options_.load_compiler, [this](const Error& e) { observer_.notice(e); }),
      cache_(eval::make_eval_cache()),
      semantics_(plan.semantics.value_or(options_.semantics)),
      digest_(options_.durable ? plan::digest(plan) : std::string()) {}

Engine::~Engine() {
  *alive_ = false;
}

void Engine::start(std::function<void(Result<void>)> ready) {
  host_.store.read_fence([this, alive = alive_, ready = std::move(ready)](Result<std::uint64_t> fence) {
    if (!*alive) return;
    if (!fence) return ready(fence.error());
    fence_ = *fence + 1;
    StoreTransaction t;
    t.fence = fence_;
    t.puts.push_back({"owner", std::to_string(fence_)});
    host_.store.commit(std::move(t), [this, alive, ready](CommitOutcome outcome) {
      if (!*alive) return;
      if (outcome == CommitOutcome::conflict)
        return ready(Error{ErrorCode::conflict,
                           "another Signalbox took this state while this one was starting",
                           "stop one of them"});
      if (outcome == CommitOutcome::unknown)
        return ready(Error{ErrorCode::outcome_unknown, "the state store does not say whether it is ours",
                           "start again"});
      read_state([this, ready](const Result<void>& read) {
        if (read) await_earlier_calls();
        ready(read);
      });
    });
  });
}

// A call of the process before this one may have left just before it ended. What the target shows says
// whether it happened only when it cannot arrive any more.
void Engine::await_earlier_calls() {
  for (const plan::Policy& policy : plan_.policies) {
    const plan::Target& target = plan_.targets[policy.target];
    if (policy.action == plan::none || target.actions[policy.action].delivery != plan::Delivery::once)
      continue;
    for (const auto& [key, p] : state_.policies) {
      if (key.first != policy.name || !p.episode || p.episode->state != decide::EpisodeState::executing ||
          p.episode->intent->answered)
        continue;
      in_flight_.insert(p.episode->intent->key);
      host_.timer.at(host_.clock.now() + target.timeout,
                     [this, alive = alive_, effect = p.episode->intent->key] {
                       if (!*alive) return;
                       in_flight_.erase(effect);
                       become_idle();
                     });
    }
  }
}

void Engine::read_state(std::function<void(Result<void>)> ready) {
  host_.store.read("state/",
                   [this, alive = alive_, ready = std::move(ready)](Result<std::vector<StoreEntry>> entries) {
                     if (!*alive) return;
                     if (!entries) return ready(entries.error());
                     entries_.clear();
                     std::map<std::string, std::string> named;
                     for (StoreEntry& e : *entries) {
                       entries_[e.key] = e.value;
                       named[e.key.substr(6)] = e.value;
                     }
                     Result<decide::State> state = decide::from_entries(named);
                     if (!state) return ready(state.error());
                     state_ = std::move(*state);
                     all_touched_ = true;
                     if (options_.initial_versions) {
                       for (Index i = 0; i < plan_.targets.size(); ++i) {
                         decide::TargetState& t = state_.targets[plan_.targets[i].name];
                         if (t.versions.empty()) t.versions = options_.initial_versions(i);
                       }
                     }
                     // Receivers may have moved in the tables since a message was written.
                     for (auto& [id, m] : state_.messages) {
                       m.receiver = plan::none;
                       for (Index r = 0; r < plan_.receivers.size(); ++r)
                         if (plan_.receivers[r].name == m.receiver_name) m.receiver = r;
                     }
                     status_.ready = true;
                     ready({});
                   });
}

void Engine::tick(Instant at, std::function<void()> done) {
  if (!status_.ready || status_.fenced || stopping_) return done();
  if (busy_) {
    ++status_.missed;
    return done();
  }
  busy_ = true;
  heartbeats(at);
  world_.gather(at, [this, alive = alive_, at, done = std::move(done)] {
    if (!*alive) return;
    read_versions([this, alive, at, done](std::vector<std::optional<std::string>> versions) {
      if (*alive) decide_tick(at, std::move(versions), done);
    });
  });
}

void Engine::read_versions(std::function<void(std::vector<std::optional<std::string>>)> done) {
  struct Gathering {
    std::vector<std::optional<std::string>> versions;
    std::size_t waiting = 0;
    std::function<void(std::vector<std::optional<std::string>>)> done;
  };
  auto g = std::make_shared<Gathering>();
  g->versions.resize(plan_.targets.size());
  g->done = std::move(done);
  g->waiting = 1;
  for (Index i = 0; i < plan_.targets.size(); ++i) {
    if (plan_.targets[i].version_url.empty()) continue;
    ++g->waiting;
    world_.read_version(i, [g, i](Result<std::string> version) {
      if (version) g->versions[i] = *version;
      if (--g->waiting == 0) g->done(std::move(g->versions));
    });
  }
  if (--g->waiting == 0) g->done(std::move(g->versions));
}

Observed Engine::observe(Instant at, std::vector<std::optional<std::string>> versions) {
  Observed o;
  o.tick = at;
  o.versions = std::move(versions);
  o.versions.resize(plan_.targets.size());
  o.mode_ceiling = options_.mode_ceiling;
  o.actions_per_hour = options_.limits.actions_per_hour;
  o.intent_lifetime = options_.limits.intent_lifetime;
  o.in_flight = in_flight_;
  o.assumed = options_.assumed;
  o.keeps_records = options_.durable;
  o.program = digest_;
  if (!options_.kill_switch.empty()) {
    // A switch that cannot be read is on.
    const Result<bool> on = host_.disk.exists(options_.kill_switch);
    o.kill_switch = !on || *on;
  }
  return o;
}

void Engine::decide_tick(Instant at, std::vector<std::optional<std::string>> versions,
                         std::function<void()> done) {
  pass_over_ticks(status_.last_tick, at);
  ++status_.ticks;
  status_.last_tick = at;
  decide::Decider decider(plan_, std::move(state_), observe(at, std::move(versions)));
  const eval::HoldTable before = holds_;
  std::list<std::pair<std::string, eval::Evaluation>> evaluations;
  eval::Evaluation::Context context;
  context.plan = &plan_;
  context.leaves = &leaves_;
  context.shapes = &shapes_;
  context.semantics = semantics_;
  context.at = at;
  context.cache = cache_;
  const Foreseen foreseen = options_.foreseen ? options_.foreseen() : Foreseen{};
  context.given = foreseen.columns;
  if (!plan_.targets.empty()) {
    eval::Evaluation targets(context);
    decider.observe_targets([&](Index node) -> std::optional<double> {
      const decide::RowValue v = decide::row_of(targets.column(node), {});
      return v.evidence == plan::Evidence::value ? std::optional(v.value) : std::nullopt;
    });
  }
  context.holds = &holds_;
  context.holds_before = &before;
  context.anchors.deploys = decider.deploys();
  const auto evaluate = [&](const std::string& scope, std::optional<Instant> since,
                            const std::vector<Labels>* satisfied, Index family) -> eval::Evaluation& {
    const std::string key = since ? fmt::format("{}@{}", scope, since->ms) : scope;
    for (auto& [known, evaluation] : evaluations)
      if (known == key) return evaluation;
    eval::Evaluation::Context c = context;
    c.scope = scope;
    c.anchors.done = since;
    c.satisfied = satisfied;
    c.family = family;
    if (satisfied != nullptr) c.given = nullptr;  // there an `all` is about the satisfied rows
    evaluations.emplace_back(std::piecewise_construct, std::forward_as_tuple(key),
                             std::forward_as_tuple(std::move(c)));
    return evaluations.back().second;
  };
  decider.decide_policies(evaluate);
  decider.decide_slos(evaluate, foreseen.unchanged);
  observer_.tick_done(at, evaluate("", std::nullopt, nullptr, plan::none), decider.state());
  commit(std::move(decider).take(), std::move(done));
}

bool Engine::holds_settled() const {
  return std::all_of(holds_.begin(), holds_.end(), [&](const auto& entry) {
    // Those of a verify count as long as it looks.
    const auto& [key, cell] = entry;
    return !key.scope.empty() || cell.last_tick < status_.last_tick ||
           eval::settled(plan_.nodes[key.node].hold, cell);
  });
}

// Ticks that were passed over, since nothing was different at them, count for what is held.
void Engine::pass_over_ticks(Instant last, Instant at) {
  if (!options_.foreseen || status_.ticks == 0 || at - last <= plan_.tick) return;
  const auto passed = static_cast<std::uint64_t>((at - last).ms / plan_.tick.ms - 1);
  for (auto& [key, cell] : holds_)
    if (key.scope.empty() && cell.last_tick == last)
      eval::repeat_hold(plan_.nodes[key.node].hold, plan_.tick, passed, cell);
}

void Engine::decide_arrivals() {
  if (busy_ || !status_.ready || arrivals_.empty() || status_.fenced) return;
  busy_ = true;
  std::vector<Arrival> arrivals;
  arrivals.swap(arrivals_);
  for (const Arrival& a : arrivals) {
    in_flight_.erase(a.key);
    being_told_.erase(a.message);
  }
  decide::Decider decider(plan_, std::move(state_),
                          observe(std::max(host_.clock.now(), status_.last_tick), {}));
  for (const Arrival& a : arrivals) {
    if (!a.message.empty())
      decider.delivered(a.message, !a.refusal, a.refusal.value_or(""));
    else
      decider.answered(a.policy, a.instance, a.key, a.answer, a.version);
  }
  commit(std::move(decider).take(), [] {});
}

// What the store has to be told for it to have the state after the decision.
std::vector<StoreTransaction::Put> Engine::changed_entries(const decide::Touched& touched) const {
  std::vector<StoreTransaction::Put> out;
  std::vector<std::string> gone;
  const auto compare = [&](std::string key, std::optional<std::string> value) {
    key = "state/" + key;
    const auto known = entries_.find(key);
    if (!value && known != entries_.end())
      gone.push_back(std::move(key));
    else if (value && (known == entries_.end() || known->second != *value))
      out.push_back({std::move(key), std::move(value)});
  };
  std::map<std::string, std::optional<std::string>> after;
  if (all_touched_) {
    for (auto& [key, value] : decide::to_entries(state_)) after[key] = std::move(value);
  } else {
    after = decide::touched_entries(state_, touched);
  }
  for (auto& [key, value] : after) compare(key, std::move(value));
  for (auto at = entries_.begin(); at != entries_.end();) {
    const std::string_view key = std::string_view(at->first).substr(6);
    // The large tables say what they have lost.
    if (!all_touched_ && !decide::of_small_table(key)) {
      const std::string after_table = at->first.substr(0, 6 + key.find('/')) + '0';  // '/' + 1
      at = entries_.lower_bound(after_table);
      continue;
    }
    if (after.find(std::string(key)) == after.end()) gone.push_back(at->first);
    ++at;
  }
  std::sort(gone.begin(), gone.end());
  for (std::string& key : gone) out.push_back({std::move(key), std::nullopt});
  return out;
}

// The decision becomes ours when the store has it. Only what changed is written.
void Engine::commit(Decision decision, std::function<void()> done) {
  state_ = std::move(decision.state);
  if (!options_.durable) return committed(decision, done);
  StoreTransaction t;
  t.fence = fence_;
  t.puts = changed_entries(decision.touched);
  auto entries = std::make_shared<const std::vector<StoreTransaction::Put>>(t.puts);
  for (const Decision::Recorded& r : decision.records)
    t.puts.push_back({fmt::format("record/{}/{:012}", r.id, r.number), r.bytes});
  if (!decision.records.empty()) {
    if (!plan_kept_) t.puts.push_back({"plan/" + digest_, plan::to_bytes(plan_, true)});
  }
  if (t.puts.empty()) return committed(decision, done);
  ++status_.commits;
  auto held = std::make_shared<Decision>(std::move(decision));
  host_.store.commit(
      std::move(t), [this, alive = alive_, held, entries, done = std::move(done)](CommitOutcome outcome) {
        if (!*alive) return;
        switch (outcome) {
          case CommitOutcome::committed:
            for (const StoreTransaction::Put& put : *entries) {
              if (put.value)
                entries_[put.key] = *put.value;
              else
                entries_.erase(put.key);
            }
            plan_kept_ = plan_kept_ || !held->records.empty();
            return committed(*held, done);
          case CommitOutcome::conflict:
            status_.fenced = true;
            observer_.notice({ErrorCode::conflict,
                              "another Signalbox has taken over this state: this one decides no more",
                              "stop one of them"});
            return finish(done);
          case CommitOutcome::unknown:
            ++status_.unknown_commits;
            return recover(std::move(*held), done);
        }
      });
}

void Engine::committed(const Decision& decision, const std::function<void()>& done) {
  all_touched_ = false;
  for (const decide::Event& e : decision.events) observer_.event(e);
  start_effects(decision);
  finish(done);
}

// Nothing is known, so nothing is decided: the state read next time is the one that counts.
void Engine::read_state_later() {
  status_.ready = false;
  host_.timer.at(host_.clock.now() + seconds(1), [this, alive = alive_] {
    if (!*alive) return;
    read_state([this](const Result<void>& read) {
      if (read) return decide_arrivals();
      observer_.notice(read.error());
      read_state_later();
    });
  });
}

// The store does not know whether it took the decision: what it has is what counts.
void Engine::recover(Decision decision, std::function<void()> done) {
  auto held = std::make_shared<Decision>(std::move(decision));
  host_.store.read("state/", [this, alive = alive_, held,
                              done = std::move(done)](Result<std::vector<StoreEntry>> entries) {
    if (!*alive) return;
    if (!entries) {
      observer_.notice(entries.error());
      read_state_later();
      return finish(done);
    }
    std::map<std::string, std::string> found, wanted;
    for (StoreEntry& e : *entries) found[e.key] = e.value;
    for (auto& [key, value] : decide::to_entries(state_)) wanted["state/" + key] = value;
    entries_ = found;
    if (found == wanted) return committed(*held, done);
    all_touched_ = true;
    std::map<std::string, std::string> named;
    for (const auto& [key, value] : found) named[key.substr(6)] = value;
    Result<decide::State> state = decide::from_entries(named);
    if (!state) {
      observer_.notice(state.error());
      read_state_later();
      return finish(done);
    }
    state_ = std::move(*state);
    for (auto& [id, m] : state_.messages)
      for (Index r = 0; r < plan_.receivers.size(); ++r)
        if (plan_.receivers[r].name == m.receiver_name) m.receiver = r;
    finish(done);
  });
}

void Engine::start_effects(const Decision& decision) {
  for (const decide::Effect& effect : decision.effects) {
    if (stopping_) continue;  // the intent is durable: the next start carries on
    if (!in_flight_.insert(effect.key).second) continue;
    if (!options_.kill_switch.empty() && !options_.assumed) {
      const Result<bool> on = host_.disk.exists(options_.kill_switch);
      if (!on || *on) {
        in_flight_.erase(effect.key);
        observer_.notice(
            {ErrorCode::refused, fmt::format("the kill switch is on: {} is not sent", effect.key)});
        continue;
      }
    }
    ++status_.effects;
    const plan::Target& target = plan_.targets[effect.target];
    world_.perform(effect, [this, alive = alive_, effect,
                            versioned = !target.version_url.empty()](decide::Answer answer) {
      if (!*alive) return;
      Arrival a;
      a.policy = plan_.policies[effect.policy].name;
      a.instance = effect.instance;
      a.key = effect.key;
      a.answer = std::move(answer);
      const auto arrive = [this, alive, a](std::optional<std::string> version) {
        if (!*alive) return;
        arrivals_.push_back(a);
        arrivals_.back().version = std::move(version);
        decide_arrivals();
      };
      if (a.answer.kind != decide::Answer::Kind::succeeded || !versioned) return arrive(std::nullopt);
      world_.read_version(effect.target, [arrive](Result<std::string> version) {
        arrive(version ? std::optional(*version) : std::nullopt);
      });
    });
  }
  send_messages();
}

void Engine::send_messages() {
  if (stopping_) return;
  const Instant now = std::max(host_.clock.now(), status_.last_tick);
  const std::map<std::string, decide::Message> messages = state_.messages;  // a receiver may answer at once
  for (const auto& [id, m] : messages) {
    if (m.not_before > now || !being_told_.insert(id).second) continue;
    const auto arrive = [this, alive = alive_, message = id](std::optional<std::string> refusal) {
      if (!*alive) return;
      Arrival a;
      a.message = message;
      a.refusal = std::move(refusal);
      arrivals_.push_back(std::move(a));
      decide_arrivals();
    };
    if (m.receiver == plan::none)
      arrive(std::nullopt);
    else
      world_.notify(m.receiver, m, arrive);
  }
}

void Engine::heartbeats(Instant at) {
  for (Index r = 0; r < plan_.receivers.size(); ++r) {
    const Duration every = plan_.receivers[r].heartbeat;
    if (every.ms <= 0) continue;
    const auto last = last_heartbeat_.find(r);
    if (last != last_heartbeat_.end() && at - last->second < every) continue;
    last_heartbeat_[r] = at;
    world_.heartbeat(r, at);
  }
}

void Engine::finish(const std::function<void()>& done) {
  busy_ = false;
  status_.messages_waiting = state_.messages.size();
  done();
  decide_arrivals();
  if (busy_) return;
  send_messages();
  become_idle();
}

void Engine::become_idle() {
  if (busy_ || !in_flight_.empty()) return;
  std::vector<std::function<void()>> idle;
  idle.swap(when_idle_);
  for (const auto& f : idle) f();
}

void Engine::stop(std::function<void()> done) {
  stopping_ = true;
  when_idle_.push_back(std::move(done));
  become_idle();
}

}  // namespace signalbox::loop
