// Names, literals and expressions.
#include <fmt/format.h>

#include <cmath>

#include "compiler/syntax/builder.hpp"

namespace signalbox::syntax {

using source::Code;

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

}  // namespace signalbox::syntax
