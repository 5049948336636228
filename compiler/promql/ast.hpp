// PromQL text as a tree, with types checked: what Prometheus 2.42 and 3 parse, native histograms' functions
// included, experimental functions left out.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/promql_terms.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::promql_text {

enum class Sort { scalar, vector, matrix, text };

enum class Kind { number, text, selector, matrix, subquery, call, aggregate, negate, plus, binary, paren };

enum class BinaryOp { add, sub, mul, div, mod, pow, atan2, eq, ne, lt, le, gt, ge, both, either, unless };
bool is_comparison(BinaryOp op);
bool is_set_op(BinaryOp op);

// `@`: an instant, or an end of the query's range.
struct At {
  enum class Of { instant, start, end } of = Of::instant;
  Instant instant;
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  Kind kind = Kind::number;
  Sort sort = Sort::scalar;
  std::size_t begin = 0, end = 0;  // bytes of the text
  double number = 0;
  std::string text;               // of a text; the name of a function or an aggregation
  std::vector<Matcher> matchers;  // selector; sorted, __name__ among them
  Duration range, step;           // matrix and subquery
  Duration offset;                // selector and subquery; into the past
  std::optional<At> at;           // likewise
  std::vector<ExprPtr> args;  // call: arguments; aggregate: parameter, if any, and family; others: operands
  BinaryOp op = BinaryOp::add;
  bool returns_bool = false;
  bool on = false;  // binary: match by `labels`, else by all but them
  enum class Group { none, left, right } group = Group::none;
  bool without = false;             // aggregate
  std::vector<std::string> labels;  // binary and aggregate
  std::vector<std::string> include;
};

}  // namespace signalbox::promql_text
