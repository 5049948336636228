// What the files of this room share of ANTLR. Included by nothing outside it.
#pragma once

#include <antlr4-runtime.h>

#include <memory>
#include <vector>

#include "SloLexer.h"
#include "SloParser.h"
#include "compiler/source/diagnostic.hpp"
#include "runtime/base/limits.hpp"

namespace signalbox::syntax {

// SloParser with a bound on recursion, which the parser spends stack on.
class BoundedParser : public SloParser {
 public:
  BoundedParser(antlr4::TokenStream* tokens, std::size_t most) : SloParser(tokens), most_(most) {}
  void enterRecursionRule(antlr4::ParserRuleContext* context, size_t state, size_t rule,
                          int precedence) override;
  void unrollRecursionContexts(antlr4::ParserRuleContext* parent) override;
  antlr4::Token* too_deep() const { return too_deep_; }

 private:
  std::size_t most_, depth_ = 0;
  antlr4::Token* too_deep_ = nullptr;
};

// A text, read into tokens and a tree. `program` or `query` is null where nothing could be parsed.
class Parsed {
 public:
  enum class Start { program, query };
  Parsed(const source::SourceSet& sources, std::uint32_t file, const Limits& limits,
         source::Diagnostics& diagnostics, Start start);

  source::Span span(antlr4::Token* token) const;
  source::Span span(antlr4::ParserRuleContext* context) const;
  // Between two tokens of the text, as bytes.
  std::uint32_t byte_of(std::size_t code_point) const;

  SloParser::ProgramContext* program = nullptr;
  SloParser::QueryContext* query = nullptr;
  antlr4::CommonTokenStream* tokens() { return tokens_.get(); }

 private:
  bool check_bytes(const source::SourceSet& sources, const Limits& limits, source::Diagnostics& diagnostics);
  bool check_tokens(const source::SourceSet& sources, const Limits& limits, source::Diagnostics& diagnostics);

  std::uint32_t file_;
  std::vector<std::uint32_t> bytes_;  // of each code point; empty for ASCII
  std::unique_ptr<antlr4::ANTLRInputStream> input_;
  std::unique_ptr<SloLexer> lexer_;
  std::unique_ptr<antlr4::CommonTokenStream> tokens_;
  std::unique_ptr<BoundedParser> parser_;
};

// Reports each fault once, at clause level, and goes on at the next clause.
std::shared_ptr<antlr4::ANTLRErrorStrategy> make_error_strategy(const Parsed& parsed,
                                                                const source::SourceSet& sources,
                                                                source::Diagnostics& diagnostics);

// Tree to AST; expressions deeper than `limits.nesting` × 5 are reported and cut.
struct File;
struct Expr;
File build_file(const Parsed& parsed, std::uint32_t file, const Limits& limits,
                source::Diagnostics& diagnostics);
std::shared_ptr<const Expr> build_query(const Parsed& parsed, std::uint32_t file, const Limits& limits,
                                        source::Diagnostics& diagnostics);

}  // namespace signalbox::syntax
