#include <fmt/format.h>

#include <algorithm>

#include "compiler/lower/declarations.hpp"

namespace signalbox::lower {

using plan::WindowKind;
using sema::TypedOp;
using sema::TypedPtr;
using source::Code;

namespace {

bool is_anchored(WindowKind kind) {
  return kind == WindowKind::since || kind == WindowKind::before || kind == WindowKind::since_done;
}

// Whether some part of an expression is as asked.
template <class Ask>
bool any_part(const TypedPtr& t, std::set<const sema::Typed*>& seen, Ask ask) {
  if (!seen.insert(t.get()).second) return false;
  return ask(*t) || std::any_of(t->args.begin(), t->args.end(),
                                [&](const TypedPtr& part) { return any_part(part, seen, ask); });
}

bool is_measured(const TypedPtr& t) {
  std::set<const sema::Typed*> seen;
  return any_part(t, seen, [](const sema::Typed& part) {
    const bool reads_clock = part.op == TypedOp::time || (part.op == TypedOp::function && part.args.empty());
    return part.op == TypedOp::selector || part.op == TypedOp::slo_value || reads_clock;
  });
}

bool has_anchored_burn(const TypedPtr& t) {
  std::set<const sema::Typed*> seen;
  return any_part(t, seen, [](const sema::Typed& part) {
    return part.op == TypedOp::slo_value && is_anchored(part.window.kind);
  });
}

}  // namespace

// The condition of a clause, or null after an error.
TypedPtr Declarations::truth(const syntax::ExprPtr& expr, const sema::Place& place,
                             const std::vector<std::string>& per) {
  const TypedPtr t = typer_.condition(expr, place);
  if (t == nullptr || !one_truth(t, per, expr->span)) return nullptr;
  if (is_measured(t)) return t;
  diagnostics_.report(Code::bad_value, expr->span,
                      "nothing in this condition is measured: it is always the same",
                      "ask for a metric or an slo, as checkout.burn(5m) > 14.4");
  return nullptr;
}

// A condition that is used as one truth, or one per instance of the policy.
bool Declarations::one_truth(const TypedPtr& t, const std::vector<std::string>& per, source::Span span) {
  const sema::RowType& rows = t->type.rows;
  if (rows.single() || (rows.closed && rows.labels == per)) return true;
  std::vector<std::string> extra;
  for (const std::string& label : rows.labels)
    if (std::find(per.begin(), per.end(), label) == per.end()) extra.push_back(label);
  diagnostics_.report(Code::needs_quantifier, span,
                      fmt::format("one truth is needed here, and the condition has {}", sema::describe(rows)),
                      rows.closed
                          ? fmt::format("say for which of them: any by ({0}) (…), or all by ({0}) (…)",
                                        fmt::join(extra, ", "))
                          : "bring it to known labels first: sum by (…), max by (…)");
  return false;
}

void Declarations::find_anchor(const TypedPtr& t, plan::Policy& policy, std::set<const sema::Typed*>& seen) {
  if (!seen.insert(t.get()).second) return;
  if (t->op == TypedOp::slo_value &&
      (t->window.kind == WindowKind::since || t->window.kind == WindowKind::before)) {
    if (policy.anchor != plan::none && policy.anchor != t->window.target)
      diagnostics_.report(Code::bad_value, t->span, "a policy is anchored on the deploys of one target",
                          "write a policy for each");
    policy.anchor = t->window.target;
    if (std::find(policy.anchored_slos.begin(), policy.anchored_slos.end(), t->slo) ==
        policy.anchored_slos.end())
      policy.anchored_slos.push_back(t->slo);
    if (!t->window_bounded)
      diagnostics_.report(Code::unbounded_since, t->span,
                          "this window never ends: an old deploy would be blamed for ever",
                          "bound it: since TARGET.deployed for 15m");
    else if (t->window.kind == WindowKind::since)
      policy.bound = std::max(policy.bound, t->window.length);
  }
  for (const TypedPtr& a : t->args) find_anchor(a, policy, seen);
}

void Declarations::lower_verify(const syntax::PolicyDecl& decl, const syntax::VerifyNode& node,
                                const sema::Place& outer, plan::Policy& policy) {
  sema::Place place = outer;
  place.in_verify = true;
  plan::Verify& v = policy.verify;
  if (node.events) {
    const TypedPtr n = typer_.number(node.events->at_least, place, "`events at least`");
    if (n != nullptr) v.events.at_least = n->value;
    if (node.events->bad != nullptr)
      if (const TypedPtr b = typer_.number(node.events->bad, place, "`bad`")) v.events.bad = b->value;
  }
  const auto after = typer_.duration(node.after, place, "`after`");
  const auto within = typer_.duration(node.within, place, "`within`");
  if (after) v.after = *after;
  if (within) v.within = *within;
  Duration scrape = plan_.sources.empty() ? plan_.tick : Duration{};
  for (const plan::Source& s : plan_.sources) scrape = std::max(scrape, s.every);
  if (after && *after < scrape * 2)
    diagnostics_.report(
        Code::window_too_short, node.after->span,
        fmt::format("late errors of draining requests arrive for two scrapes, {}, after the action",
                    to_string(scrape * 2)),
        fmt::format("write after {} or more", to_string(scrape * 2)));
  if (after && within && *within <= *after)
    diagnostics_.report(Code::bad_value, node.within->span,
                        "`within` counts from `done` and must leave time after `after`",
                        fmt::format("write within {}", to_string(*after * 2)));
  if (node.escalate)
    if (const auto r = name(scope_.receivers, *node.escalate, "receiver")) v.escalate = *r;
  if (node.message) v.message = node.message->value;
  const TypedPtr t = truth(node.condition, place, policy.per);
  if (t == nullptr) return;
  if (node.events && !has_anchored_burn(t))
    diagnostics_.report(Code::no_effect, node.events->span,
                        "`events` counts what lies in anchored windows, and this verify has none",
                        "look at what came after: NAME.burn(since done)");
  expressions_.set_events(v.events);
  v.condition = expressions_.lower(t);
  const sema::Typed* inner = t.get();
  while (inner->op == TypedOp::hold) inner = inner->args[0].get();
  // Under the same gates: the family is the very node that the condition quantifies over.
  if (inner->op == TypedOp::all) v.family = expressions_.lower(inner->args[0]);
  expressions_.set_events({});
  if (!node.escalate)
    missing(node.span, fmt::format("policy `{}` tells nobody when its action does not help", decl.name.text),
            "else page RECEIVER \"…\"");
}

void Declarations::lower_policy(plan::Index index) {
  const syntax::PolicyDecl& decl = *scope_.policy_decls[index];
  plan::Policy& p = plan_.policies[index];
  PolicySpans& spans = places_.policies[index];
  p.name = decl.name.text;
  p.origin = graph_.origin(decl.span);
  spans.name = decl.name.span;
  sema::Place place = place_of(decl.span);
  p.per = labels(decl.per, p.max_instances);
  place.per = p.per;
  if (const auto* t = only(decl.about, "about")) p.about = t->text.value;
  if (const auto* t = only(decl.owner, "owner")) p.owner = t->text.value;
  if (const auto* t = only(decl.runbook, "runbook")) p.runbook = t->text.value;
  if (const auto target = name(scope_.targets, decl.target, "target")) p.target = *target;

  if (const auto* e = only(decl.events, "events")) {
    spans.events = e->span;
    if (const TypedPtr n = typer_.number(e->at_least, place, "`events at least`"))
      p.events.at_least = n->value;
    if (e->bad != nullptr)
      if (const TypedPtr b = typer_.number(e->bad, place, "`bad`")) p.events.bad = b->value;
  }
  if (const auto* w = only(decl.when, "when")) {
    spans.when = w->span;
    if (const TypedPtr t = truth(w->condition, place, p.per)) {
      std::set<const sema::Typed*> seen;
      find_anchor(t, p, seen);
      if (p.anchor != plan::none && p.bound.ms == 0 && p.target != plan::none && !diagnostics_.has_errors())
        diagnostics_.report(Code::unbounded_since, w->span,
                            "nothing in `when` says how long after a deploy this may act",
                            "add: NAME.burn(since TARGET.deployed for 15m) > …");
      if (!decl.events.empty() && !has_anchored_burn(t))
        diagnostics_.report(Code::no_effect, decl.events[0].span,
                            "`events` counts what lies in anchored windows, and `when` has none",
                            "remove it, or look at a deploy: NAME.burn(since TARGET.deployed for 15m)");
      expressions_.set_events(p.events);
      p.when = expressions_.lower(t);
      const sema::Typed* inner = t.get();
      while (inner->op == TypedOp::hold) inner = inner->args[0].get();
      if (inner->op == TypedOp::any || inner->op == TypedOp::all)
        p.family = expressions_.lower(inner->args[0]);
      else if (!p.per.empty())
        p.family = plan::none;
      expressions_.set_events({});
    }
  } else {
    missing(decl.name.span, fmt::format("policy `{}` never says when", p.name), "when CONDITION for 3 ticks");
  }
  if (const auto* u = only(decl.until, "until")) {
    if (const TypedPtr t = truth(u->condition, place, p.per)) p.until = expressions_.lower(t);
    if (p.anchor != plan::none)
      diagnostics_.report(Code::no_effect, u->span,
                          "an anchored policy acts once for a deploy, and its episode ends with the verify",
                          "remove `until`");
  }
  if (const auto* v = only(decl.verify, "verify")) {
    spans.verify = v->span;
    lower_verify(decl, *v, place, p);
  }
  if (const auto* l = only(decl.limit, "limit")) {
    if (const auto n = typer_.count(l->count, place, "the limit", 1)) p.limit = *n;
    if (const auto d = typer_.duration(l->per, place, "the limit's time")) {
      p.limit_per = *d;
      if (d->ms == 0)
        diagnostics_.report(Code::bad_value, l->per->span, "a limit counts over a time above 0s",
                            "as limit 2 per 1d");
    }
  }
  if (const auto* c = only(decl.cooldown, "cooldown")) {
    spans.cooldown = c->span;
    if (const auto d = typer_.duration(c->amount, place, "the cooldown")) p.cooldown = *d;
  }
  if (const auto* r = only(decl.repeat, "repeat"))
    if (const auto n = typer_.count(r->amount, place, "`repeat at most`", 1)) {
      p.repeat = *n;
      if (p.anchor != plan::none)
        diagnostics_.report(Code::no_effect, r->span, "an anchored policy acts once for a deploy",
                            "remove `repeat`");
    }
  if (const auto* m = only(decl.missing, "missing"))
    if (m->page)
      if (const auto r = name(scope_.receivers, *m->page, "receiver")) p.missing_page = *r;
  if (const auto* m = only(decl.mode, "mode")) {
    static const std::vector<std::string> modes = {"observe", "dry_run", "approve", "act"};
    const auto it = std::find(modes.begin(), modes.end(), m->name.text);
    if (m->name.text == "approve")
      diagnostics_.report(Code::not_yet, m->name.span, "`mode approve` is not supported yet",
                          "use observe or dry_run, and let a person act");
    else if (it == modes.end())
      diagnostics_.report(Code::bad_value, m->name.span, fmt::format("`{}` is no mode", m->name.text),
                          "modes are observe, dry_run, approve and act");
    else
      p.mode = static_cast<plan::Mode>(it - modes.begin());
  }
  if (const auto* d = only(decl.action, "do")) {
    if (p.target != plan::none) {
      const auto& actions = plan_.targets[p.target].actions;
      std::vector<std::string> names;
      for (plan::Index i = 0; i < actions.size(); ++i) {
        names.push_back(actions[i].name);
        if (actions[i].name == d->name.text) p.action = i;
      }
      if (p.action == plan::none && !scope_.target_decls[p.target]->empty()) {
        const std::string near = source::nearest(d->name.text, names);
        diagnostics_.report(Code::unknown_name, d->name.span,
                            fmt::format("target `{}` has no action `{}`", decl.target.text, d->name.text),
                            near.empty() ? (names.empty() ? "give the target an `action`"
                                                          : fmt::format("it has: {}", fmt::join(names, ", ")))
                                         : fmt::format("did you mean `{}`?", near));
      }
    }
  } else {
    missing(decl.name.span, fmt::format("policy `{}` does nothing", p.name), "do ACTION");
  }
  // The dangerous thing is the long thing to write.
  std::vector<std::string> absent;
  if (decl.limit.empty()) absent.emplace_back("limit 2 per 1d");
  if (decl.cooldown.empty()) absent.emplace_back("cooldown 15m");
  if (decl.missing.empty()) absent.emplace_back("missing page RECEIVER");
  if (decl.verify.empty()) absent.emplace_back("verify CONDITION after 15s within 2m else page RECEIVER");
  if (!absent.empty() && !decl.action.empty())
    diagnostics_.report(Code::unguarded_action, decl.action[0].span,
                        fmt::format("`{}` changes the world, and the policy does not say how that is bounded",
                                    decl.action[0].name.text),
                        fmt::format("add: {}", fmt::join(absent, "; ")));
}

}  // namespace signalbox::lower
