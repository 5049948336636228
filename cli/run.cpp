// signalbox run FILE… --state DIR: the live engine, and the first host of the runtime.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "cli/commands.hpp"
#include "cli/jit.hpp"
#include "cli/output.hpp"
#include "cli/programs.hpp"
#include "runtime/journal/sqlite_store.hpp"
#include "runtime/loop/engine.hpp"
#include "runtime/loop/live_world.hpp"
#include "runtime/net/event_loop.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/sources/prometheus.hpp"

namespace signalbox::cli {
namespace {

// How long the end waits for the step under way, and for the answers of effects under way (those who stop
// services give ten seconds).
constexpr Duration patience = seconds(3), effect_patience = seconds(8);

// A program under way: what a reload replaces. Samples, state and the loop outlive it.
struct Running {
  plan::Plan plan;
  std::string digest;
  std::unique_ptr<loop::LiveWorld> world;
  std::unique_ptr<loop::Engine> engine;
};

class Runner : public loop::EngineObserver {
 public:
  Runner(const RunOptions& options, net::EventLoop& loop, Disk& disk, TransactionStore& store)
      : options_(options), loop_(loop), disk_(disk), data_(limits_), host_{loop.clock(),  loop.timer(),
                                                                           loop.random(), loop.http(),
                                                                           disk,          store} {}

  // Exit code, or nothing when the engine runs.
  std::optional<int> begin(plan::Plan plan) {
    start(std::move(plan));
    if (failed_) return exit_program;
    schedule();
    return std::nullopt;
  }

  void reload() {
    lower::Compiled program = compile_files(options_.files, options_.params);
    print_diagnostics(program);
    if (!program.plan) return say("reload", "the new program has errors: the old one goes on", "");
    if (const std::string missing = missing_secret(*program.plan); !missing.empty())
      return say("reload", missing + ": the old program goes on", "");
    if (plan::digest(*program.plan) == running_->digest)
      return say("reload", "the program is the same: it goes on", running_->digest.substr(0, 12));
    if (const std::string orphan = orphan_of(*program.plan); !orphan.empty())
      return say(
          "reload",
          fmt::format("the new program has no policy `{}`, whose action is under way: the old one goes on",
                      orphan),
          "");
    auto next = std::make_shared<plan::Plan>(std::move(*program.plan));
    running_->engine->stop([this, next] {
      // The old engine is under our feet here: it is let go on the next turn of the loop.
      loop_.timer().at(loop_.clock().now(), [this, next] {
        start(std::move(*next));
        if (!failed_)
          say("reload", "a new program runs, with the state of the old one", running_->digest.substr(0, 12));
      });
    });
  }

  void shut_down() {
    if (stopping_) return;
    stopping_ = true;
    running_->engine->stop([this] { loop_.stop(); });
    // A step that waits for others' answers has committed nothing, and the next start takes it up again.
    loop_.timer().at(loop_.clock().now() + patience, [this] {
      if (!running_->engine->acting()) loop_.stop();
    });
    loop_.timer().at(loop_.clock().now() + effect_patience, [this] { loop_.stop(); });
  }

  void event(const decide::Event& e) override {
    // `time` is when it was said, by the wall clock; `tick` the instant it was decided on.
    auto json = event_json(e);
    json["tick"] = json["time"];
    json["time"] = to_rfc3339(loop_.clock().now());
    ++events_[e.kind];
    line(json);
  }
  void notice(const Error& e) override {
    line({{"time", to_rfc3339(loop_.clock().now())},
          {"kind", "notice"},
          {"declaration", ""},
          {"id", ""},
          {"why", e.message},
          {"code", error_code_name(e.code)},
          {"hint", e.hint}});
  }

  net::ServedResponse serve(const net::ServedRequest& request) {
    if (request.method != "GET" && request.method != "HEAD")
      return {405, "text/plain; charset=utf-8", "only GET\n"};
    if (request.path == "/healthz") return healthz();
    if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics()};
    return {404, "text/plain; charset=utf-8", "there are /metrics and /healthz\n"};
  }

  std::string missing_secret(const plan::Plan& plan) const {
    for (const plan::Receiver& r : plan.receivers)
      if (!r.secret.empty() && !secret(r.secret)) return missing_text(r.secret, "receiver", r.name);
    for (const plan::Target& t : plan.targets)
      if (!t.secret.empty() && !secret(t.secret)) return missing_text(t.secret, "target", t.name);
    return {};
  }

 private:
  // SIGNALBOX_SECRET_PAGER_KEY in the environment, or the file PAGER_KEY's name in --secrets DIR, without its
  // last newline.
  std::optional<std::string> secret(const std::string& name) const {
    if (!options_.secrets_dir.empty()) {
      std::ifstream in(options_.secrets_dir + "/" + name, std::ios::binary);
      if (in) {
        std::string text((std::istreambuf_iterator<char>(in)), {});
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
        return text;
      }
    }
    std::string variable = "SIGNALBOX_SECRET_";
    for (char c : name) variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (const char* value = std::getenv(variable.c_str())) return value;
    return std::nullopt;
  }
  static std::string missing_text(const std::string& name, const char* what, const std::string& owner) {
    std::string variable = name;
    for (char& c : variable) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return fmt::format(
        "{} `{}` needs the secret `{}`: set SIGNALBOX_SECRET_{}, or put it in a file {} of --secrets DIR",
        what, owner, name, variable, name);
  }

  // A policy in the middle of an action that `next` does not have; "" when there is none.
  std::string orphan_of(const plan::Plan& next) const {
    using decide::EpisodeState;
    for (const auto& [key, p] : running_->engine->state().policies) {
      if (!p.episode ||
          (p.episode->state != EpisodeState::executing && p.episode->state != EpisodeState::verifying))
        continue;
      const auto same = [&, name = key.first](const plan::Policy& policy) { return policy.name == name; };
      if (std::none_of(next.policies.begin(), next.policies.end(), same)) return key.first;
    }
    return {};
  }

  void start(plan::Plan plan) {
    running_.reset();
    auto next = std::make_unique<Running>();
    next->plan = std::move(plan);
    next->digest = plan::digest(next->plan);
    next->world = std::make_unique<loop::LiveWorld>(
        next->plan, host_, data_, limits_, [this](const std::string& name) { return secret(name); },
        [this](const Error& e) { notice(e); });
    loop::EngineOptions o;
    o.limits = limits_;
    o.tier = options_.tier;
    o.load_compiler = jit_loader();
    o.mode_ceiling = options_.mode;
    o.kill_switch = options_.kill_switch;
    o.semantics = semantics;
    next->engine = std::make_unique<loop::Engine>(next->plan, host_, data_.leaves, *next->world, *this, o);
    next->engine->start([this](Result<void> ready) {
      if (ready) return;
      failed_ = true;
      notice(ready.error());
    });
    data_.leaves.refresh();
    running_ = std::move(next);
    running_->world->start();
  }

  Duration settle() const {
    Duration s;
    for (const plan::Source& source : running_->plan.sources) s = std::max(s, source.settle);
    return s;
  }

  // Tick t is decided at t + settle, when everything up to t is in.
  void schedule() {
    const plan::Plan& plan = running_->plan;
    const Instant now = loop_.clock().now() - settle();
    const Instant next = grid_floor(now, plan.tick, plan.phase) + plan.tick;
    loop_.timer().at(next + settle(), [this] {
      if (stopping_) return;
      const Instant at =
          grid_floor(loop_.clock().now() - settle(), running_->plan.tick, running_->plan.phase);
      if (at > running_->engine->status().last_tick) running_->engine->tick(at, [this] { after_tick(); });
      schedule();
    });
  }

  void after_tick() {
    if (running_->engine->status().fenced && !stopping_) {
      exit_code = exit_program;
      shut_down();
    }
  }

  net::ServedResponse healthz() const {
    const loop::EngineStatus& s = running_->engine->status();
    const Duration late = loop_.clock().now() - s.last_tick;
    const bool good = s.ready && !s.fenced && (s.ticks == 0 || late < running_->plan.tick * 4 + settle());
    return {good ? 200 : 503, "text/plain; charset=utf-8",
            good ? "ok\n" : fmt::format("the last tick was decided {} ago\n", to_string(late))};
  }

  std::string metrics() const {
    const loop::EngineStatus& s = running_->engine->status();
    std::string out;
    const auto put = [&](const char* name, const char* type, const char* help, double value) {
      out +=
          fmt::format("# HELP {} {}\n# TYPE {} {}\n{} {}\n", name, help, name, type, name, shortest(value));
    };
    put("signalbox_ticks_total", "counter", "Ticks decided.", static_cast<double>(s.ticks));
    put("signalbox_ticks_missed_total", "counter", "Ticks that came while the one before was not over.",
        static_cast<double>(s.missed));
    put("signalbox_last_tick_timestamp_seconds", "gauge", "The instant of the last decided tick.",
        s.last_tick.unix_seconds());
    put("signalbox_effects_total", "counter", "Calls of targets, repetitions included.",
        static_cast<double>(s.effects));
    put("signalbox_commits_total", "counter", "Transactions of the state.", static_cast<double>(s.commits));
    put("signalbox_commits_unknown_total", "counter",
        "Transactions of which the store did not know the outcome.", static_cast<double>(s.unknown_commits));
    put("signalbox_messages_waiting", "gauge", "Messages that no receiver has taken yet.",
        static_cast<double>(s.messages_waiting));
    put("signalbox_scrapes_total", "counter", "Scrapes started.",
        static_cast<double>(running_->world->scrapes));
    put("signalbox_scrapes_failed_total", "counter", "Scrapes that gave no samples.",
        static_cast<double>(running_->world->failed_scrapes));
    put("signalbox_series", "gauge", "Series held.", static_cast<double>(data_.store.series_count()));
    put("signalbox_samples", "gauge", "Samples held.", static_cast<double>(data_.store.sample_count()));
    put("signalbox_store_bytes", "gauge", "Memory of the series and samples held.",
        static_cast<double>(data_.store.bytes()));
    put("signalbox_jit_code_bytes", "gauge", "Machine code held.",
        static_cast<double>(running_->engine->shapes().code_bytes()));
    out += "# HELP signalbox_program_info The program that runs.\n# TYPE signalbox_program_info gauge\n";
    out += fmt::format("signalbox_program_info{{digest=\"{}\"}} 1\n", running_->digest);
    out += "# HELP signalbox_events_total Events by kind.\n# TYPE signalbox_events_total counter\n";
    for (const auto& [kind, n] : events_)
      out += fmt::format("signalbox_events_total{{kind=\"{}\"}} {}\n", kind, n);
    return out;
  }

  void say(const char* kind, const std::string& why, const std::string& id) {
    line({{"time", to_rfc3339(loop_.clock().now())},
          {"kind", kind},
          {"declaration", ""},
          {"id", id},
          {"why", why}});
  }
  // A disk that is full or a reader that is gone costs lines and never the watch: what was decided is in the
  // state.
  static void line(const nlohmann::ordered_json& json) {
    const std::string text = dump(json) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (std::fflush(stdout) != 0) std::clearerr(stdout);
  }

 public:
  int exit_code = exit_ok;
  Semantics semantics = Semantics::prometheus3;  // where the program does not say: that of its Prometheus

 private:
  const RunOptions& options_;
  net::EventLoop& loop_;
  Disk& disk_;
  Limits limits_;
  loop::LiveData data_;
  Host host_;
  std::unique_ptr<Running> running_;
  std::map<std::string, std::uint64_t> events_;
  bool failed_ = false, stopping_ = false;
};

// The semantics of the program's Prometheus, asked before anything is decided; Prometheus 3's where there is
// none to ask.
Result<Semantics> ask_semantics(const plan::Plan& plan) {
  for (const plan::Source& source : plan.sources) {
    if (source.type != plan::SourceType::prometheus || plan.semantics || source.urls.empty()) continue;
    auto loop = net::make_event_loop({});
    if (!loop) return loop.error();
    Result<Semantics> out = Semantics::prometheus3;
    sources::PrometheusHistory history((*loop)->http(), source.urls[0], Limits{});
    history.version([&](Result<std::string> version) {
      out = history.semantics_by(version);
      if (!out)
        out = Error{out.error().code, fmt::format("{}: {}", source.urls[0], out.error().message),
                    "start it first, or say `semantics 2` in the source"};
      (*loop)->stop();
    });
    (*loop)->run();
    return out;
  }
  return Semantics::prometheus3;
}

int fail(const Error& e) {
  cli::say(e);
  return exit_program;
}

// /metrics and /healthz, on loopback: whoever is to read them from elsewhere puts a proxy with its own rules
// before them.
Result<void> listen(const RunOptions& options, net::EventLoop& loop, Runner& runner) {
  if (options.listen == "none") return {};
  const bool asked = !options.listen.empty();
  const std::string address = asked ? options.listen : "127.0.0.1:9464";
  const std::size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon),
                    digits = colon == std::string::npos ? "" : address.substr(colon + 1);
  int port = -1;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || wrong != std::errc() || end != digits.data() + digits.size() || port < 0 ||
      port > 65535)
    return Error{ErrorCode::invalid_argument, fmt::format("--listen {}: not an address", address),
                 "as 127.0.0.1:9464, or none"};
  if (host != "localhost" && host != "[::1]" && host != "::1" && host.rfind("127.", 0) != 0)
    return Error{ErrorCode::invalid_argument, fmt::format("--listen {}: only loopback is served", address),
                 "as 127.0.0.1:9464; put a proxy before it"};
  const auto bound = loop.listen(
      host, port, 0, [&runner](const net::ServedRequest& request) { return runner.serve(request); });
  if (!bound && asked) return bound.error();
  if (bound)
    tell("signalbox: serving /metrics and /healthz on {}:{}\n", host, *bound);
  else
    tell(
        "signalbox: /metrics and /healthz are not served: {}\n      help: say --listen ADDRESS:PORT, "
        "or --listen none\n",
        bound.error().message);
  return {};
}

}  // namespace

int run_run(const RunOptions& options) {
  lower::Compiled program = compile_files(options.files, options.params);
  print_diagnostics(program);
  if (!program.plan) return exit_program;
  const auto disk = net::make_posix_disk();
  if (const Result<void> made = disk->make_directory(options.state); !made) return fail(made.error());
  const auto lock = net::lock_file(options.state + "/lock");
  if (!lock) return fail(lock.error());
  auto store = journal::open_sqlite_store(*disk, options.state + "/signalbox.db");
  if (!store) return fail(store.error());
  auto made = net::make_event_loop({});
  if (!made) return fail(made.error());
  net::EventLoop& loop = **made;
  RunOptions effective = options;
  if (effective.kill_switch.empty()) effective.kill_switch = options.state + "/KILL";
  Runner runner(effective, loop, *disk, **store);
  if (const std::string missing = runner.missing_secret(*program.plan); !missing.empty())
    return fail({ErrorCode::invalid_argument, missing, ""});
  const Result<Semantics> semantics = ask_semantics(*program.plan);
  if (!semantics) {
    fail(semantics.error());
    return exit_code_of(semantics.error());
  }
  runner.semantics = *semantics;
  for (int number : {SIGTERM, SIGINT})
    if (const auto r = loop.on_signal(number, [&runner] { runner.shut_down(); }); !r) return fail(r.error());
  std::signal(SIGPIPE, SIG_IGN);
  if (const auto r = loop.on_signal(SIGHUP, [&runner] { runner.reload(); }); !r) return fail(r.error());
  if (const Result<void> served = listen(options, loop, runner); !served) return fail(served.error());
  if (const auto code = runner.begin(std::move(*program.plan))) return *code;
  loop.run();
  return runner.exit_code;
}

}  // namespace signalbox::cli
