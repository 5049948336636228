#include "tests/parity/expression.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace signalbox::parity {
namespace {

using Listed = Expression::Labels;

std::string duration_text(std::int64_t ms) {
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\\' ? "\\\\" : std::string(1, c);
  return out;
}

std::string number_text(double value) {
  return std::isnan(value) ? "NaN" : fmt::format("{}", value);
}

// Of a selector or subquery: the instant, then the offset.
std::string modifiers_text(const Expression& e) {
  using At = Expression::At;
  std::string out;
  if (e.at == At::instant) out += " @ " + seconds_text(e.instant);
  if (e.at == At::start) out += " @ start()";
  if (e.at == At::end) out += " @ end()";
  if (e.offset > 0) out += " offset " + duration_text(e.offset);
  return out;
}

std::string selector_text(const Expression& e) {
  std::string name, rest;
  for (const Matcher& m : e.matchers) {
    if (m.label == metric_name_label && m.op == MatchOp::equal)
      name = m.value;
    else
      rest += fmt::format("{}{}{}\"{}\"", rest.empty() ? "" : ",", m.label, match_op_text(m.op),
                          escaped(m.value));
  }
  std::string out = name + (rest.empty() ? "" : "{" + rest + "}");
  if (e.window > 0) out += "[" + duration_text(e.window) + "]";
  return out + modifiers_text(e);
}

std::string operator_text(Feature feature, Dialect dialect) {
  if (feature == Feature::mod && dialect == Dialect::prometheus) return "%";
  if (feature == Feature::fallback && dialect == Dialect::prometheus) return "or";
  return std::string(features[static_cast<std::size_t>(feature)]);
}

std::string binary_text(const Expression& e, Dialect dialect) {
  std::string matching = e.with_bool ? " bool" : "";
  if (e.listed != Listed::none)
    matching += fmt::format(" {}({})", e.listed == Listed::on ? "on" : "ignoring", fmt::join(e.labels, ","));
  if (e.group != Expression::Group::none)
    matching += fmt::format(" group_{}({})", e.group == Expression::Group::left ? "left" : "right",
                            fmt::join(e.include, ","));
  std::string right = text_of(*e.args[1], dialect);
  // A filled-in number is a family of one row, which PromQL has a function for.
  if (e.feature == Feature::fallback && dialect == Dialect::prometheus && e.args[1]->kind == Kind::number)
    right = "vector(" + right + ")";
  return fmt::format("({}) {}{} ({})", text_of(*e.args[0], dialect), operator_text(e.feature, dialect),
                     matching, right);
}

LabelFilter restricted(const LabelFilter& filter, const std::vector<std::string>& to) {
  LabelFilter out{true, {}};
  for (const std::string& label : to)
    if (filter.tells(label)) out.names.push_back(label);
  return out;
}
LabelFilter removed(LabelFilter filter, const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    if (filter.only)
      std::erase(filter.names, label);
    else
      filter.names.push_back(label);
  }
  return filter;
}

bool chooses_rows(const Expression& e) {
  return e.feature == Feature::topk || e.feature == Feature::bottomk;
}

LabelFilter filter_of_grouped(const Expression& e, const LabelFilter& filter) {
  if (e.listed != Listed::without) return restricted(filter, e.labels);
  return removed(removed(filter, e.labels), {std::string(metric_name_label)});
}

// What the filter of `e`'s rows says of its argument's.
LabelFilter filter_of_arg(const Expression& e, std::size_t arg, const LabelFilter& filter) {
  const std::vector<std::string> name{std::string(metric_name_label)};
  switch (e.kind) {
    case Kind::aggregate:
      if (chooses_rows(e)) return filter;
      if (e.feature == Feature::count_values) return filter_of_grouped(e, removed(filter, {e.text}));
      return filter_of_grouped(e, filter);
    case Kind::quantile:
      return removed(removed(filter, {"le"}), name);
    case Kind::absent:
      return {true, {}};
    case Kind::relabel:
      // What is made of labels is not looked for in a series.
      return removed(filter, {e.texts.front()});
    case Kind::function:
      // One number is made of rows whose labels are gone.
      if (e.feature == Feature::scalar || e.feature == Feature::vector) return {true, {}};
      return removed(filter, name);
    case Kind::subquery:
      return e.feature == Feature::last_over_time ? filter : removed(filter, name);
    case Kind::binary: {
      // Rows of `or` come from either side whole, and those of `and` and `unless` from the left. So do the
      // rows that a number lets through.
      const bool whole = e.feature == Feature::set_or || (is_set_operator(e) && arg == 0);
      if (whole || (is_comparison(e) && !e.with_bool && e.args[1 - arg]->kind == Kind::number)) return filter;
      const bool many = (arg == 0) == (e.group == Expression::Group::left);
      if (e.group != Expression::Group::none && many) return removed(removed(filter, e.include), name);
      if (e.listed == Listed::on) {
        std::vector<std::string> known = e.labels;
        known.insert(known.end(), e.include.begin(), e.include.end());
        return restricted(filter, known);
      }
      if (e.listed == Listed::ignoring) return removed(removed(filter, e.labels), name);
      return removed(filter, name);
    }
    default:
      return removed(filter, name);
  }
}

void collect(const Expression& e, LeafUse use, std::vector<LeafUse>& out) {
  use.features |= own_features(e);
  if (e.kind == Kind::selector || e.kind == Kind::range) {
    use.leaf = &e;
    // A selector's rows have the metric's name, where nothing above takes it away.
    if (e.kind == Kind::range && e.feature != Feature::last_over_time)
      use.filter = removed(use.filter, {std::string(metric_name_label)});
    out.push_back(use);
  }
  if (e.kind == Kind::subquery) use.subqueries.push_back(&e);
  for (std::size_t i = 0; i < e.args.size(); ++i) {
    LeafUse below = use;
    below.filter = filter_of_arg(e, i, use.filter);
    collect(*e.args[i], std::move(below), out);
  }
}

// Of an aggregation that has one, with the comma behind it.
std::string parameter_text(const Expression& e) {
  if (e.feature == Feature::count_values) return fmt::format("\"{}\", ", e.text);
  return e.feature == Feature::quantile_of || chooses_rows(e) ? number_text(e.number) + ", " : "";
}

// A function over `range`, with its parameters where they stand.
std::string over_range(const Expression& e, const std::string& range) {
  const std::string_view name = features[static_cast<std::size_t>(e.feature)];
  switch (e.feature) {
    case Feature::quantile_over_time:
      return fmt::format("{}({}, {})", name, number_text(e.number), range);
    case Feature::predict_linear:
      return fmt::format("{}({}, {})", name, range, e.number);
    case Feature::holt_winters:
      return fmt::format("{}({}, {}, {})", name, range, e.number, e.second);
    default:
      return fmt::format("{}({})", name, range);
  }
}

bool folds_without_order(const Expression& e, FeatureSet folds) {
  return (e.kind == Kind::aggregate && folds.has(e.feature) && e.args[0]->kind != Kind::selector &&
          e.args[0]->kind != Kind::range) ||
         std::any_of(e.args.begin(), e.args.end(),
                     [&](const auto& arg) { return folds_without_order(*arg, folds); });
}
bool sums(const Expression& e) {
  return folds_without_order(
      e, bit(Feature::sum) | bit(Feature::avg) | bit(Feature::stddev) | bit(Feature::stdvar));
}
bool is_inexact(const Expression& e) {
  return e.in_last_digits || sums(e) ||
         std::any_of(e.args.begin(), e.args.end(), [](const auto& arg) { return is_inexact(*arg); });
}

ExpressionPtr with_args(const Expression& e, Feature feature, std::vector<ExpressionPtr> args) {
  auto out = std::make_shared<Expression>(e);
  out->feature = feature;
  out->args = std::move(args);
  return out;
}

ExpressionPtr size_of(const ExpressionPtr& e) {
  auto out = std::make_shared<Expression>();
  out->kind = Kind::call;
  out->feature = Feature::abs;
  out->args = {e};
  return out;
}

}  // namespace

std::string text_of(const Expression& e, Dialect dialect) {
  const std::string_view name = features[static_cast<std::size_t>(e.feature)];
  const auto arg = [&](std::size_t i) { return text_of(*e.args[i], dialect); };
  switch (e.kind) {
    case Kind::selector:
      return selector_text(e);
    case Kind::range:
      return over_range(e, selector_text(e));
    case Kind::subquery:
      return over_range(e, fmt::format("({})[{}:{}]{}", arg(0), duration_text(e.window),
                                       duration_text(e.step), modifiers_text(e)));
    case Kind::relabel: {
      std::string out = fmt::format("{}({}", name, arg(0));
      for (const std::string& text : e.texts) out += fmt::format(", \"{}\"", escaped(text));
      return out + ")";
    }
    case Kind::function: {
      std::string out;
      for (std::size_t i = 0; i < e.args.size(); ++i) out += (i == 0 ? "" : ", ") + arg(i);
      return fmt::format("{}({})", e.text, out);
    }
    case Kind::aggregate:
      if (e.listed == Listed::none) return fmt::format("{}({}{})", name, parameter_text(e), arg(0));
      return fmt::format("{} {}({}) ({}{})", name, e.listed == Listed::by ? "by " : "without ",
                         fmt::join(e.labels, ","), parameter_text(e), arg(0));
    case Kind::binary:
      return binary_text(e, dialect);
    case Kind::number:
      return number_text(e.number);
    case Kind::call:
      if (e.feature == Feature::negate) return fmt::format("-({})", arg(0));
      if (e.feature == Feature::clamp) return fmt::format("clamp({}, {}, {})", arg(0), e.number, e.second);
      if (e.args.size() == 2) return fmt::format("{}({}, {})", name, arg(0), arg(1));
      return fmt::format("{}({})", name, arg(0));
    case Kind::absent:
      if (e.feature == Feature::absent_over_time)
        return fmt::format("absent_over_time({})", selector_text(*e.args[0]));
      return fmt::format("absent({})", arg(0));
    case Kind::quantile:
      return fmt::format("histogram_quantile({}, {})", e.number, arg(0));
    case Kind::time:
      return "time()";
  }
  return {};
}

bool is_promql_alone(const Expression& e) {
  return std::isnan(e.number) || e.at != Expression::At::none || is_comparison(e) || is_set_operator(e) ||
         std::any_of(e.args.begin(), e.args.end(), [](const auto& arg) { return is_promql_alone(*arg); });
}

bool is_comparison(const Expression& e) {
  return e.kind == Kind::binary && e.feature >= Feature::equal && e.feature <= Feature::greater_equal;
}

bool is_set_operator(const Expression& e) {
  return e.kind == Kind::binary && e.feature >= Feature::set_and && e.feature <= Feature::set_unless;
}

bool is_exact(const Expression& e) {
  return !is_inexact(e);
}

FeatureSet own_features(const Expression& e) {
  FeatureSet out;
  if (e.kind != Kind::number) out |= bit(e.feature);
  if (e.kind == Kind::subquery) out |= bit(Feature::subquery);
  if (e.at != Expression::At::none) out |= bit(Feature::fixed_time);
  for (const Matcher& m : e.matchers) {
    if (m.label == metric_name_label && m.op == MatchOp::equal) continue;
    out |= bit(m.op == MatchOp::equal       ? Feature::match_equal
               : m.op == MatchOp::not_equal ? Feature::match_not_equal
               : m.op == MatchOp::regex     ? Feature::match_regex
                                            : Feature::match_not_regex);
  }
  if (e.offset > 0) out |= bit(Feature::offset);
  if (e.with_bool) out |= bit(Feature::with_bool);
  if (e.listed == Listed::by) out |= bit(Feature::by);
  if (e.listed == Listed::without) out |= bit(Feature::without);
  if (e.listed == Listed::on) out |= bit(Feature::on);
  if (e.listed == Listed::ignoring) out |= bit(Feature::ignoring);
  if (e.group == Expression::Group::left) out |= bit(Feature::group_left);
  if (e.group == Expression::Group::right) out |= bit(Feature::group_right);
  // time() reads nothing: it counts for what it meets.
  for (const ExpressionPtr& arg : e.args)
    if (arg->kind == Kind::time) out |= bit(Feature::time);
  return out;
}

FeatureSet all_features(const Expression& e) {
  FeatureSet out = own_features(e);
  for (const ExpressionPtr& arg : e.args) out |= all_features(*arg);
  return out;
}

bool LabelFilter::tells(const std::string& label) const {
  return (std::find(names.begin(), names.end(), label) != names.end()) == only;
}

std::vector<LeafUse> leaves_of(const Expression& e) {
  std::vector<LeafUse> out;
  collect(e, {}, out);
  return out;
}

std::vector<std::int64_t> read_at(const LeafUse& use, std::int64_t at, std::int64_t first,
                                  std::int64_t last) {
  using At = Expression::At;
  const auto moved = [&](const Expression& e, std::int64_t time) {
    return (e.at == At::instant ? e.instant
            : e.at == At::start ? first
            : e.at == At::end   ? last
                                : time) -
           e.offset;
  };
  std::vector<std::int64_t> times{at};
  for (const Expression* subquery : use.subqueries) {
    std::vector<std::int64_t> steps;
    for (const std::int64_t time : times) {
      const std::int64_t end = moved(*subquery, time), begin = end - subquery->window;
      for (std::int64_t step = end - end % subquery->step; step >= begin; step -= subquery->step)
        steps.push_back(step);
    }
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    times = std::move(steps);
  }
  for (std::int64_t& time : times) time = moved(*use.leaf, time);
  return times;
}

bool zero_has_any_sign(const Expression& e) {
  return (all_features(e) & (bit(Feature::quantile_of) | bit(Feature::quantile_over_time))).any() ||
         folds_without_order(e,
                             bit(Feature::sum) | bit(Feature::avg) | bit(Feature::min) | bit(Feature::max));
}

ExpressionPtr magnitude(const ExpressionPtr& e) {
  if (!is_inexact(*e)) return nullptr;
  const auto of = [](const ExpressionPtr& arg) {
    const ExpressionPtr inner = magnitude(arg);
    return inner ? inner : arg->kind == Kind::number || arg->kind == Kind::time ? arg : size_of(arg);
  };
  switch (e->kind) {
    case Kind::aggregate:
      if (e->feature == Feature::stddev || e->feature == Feature::stdvar) {
        const ExpressionPtr sizes = with_args(*e, Feature::sum, {of(e->args[0])});
        if (e->feature == Feature::stddev) return sizes;
        // What is off by d has a square that is off by 2 d of itself, and by the square of d.
        Expression plain;
        plain.kind = Kind::binary;
        const auto both = [&](Feature feature, ExpressionPtr a, ExpressionPtr b) {
          return with_args(plain, feature, {std::move(a), std::move(b)});
        };
        const auto number = [](double value) {
          auto out = std::make_shared<Expression>();
          out->number = value;
          return out;
        };
        const ExpressionPtr root = with_args(*e, Feature::stddev, e->args);
        return both(Feature::mul, sizes,
                    both(Feature::add, both(Feature::mul, number(2), root),
                         both(Feature::mul, number(tolerance), sizes)));
      }
      return with_args(
          *e, e->feature == Feature::min || e->feature == Feature::quantile_of ? Feature::max : e->feature,
          {of(e->args[0])});
    case Kind::binary: {
      if (e->feature == Feature::pow) return size_of(e);
      if (e->feature == Feature::div) {
        // d(a/b) is about A/|b| + A/|b| * B/|b|, where the magnitudes A and B are not below |a| and |b|.
        const ExpressionPtr over = with_args(*e, Feature::div, {of(e->args[0]), size_of(e->args[1])});
        if (!is_inexact(*e->args[1])) return over;
        Expression plain;
        plain.kind = Kind::binary;
        return with_args(*e, Feature::mul,
                         {over, with_args(plain, Feature::div, {of(e->args[1]), size_of(e->args[1])})});
      }
      return with_args(*e, e->feature == Feature::sub ? Feature::add : e->feature,
                       {of(e->args[0]), of(e->args[1])});
    }
    case Kind::call:
      return of(e->args[0]);  // abs, negation and clamps move no two values further apart
    case Kind::function: {
      if (e->feature != Feature::trigonometry && e->text != "log2") return size_of(e);
      // Digits that cancel are those of a number about 1, and where a tangent is steep of its slope.
      Expression plain;
      plain.kind = Kind::binary;
      auto one = std::make_shared<Expression>();
      one->number = 1;
      const ExpressionPtr size = size_of(e);
      const ExpressionPtr slope = e->text == "tan" ? with_args(plain, Feature::mul, {size, size}) : size;
      return with_args(plain, Feature::add, {slope, one});
    }
    default:
      return size_of(e);
  }
}

}  // namespace signalbox::parity
