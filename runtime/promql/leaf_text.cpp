#include "runtime/promql/leaf_text.hpp"

#include "runtime/base/labels.hpp"

namespace signalbox::promql {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

bool plain_name(const std::string& name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':'))
      return false;
  return true;
}

}  // namespace

std::string duration_text(Duration d) {
  return to_string(d);
}

std::string selector_text(const std::vector<Matcher>& matchers) {
  std::string name, rest;
  for (const Matcher& m : matchers) {
    if (m.label == metric_name_label && m.op == MatchOp::equal && name.empty() && plain_name(m.value)) {
      name = m.value;
      continue;
    }
    rest += (rest.empty() ? "" : ",") + m.label + std::string(match_op_text(m.op)) + quoted(m.value);
  }
  return rest.empty() ? name : name + "{" + rest + "}";
}

std::optional<std::string> leaf_text(const plan::Leaf& leaf) {
  const plan::Window& window = leaf.window;
  const bool sample = leaf.fn == plan::LeafFn::sample && window.kind == plan::WindowKind::instant;
  const bool range = leaf.fn == plan::LeafFn::range && window.kind == plan::WindowKind::trailing;
  if ((!sample && !range) || window.at || (range && range_fn_params(leaf.range_fn) > 0)) return std::nullopt;
  std::string text = selector_text(leaf.matchers);
  if (range) text += "[" + duration_text(window.length) + "]";
  if (window.offset.ms != 0) text += " offset " + duration_text(window.offset);
  if (!range) return text;
  return std::string(range_fn_name(leaf.range_fn)) + "(" + text + ")";
}

}  // namespace signalbox::promql
