// The signalbox program: options of the subcommands, and nothing else.
#include <fcntl.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <new>
#include <set>
#include <system_error>

#include "cli/commands.hpp"
#include "runtime/base/rational.hpp"

namespace signalbox::cli {
namespace {

CLI::Option* add_time(CLI::App& app, const std::string& name, std::optional<Instant>& into,
                      const std::string& help) {
  return app.add_option_function<std::string>(
      name,
      [&into, name](const std::string& text) {
        const Result<Instant> t = parse_instant(text);
        if (!t) throw CLI::ValidationError(name, t.error().message + ": " + t.error().hint);
        into = *t;
      },
      help);
}

template <class Into>  // Duration, or one that may be absent
CLI::Option* add_duration(CLI::App& app, const std::string& name, Into& into, const std::string& help) {
  return app.add_option_function<std::string>(
      name,
      [&into, name](const std::string& text) {
        const auto d = parse_duration(text);
        const auto seconds = d ? std::nullopt : Rational::parse_decimal(text);
        if (!d && !seconds)
          throw CLI::ValidationError(name,
                                     fmt::format("'{}' is not a duration: write 15s, 5m, 1h30m, 2w", text));
        into = d ? *d : Duration{std::llround(seconds->to_double() * 1000)};
      },
      help);
}

// A share: 0.001 or 0.1%.
void add_ratio(CLI::App& app, const std::string& name, double& into, const std::string& help) {
  app.add_option_function<std::string>(
      name,
      [&into, name](const std::string& text) {
        const bool percent = text.ends_with('%');
        const auto number = Rational::parse_decimal(text.substr(0, text.size() - (percent ? 1 : 0)));
        const auto ratio = number && percent ? div(*number, Rational(100)) : number;
        if (!ratio || compare(*ratio, Rational(1)) > 0)
          throw CLI::ValidationError(name, fmt::format("'{}' is not a share: write 0.001 or 0.1%", text));
        into = ratio->to_double();
      },
      help);
}

// CLI11 takes -1 for the largest of all.
void add_seed(CLI::App& app, std::uint64_t& into) {
  app.add_option_function<std::string>(
         "--seed",
         [&into](const std::string& text) {
           const char* const end = text.data() + text.size();
           if (const auto [at, fault] = std::from_chars(text.data(), end, into);
               fault != std::errc() || at != end)
             throw CLI::ValidationError(
                 "--seed", fmt::format("'{}' is not a seed: write 7, or any whole number", text));
         },
         "the same seed and options give the same bytes")
      ->required();
}

void add_params(CLI::App& app, std::map<std::string, std::string>& into) {
  app.add_option_function<std::vector<std::string>>(
         "--param",
         [&into](const std::vector<std::string>& list) {
           for (const std::string& text : list) {
             const std::size_t eq = text.find('=');
             if (eq == std::string::npos || eq == 0)
               throw CLI::ValidationError("--param", fmt::format("'{}' is not NAME=VALUE", text));
             into[text.substr(0, eq)] = text.substr(eq + 1);
           }
         },
         "NAME=VALUE of a `param`")
      ->allow_extra_args(false)
      ->take_all();
}

template <class T>
void add_choice(CLI::App& app, const std::string& name, T& into, std::map<std::string, T> choices,
                const std::string& help) {
  std::set<std::string> words;
  for (const auto& [word, value] : choices) words.insert(word);
  app.add_option_function<std::string>(
         name, [&into, choices](const std::string& word) { into = choices.at(word); }, help)
      ->check(CLI::IsMember(words));
}

void add_engine(CLI::App& app, eval::Tier& into) {
  add_choice<eval::Tier>(
      app, "--engine", into,
      {{"interp", eval::Tier::interpreter}, {"jit", eval::Tier::compiled}, {"auto", eval::Tier::automatic}},
      "who works conditions out: the interpreter, machine code, or machine code where many rows are worth it "
      "(a replay's auto interprets)");
}

void add_truth(CLI::App& app, TruthOptions& into) {
  app.add_option(
      "--truth", into.file,
      "labelled incidents, as `generate --truth` writes them: which were found, how soon, and false "
      "alarms");
  add_duration(app, "--grace", into.grace,
               "how long after an incident an alarm still is about it (default 10m)");
  app.add_option_function<std::vector<std::string>>(
         "--truth-where",
         [&into](const std::vector<std::string>& list) {
           for (const std::string& text : list) {
             const std::size_t eq = text.find('=');
             if (eq == std::string::npos || eq == 0)
               throw CLI::ValidationError("--truth-where", fmt::format("'{}' is not LABEL=VALUE", text));
             into.where.emplace_back(text.substr(0, eq), text.substr(eq + 1));
           }
         },
         "LABEL=VALUE: only incidents with this label")
      ->allow_extra_args(false)
      ->take_all();
}

// As CLI11 takes them: the last one first. What follows --promql is its value, also when it begins with a
// minus.
std::vector<std::string> arguments(int argc, char** argv) {
  std::vector<std::string> out;
  for (int i = 1; i < argc; ++i) {
    std::string one = argv[i];
    if (one == "--promql" && i + 1 < argc) one += "=" + std::string(argv[++i]);
    out.push_back(std::move(one));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

void add_cache(CLI::App& app, CacheOptions& into) {
  CLI::Option* const directory =
      app.add_option("--cache", into.given,
                     "directory of what was read of large files before (default: ~/.cache/signalbox)");
  app.add_flag("--no-cache", into.off, "read files anew and keep nothing")->excludes(directory);
}

int main_of(int argc, char** argv) {
  CLI::App app("Signalbox turns observability into action.", "signalbox");
  app.require_subcommand(1);
  int code = exit_ok;

  CheckOptions check;
  CLI::App* c = app.add_subcommand("check", "say whether programs make sense, and what their burn rows mean");
  c->add_option("FILE", check.files, "programs; - is standard input")->required();
  c->add_flag("--json", check.json, "a JSON document on standard output");
  c->add_flag("--quiet", check.quiet, "no burn-row table");
  c->add_flag("--together", check.together, "the files are one program");
  add_params(*c, check.params);
  c->callback([&] { code = run_check(check); });

  FmtOptions format;
  c = app.add_subcommand("fmt", "bring programs into their one form");
  c->add_option("FILE", format.files, "programs; - filters standard input")->required();
  c->add_flag("--check", format.check, "only list what is not in it, and exit 1");
  c->callback([&] { code = run_fmt(format); });

  TestOptions test;
  c = app.add_subcommand("test", "run the tests that programs carry");
  c->add_option("FILE", test.files, "programs")->required();
  c->add_flag("--json", test.json, "a JSON document on standard output");
  add_params(*c, test.params);
  c->callback([&] { code = run_test(test); });

  EvalOptions eval;
  c = app.add_subcommand("eval", "evaluate an expression over data");
  c->add_option("EXPR", eval.expression, "a value or a condition; after -- when it begins with a minus");
  c->add_option("--promql", eval.promql,
                "PromQL instead, filters included, answered as Prometheus answers it");
  c->add_option("--data", eval.data,
                "recorded file, folder, Prometheus' data directory, Prometheus or page of metrics");
  add_time(*c, "--at", eval.at, "instant (default: the newest sample)");
  add_time(*c, "--from", eval.from, "first instant of a range");
  add_time(*c, "--to", eval.to, "last instant of a range");
  add_duration(*c, "--step", eval.step, "step of a range");
  add_duration(*c, "--lookback", eval.lookback, "how old a sample an instant selector takes (default 5m)");
  c->add_option_function<int>(
       "--semantics",
       [&eval](int v) { eval.semantics = v == 2 ? Semantics::prometheus2 : Semantics::prometheus3; },
       "of Prometheus 2 or 3")
      ->check(CLI::IsMember({2, 3}));
  c->add_flag("--json", eval.json, "as the Prometheus HTTP API");
  add_cache(*c, eval.cache);
  add_params(*c, eval.params);
  add_engine(*c, eval.tier);
  c->callback([&] { code = run_eval(eval); });

  ReplayOptions replay;
  c = app.add_subcommand("replay", "what a program would have done over history; nothing is sent");
  c->add_option("FILE", replay.file, "the program")->required();
  c->add_option("--data", replay.data, "recorded file, folder, Prometheus' data directory or Prometheus")
      ->required();
  add_time(*c, "--from", replay.from,
           "first tick (default: the first sample; of a server, an hour before the last)");
  add_time(*c, "--to", replay.to, "last tick (default: the last sample; of a server, now)");
  c->add_flag("--json", replay.json, "a JSON document on standard output");
  c->add_flag("--exit-code", replay.exit_code,
              "end with 1 if anything paged, with 6 or 5 if an action failed or was refused");
  c->add_flag("--every-tick", replay.every_tick,
              "decide at every tick, also where nothing changed: slower, and the same");
  c->add_option(
       "--what-if", replay.what_if,
       "KEY=VALUE, as objective=99.95% or NAME.for=5 ticks, or param NAME=VALUE; more with commas: a "
       "variant beside the program")
      ->allow_extra_args(false)
      ->take_all();
  add_truth(*c, replay.truth);
  add_cache(*c, replay.cache);
  add_params(*c, replay.params);
  add_engine(*c, replay.tier);
  c->callback([&] { code = run_replay(replay); });

  TuneOptions tune;
  c = app.add_subcommand("tune",
                         "try thresholds over history and labelled incidents, and show what each costs");
  c->add_option("FILE", tune.file, "the program")->required();
  c->add_option("--data", tune.data, "recorded file, folder, Prometheus' data directory or Prometheus")
      ->required();
  c->add_option(
       "--vary", tune.vary,
       "KEY=2..20, KEY=1..10 ticks, KEY=LOW..HIGH by STEP or KEY=A|B|C; several make a grid (default: "
       "burn=0.25x to 4x, and for=1 to 8 ticks)")
      ->allow_extra_args(false)
      ->take_all();
  add_truth(*c, tune.truth);
  c->get_option("--truth")->required();
  add_time(*c, "--from", tune.from,
           "first tick (default: the first sample; of a server, an hour before the last)");
  add_time(*c, "--to", tune.to, "last tick (default: the last sample; of a server, now)");
  c->add_option("--svg", tune.svg, "file of a picture of the trade-off");
  c->add_flag("--json", tune.json, "a JSON document on standard output");
  add_cache(*c, tune.cache);
  add_params(*c, tune.params);
  add_engine(*c, tune.tier);
  c->callback([&] { code = run_tune(tune); });

  RunOptions run;
  c = app.add_subcommand("run", "watch, decide and act");
  c->add_option("FILE", run.files, "the files of one program")->required();
  c->add_option("--state", run.state, "directory of the state")->required();
  c->add_option("--listen", run.listen,
                "where /metrics and /healthz are served (default: 127.0.0.1:9464), or none");
  c->add_option("--secrets", run.secrets_dir, "directory with a file for each secret");
  c->add_option("--kill-switch", run.kill_switch,
                "while this file exists nothing is done (default: KILL in the state directory)");
  add_choice<plan::Mode>(
      *c, "--mode", run.mode,
      {{"observe", plan::Mode::observe}, {"dry_run", plan::Mode::dry_run}, {"act", plan::Mode::act}},
      "lowers what the policies say");
  add_params(*c, run.params);
  add_engine(*c, run.tier);
  c->callback([&] { code = run_run(run); });

  WhyOptions why;
  c = app.add_subcommand("why", "explain a decision");
  c->add_option("ID", why.id, "of an episode, or its beginning")->required();
  c->add_option("--state", why.state, "directory of the state")->required();
  c->add_flag("--json", why.json, "a JSON document on standard output");
  c->add_flag("--exit-code", why.exit_code,
              "end with 1 for a page or an action that did not help, 5 for a refusal, 6 for a failure");
  c->callback([&] { code = run_why(why); });

  GenerateOptions generated;
  c = app.add_subcommand("generate", "make up metrics of services, with incidents that are known");
  add_seed(*c, generated.spec.seed);
  std::optional<Instant> generated_from;
  add_time(*c, "--from", generated_from, "begin (default 2026-01-01T00:00:00Z)");
  add_duration(*c, "--duration", generated.spec.duration, "how long (default 1d)");
  add_duration(*c, "--every", generated.spec.every, "between scrapes (default 15s)");
  add_duration(*c, "--jitter", generated.spec.jitter, "how early or late a scrape may be (default 20ms)");
  c->add_option("--services", generated.spec.services, "how many (default 3)");
  c->add_option("--labels", generated.spec.labels, "further labels of each series (default 0)");
  c->add_option("--rate", generated.spec.rate,
                "requests a second of a service, the mean of a day (default 100)");
  add_ratio(*c, "--swing", generated.spec.swing, "of the daily curve about the rate (default 50%)");
  add_ratio(*c, "--errors", generated.spec.errors, "of the requests, outside of incidents (default 0.02%)");
  c->add_option("--incidents", generated.incidents,
                "none, all (default), or some of outage,slow_burn,flapping,deploy,scrape_gap,night,growth");
  c->add_option("--metrics", generated.metrics,
                "none (`up` alone), all (default), or some of requests,latency,queue,deployed");
  c->add_option("--out", generated.out, "file of the OpenMetrics (default: standard output)");
  c->add_option("--truth", generated.truth, "file of the ground truth, as JSON");
  c->callback([&] {
    if (generated_from) generated.spec.start = *generated_from;
    code = run_generate(generated);
  });

  bool version_json = false;
  c = app.add_subcommand("version", "the version of this program");
  c->add_flag("--json", version_json, "as JSON");
  c->callback([&] { code = run_version(version_json); });

  try {
    app.parse(arguments(argc, argv));
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_ok : exit_program;
  }
  return code;
}

}  // namespace
}  // namespace signalbox::cli

namespace {

// A file that is opened takes the place of a stream that was closed, and then what is said goes into it. Of
// what cannot be written to standard output it is known that it was not written.
void keep_standard_streams() {
  const struct {
    const char* path;
    int flags;
  } instead[] = {{"/dev/null", O_RDONLY}, {"/dev/full", O_WRONLY}, {"/dev/null", O_WRONLY}};
  for (int stream = 0; stream < 3; ++stream)
    if (::fcntl(stream, F_GETFD) == -1 && errno == EBADF &&
        ::open(instead[stream].path, instead[stream].flags) < 0)
      return;
}

}  // namespace

// An answer that was not written whole is no answer, whatever it would have said.
int main(int argc, char** argv) {
  keep_standard_streams();
  try {
    const int code = signalbox::cli::main_of(argc, argv);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  } catch (const std::system_error&) {
    // fmt throws it when a write fails.
  } catch (const std::bad_alloc&) {
    std::fputs("signalbox: there is not enough memory for this\n      help: ask for less at a time\n",
               stderr);
    return signalbox::cli::exit_program;
  }
  std::fputs("signalbox: the output could not be written\n", stderr);
  return signalbox::cli::exit_program;
}
