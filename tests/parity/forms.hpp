// What PromQL has beside selectors, functions over a range, sums and arithmetic: aggregations with a
// parameter.
#pragma once

#include <string>
#include <vector>

#include "tests/parity/expression.hpp"

namespace signalbox::parity {

using Names = std::vector<std::string>;

// A family under construction. `labels` are those it can be grouped by; `closed` when they are all of them.
struct Made {
  ExpressionPtr e;
  Names labels;
  bool closed = false;
};

// What forms stand around. All of it is exact: forms compare and choose, and jump where a last digit differs.
class Operands {
 public:
  virtual ~Operands() = default;
  virtual Made operand_of_a_family() = 0;  // a selector or a function over a range
  virtual ExpressionPtr same_series(const ExpressionPtr& as) = 0;
  virtual Made exact_rows(const Names& by) = 0;
  // Rows that are missing now and then.
  virtual Made range_that_ends() = 0;
  // A function over a range with its parameters, and no range yet.
  virtual Expression some_range_function() = 0;
};

inline constexpr Feature first_form = Feature::quantile_of;

class Forms {
 public:
  Forms(Rng& rng, Operands& operands, const World& world, bool at_border)
      : rng_(rng), operands_(operands), world_(world), at_border_(at_border) {}
  Made make(Feature feature);  // first_form or behind it

 private:
  Made aggregation(Feature feature);
  Made set(Feature feature);
  Made comparison(Feature feature, bool with_bool);
  Made with_threshold(Feature feature);
  Made of_two(Feature feature);
  ExpressionPtr number();
  Made subquery();
  Made fixed();
  void fix(Expression& e);
  Made relabelled(Feature feature);
  Made function(Feature feature);
  Made scalar(Feature feature);
  Made absent_over_time();

  Rng& rng_;
  Operands& operands_;
  const World& world_;
  bool at_border_;
};

}  // namespace signalbox::parity
