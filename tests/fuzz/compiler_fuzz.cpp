// Any bytes, as a program and as an expression. The compiler answers: every error has a place in the text, a
// plan is sound and its bytes read back as they were, and a formatted text is one that formatting leaves
// alone.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "compiler/lower/compile.hpp"
#include "compiler/syntax/parser.hpp"
#include "runtime/plan/check_plan.hpp"
#include "tests/fuzz/require.hpp"

using namespace signalbox;

namespace {

void check_places(const source::Diagnostics& diagnostics, const source::SourceSet& sources) {
  for (const source::Diagnostic& d : diagnostics.all()) {
    require(!d.message.empty(), "a diagnostic says nothing");
    require(d.span.file < sources.size() && d.span.begin <= d.span.end &&
                d.span.end <= sources[d.span.file].text().size(),
            "a diagnostic has no place in the text");
  }
  (void)render_text(diagnostics, sources);
  (void)render_json(diagnostics, sources);
}

void check_plan(const std::optional<plan::Plan>& plan, const source::Diagnostics& diagnostics) {
  require(plan.has_value() != diagnostics.has_errors(), "a plan and errors, or neither");
  if (!plan) return;
  require(!plan::find_fault(*plan), "the plan is not sound");
  const std::string bytes = plan::to_bytes(*plan, true);
  const auto back = plan::from_bytes(bytes);
  require(back && plan::to_bytes(*back, true) == bytes, "the plan's bytes are not its own");
}

void check_format(const std::string& text, const std::optional<plan::Plan>& plan) {
  source::SourceSet sources;
  source::Diagnostics diagnostics;
  const auto once = syntax::format_text(sources, sources.add("a", text), {}, diagnostics);
  if (!once) return;
  const auto twice = syntax::format_text(sources, sources.add("b", *once), {}, diagnostics);
  require(twice && *twice == *once, "formatting again changes the text");
  if (!plan) return;
  // Origins, and so the place of a text in a plan, move; the digest does not.
  const lower::Compiled again = lower::compile({{"a.slo", *once}}, {});
  require(again.plan && plan::digest(*again.plan) == plan::digest(*plan), "formatting changes the plan");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const lower::Compiled compiled = lower::compile({{"a.slo", text}}, {});
  check_places(compiled.diagnostics, compiled.sources);
  check_plan(compiled.plan, compiled.diagnostics);
  check_format(text, compiled.plan);
  const lower::CompiledQuery query = lower::compile_query(text, {});
  check_places(query.diagnostics, query.sources);
  check_plan(query.plan, query.diagnostics);
  return 0;
}
