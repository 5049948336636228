// PromQL's tokens. Durations are told from numbers by their unit; what a word means is the parser's business.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "compiler/promql/parser.hpp"

namespace signalbox::promql_text {

struct Token {
  enum class Kind { end, word, number, duration, text, sign } kind = Kind::end;
  std::size_t begin = 0, end = 0;
  std::string text;   // of a word, a sign, or what a string says
  double number = 0;  // of a number
  Duration duration;  // of a duration
};

// All tokens, ended by one of kind `end`; or what cannot be one.
std::variant<std::vector<Token>, Fault> tokens(std::string_view text);

}  // namespace signalbox::promql_text
