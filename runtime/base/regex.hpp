// Label regexes: RE2's syntax, anchored at both ends, in time linear in the text. The one place that sees
// RE2.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace signalbox {

class LabelRegex {
 public:
  // Fails on what RE2 refuses, and on patterns whose automaton would be larger than 1 MiB.
  static Result<LabelRegex> compile(std::string_view pattern);
  bool matches(std::string_view value) const;
  // `with` with $1, ${name} and $$ replaced by what the groups matched (nothing, for groups that there are
  // not); nothing when the value does not match.
  std::optional<std::string> rewrite(std::string_view value, std::string_view with) const;

  struct Impl;  // RE2's, hidden

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace signalbox
