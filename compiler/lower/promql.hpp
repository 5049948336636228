// PromQL text → nodes of a plan.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "compiler/lower/graph.hpp"
#include "compiler/promql/parser.hpp"

namespace signalbox::lower {

struct PromqlOptions {
  // What `@ start()` and `@ end()` mean, which text parsed without ends does not have.
  std::optional<std::pair<Instant, Instant>> range;
  // Where bytes [begin, end) of the text stand in the program.
  std::function<source::Span(std::size_t, std::size_t)> place;
};

// Of a scalar or an instant vector, as promql_text::parse made it; of a range, last_over_time.
plan::Index lower_promql(Graph& graph, const promql_text::Expr& expr, const PromqlOptions& options);

}  // namespace signalbox::lower
