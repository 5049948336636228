#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "compiler/syntax/antlr.hpp"
#include "compiler/syntax/later.hpp"

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
     "indicator bad failed of all, indicator share of HISTOGRAM at most 300ms, or indicator slices of 1m "
     "where CONDITION"},
    {SloParser::RuleObjectiveClause, "objective 99.9% over 30d"},
    {SloParser::RuleBurnClause,
     "burn { page 14.4 over 1h & 5m  ticket 10% in 1d & 2h }, or burn std.burn.google"},
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
     "action rollback is idempotent { POST \"http://127.0.0.1:8080/rollback\" body { to previous_version } "
     "}"},
    {SloParser::RulePolicyDecl, "policy roll_back on checkout { when …  do rollback  … }"},
    {SloParser::RuleWhenClause, "when any by (region) (checkout.burn(5m) > 14.4) for 3 ticks"},
    {SloParser::RuleUntilClause, "until checkout.burn(5m) < 1"},
    {SloParser::RuleEvents, "events at least 50 and 5 bad"},
    {SloParser::RuleDoClause, "do rollback"},
    {SloParser::RuleVerifyClause,
     "verify all by (region) (checkout.burn(since done) < 3) for 3 ticks after 15s within 2m else page "
     "oncall \"why\""},
    {SloParser::RuleLimitClause, "limit 2 per 1d"},
    {SloParser::RuleCooldownClause, "cooldown 15m"},
    {SloParser::RulePolicyMissingClause, "missing page oncall, or missing do nothing"},
    {SloParser::RuleModeClause, "mode act"},
    {SloParser::RuleRepeatClause, "repeat at most 2"},
    {SloParser::RuleTestDecl, "test \"a bad deploy is rolled back\" { given …  expect … }"},
    {SloParser::RuleGivenClause,
     "given http_requests_total{code=\"500\"} rate 25/s from 1h until POLICY is done"},
    {SloParser::RuleExpectClause, "expect POLICY fires between 1h and 1h1m, or expect no page to oncall"},
    {SloParser::RuleHold, "for 3 ticks, for 2m, or in 3 of 5 ticks"},
    {SloParser::RuleMatchers, "{service=\"checkout\", code=~\"5..\"}"},
    {SloParser::RuleMatching, "on (region) group_left (owner)"},
};

const std::vector<size_t> item_heads = {SloLexer::USE,    SloLexer::PARAM,  SloLexer::TICK,     SloLexer::LET,
                                        SloLexer::METRIC, SloLexer::SOURCE, SloLexer::RECEIVER, SloLexer::SLO,
                                        SloLexer::TARGET, SloLexer::POLICY, SloLexer::TEST};
const std::vector<size_t> not_yet_heads = {SloLexer::ROLLOUT, SloLexer::EXPERIMENT, SloLexer::INTERLOCK,
                                           SloLexer::GATE,    SloLexer::BUDGET,     SloLexer::INSIGHT,
                                           SloLexer::FLAG};

// The words that begin a clause of each declaration.
std::vector<size_t> clause_heads(size_t rule) {
  using L = SloLexer;
  switch (rule) {
    case SloParser::RuleSourceDecl:
      return {L::URL, L::EVERY, L::SETTLE, L::TIMEOUT, L::LOOKBACK, L::SEMANTICS};
    case SloParser::RuleReceiverDecl:
      return {L::URL, L::SECRET, L::TIMEOUT, L::HEARTBEAT};
    case SloParser::RuleSloDecl:
      return {L::ABOUT,   L::OWNER, L::RUNBOOK, L::INDICATOR, L::OBJECTIVE, L::BURN,    L::FLOOR,
              L::MISSING, L::IDLE,  L::PAGE,    L::TICKET,    L::DEFER,     L::TRAFFIC, L::COVERAGE};
    case SloParser::RuleTargetDecl:
      return {L::VERSION, L::DEPLOYED, L::ACTION, L::SECRET, L::TIMEOUT};
    case SloParser::RulePolicyDecl:
      return {L::ABOUT,  L::OWNER, L::RUNBOOK,  L::WHEN,    L::UNTIL, L::EVENTS, L::DO,
              L::VERIFY, L::LIMIT, L::COOLDOWN, L::MISSING, L::MODE,  L::REPEAT};
    case SloParser::RuleTestDecl:
      return {L::GIVEN, L::EXPECT};
    case SloParser::RuleBurnBlock:
      return {L::PAGE, L::TICKET};
    default:
      return {};
  }
}

const char* declaration_word(size_t rule) {
  switch (rule) {
    case SloParser::RuleSourceDecl:
      return "source";
    case SloParser::RuleReceiverDecl:
      return "receiver";
    case SloParser::RuleSloDecl:
      return "slo";
    case SloParser::RuleTargetDecl:
      return "target";
    case SloParser::RulePolicyDecl:
      return "policy";
    case SloParser::RuleTestDecl:
      return "test";
    case SloParser::RuleBurnBlock:
      return "burn";
    default:
      return "program";
  }
}

constexpr size_t block_rules[] = {SloParser::RuleSourceDecl, SloParser::RuleReceiverDecl,
                                  SloParser::RuleSloDecl,    SloParser::RuleTargetDecl,
                                  SloParser::RulePolicyDecl, SloParser::RuleTestDecl,
                                  SloParser::RuleBurnBlock};
bool is_block(size_t rule) {
  return std::find(std::begin(block_rules), std::end(block_rules), rule) != std::end(block_rules);
}

std::string with_article(const char* word) {
  return fmt::format("{} {}", std::string_view(word) == "slo" ? "an" : "a", word);
}

// A word of the language, hard or soft.
bool is_word(size_t type) {
  return type >= SloLexer::USE && type <= SloLexer::TO;
}

bool contains(const std::vector<size_t>& list, size_t type) {
  for (size_t t : list)
    if (t == type) return true;
  return false;
}

class ClauseErrorStrategy : public antlr4::DefaultErrorStrategy {
 public:
  ClauseErrorStrategy(const Parsed& parsed, const source::SourceSet& sources,
                      source::Diagnostics& diagnostics)
      : parsed_(parsed), sources_(sources), diagnostics_(diagnostics) {}

  void reportError(Parser* parser, const antlr4::RecognitionException& e) override {
    if (inErrorRecoveryMode(parser)) return;
    beginErrorCondition(parser);
    Token* token = e.getOffendingToken() != nullptr ? e.getOffendingToken() : parser->getCurrentToken();
    if (is_echo(parser) || report_later(parser, token)) return;
    if (dynamic_cast<const antlr4::FailedPredicateException*>(&e) != nullptr &&
        parser->getContext()->getRuleIndex() == SloParser::RulePrimary)
      return report_bare_word(parser, parser->getTokenStream()->LT(-1));
    // A prediction fails at its first token; the token that made it fail is the current or a later one.
    if (const auto* no_way = dynamic_cast<const antlr4::NoViableAltException*>(&e)) {
      Token* start = no_way->getStartToken();
      if (start->getTokenIndex() < token->getTokenIndex() && is_word(start->getType()) &&
          !is_hard(start->getType()) && wanted(parser) == Wanted::operand)
        return report_bare_word(parser, start);
    }
    explain(parser, token);
  }

  // No token is ever invented or skipped to go on inside a clause: the clause ends here.
  Token* recoverInline(Parser* parser) override { throw antlr4::InputMismatchException(parser); }

  void recover(Parser* parser, std::exception_ptr) override {
    // A clause with several forms fails before its own word is read: without that step the same word would
    // begin it again.
    ParserRuleContext* clause = parser->getContext();
    for (auto* up = dynamic_cast<ParserRuleContext*>(clause->parent);
         up != nullptr && !is_block(up->getRuleIndex()); up = dynamic_cast<ParserRuleContext*>(up->parent))
      clause = up;
    if (clause->getStart() == parser->getCurrentToken() && is_word(parser->getCurrentToken()->getType()))
      parser->consume();
    skip_to_clause(parser, parser->getContext());
  }

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
    if (contains(heads, next) || next == Token::EOF ||
        (rule != SloParser::RuleProgram && next == SloLexer::RBRACE))
      return;
    if (rule != SloParser::RuleProgram && contains(item_heads, next) && rule == SloParser::RuleBurnBlock)
      return;
    if (!inErrorRecoveryMode(parser)) {
      beginErrorCondition(parser);
      Token* token = parser->getCurrentToken();
      if (!is_echo(parser) && !report_later(parser, token)) explain_head(parser, token, rule, heads);
    }
    parser->consume();
    skip_to_clause(parser, context);
  }

 private:
  // After a fault the text is read on from the next word that can begin a clause. In the middle of a line
  // that word may as well be a part of what was not understood: a fault in what it seems to begin, or right
  // after, is the same fault.
  bool is_echo(Parser* parser) const {
    if (resumed_at_ == nowhere) return false;
    auto* context = parser->getContext();
    if (is_block(context->getRuleIndex()) || context->getRuleIndex() == SloParser::RuleProgram) {
      for (auto child = context->children.rbegin(); child != context->children.rend(); ++child)
        if (auto* clause = dynamic_cast<ParserRuleContext*>(*child))
          return clause->getStart()->getTokenIndex() == resumed_at_;
      return false;
    }
    for (antlr4::RuleContext* c = context; c != nullptr; c = dynamic_cast<antlr4::RuleContext*>(c->parent))
      if (auto* rule = dynamic_cast<ParserRuleContext*>(c); rule->getStart()->getTokenIndex() == resumed_at_)
        return true;
    return false;
  }

  void report(Parser* parser, Code code, Token* token, std::string message, std::string hint) {
    source::Span at = parsed_.span(token);
    // The end of the text is a place behind its last word, not behind the blank lines that follow.
    if (token->getType() == Token::EOF && parser->getTokenStream()->LT(-1) != nullptr) {
      const std::uint32_t end = parsed_.span(parser->getTokenStream()->LT(-1)).end;
      at.begin = at.end = end;
    }
    diagnostics_.report(code, at, std::move(message), std::move(hint));
  }

  // Forms of the design that this version does not have, by the word at which reading them fails.
  bool report_later(Parser* parser, Token* token) {
    Token* before = visible_before(parser, token);
    if (before == nullptr) return false;
    const auto text = [&](Token* t) { return sources_.text(parsed_.span(t)); };
    const auto later = [&](Token* at, const char* message, const char* hint) {
      report(parser, Code::not_yet, at, message, hint);
      return true;
    };
    if (before->getType() == SloLexer::NUMBER && is_currency(text(token)))
      return later(token, later_money, later_money_hint);
    if (before->getType() == SloLexer::NUMBER && text(token) == "calendar")
      return later(token, later_calendar, later_calendar_hint);
    if (text(before) == "calendar" && is_calendar_unit(text(token)))
      return later(before, later_calendar, later_calendar_hint);
    if (before->getType() == SloLexer::RPAREN && token->getType() == SloLexer::COVERAGE)
      return later(token, "the coverage of a window is not asked for yet",
                   "`coverage at least P` of an slo gates its `remaining`");
    Token* second = visible_before(parser, before);
    if (second != nullptr && second->getType() == SloLexer::SINCE && text(before) == "step")
      return later(
          before, "`since step` is not supported yet",
          "it comes with `rollout`; today a window begins at TARGET.deployed, or in a verify at done");
    return false;
  }

  static Token* visible_before(Parser* parser, Token* token) {
    for (std::size_t i = token->getTokenIndex(); i > 0; --i)
      if (Token* t = parser->getTokenStream()->get(i - 1); t->getChannel() == Token::DEFAULT_CHANNEL)
        return t;
    return nullptr;
  }

  void report_bare_word(Parser* parser, Token* word) {
    // At the beginning of a line it is more likely the next clause than a metric.
    Token* before = parser->getTokenStream()->get(word->getTokenIndex() > 0 ? word->getTokenIndex() - 1 : 0);
    if (contains(item_heads, word->getType()) || (before != word && before->getLine() != word->getLine()))
      return explain(parser, word);
    report(parser, Code::syntax, word, fmt::format("{} is a word of the language", spelled(word)),
           fmt::format("a metric of that name is written in backquotes: {}", spelled(word)));
  }

  void skip_to_clause(Parser* parser, antlr4::RuleContext* context) {
    std::vector<size_t> heads;
    for (antlr4::RuleContext* c = context; c != nullptr; c = dynamic_cast<antlr4::RuleContext*>(c->parent)) {
      heads = clause_heads(c->getRuleIndex());
      if (!heads.empty()) break;
    }
    const bool in_block = !heads.empty();
    if (!in_block) heads = item_heads;
    std::size_t depth = 0;
    resumed_at_ = nowhere;
    for (;;) {
      const size_t type = parser->getTokenStream()->LA(1);
      if (type == Token::EOF) return;
      if (type == SloLexer::LBRACE || type == SloLexer::LPAREN || type == SloLexer::LBRACKET) ++depth;
      const bool closes = type == SloLexer::RBRACE || type == SloLexer::RPAREN || type == SloLexer::RBRACKET;
      if (depth == 0 && (contains(heads, type) || (!in_block && contains(not_yet_heads, type)))) {
        Token* before = parser->getTokenStream()->LT(-1);
        Token* head = parser->getCurrentToken();
        if (before != nullptr && before->getLine() == head->getLine()) resumed_at_ = head->getTokenIndex();
        return;
      }
      if (depth == 0 && type == SloLexer::RBRACE && in_block) return;
      if (closes && depth > 0) --depth;
      parser->consume();
    }
  }

  std::string spelled(Token* token) const {
    return token->getType() == Token::EOF ? "the end of the text"
                                          : "`" + std::string(sources_.text(parsed_.span(token))) + "`";
  }

  void explain_head(Parser* parser, Token* token, size_t rule, const std::vector<size_t>& heads) {
    const std::string word(sources_.text(parsed_.span(token)));
    std::vector<std::string> names;
    for (size_t head : heads) names.push_back(literal(parser, head));
    if (token->getType() == SloLexer::COMMA) return stray_comma(parser, token);
    const bool names_something = is_word(token->getType()) || token->getType() == SloLexer::NAME ||
                                 token->getType() == SloLexer::QUOTED;
    if (!names_something || is_hard(token->getType())) return explain(parser, token);
    // A word of the language is no misspelling of another one.
    const std::string near = is_word(token->getType()) ? "" : source::nearest(word, names);
    if (rule == SloParser::RuleProgram) {
      if (contains(not_yet_heads, token->getType()))
        return report(parser, Code::not_yet, token, fmt::format("`{}` is not supported yet", word),
                      "it is part of the language's design and comes in a later version");
      for (size_t other : block_rules) {
        if (other == SloParser::RuleBurnBlock || !contains(clause_heads(other), token->getType())) continue;
        const std::string owner = with_article(declaration_word(other));
        return report(parser, Code::unknown_declaration, token,
                      fmt::format("`{}` is a clause of {}, and stands outside of any", word, owner),
                      fmt::format("write it inside the braces of {}", owner));
      }
      return report(parser, Code::unknown_declaration, token,
                    fmt::format("{} begins no declaration", spelled(token)),
                    near.empty() ? fmt::format("a program is made of: {}", fmt::join(names, ", "))
                                 : fmt::format("did you mean `{}`?", near));
    }
    const std::string here = with_article(declaration_word(rule));
    for (size_t other : block_rules) {
      if (other == SloParser::RuleBurnBlock || !contains(clause_heads(other), token->getType())) continue;
      return report(
          parser, Code::unknown_clause, token,
          fmt::format("`{}` is a clause of {}, not of {}", word, with_article(declaration_word(other)), here),
          fmt::format("{} has: {}", here, fmt::join(names, ", ")));
    }
    report(parser, Code::unknown_clause, token,
           fmt::format("{} begins no clause of {}", spelled(token), here),
           near.empty() ? fmt::format("{} has: {}", here, fmt::join(names, ", "))
                        : fmt::format("did you mean `{}`?", near));
  }

  static std::string literal(Parser* parser, size_t type) {
    const std::string name = parser->getVocabulary().getLiteralName(type);
    return name.substr(1, name.size() - 2);
  }

  void stray_comma(Parser* parser, Token* token) {
    report(parser, Code::stray_punctuation, token, "no `,` is written here",
           "clauses need no separator; commas stand inside brackets only");
  }

  // What the token could have been, in the two cases that have an answer of their own.
  enum class Wanted { other, operand, name };
  static Wanted wanted(Parser* parser) {
    const auto expected = parser->getExpectedTokens();
    const auto expects = [&](size_t type) { return expected.contains(type); };
    if (expects(SloLexer::MINUS) && expects(SloLexer::LPAREN) && expects(SloLexer::NUMBER))
      return Wanted::operand;
    if (expects(SloLexer::NAME) && !expects(SloLexer::LPAREN) && !expects(SloLexer::LBRACE))
      return Wanted::name;
    return Wanted::other;
  }

  void explain(Parser* parser, Token* token) {
    std::string hint;
    bool in_expression = false;
    for (antlr4::RuleContext* c = parser->getContext(); c != nullptr;
         c = dynamic_cast<antlr4::RuleContext*>(c->parent)) {
      const size_t rule = c->getRuleIndex();
      in_expression = in_expression || rule == SloParser::RuleExpr || rule == SloParser::RulePrimary;
      for (const Form& form : forms) {
        if (form.rule == rule && hint.empty()) hint = fmt::format("write it as: {}", form.form);
      }
    }
    const auto type = token->getType();
    if (type == SloLexer::COMMA && !in_expression) return stray_comma(parser, token);
    const Wanted want = wanted(parser);
    Token* before = parser->getTokenStream()->LT(-1);
    if (type == SloLexer::LPAREN && before != nullptr &&
        (before->getType() == SloLexer::GROUP_LEFT || before->getType() == SloLexer::GROUP_RIGHT))
      return report(
          parser, Code::syntax, token,
          fmt::format("parentheses after `{}` hold labels, and no operand follows these", before->getText()),
          fmt::format("write the labels first, even none: {} () (…)", before->getText()));
    const bool after_hold =
        before != nullptr &&
        (before->getType() == SloLexer::TICKS ||
         (before->getType() == SloLexer::DURATION && parser->getTokenStream()->LT(-2) != nullptr &&
          parser->getTokenStream()->LT(-2)->getType() == SloLexer::FOR));
    if (type == SloLexer::EQ && parser->getContext()->getRuleIndex() == SloParser::RuleMatcher)
      hint = "inside matchers equality is one `=`";
    else if ((type == SloLexer::AND || type == SloLexer::OR) && after_hold)
      hint = "a hold ends its condition: put the held part in parentheses, (… for 3 ticks) and …";
    else if (type == SloLexer::ASSIGN)
      hint = "equality is `==`; `=` stands in `let` and inside matchers";
    else if (type == SloLexer::GROUP_LEFT || type == SloLexer::GROUP_RIGHT)
      hint = fmt::format("{} follows on (…) or ignoring (…)", spelled(token));
    else if (want == Wanted::operand && is_hard(type))
      hint = fmt::format("{} needs something before it; a metric of that name is written in backquotes",
                         spelled(token));
    else if (parser->getContext()->getRuleIndex() == SloParser::RuleMatchers && before != nullptr &&
             before->getType() == SloLexer::STRING)
      hint = "matchers are separated by commas";
    else if (parser->getContext()->getRuleIndex() == SloParser::RuleMatcher && type == SloLexer::NUMBER)
      hint = fmt::format("a label's value is a text: \"{}\"", sources_.text(parsed_.span(token)));
    else if (want == Wanted::operand && (hint.empty() || in_expression))
      hint = "an expression is expected: a metric, a number, a call or ( … )";
    else if (want == Wanted::name && is_word(type))
      hint = fmt::format("{0} is a word of the language: choose another name, or write it in backquotes",
                         spelled(token));
    else if (before != nullptr &&
             (before->getType() == SloLexer::BY || before->getType() == SloLexer::WITHOUT))
      hint = fmt::format("labels stand in parentheses: {} (region) (…)", before->getText());
    if (hint.empty() && before != nullptr && before->getType() == SloLexer::NUMBER &&
        (type == SloLexer::NUMBER || type == SloLexer::NAME))
      hint = "an operator is expected between two values";
    if (parser->getContext()->getRuleIndex() == SloParser::RulePrimary &&
        parser->getExpectedTokens().size() == 1 &&
        parser->getExpectedTokens().contains(std::size_t{SloLexer::LPAREN}))
      hint = "what is grouped stands in parentheses: sum by (region) (…)";
    const bool is_operator = type == SloLexer::PLUS || type == SloLexer::MINUS || type == SloLexer::STAR ||
                             type == SloLexer::SLASH || type == SloLexer::CARET || type == SloLexer::MOD;
    if (is_operator && !in_expression && want == Wanted::other)
      hint = "an amount that is worked out stands in parentheses: (1 - 0.1%)";
    if (hint.empty() && parser->getContext()->getRuleIndex() == SloParser::RuleProgram)
      hint = "what stands before is complete, and this begins no declaration";
    if (type == Token::EOF)
      return report(parser, Code::syntax, token, "the text ends too early", std::move(hint));
    report(parser, Code::syntax, token, fmt::format("{} is not expected here", spelled(token)),
           std::move(hint));
  }

  static bool is_hard(size_t type) { return type >= SloLexer::AND && type <= SloLexer::FOR; }

  const Parsed& parsed_;
  const source::SourceSet& sources_;
  source::Diagnostics& diagnostics_;
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  std::size_t resumed_at_ =
      nowhere;  // index of the head in the middle of a line from which the text is read on
};

}  // namespace

std::shared_ptr<antlr4::ANTLRErrorStrategy> make_error_strategy(const Parsed& parsed,
                                                                const source::SourceSet& sources,
                                                                source::Diagnostics& diagnostics) {
  return std::make_shared<ClauseErrorStrategy>(parsed, sources, diagnostics);
}

}  // namespace signalbox::syntax
