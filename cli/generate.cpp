// signalbox generate --seed N …: metrics of services that never were, and what happened to them.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/history_replay.hpp"
#include "cli/output.hpp"
#include "cli/sink.hpp"
#include "runtime/generate/incidents.hpp"
#include "runtime/generate/write.hpp"

namespace signalbox::cli {
namespace {

int fail(const Error& error) {
  say(error);
  return exit_code_of(error);
}

// Kinds that were asked for and do not come.
void print_without_room(const generate::TraceSpec& spec) {
  std::string names;
  for (const generate::IncidentKind kind : generate::without_room(spec))
    names += fmt::format("{}{}", names.empty() ? "" : ", ", generate::name_of(kind));
  if (names.empty()) return;
  const generate::Slots slots = generate::slots_of(spec);
  tell("signalbox: there is no room for {}: each of {} incidents has {}, and scrapes are {} apart\n", names,
       slots.count, to_string(slots.length), to_string(spec.every));
  tell("      help: write a longer --duration, fewer --incidents or a shorter --every\n");
}

using Writer = Result<void> (*)(const generate::TraceSpec&, const generate::Out&);

Result<void> write_to(Sink& sink, Writer writer, const generate::TraceSpec& spec) {
  return writer(spec, [&](std::string_view bytes) -> Result<void> {
    if (was_interrupted()) return Error{ErrorCode::io, "interrupted", {}};
    return sink.write(bytes);
  });
}

}  // namespace

int run_generate(const GenerateOptions& options) {
  generate::TraceSpec spec = options.spec;
  auto incidents = generate::parse_incidents(options.incidents);
  if (!incidents) return fail(incidents.error());
  spec.incidents = std::move(*incidents);
  const auto metrics = generate::parse_metrics(options.metrics);
  if (!metrics) return fail(metrics.error());
  spec.metrics = *metrics;
  if (const auto checked = generate::check(spec); !checked) return fail(checked.error());
  if (!options.out.empty() && !options.truth.empty() && same_file(options.out, options.truth))
    return fail({ErrorCode::invalid_argument, "--out and --truth name the same file", "write two names"});
  // Both are opened before either is written: a trace takes long, and a name that is wrong is found out at
  // once. Both are named when both are whole: a truth beside another trace would be a false one.
  Sink out, truth;
  if (!options.out.empty())
    if (const auto opened = out.open(options.out); !opened) return fail(opened.error());
  if (!options.truth.empty())
    if (const auto opened = truth.open(options.truth); !opened) return fail(opened.error());
  watch_for_interrupt();
  Result<void> done;
  if (!options.truth.empty()) done = write_to(truth, generate::write_truth, spec);
  if (done) print_without_room(spec);
  const bool told = static_cast<bool>(done);
  if (done) done = write_to(out, generate::write_trace, spec);
  if (done && !options.truth.empty()) done = truth.close();
  if (done) done = out.close();
  if (done) return exit_ok;
  if (was_interrupted()) {
    tell("signalbox: interrupted: {}\n",
         options.out.empty() ? "the trace ends in its middle" : "no file is written");
    return exit_interrupted;
  }
  // Of standard output main says it.
  return told && options.out.empty() ? exit_program : fail(done.error());
}

}  // namespace signalbox::cli
