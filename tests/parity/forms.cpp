#include "tests/parity/forms.hpp"

#include <algorithm>
#include <limits>

namespace signalbox::parity {
namespace {

using Listed = Expression::Labels;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Made Forms::make(Feature feature) {
  return aggregation(feature);
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
