#include <fmt/format.h>

#include <algorithm>

#include "compiler/lower/declarations.hpp"

namespace signalbox::lower {

using source::Code;

sema::Place Declarations::place_of(source::Span span) const {
  sema::Place place;
  const auto it = module_of_file_.find(span.file);
  if (it != module_of_file_.end()) place.module = it->second;
  return place;
}

std::optional<plan::Index> Declarations::name(const std::map<std::string, std::uint32_t>& names,
                                              const syntax::Name& n, const char* what) {
  const auto it = names.find(n.text);
  if (it != names.end()) return it->second;
  std::vector<std::string> known;
  for (const auto& [text, index] : names) known.push_back(text);
  const std::string near = source::nearest(n.text, known);
  diagnostics_.report(Code::unknown_name, n.span, fmt::format("no {} is called `{}`", what, n.text),
                      !near.empty()   ? fmt::format("did you mean `{}`?", near)
                      : known.empty() ? std::string_view(what).find(' ') != std::string_view::npos
                                            ? "declare it"
                                            : fmt::format("declare one: {} {} …", what, n.text)
                                      : fmt::format("there is: {}", fmt::join(known, ", ")));
  return std::nullopt;
}

std::vector<std::string> Declarations::labels(const std::optional<syntax::Per>& per, std::uint32_t& max) {
  std::vector<std::string> out;
  max = 1;
  if (!per) return out;
  if (per->labels.size() > limits_.labels_per_series) {
    diagnostics_.report(Code::program_too_large, per->labels[limits_.labels_per_series].span,
                        fmt::format("a series has at most {} labels", limits_.labels_per_series),
                        "name those that an instance is known by");
    return out;
  }
  for (const syntax::Name& n : per->labels) {
    if (std::find(out.begin(), out.end(), n.text) != out.end())
      diagnostics_.report(Code::label_clash, n.span, fmt::format("label `{}` stands twice", n.text),
                          "remove one");
    else
      out.push_back(n.text);
  }
  if (out.empty())
    diagnostics_.report(Code::bad_value, per->span, "`per` names at least one label",
                        "as per (region) max 50");
  std::sort(out.begin(), out.end());
  if (const auto n = typer_.count(per->max, place_of(per->span), "`max`", 1)) max = *n;
  return out;
}

bool Declarations::check_url(const syntax::Text& url) {
  const std::string& u = url.value;
  const std::size_t scheme = u.find("://");
  const bool http = u.rfind("http://", 0) == 0 || u.rfind("https://", 0) == 0;
  const std::string rest = scheme == std::string::npos ? "" : u.substr(scheme + 3);
  const std::string host = rest.substr(0, rest.find_first_of("/?#"));
  if (!http || host.empty() || host.find('*') != std::string::npos) {
    diagnostics_.report(Code::empty_target, url.span, fmt::format("\"{}\" is not an address of one thing", u),
                        "write http://HOST[:PORT]/PATH or https://…, with no wildcard");
    return false;
  }
  if (host.find('@') != std::string::npos) {
    diagnostics_.report(Code::bad_value, url.span, "an address holds no user or password",
                        "give a `secret` instead");
    return false;
  }
  for (char c : u) {
    if (static_cast<unsigned char>(c) > 0x20 && c != 0x7f) continue;
    diagnostics_.report(Code::bad_value, url.span, "an address holds no spaces or control characters",
                        "write %20 for a space");
    return false;
  }
  return true;
}

void Declarations::lower_tick(const std::vector<sema::Module>& modules, std::size_t roots) {
  const syntax::TickSetting* first = nullptr;
  for (std::size_t m = 0; m < roots; ++m) {
    for (const syntax::TickSetting& tick : modules[m].ast.ticks) {
      if (first != nullptr) {
        diagnostics_
            .report(Code::duplicate_clause, tick.span, "`tick` stands twice: a program has one grid",
                    "keep one")
            .notes.push_back({first->span, "it stands here first"});
        continue;
      }
      first = &tick;
      const auto step = typer_.duration(tick.step, place_of(tick.span), "the tick");
      if (step && step->ms < 100)
        diagnostics_.report(Code::bad_value, tick.step->span, "a tick is at least 100ms", "as tick 5s");
      else if (step)
        plan_.tick = *step;
      if (tick.phase != nullptr) {
        const auto phase = typer_.duration(tick.phase, place_of(tick.span), "the phase");
        if (phase && phase->ms >= plan_.tick.ms)
          diagnostics_.report(Code::bad_value, tick.phase->span, "the phase is shorter than the tick");
        else if (phase)
          plan_.phase = *phase;
      }
    }
  }
}

void Declarations::lower_source(const syntax::SourceDecl& decl) {
  plan::Source s;
  s.name = decl.name.text;
  s.origin = graph_.origin(decl.span);
  places_.sources.push_back(decl.span);
  const sema::Place place = place_of(decl.span);
  if (decl.type.text == "scrape")
    s.type = plan::SourceType::scrape;
  else if (decl.type.text == "prometheus")
    s.type = plan::SourceType::prometheus;
  else
    diagnostics_.report(Code::bad_value, decl.type.span,
                        fmt::format("`{}` is no kind of source", decl.type.text),
                        "sources are scrape and prometheus");
  if (const auto* url = only(decl.url, "url")) {
    for (const syntax::Text& u : url->urls)
      if (check_url(u)) s.urls.push_back(u.value);
  } else {
    missing(decl.name.span, fmt::format("source `{}` has no address", s.name),
            "url \"http://127.0.0.1:8080/metrics\"");
  }
  s.every = plan_.tick;
  const auto read = [&](const std::vector<syntax::AmountClause>& clauses, const char* word, Duration least,
                        Duration& into) {
    const auto* c = only(clauses, word);
    if (c == nullptr) return;
    const auto d = typer_.duration(c->amount, place, word);
    if (!d) return;
    if (d->ms < least.ms)
      diagnostics_.report(Code::bad_value, c->amount->span,
                          fmt::format("`{}` is at least {}", word, to_string(least)));
    else
      into = *d;
  };
  read(decl.every, "every", milliseconds(100), s.every);
  // A scrape that is given up leaves time to decide in the tick that waits for it.
  if (decl.timeout.empty())
    s.timeout = Duration{std::min({plan_.tick.ms * 4 / 5, s.every.ms * 4 / 5, std::int64_t{10'000}})};
  read(decl.settle, "settle", {}, s.settle);
  read(decl.timeout, "timeout", milliseconds(10), s.timeout);
  read(decl.lookback, "lookback", milliseconds(1), plan_.lookback);
  // Both are the program's: what is computed does not depend on where a sample came from.
  const auto agree = [&](const std::vector<syntax::AmountClause>& clauses, const char* word,
                         std::optional<Said>& said, std::int64_t value) {
    if (clauses.empty()) return;
    if (said && said->value != value)
      diagnostics_
          .report(Code::bad_value, clauses[0].span, fmt::format("sources of one program have one `{}`", word),
                  "make them equal")
          .notes.push_back({said->span, "another one is stated here"});
    else
      said = Said{value, clauses[0].span};
  };
  agree(decl.lookback, "lookback", lookback_, plan_.lookback.ms);
  if (s.timeout > s.every) {
    diagnostics_.report(Code::bad_value, decl.timeout[0].span,
                        "a scrape that takes longer than `every` never ends in time",
                        fmt::format("at most {}", to_string(s.every)));
  }
  if (s.settle > plan_.tick)
    diagnostics_.report(
        Code::settle_exceeds_tick, decl.settle[0].span,
        fmt::format("decisions are {} behind the world, longer than a tick", to_string(s.settle)));
  if (const auto* c = only(decl.semantics, "semantics")) {
    const auto v = typer_.count(c->amount, place, "`semantics`", 2);
    if (v && *v > 3)
      diagnostics_.report(Code::bad_value, c->amount->span,
                          "semantics are 2 or 3: Prometheus' major version");
    else if (v)
      plan_.semantics = *v == 2 ? Semantics::prometheus2 : Semantics::prometheus3;
    if (v) agree(decl.semantics, "semantics", semantics_, *v);
  }
  plan_.sources.push_back(std::move(s));
}

std::optional<Duration> Declarations::answer_time(const syntax::AmountClause& clause,
                                                  const sema::Place& place) {
  const auto d = typer_.duration(clause.amount, place, "timeout");
  if (!d || d->ms >= 10) return d;
  diagnostics_.report(Code::bad_value, clause.amount->span, "`timeout` is at least 10ms", "as timeout 3s");
  return std::nullopt;
}

void Declarations::lower_receiver(const syntax::ReceiverDecl& decl) {
  plan::Receiver r;
  r.name = decl.name.text;
  r.origin = graph_.origin(decl.span);
  const sema::Place place = place_of(decl.span);
  r.timeout = limits_.effect_timeout;
  const bool webhook = decl.type.text == "webhook", log = decl.type.text == "log";
  if (webhook)
    r.type = plan::ReceiverType::webhook;
  else if (!log)
    diagnostics_.report(Code::bad_value, decl.type.span,
                        fmt::format("`{}` is no kind of receiver", decl.type.text),
                        "receivers are webhook and log");
  const auto* url = only(decl.url, "url");
  if (webhook) {
    if (url == nullptr)
      missing(decl.name.span, fmt::format("receiver `{}` has no address", r.name),
              "url \"https://pager.example/hook\"");
    else if (url->urls.size() > 1)
      diagnostics_.report(Code::bad_value, url->span, "a receiver has one address",
                          "declare another receiver");
    else if (check_url(url->urls[0]))
      r.url = url->urls[0].value;
  } else if (log && url != nullptr) {
    diagnostics_.report(Code::bad_value, url->span, "a log has no address", "remove it, or say `is webhook`");
  }
  if (const auto* c = only(decl.secret, "secret")) r.secret = c->name.text;
  if (const auto* c = only(decl.timeout, "timeout"))
    if (const auto d = answer_time(*c, place)) r.timeout = *d;
  if (const auto* c = only(decl.heartbeat, "heartbeat")) {
    const auto d = typer_.duration(c->amount, place, "heartbeat");
    if (d && d->ms < 1000)
      diagnostics_.report(Code::bad_value, c->amount->span, "a heartbeat is at most one a second");
    else if (d)
      r.heartbeat = *d;
  }
  plan_.receivers.push_back(std::move(r));
}

plan::Action Declarations::lower_action(const syntax::ActionNode& node) {
  plan::Action a;
  a.name = node.name.text;
  a.origin = graph_.origin(node.span);
  const std::string& d = node.delivery.text;
  if (d == "idempotent")
    a.delivery = plan::Delivery::idempotent;
  else if (d == "once")
    a.delivery = plan::Delivery::once;
  else if (d != "unsafe")
    diagnostics_.report(Code::bad_value, node.delivery.span,
                        fmt::format("`{}` says nothing about sending twice", d),
                        "idempotent: sent again after a lost answer; once: the target is asked first; "
                        "unsafe: a person is asked");
  a.method = node.call.method.text;
  if (a.method != "POST" && a.method != "PUT" && a.method != "PATCH" && a.method != "DELETE")
    diagnostics_.report(Code::bad_value, node.call.method.span,
                        fmt::format("`{}` is no method of an action", a.method),
                        "use POST, PUT, PATCH or DELETE");
  if (check_url(node.call.url)) a.url = node.call.url.value;
  for (const syntax::BodyField& f : node.body) {
    plan::BodyValue v;
    v.key = f.key.text;
    if (f.text) {
      v.text = f.text->value;
    } else if (f.name) {
      using Kind = plan::BodyValue::Kind;
      if (f.name->text == "previous_version")
        v.kind = Kind::previous_version;
      else if (f.name->text == "current_version")
        v.kind = Kind::current_version;
      else if (f.name->text == "episode")
        v.kind = Kind::episode;
      else if (const auto p = scope_.params.find(f.name->text); p != scope_.params.end()) {
        if (p->second == nullptr) continue;
        if (p->second->op == sema::TypedOp::text) {
          v.text = p->second->text;
        } else {
          v.kind = Kind::number;
          v.number = p->second->value;
        }
      } else
        diagnostics_.report(Code::unknown_name, f.name->span,
                            fmt::format("`{}` is nothing a body can hold", f.name->text),
                            "it can hold previous_version, current_version, episode, a parameter, a text in "
                            "quotes, or a number");
    } else {
      v.kind = plan::BodyValue::Kind::number;
      if (const auto n = typer_.number(f.amount, place_of(node.span), "a field of the body"))
        v.number = n->value;
    }
    a.body.push_back(std::move(v));
  }
  return a;
}

void Declarations::lower_target(const syntax::TargetDecl& decl) {
  plan::Target t;
  t.name = decl.name.text;
  t.origin = graph_.origin(decl.span);
  t.timeout = limits_.effect_timeout;
  places_.targets.push_back(decl.span);
  const sema::Place place = place_of(decl.span);
  if (decl.type.text != "http")
    diagnostics_.report(
        decl.type.text == "kubernetes" || decl.type.text == "haproxy" ? Code::not_yet : Code::bad_value,
        decl.type.span,
        fmt::format("targets of kind `{}` are not supported{}", decl.type.text,
                    decl.type.text == "kubernetes" || decl.type.text == "haproxy" ? " yet" : ""),
        "a target is http");
  else if (decl.empty())
    diagnostics_.report(
        Code::empty_target, decl.name.span,
        fmt::format("target `{}` is empty: nothing can be asked of it, and nothing done to it", t.name),
        "give it an action, or a deployed metric");
  if (const auto* v = only(decl.version, "version")) {
    if (v->method.text != "GET")
      diagnostics_.report(Code::bad_value, v->method.span, "a version is read with GET");
    if (check_url(v->url)) t.version_url = v->url.value;
  }
  if (const auto* d = only(decl.deployed, "deployed")) {
    const sema::TypedPtr m = typer_.type(d->metric, place);
    if (m != nullptr && m->op != sema::TypedOp::selector) {
      diagnostics_.report(Code::type_clash, d->metric->span,
                          "deploys are seen in a metric that holds the time of the last one",
                          "as: deployed metric checkout_deployed_timestamp_seconds");
    } else if (m != nullptr) {
      plan::Leaf leaf;
      leaf.matchers = m->matchers;
      t.deployed = graph_.aggregate(plan::Aggregate::max, graph_.leaf_node(leaf, d->span), {}, d->span);
    }
  }
  if (const auto* s = only(decl.secret, "secret")) t.secret = s->name.text;
  if (const auto* c = only(decl.timeout, "timeout"))
    if (const auto d = answer_time(*c, place)) t.timeout = *d;
  std::set<std::string> names;
  for (const syntax::ActionNode& node : decl.action) {
    if (!names.insert(node.name.text).second)
      diagnostics_.report(Code::duplicate_name, node.name.span,
                          fmt::format("action `{}` stands twice", node.name.text), "rename one of them");
    plan::Action action = lower_action(node);
    const bool versioned = std::any_of(action.body.begin(), action.body.end(), [](const plan::BodyValue& v) {
      return v.kind == plan::BodyValue::Kind::previous_version ||
             v.kind == plan::BodyValue::Kind::current_version;
    });
    if ((versioned || action.delivery == plan::Delivery::once) && decl.version.empty())
      missing(node.name.span,
              fmt::format("action `{}` needs to know what runs, and target `{}` does not say how to ask",
                          action.name, t.name),
              "version GET \"http://…/version\"");
    t.actions.push_back(std::move(action));
  }
  plan_.targets.push_back(std::move(t));
}

}  // namespace signalbox::lower
