#include "runtime/base/regex.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

namespace signalbox {

struct LabelRegex::Impl {
  RE2 re;
};

Result<LabelRegex> LabelRegex::compile(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(1 << 20);
  auto impl = std::shared_ptr<Impl>(new Impl{RE2(re2::StringPiece(pattern.data(), pattern.size()), options)});
  if (!impl->re.ok()) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("'{}' is not a regular expression: {}", pattern, impl->re.error())};
  }
  LabelRegex out;
  out.impl_ = std::move(impl);
  return out;
}

bool LabelRegex::matches(std::string_view value) const {
  return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), impl_->re);
}

}  // namespace signalbox
