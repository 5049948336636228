// What is wrong with a plan that can be computed: rules that cannot do what they say, and rules in each
// other's way.
#pragma once

#include "compiler/source/diagnostic.hpp"
#include "compiler/source/places.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::analysis {

// For plans that were compiled without errors; `places` is of the same compilation.
void analyse(const plan::Plan& plan, const source::Places& places, source::Diagnostics& diagnostics);

}  // namespace signalbox::analysis
