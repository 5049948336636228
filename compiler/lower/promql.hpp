// PromQL text → nodes of a plan.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "compiler/lower/graph.hpp"
#include "compiler/promql/parser.hpp"

namespace signalbox::lower {

struct PromqlOptions {
  std::size_t nesting = 200;
  // What `@ start()` and `@ end()` mean; without it they are refused.
  std::optional<std::pair<Instant, Instant>> range;
  // Where bytes [begin, end) of the text stand in the program.
  std::function<source::Span(std::size_t, std::size_t)> place;
};

struct PromqlValue {
  plan::Index node = plan::none;
  std::string text;  // of an expression that is only that: node is none
};
std::variant<PromqlValue, promql_text::Fault> lower_promql(Graph& graph, std::string_view text,
                                                           const PromqlOptions& options);

}  // namespace signalbox::lower
