// The subcommands: their options, as main.cpp reads them, and their entry points. Each returns an exit code.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit_codes.hpp"
#include "cli/truth.hpp"
#include "runtime/base/promql_terms.hpp"
#include "runtime/base/time.hpp"
#include "runtime/eval/evaluate.hpp"
#include "runtime/generate/spec.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::cli {

struct CheckOptions {
  std::vector<std::string> files;
  std::map<std::string, std::string> params;
  bool json = false, quiet = false, together = false;
};
struct FmtOptions {
  std::vector<std::string> files;
  bool check = false;
};
struct TestOptions {
  std::vector<std::string> files;
  std::map<std::string, std::string> params;
  bool json = false;
};
// Where what was read of recorded files is kept for the next time.
struct CacheOptions {
  std::string given;  // "": where caches of the user are
  bool off = false;
  std::string directory() const;  // "" when nothing is to be kept
};
struct EvalOptions {
  std::string expression, promql, data;  // one of the first two
  CacheOptions cache;
  std::optional<Instant> at, from, to;
  Duration step;
  std::map<std::string, std::string> params;
  std::optional<Semantics> semantics;
  Duration lookback = minutes(5);
  eval::Tier tier = eval::Tier::automatic;
  bool json = false;
};
struct ReplayOptions {
  std::string file, data;
  CacheOptions cache;
  std::optional<Instant> from, to;
  std::map<std::string, std::string> params;
  std::vector<std::string> what_if;  // each a variant
  TruthOptions truth;
  eval::Tier tier = eval::Tier::automatic;
  bool json = false, exit_code = false, every_tick = false;
};
struct TuneOptions {
  std::string file, data;
  CacheOptions cache;
  std::optional<Instant> from, to;
  std::map<std::string, std::string> params;
  std::vector<std::string> vary;  // KEY=RANGE
  TruthOptions truth;
  std::string svg;  // file; "": none
  eval::Tier tier = eval::Tier::automatic;
  bool json = false;
};
struct RunOptions {
  std::vector<std::string> files;
  std::string state, listen, secrets_dir, kill_switch;
  std::map<std::string, std::string> params;
  plan::Mode mode = plan::Mode::act;
  eval::Tier tier = eval::Tier::automatic;
};
struct WhyOptions {
  std::string id, state;
  bool json = false, exit_code = false;
};
struct GenerateOptions {
  generate::TraceSpec spec;
  std::string incidents = "all", metrics = "all";
  std::string out, truth;  // files; "": the trace goes to standard output, the truth nowhere
};

int run_check(const CheckOptions& options);
int run_fmt(const FmtOptions& options);
int run_test(const TestOptions& options);
int run_eval(const EvalOptions& options);
int run_replay(const ReplayOptions& options);
int run_tune(const TuneOptions& options);
int run_run(const RunOptions& options);
int run_why(const WhyOptions& options);
int run_generate(const GenerateOptions& options);
int run_version(bool json);

}  // namespace signalbox::cli
