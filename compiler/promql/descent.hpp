// The parser of PromQL, by descent: what each function has read has its end set.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/promql/lexer.hpp"
#include "compiler/promql/parser.hpp"
#include "runtime/base/labels.hpp"

namespace signalbox::promql_text {

// Thrown by the parser's own functions only, and caught in parse().
struct Failure {
  Fault fault;
};

std::string lower_case(std::string_view text);
std::string_view describe(Sort sort);  // with its article
bool is_number_word(std::string_view text);

struct Operator {
  std::string_view text;
  BinaryOp op;
  int binds;  // tighter when larger
};

class Parser {
 public:
  Parser(std::vector<Token> tokens, const ParseOptions& options)
      : tokens_(std::move(tokens)), options_(options) {}

  ExprPtr run();

 private:
  // ---- tokens
  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  static bool is_sign(const Token& t, std::string_view text) {
    return t.kind == Token::Kind::sign && t.text == text;
  }
  bool at_sign(std::string_view text) const { return is_sign(now(), text); }
  bool at_word(std::string_view text) const {
    return now().kind == Token::Kind::word && lower_case(now().text) == text;
  }
  bool take_sign(std::string_view text) {
    if (!at_sign(text)) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view text) {
    if (!at_word(text)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view sign, std::string_view why) {
    if (!take_sign(sign)) fail(now(), fmt::format("`{}` is missing {}", sign, why));
  }
  static std::string shown(const Token& t) {
    return t.kind == Token::Kind::end ? "the end" : "`" + t.text + "`";
  }
  [[noreturn]] static void fail(std::size_t begin, std::size_t end, std::string message,
                                std::string hint = {}) {
    throw Failure{{begin, std::max(end, begin), std::move(message), std::move(hint)}};
  }
  [[noreturn]] static void fail(const Token& t, std::string message, std::string hint = {}) {
    fail(t.begin, t.end, std::move(message), std::move(hint));
  }
  [[noreturn]] static void fail(const Expr& e, std::string message, std::string hint = {}) {
    fail(e.begin, e.end, std::move(message), std::move(hint));
  }
  ExprPtr make(Kind kind, Sort sort, std::size_t begin) const {
    auto out = std::make_unique<Expr>();
    out->kind = kind;
    out->sort = sort;
    out->begin = begin;
    return out;
  }
  ExprPtr ended(ExprPtr e) const {
    e->end = tokens_[at_ == 0 ? 0 : at_ - 1].end;
    return e;
  }
  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++parser.depth_ > parser.options_.nesting)
        fail(parser.now(), fmt::format("more than {} levels of nesting", parser.options_.nesting));
    }
    ~Deeper() { --parser.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    Parser& parser;
  };

  // ---- operators, with the loosest that may come; [range], [range:step], offset, @ (parser.cpp)
  const Operator* operator_here() const;
  ExprPtr binary(int loosest);
  void modifiers(Expr& e);
  void check_binary(Expr& e, const Token& sign);
  ExprPtr unary();
  ExprPtr postfix(ExprPtr e);
  Expr& modified(Expr& e, std::string_view what);
  Duration duration();
  Duration signed_duration();
  At instant();
  ExprPtr ranged(ExprPtr e);

  // ---- what stands alone: numbers, texts, selectors, calls and aggregations (terms.cpp)
  static double number_of(const Token& t);
  ExprPtr primary();
  ExprPtr parenthesised();
  ExprPtr word();
  ExprPtr selector();
  void matcher(Expr& e, bool& named);
  std::vector<std::string> label_list();
  std::vector<ExprPtr> arguments();
  bool grouping(Expr& e);
  ExprPtr aggregation(const std::string& name);
  static void check_argument(const Expr& e, char wanted, std::string_view of);
  static void check_label(const Expr& e);
  static void check_relabelling(const Expr& e);
  ExprPtr call();

  static constexpr std::size_t most_chain = 2'000;

  std::vector<Token> tokens_;
  const ParseOptions& options_;
  std::size_t at_ = 0, depth_ = 0, chain_ = 0;
  const Expr* offset_seen_ = nullptr;
};

}  // namespace signalbox::promql_text
