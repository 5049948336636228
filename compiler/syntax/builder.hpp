// Makes AST of parse trees. Included by nothing outside this room, as it has ANTLR in it.
#pragma once

#include "compiler/syntax/antlr.hpp"
#include "compiler/syntax/ast.hpp"

namespace signalbox::syntax {

using P = SloParser;

// Names and literals and expressions are in build_expressions.cpp, declarations in build_ast.cpp, both in the
// order of the grammar.
class Builder {
 public:
  Builder(const Parsed& parsed, std::uint32_t file, const Limits& limits, source::Diagnostics& diagnostics)
      : parsed_(parsed), file_(file), most_(limits.nesting * 5), diagnostics_(diagnostics) {}

  File program(P::ProgramContext* program);
  ExprPtr condition(P::ConditionContext* c);

 private:
  // A tree with a hole was reported by the parser already; what is null is left out.
  template <class Context>
  static bool whole(Context* c) {
    return c != nullptr && c->exception == nullptr;
  }

  Name token_name(antlr4::Token* token) const {
    std::string text = token->getText();
    if (token->getType() == SloLexer::QUOTED) text = text.substr(1, text.size() - 2);
    return {std::move(text), parsed_.span(token)};
  }
  Name name(P::NameContext* c) const { return whole(c) ? token_name(c->getStart()) : Name{}; }
  Name word(P::AnyWordContext* c) const { return whole(c) ? token_name(c->getStart()) : Name{}; }
  std::vector<Name> labels(P::LabelListContext* c) const {
    std::vector<Name> out;
    if (c != nullptr)
      for (auto* w : c->anyWord()) out.push_back(word(w));
    return out;
  }
  std::vector<Name> path(P::PathContext* c) const {
    std::vector<Name> out;
    if (c == nullptr) return out;
    out.push_back(name(c->name()));
    for (auto* w : c->anyWord()) out.push_back(word(w));
    return out;
  }

  Text text(antlr4::tree::TerminalNode* node);
  Text text(antlr4::Token* token);
  ExprPtr literal(antlr4::Token* token);
  ExprPtr amount(P::AmountContext* c);
  std::shared_ptr<Expr> make(ExprKind kind, antlr4::ParserRuleContext* c) const {
    auto e = std::make_shared<Expr>();
    e->kind = kind;
    e->span = parsed_.span(c);
    return e;
  }

  ExprPtr expr(P::ExprContext* c);
  ExprPtr expr_at_depth(P::ExprContext* c);
  ExprPtr operand(P::OperandContext* c);
  ExprPtr primary(P::PrimaryContext* c);
  ExprPtr argument(P::ArgumentContext* c);
  std::vector<ExprPtr> arguments(P::ArgumentsContext* c);
  std::vector<MatcherNode> matchers(P::MatchersContext* c);
  std::optional<Grouping> grouping(P::GroupingContext* c);
  std::optional<Matching> matching(P::MatchingContext* c);
  std::vector<Name> event(P::EventContext* c);

  std::optional<Per> per(P::PerLabelsContext* c);
  BurnBlock burn_block(P::BurnBlockContext* c);
  Events events(P::EventsContext* c);
  Moment moment(P::MomentContext* c);
  SourceDecl source_decl(P::SourceDeclContext* c);
  ReceiverDecl receiver_decl(P::ReceiverDeclContext* c);
  SloDecl slo_decl(P::SloDeclContext* c);
  Indicator indicator(P::IndicatorClauseContext* c);
  TargetDecl target_decl(P::TargetDeclContext* c);
  PolicyDecl policy_decl(P::PolicyDeclContext* c);
  TestDecl test_decl(P::TestDeclContext* c);
  Given given(P::GivenClauseContext* c);
  Expect expect(P::ExpectClauseContext* c);
  UrlClause urls(P::UrlClauseContext* c);

  const Parsed& parsed_;
  std::uint32_t file_;
  std::size_t most_, depth_ = 0;
  bool too_deep_ = false;  // said
  source::Diagnostics& diagnostics_;
};

}  // namespace signalbox::syntax
