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

bool has(const Names& labels, std::string_view label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

}  // namespace

Made Forms::make(Feature feature) {
  if (feature <= Feature::count_values) return aggregation(feature);
  if (feature <= Feature::set_unless) return set(feature);
  if (feature <= Feature::greater_equal) return comparison(feature, chance(rng_, 25));
  static constexpr Feature comparisons[] = {Feature::equal,      Feature::not_equal, Feature::less,
                                            Feature::less_equal, Feature::greater,   Feature::greater_equal};
  return comparison(one_of(rng_, comparisons), true);
}

ExpressionPtr Forms::number() {
  static constexpr double all[] = {0, 0.5, 1, 2, 10, 100, 1000, 50'000, -1, 1e9, 1e300, 1e-300, nan};
  auto out = std::make_shared<Expression>();
  out->number = one_of(rng_, all);
  return out;
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
  static constexpr double counts[] = {-2, 0, 1, 1, 2, 2.7, 3, 5, 1000};
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

}  // namespace signalbox::parity
