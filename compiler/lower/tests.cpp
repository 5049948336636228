#include <fmt/format.h>

#include <algorithm>

#include "compiler/lower/declarations.hpp"
#include "runtime/base/regex.hpp"

namespace signalbox::lower {

using source::Code;

namespace {

const std::vector<std::string> policy_states = {"fires",      "done",       "verified",  "unverified",
                                                "not_helped", "superseded", "escalated", "refused"};
const std::vector<std::string> slo_states = {"pages", "tickets", "clears", "missing"};

bool accepts(const Matcher& m, std::string_view value) {
  switch (m.op) {
    case MatchOp::equal:
      return m.value == value;
    case MatchOp::not_equal:
      return m.value != value;
    default: {
      const auto re = LabelRegex::compile(m.value);
      return re && re->matches(value) == (m.op == MatchOp::regex);
    }
  }
}

bool stated(const plan::RehearsalMoment& m) {
  return m.declaration.empty();
}

bool comes_after(const plan::RehearsalMoment& a, const plan::RehearsalMoment& b) {
  return stated(a) && stated(b) && a.at > b.at;
}
bool comes_not_before(const plan::RehearsalMoment& a, const plan::RehearsalMoment& b) {
  return stated(a) && stated(b) && a.at >= b.at;
}

}  // namespace

std::optional<Duration> Declarations::test_time(const syntax::ExprPtr& amount, const sema::Place& place,
                                                const char* what) {
  const auto d = typer_.duration(amount, place, what);
  if (d && *d > latest_.first) latest_ = {*d, amount->span};
  return d;
}

std::optional<plan::RehearsalMoment> Declarations::moment(const syntax::Moment& m) {
  plan::RehearsalMoment out;
  if (m.amount != nullptr) {
    const auto d = test_time(m.amount, place_of(m.span), "a time since the test's start");
    if (!d) return std::nullopt;
    out.at = *d;
    return out;
  }
  if (scope_.policies.count(m.declaration.text) == 0) {
    name(scope_.policies, m.declaration, "policy");
    return std::nullopt;
  }
  if (std::find(policy_states.begin(), policy_states.end(), m.state.text) == policy_states.end()) {
    diagnostics_.report(Code::unknown_name, m.state.span, fmt::format("a policy is never `{}`", m.state.text),
                        fmt::format("it is: {}", fmt::join(policy_states, ", ")));
    return std::nullopt;
  }
  out.declaration = m.declaration.text;
  out.state = m.state.text;
  return out;
}

// Every tick of a test is worked out.
void Declarations::check_test_length(const syntax::TestDecl& decl) {
  Duration more;
  for (const plan::Policy& p : plan_.policies) more = std::max(more, p.verify.within);
  for (const plan::Slo& s : plan_.slos)
    for (const plan::DeferRule& d : s.defer) more = std::max(more, d.at_most);
  for (const plan::Node& n : plan_.nodes)
    if (n.kind == plan::NodeKind::hold) more = std::max(more, n.hold.time);
  const auto ticks = static_cast<std::uint64_t>((latest_.first + more).ms / plan_.tick.ms);
  if (ticks <= limits_.test_ticks) return;
  diagnostics_.report(Code::program_too_large, latest_.first > more ? latest_.second : decl.name.span,
                      fmt::format("this test would run for {} ticks of {}; a test has at most {}", ticks,
                                  to_string(plan_.tick), limits_.test_ticks),
                      fmt::format("it runs to the last time that it names and the longest `within`, `defer` "
                                  "and `for`: keep that within {}",
                                  to_string(plan_.tick * static_cast<std::int64_t>(limits_.test_ticks))));
}

void Declarations::lower_test(const syntax::TestDecl& decl, std::vector<plan::Rehearsal>& rehearsals) {
  if (const auto [it, fresh] = test_names_.emplace(decl.name.value, decl.name.span); !fresh)
    diagnostics_
        .report(Code::duplicate_name, decl.name.span,
                fmt::format("test \"{}\" stands twice", decl.name.value), "rename one of them")
        .notes.push_back({it->second, "it stands here first"});
  latest_ = {};
  std::map<std::string, source::Span> given;  // by labels
  plan::Rehearsal r;
  r.name = decl.name.value;
  r.origin = plan_.origins[graph_.origin(decl.name.span)];
  std::vector<source::Span> spans;
  const sema::Place place = place_of(decl.span);
  for (const syntax::Given& g : decl.given) {
    using Kind = syntax::Given::Kind;
    switch (g.kind) {
      case Kind::event: {
        const auto target = name(scope_.targets, g.name, "target");
        if (!target) break;
        if (g.member.text != "deployed") {
          diagnostics_.report(Code::unknown_name, g.member.span,
                              fmt::format("a target has no event `{}`", g.member.text),
                              "its event is `deployed`");
          break;
        }
        if (plan_.targets.size() > *target && plan_.targets[*target].deployed == plan::none)
          missing(g.span, fmt::format("target `{}` does not say how its deploys are seen", g.name.text),
                  "deployed metric NAME");
        if (const auto at = test_time(g.at, place, "the time of the deploy"))
          r.deploys.push_back({*target, *at});
        break;
      }
      case Kind::target_fails: {
        const auto target = name(scope_.targets, g.name, "target");
        if (!target) break;
        const auto& actions = plan_.targets[*target].actions;
        if (std::none_of(actions.begin(), actions.end(),
                         [&](const auto& a) { return a.name == g.member.text; })) {
          diagnostics_.report(Code::unknown_name, g.member.span,
                              fmt::format("target `{}` has no action `{}`", g.name.text, g.member.text));
          break;
        }
        r.targets.push_back({*target, g.member.text, {}});
        break;
      }
      case Kind::target_answers: {
        const auto target = name(scope_.targets, g.name, "target");
        const auto after = test_time(g.at, place, "the delay");
        if (target && after) r.targets.push_back({*target, "", *after});
        break;
      }
      case Kind::receiver_fails:
        if (const auto receiver = name(scope_.receivers, g.name, "receiver"))
          r.failing_receivers.push_back(*receiver);
        break;
      case Kind::series: {
        plan::GivenSeries s;
        std::vector<Labels::Pair> pairs = {{std::string(metric_name_label), g.name.text}};
        bool good = true;
        for (const syntax::MatcherNode& m : g.matchers) {
          std::string value;
          if (m.text) {
            value = m.text->value;
          } else if (const auto p = scope_.params.find(m.name->text);
                     p != scope_.params.end() && p->second->op == sema::TypedOp::text) {
            value = p->second->text;
          } else {
            diagnostics_.report(Code::unknown_name, m.name->span,
                                fmt::format("no text parameter is called `{}`", m.name->text),
                                "a literal value is written in quotes");
            good = false;
          }
          if (m.op != MatchOp::equal) {
            diagnostics_.report(Code::bad_value, m.span, "a given series has labels, not conditions on them",
                                "write label=\"value\"");
            good = false;
          }
          pairs.emplace_back(m.label.text, value);
        }
        if (!good) break;
        s.labels = Labels(std::move(pairs));
        if (g.pattern == syntax::Given::Pattern::none) {
          missing(g.span, "this series has no values", "rate 100/s, value 5, or values 1 2 3");
          break;
        }
        s.pattern = g.pattern == syntax::Given::Pattern::rate    ? plan::GivenSeries::Pattern::rate
                    : g.pattern == syntax::Given::Pattern::value ? plan::GivenSeries::Pattern::value
                                                                 : plan::GivenSeries::Pattern::values;
        double scale = 1;
        if (g.rate_unit) {
          const std::string& unit = g.rate_unit->text;
          scale = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
          if (scale == 0)
            diagnostics_.report(Code::bad_value, g.rate_unit->span,
                                fmt::format("`{}` is no unit of time", unit), "as rate 100/s");
        }
        for (std::size_t i = 0; i < g.amounts.size(); ++i) {
          const sema::TypedPtr n = typer_.type(g.amounts[i], place);
          if (n == nullptr) continue;
          if (!n->constant()) {
            diagnostics_.report(Code::bad_value, g.amounts[i]->span, "a given value is a constant");
            continue;
          }
          s.numbers.push_back((g.negative[i] ? -1 : 1) * n->value / (scale == 0 ? 1 : scale));
          if (s.pattern == plan::GivenSeries::Pattern::rate && s.numbers.back() < 0)
            diagnostics_.report(Code::bad_value, g.amounts[i]->span,
                                "a counter never falls, and a rate is never negative",
                                "a restart is `resets at T`; what rises and falls is given as values 5 4 3");
        }
        if (s.numbers.empty()) break;
        const auto at = [&](const std::optional<syntax::Moment>& m,
                            std::optional<plan::RehearsalMoment>& into) {
          if (m) into = moment(*m);
        };
        at(g.from, s.from);
        at(g.until, s.until);
        at(g.appears, s.appears);
        for (const syntax::Moment& m : g.resets)
          if (const auto when = moment(m)) s.resets.push_back(*when);
        for (const auto& [a, b] : g.gaps) {
          const auto from = moment(a), until = moment(b);
          if (!from || !until) continue;
          s.gaps.emplace_back(*from, *until);
          if (comes_not_before(*from, *until))
            diagnostics_.report(Code::bad_value, b.span,
                                "this gap ends before it begins: no sample is left out",
                                "as gap from 20m until 22m");
        }
        if (s.from && s.until && comes_not_before(*s.from, *s.until))
          diagnostics_.report(Code::bad_value, g.until->span, "this ends before it begins: nothing is given",
                              "as from 10m until 20m");
        const bool seen =
            plan_.leaves.empty() ||
            std::any_of(plan_.leaves.begin(), plan_.leaves.end(), [&](const plan::Leaf& leaf) {
              return std::all_of(leaf.matchers.begin(), leaf.matchers.end(),
                                 [&](const Matcher& m) { return accepts(m, s.labels.get(m.label)); });
            });
        if (!seen) {
          std::vector<std::string> metrics;
          for (const plan::Leaf& leaf : plan_.leaves)
            for (const Matcher& m : leaf.matchers)
              if (m.label == metric_name_label && m.op == MatchOp::equal) metrics.push_back(m.value);
          const std::string near = source::nearest(g.name.text, metrics);
          diagnostics_.report(Code::given_matches_nothing, g.span,
                              fmt::format("no selector of the program matches {}", to_string(s.labels)),
                              near.empty() || near == g.name.text
                                  ? "compare its labels with the program's selectors"
                                  : fmt::format("did you mean `{}`?", near));
        }
        if (const auto [it, fresh] = given.emplace(to_string(s.labels), g.span); !fresh)
          diagnostics_
              .report(Code::duplicate_name, g.span, fmt::format("{} is given twice", it->first),
                      "give it once: values 1 2 3 say what no rate does")
              .notes.push_back({it->second, "it is given here first"});
        r.series.push_back(std::move(s));
        spans.push_back(g.span);
        break;
      }
    }
  }
  for (const syntax::Expect& e : decl.expect) {
    plan::Expectation x;
    x.negated = e.negated;
    x.name = e.name.text;
    x.origin = plan_.origins[graph_.origin(e.span)];
    if (e.message) {
      x.kind = e.page ? plan::Expectation::Kind::page : plan::Expectation::Kind::ticket;
      if (!name(scope_.receivers, e.name, "receiver")) continue;
    } else {
      x.state = e.state.text;
      const bool policy = scope_.policies.count(e.name.text) != 0, slo = scope_.slos.count(e.name.text) != 0;
      if (!policy && !slo) {
        name(scope_.policies, e.name, "policy or slo");
        continue;
      }
      const auto& states = policy ? policy_states : slo_states;
      if (std::find(states.begin(), states.end(), e.state.text) == states.end()) {
        const std::string near = source::nearest(e.state.text, states);
        diagnostics_.report(Code::unknown_name, e.state.span,
                            fmt::format("{} never `{}`", policy ? "a policy" : "an slo", e.state.text),
                            near.empty() ? fmt::format("it {}", fmt::join(states, ", "))
                                         : fmt::format("did you mean `{}`?", near));
        continue;
      }
    }
    if (e.when) {
      using Kind = syntax::ExpectSpan::Kind;
      x.when = e.when->kind == Kind::between  ? plan::Expectation::When::between
               : e.when->kind == Kind::after  ? plan::Expectation::When::after
               : e.when->kind == Kind::before ? plan::Expectation::When::before
                                              : plan::Expectation::When::at;
      const auto first = moment(e.when->first);
      if (!first) continue;
      x.first = *first;
      if (e.when->kind == Kind::between) {
        const auto second = moment(e.when->second);
        if (!second) continue;
        x.second = *second;
        if (comes_after(x.first, x.second))
          diagnostics_.report(
              Code::bad_value, e.when->second.span,
              "this comes before the other moment: nothing lies between them",
              fmt::format("write: between {} and {}", to_string(x.second.at), to_string(x.first.at)));
      }
    }
    r.expectations.push_back(std::move(x));
  }
  check_test_length(decl);
  if (decl.expect.empty())
    missing(decl.name.span, "this test expects nothing", "expect POLICY fires between 1h and 1h1m");
  rehearsals.push_back(std::move(r));
  places_.given.push_back(std::move(spans));
}

}  // namespace signalbox::lower
