// The amounts of a program that a variant of it may have otherwise, by name: objectives, burn rows, holds,
// guards. They are places in the tree as it was parsed; what a variant means is worked out after, by the
// same compiler.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/sema/modules.hpp"

namespace signalbox::sema {

struct NewAmount {
  syntax::ExprPtr literal;
  bool scale = false;  // what is written is multiplied by it
};

struct Threshold {
  std::string declaration;        // the slo or policy it stands in
  std::vector<std::string> keys;  // what it is called there; the first is its own, others may be shared
  std::string written;            // as text; "" where the clause is absent and its default counts
  // One of both is set. They change the tree, and may be called once.
  std::function<void(const NewAmount&)> set_amount;
  std::function<void(const syntax::Hold&)> set_hold;

  bool is_called(const std::string& key) const;  // with the declaration and a dot before it, or without
};

// In the order of the text. `modules` and `sources` outlive them, and nothing is added to `modules`
// meanwhile. Texts that they change are added to `sources`.
std::vector<Threshold> thresholds_of(std::vector<Module>& modules, std::size_t roots,
                                     source::SourceSet& sources);

}  // namespace signalbox::sema
