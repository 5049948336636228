// Text → tree. What is parsed fits a plan: its durations and instants are within the plan's limits.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "compiler/promql/ast.hpp"

namespace signalbox::promql_text {

// What is wrong, and where in the text.
struct Fault {
  std::size_t begin = 0, end = 0;
  std::string message, hint;
};
struct Parsed {
  ExprPtr expr;  // null when there is a fault
  std::optional<Fault> fault;
};
// As Prometheus' own default: its global evaluation interval.
inline constexpr Duration default_subquery_step = minutes(1);

struct ParseOptions {
  std::size_t nesting = 200;  // parentheses, operators and calls nest no deeper
  bool has_ends = false;      // whether `@ start()` and `@ end()` mean something
};
Parsed parse(std::string_view text, const ParseOptions& options);
// The expression inside its parentheses.
const Expr& bare(const Expr& e);

}  // namespace signalbox::promql_text
