// A program of one SLO out of a larger one.
#pragma once

#include "runtime/plan/plan.hpp"

namespace signalbox::plan {

// Whether SLOs are decided each by itself: nothing acts, nothing is anchored on a deploy, nothing is
// deferred.
bool is_slo_by_slo(const Plan& plan);

// The SLO with what it reads, and the program's sources and receivers. Its decisions, events and budgets are
// those of the SLO in the program, which is_slo_by_slo(); its digest is another.
Plan slice_of(const Plan& plan, Index slo);

}  // namespace signalbox::plan
