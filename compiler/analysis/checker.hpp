// The passes behind analyse(). Each states its causes once; what one pass refuses, a later one does not
// explain again.
#pragma once

#include <set>
#include <string>

#include "compiler/analysis/conditions.hpp"
#include "compiler/source/diagnostic.hpp"
#include "compiler/source/places.hpp"

namespace signalbox::analysis {

struct Checker {
  Checker(const plan::Plan& of, const source::Places& where, source::Diagnostics& to)
      : plan(of), places(where), diagnostics(to), facts(of) {}
  const plan::Plan& plan;
  const source::Places& places;
  source::Diagnostics& diagnostics;
  Facts facts;
  std::set<plan::Index> refused;  // nodes whose window was found too short

  source::Span span_of(plan::Index node) const {
    const plan::Index origin = plan.nodes[node].origin;
    return origin < places.origins.size() ? places.origins[origin] : source::Span{};
  }
  Duration two_scrapes() const { return facts.scrape * 2; }
};

// rows.cpp: burn rows and budgets, one SLO at a time.
void check_rows(Checker& checker);
// data.cpp: windows, look-back and sources.
void check_data(Checker& checker);
// policies.cpp: what one policy promises.
void check_policies(Checker& checker);
// conflicts.cpp: declarations in each other's way.
void check_conflicts(Checker& checker);

// Whether two actions undo each other, by their names: `scale_up` and `scale_down`.
bool opposite_names(const std::string& a, const std::string& b);

}  // namespace signalbox::analysis
