#include "compiler/lower/compile.hpp"

#include "compiler/analysis/checks.hpp"
#include "compiler/lower/declarations.hpp"
#include "compiler/lower/promql.hpp"
#include "compiler/syntax/parser.hpp"
#include "stdlib/stdlib.hpp"

namespace signalbox::lower {

namespace {

sema::ModuleLoader with_library(const sema::ModuleLoader& loader) {
  return [&loader](const std::string& module) -> std::optional<std::string> {
    if (auto text = stdlib_module(module)) return std::string(*text);
    return loader ? loader(module) : std::nullopt;
  };
}

}  // namespace

void Declarations::lower_all(const std::vector<sema::Module>& modules, std::size_t roots,
                             std::vector<plan::Rehearsal>& rehearsals) {
  for (std::size_t m = 0; m < modules.size(); ++m) module_of_file_[modules[m].ast.file] = m;
  lower_tick(modules, roots);
  for (const auto* d : scope_.source_decls) lower_source(*d);
  for (const auto* d : scope_.receiver_decls) lower_receiver(*d);
  for (const auto* d : scope_.target_decls) lower_target(*d);
  for (const auto* d : scope_.slo_decls) count_slo(*d);
  check_slo_readings();
  expressions_.set_slos(&counts_);
  for (plan::Index i = 0; i < scope_.slo_decls.size(); ++i) {
    plan::Slo slo;
    slo.name = scope_.slo_decls[i]->name.text;
    slo.per = counts_[i].per;
    slo.max_instances = 1;
    if (scope_.slo_decls[i]->per)
      if (const auto n =
              typer_.count(scope_.slo_decls[i]->per->max, place_of(scope_.slo_decls[i]->span), "`max`", 1))
        slo.max_instances = *n;
    slo.objective = sub(Rational(1), counts_[i].budget).value_or(Rational(0));
    slo.period = counts_[i].period;
    slo.slices = counts_[i].slice_condition != nullptr;
    slo.slice = counts_[i].slice;
    slo.traffic = counts_[i].traffic;
    slo.least_coverage = counts_[i].least_coverage;
    slo.origin = graph_.origin(scope_.slo_decls[i]->span);
    plan_.slos.push_back(std::move(slo));
    SloSpans spans;
    spans.name = scope_.slo_decls[i]->name.span;
    if (!scope_.slo_decls[i]->objective.empty()) spans.objective = scope_.slo_decls[i]->objective[0].span;
    if (!scope_.slo_decls[i]->traffic.empty()) spans.traffic = scope_.slo_decls[i]->traffic[0].span;
    if (!scope_.slo_decls[i]->burn.empty()) spans.burn = scope_.slo_decls[i]->burn[0].span;
    places_.slos.push_back(std::move(spans));
  }
  plan_.policies.resize(scope_.policy_decls.size());
  places_.policies.resize(scope_.policy_decls.size());
  // Lets that no declaration uses are still read, so that their faults are found.
  for (std::size_t m = 0; m < modules.size(); ++m) {
    sema::Place place;
    place.module = m;
    place.in_verify = true;
    for (const syntax::Let& let : modules[m].ast.lets)
      if (!let.has_params && let.value != nullptr) typer_.type(let.value, place);
  }
  // A conditions on an SLO whose indicator could not be read says nothing new.
  bool all_counted = true;
  for (bool good : counted_) all_counted = all_counted && good;
  for (plan::Index i = 0; i < scope_.slo_decls.size(); ++i) lower_slo(i);
  if (all_counted)
    for (plan::Index i = 0; i < scope_.policy_decls.size(); ++i) lower_policy(i);
  for (plan::Index i = 0; i < scope_.slo_decls.size(); ++i) check_pager(i);
  if (diagnostics_.has_errors()) return;
  for (std::size_t m = 0; m < modules.size(); ++m)
    for (const syntax::TestDecl& test : modules[m].ast.tests)
      if (m < roots) lower_test(test, rehearsals);
  if (!diagnostics_.has_errors()) check_unused(modules, roots);
}

namespace {

Compiled compile_unsorted(std::vector<Input> inputs, const CompileOptions& options) {
  Compiled out;
  std::vector<std::uint32_t> roots;
  std::string program;
  for (Input& input : inputs) {
    // Without its folder: it is the same program from wherever it is named.
    program += (program.empty() ? "" : ",") + input.name.substr(input.name.find_last_of('/') + 1);
    roots.push_back(out.sources.add(std::move(input.name), std::move(input.text)));
  }
  const sema::ModuleLoader loader = with_library(options.loader);
  auto modules = sema::load_modules(out.sources, roots, loader, options.limits, out.diagnostics);
  if (out.diagnostics.has_errors()) return out;
  for (const sema::Threshold& t : sema::thresholds_of(modules, roots.size(), out.sources))
    out.changeable.push_back({t.declaration, t.keys[0], t.written, t.set_hold != nullptr});
  if (!options.edits.empty())
    sema::apply_edits(modules, roots.size(), options.edits, out.sources, options.limits, out.diagnostics);
  if (out.diagnostics.has_errors()) return out;
  const sema::Scope scope = sema::build_scope(modules, roots.size(), options.params, out.diagnostics);
  plan::Plan plan;
  plan.name = program;
  Declarations lowering(plan, out.places, out.sources, scope, options.limits, out.diagnostics);
  lowering.lower_all(modules, roots.size(), out.rehearsals);
  out.places.origins = lowering.origins();
  if (!out.diagnostics.has_errors()) analysis::analyse(plan, out.places, out.diagnostics);
  if (!out.diagnostics.has_errors()) out.plan = std::move(plan);
  return out;
}

}  // namespace

Compiled compile(std::vector<Input> inputs, const CompileOptions& options) {
  Compiled out = compile_unsorted(std::move(inputs), options);
  out.diagnostics.sort_by_place();
  return out;
}

CompiledQuery compile_query(const std::string& text, const CompileOptions& options) {
  CompiledQuery out;
  const std::uint32_t file = out.sources.add("expression", text);
  const syntax::ExprPtr expr = syntax::parse_query(out.sources, file, options.limits, out.diagnostics);
  if (expr == nullptr) return out;
  std::vector<sema::Module> modules(1);
  modules[0].ast.file = file;
  // An expression has no `param` settings: whatever is given is text, or a number where it reads as one.
  sema::Scope scope = sema::build_scope(modules, 1, {}, out.diagnostics);
  for (const auto& [name, value] : options.params) {
    auto t = std::make_shared<sema::Typed>();
    t->type.rows.scalar = true;
    const auto exact = Rational::parse_decimal(value);
    if (exact) {
      t->exact = exact;
      t->value = exact->to_double();
      t->type.unit.known = true;
    } else {
      t->op = sema::TypedOp::text;
      t->type.sort = sema::Sort::text;
      t->text = value;
    }
    scope.params[name] = t;
  }
  sema::Typer typer(scope, options.limits, out.diagnostics);
  const sema::TypedPtr typed = typer.type(expr, {});
  if (typed == nullptr || out.diagnostics.has_errors()) return out;
  if (typed->type.sort == sema::Sort::range || typed->type.sort == sema::Sort::text) {
    out.diagnostics.report(
        source::Code::type_clash, expr->span,
        typed->type.sort == sema::Sort::text ? "a text is not a value" : "a range is not a value",
        "put it in a function over ranges, as rate(…)");
    return out;
  }
  plan::Plan plan;
  Graph graph(plan, out.sources);
  Expressions expressions(graph);
  const std::vector<SloCounts> no_slos;
  expressions.set_slos(&no_slos);
  out.root = expressions.lower(typed);
  out.plan = std::move(plan);
  return out;
}

CompiledQuery compile_promql(const std::string& text, std::optional<std::pair<Instant, Instant>> range,
                             const CompileOptions& options) {
  CompiledQuery out;
  const std::uint32_t file = out.sources.add("expression", text);
  PromqlOptions promql;
  promql.range = range;
  promql.place = [file](std::size_t begin, std::size_t end) {
    return source::Span{file, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
  };
  const promql_text::Parsed parsed = promql_text::parse(text, {options.limits.nesting, range.has_value()});
  if (const auto& fault = parsed.fault) {
    out.diagnostics.report(source::Code::bad_promql, promql.place(fault->begin, fault->end), fault->message,
                           fault->hint);
    return out;
  }
  const promql_text::Expr& top = promql_text::bare(*parsed.expr);
  out.is_range = top.sort == promql_text::Sort::matrix;
  plan::Plan plan;
  if (top.sort == promql_text::Sort::text) {
    out.literal = top.text;
  } else {
    Graph graph(plan, out.sources);
    out.root = lower_promql(graph, *parsed.expr, promql);
  }
  out.plan = std::move(plan);
  return out;
}

}  // namespace signalbox::lower
