// Text in, plan out. The one door to the compiler: it opens no file, reads no clock and starts no thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/sema/edits.hpp"
#include "compiler/sema/modules.hpp"
#include "compiler/source/diagnostic.hpp"
#include "compiler/source/places.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/plan/rehearsal.hpp"

namespace signalbox::lower {

struct CompileOptions {
  std::map<std::string, std::string> params;  // --param NAME=VALUE
  sema::ModuleLoader loader;                  // for `use`; the library's modules need none
  std::vector<sema::Edit> edits;              // --what-if KEY=VALUE: a variant of the program
  Limits limits;
};

using source::Places;
using source::PolicySpans;
using source::SloSpans;

struct Compiled {
  source::SourceSet sources;
  source::Diagnostics diagnostics;
  std::optional<plan::Plan> plan;  // nothing after an error
  std::vector<plan::Rehearsal> rehearsals;
  Places places;
  // What can be changed by an edit, of a program that could be parsed; by the name that is its own.
  struct Changeable {
    std::string declaration, key, written;
    bool hold = false;
  };
  std::vector<Changeable> changeable;
};

struct Input {
  std::string name, text;
};
// The files together are one program.
Compiled compile(std::vector<Input> inputs, const CompileOptions& options);

// An expression for `eval`: a plan with nothing but nodes. Declarations of `program` (settings, slos) are
// seen when given.
struct CompiledQuery {
  source::SourceSet sources;
  source::Diagnostics diagnostics;
  std::optional<plan::Plan> plan;
  plan::Index root = plan::none;
  std::string literal;    // of PromQL that is a text and nothing else: root is none
  bool is_range = false;  // PromQL of a range: root is last_over_time of it
};
CompiledQuery compile_query(const std::string& text, const CompileOptions& options);
// The same of PromQL text; `range` are the first and last instants that it is asked for.
CompiledQuery compile_promql(const std::string& text, std::optional<std::pair<Instant, Instant>> range,
                             const CompileOptions& options);

}  // namespace signalbox::lower
