#include "compiler/promql/functions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "runtime/base/labels.hpp"

namespace signalbox::promql_text {
namespace {

constexpr Function table[] = {
    {"abs", "v", Sort::vector},
    {"absent", "v", Sort::vector},
    {"absent_over_time", "m", Sort::vector},
    {"acos", "v", Sort::vector},
    {"acosh", "v", Sort::vector},
    {"asin", "v", Sort::vector},
    {"asinh", "v", Sort::vector},
    {"atan", "v", Sort::vector},
    {"atanh", "v", Sort::vector},
    {"avg_over_time", "m", Sort::vector},
    {"ceil", "v", Sort::vector},
    {"changes", "m", Sort::vector},
    {"clamp", "vss", Sort::vector},
    {"clamp_max", "vs", Sort::vector},
    {"clamp_min", "vs", Sort::vector},
    {"cos", "v", Sort::vector},
    {"cosh", "v", Sort::vector},
    {"count_over_time", "m", Sort::vector},
    {"day_of_month", "?v", Sort::vector},
    {"day_of_week", "?v", Sort::vector},
    {"day_of_year", "?v", Sort::vector},
    {"days_in_month", "?v", Sort::vector},
    {"deg", "v", Sort::vector},
    {"delta", "m", Sort::vector},
    {"deriv", "m", Sort::vector},
    {"exp", "v", Sort::vector},
    {"first_over_time", "m", Sort::vector},
    {"floor", "v", Sort::vector},
    {"histogram_avg", "v", Sort::vector},
    {"histogram_count", "v", Sort::vector},
    {"histogram_fraction", "ssv", Sort::vector},
    {"histogram_quantile", "sv", Sort::vector},
    {"histogram_stddev", "v", Sort::vector},
    {"histogram_stdvar", "v", Sort::vector},
    {"histogram_sum", "v", Sort::vector},
    {"holt_winters", "mss", Sort::vector},
    {"hour", "?v", Sort::vector},
    {"idelta", "m", Sort::vector},
    {"increase", "m", Sort::vector},
    {"irate", "m", Sort::vector},
    {"label_join", "vttt*", Sort::vector},
    {"label_replace", "vtttt", Sort::vector},
    {"last_over_time", "m", Sort::vector},
    {"ln", "v", Sort::vector},
    {"log10", "v", Sort::vector},
    {"log2", "v", Sort::vector},
    {"max_over_time", "m", Sort::vector},
    {"min_over_time", "m", Sort::vector},
    {"minute", "?v", Sort::vector},
    {"month", "?v", Sort::vector},
    {"pi", "", Sort::scalar},
    {"predict_linear", "ms", Sort::vector},
    {"present_over_time", "m", Sort::vector},
    {"quantile_over_time", "sm", Sort::vector},
    {"rad", "v", Sort::vector},
    {"rate", "m", Sort::vector},
    {"resets", "m", Sort::vector},
    {"round", "v?s", Sort::vector},
    {"scalar", "v", Sort::scalar},
    {"sgn", "v", Sort::vector},
    {"sin", "v", Sort::vector},
    {"sinh", "v", Sort::vector},
    {"sort", "v", Sort::vector},
    {"sort_desc", "v", Sort::vector},
    {"sqrt", "v", Sort::vector},
    {"stddev_over_time", "m", Sort::vector},
    {"stdvar_over_time", "m", Sort::vector},
    {"sum_over_time", "m", Sort::vector},
    {"tan", "v", Sort::vector},
    {"tanh", "v", Sort::vector},
    {"time", "", Sort::scalar},
    {"timestamp", "v", Sort::vector},
    {"vector", "s", Sort::vector},
    {"year", "?v", Sort::vector},
};

constexpr Aggregation aggregation_table[] = {
    {"avg", plan::Aggregate::avg},       {"bottomk", plan::Aggregate::bottomk},
    {"count", plan::Aggregate::count},   {"count_values", plan::Aggregate::count_values},
    {"group", plan::Aggregate::group},   {"max", plan::Aggregate::max},
    {"min", plan::Aggregate::min},       {"quantile", plan::Aggregate::quantile},
    {"stddev", plan::Aggregate::stddev}, {"stdvar", plan::Aggregate::stdvar},
    {"sum", plan::Aggregate::sum},       {"topk", plan::Aggregate::topk}};

}  // namespace

std::span<const Function> functions() {
  return table;
}

const Function* find_function(std::string_view name) {
  const auto* at = std::lower_bound(std::begin(table), std::end(table), name,
                                    [](const Function& f, std::string_view n) { return f.name < n; });
  return at != std::end(table) && at->name == name ? at : nullptr;
}

std::span<const Aggregation> aggregations() {
  return aggregation_table;
}

const Aggregation* find_aggregation(std::string_view name) {
  const auto* at = std::find_if(std::begin(aggregation_table), std::end(aggregation_table),
                                [&](const Aggregation& one) { return one.name == name; });
  return at == std::end(aggregation_table) ? nullptr : at;
}

char aggregation_parameter(plan::Aggregate op) {
  if (op == plan::Aggregate::count_values) return 't';
  return plan::takes_parameter(op) ? 's' : 0;
}

std::vector<std::string> absent_labels(const std::vector<Matcher>& matchers) {
  std::vector<std::string> out;
  for (const Matcher& matcher : matchers) {
    const auto uses = std::count_if(matchers.begin(), matchers.end(),
                                    [&](const Matcher& other) { return other.label == matcher.label; });
    if (uses != 1 || matcher.op != MatchOp::equal || matcher.label == metric_name_label ||
        matcher.value.empty())
      continue;
    out.push_back(matcher.label);
    out.push_back(matcher.value);
  }
  return out;
}

Signature signature_of(const Function& function) {
  Signature out;
  bool optional = false;
  for (const char c : function.args) {
    if (c == '?') {
      optional = true;
    } else if (c == '*') {
      out.most = std::numeric_limits<std::size_t>::max();
      --out.least;
    } else {
      out.letters += c;
      ++out.most;
      out.least += optional ? 0 : 1;
    }
  }
  return out;
}

std::string takes(const Signature& of) {
  const auto arguments = [](std::size_t n) { return fmt::format("{} argument{}", n, n == 1 ? "" : "s"); };
  if (of.least == of.most) return arguments(of.least);
  if (of.most == std::numeric_limits<std::size_t>::max()) return "at least " + arguments(of.least);
  if (of.least == 0) return "at most " + arguments(of.most);
  return fmt::format("{} {} {}", of.least, of.least + 1 == of.most ? "or" : "to", arguments(of.most));
}

bool is_label_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace signalbox::promql_text
