#include <fmt/format.h>

#include <array>
#include <set>

#include "compiler/syntax/antlr.hpp"

namespace signalbox::syntax {
namespace {

using antlr4::Parser;
using antlr4::ParserRuleContext;
using antlr4::Token;
using source::Code;

// How each clause and declaration reads: the hint of an error inside it.
struct Form {
  size_t rule;
  const char* form;
};
constexpr Form forms[] = {
    {SloParser::RuleUseSetting, "use std.burn"},
    {SloParser::RuleParamSetting, "param env is text default \"prod\""},
    {SloParser::RuleTickSetting, "tick 15s phase 0s"},
    {SloParser::RuleLetSetting, "let failed(svc) = http_requests_total{service=svc, code=~\"5..\"}"},
    {SloParser::RuleMetricSetting, "metric http_requests_total is counter with (service, code)"},
    {SloParser::RuleSourceDecl, "source shop is scrape { url \"http://127.0.0.1:8080/metrics\"  every 5s }"},
    {SloParser::RuleUrlClause, "url \"http://127.0.0.1:8080/metrics\""},
    {SloParser::RuleEveryClause, "every 5s"},
    {SloParser::RuleSettleClause, "settle 0s"},
    {SloParser::RuleTimeoutClause, "timeout 3s"},
    {SloParser::RuleLookbackClause, "lookback 5m"},
    {SloParser::RuleSemanticsClause, "semantics 2"},
    {SloParser::RuleReceiverDecl, "receiver oncall is webhook { url \"https://pager.example/hook\" }"},
    {SloParser::RuleSecretClause, "secret pager_key"},
    {SloParser::RuleHeartbeatClause, "heartbeat every 30s"},
    {SloParser::RulePerLabels, "per (region) max 50"},
    {SloParser::RuleAboutClause, "about \"what it means to a user\""},
    {SloParser::RuleOwnerClause, "owner \"payments-sre\""},
    {SloParser::RuleRunbookClause, "runbook \"https://wiki.example/checkout\""},
    {SloParser::RuleIndicatorClause,
     "indicator bad failed of all, indicator share of HISTOGRAM at most 300ms, or indicator slices of 1m where CONDITION"},
    {SloParser::RuleObjectiveClause, "objective 99.9% over 30d"},
    {SloParser::RuleBurnClause, "burn { page 14.4 over 1h & 5m  ticket 10% in 1d & 2h }, or burn std.burn.google"},
    {SloParser::RuleBurnRow, "page 14.4 over 1h & 5m, or ticket 10% in 1d & 2h"},
    {SloParser::RuleFloorClause, "floor 10 bad"},
    {SloParser::RuleSloMissingClause, "missing keep for 10m then ticket"},
    {SloParser::RuleIdleClause, "idle clear"},
    {SloParser::RulePageClause, "page oncall"},
    {SloParser::RuleTicketClause, "ticket backlog"},
    {SloParser::RuleDeferClause, "defer page while POLICY acts at most 5m"},
    {SloParser::RuleTrafficClause, "traffic 100/s"},
    {SloParser::RuleCoverageClause, "coverage at least 80%"},
    {SloParser::RuleSloDecl, "slo checkout per (region) max 50 { indicator … objective 99.9% over 30d … }"},
    {SloParser::RuleTargetDecl, "target checkout is http { version GET \"http://…/version\"  action … }"},
    {SloParser::RuleVersionClause, "version GET \"http://127.0.0.1:8080/version\""},
    {SloParser::RuleDeployedClause, "deployed metric checkout_deployed_timestamp_seconds"},
    {SloParser::RuleActionClause,
     "action rollback is idempotent { POST \"http://127.0.0.1:8080/rollback\" body { to previous_version } }"},
    {SloParser::RulePolicyDecl, "policy roll_back on checkout { when …  do rollback  … }"},
    {SloParser::RuleWhenClause, "when any by (region) (checkout.burn(5m) > 14.4) for 3 ticks"},
    {SloParser::RuleUntilClause, "until checkout.burn(5m) < 1"},
    {SloParser::RuleEvents, "events at least 50 and 5 bad"},
    {SloParser::RuleDoClause, "do rollback"},
    {SloParser::RuleVerifyClause,
     "verify all by (region) (checkout.burn(since done) < 3) for 3 ticks after 15s within 2m else page oncall \"why\""},
    {SloParser::RuleLimitClause, "limit 2 per 1d"},
    {SloParser::RuleCooldownClause, "cooldown 15m"},
    {SloParser::RulePolicyMissingClause, "missing page oncall, or missing do nothing"},
    {SloParser::RuleModeClause, "mode act"},
    {SloParser::RuleRepeatClause, "repeat at most 2"},
    {SloParser::RuleTestDecl, "test \"a bad deploy is rolled back\" { given …  expect … }"},
    {SloParser::RuleGivenClause, "given http_requests_total{code=\"500\"} rate 25/s from 1h until POLICY is done"},
    {SloParser::RuleExpectClause, "expect POLICY fires between 1h and 1h1m, or expect no page to oncall"},
    {SloParser::RuleHold, "for 3 ticks, for 2m, or in 3 of 5 ticks"},
    {SloParser::RuleMatchers, "{service=\"checkout\", code=~\"5..\"}"},
    {SloParser::RuleMatching, "on (region) group_left (owner)"},
};

const std::vector<size_t> item_heads = {SloLexer::USE,    SloLexer::PARAM,    SloLexer::TICK, SloLexer::LET,
                                        SloLexer::METRIC, SloLexer::SOURCE,   SloLexer::RECEIVER, SloLexer::SLO,
                                        SloLexer::TARGET, SloLexer::POLICY,   SloLexer::TEST};
const std::vector<size_t> not_yet_heads = {SloLexer::ROLLOUT, SloLexer::EXPERIMENT, SloLexer::INTERLOCK, SloLexer::GATE,
                                           SloLexer::BUDGET,  SloLexer::INSIGHT,    SloLexer::FLAG};

// The words that begin a clause of each declaration.
std::vector<size_t> clause_heads(size_t rule) {
  using L = SloLexer;
  switch (rule) {
    case SloParser::RuleSourceDecl: return {L::URL, L::EVERY, L::SETTLE, L::TIMEOUT, L::LOOKBACK, L::SEMANTICS};
    case SloParser::RuleReceiverDecl: return {L::URL, L::SECRET, L::TIMEOUT, L::HEARTBEAT};
    case SloParser::RuleSloDecl:
      return {L::ABOUT,   L::OWNER, L::RUNBOOK, L::INDICATOR, L::OBJECTIVE, L::BURN,    L::FLOOR,
              L::MISSING, L::IDLE,  L::PAGE,    L::TICKET,    L::DEFER,     L::TRAFFIC, L::COVERAGE};
    case SloParser::RuleTargetDecl: return {L::VERSION, L::DEPLOYED, L::ACTION, L::SECRET, L::TIMEOUT};
    case SloParser::RulePolicyDecl:
      return {L::ABOUT,  L::OWNER, L::RUNBOOK,  L::WHEN,    L::UNTIL, L::EVENTS, L::DO,
              L::VERIFY, L::LIMIT, L::COOLDOWN, L::MISSING, L::MODE,  L::REPEAT};
    case SloParser::RuleTestDecl: return {L::GIVEN, L::EXPECT};
    case SloParser::RuleBurnBlock: return {L::PAGE, L::TICKET};
    default: return {};
  }
}

const char* declaration_word(size_t rule) {
  switch (rule) {
    case SloParser::RuleSourceDecl: return "source";
    case SloParser::RuleReceiverDecl: return "receiver";
    case SloParser::RuleSloDecl: return "slo";
    case SloParser::RuleTargetDecl: return "target";
    case SloParser::RulePolicyDecl: return "policy";
    case SloParser::RuleTestDecl: return "test";
    case SloParser::RuleBurnBlock: return "burn";
    default: return "program";
  }
}

bool contains(const std::vector<size_t>& list, size_t type) {
  for (size_t t : list)
    if (t == type) return true;
  return false;
}

class ClauseErrorStrategy : public antlr4::DefaultErrorStrategy {
 public:
  ClauseErrorStrategy(const Parsed& parsed, const source::SourceSet& sources, source::Diagnostics& diagnostics)
      : parsed_(parsed), sources_(sources), diagnostics_(diagnostics) {}

  void reportError(Parser* parser, const antlr4::RecognitionException& e) override {
    if (inErrorRecoveryMode(parser)) return;
    beginErrorCondition(parser);
    Token* token = e.getOffendingToken() != nullptr ? e.getOffendingToken() : parser->getCurrentToken();
    // A prediction fails at its first token; the token that made it fail is the current or a later one.
    if (const auto* no_way = dynamic_cast<const antlr4::NoViableAltException*>(&e)) token = no_way->getOffendingToken();
    explain(parser, token);
  }

  // No token is ever invented or skipped to go on inside a clause: the clause ends here.
  Token* recoverInline(Parser* parser) override { throw antlr4::InputMismatchException(parser); }

  void recover(Parser* parser, std::exception_ptr) override { skip_to_clause(parser, parser->getContext()); }

  // Between clauses and declarations: what begins none is one fault, and skipped to the next that does.
  void sync(Parser* parser) override {
    auto* context = parser->getContext();
    const size_t rule = context->getRuleIndex();
    if (rule != SloParser::RuleProgram && clause_heads(rule).empty()) return;
    const auto& atn = parser->getInterpreter<antlr4::atn::ATNSimulator>()->atn;
    auto* state = atn.states[parser->getState()];
    if (state->getStateType() != antlr4::atn::ATNState::STAR_LOOP_ENTRY &&
        state->getStateType() != antlr4::atn::ATNState::STAR_LOOP_BACK &&
        state->getStateType() != antlr4::atn::ATNState::PLUS_LOOP_BACK)
      return;
    const size_t next = parser->getTokenStream()->LA(1);
    const auto heads = rule == SloParser::RuleProgram ? item_heads : clause_heads(rule);
    if (contains(heads, next) || next == Token::EOF || (rule != SloParser::RuleProgram && next == SloLexer::RBRACE)) return;
    if (rule != SloParser::RuleProgram && contains(item_heads, next) && rule == SloParser::RuleBurnBlock) return;
    if (!inErrorRecoveryMode(parser)) {
      beginErrorCondition(parser);
      explain_head(parser, parser->getCurrentToken(), rule, heads);
    }
    parser->consume();
    skip_to_clause(parser, context);
  }

 private:
  void skip_to_clause(Parser* parser, antlr4::RuleContext* context) {
    std::vector<size_t> heads;
    for (antlr4::RuleContext* c = context; c != nullptr; c = dynamic_cast<antlr4::RuleContext*>(c->parent)) {
      heads = clause_heads(c->getRuleIndex());
      if (!heads.empty()) break;
    }
    const bool in_block = !heads.empty();
    if (!in_block) heads = item_heads;
    std::size_t depth = 0;
    for (;;) {
      const size_t type = parser->getTokenStream()->LA(1);
      if (type == Token::EOF) return;
      if (type == SloLexer::LBRACE || type == SloLexer::LPAREN || type == SloLexer::LBRACKET) ++depth;
      const bool closes = type == SloLexer::RBRACE || type == SloLexer::RPAREN || type == SloLexer::RBRACKET;
      if (depth == 0 && (contains(heads, type) || (!in_block && contains(not_yet_heads, type)))) return;
      if (depth == 0 && type == SloLexer::RBRACE && in_block) return;
      if (closes && depth > 0) --depth;
      parser->consume();
    }
  }

  std::string spelled(Token* token) const {
    return token->getType() == Token::EOF ? "the end of the text" : "`" + std::string(sources_.text(parsed_.span(token))) + "`";
  }

  void explain_head(Parser* parser, Token* token, size_t rule, const std::vector<size_t>& heads) {
    const std::string word(sources_.text(parsed_.span(token)));
    std::vector<std::string> names;
    for (size_t head : heads) {
      std::string name = parser->getVocabulary().getLiteralName(head);
      names.push_back(name.substr(1, name.size() - 2));
    }
    if (token->getType() == SloLexer::COMMA) return stray_comma(token);
    if (rule == SloParser::RuleProgram) {
      if (contains(not_yet_heads, token->getType())) {
        diagnostics_.report(Code::not_yet, parsed_.span(token), fmt::format("`{}` is not supported yet", word),
                            "it is part of the language's design and comes in a later version");
        return;
      }
      const std::string near = source::nearest(word, names);
      diagnostics_.report(Code::unknown_declaration, parsed_.span(token), fmt::format("{} begins no declaration", spelled(token)),
                          near.empty() ? fmt::format("a program is made of: {}", fmt::join(names, ", "))
                                       : fmt::format("did you mean `{}`?", near));
      return;
    }
    const std::string near = source::nearest(word, names);
    std::string hint = near.empty() ? fmt::format("a {} has: {}", declaration_word(rule), fmt::join(names, ", "))
                                    : fmt::format("did you mean `{}`?", near);
    diagnostics_.report(Code::unknown_clause, parsed_.span(token),
                        fmt::format("{} begins no clause of a {}", spelled(token), declaration_word(rule)), std::move(hint));
  }

  void stray_comma(Token* token) {
    diagnostics_.report(Code::stray_punctuation, parsed_.span(token), "no `,` is written here",
                        "clauses need no separator; commas stand inside brackets only");
  }

  void explain(Parser* parser, Token* token) {
    std::string hint;
    bool in_expression = false;
    for (antlr4::RuleContext* c = parser->getContext(); c != nullptr; c = dynamic_cast<antlr4::RuleContext*>(c->parent)) {
      const size_t rule = c->getRuleIndex();
      in_expression = in_expression || rule == SloParser::RuleExpr || rule == SloParser::RulePrimary;
      for (const Form& form : forms) {
        if (form.rule == rule && hint.empty()) hint = fmt::format("write it as: {}", form.form);
      }
    }
    const auto type = token->getType();
    if (type == SloLexer::COMMA && !in_expression) return stray_comma(token);
    if (type == SloLexer::ASSIGN) hint = "equality is `==`; `=` stands in `let` and inside matchers";
    else if (in_expression && hint.empty()) hint = "an expression is expected: a metric, a number, a call or ( … )";
    if (in_expression && is_hard(type)) hint = fmt::format("{} needs something before it; a metric of that name is written in backquotes", spelled(token));
    diagnostics_.report(Code::syntax, parsed_.span(token), fmt::format("{} is not expected here", spelled(token)), std::move(hint));
  }

  static bool is_hard(size_t type) { return type >= SloLexer::AND && type <= SloLexer::FOR; }

  const Parsed& parsed_;
  const source::SourceSet& sources_;
  source::Diagnostics& diagnostics_;
};

}  // namespace

std::shared_ptr<antlr4::ANTLRErrorStrategy> make_error_strategy(const Parsed& parsed, const source::SourceSet& sources,
                                                                 source::Diagnostics& diagnostics) {
  return std::make_shared<ClauseErrorStrategy>(parsed, sources, diagnostics);
}

}  // namespace signalbox::syntax
