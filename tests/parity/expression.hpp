// Expressions that Signalbox and Prometheus both know, in both spellings, and a seeded generator of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/promql_terms.hpp"
#include "tests/parity/coverage.hpp"
#include "tests/parity/world.hpp"

namespace signalbox::parity {

enum class Kind : std::uint8_t {
  selector,
  range,
  aggregate,
  binary,
  number,
  call,
  absent,
  quantile,
  time,
  subquery,  // a function over the range of what its argument is worth
  relabel,   // label_replace and label_join
  function   // of a family, or of one number: `text` with the arguments as they are
};
enum class Dialect : std::uint8_t { signalbox, prometheus };

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

struct Expression {
  Kind kind = Kind::number;
  Feature feature = Feature::selector;  // which function, aggregate or operator
  std::vector<ExpressionPtr> args;
  // selector and range
  std::vector<Matcher> matchers;
  std::int64_t window = 0, offset = 0;
  std::int64_t step = 0;  // of a subquery
  // `@`: an instant, or the first or last that is asked for.
  enum class At : std::uint8_t { none, instant, start, end } at = At::none;
  std::int64_t instant = 0;
  // number; bounds of a clamp; the quantile; parameters of a function over a range and of an aggregate
  double number = 0, second = 0;
  std::string text;                // the label of count_values; the name of a function
  std::vector<std::string> texts;  // of a relabelling, in their order
  bool with_bool = false;          // a comparison that answers 0 or 1 and leaves no row out
  bool in_last_digits = false;     // a power: Go's library and C's need not agree on them
  // Grouping of an aggregate; matching of an operator.
  enum class Labels : std::uint8_t { none, by, without, on, ignoring } listed = Labels::none;
  std::vector<std::string> labels, include;
  enum class Group : std::uint8_t { none, left, right } group = Group::none;
};

std::string text_of(const Expression& e, Dialect dialect);
// Whether the language has no words for it, and its text is that of `prometheus` on both sides.
bool is_promql_alone(const Expression& e);
bool is_comparison(const Expression& e);
bool is_set_operator(const Expression& e);
// Whether its values are the same bits on both sides; what jumps or chooses is asked of nothing else.
bool is_exact(const Expression& e);
FeatureSet own_features(const Expression& e);
FeatureSet all_features(const Expression& e);

// The labels by which a row of the result tells which series it came from: all but `names`, or `names` alone.
struct LabelFilter {
  bool only = false;
  std::vector<std::string> names;
  bool tells(const std::string& label) const;
};
// A selector or range of the expression, with everything that stands above it.
struct LeafUse {
  const Expression* leaf = nullptr;
  FeatureSet features;
  LabelFilter filter;
  std::vector<const Expression*> subqueries;  // around it, the outermost first
};
// The instants at which the leaf is read for an answer at `at`, of a question from `first` to `last`.
std::vector<std::int64_t> read_at(const LeafUse& use, std::int64_t at, std::int64_t first, std::int64_t last);
std::vector<LeafUse> leaves_of(const Expression& e);

// Sums depend on the order of their terms. Prometheus' is that of the series in a selector or a function over
// a range, and left to chance in everything else. An expression that gives, for each row of `e`, a bound on
// the sum of the sizes that went into it; null when `e` has no sum or average of terms without order,
// and no power. Two answers may differ by `tolerance` of it.
inline constexpr double tolerance = 1e-12;
ExpressionPtr magnitude(const ExpressionPtr& e);
// Likewise the sign of a zero, where 0 and -0 are the least of a group, or sorted for a quantile.
bool zero_has_any_sign(const Expression& e);

// `world` says which instants `@` may mean. `at_border`: of windows, and without offsets, that can end 1.1
// spacings from a sample, which others hardly ever do.
ExpressionPtr make_expression(Rng& rng, const World& world, bool at_border);

}  // namespace signalbox::parity
