// Declarations to the plan's tables: each clause required or at most once, amounts constant and of the right
// unit.
#pragma once

#include <set>

#include "compiler/lower/compile.hpp"
#include "compiler/lower/expressions.hpp"
#include "compiler/sema/typer.hpp"

namespace signalbox::lower {

class Declarations {
 public:
  Declarations(plan::Plan& plan, Places& places, const source::SourceSet& sources, const sema::Scope& scope,
               const Limits& limits, source::Diagnostics& diagnostics)
      : plan_(plan),
        places_(places),
        sources_(sources),
        scope_(scope),
        limits_(limits),
        diagnostics_(diagnostics),
        typer_(scope, limits, diagnostics),
        graph_(plan, sources),
        expressions_(graph_) {}

  void lower_all(const std::vector<sema::Module>& modules, std::size_t roots,
                 std::vector<plan::Rehearsal>& rehearsals);
  sema::Typer& typer() { return typer_; }
  Expressions& expressions() { return expressions_; }
  const std::vector<source::Span>& origins() const { return graph_.origins(); }

 private:
  // settings.cpp
  void lower_tick(const std::vector<sema::Module>& modules, std::size_t roots);
  void lower_source(const syntax::SourceDecl& decl);
  void lower_receiver(const syntax::ReceiverDecl& decl);
  void lower_target(const syntax::TargetDecl& decl);
  plan::Action lower_action(const syntax::ActionNode& node);
  std::optional<Duration> answer_time(const syntax::AmountClause& clause, const sema::Place& place);
  bool check_url(const syntax::Text& url);
  // slos.cpp
  void count_slo(const syntax::SloDecl& decl);
  bool check_counts(const sema::TypedPtr& t, const syntax::SloDecl& decl, std::set<const sema::Typed*>& seen);
  void lower_slo(plan::Index index);
  void lower_rows(const syntax::BurnBlock& block, const sema::Place& place, plan::Index index);
  void check_pager(plan::Index index);
  // slo_readings.cpp
  struct SloReading {
    plan::Index by;
    source::Span span;
  };
  void check_slo_readings();
  bool measure_slo(plan::Index index, std::vector<SloReading>& way);
  void report_cycle(std::vector<SloReading> cycle);
  // policies.cpp
  void lower_policy(plan::Index index);
  void lower_verify(const syntax::PolicyDecl& decl, const syntax::VerifyNode& node, const sema::Place& place,
                    plan::Policy& policy);
  sema::TypedPtr truth(const syntax::ExprPtr& expr, const sema::Place& place,
                       const std::vector<std::string>& per);
  void find_anchor(const sema::TypedPtr& t, plan::Policy& policy, std::set<const sema::Typed*>& seen);
  bool one_truth(const sema::TypedPtr& t, const std::vector<std::string>& per, source::Span span);
  // unused.cpp
  void check_unused(const std::vector<sema::Module>& modules, std::size_t roots);
  // tests.cpp
  void lower_test(const syntax::TestDecl& decl, std::vector<plan::Rehearsal>& rehearsals);
  void check_test_length(const syntax::TestDecl& decl);
  std::optional<plan::RehearsalMoment> moment(const syntax::Moment& m);
  std::optional<Duration> test_time(const syntax::ExprPtr& amount, const sema::Place& place,
                                    const char* what);

  template <class T>
  const T* only(const std::vector<T>& clauses, const char* word) {
    for (std::size_t i = 1; i < clauses.size(); ++i)
      diagnostics_
          .report(source::Code::duplicate_clause, clauses[i].span, std::string("`") + word + "` stands twice",
                  "keep one")
          .notes.push_back({clauses[0].span, "it stands here first"});
    return clauses.empty() ? nullptr : &clauses[0];
  }
  void missing(source::Span span, const std::string& what, const std::string& form) {
    diagnostics_.report(source::Code::missing_clause, span, what, "add: " + form);
  }
  std::optional<plan::Index> name(const std::map<std::string, std::uint32_t>& names, const syntax::Name& name,
                                  const char* what);
  std::vector<std::string> labels(const std::optional<syntax::Per>& per, std::uint32_t& max);
  sema::Place place_of(source::Span span) const;

  plan::Plan& plan_;
  Places& places_;
  const source::SourceSet& sources_;
  const sema::Scope& scope_;
  const Limits& limits_;
  source::Diagnostics& diagnostics_;
  sema::Typer typer_;
  Graph graph_;
  Expressions expressions_;
  std::vector<SloCounts> counts_;
  std::vector<bool> counted_;  // whether an SLO's indicator could be read
  // How many operations of an SLO and those it reads stand on top of each other; 0 until it is measured.
  std::vector<std::size_t> slo_depth_;
  bool slos_too_deep_ = false;  // said
  std::map<std::uint32_t, std::size_t> module_of_file_;
  struct Said {
    std::int64_t value;
    source::Span span;
  };
  std::optional<Said> lookback_, semantics_;  // of the sources so far
  std::map<std::string, source::Span> test_names_;
  std::pair<Duration, source::Span> latest_;  // the last time that the test at hand names
};

}  // namespace signalbox::lower
