#include "compiler/sema/scope.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "compiler/sema/functions.hpp"
#include "compiler/syntax/later.hpp"

namespace signalbox::sema {
namespace {

using source::Code;
using source::Diagnostics;

bool ends_with(std::string_view s, std::string_view tail) {
  return s.size() > tail.size() && s.substr(s.size() - tail.size()) == tail;
}

Unit unit_of_name(const std::string& unit) {
  if (unit == "seconds") return {true, false, 1, 0};
  if (unit == "bytes") return {true, false, 0, 1};
  return {true, false, 0, 0};
}

class Collector {
 public:
  Collector(Scope& scope, Diagnostics& diagnostics) : scope_(scope), diagnostics_(diagnostics) {}

  // Declarations of a program share one name space: a record names them without saying their kind.
  bool claim(const syntax::Name& name) {
    const auto [it, fresh] = places_.emplace(name.text, name.span);
    if (fresh) return true;
    diagnostics_
        .report(Code::duplicate_name, name.span, fmt::format("`{}` is declared twice", name.text),
                "rename one of them")
        .notes.push_back({it->second, "declared here first"});
    return false;
  }

  template <class Decl>
  void add(const Decl& decl, std::map<std::string, std::uint32_t>& names, std::vector<const Decl*>& list) {
    if (!claim(decl.name)) return;
    names[decl.name.text] = static_cast<std::uint32_t>(list.size());
    list.push_back(&decl);
  }

  void add_metric(const syntax::MetricNode& node) {
    MetricFacts facts;
    facts.declared = true;
    facts.span = node.span;
    if (node.kind.text == "counter")
      facts.kind = MetricKind::counter;
    else if (node.kind.text == "gauge")
      facts.kind = MetricKind::gauge;
    else if (node.kind.text == "histogram")
      facts.kind = MetricKind::histogram;
    else if (node.kind.text == "native_histogram")
      facts.kind = MetricKind::native_histogram;
    else
      diagnostics_.report(Code::bad_value, node.kind.span,
                          fmt::format("`{}` is no kind of metric", node.kind.text),
                          "kinds are counter, gauge, histogram and native_histogram");
    if (node.unit) {
      static const std::vector<std::string> units = {"seconds",  "bytes",  "ratio",
                                                     "requests", "events", "count"};
      facts.unit = unit_of_name(node.unit->text);
      if (syntax::is_currency(node.unit->text))
        diagnostics_.report(Code::not_yet, node.unit->span, syntax::later_money, syntax::later_money_hint);
      else if (std::find(units.begin(), units.end(), node.unit->text) == units.end())
        diagnostics_.report(Code::bad_value, node.unit->span, fmt::format("`{}` is no unit", node.unit->text),
                            "units are seconds, bytes, ratio, requests, events and count");
    } else {
      facts.unit = metric_facts(scope_, node.name.text).unit;
      facts.unit.assumed = facts.unit.known;
    }
    facts.only = node.only;
    for (const syntax::Name& label : node.labels) facts.labels.push_back(label.text);
    std::sort(facts.labels.begin(), facts.labels.end());
    const auto [it, fresh] = scope_.metrics.emplace(node.name.text, facts);
    if (!fresh)
      diagnostics_
          .report(Code::duplicate_name, node.name.span,
                  fmt::format("metric `{}` is declared twice", node.name.text), "remove one")
          .notes.push_back({it->second.span, "declared here first"});
  }

 private:
  Scope& scope_;
  Diagnostics& diagnostics_;
  std::map<std::string, Span> places_;
};

TypedPtr text_constant(std::string value, Span span) {
  auto t = std::make_shared<Typed>();
  t->op = TypedOp::text;
  t->type.sort = Sort::text;
  t->type.rows.scalar = true;
  t->text = std::move(value);
  t->span = span;
  return t;
}

// A parameter's value as written on a command line: the type says how it reads.
TypedPtr param_value(const std::string& type, const std::string& text, Span span) {
  if (type == "text") return text_constant(text, span);
  auto t = std::make_shared<Typed>();
  t->type.rows.scalar = true;
  t->type.unit.known = true;
  t->span = span;
  if (type == "duration") {
    const auto d = parse_duration(text);
    if (!d) return nullptr;
    t->exact = Rational::make(d->ms, 1000);
    t->value = d->seconds();
    t->type.unit.time = 1;
    return t;
  }
  std::string_view digits = text;
  long long scale = 1;
  if (!digits.empty() && digits.back() == '%' && type == "ratio") {
    digits.remove_suffix(1);
    scale = 100;
  }
  const bool negative = !digits.empty() && digits.front() == '-';
  const auto exact = Rational::parse_decimal(negative ? digits.substr(1) : digits);
  if (!exact) return nullptr;
  t->exact = mul(*exact, *Rational::make(negative ? -1 : 1, scale));
  if (!t->exact) return nullptr;
  t->value = t->exact->to_double();
  return t;
}

}  // namespace

MetricFacts metric_facts(const Scope& scope, const std::string& name) {
  if (const auto it = scope.metrics.find(name); it != scope.metrics.end()) return it->second;
  for (const char* part : {"_bucket", "_sum", "_count"}) {
    if (!ends_with(name, part)) continue;
    const auto family = scope.metrics.find(name.substr(0, name.size() - std::string_view(part).size()));
    if (family == scope.metrics.end() || family->second.kind != MetricKind::histogram) break;
    MetricFacts facts = family->second;
    facts.kind = part == std::string_view("_bucket") ? MetricKind::bucket : MetricKind::counter;
    if (part != std::string_view("_sum")) facts.unit = {true, false, 0, 0};
    if (part == std::string_view("_bucket")) {
      facts.labels.push_back("le");
      std::sort(facts.labels.begin(), facts.labels.end());
    }
    return facts;
  }
  MetricFacts facts;
  std::string base = name;
  if (ends_with(base, "_total")) {
    facts.kind = MetricKind::counter;
    base.resize(base.size() - 6);
  } else if (ends_with(base, "_bucket")) {
    facts.kind = MetricKind::bucket;
    facts.unit = {true, true, 0, 0};
    return facts;
  }
  if (ends_with(base, "_seconds"))
    facts.unit = {true, true, 1, 0};
  else if (ends_with(base, "_bytes"))
    facts.unit = {true, true, 0, 1};
  else if (ends_with(base, "_ratio") || facts.kind == MetricKind::counter)
    facts.unit = {true, true, 0, 0};
  return facts;
}

Scope build_scope(const std::vector<Module>& modules, std::size_t roots,
                  const std::map<std::string, std::string>& params, Diagnostics& diagnostics) {
  Scope scope;
  scope.modules = &modules;
  scope.roots = roots;
  Collector collect(scope, diagnostics);
  std::map<std::string, Span> param_places;
  for (std::size_t m = 0; m < modules.size(); ++m) {
    const syntax::File& ast = modules[m].ast;
    // Files of one program share their lets; a module keeps its own.
    const std::size_t home = m < roots ? 0 : m;
    if (scope.lets.size() <= m) scope.lets.resize(m + 1);
    for (const syntax::Let& let : ast.lets) {
      if (is_function(let.name.text))
        diagnostics.report(Code::duplicate_name, let.name.span,
                           fmt::format("`{}` is a function of the language", let.name.text),
                           "choose another name");
      std::set<std::string> known;
      for (const syntax::Name& name : let.params)
        if (!known.insert(name.text).second)
          diagnostics.report(Code::duplicate_name, name.span,
                             fmt::format("parameter `{}` stands twice", name.text), "rename one of them");
      const auto [it, fresh] = scope.lets[home].emplace(let.name.text, &let);
      if (!fresh)
        diagnostics
            .report(Code::duplicate_name, let.name.span, fmt::format("`let {}` stands twice", let.name.text),
                    "rename one of them")
            .notes.push_back({it->second->name.span, "defined here first"});
    }
    for (const syntax::MetricNode& metric : ast.metrics) collect.add_metric(metric);
    for (const syntax::Param& param : ast.params) {
      static const std::vector<std::string> types = {"text", "number", "duration", "ratio"};
      const bool known_type = std::find(types.begin(), types.end(), param.type.text) != types.end();
      if (!known_type)
        diagnostics.report(Code::bad_value, param.type.span,
                           fmt::format("`{}` is no type of parameter", param.type.text),
                           "types are text, number, duration and ratio");
      const auto [place, fresh] = param_places.emplace(param.name.text, param.name.span);
      if (!fresh) {
        diagnostics
            .report(Code::duplicate_name, param.name.span,
                    fmt::format("`param {}` stands twice", param.name.text), "remove one")
            .notes.push_back({place->second, "declared here first"});
        continue;
      }
      TypedPtr value;
      if (!known_type) {
        // What it would be read as is not known.
      } else if (const auto given = params.find(param.name.text); given != params.end()) {
        value = param_value(param.type.text, given->second, param.span);
        if (value == nullptr)
          diagnostics.report(
              Code::bad_param, param.span,
              fmt::format("--param {}={}: not a {}", param.name.text, given->second, param.type.text));
      } else if (param.fallback != nullptr) {
        const syntax::Expr& e = *param.fallback;
        if (e.kind == syntax::ExprKind::text && param.type.text == "text")
          value = text_constant(e.text, e.span);
        else if (e.kind == syntax::ExprKind::number && param.type.text != "text")
          value = param_value(param.type.text, e.text, e.span);
        if (value == nullptr)
          diagnostics.report(Code::bad_param, e.span,
                             fmt::format("this default is not a {}", param.type.text));
      } else {
        diagnostics.report(Code::missing_param, param.span, fmt::format("`{}` has no value", param.name.text),
                           fmt::format("give it one: --param {}=…", param.name.text));
      }
      for (std::size_t other = 0; other < scope.lets.size(); ++other) {
        const auto let = scope.lets[other].find(param.name.text);
        if (let == scope.lets[other].end()) continue;
        diagnostics
            .report(Code::duplicate_name, param.name.span,
                    fmt::format("`{}` is a parameter and a `let`", param.name.text), "rename one of them")
            .notes.push_back({let->second->name.span, "the `let`"});
      }
      scope.params[param.name.text] = value;
    }
    if (m >= roots) continue;
    for (const auto& d : ast.sources) collect.add(d, scope.sources, scope.source_decls);
    for (const auto& d : ast.receivers) collect.add(d, scope.receivers, scope.receiver_decls);
    for (const auto& d : ast.slos) collect.add(d, scope.slos, scope.slo_decls);
    for (const auto& d : ast.targets) collect.add(d, scope.targets, scope.target_decls);
    for (const auto& d : ast.policies) collect.add(d, scope.policies, scope.policy_decls);
  }
  find_recursion(scope, diagnostics);
  for (const auto& [name, value] : params) {
    if (param_places.count(name) != 0) continue;
    std::vector<std::string> names;
    names.reserve(param_places.size());
    for (const auto& [known, place] : param_places) names.push_back(known);
    const std::string near = source::nearest(name, names);
    diagnostics.report(Code::bad_param, {modules.empty() ? 0 : modules[0].ast.file, 0, 0},
                       fmt::format("--param {}: the program has no such parameter", name),
                       near.empty() ? "" : fmt::format("did you mean `{}`?", near));
  }
  return scope;
}

std::string_view describe(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return "a counter";
    case MetricKind::gauge:
      return "a gauge";
    case MetricKind::histogram:
      return "a histogram";
    case MetricKind::bucket:
      return "a histogram's buckets";
    case MetricKind::native_histogram:
      return "a native histogram";
    case MetricKind::unknown:
      break;
  }
  return "a metric of unknown kind";
}

std::string describe(const Unit& unit) {
  if (!unit.known) return "a value of unknown unit";
  if (unit.plain()) return "a plain number";
  if (unit.time == 1 && unit.bytes == 0) return "a time";
  if (unit.time == 0 && unit.bytes == 1) return "a size in bytes";
  if (unit.time == -1 && unit.bytes == 0) return "a rate per second";
  if (unit.time == -1 && unit.bytes == 1) return "bytes per second";
  if (unit.bytes == 0) return fmt::format("a value in s^{}", unit.time);
  if (unit.time == 0) return fmt::format("a value in B^{}", unit.bytes);
  return fmt::format("a value in s^{} B^{}", unit.time, unit.bytes);
}

std::string describe(const RowType& rows) {
  if (rows.scalar) return "one number";
  if (rows.closed && rows.labels.empty()) return "one row";
  if (rows.labels.empty()) return "a row per series";
  return fmt::format("{}({})", rows.closed ? "one row per " : "a row per series with at least ",
                     fmt::join(rows.labels, ", "));
}

}  // namespace signalbox::sema
