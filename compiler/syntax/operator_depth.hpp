// How deep operators stand on each other, by the tokens alone: before the parser spends time and memory on
// them.
#pragma once

#include <vector>

#include "compiler/syntax/antlr.hpp"

namespace signalbox::syntax {

class OperatorDepth {
 public:
  // Takes the next token; answers the depth of the expression that it goes on, as far as it has been read.
  // What stands in brackets is measured by itself.
  std::size_t after(std::size_t type) {
    if (type == SloLexer::LPAREN || type == SloLexer::LBRACE || type == SloLexer::LBRACKET) {
      open_.emplace_back();
    } else if (type == SloLexer::RPAREN || type == SloLexer::RBRACE || type == SloLexer::RBRACKET) {
      if (open_.size() > 1) open_.pop_back();
    } else if (type == SloLexer::COMMA || begins_clause(type)) {
      open_.back().clear();
      values_ = type == SloLexer::VALUES;
    } else if (const int looseness = looseness_of(type); looseness > 0 && ends_operand(before_) && !values_) {
      std::vector<Pending>& pending = open_.back();
      std::size_t depth = 1;
      while (!pending.empty() && pending.back().looseness <= looseness && looseness != power) {
        depth = std::max(depth, pending.back().depth) + 1;
        pending.pop_back();
      }
      pending.push_back({looseness, depth});
    }
    before_ = type;
    if (open_.back().empty()) return 1;
    return std::max(open_.back().back().depth, open_.back().size()) + 1;
  }

 private:
  struct Pending {  // an operator that waits for its right side, and the depth of its left one
    int looseness;
    std::size_t depth;
  };
  static constexpr int power = 1;  // binds from right to left

  static int looseness_of(std::size_t type) {
    switch (type) {
      case SloLexer::CARET:
        return power;
      case SloLexer::STAR:
      case SloLexer::SLASH:
      case SloLexer::MOD:
        return 2;
      case SloLexer::PLUS:
      case SloLexer::MINUS:
        return 3;
      case SloLexer::DEFAULT:
        return 4;
      case SloLexer::EQ:
      case SloLexer::NE:
      case SloLexer::LT:
      case SloLexer::LE:
      case SloLexer::GT:
      case SloLexer::GE:
        return 5;
      case SloLexer::AND:
      case SloLexer::UNLESS:
        return 6;
      case SloLexer::OR:
        return 7;
      default:
        return 0;
    }
  }
  static bool is_soft(std::size_t type) {
    return (type >= SloLexer::USE && type <= SloLexer::FLAG) ||
           (type >= SloLexer::IS && type <= SloLexer::TO);
  }
  static bool ends_operand(std::size_t type) {
    return is_soft(type) || (type >= SloLexer::DURATION && type <= SloLexer::STRING) ||
           type == SloLexer::RPAREN || type == SloLexer::RBRACE || type == SloLexer::RBRACKET;
  }
  // A word of the language behind an operand begins a clause, or goes on in one; behind an operator it is an
  // operand. No declaration begins in the middle of an expression.
  bool begins_clause(std::size_t type) const {
    if (open_.size() == 1 && type >= SloLexer::USE && type <= SloLexer::TEST) return true;
    return is_soft(type) && ends_operand(before_);
  }

  std::vector<std::vector<Pending>> open_ =
      std::vector<std::vector<Pending>>(1);  // one for each bracket that is open
  std::size_t before_ = 0;
  bool values_ = false;  // of a given series: a sign between two of them is no operator
};

}  // namespace signalbox::syntax
