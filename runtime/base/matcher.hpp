// Label matchers, ready to be asked.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/promql_terms.hpp"
#include "runtime/base/regex.hpp"

namespace signalbox {

// Keeps a reference to the matcher it was made of.
class CompiledMatcher {
 public:
  // A broken regex is `invalid_argument`.
  static Result<CompiledMatcher> compile(const Matcher& matcher);
  // An absent label is asked about as "".
  bool accepts(std::string_view value) const;
  bool accepts(const Labels& labels) const { return accepts(labels.get(matcher_->label)); }
  const Matcher& matcher() const { return *matcher_; }

 private:
  explicit CompiledMatcher(const Matcher& matcher) : matcher_(&matcher) {}
  const Matcher* matcher_;
  std::optional<LabelRegex> regex_;
};

// All matchers of a selector. `invalid_argument` when one is broken, and when none refuses the empty string:
// such a selector would find everything.
Result<std::vector<CompiledMatcher>> compile_selector(const std::vector<Matcher>& matchers);

}  // namespace signalbox
