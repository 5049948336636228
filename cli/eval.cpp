// signalbox eval EXPR --data …: one expression over recorded or live data, answered as the Prometheus HTTP
// API does.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "cli/commands.hpp"
#include "cli/data.hpp"
#include "cli/jit.hpp"
#include "cli/output.hpp"
#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::cli {
namespace {

struct SeriesResult {
  std::vector<std::pair<Instant, double>> values;
};

// Seconds as the API writes them: no trailing zeros.
nlohmann::ordered_json seconds_json(Instant t) {
  if (t.ms % 1000 == 0) return t.ms / 1000;
  return t.unix_seconds();
}

// As the API writes doubles: the shortest digits that give the same double, and no exponent between 1e-6 and
// 1e21. Where the digits end, zeros stand for what a double does not know.
std::string value_text(double v) {
  if (!std::isfinite(v)) return shortest(v);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
  std::string text(buffer, end);
  const double size = std::fabs(v);
  if (size != 0 && (size < 1e-6 || size >= 1e21)) return text;
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  std::string digits = text.substr(0, e);
  std::erase_if(digits, [](char c) { return c == '-' || c == '.'; });
  text = std::signbit(v) ? "-" : "";
  if (exponent < 0) return text + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const std::size_t whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return text + digits + std::string(whole - digits.size(), '0');
  return text + digits.substr(0, whole) + "." + digits.substr(whole);
}

int fail(const EvalOptions& options, const char* type, const std::string& message, const std::string& hint,
         int code) {
  if (options.json)
    fmt::print("{}\n", dump({{"status", "error"}, {"errorType", type}, {"error", message}}, 2));
  else
    fmt::print(stderr, "signalbox: {}\n", message);
  if (!options.json && !hint.empty()) fmt::print(stderr, "      help: {}\n", hint);
  return code;
}

// What is said of an expression that found nothing: the first metric that the data does not have.
std::string unknown_metric(const plan::Plan& plan, const store::SeriesStore& store) {
  std::set<std::string, std::less<>> names;
  for (store::SeriesId id = 0; id < store.series_count(); ++id)
    names.emplace(store.labels(id).get(metric_name_label));
  for (const plan::Leaf& leaf : plan.leaves) {
    for (const Matcher& m : leaf.matchers) {
      if (m.label != metric_name_label || m.op != MatchOp::equal || names.contains(m.value)) continue;
      const std::string near = source::nearest(m.value, {names.begin(), names.end()});
      return fmt::format(": the data has no metric `{}`{}", m.value,
                         near.empty() ? "" : fmt::format("; did you mean `{}`?", near));
    }
  }
  return {};
}

}  // namespace

int run_eval(const EvalOptions& options) {
  lower::CompileOptions compile_options;
  compile_options.params = options.params;
  lower::CompiledQuery query = lower::compile_query(options.expression, compile_options);
  if (!query.plan) {
    const std::string text = source::render_text(query.diagnostics, query.sources);
    if (options.json) {
      const auto& all = query.diagnostics.all();
      const source::Diagnostic& d = *std::find_if(
          all.begin(), all.end(), [](const auto& one) { return one.level() == source::Level::error; });
      fmt::print("{}\n", dump({{"status", "error"},
                               {"errorType", "bad_data"},
                               {"error", d.message},
                               {"code", source::code_name(d.code)},
                               {"diagnostics", nlohmann::ordered_json::parse(
                                                   source::render_json(query.diagnostics, query.sources))}},
                              2));
    }
    fmt::print(stderr, "{}", text);
    return exit_program;
  }
  if (!options.json) fmt::print(stderr, "{}", source::render_text(query.diagnostics, query.sources));
  plan::Plan& plan = *query.plan;
  plan.lookback = options.lookback;
  const bool range = options.from || options.to;
  if (range && options.at)
    return fail(options, "bad_data", "--at is one instant; --from and --to are many", "leave one out",
                exit_program);
  if (range && (!options.from || !options.to || options.step.ms <= 0))
    return fail(options, "bad_data", "a range needs --from, --to and --step", "", exit_program);
  if (!range && options.step.ms > 0)
    return fail(options, "bad_data", "--step goes with --from and --to", "", exit_program);
  if (range &&
      (*options.to < *options.from || (*options.to - *options.from).ms / options.step.ms > 1'000'000))
    return fail(options, "bad_data", "--from, --to and --step give no steps, or more than a million", "",
                exit_program);
  store::SeriesStore store{Limits{}};
  HistoryRequest request;
  request.location = options.data;
  request.cache = options.cache.directory();
  if (is_url(options.data)) request.now = wall_clock();
  const std::optional<Instant> at = options.at || range ? options.at : request.now;
  // A hold is what it is after the ticks before: as many of them as it can look back on.
  const Duration warm_up = plan::hold_span(plan, query.root);
  request.from = range ? options.from : at;
  if (request.from) request.from = *request.from - warm_up;
  request.to = range ? options.to : at;
  // Under other semantics than the server's own, only its samples are of use.
  if (range && !options.semantics && warm_up.ms == 0) request.step = options.step;
  const Result<History> history = load_history(plan, request, store);
  if (!history)
    return fail(options, exit_code_of(history.error()) == exit_unreachable ? "unavailable" : "bad_data",
                history.error().message, history.error().hint, exit_code_of(history.error()));
  std::vector<Instant> instants;
  if (range)
    for (Instant t = *options.from; t <= *options.to; t = t + options.step) instants.push_back(t);
  else
    instants.push_back(at.value_or(history->last));
  eval::StoreProvider stored(store);
  eval::LeafProvider& leaves = history->leaves ? *history->leaves : stored;
  eval::ShapeRunner shapes(plan, options.tier, jit_loader(),
                           [](const Error& e) { fmt::print(stderr, "signalbox: {}\n", e.message); });
  std::map<Labels, SeriesResult> series;
  std::vector<std::tuple<Instant, Labels, std::string_view>> unknown;
  std::size_t points = 0;
  const auto cache = eval::make_eval_cache();
  for (Instant now : instants) {
    eval::Evaluation::Context context;
    context.plan = &plan;
    context.leaves = &leaves;
    context.shapes = &shapes;
    context.semantics = options.semantics.value_or(history->semantics);
    context.at = now;
    context.cache = cache;
    eval::HoldTable holds;
    if (warm_up.ms > 0) {
      context.holds = &holds;
      for (context.at = now - warm_up; context.at < now; context.at = context.at + plan.tick)
        static_cast<void>(eval::Evaluation(context).column(query.root));
      context.at = now;
    }
    eval::Evaluation evaluation(context);
    const eval::Column& column = evaluation.column(query.root);
    for (std::size_t i = 0; i < column.size(); ++i) {
      if (column.evidence[i] == 0) {
        series[(*column.rows)[i]].values.emplace_back(now, column.value[i]);
        ++points;
      } else {
        unknown.emplace_back(now, (*column.rows)[i],
                             plan::evidence_name(static_cast<plan::Evidence>(column.evidence[i])));
      }
    }
  }
  const bool scalar = plan.nodes[query.root].scalar;
  if (options.json) {
    auto result = nlohmann::ordered_json::array();
    for (const auto& [labels, s] : series) {
      nlohmann::ordered_json entry = {{"metric", labels_json(labels)}};
      if (range) {
        entry["values"] = nlohmann::ordered_json::array();
        for (const auto& [t, v] : s.values) entry["values"].push_back({seconds_json(t), value_text(v)});
      } else {
        entry["value"] = {seconds_json(s.values[0].first), value_text(s.values[0].second)};
      }
      result.push_back(std::move(entry));
    }
    nlohmann::ordered_json data = {{"resultType", range ? "matrix" : scalar ? "scalar" : "vector"}};
    if (scalar && !range && !series.empty())
      data["result"] = result[0]["value"];
    else
      data["result"] = std::move(result);
    data["evidence"] = nlohmann::ordered_json::array();
    for (const auto& [t, labels, state] : unknown)
      data["evidence"].push_back(
          {{"metric", labels_json(labels)}, {"time", seconds_json(t)}, {"state", state}});
    fmt::print("{}\n", dump({{"status", "success"}, {"data", std::move(data)}}, 2));
  } else {
    for (const auto& [labels, s] : series)
      for (const auto& [t, v] : s.values)
        fmt::print("{}  {}  {}\n", to_rfc3339(t), to_string(labels), value_text(v));
    for (const auto& [t, labels, state] : unknown)
      fmt::print("{}  {}  {}\n", to_rfc3339(t), to_string(labels), state);
  }
  if (points > 0) return exit_ok;
  fmt::print(stderr, "signalbox: nothing has a value{}\n", unknown_metric(plan, store));
  return exit_no_data;
}

}  // namespace signalbox::cli
