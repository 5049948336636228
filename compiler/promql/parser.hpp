// Text → tree. Parentheses, operators and calls nest no deeper than `nesting`.
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
Parsed parse(std::string_view text, std::size_t nesting);

}  // namespace signalbox::promql_text
