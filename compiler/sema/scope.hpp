// Who is called what: parameters, lets, metrics, and the declarations that expressions may name.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "compiler/sema/modules.hpp"
#include "compiler/sema/typed.hpp"

namespace signalbox::sema {

struct MetricFacts {
  MetricKind kind = MetricKind::unknown;
  Unit unit;
  bool declared = false, only = false;
  std::vector<std::string> labels;  // sorted
  Span span;
};

struct Scope {
  const std::vector<Module>* modules = nullptr;
  std::size_t roots = 1;
  std::map<std::string, TypedPtr>
      params;  // values from outside or their defaults; null where neither can be read
  std::vector<std::map<std::string, const syntax::Let*>> lets;  // by module
  std::set<const syntax::Let*> recursive_lets, named_by_lets;
  std::map<std::string, MetricFacts> metrics;  // declared ones
  std::map<std::string, std::uint32_t> slos, targets, policies, receivers, sources;
  std::vector<const syntax::SloDecl*> slo_decls;
  std::vector<const syntax::TargetDecl*> target_decls;
  std::vector<const syntax::PolicyDecl*> policy_decls;
  std::vector<const syntax::ReceiverDecl*> receiver_decls;
  std::vector<const syntax::SourceDecl*> source_decls;
};

// Collects and checks names: duplicates (with the other place), params (missing, unknown, unreadable values).
Scope build_scope(const std::vector<Module>& modules, std::size_t roots,
                  const std::map<std::string, std::string>& params, source::Diagnostics& diagnostics);

// Reports lets that are defined by themselves, and fills in `recursive_lets` and `named_by_lets`.
void find_recursion(Scope& scope, source::Diagnostics& diagnostics);

// What is known of a metric: its declaration, or what its name says by OpenMetrics' conventions.
MetricFacts metric_facts(const Scope& scope, const std::string& name);

}  // namespace signalbox::sema
