#include "runtime/base/regex.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

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

namespace {

// How much of the head of `text` is letters, of any script, digits and `_`: what Go takes for a group's name.
std::size_t word_length(std::string_view text) {
  static const RE2 word("[\\p{L}\\p{Nd}_]+");
  re2::StringPiece found;
  const re2::StringPiece whole(text.data(), text.size());
  return word.Match(whole, 0, whole.size(), RE2::ANCHOR_START, &found, 1) ? found.size() : 0;
}

// The group named at the head of `text`, which follows a `$`: its name, and how much of the text it is. Empty
// where there is none.
std::pair<std::string_view, std::size_t> group_name(std::string_view text) {
  const bool braced = text.starts_with('{');
  const std::size_t begin = braced ? 1 : 0, end = begin + word_length(text.substr(begin));
  const std::string_view name = text.substr(begin, end - begin);
  if (name.empty() || (braced && (end == text.size() || text[end] != '}'))) return {};
  return {name, end + (braced ? 1 : 0)};
}

}  // namespace

std::optional<std::string> LabelRegex::rewrite(std::string_view value, std::string_view with) const {
  const RE2& re = impl_->re;
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(re.NumberOfCapturingGroups()) + 1);
  if (!re.Match(re2::StringPiece(value.data(), value.size()), 0, value.size(), RE2::ANCHOR_BOTH,
                groups.data(), static_cast<int>(groups.size())))
    return std::nullopt;
  const auto group = [&](std::string_view name) -> std::size_t {
    const bool number = std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number && name.size() > 1 && name.front() == '0') return groups.size();  // as Go reads it: a name
    if (number) {
      std::size_t n = groups.size();
      std::from_chars(name.data(), name.data() + name.size(), n);
      return n;
    }
    const auto found = re.NamedCapturingGroups().find(std::string(name));
    return found == re.NamedCapturingGroups().end() ? groups.size() : static_cast<std::size_t>(found->second);
  };
  std::string out;
  while (!with.empty()) {
    const std::size_t dollar = with.find('$');
    out += with.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    with.remove_prefix(dollar + 1);
    if (with.starts_with('$')) {
      out += '$';
      with.remove_prefix(1);
      continue;
    }
    const auto [name, length] = group_name(with);
    if (length == 0) {
      out += '$';
      continue;
    }
    if (const std::size_t n = group(name); n < groups.size() && groups[n].data() != nullptr)
      out.append(groups[n].data(), groups[n].size());
    with.remove_prefix(length);
  }
  return out;
}

}  // namespace signalbox
