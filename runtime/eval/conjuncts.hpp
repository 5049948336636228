// What a condition is the conjunction of. Where one part is known to be false the whole is, whatever the
// others are: what only they look at need not be looked at.
#pragma once

#include <vector>

#include "runtime/plan/shape.hpp"

namespace signalbox::eval {

struct Conjunct {
  plan::Shape shape;                  // its inputs and parameters are numbered as the whole's
  std::vector<std::uint32_t> inputs;  // that it reads, rising
};

// The operands of the `both`s that a shape ends with, in the order of its text; none where it ends otherwise.
std::vector<Conjunct> conjuncts_of(const plan::Shape& shape);

}  // namespace signalbox::eval
