// signalbox replay FILE --data …: what a program would have seen, decided and told over recorded history.
// Nothing is sent.
#include "runtime/loop/replay.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "cli/commands.hpp"
#include "cli/data.hpp"
#include "cli/jit.hpp"
#include "cli/output.hpp"
#include "cli/programs.hpp"
#include "runtime/decide/budget.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

class Timeline : public loop::EngineObserver {
 public:
  explicit Timeline(const plan::Plan& plan) : plan_(plan) {}
  std::vector<decide::Event> events;
  std::vector<std::vector<decide::BudgetReading>> budgets;
  Instant last;  // the tick that the budgets are read at

  void event(const decide::Event& e) override { events.push_back(e); }
  void notice(const Error& e) override { fmt::print(stderr, "signalbox: {}\n", e.message); }
  void tick_done(Instant at, eval::Evaluation& evaluation, const decide::State&) override {
    if (at != last) return;
    for (plan::Index s = 0; s < plan_.slos.size(); ++s)
      budgets.push_back(decide::read_budget(plan_, s, evaluation));
  }

 private:
  const plan::Plan& plan_;
};

nlohmann::ordered_json budget_json(const plan::Slo& slo, const decide::BudgetReading& b) {
  nlohmann::ordered_json out = {{"name", slo.name}, {"labels", labels_json(b.labels)}};
  // No data is no health: without evidence there is no number.
  const bool known = b.evidence == plan::Evidence::value;
  if (!known) out["evidence"] = plan::evidence_name(b.evidence);
  const auto number = [&](double value) {
    return known ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
  };
  out["spent"] = number(b.spent);
  out["seen"] = number(b.seen);
  out["allowance"] = number(b.allowance);
  out["remaining"] = number(b.remaining);
  out["provisional"] = b.provisional;
  auto burns = nlohmann::ordered_json::object();
  for (const auto& w : b.burns) {
    if (w.evidence == plan::Evidence::value)
      burns[to_string(w.window)] = w.burn;
    else
      burns[to_string(w.window)] = plan::evidence_name(w.evidence);
  }
  out["burn"] = burns;
  out["coverage"] = b.coverage;
  return out;
}

std::string budget_text(const plan::Slo& slo, const decide::BudgetReading& b) {
  std::string out = fmt::format("{}{}  ", slo.name, b.labels.empty() ? "" : to_string(b.labels));
  if (b.evidence != plan::Evidence::value)
    return out + fmt::format("no budget can be read: {}", plan::evidence_name(b.evidence));
  out += fmt::format("{:.2f}% of the budget remains ({:.6g} of {:.6g} {} spent, {:.1f}% of {} seen{})",
                     100 * b.remaining, b.spent, b.allowance, slo.slices ? "slices" : "events",
                     100 * b.coverage, to_string(slo.period), b.provisional ? ", provisional" : "");
  for (const auto& w : b.burns)
    out += w.evidence == plan::Evidence::value
               ? fmt::format("  burn({}) {:.4g}", to_string(w.window), w.burn)
               : fmt::format("  burn({}) {}", to_string(w.window), plan::evidence_name(w.evidence));
  return out;
}

// A failed action, else a breach, else a refusal.
int worst_of(const std::vector<decide::Event>& events) {
  int worst = exit_ok;
  for (const decide::Event& e : events) {
    const int code = exit_code_of(std::string_view(e.kind));
    if (code == exit_action_failed || (code == exit_breach && worst != exit_action_failed) ||
        worst == exit_ok)
      worst = code;
  }
  return worst;
}

}  // namespace

int run_replay(const ReplayOptions& options) {
  const lower::Compiled program = compile_files({options.file}, options.params);
  print_diagnostics(program);
  if (!program.plan) return exit_program;
  const plan::Plan& plan = *program.plan;
  store::SeriesStore store{Limits{}};
  HistoryRequest request;
  request.location = options.data;
  request.cache = options.cache.directory();
  request.from = options.from;
  request.to = options.to;
  const Result<History> history = load_history(plan, request, store);
  if (!history) {
    fmt::print(stderr, "signalbox: {}\n", history.error().message);
    if (!history.error().hint.empty()) fmt::print(stderr, "      help: {}\n", history.error().hint);
    return exit_code_of(history.error());
  }
  if (history->samples == 0) {
    fmt::print(stderr, "signalbox: there is no sample in {}\n", options.data);
    return exit_no_data;
  }
  const Instant from = grid_ceil(options.from.value_or(history->first), plan.tick, plan.phase);
  const Instant to = grid_floor(options.to.value_or(history->last), plan.tick, plan.phase);
  if (to < from) {
    fmt::print(stderr, "signalbox: no tick lies between {} and {}\n", to_rfc3339(from), to_rfc3339(to));
    return exit_no_data;
  }
  if (history->last < from - plan::longest_window(plan) || history->first > to) {
    fmt::print(stderr,
               "signalbox: {} has samples from {} to {} and none that a tick from {} to {} could read\n",
               options.data, to_rfc3339(history->first), to_rfc3339(history->last), to_rfc3339(from),
               to_rfc3339(to));
    return exit_no_data;
  }
  Timeline timeline(plan);
  timeline.last = to;
  loop::ReplayOptions how;
  how.engine.tier = options.tier;
  how.engine.load_compiler = jit_loader();
  how.engine.initial_versions = [](plan::Index) { return std::vector<std::string>{"the version before"}; };
  how.semantics = history->semantics;
  how.from = from;
  how.ticks = static_cast<std::size_t>((to - from).ms / plan.tick.ms) + 1;
  how.threads = std::max(1u, std::thread::hardware_concurrency());
  how.every_tick = options.every_tick;
  const bool watched = ::isatty(STDERR_FILENO) != 0;
  const auto began = std::chrono::steady_clock::now();
  how.progress = [&](double done) {
    if (!watched) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    fmt::print(stderr, "\rreplay {:3.0f}%  {:.0f} s to go   ", 100 * done,
               done > 0.01 ? seconds / done - seconds : 0.0);
  };
  std::signal(SIGINT, [](int) { interrupted = 1; });
  how.interrupted = [] { return interrupted != 0; };
  const loop::ReplayResult result = loop::replay(plan, store, timeline, how);
  const std::size_t ticks = how.ticks;
  const int code = options.exit_code ? worst_of(timeline.events) : exit_ok;
  eval::StoreProvider leaves(store);
  for (const std::string& never : decide::unmatched_numerators(plan, leaves, to))
    fmt::print(stderr, "{}signalbox: {}\n", watched ? "\r" : "", never);
  fmt::print(stderr, "{}replay {}  {} ticks of {}, {} samples        \n", watched ? "\r" : "",
             result.interrupted ? "interrupted at " + to_rfc3339(result.last) : "100%", ticks,
             to_string(plan.tick), history->samples);

  if (options.json) {
    nlohmann::ordered_json out = {
        {"program", options.file},
        {"digest", plan::digest(plan)},
        {"semantics", static_cast<int>(plan.semantics.value_or(history->semantics))},
        {"from", to_rfc3339(from)},
        {"to", to_rfc3339(to)},
        {"assumed", "actions are taken to be done at once and to change nothing; nothing was sent"}};
    out["events"] = nlohmann::ordered_json::array();
    for (const decide::Event& e : timeline.events) out["events"].push_back(event_json(e));
    out["slos"] = nlohmann::ordered_json::array();
    for (std::size_t s = 0; s < timeline.budgets.size(); ++s)
      for (const decide::BudgetReading& b : timeline.budgets[s])
        out["slos"].push_back(budget_json(plan.slos[s], b));
    fmt::print("{}\n", dump(out, 2));
    return code;
  }
  fmt::print(
      "{} to {}, a tick every {}. Nothing was sent: actions are taken to be done at once and to change "
      "nothing.\n",
      to_rfc3339(from), to_rfc3339(to), to_string(plan.tick));
  for (const decide::Event& e : timeline.events) fmt::print("{}\n", event_text(e));
  if (timeline.events.empty()) fmt::print("Nothing happened.\n");
  for (std::size_t s = 0; s < timeline.budgets.size(); ++s)
    for (const decide::BudgetReading& b : timeline.budgets[s])
      fmt::print("{}\n", budget_text(plan.slos[s], b));
  return code;
}

}  // namespace signalbox::cli
