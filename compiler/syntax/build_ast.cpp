// A file's declarations, and the doors to this room's trees.
#include <algorithm>

#include "compiler/syntax/builder.hpp"

namespace signalbox::syntax {

using source::Code;

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

File build_file(const Parsed& parsed, std::uint32_t file, const Limits& limits,
                source::Diagnostics& diagnostics) {
  return Builder(parsed, file, limits, diagnostics).program(parsed.program);
}

ExprPtr build_query(const Parsed& parsed, std::uint32_t file, const Limits& limits,
                    source::Diagnostics& diagnostics) {
  return Builder(parsed, file, limits, diagnostics).condition(parsed.query->condition());
}

}  // namespace signalbox::syntax
