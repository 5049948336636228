// What nothing names. Only of programs that do something: a file of settings may be the module of another
// program.
#include <fmt/format.h>

#include "compiler/lower/declarations.hpp"

namespace signalbox::lower {

using source::Code;

void Declarations::check_unused(const std::vector<sema::Module>& modules, std::size_t roots) {
  if (plan_.slos.empty() && plan_.policies.empty()) return;
  for (std::size_t m = 0; m < roots; ++m) {
    for (const syntax::Let& let : modules[m].ast.lets) {
      if (typer_.used(&let) || scope_.named_by_lets.count(&let) != 0) continue;
      const bool unchecked = let.has_params || let.burn;
      diagnostics_.report(
          Code::unused_let, let.name.span,
          fmt::format("`{}` is never used{}", let.name.text, unchecked ? ", and so never checked" : ""),
          "use it, or remove it");
    }
  }
  std::set<plan::Index> receivers, targets;
  for (const plan::Slo& slo : plan_.slos) {
    receivers.insert(slo.page.begin(), slo.page.end());
    receivers.insert(slo.ticket.begin(), slo.ticket.end());
  }
  for (const plan::Policy& policy : plan_.policies) {
    receivers.insert({policy.verify.escalate, policy.missing_page});
    targets.insert(policy.target);
  }
  for (const plan::Leaf& leaf : plan_.leaves) targets.insert(leaf.window.target);
  const auto unused = [&](const syntax::Name& name, const char* what) {
    diagnostics_.report(Code::unused_declaration, name.span,
                        fmt::format("{} `{}` is never used", what, name.text), "name it, or remove it");
  };
  for (plan::Index i = 0; i < plan_.receivers.size(); ++i)
    // A heartbeat is all that some receivers are there for.
    if (receivers.count(i) == 0 && plan_.receivers[i].heartbeat.ms == 0)
      unused(scope_.receiver_decls[i]->name, "receiver");
  for (plan::Index i = 0; i < plan_.targets.size(); ++i)
    if (targets.count(i) == 0) unused(scope_.target_decls[i]->name, "target");
}

}  // namespace signalbox::lower
