#include "tests/parity/forms.hpp"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

namespace signalbox::parity {
namespace {

using Listed = Expression::Labels;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

ExpressionPtr operation(Feature feature, ExpressionPtr a, ExpressionPtr b) {
  auto out = std::make_shared<Expression>();
  out->kind = Kind::binary;
  out->feature = feature;
  out->args = {std::move(a), std::move(b)};
  return out;
}

ExpressionPtr constant(double value) {
  auto out = std::make_shared<Expression>();
  out->number = value;
  return out;
}

ExpressionPtr clamped(ExpressionPtr e, double low, double high) {
  auto out = std::make_shared<Expression>();
  out->kind = Kind::call;
  out->feature = Feature::clamp;
  out->number = low;
  out->second = high;
  out->args = {std::move(e)};
  return out;
}

ExpressionPtr timestamp_of(ExpressionPtr e) {
  auto out = std::make_shared<Expression>();
  out->kind = Kind::function;
  out->feature = Feature::timestamp;
  out->text = "timestamp";
  out->args = {std::move(e)};
  return out;
}

bool has(const Names& labels, std::string_view label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

}  // namespace

Made Forms::make(Feature feature) {
  if (feature <= Feature::count_values) return aggregation(feature);
  if (feature <= Feature::set_unless) return set(feature);
  if (feature <= Feature::greater_equal) return comparison(feature, chance(rng_, 25));
  switch (feature) {
    case Feature::subquery:
      return subquery();
    case Feature::fixed_time:
      return fixed();
    case Feature::label_replace:
    case Feature::label_join:
      return relabelled(feature);
    case Feature::scalar:
    case Feature::vector:
      return scalar(feature);
    case Feature::absent_over_time:
      return absent_over_time();
    case Feature::with_bool:
      break;
    default:
      return function(feature);
  }
  static constexpr Feature comparisons[] = {Feature::equal,      Feature::not_equal, Feature::less,
                                            Feature::less_equal, Feature::greater,   Feature::greater_equal};
  return comparison(one_of(rng_, comparisons), true);
}

ExpressionPtr Forms::number() {
  static constexpr double all[] = {0, 0.5, 1, 2, 10, 100, 1000, 50'000, -1, 1e9, 1e300, 1e-300, nan};
  return constant(one_of(rng_, all));
}

// What is left out on one side must be there on the other, or nothing is seen: the right side has gaps of its
// own, or is filtered.
Made Forms::set(Feature feature) {
  Made left = chance(rng_, 25) ? with_threshold(Feature::greater) : operands_.operand_of_a_family();
  const Made other = operands_.operand_of_a_family();
  ExpressionPtr right = other.e;
  if (chance(rng_, 50) && left.e->kind != Kind::binary) right = operands_.same_series(left.e);
  if (chance(rng_, 60)) {
    static constexpr Feature some[] = {Feature::greater, Feature::less_equal, Feature::not_equal};
    right = operation(one_of(rng_, some), right, number());
  }
  auto out = std::make_shared<Expression>(*operation(feature, left.e, right));
  if (chance(rng_, 60)) {
    const bool on = chance(rng_, 50);
    out->listed = on ? Listed::on : Listed::ignoring;
    const Names of_both = [&] {
      Names both;
      for (const std::string& label : left.labels)
        if (has(other.labels, label)) both.push_back(label);
      return both;
    }();
    for (const std::string& label : of_both)
      if (chance(rng_, on ? 65 : 35)) out->labels.push_back(label);
  }
  Made made{out, left.labels, false};
  if (feature == Feature::set_or)
    std::erase_if(made.labels, [&](const std::string& label) { return !has(other.labels, label); });
  return made;
}

Made Forms::with_threshold(Feature feature) {
  Made of = operands_.operand_of_a_family();
  of.e = chance(rng_, 25) ? operation(feature, number(), of.e) : operation(feature, of.e, number());
  return of;
}

Made Forms::of_two(Feature feature) {
  if (chance(rng_, 55)) {  // of the same series, which are now and then equal
    Made of = operands_.operand_of_a_family();
    of.e = operation(feature, of.e, chance(rng_, 30) ? of.e : operands_.same_series(of.e));
    return of;
  }
  static const std::vector<Names> groups = {{}, {"job"}, {"inst", "job"}, {"inst", "job", "le"}, {"zone"}};
  const Names& by = one_of(rng_, groups);
  Made out = operands_.exact_rows(by);
  auto e = std::make_shared<Expression>(*operation(feature, out.e, operands_.exact_rows(by).e));
  if (!by.empty() && chance(rng_, 60)) {
    e->listed = chance(rng_, 50) ? Listed::on : Listed::ignoring;
    e->labels = e->listed == Listed::on ? by : Names{"version"};
  }
  out.e = e;
  return out;
}

Made Forms::comparison(Feature feature, bool with_bool) {
  Made out = chance(rng_, 50) ? with_threshold(feature) : of_two(feature);
  auto e = std::make_shared<Expression>(*out.e);
  e->with_bool = with_bool;
  out.e = e;
  return out;
}

Made Forms::aggregation(Feature feature) {
  static constexpr double quantiles[] = {-0.5, 0, 0.25, 0.5, 0.9, 0.99, 1, 1.5, nan};
  static constexpr double counts[] = {-2, 0, 1, 2, 2.7, 3, 5, 5, 10, 1000};
  static constexpr Listed listings[] = {Listed::none, Listed::by, Listed::by, Listed::without};
  Made of = operands_.operand_of_a_family();
  auto out = std::make_shared<Expression>();
  out->kind = Kind::aggregate;
  out->feature = feature;
  out->args = {of.e};
  out->listed = one_of(rng_, listings);
  if (feature == Feature::quantile_of) out->number = one_of(rng_, quantiles);
  if (feature == Feature::topk || feature == Feature::bottomk) out->number = one_of(rng_, counts);
  // Sorted behind the labels: in a range Prometheus 2.42 loses what its value's label comes before.
  if (feature == Feature::count_values) out->text = "zvalue";
  if (out->listed != Listed::none)
    for (const std::string& label : of.labels)
      if (chance(rng_, 45)) out->labels.push_back(label);
  of.e = out;
  if (feature == Feature::topk || feature == Feature::bottomk) return of;
  if (out->listed == Listed::without) {
    std::erase_if(of.labels, [&](const std::string& label) {
      return std::find(out->labels.begin(), out->labels.end(), label) != out->labels.end();
    });
    return of;
  }
  return {out, out->labels, true};
}

void Forms::fix(Expression& e) {
  using At = Expression::At;
  if (e.feature == Feature::predict_linear) e.feature = Feature::deriv;
  static constexpr At ways[] = {At::instant, At::instant, At::instant, At::start, At::end};
  e.at = one_of(rng_, ways);
  e.instant = world_.start - 60'000 + below(rng_, world_.span + 360'000);
  // On the grid of most series, and at an edge of a window, as often as off it.
  if (chance(rng_, 60)) e.instant -= e.instant % 15'000;
  if (chance(rng_, 20)) e.instant += 1500;
  if (at_border_) e.instant = world_.start + world_.span + 1500;
}

Made Forms::fixed() {
  Made out = operands_.operand_of_a_family();
  auto leaf = std::make_shared<Expression>(*out.e);
  fix(*leaf);
  out.e = leaf;
  if (chance(rng_, 25)) out.e = operation(Feature::sub, operands_.same_series(leaf), leaf);
  return out;
}

Made Forms::subquery() {
  static constexpr std::int64_t windows[] = {30'000, 60'000, 61'000, 150'001, 300'000, 600'000, 1'800'000},
                                steps[] = {1118, 1500, 5000, 15'000, 15'000, 30'000, 60'000, 60'000, 61'003},
                                offsets[] = {1, 7777, 60'000, 300'000};
  Made of = chance(rng_, 75) ? operands_.operand_of_a_family()
                             : operands_.exact_rows(chance(rng_, 50) ? Names{"job"} : Names{"inst", "job"});
  if (chance(rng_, 15)) of.e = operation(Feature::greater, of.e, number());
  Expression out = operands_.some_range_function();
  out.kind = Kind::subquery;
  out.window = one_of(rng_, windows);
  do out.step = one_of(rng_, steps);
  while (out.window / out.step > 150);
  if (at_border_) {
    out.window = std::min<std::int64_t>(out.window, 150'001);
    out.step = 1500;
  }
  if (chance(rng_, at_border_ ? 0 : 30)) out.offset = one_of(rng_, offsets);
  if (chance(rng_, 15)) fix(out);
  out.args = {of.e};
  of.e = std::make_shared<Expression>(std::move(out));
  return of;
}

// Only labels that no series has are written, so that rows still tell which series they came from.
Made Forms::relabelled(Feature feature) {
  static const std::vector<Names> replaced = {{"shard", "$1", "inst", "(.*)"},
                                              {"shard", "$2-${1}x", "job", "(.)(.*)"},
                                              {"shard", "$1", "job", "(a)"},
                                              {"shard", "one", "nowhere", ""},
                                              {"shard", "$0$9$$", "version", "v.|"},
                                              {"shard", "", "inst", ".*"},
                                              {"shard", "i${name}", "inst", "(?P<name>\\d)"}};
  static const std::vector<Names> joined = {{"shard", "-", "job", "inst"},
                                            {"shard", "", "inst"},
                                            {"shard", ", ", "nowhere", "job", "version"},
                                            {"shard", "/"},
                                            {"shard", "", "nowhere"}};
  Made of = operands_.operand_of_a_family();
  auto out = std::make_shared<Expression>();
  out->kind = Kind::relabel;
  out->feature = feature;
  out->texts = one_of(rng_, feature == Feature::label_replace ? replaced : joined);
  out->args = {of.e};
  of.e = out;
  return of;
}

Made Forms::function(Feature feature) {
  static const Names rounds = {"ceil", "floor", "round", "round", "sgn"},
                     roots = {"sqrt", "exp", "ln", "log2", "log10"},
                     angles = {"sin",  "cos",  "tan",   "asin",  "acos",  "atan", "sinh",
                               "cosh", "tanh", "asinh", "acosh", "atanh", "deg",  "rad"},
                     dates = {"minute",      "hour",          "day_of_week", "day_of_month",
                              "day_of_year", "days_in_month", "month",       "year"};
  Made of = operands_.operand_of_a_family();
  auto out = std::make_shared<Expression>();
  out->kind = Kind::function;
  out->feature = feature;
  out->args = {of.e};
  if (feature == Feature::timestamp) {
    out->text = "timestamp";
  } else if (feature == Feature::rounding) {
    out->text = one_of(rng_, rounds);
    static constexpr double to[] = {0.1, 10, 0.5, 1000, 1e-9, 0, -2, 1e300};
    if (out->text == "round" && chance(rng_, 60)) out->args.push_back(constant(one_of(rng_, to)));
  } else if (feature == Feature::roots) {
    out->text = one_of(rng_, roots);
    if (out->text == "exp") out->args = {clamped(of.e, -708, 709)};  // Go's is infinite a little early
    // Go's logarithm is wrong below the smallest normal number.
    if (out->text == "ln" || out->text == "log10")
      out->args = {chance(rng_, 50) ? operation(Feature::mul, of.e, constant(1e17))
                                    : clamped(of.e, 1e-300, std::numeric_limits<double>::max())};
  } else if (feature == Feature::trigonometry) {
    out->text = one_of(rng_, angles);
    // Go halves what has overflowed already.
    if (out->text == "sinh" || out->text == "cosh") out->args = {clamped(of.e, -709, 709)};
  } else {
    // Dates, and no NaN: where there is no date, Go makes one of what is left of 64 bits.
    out->text = one_of(rng_, dates);
    const ExpressionPtr years = clamped(operation(Feature::mul, of.e, constant(1e5)), -6e10, 9e10);
    out->args = {chance(rng_, 50) ? timestamp_of(of.e)
                                  : operation(Feature::greater_equal, years, constant(-1e300))};
  }
  out->in_last_digits = (feature == Feature::roots && out->text != "sqrt") ||
                        (feature == Feature::trigonometry && out->text != "deg" && out->text != "rad");
  of.e = out;
  return of;
}

// A family of one row is one number, any other NaN; both are seen behind arithmetic and in a family again.
Made Forms::scalar(Feature feature) {
  Made of = chance(rng_, 80) ? operands_.exact_rows({}) : operands_.operand_of_a_family();
  auto number = std::make_shared<Expression>();
  number->kind = Kind::function;
  number->feature = Feature::scalar;
  number->text = "scalar";
  number->args = {of.e};
  if (feature == Feature::vector || chance(rng_, 25)) {
    auto family = std::make_shared<Expression>(*number);
    family->feature = Feature::vector;
    family->text = "vector";
    family->args = {number};
    return {family, {}, true};
  }
  Made out = operands_.operand_of_a_family();
  out.e = chance(rng_, 50) ? operation(Feature::mul, out.e, number) : operation(Feature::div, number, out.e);
  return out;
}

Made Forms::absent_over_time() {
  auto range = std::make_shared<Expression>(*operands_.range_that_ends().e);
  range->feature = Feature::absent_over_time;
  range->number = range->second = 0;
  auto out = std::make_shared<Expression>();
  out->kind = Kind::absent;
  out->feature = Feature::absent_over_time;
  out->args = {range};
  return {out, {}, true};
}

}  // namespace signalbox::parity
