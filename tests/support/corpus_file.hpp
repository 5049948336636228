// A program of tests/corpus with what it says of itself in comments. One directive a line:
//
//   # rule: NAME                          the rule of docs/language.md that it proves
//   # expect: ok                          it compiles; what else is said must be stated too
//   # expect: tests pass                  it compiles, and so do its `test` blocks' expectations hold
//   # expect error CODE at L:C [in MODULE] [message "…"] [hint "…"]     parts of the texts
//   # expect warning CODE at L:C …
//   # param NAME=VALUE                    as given on a command line
//   # theta SLO ROW = NUMBER              the threshold of a burn row, as it is printed
//   # series m{a="b"} 0 10 _ stale 1+2x5 every 15s [from 30s]
//   # deploy TARGET at 30s                what anchored windows refer to
//   # done at 60s
//   # eval EXPRESSION [from 0s every 15s] at 45s [semantics 2] = ROWS
//   # node NAME [from 0s every 15s] at 45s [semantics 2] = ROWS
//   #@ module NAME                        the text of a module, up to the next such line
//   #@ file NAME                          another file of the program
//
// ROWS are `nothing`, or rows with ` | ` between them: {a="b"} 0.666…, {a="b"} true, no_data. `…` ends a
// prefix, and ~0.02 is that up to rounding. `node` names a node of the plan: SLO.row0, SLO.row0.long,
// SLO.spent, SLO.seen, SLO.coverage, POLICY.when, POLICY.verify.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/lower/compile.hpp"
#include "runtime/base/labels.hpp"

namespace signalbox::test {

struct ExpectedDiagnostic {
  bool error = true;
  std::string code, module, message, hint;
  std::uint32_t line = 0, column = 0;
};
struct CorpusSeries {
  Labels labels;
  struct Sample {
    Instant time;
    double value = 0;
  };
  std::vector<Sample> samples;
};
struct CorpusEval {
  bool node = false;
  std::string what, rows;  // the expression or the node's name; what must come of it
  std::optional<Instant> from;
  Duration every;
  Instant at;
  std::optional<Semantics> semantics;
};
struct CorpusFile {
  std::filesystem::path path;
  std::string text;
  std::vector<lower::Input> inputs;
  std::map<std::string, std::string> modules, params;
  std::vector<std::string> rules;
  bool expects_ok = false, expects_tests = false;
  std::vector<ExpectedDiagnostic> diagnostics;
  std::map<std::pair<std::string, std::size_t>, std::string> thetas;
  std::vector<CorpusSeries> series;
  std::map<std::string, Instant> deploys;
  std::optional<Instant> done;
  std::vector<CorpusEval> evals;
  std::vector<std::string> faults;  // directives that cannot be read
};

CorpusFile read_corpus_file(const std::filesystem::path& path);
std::vector<std::filesystem::path> corpus_paths(const std::filesystem::path& folder);  // sorted
lower::Compiled compile_corpus(const CorpusFile& file);

// The comments of a program, in order, without what stands behind them.
std::vector<std::string> comments_of(const std::string& text);

}  // namespace signalbox::test
