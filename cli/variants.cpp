#include "cli/variants.hpp"

#include <algorithm>
#include <set>

namespace signalbox::cli {
namespace {

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\n");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

}  // namespace

Changes read_changes(const std::string& flag, const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    if (parts.empty() || part.find('=') != std::string::npos)
      parts.push_back(part);
    else
      parts.back() += "," + part;
    at = comma + 1;
  }
  Changes out;
  for (const std::string& part : parts) {
    const std::string one = trimmed(part);
    const std::size_t equals = one.find('=');
    if (one.starts_with("param ") && equals != std::string::npos)
      out.params[trimmed(one.substr(6, equals - 6))] = one.substr(equals + 1);
    else
      out.edits.push_back({flag, one});
  }
  return out;
}

lower::Compiled compile_variant(const ProgramTexts& texts, const Params& params, const Changes& changes) {
  Params all = params;
  for (const auto& [name, value] : changes.params) all[name] = value;
  return compile_texts(texts, all, changes.edits);
}

std::string new_diagnostics(const lower::Compiled& variant, const lower::Compiled& as_written) {
  const auto same = [](const source::Diagnostic& a, const source::Diagnostic& b) {
    return a.code == b.code && a.span == b.span && a.message == b.message;
  };
  source::Diagnostics fresh;
  const auto& known = as_written.diagnostics.all();
  for (const source::Diagnostic& d : variant.diagnostics.all()) {
    if (std::any_of(known.begin(), known.end(), [&](const auto& k) { return same(k, d); })) continue;
    fresh.report(d.code, d.span, d.message, d.hint).notes = d.notes;
  }
  return fresh.all().empty() ? "" : source::render_text(fresh, variant.sources);
}

plan::Plan what_is_read(const std::vector<const plan::Plan*>& plans) {
  const plan::Plan* const longest =
      *std::max_element(plans.begin(), plans.end(), [](const plan::Plan* a, const plan::Plan* b) {
        return plan::longest_window(*a) < plan::longest_window(*b);
      });
  plan::Plan out = *longest;
  std::set<std::string> known;
  for (const plan::Leaf& leaf : out.leaves) known.insert(plan::to_bytes(leaf));
  for (const plan::Plan* plan : plans) {
    out.lookback = std::max(out.lookback, plan->lookback);
    for (const plan::Leaf& leaf : plan->leaves)
      if (known.insert(plan::to_bytes(leaf)).second) out.leaves.push_back(leaf);
  }
  return out;
}

}  // namespace signalbox::cli
