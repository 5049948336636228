#include <fmt/format.h>

#include <algorithm>

#include "compiler/lower/declarations.hpp"

namespace signalbox::lower {

using plan::Window;
using plan::WindowKind;
using sema::TypedOp;
using sema::TypedPtr;
using source::Code;

namespace {

// The first hold in an expression, or null.
const sema::Typed* hold_in(const TypedPtr& t, std::set<const sema::Typed*>& seen) {
  if (t == nullptr || !seen.insert(t.get()).second) return nullptr;
  if (t->op == TypedOp::hold) return t.get();
  for (const TypedPtr& part : t->args)
    if (const sema::Typed* found = hold_in(part, seen)) return found;
  return nullptr;
}

}  // namespace

// Counts are selectors of counters, and sums and differences of them.
bool Declarations::check_counts(const TypedPtr& t, const syntax::SloDecl& decl,
                                std::set<const sema::Typed*>& seen) {
  if (t == nullptr) return false;
  if (!seen.insert(t.get()).second) return true;
  if (t->op == TypedOp::shape && (t->shape_op == plan::ShapeOp::add || t->shape_op == plan::ShapeOp::sub))
    return check_counts(t->args[0], decl, seen) && check_counts(t->args[1], decl, seen);
  if (t->op == TypedOp::aggregate && t->aggregate == plan::Aggregate::sum)
    return check_counts(t->args[0], decl, seen);
  if (t->op != TypedOp::selector || t->range) {
    diagnostics_.report(Code::type_clash, t->span,
                        "an indicator counts: it is made of counters, and sums of them",
                        "write the counters themselves, without rate( ): windows come from `burn`");
    return false;
  }
  if (t->type.kind == sema::MetricKind::gauge || t->type.kind == sema::MetricKind::histogram ||
      t->type.kind == sema::MetricKind::native_histogram) {
    diagnostics_.report(
        Code::kind_clash, t->span,
        fmt::format("`{}` is {}, and an indicator counts with counters", t->text,
                    sema::describe(t->type.kind)),
        t->type.kind == sema::MetricKind::histogram
            ? fmt::format("write: indicator share of {} at most 300ms", t->text)
        : t->type.kind == sema::MetricKind::native_histogram
            ? "compare a quantile: indicator slices of 1m where histogram_quantile(0.95, …) < 300ms"
            : "for a gauge, write: indicator slices of 1m where CONDITION");
    return false;
  }
  if (!decl.per) return true;
  for (const syntax::Name& label : decl.per->labels) {
    if (!t->type.rows.closed ||
        std::binary_search(t->type.rows.labels.begin(), t->type.rows.labels.end(), label.text))
      continue;
    const std::string near = source::nearest(label.text, t->type.rows.labels);
    diagnostics_.report(Code::unknown_label, label.span,
                        fmt::format("`{}` has no label `{}`", t->text, label.text),
                        near.empty() ? fmt::format("it has: {}", fmt::join(t->type.rows.labels, ", "))
                                     : fmt::format("did you mean `{}`?", near));
    return false;
  }
  return true;
}

// Reads what an SLO counts; rows and policies come later and may refer to any SLO.
void Declarations::count_slo(const syntax::SloDecl& decl) {
  SloCounts c;
  c.span = decl.span;
  std::uint32_t max = 1;
  c.per = labels(decl.per, max);
  sema::Place place = place_of(decl.span);
  place.per = c.per;
  bool good = false;
  if (const auto* o = only(decl.objective, "objective")) {
    const TypedPtr ratio = typer_.number(o->ratio, place, "the objective");
    const auto period = typer_.duration(o->period, place, "the period");
    if (ratio != nullptr) {
      const std::optional<Rational> budget = ratio->exact ? sub(Rational(1), *ratio->exact) : std::nullopt;
      if (!budget || compare(*budget, Rational(0)) <= 0 || compare(*budget, Rational(1)) >= 0) {
        diagnostics_.report(
            Code::objective_out_of_range, o->ratio->span,
            fmt::format("an objective lies between 0% and 100%, and this is {}",
                        ratio->exact
                            ? mul(*ratio->exact, Rational(100)).value_or(Rational(0)).to_string() + "%"
                            : shortest(ratio->value)),
            compare(ratio->exact.value_or(Rational(0)), Rational(1)) > 0 && ratio->value < 100
                ? fmt::format("did you mean {}%?", shortest(ratio->value))
            : budget && compare(*budget, Rational(1)) >= 0
                ? "at 0% nothing is ever too bad"
                : "at 100% there is no budget to spend, and every threshold is zero");
      } else if (period && period->ms > 0) {
        c.budget = *budget;
        c.period = *period;
        good = true;
      } else if (period) {
        diagnostics_.report(Code::bad_value, o->period->span, "the period has a length", "as over 30d");
      }
    }
  } else {
    missing(decl.name.span, fmt::format("slo `{}` has no objective", decl.name.text),
            "objective 99.9% over 30d");
  }
  if (const auto* t = only(decl.traffic, "traffic")) {
    const TypedPtr n = typer_.number(t->amount, place, "the traffic");
    const std::string& unit = t->unit.text;
    const double per = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
    if (per == 0)
      diagnostics_.report(Code::bad_value, t->unit.span, fmt::format("`{}` is no unit of time", unit),
                          "as traffic 100/s");
    else if (n != nullptr && n->value > 0)
      c.traffic = n->value / per;
  }
  if (const auto* cover = only(decl.coverage, "coverage")) {
    const TypedPtr n = typer_.number(cover->amount, place, "the coverage");
    if (n != nullptr && (n->value <= 0 || n->value > 1))
      diagnostics_.report(Code::bad_value, cover->amount->span, "a coverage lies between 0% and 100%");
    else if (n != nullptr)
      c.least_coverage = n->value;
  }
  const auto* ind = only(decl.indicator, "indicator");
  if (ind == nullptr) {
    missing(decl.name.span, fmt::format("slo `{}` has no indicator", decl.name.text),
            "indicator bad FAILED of ALL");
    good = false;
  } else {
    using Kind = syntax::Indicator::Kind;
    if (ind->kind == Kind::bad || ind->kind == Kind::good) {
      c.part = typer_.type(ind->part, place);
      c.whole = typer_.type(ind->whole, place);
      c.part_is_good = ind->kind == Kind::good;
      std::set<const sema::Typed*> seen;
      const bool part = check_counts(c.part, decl, seen), whole = check_counts(c.whole, decl, seen);
      good = part && whole && good;
    } else if (ind->kind == Kind::share) {
      const TypedPtr h = typer_.type(ind->histogram, place);
      const TypedPtr bound = h == nullptr ? nullptr : typer_.type(ind->at_most, place);
      if (h == nullptr || bound == nullptr) {
        good = false;
      } else if (h->type.kind == sema::MetricKind::native_histogram) {
        diagnostics_.report(
            Code::kind_clash, ind->histogram->span,
            "a native histogram has no bucket of exactly that bound, and nothing is interpolated",
            "judge slices of time: indicator bad slices of 1m where p95(…[5m]) > 300ms; or take its classic "
            "buckets");
        good = false;
      } else if (h->op != TypedOp::selector || h->type.kind == sema::MetricKind::counter ||
                 h->type.kind == sema::MetricKind::gauge) {
        diagnostics_.report(Code::kind_clash, ind->histogram->span, "a share is taken of a histogram",
                            "as: indicator share of http_request_duration_seconds at most 300ms");
        good = false;
      } else if (!bound->constant() ||
                 (h->type.unit.known && !bound->type.unit.same_dimension(h->type.unit))) {
        diagnostics_.report(Code::unit_clash, ind->at_most->span,
                            fmt::format("the bound is {}, and the histogram holds {}",
                                        sema::describe(bound->type.unit), sema::describe(h->type.unit)),
                            "as at most 300ms");
        good = false;
      } else {
        // Clients write le="1", Prometheus 3 stores le="1.0"; both name the bucket 1.
        const double le = bound->exact ? bound->exact->to_double() : bound->value;
        std::string text = shortest(le), pattern;
        for (char ch : text) pattern += ch == '.' || ch == '+' ? std::string("\\") + ch : std::string(1, ch);
        pattern += text.find_first_of(".e") == std::string::npos ? "(\\.0+)?"
                   : text.find('.') != std::string::npos         ? "0*"
                                                                 : "";
        const auto part_of = [&](const char* tail) {
          auto t = std::make_shared<sema::Typed>(*h);
          for (Matcher& m : t->matchers)
            if (m.label == metric_name_label && m.op == MatchOp::equal) m.value += tail;
          t->text += tail;
          return t;
        };
        auto bucket = part_of("_bucket");
        bucket->matchers.push_back({"le", MatchOp::regex, pattern});
        std::sort(bucket->matchers.begin(), bucket->matchers.end());
        c.part = bucket;
        c.whole = part_of("_count");
        c.part_is_good = true;
        c.share = true;
      }
    } else {
      const auto slice = typer_.duration(ind->slice, place, "a slice");
      TypedPtr condition = typer_.condition(ind->condition, place);
      std::set<const sema::Typed*> seen;
      if (condition == nullptr || !slice) {
        good = false;
      } else if (const sema::Typed* hold = hold_in(condition, seen)) {
        // A slice is judged at its end alone, where no ticks have been counted.
        diagnostics_.report(Code::bad_value, hold->span,
                            "a slice is judged at its end, and nothing is held there",
                            "leave the hold out: the windows of `burn` say how long is too long");
        good = false;
      } else if (slice->ms < plan_.tick.ms) {
        diagnostics_.report(Code::bad_value, ind->slice->span,
                            fmt::format("a slice is at least a tick, {}", to_string(plan_.tick)));
        good = false;
      } else if (!(condition->type.rows.scalar && c.per.empty()) &&
                 !(condition->type.rows.closed && condition->type.rows.labels == c.per)) {
        diagnostics_.report(
            Code::needs_quantifier, ind->condition->span,
            fmt::format("the condition has {}, and the slo {}", sema::describe(condition->type.rows),
                        c.per.empty() ? "has one row" : fmt::format("one per ({})", fmt::join(c.per, ", "))),
            c.per.empty() ? "bring it to one: any by (…) (…), or compare sum(…), max(…)"
                          : fmt::format("aggregate: max by ({}) (…)", fmt::join(c.per, ", ")));
        good = false;
      } else {
        if (ind->kind == Kind::good_slices) {
          auto negated = std::make_shared<sema::Typed>();
          negated->op = TypedOp::shape;
          negated->shape_op = plan::ShapeOp::negate;
          negated->args = {condition};
          negated->type = condition->type;
          negated->span = condition->span;
          condition = negated;
        }
        c.slice = *slice;
        c.slice_condition = condition;
      }
    }
  }
  counts_.push_back(std::move(c));
  counted_.push_back(good);
}

void Declarations::lower_rows(const syntax::BurnBlock& block, const sema::Place& place, plan::Index index) {
  plan::Slo& slo = plan_.slos[index];
  const SloCounts& c = counts_[index];
  for (const syntax::BurnRowNode& node : block.rows) {
    const auto long_w = typer_.duration(node.long_window, place, "the long window");
    const auto short_w = typer_.duration(node.short_window, place, "the short window");
    const TypedPtr amount =
        typer_.number(node.amount, place, node.share ? "the share of the budget" : "the factor");
    if (!long_w || !short_w || amount == nullptr) continue;
    if (long_w->ms <= 0 || short_w->ms <= 0 || amount->value <= 0) {
      const syntax::ExprPtr& wrong = amount->value <= 0 ? node.amount
                                     : long_w->ms <= 0  ? node.long_window
                                                        : node.short_window;
      diagnostics_.report(Code::bad_value, wrong->span, "windows and factors are above zero",
                          "as page 14.4 over 1h & 5m");
      continue;
    }
    if (node.share && amount->value >= 1) {
      diagnostics_.report(Code::bad_value, node.amount->span, "`in` takes a share of the budget, below 100%",
                          "a factor is written with `over`");
      continue;
    }
    plan::BurnRow row;
    row.severity = node.page ? plan::Severity::page : plan::Severity::ticket;
    row.long_window = *long_w;
    row.short_window = *short_w;
    // k = share × W ÷ long; θ = k × (1 − objective).
    std::optional<Rational> factor = amount->exact;
    if (node.share && factor) factor = mul(*factor, *Rational::make(c.period.ms, long_w->ms));
    const std::optional<Rational> theta = factor ? mul(*factor, c.budget) : std::nullopt;
    if (!theta) {
      diagnostics_.report(Code::bad_value, node.amount->span, "this number has too many digits to be exact",
                          "write fewer");
      continue;
    }
    row.factor = factor->to_double();
    row.exact_theta = *theta;
    row.theta = theta->to_double();
    const Window trailing_long{WindowKind::trailing, *long_w, {}, plan::none, {}};
    const Window trailing_short{WindowKind::trailing, *short_w, {}, plan::none, {}};
    row.long_ratio = expressions_.ratio(c, trailing_long, false, false);
    row.short_ratio = expressions_.ratio(c, trailing_short, false, false);
    const auto condition = [&](const Window& lw, const Window& sw, bool raw) {
      const Expressions::Counts l = expressions_.counts(c, lw, raw), s = expressions_.counts(c, sw, raw);
      ShapeCode code;
      std::vector<double> params;
      std::vector<plan::Index> inputs;
      const auto side = [&](const Expressions::Counts& n) {
        inputs.push_back(n.bad);
        std::uint32_t part = code.input();
        inputs.push_back(n.total);
        const std::uint32_t total = code.input();
        part = code.op(plan::ShapeOp::fallback, part, code.param(params, c.absent_part()));
        const std::uint32_t bad = c.part_is_good ? code.op(plan::ShapeOp::sub, total, part) : part;
        const std::uint32_t burning = code.op(plan::ShapeOp::gt, code.op(plan::ShapeOp::ratio, bad, total),
                                              code.param(params, row.theta));
        return std::pair(burning, bad);
      };
      const auto [long_burns, long_bad] = side(l);
      const auto [short_burns, short_bad] = side(s);
      std::uint32_t all = code.op(plan::ShapeOp::both, long_burns, short_burns);
      if (slo.floor > 0) {
        // Rates are per second; slices and raw increments are counts already.
        const bool rates = !slo.slices && !raw;
        const std::uint32_t events =
            rates ? code.op(plan::ShapeOp::mul, long_bad, code.param(params, lw.length.seconds())) : long_bad;
        all = code.op(plan::ShapeOp::both, all,
                      code.op(plan::ShapeOp::ge, events, code.param(params, slo.floor)));
      }
      plan::Matching matching;
      matching.join = plan::Join::unite;
      return graph_.map(code.shape, inputs, params, matching, l.total, node.span);
    };
    row.condition = condition(trailing_long, trailing_short, false);
    if (!slo.slices) {
      const Window clipped_long{WindowKind::since_done, *long_w, {}, plan::none, {}},
          clipped_short{WindowKind::since_done, *short_w, {}, plan::none, {}};
      row.clipped = condition(clipped_long, clipped_short, true);
    }
    row.origin = graph_.origin(node.span);
    for (const auto& [w, ratio] :
         {std::pair(*long_w, row.long_ratio), std::pair(*short_w, row.short_ratio)}) {
      const bool known = std::any_of(slo.windows.begin(), slo.windows.end(),
                                     [window = w](const auto& r) { return r.window == window; });
      if (!known) slo.windows.push_back({w, ratio});
    }
    slo.rows.push_back(std::move(row));
    places_.slos[index].rows.push_back(node.span);
  }
  std::sort(slo.windows.begin(), slo.windows.end(),
            [](const auto& a, const auto& b) { return a.window < b.window; });
}

void Declarations::lower_slo(plan::Index index) {
  const syntax::SloDecl& decl = *scope_.slo_decls[index];
  const SloCounts& c = counts_[index];
  plan::Slo& slo = plan_.slos[index];
  sema::Place place = place_of(decl.span);
  place.per = c.per;
  if (const auto* t = only(decl.about, "about")) slo.about = t->text.value;
  if (const auto* t = only(decl.owner, "owner")) slo.owner = t->text.value;
  if (const auto* t = only(decl.runbook, "runbook")) slo.runbook = t->text.value;
  if (const auto* f = only(decl.floor, "floor")) {
    const TypedPtr n = typer_.number(f->amount, place, "the floor");
    if (n != nullptr && n->value < 0)
      diagnostics_.report(Code::bad_value, f->amount->span, "a floor counts events and is never negative",
                          "as floor 10 bad");
    else if (n != nullptr)
      slo.floor = n->value;
  }
  if (const auto* m = only(decl.missing, "missing")) {
    slo.missing = m->page ? plan::Severity::page : plan::Severity::ticket;
    slo.missing_keep = {};
    if (m->keep != nullptr)
      if (const auto d = typer_.duration(m->keep, place, "`keep for`")) slo.missing_keep = *d;
  }
  if (const auto* i = only(decl.idle, "idle")) {
    if (i->name.text == "keep")
      slo.idle_keeps = true;
    else if (i->name.text != "clear")
      diagnostics_.report(Code::bad_value, i->name.span,
                          fmt::format("`{}` is no rule for idleness", i->name.text),
                          "write idle clear, or idle keep");
  }
  const auto receivers = [&](const std::vector<syntax::NamesClause>& clauses, const char* word,
                             std::vector<plan::Index>& into) {
    if (const auto* r = only(clauses, word))
      for (const syntax::Name& n : r->names)
        if (const auto found = name(scope_.receivers, n, "receiver")) into.push_back(*found);
  };
  receivers(decl.page, "page", slo.page);
  receivers(decl.ticket, "ticket", slo.ticket);
  for (const syntax::Defer& d : decl.defer) {
    const auto policy = name(scope_.policies, d.policy, "policy");
    const auto at_most = typer_.duration(d.at_most, place, "the deferral");
    if (!policy || !at_most) continue;
    slo.defer.push_back({d.page ? plan::Severity::page : plan::Severity::ticket, *policy, *at_most});
    places_.slos[index].defers.push_back(d.span);
  }
  if (!counted_[index]) return;
  const Window period{WindowKind::trailing, c.period, {}, plan::none, {}};
  const Expressions::Counts total = expressions_.counts(c, period, true);
  slo.seen = total.total;
  if (c.part_is_good) {
    ShapeCode code;
    std::vector<double> params;
    std::uint32_t part = code.input();
    const std::uint32_t whole = code.input();
    part = code.op(plan::ShapeOp::fallback, part, code.param(params, c.absent_part()));
    code.op(plan::ShapeOp::sub, whole, part);
    plan::Matching matching;
    matching.join = plan::Join::unite;
    slo.spent = graph_.map(code.shape, {total.bad, total.total}, params, matching, total.total, decl.span);
  } else {
    slo.spent = total.bad;
  }
  slo.coverage = expressions_.coverage(c, c.period);
  slo.universe = expressions_.universe(c);
  const auto* burn = only(decl.burn, "burn");
  if (burn == nullptr) return;
  const auto rows_of = [&](syntax::BurnBlock block) {
    for (const auto& [row, changed] : burn->changed)
      if (row < block.rows.size()) block.rows[row] = changed;
    return block;
  };
  if (burn->block) {
    lower_rows(rows_of(*burn->block), place, index);
  } else {
    std::size_t module = 0;
    const syntax::BurnBlock* table = typer_.burn_table(burn->path, burn->span, place, module);
    if (table != nullptr) {
      sema::Place there = place;
      there.module = module;
      lower_rows(rows_of(*table), there, index);
    }
  }
}

// What pages tells somebody: rows, missing data, and data lost right after a deploy that a policy looks at.
void Declarations::check_pager(plan::Index index) {
  const syntax::SloDecl& decl = *scope_.slo_decls[index];
  const plan::Slo& slo = plan_.slos[index];
  if (!decl.page.empty()) return;
  const std::string& name = decl.name.text;
  const auto nobody = [&](const std::string& what) {
    missing(decl.name.span, fmt::format("slo `{}` {}, and nobody to page", name, what), "page RECEIVER");
  };
  if (std::any_of(slo.rows.begin(), slo.rows.end(),
                  [](const plan::BurnRow& r) { return r.severity == plan::Severity::page; }))
    return nobody("has rows that page");
  if (slo.missing == plan::Severity::page) return nobody("has data whose loss pages");
  if (slo.slices) return;
  for (const plan::Policy& policy : plan_.policies) {
    const auto& anchored = policy.anchored_slos;
    if (std::find(anchored.begin(), anchored.end(), index) == anchored.end()) continue;
    return nobody(fmt::format("has data whose loss pages while `{}` looks at a deploy", policy.name));
  }
}

}  // namespace signalbox::lower
