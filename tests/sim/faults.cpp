#include "tests/sim/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace signalbox::sim {

Duration Stage::delay(Duration most, double slow) {
  if (!scenario.delays) return {};
  const double u = random.unit();
  const double longest =
      u < slow && faulty() ? static_cast<double>(most.ms) : std::min(80.0, static_cast<double>(most.ms));
  return milliseconds(static_cast<std::int64_t>(random.unit() * longest));
}

void Stage::perhaps_die(Instant until, bool effect) {
  if (process == 0 || !chance(effect ? std::max(scenario.deaths, scenario.effect_deaths) : scenario.deaths))
    return;
  const double span = static_cast<double>((until - now()).ms);
  die_at(now() + milliseconds(static_cast<std::int64_t>(random.unit() * (span + 1))));
}

void Stage::trace(const std::string& line) {
  const auto mix = [&](std::uint64_t byte) { hash = (hash ^ byte) * 0x100000001b3ull; };
  for (int i = 0; i < 8; ++i) mix(static_cast<std::uint64_t>(now().ms) >> (8 * i) & 0xff);
  for (const char c : line) mix(static_cast<unsigned char>(c));
  if (say) say(line);
}

// ---- Store
// ------------------------------------------------------------------------------------------------------

CommitOutcome SimStore::apply(const StoreTransaction& t) {
  StoreTransaction taken = t;
  if (stage_.scenario.broken == Broken::ignores_fences) taken.fence = std::uint64_t{1} << 60;
  const CommitOutcome outcome = store_.apply(taken);
  if (outcome == CommitOutcome::committed) stage_.checker.committed(stage_.now(), t);
  return outcome;
}

void SimStore::commit(StoreTransaction t, std::function<void(CommitOutcome)> completion) {
  const Broken broken = stage_.scenario.broken;
  if (broken == Broken::sends_before_commit && eager) {
    for (const auto& put : t.puts) {
      if (put.key.rfind("state/policy/", 0) != 0 || !put.value) continue;
      const auto state = decide::from_entries({{put.key.substr(6), *put.value}});
      if (!state || state->policies.empty()) continue;
      const auto& [name, p] = *state->policies.begin();
      if (p.episode && p.episode->state == decide::EpisodeState::executing &&
          p.episode->intent->attempts == 1)
        eager(*p.episode->intent, name.first == "roll_back");
    }
  }
  if (broken == Broken::loses_commits && stage_.chance(0.05)) return completion(CommitOutcome::committed);
  if (broken == Broken::tears_commits && t.puts.size() > 1 && stage_.chance(0.2)) {
    t.puts.resize(t.puts.size() / 2);
    apply(t);
    return completion(CommitOutcome::unknown);
  }
  const bool unknown = stage_.chance(stage_.scenario.unknown_commits);
  const bool taken = !unknown || stage_.random.unit() < 0.5;
  const Instant applied = stage_.now() + stage_.delay(seconds(8)),
                answered = applied + stage_.delay(seconds(8));
  stage_.perhaps_die(answered);
  std::size_t bytes = 0;
  for (const auto& put : t.puts) bytes += put.key.size() + put.value.value_or("").size();
  stage_.trace(fmt::format("commit of {} puts, {} bytes, fence {}{}", t.puts.size(), bytes, t.fence,
                           unknown ? taken ? ", unknown and taken" : ", unknown and not taken" : ""));
  const auto land = [this, t = std::move(t), unknown, taken] {
    const CommitOutcome outcome = taken ? apply(t) : CommitOutcome::unknown;
    return unknown ? CommitOutcome::unknown : outcome;
  };
  if (answered == stage_.now()) return completion(land());
  stage_.time.at(applied, [this, land, answered, completion = std::move(completion)] {
    const CommitOutcome outcome = land();
    stage_.time.at(answered, [outcome, completion] { completion(outcome); });
  });
}

void SimStore::read(std::string prefix, std::function<void(Result<std::vector<StoreEntry>>)> completion) {
  const bool fails = stage_.chance(stage_.scenario.failed_reads);
  const Instant answered = stage_.now() + stage_.delay(seconds(3));
  stage_.perhaps_die(answered);
  const auto land = [this, prefix, fails]() -> Result<std::vector<StoreEntry>> {
    if (fails) return Error{ErrorCode::io, "the store cannot be read just now"};
    return store_.entries(prefix);
  };
  if (answered == stage_.now()) return completion(land());
  stage_.time.at(answered, [land, completion = std::move(completion)] { completion(land()); });
}

void SimStore::read_fence(std::function<void(Result<std::uint64_t>)> completion) {
  store_.read_fence(std::move(completion));
}

// ---- Network
// ----------------------------------------------------------------------------------------------------

struct SimHttp::Exchange {
  HttpRequest request;
  std::function<void(Result<HttpResponse>)> completion;
  std::string key, path;
  bool effect = false, message = false, arrives = true, answer_lost = false, server_error = false,
       before_effect = false;
  std::uint64_t process = 0;
  Instant deadline;
};

void SimHttp::send(HttpRequest request, std::function<void(Result<HttpResponse>)> completion) {
  const Scenario& s = stage_.scenario;
  auto x = std::make_shared<Exchange>();
  x->request = std::move(request);
  x->completion = std::move(completion);
  x->path = x->request.url.substr(x->request.url.find('/', 7));
  x->effect = x->path == "/rollback" || x->path == "/restart";
  x->message = x->path == "/hook";
  x->process = stage_.process;
  x->deadline = stage_.now() + x->request.timeout;
  for (const auto& [name, value] : x->request.headers)
    if (name == "Idempotency-Key") x->key = value;
  if (x->effect && s.broken == Broken::forgets_keys) x->key = fmt::format("{}+{}", x->key, ++attempts_);
  if (x->effect) {
    stage_.trace(fmt::format("send {} {} {}", x->path, x->key, x->request.body));
    stage_.checker.sent(stage_.now(), x->key.substr(0, x->key.find('+')), x->request.body, kill_switch);
  }
  if (x->message && s.broken == Broken::swallows_messages && stage_.chance(0.1))
    return x->completion(HttpResponse{200, "", ""});

  const bool is_scrape = x->path == "/metrics";
  x->arrives = !stage_.chance(is_scrape ? s.failed_scrapes : s.lost_requests);
  x->answer_lost = !is_scrape && stage_.chance(s.lost_answers);
  x->server_error = stage_.chance(x->message  ? s.refused_messages
                                  : is_scrape ? s.failed_scrapes
                                              : s.server_errors);
  x->before_effect = stage_.random.unit() < 0.5;
  // An effect's request may reach its target long after its sender is gone.
  const Instant arrival = std::min(
      stage_.now() + (x->effect ? stage_.delay(seconds(9), 0.3) : stage_.delay(seconds(4))), x->deadline);
  const Instant back = arrival + stage_.delay(seconds(4));
  const bool comes = x->arrives && !x->answer_lost && back <= x->deadline;
  const Instant over = comes ? back : x->deadline;
  stage_.perhaps_die(over, x->effect);

  const auto arrive = [this, x]() -> HttpResponse {
    if (!x->arrives) return {};
    // A refusing pager takes nothing; a shop's error may come before or after the effect.
    if (x->server_error && (x->message || x->before_effect)) return {503, "text/plain", "not now"};
    const HttpResponse response = answer(*x);
    return x->server_error ? HttpResponse{500, "text/plain", "something broke"} : response;
  };
  const auto finish = [this, x, comes](HttpResponse response) {
    if (!comes) return x->completion(Error{ErrorCode::outcome_unknown, "no answer came in time"});
    if (x->effect && response.status == 200 && x->process == stage_.process) stage_.checker.answered(x->key);
    x->completion(std::move(response));
  };
  // A request that never leaves this machine is known not to have arrived.
  if (!x->arrives && x->before_effect)
    return x->completion(Error{ErrorCode::unreachable, "connection refused"});
  if (over == stage_.now()) return finish(arrive());
  stage_.time.at(arrival, [this, arrive, finish, over] {
    HttpResponse response = arrive();
    stage_.time.at(over, [finish, response] { finish(response); });
  });
}

HttpResponse SimHttp::answer(const Exchange& x) {
  const Instant now = stage_.now();
  if (x.path == "/metrics") return {200, "text/plain; version=0.0.4", shop_.metrics(now)};
  if (x.path == "/version") return {200, "text/plain", now < old_until_ ? old_version_ : shop_.version()};
  if (x.path == "/rollback" || x.path == "/restart") {
    if (stage_.scenario.broken == Broken::shows_old_version) {
      old_version_ = shop_.version();
      old_until_ = now + seconds(60);
    }
    const auto body = nlohmann::json::parse(x.request.body, nullptr, false);
    const int status = x.path == "/rollback"
                           ? shop_.rollback(now, x.key, body.is_object() ? body.value("to", "") : "")
                           : shop_.restart(now, x.key);
    stage_.trace(fmt::format("the shop did {} {}: {}", x.path, x.key, status));
    return {status, "text/plain", ""};
  }
  if (x.path == "/hook") {
    pager_.take(now, x.request.body);
    stage_.trace(fmt::format("the pager took {}", x.key));
    return {200, "text/plain", "ok"};
  }
  return {404, "text/plain", ""};
}

Result<bool> SimDisk::exists(const std::string&) {
  if (stage_.scenario.broken == Broken::ignores_kill_switch) return false;
  if (stage_.chance(stage_.scenario.unreadable_switch))
    return Error{ErrorCode::io, "the disk does not answer"};
  return on_;
}

}  // namespace signalbox::sim
