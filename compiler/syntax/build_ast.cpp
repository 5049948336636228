// Parse tree to AST, in the order of the grammar: names and literals, expressions, then each declaration.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compiler/syntax/antlr.hpp"
#include "compiler/syntax/ast.hpp"

namespace signalbox::syntax {
namespace {

using P = SloParser;
using source::Code;

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

Text Builder::text(antlr4::tree::TerminalNode* node) {
  return node == nullptr ? Text{} : text(node->getSymbol());
}

Text Builder::text(antlr4::Token* token) {
  const std::string raw = token->getText();
  Text out{{}, parsed_.span(token)};
  for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out.value += raw[i];
      continue;
    }
    switch (raw[++i]) {
      case 'n':
        out.value += '\n';
        break;
      case 't':
        out.value += '\t';
        break;
      case 'r':
        out.value += '\r';
        break;
      case '\\':
      case '"':
      case '\'':
      case '`':
        out.value += raw[i];
        break;
      default:
        diagnostics_.report(Code::bad_string, out.span, fmt::format("`\\{}` is not an escape", raw[i]),
                            "escapes are \\\\ \\\" \\' \\n \\t \\r; a regex backslash is written \\\\");
    }
  }
  return out;
}

ExprPtr Builder::literal(antlr4::Token* token) {
  auto e = std::make_shared<Expr>();
  e->kind = ExprKind::number;
  e->span = parsed_.span(token);
  std::string raw = token->getText();
  e->text = raw;
  const auto scaled = [&](std::string_view digits, long long num, long long den) {
    if (auto exact = Rational::parse_decimal(digits)) {
      if (auto product = mul(*exact, *Rational::make(num, den))) e->exact = *product;
    }
    std::string plain;
    for (char c : digits)
      if (c != '_') plain += c;
    e->value =
        e->exact ? e->exact->to_double()
                 : std::strtod(plain.c_str(), nullptr) * static_cast<double>(num) / static_cast<double>(den);
  };
  const auto check_range = [&] {
    const bool zero = raw.substr(0, raw.find_first_of("eE")).find_first_of("123456789") == std::string::npos;
    if (std::isfinite(e->value) && (zero || e->value != 0)) return;
    diagnostics_.report(
        Code::bad_number, e->span,
        fmt::format("`{}` is too {} for a number", raw, std::isfinite(e->value) ? "small" : "large"));
  };
  switch (token->getType()) {
    case SloLexer::NUMBER: {
      long long scale = 1;
      if (raw.back() == 'k') scale = 1'000;
      if (raw.back() == 'M') scale = 1'000'000;
      if (raw.back() == 'G') scale = 1'000'000'000;
      scaled(scale == 1 ? std::string_view(raw) : std::string_view(raw).substr(0, raw.size() - 1), scale, 1);
      check_range();
      break;
    }
    case SloLexer::PERCENT:
      e->unit = LiteralUnit::ratio;
      scaled(std::string_view(raw).substr(0, raw.size() - 1), 1, 100);
      check_range();
      break;
    case SloLexer::DURATION:
      e->unit = LiteralUnit::time;
      if (auto d = parse_duration(raw)) {
        e->exact = Rational::make(d->ms, 1000);
        e->value = d->seconds();
      } else {
        diagnostics_.report(Code::bad_number, e->span, fmt::format("`{}` is not a duration", raw),
                            "units stand in falling order, each once: 1h30m");
      }
      break;
    case SloLexer::BYTES: {
      e->unit = LiteralUnit::bytes;
      std::size_t digits = raw.find_first_not_of("0123456789._eE+-");
      const std::string unit = raw.substr(digits);
      const bool binary = unit.size() == 3;
      long long scale = 1;
      for (char c : {'k', 'M', 'G', 'T'}) {
        if (unit.size() == 1) break;
        scale *= binary ? 1024 : 1000;
        if (unit[0] == c || (c == 'k' && unit[0] == 'K')) break;
      }
      scaled(std::string_view(raw).substr(0, digits), scale, 1);
      check_range();
      break;
    }
    default:  // STRING
      e->kind = ExprKind::text;
      e->text = text(token).value;
  }
  return e;
}

ExprPtr Builder::amount(P::AmountContext* c) {
  if (!whole(c)) return nullptr;
  if (c->condition() != nullptr) return condition(c->condition());
  if (c->name() != nullptr) {
    auto e = make(ExprKind::reference, c);
    e->text = name(c->name()).text;
    return e;
  }
  return literal(c->getStart());
}

ExprPtr Builder::condition(P::ConditionContext* c) {
  if (!whole(c)) return nullptr;
  ExprPtr inner = expr(c->expr());
  P::HoldContext* hold = c->hold();
  if (hold == nullptr || inner == nullptr) return inner;
  auto e = make(ExprKind::hold, c);
  e->args.push_back(inner);
  P::UnknownBoundContext* bound = nullptr;
  if (auto* h = dynamic_cast<P::HoldTicksContext*>(hold)) {
    e->hold.kind = Hold::Kind::ticks;
    e->hold.amount = amount(h->amount());
    bound = h->unknownBound();
  } else if (auto* t = dynamic_cast<P::HoldTimeContext*>(hold)) {
    e->hold.kind = Hold::Kind::time;
    e->hold.amount = amount(t->amount());
    bound = t->unknownBound();
  } else if (auto* o = dynamic_cast<P::HoldOfContext*>(hold)) {
    e->hold.kind = Hold::Kind::of;
    e->hold.amount = amount(o->amount(0));
    e->hold.of = amount(o->amount(1));
    bound = o->unknownBound();
  }
  if (bound != nullptr) e->hold.unknown_at_most = amount(bound->amount());
  return e;
}

ExprPtr Builder::expr(P::ExprContext* c) {
  if (!whole(c)) return nullptr;
  if (++depth_ > most_) {
    if (!too_deep_)
      diagnostics_.report(Code::nesting_too_deep, parsed_.span(c->getStart()),
                          fmt::format("more than {} operators inside each other", most_),
                          "name parts of the expression with `let`");
    too_deep_ = true;
    --depth_;
    return nullptr;
  }
  ExprPtr out = expr_at_depth(c);
  --depth_;
  return out;
}

ExprPtr Builder::expr_at_depth(P::ExprContext* c) {
  if (auto* b = dynamic_cast<P::BinaryContext*>(c)) {
    ExprPtr left = expr(b->expr(0)), right = expr(b->expr(1));
    if (left == nullptr || right == nullptr) return nullptr;
    auto e = make(ExprKind::binary, c);
    e->text = b->op->getText();
    e->args = {left, right};
    e->matching = matching(b->matching());
    return e;
  }
  if (auto* s = dynamic_cast<P::SignedContext*>(c)) {
    auto e = make(ExprKind::sign, c);
    e->text = s->op->getText();
    e->args = {expr(s->expr())};
    return e->args[0] == nullptr ? nullptr : e;
  }
  if (auto* n = dynamic_cast<P::NegationContext*>(c)) {
    auto e = make(ExprKind::negation, c);
    e->args = {expr(n->expr())};
    return e->args[0] == nullptr ? nullptr : e;
  }
  if (auto* l = dynamic_cast<P::LeafContext*>(c)) return operand(l->operand());
  return nullptr;
}

ExprPtr Builder::operand(P::OperandContext* c) {
  if (!whole(c)) return nullptr;
  ExprPtr inner = primary(c->primary());
  const auto suffixes = c->suffix();
  if (suffixes.size() > most_ / 5) {
    diagnostics_.report(Code::nesting_too_deep, parsed_.span(suffixes[most_ / 5]),
                        fmt::format("more than {} ranges and offsets of one selector", most_ / 5),
                        "one of each is enough");
    return nullptr;
  }
  for (auto* suffix : suffixes) {
    if (inner == nullptr) return nullptr;
    const ExprKind kind = suffix->OFFSET() != nullptr  ? ExprKind::offset
                          : suffix->COLON() != nullptr ? ExprKind::subquery
                                                       : ExprKind::range;
    auto e = make(kind, suffix);
    e->span = join(inner->span, parsed_.span(suffix));
    e->negative = suffix->MINUS() != nullptr;
    e->args = {inner};
    for (auto* part : suffix->amount()) e->args.push_back(amount(part));
    const bool complete =
        e->args.size() > 1 && std::find(e->args.begin(), e->args.end(), nullptr) == e->args.end();
    inner = complete ? e : nullptr;
  }
  return inner;
}

std::vector<ExprPtr> Builder::arguments(P::ArgumentsContext* c) {
  std::vector<ExprPtr> out;
  if (c != nullptr)
    for (auto* a : c->argument()) out.push_back(argument(a));
  return out;
}

std::vector<Name> Builder::event(P::EventContext* c) {
  if (c == nullptr) return {};
  if (c->DONE() != nullptr) return {token_name(c->getStart())};
  return {name(c->name()), word(c->anyWord())};
}

ExprPtr Builder::argument(P::ArgumentContext* c) {
  if (auto* s = dynamic_cast<P::SinceWindowContext*>(c)) {
    auto e = make(ExprKind::since, c);
    e->path = event(s->event());
    if (s->amount() != nullptr) {
      e->has_args = true;
      e->args = {amount(s->amount())};
    }
    return e;
  }
  if (auto* b = dynamic_cast<P::BeforeWindowContext*>(c)) {
    auto e = make(ExprKind::before, c);
    e->args = {amount(b->amount())};
    e->path = event(b->event());
    return e;
  }
  if (auto* p = dynamic_cast<P::PlainArgumentContext*>(c)) return condition(p->condition());
  return nullptr;
}

std::vector<MatcherNode> Builder::matchers(P::MatchersContext* c) {
  std::vector<MatcherNode> out;
  if (c == nullptr) return out;
  for (auto* m : c->matcher()) {
    if (!whole(m)) continue;
    MatcherNode node;
    node.label = word(m->anyWord());
    node.span = parsed_.span(m);
    switch (m->op->getType()) {
      case SloLexer::NE:
        node.op = MatchOp::not_equal;
        break;
      case SloLexer::MATCH:
        node.op = MatchOp::regex;
        break;
      case SloLexer::NOT_MATCH:
        node.op = MatchOp::not_regex;
        break;
      default:
        node.op = MatchOp::equal;
    }
    if (m->STRING() != nullptr)
      node.text = text(m->STRING());
    else
      node.name = name(m->name());
    out.push_back(std::move(node));
  }
  return out;
}

std::optional<Grouping> Builder::grouping(P::GroupingContext* c) {
  if (c == nullptr) return std::nullopt;
  return Grouping{c->op->getType() == SloLexer::WITHOUT, labels(c->labelList()), parsed_.span(c)};
}

std::optional<Matching> Builder::matching(P::MatchingContext* c) {
  if (c == nullptr) return std::nullopt;
  Matching m;
  m.ignoring = c->op->getType() == SloLexer::IGNORING;
  m.labels = labels(c->labelList(0));
  if (c->side != nullptr)
    m.group = c->side->getType() == SloLexer::GROUP_LEFT ? Matching::Group::left : Matching::Group::right;
  if (c->labelList().size() > 1) m.include = labels(c->labelList(1));
  m.span = parsed_.span(c);
  return m;
}

ExprPtr Builder::primary(P::PrimaryContext* c) {
  if (!whole(c)) return nullptr;
  if (auto* l = dynamic_cast<P::LiteralPrimaryContext*>(c)) return literal(l->getStart());
  if (auto* g = dynamic_cast<P::GroupContext*>(c)) {
    ExprPtr inner = condition(g->condition());
    if (inner == nullptr) return nullptr;
    auto e = std::make_shared<Expr>(*inner);
    e->span = parsed_.span(c);
    return e;
  }
  if (auto* p = dynamic_cast<P::PercentOfContext*>(c)) {
    auto e = make(ExprKind::percent_of, c);
    e->args = {literal(p->getStart()), primary(p->primary())};
    return e->args[1] == nullptr ? nullptr : e;
  }
  if (auto* call = dynamic_cast<P::CallContext*>(c)) {
    auto e = make(ExprKind::call, c);
    e->text = token_name(c->getStart()).text;
    e->grouping = grouping(call->grouping());
    e->args = arguments(call->arguments());
    for (const ExprPtr& a : e->args)
      if (a == nullptr) return nullptr;
    return e;
  }
  if (auto* s = dynamic_cast<P::SelectorContext*>(c)) {
    auto e = make(ExprKind::selector, c);
    if (s->name() != nullptr || s->softWord() != nullptr) e->text = token_name(c->getStart()).text;
    e->matchers = matchers(s->matchers());
    return e;
  }
  if (auto* m = dynamic_cast<P::MemberContext*>(c)) {
    auto e = make(ExprKind::member, c);
    e->path.push_back(name(m->name()));
    for (auto* w : m->anyWord()) e->path.push_back(word(w));
    if (m->LPAREN() != nullptr) {
      e->has_args = true;
      e->args = arguments(m->arguments());
      for (const ExprPtr& a : e->args)
        if (a == nullptr) return nullptr;
    }
    return e;
  }
  auto e = make(ExprKind::reference, c);
  e->text = token_name(c->getStart()).text;
  return e;
}

std::optional<Per> Builder::per(P::PerLabelsContext* c) {
  if (!whole(c)) return std::nullopt;
  return Per{labels(c->labelList()), amount(c->amount()), parsed_.span(c)};
}

BurnBlock Builder::burn_block(P::BurnBlockContext* c) {
  BurnBlock out{{}, parsed_.span(c)};
  for (auto* row : c->burnRow()) {
    if (!whole(row)) continue;
    out.rows.push_back({row->severity()->PAGE() != nullptr, row->IN() != nullptr, amount(row->amount(0)),
                        amount(row->amount(1)), amount(row->amount(2)), parsed_.span(row)});
  }
  return out;
}

Events Builder::events(P::EventsContext* c) {
  return {amount(c->amount(0)), c->amount().size() > 1 ? amount(c->amount(1)) : nullptr, parsed_.span(c)};
}

UrlClause Builder::urls(P::UrlClauseContext* c) {
  UrlClause out{{}, parsed_.span(c)};
  for (auto* s : c->STRING()) out.urls.push_back(text(s));
  return out;
}

SourceDecl Builder::source_decl(P::SourceDeclContext* c) {
  SourceDecl d;
  d.name = name(c->name(0));
  d.type = name(c->name(1));
  d.span = parsed_.span(c);
  for (auto* clause : c->sourceClause()) {
    const Span at = parsed_.span(clause);
    if (auto* k = clause->urlClause(); whole(k)) d.url.push_back(urls(k));
    if (auto* k = clause->everyClause(); whole(k)) d.every.push_back({amount(k->amount()), at});
    if (auto* k = clause->settleClause(); whole(k)) d.settle.push_back({amount(k->amount()), at});
    if (auto* k = clause->timeoutClause(); whole(k)) d.timeout.push_back({amount(k->amount()), at});
    if (auto* k = clause->lookbackClause(); whole(k)) d.lookback.push_back({amount(k->amount()), at});
    if (auto* k = clause->semanticsClause(); whole(k)) d.semantics.push_back({amount(k->amount()), at});
  }
  return d;
}

ReceiverDecl Builder::receiver_decl(P::ReceiverDeclContext* c) {
  ReceiverDecl d;
  d.name = name(c->name(0));
  d.type = name(c->name(1));
  d.span = parsed_.span(c);
  for (auto* clause : c->receiverClause()) {
    const Span at = parsed_.span(clause);
    if (auto* k = clause->urlClause(); whole(k)) d.url.push_back(urls(k));
    if (auto* k = clause->secretClause(); whole(k)) d.secret.push_back({name(k->name()), at});
    if (auto* k = clause->timeoutClause(); whole(k)) d.timeout.push_back({amount(k->amount()), at});
    if (auto* k = clause->heartbeatClause(); whole(k)) d.heartbeat.push_back({amount(k->amount()), at});
  }
  return d;
}

Indicator Builder::indicator(P::IndicatorClauseContext* c) {
  Indicator out;
  out.span = parsed_.span(c);
  if (auto* k = dynamic_cast<P::CountsIndicatorContext*>(c)) {
    out.kind = k->side->getType() == SloLexer::BAD ? Indicator::Kind::bad : Indicator::Kind::good;
    out.part = expr(k->expr(0));
    out.whole = expr(k->expr(1));
  } else if (auto* s = dynamic_cast<P::ShareIndicatorContext*>(c)) {
    out.kind = Indicator::Kind::share;
    out.histogram = expr(s->expr());
    out.at_most = amount(s->amount());
  } else if (auto* sl = dynamic_cast<P::SlicesIndicatorContext*>(c)) {
    const bool good = sl->side != nullptr && sl->side->getType() == SloLexer::GOOD;
    out.kind = good ? Indicator::Kind::good_slices : Indicator::Kind::bad_slices;
    out.slice = amount(sl->amount());
    out.condition = condition(sl->condition());
  }
  return out;
}

SloDecl Builder::slo_decl(P::SloDeclContext* c) {
  SloDecl d;
  d.name = name(c->name());
  d.per = per(c->perLabels());
  d.span = parsed_.span(c);
  for (auto* clause : c->sloClause()) {
    const Span at = parsed_.span(clause);
    if (auto* k = clause->aboutClause(); whole(k)) d.about.push_back({text(k->STRING()), at});
    if (auto* k = clause->ownerClause(); whole(k)) d.owner.push_back({text(k->STRING()), at});
    if (auto* k = clause->runbookClause(); whole(k)) d.runbook.push_back({text(k->STRING()), at});
    if (auto* k = clause->indicatorClause(); whole(k)) d.indicator.push_back(indicator(k));
    if (auto* k = clause->objectiveClause(); whole(k))
      d.objective.push_back({amount(k->amount(0)), amount(k->amount(1)), at});
    if (auto* k = clause->burnClause(); whole(k)) {
      BurnClause b;
      if (k->burnBlock() != nullptr)
        b.block = burn_block(k->burnBlock());
      else
        b.path = path(k->path());
      b.span = at;
      d.burn.push_back(std::move(b));
    }
    if (auto* k = clause->floorClause(); whole(k)) d.floor.push_back({amount(k->amount()), at});
    if (auto* k = clause->coverageClause(); whole(k)) d.coverage.push_back({amount(k->amount()), at});
    if (auto* k = clause->sloMissingClause(); whole(k))
      d.missing.push_back(
          {k->amount() != nullptr ? amount(k->amount()) : nullptr, k->severity()->PAGE() != nullptr, at});
    if (auto* k = clause->idleClause(); whole(k))
      d.idle.push_back({k->KEEP() != nullptr ? token_name(k->KEEP()->getSymbol()) : name(k->name()), at});
    const auto receivers = [&](const std::vector<P::NameContext*>& names) {
      NamesClause out{{}, at};
      for (auto* n : names) out.names.push_back(name(n));
      return out;
    };
    if (auto* k = clause->pageClause(); whole(k)) d.page.push_back(receivers(k->name()));
    if (auto* k = clause->ticketClause(); whole(k)) d.ticket.push_back(receivers(k->name()));
    if (auto* k = clause->deferClause(); whole(k))
      d.defer.push_back({k->severity()->PAGE() != nullptr, name(k->name()), amount(k->amount()), at});
    if (auto* k = clause->trafficClause(); whole(k))
      d.traffic.push_back({amount(k->amount()), name(k->name()), at});
  }
  return d;
}

TargetDecl Builder::target_decl(P::TargetDeclContext* c) {
  TargetDecl d;
  d.name = name(c->name(0));
  d.type = name(c->name(1));
  d.span = parsed_.span(c);
  for (auto* clause : c->targetClause()) {
    const Span at = parsed_.span(clause);
    if (auto* k = clause->versionClause(); whole(k))
      d.version.push_back({name(k->name()), text(k->STRING()), at});
    if (auto* k = clause->deployedClause(); whole(k)) d.deployed.push_back({condition(k->condition()), at});
    if (auto* k = clause->secretClause(); whole(k)) d.secret.push_back({name(k->name()), at});
    if (auto* k = clause->timeoutClause(); whole(k)) d.timeout.push_back({amount(k->amount()), at});
    if (auto* k = clause->actionClause(); whole(k)) {
      ActionNode a;
      a.name = name(k->name(0));
      a.delivery = name(k->name(1));
      a.call = {name(k->name(2)), text(k->STRING()), at};
      a.span = at;
      for (auto* field : k->bodyField()) {
        if (!whole(field)) continue;
        BodyField f;
        f.key = word(field->anyWord());
        if (field->STRING() != nullptr) {
          f.text = text(field->STRING());
        } else if (field->amount()->name() != nullptr) {
          f.name = name(field->amount()->name());
        } else {
          f.amount = amount(field->amount());
        }
        a.body.push_back(std::move(f));
      }
      d.action.push_back(std::move(a));
    }
  }
  return d;
}

PolicyDecl Builder::policy_decl(P::PolicyDeclContext* c) {
  PolicyDecl d;
  d.name = name(c->name(0));
  d.target = name(c->name(1));
  d.per = per(c->perLabels());
  d.span = parsed_.span(c);
  for (auto* clause : c->policyClause()) {
    const Span at = parsed_.span(clause);
    if (auto* k = clause->aboutClause(); whole(k)) d.about.push_back({text(k->STRING()), at});
    if (auto* k = clause->ownerClause(); whole(k)) d.owner.push_back({text(k->STRING()), at});
    if (auto* k = clause->runbookClause(); whole(k)) d.runbook.push_back({text(k->STRING()), at});
    if (auto* k = clause->whenClause(); whole(k)) d.when.push_back({condition(k->condition()), at});
    if (auto* k = clause->untilClause(); whole(k)) d.until.push_back({condition(k->condition()), at});
    if (auto* k = clause->eventsClause(); whole(k)) d.events.push_back(events(k->events()));
    if (auto* k = clause->doClause(); whole(k)) d.action.push_back({name(k->name()), at});
    if (auto* k = clause->verifyClause(); whole(k)) {
      VerifyNode v;
      v.condition = condition(k->condition());
      v.after = amount(k->amount(0));
      v.within = amount(k->amount(1));
      if (k->events() != nullptr) v.events = events(k->events());
      if (k->name() != nullptr) v.escalate = name(k->name());
      if (k->STRING() != nullptr) v.message = text(k->STRING());
      v.span = at;
      d.verify.push_back(std::move(v));
    }
    if (auto* k = clause->limitClause(); whole(k))
      d.limit.push_back({amount(k->amount(0)), amount(k->amount(1)), at});
    if (auto* k = clause->cooldownClause(); whole(k)) d.cooldown.push_back({amount(k->amount()), at});
    if (auto* k = clause->repeatClause(); whole(k)) d.repeat.push_back({amount(k->amount()), at});
    if (auto* k = clause->policyMissingClause(); whole(k))
      d.missing.push_back({k->name() != nullptr ? std::optional(name(k->name())) : std::nullopt, at});
    if (auto* k = clause->modeClause(); whole(k)) d.mode.push_back({name(k->name()), at});
  }
  return d;
}

Moment Builder::moment(P::MomentContext* c) {
  Moment m;
  m.span = parsed_.span(c);
  if (c->amount() != nullptr) {
    m.amount = amount(c->amount());
  } else {
    m.declaration = name(c->name());
    m.state = word(c->anyWord());
  }
  return m;
}

Given Builder::given(P::GivenClauseContext* c) {
  Given g;
  g.span = parsed_.span(c);
  if (auto* e = dynamic_cast<P::GivenEventContext*>(c)) {
    g.kind = Given::Kind::event;
    g.name = name(e->name());
    g.member = word(e->anyWord());
    g.at = amount(e->amount());
  } else if (auto* f = dynamic_cast<P::GivenTargetFailsContext*>(c)) {
    g.kind = Given::Kind::target_fails;
    g.name = name(f->name(0));
    g.member = name(f->name(1));
  } else if (auto* a = dynamic_cast<P::GivenTargetAnswersContext*>(c)) {
    g.kind = Given::Kind::target_answers;
    g.name = name(a->name());
    g.at = amount(a->amount());
  } else if (auto* r = dynamic_cast<P::GivenReceiverFailsContext*>(c)) {
    g.kind = Given::Kind::receiver_fails;
    g.name = name(r->name());
  } else if (auto* s = dynamic_cast<P::GivenSeriesContext*>(c)) {
    g.name = name(s->name());
    g.matchers = matchers(s->matchers());
    for (auto* part : s->givenPart()) {
      if (!whole(part)) continue;
      if (auto* p = dynamic_cast<P::GivenRateContext*>(part)) {
        g.pattern = Given::Pattern::rate;
        g.amounts = {amount(p->amount())};
        g.negative = {p->MINUS() != nullptr};
        if (p->name() != nullptr) g.rate_unit = name(p->name());
      } else if (auto* v = dynamic_cast<P::GivenValueContext*>(part)) {
        g.pattern = Given::Pattern::value;
        g.amounts = {amount(v->amount())};
        g.negative = {v->MINUS() != nullptr};
      } else if (auto* vs = dynamic_cast<P::GivenValuesContext*>(part)) {
        g.pattern = Given::Pattern::values;
        g.amounts.clear();
        g.negative.clear();
        bool minus = false;
        for (auto* child : vs->children) {
          if (auto* terminal = dynamic_cast<antlr4::tree::TerminalNode*>(child))
            minus = terminal->getSymbol()->getType() == SloLexer::MINUS;
          if (auto* value = dynamic_cast<P::AmountContext*>(child)) {
            g.amounts.push_back(amount(value));
            g.negative.push_back(minus);
            minus = false;
          }
        }
      } else if (auto* from = dynamic_cast<P::GivenFromContext*>(part)) {
        g.from = moment(from->moment());
      } else if (auto* until = dynamic_cast<P::GivenUntilContext*>(part)) {
        g.until = moment(until->moment());
      } else if (auto* appears = dynamic_cast<P::GivenAppearsContext*>(part)) {
        g.appears = moment(appears->moment());
      } else if (auto* resets = dynamic_cast<P::GivenResetsContext*>(part)) {
        g.resets.push_back(moment(resets->moment()));
      } else if (auto* gap = dynamic_cast<P::GivenGapContext*>(part)) {
        g.gaps.emplace_back(moment(gap->moment(0)), moment(gap->moment(1)));
      }
    }
  }
  return g;
}

Expect Builder::expect(P::ExpectClauseContext* c) {
  Expect e;
  e.span = parsed_.span(c);
  P::SpanContext* when = nullptr;
  if (auto* p = dynamic_cast<P::ExpectPageContext*>(c)) {
    e.negated = p->NO() != nullptr;
    e.message = true;
    e.page = p->severity()->PAGE() != nullptr;
    e.name = name(p->name());
    when = p->span();
  } else if (auto* s = dynamic_cast<P::ExpectStateContext*>(c)) {
    e.negated = s->NO() != nullptr;
    e.name = name(s->name());
    e.state = word(s->anyWord());
    when = s->span();
  }
  if (whole(when)) {
    ExpectSpan out;
    out.first = moment(when->moment(0));
    if (when->BETWEEN() != nullptr)
      out.second = moment(when->moment(1));
    else if (when->AFTER() != nullptr)
      out.kind = ExpectSpan::Kind::after;
    else if (when->BEFORE() != nullptr)
      out.kind = ExpectSpan::Kind::before;
    else
      out.kind = ExpectSpan::Kind::at;
    e.when = std::move(out);
  }
  return e;
}

TestDecl Builder::test_decl(P::TestDeclContext* c) {
  TestDecl d{text(c->STRING()), {}, {}, parsed_.span(c)};
  for (auto* clause : c->testClause()) {
    if (auto* g = clause->givenClause(); whole(g)) d.given.push_back(given(g));
    if (auto* e = clause->expectClause(); whole(e)) d.expect.push_back(expect(e));
  }
  return d;
}

File Builder::program(P::ProgramContext* program) {
  File out;
  out.file = file_;
  for (auto* item : program->item()) {
    const Span at = parsed_.span(item);
    if (auto* k = item->useSetting(); whole(k) && whole(k->path()) && whole(k->path()->name())) {
      const auto words = k->path()->anyWord();
      if (std::all_of(words.begin(), words.end(), [](auto* w) { return whole(w); }))
        out.uses.push_back({path(k->path()), at});
    }
    if (auto* k = item->paramSetting(); whole(k)) {
      Param p{name(k->name(0)), name(k->name(1)), nullptr, at};
      if (k->STRING() != nullptr)
        p.fallback = literal(k->STRING()->getSymbol());
      else if (k->amount() != nullptr)
        p.fallback = amount(k->amount());
      out.params.push_back(std::move(p));
    }
    if (auto* k = item->tickSetting(); whole(k))
      out.ticks.push_back(
          {amount(k->amount(0)), k->amount().size() > 1 ? amount(k->amount(1)) : nullptr, at});
    if (auto* k = item->letSetting(); whole(k)) {
      Let l;
      l.name = name(k->name());
      l.span = at;
      if (k->letParams() != nullptr) {
        l.has_params = true;
        for (auto* n : k->letParams()->name()) l.params.push_back(name(n));
      }
      if (k->burnBlock() != nullptr)
        l.burn = burn_block(k->burnBlock());
      else
        l.value = condition(k->condition());
      out.lets.push_back(std::move(l));
    }
    if (auto* k = item->metricSetting(); whole(k)) {
      MetricNode m;
      m.name = name(k->name(0));
      m.kind = name(k->name(1));
      if (k->unit() != nullptr && whole(k->unit())) m.unit = token_name(k->unit()->getStart());
      m.has_labels = k->labelList() != nullptr;
      m.only = k->ONLY() != nullptr;
      m.labels = labels(k->labelList());
      m.span = at;
      out.metrics.push_back(std::move(m));
    }
    if (auto* k = item->sourceDecl(); whole(k)) out.sources.push_back(source_decl(k));
    if (auto* k = item->receiverDecl(); whole(k)) out.receivers.push_back(receiver_decl(k));
    if (auto* k = item->sloDecl(); whole(k)) out.slos.push_back(slo_decl(k));
    if (auto* k = item->targetDecl(); whole(k)) out.targets.push_back(target_decl(k));
    if (auto* k = item->policyDecl(); whole(k)) out.policies.push_back(policy_decl(k));
    if (auto* k = item->testDecl(); whole(k)) out.tests.push_back(test_decl(k));
  }
  return out;
}

}  // namespace

File build_file(const Parsed& parsed, std::uint32_t file, const Limits& limits,
                source::Diagnostics& diagnostics) {
  return Builder(parsed, file, limits, diagnostics).program(parsed.program);
}

ExprPtr build_query(const Parsed& parsed, std::uint32_t file, const Limits& limits,
                    source::Diagnostics& diagnostics) {
  return Builder(parsed, file, limits, diagnostics).condition(parsed.query->condition());
}

}  // namespace signalbox::syntax
