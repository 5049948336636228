#include "runtime/promql/leaf_text.hpp"

#include "runtime/base/labels.hpp"

namespace signalbox::promql {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') out += "\\n";
    else out += c;
  }
  return out + "\"";
}

bool plain_name(const std::string& name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':')) return false;
  return true;
}

}  // namespace

std::string duration_text(Duration d) { return to_string(d); }

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

}  // namespace signalbox::promql
