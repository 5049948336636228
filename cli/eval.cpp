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
#include "runtime/base/decimal_text.hpp"
#include "runtime/eval/range_query.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::cli {
namespace {

struct SeriesResult {
  std::vector<std::pair<Instant, double>> values;
  std::vector<std::pair<Instant, HistogramPtr>> histograms;
};

// As the API writes them: which bounds of a bucket belong to it, the bounds, and the count.
nlohmann::ordered_json histogram_json(const NativeHistogram& h) {
  enum { upper_only, lower_only, both = 3 };
  auto buckets = nlohmann::ordered_json::array();
  for (const BucketRange& b : bucket_ranges(h)) {
    if (b.count == 0) continue;
    const int bounds = b.is_zero() ? both : b.lower < 0 ? lower_only : upper_only;
    buckets.push_back({bounds, api_text(b.lower), api_text(b.upper), api_text(b.count)});
  }
  nlohmann::ordered_json out = {{"count", api_text(h.count)}, {"sum", api_text(h.sum)}};
  if (!buckets.empty()) out["buckets"] = std::move(buckets);
  return out;
}

// Seconds as the API writes them: no trailing zeros.
nlohmann::ordered_json seconds_json(Instant t) {
  if (t.ms % 1000 == 0) return t.ms / 1000;
  return t.unix_seconds();
}

int fail(const EvalOptions& options, const char* type, const std::string& message, const std::string& hint,
         int code) {
  if (options.json)
    fmt::print("{}\n", dump({{"status", "error"}, {"errorType", type}, {"error", message}}, 2));
  else
    tell("signalbox: {}\n", message);
  if (!options.json && !hint.empty()) tell("      help: {}\n", hint);
  return code;
}

// What is said of an expression that found nothing: a variable that nobody filled in, or the first metric
// that the data does not have.
std::string why_nothing(const plan::Plan& plan, const store::SeriesStore& store) {
  for (const plan::Leaf& leaf : plan.leaves)
    for (const Matcher& m : leaf.matchers)
      if (const std::size_t at = m.value.find('$');
          at != std::string::npos && at + 1 < m.value.size() &&
          (std::isalpha(static_cast<unsigned char>(m.value[at + 1])) || m.value[at + 1] == '{' ||
           m.value[at + 1] == '_'))
        return fmt::format(": {}{}\"{}\" has a variable of Grafana's in it; write what it stands for",
                           m.label, match_op_text(m.op), m.value);
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

// `@` and negative offsets look outside the instants that are asked about. `named`: whether `@` counts here.
void look_elsewhere(const plan::Plan& plan, bool named, HistoryRequest& request) {
  const auto reach = [&](const plan::Window& window) {
    if (!request.from || !request.to) return;
    if (window.at && named) {
      request.from = std::min(*request.from, *window.at);
      request.to = std::max(*request.to, *window.at);
    }
    if (window.offset.ms < 0) request.to = *request.to - window.offset;
  };
  for (const plan::Leaf& leaf : plan.leaves) reach(leaf.window);
  for (const plan::Node& node : plan.nodes)
    if (node.kind == plan::NodeKind::subquery) reach(node.subquery.window);
}

int print_literal(const EvalOptions& options, const std::string& text, Instant at) {
  if (options.json)
    fmt::print("{}\n", dump({{"status", "success"},
                             {"data", {{"resultType", "string"}, {"result", {seconds_json(at), text}}}}},
                            2));
  else
    fmt::print("{}\n", text);
  return exit_ok;
}

}  // namespace

int run_eval(const EvalOptions& options) {
  const bool promql = !options.promql.empty();
  if (promql == !options.expression.empty())
    return fail(options, "bad_data", "eval wants an expression: EXPR, or --promql EXPR", "", exit_program);
  const bool range = options.from || options.to;
  if (range && options.at)
    return fail(options, "bad_data", "--at is one instant; --from and --to are many", "leave one out",
                exit_program);
  if (range && (!options.from || !options.to || options.step.ms <= 0))
    return fail(options, "bad_data", "a range needs --from, --to and a --step above zero", "", exit_program);
  if (!range && options.step.ms > 0)
    return fail(options, "bad_data", "--step goes with --from and --to", "", exit_program);
  if (range && *options.to < *options.from)
    return fail(options, "bad_data", "--to is before --from", "swap them", exit_program);
  if (range && (*options.to - *options.from).ms / options.step.ms > 1'000'000)
    return fail(options, "bad_data",
                fmt::format("--from, --to and --step give more than a million steps: {}",
                            (*options.to - *options.from).ms / options.step.ms),
                "a longer --step, or a shorter range", exit_program);
  lower::CompileOptions compile_options;
  compile_options.params = options.params;
  std::optional<std::pair<Instant, Instant>> ends;
  if (range) ends = {*options.from, *options.to};
  if (options.at) ends = {*options.at, *options.at};
  lower::CompiledQuery query = promql ? lower::compile_promql(options.promql, ends, compile_options)
                                      : lower::compile_query(options.expression, compile_options);
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
    tell("{}", text);
    return exit_program;
  }
  if (!options.json) tell("{}", source::render_text(query.diagnostics, query.sources));
  plan::Plan& plan = *query.plan;
  plan.lookback = options.lookback;
  if (query.root == plan::none)
    return print_literal(options, query.literal, ends ? ends->second : wall_clock());
  if (query.is_range && range)
    return fail(options, "bad_data", "a range is asked for at one instant, not over a range of them",
                "say --at T", exit_program);
  store::SeriesStore store{Limits{}};
  HistoryRequest request;
  if (options.data.empty() && !plan.leaves.empty())
    return fail(options, "bad_data", "the expression reads metrics, and there is no --data", "",
                exit_program);
  request.location = options.data;
  request.cache = options.cache.directory();
  if (is_url(options.data)) request.now = wall_clock();
  const std::optional<Instant> at = options.at || range ? options.at : request.now;
  // A hold is what it is after the ticks before: as many of them as it can look back on.
  const Duration warm_up = plan::hold_span(plan, query.root);
  request.from = range ? options.from : at;
  if (request.from) request.from = *request.from - warm_up;
  request.to = range ? options.to : at;
  // A server is asked for what each selector looks at, which may be far away.
  look_elsewhere(plan, !is_url(options.data) || range, request);
  // Under other semantics than the server's own, only its samples are of use.
  if (range && !options.semantics && warm_up.ms == 0) request.step = options.step;
  const Result<History> history = options.data.empty()
                                      ? Result<History>(History{0, {}, {}, Semantics::prometheus2})
                                      : load_history(plan, request, store);
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
                           [](const Error& e) { tell("signalbox: {}\n", e.message); });
  std::map<Labels, std::size_t> places;
  std::vector<std::pair<Labels, SeriesResult>> series;  // as they come: sort() and topk() have an order
  std::vector<eval::Fault> faults;
  const auto faulty = [&] {
    const eval::Fault& fault = faults.front();
    std::string where;
    if (fault.node < plan.nodes.size() && plan.nodes[fault.node].origin < plan.origins.size())
      where = fmt::format(", in `{}`", plan.origins[plan.nodes[fault.node].origin].text);
    return fail(options, "execution", fault.what + where, fault.hint, exit_program);
  };
  std::vector<std::tuple<Instant, Labels, std::string_view>> unknown;
  std::size_t points = 0;
  const auto add = [&](const Labels& labels, Instant when, double value) {
    const auto [place, fresh] = places.try_emplace(labels, series.size());
    if (fresh) series.emplace_back(place->first, SeriesResult{});
    series[place->second].second.values.emplace_back(when, value);
    ++points;
  };
  const auto add_histogram = [&](const Labels& labels, Instant when, HistogramPtr histogram) {
    const auto [place, fresh] = places.try_emplace(labels, series.size());
    if (fresh) series.emplace_back(place->first, SeriesResult{});
    series[place->second].second.histograms.emplace_back(when, std::move(histogram));
    ++points;
  };
  eval::Evaluation::Context context;
  context.plan = &plan;
  context.leaves = &leaves;
  context.shapes = &shapes;
  context.semantics = options.semantics.value_or(history->semantics);
  context.cache = eval::make_eval_cache();
  if (promql) context.faults = &faults;
  if (query.is_range) {
    context.at = instants[0];
    instants.clear();
    for (const auto& [labels, samples, histograms] : eval::range_values(store, query.root, context)) {
      for (std::size_t i = 0; i < samples.size(); ++i)
        add(labels, Instant{samples.times[i]}, samples.values[i]);
      for (const TimedHistogram& one : histograms) add_histogram(labels, Instant{one.time}, one.histogram);
    }
    if (!faults.empty()) return faulty();
  }
  for (Instant now : instants) {
    context.at = now;
    eval::HoldTable holds;
    if (warm_up.ms > 0) {
      context.holds = &holds;
      for (context.at = now - warm_up; context.at < now; context.at = context.at + plan.tick)
        static_cast<void>(eval::Evaluation(context).column(query.root));
      context.at = now;
    }
    eval::Evaluation evaluation(context);
    const eval::Column& column = evaluation.column(query.root);
    if (!faults.empty()) return faulty();
    for (std::size_t i = 0; i < column.size(); ++i) {
      if (column.evidence[i] == 0) {
        add((*column.rows)[i], now, column.number(i));
      } else if (column.is_histogram(i)) {
        add_histogram((*column.rows)[i], now, column.histogram[i]);
      } else if (!promql) {
        unknown.emplace_back(now, (*column.rows)[i],
                             plan::evidence_name(static_cast<plan::Evidence>(column.evidence[i])));
      }
    }
  }
  const bool matrix = range || query.is_range;
  if (matrix)
    std::sort(series.begin(), series.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const bool scalar = plan.nodes[query.root].scalar;
  if (options.json) {
    auto result = nlohmann::ordered_json::array();
    for (const auto& [labels, s] : series) {
      nlohmann::ordered_json entry = {{"metric", labels_json(labels)}};
      if (matrix) {
        if (!s.values.empty() || s.histograms.empty()) entry["values"] = nlohmann::ordered_json::array();
        for (const auto& [t, v] : s.values) entry["values"].push_back({seconds_json(t), api_text(v)});
        for (const auto& [t, h] : s.histograms)
          entry["histograms"].push_back({seconds_json(t), histogram_json(*h)});
      } else if (!s.histograms.empty()) {
        entry["histogram"] = {seconds_json(s.histograms[0].first), histogram_json(*s.histograms[0].second)};
      } else {
        entry["value"] = {seconds_json(s.values[0].first), api_text(s.values[0].second)};
      }
      result.push_back(std::move(entry));
    }
    nlohmann::ordered_json data = {{"resultType", matrix ? "matrix" : scalar ? "scalar" : "vector"}};
    if (scalar && !matrix && !series.empty())
      data["result"] = result[0]["value"];
    else
      data["result"] = std::move(result);
    if (!promql) data["evidence"] = nlohmann::ordered_json::array();
    for (const auto& [t, labels, state] : unknown)
      data["evidence"].push_back(
          {{"metric", labels_json(labels)}, {"time", seconds_json(t)}, {"state", state}});
    fmt::print("{}\n", dump({{"status", "success"}, {"data", std::move(data)}}, 2));
  } else {
    for (const auto& [labels, s] : series) {
      for (const auto& [t, v] : s.values)
        fmt::print("{}  {}  {}\n", to_rfc3339(t), to_string(labels), api_text(v));
      for (const auto& [t, h] : s.histograms)
        fmt::print("{}  {}  {}\n", to_rfc3339(t), to_string(labels), to_string(*h));
    }
    for (const auto& [t, labels, state] : unknown)
      fmt::print("{}  {}  {}\n", to_rfc3339(t), to_string(labels), state);
  }
  if (points > 0 || (promql && options.json)) return exit_ok;
  tell("signalbox: nothing has a value{}\n", why_nothing(plan, store));
  return exit_no_data;
}

}  // namespace signalbox::cli
