#include "runtime/base/matcher.hpp"

#include <algorithm>
#include <utility>

namespace signalbox {

Result<CompiledMatcher> CompiledMatcher::compile(const Matcher& matcher) {
  CompiledMatcher out(matcher);
  if (matcher.op == MatchOp::regex || matcher.op == MatchOp::not_regex) {
    auto regex = LabelRegex::compile(matcher.value);
    if (!regex) return regex.error();
    out.regex_ = *std::move(regex);
  }
  return out;
}

bool CompiledMatcher::accepts(std::string_view value) const {
  switch (matcher_->op) {
    case MatchOp::equal:
      return value == matcher_->value;
    case MatchOp::not_equal:
      return value != matcher_->value;
    case MatchOp::regex:
      return regex_->matches(value);
    case MatchOp::not_regex:
      return !regex_->matches(value);
  }
  return false;
}

Result<std::vector<CompiledMatcher>> compile_selector(const std::vector<Matcher>& matchers) {
  std::vector<CompiledMatcher> compiled;
  compiled.reserve(matchers.size());
  for (const Matcher& matcher : matchers) {
    auto one = CompiledMatcher::compile(matcher);
    if (!one) return one.error();
    compiled.push_back(*std::move(one));
  }
  if (std::all_of(compiled.begin(), compiled.end(), [](const auto& one) { return one.accepts(""); }))
    return Error{ErrorCode::invalid_argument, "the selector matches series without any of its labels",
                 "add a metric name or a matcher that refuses the empty string"};
  return compiled;
}

}  // namespace signalbox
