// Expressions with their meaning: names resolved, `let`s inlined, constants folded, every node with a type.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/source/source_text.hpp"
#include "runtime/base/promql_terms.hpp"
#include "runtime/base/rational.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::promql_text {
struct Expr;
}

namespace signalbox::sema {

using source::Span;

// Exponents of seconds and bytes. Counts and ratios have no dimension. `assumed`: from a metric's name alone.
struct Unit {
  bool known = false;
  bool assumed = false;
  int time = 0, bytes = 0;
  bool same_dimension(const Unit& o) const { return time == o.time && bytes == o.bytes; }
  bool plain() const { return time == 0 && bytes == 0; }
};
std::string describe(const Unit& unit);

enum class MetricKind { unknown, counter, gauge, histogram, bucket, native_histogram };
std::string_view describe(MetricKind kind);

// A scalar has one row and always a value. A closed family has exactly `labels`, an open one at least those.
struct RowType {
  bool scalar = false;
  bool closed = false;
  std::vector<std::string> labels;  // sorted
  // Which series an open family has rows for: equal and not 0, equal rows. 0: not known.
  std::uint32_t series = 0;
  bool single() const { return scalar || (closed && labels.empty()); }
};
std::string describe(const RowType& rows);

enum class Sort {
  number,
  condition,
  text,
  range
};  // range: a selector with a window, fit for a range function only
struct Type {
  Sort sort = Sort::number;
  Unit unit;
  MetricKind kind = MetricKind::unknown;
  RowType rows;
};

enum class TypedOp {
  constant,  // exact or value
  text,      // text
  time,
  selector,   // matchers, range, offset
  subquery,   // args[0] every `step` over `range`; offset
  range_fn,   // range_fn of the selector or subquery args[0]
  shape,      // shape_op of args, joined by matching
  aggregate,  // aggregate by/without labels of args[0]; args[1], if any, its parameter, or text
  function,   // the one called `text` in promql_text::functions(), of args
  promql,     // promql; args: its selectors
  count_true,
  any,
  all,       // over labels
  quantile,  // args[0] q, args[1] buckets
  absent,
  hold,
  slo_value,  // member of slo over window
};
enum class SloMember { burn, remaining, exhaustion };

struct Typed;
using TypedPtr = std::shared_ptr<const Typed>;

struct Typed {
  TypedOp op = TypedOp::constant;
  Type type;
  Span span;
  std::optional<Rational> exact;
  double value = 0;
  std::string text;
  std::vector<Matcher> matchers;
  std::optional<Duration> range;
  Duration step, offset;
  std::shared_ptr<const promql_text::Expr> promql;
  RangeFn range_fn = RangeFn::rate;
  plan::ShapeOp shape_op = plan::ShapeOp::input;
  plan::Matching matching;
  plan::Aggregate aggregate = plan::Aggregate::sum;
  bool without = false;
  std::vector<std::string> labels;
  plan::Hold hold;
  std::uint32_t slo = 0;
  SloMember member = SloMember::burn;
  plan::Window window;
  bool window_bounded = true;  // `since E` without `for` is not
  std::vector<TypedPtr> args;
  mutable std::uint32_t depth = 0;  // depth_of(), once it is measured

  bool constant() const { return op == TypedOp::constant; }
};

// Where bytes [begin, end) of a text literal stand: in its place without the quotes, or, where escapes make
// that unsure, all of it.
inline Span place_in_text(Span literal, const std::string& text, std::size_t begin, std::size_t end) {
  if (literal.end - literal.begin != text.size() + 2) return literal;
  return {literal.file, static_cast<std::uint32_t>(literal.begin + 1 + begin),
          static_cast<std::uint32_t>(literal.begin + 1 + end)};
}

// How many operations stand on top of each other, this one included.
std::uint32_t depth_of(const Typed& t);

}  // namespace signalbox::sema
