#include "compiler/source/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace signalbox::source {
namespace {

struct CodeRow {
  std::string_view name;
  Level level;
};
constexpr CodeRow code_table[] = {
#define D(name, text, severity) {text, Level::severity},
    SIGNALBOX_DIAGNOSTICS(D)
#undef D
};

nlohmann::ordered_json place(const SourceText& text, std::uint32_t byte) {
  const Position p = text.position(byte);
  return {{"line", p.line}, {"column", p.column}, {"byte", byte}};
}

nlohmann::ordered_json range(Span span, const SourceSet& sources) {
  const SourceText& text = sources[span.file];
  return {{"file", text.name()}, {"begin", place(text, span.begin)}, {"end", place(text, span.end)}};
}

// The line with carets under the span. Very long lines are cut around the place.
std::string excerpt(Span span, const SourceSet& sources) {
  const SourceText& text = sources[span.file];
  const Position from = text.position(span.begin), to = text.position(std::max(span.begin, span.end));
  const std::string_view line = text.line(from.line);
  if (line.size() > 400) return {};
  std::string out = fmt::format("{:>5} | {}\n      | ", from.line, line);
  std::uint32_t column = 1;
  for (char c : line) {
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;
    if (column++ >= from.column) break;
    out += c == '\t' ? '\t' : ' ';
  }
  std::uint32_t width = to.line == from.line && to.column > from.column ? to.column - from.column : 1;
  if (to.line != from.line) {
    std::uint32_t points = 0;
    for (char c : line) points += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    width = points >= from.column ? points - from.column + 1 : 1;
  }
  return out + std::string(width, '^') + "\n";
}

}  // namespace

std::string_view code_name(Code code) {
  return code_table[static_cast<int>(code)].name;
}
Level code_level(Code code) {
  return code_table[static_cast<int>(code)].level;
}

Diagnostic& Diagnostics::report(Code code, Span span, std::string message, std::string hint) {
  for (const Diagnostic& d : list_) {
    if (d.code == code && d.span == span) {
      overflow_ = {};
      return overflow_;
    }
  }
  if (code_level(code) == Level::error) ++errors_;
  if (list_.size() >= most_) {
    ++dropped_;
    // An error is never hidden behind warnings.
    const auto warning = std::find_if(list_.rbegin(), list_.rend(),
                                      [](const Diagnostic& d) { return d.level() == Level::warning; });
    if (code_level(code) == Level::warning || warning == list_.rend()) {
      overflow_ = {};
      return overflow_;
    }
    list_.erase(std::next(warning).base());
  }
  list_.push_back({code, span, std::move(message), std::move(hint), {}});
  return list_.back();
}

void Diagnostics::sort_by_place() {
  std::stable_sort(list_.begin(), list_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.span.file, a.span.begin) < std::pair(b.span.file, b.span.begin);
  });
}

std::string render_text(const Diagnostics& diagnostics, const SourceSet& sources) {
  std::string out;
  for (const Diagnostic& d : diagnostics.all()) {
    const SourceText& text = sources[d.span.file];
    const Position at = text.position(d.span.begin);
    out += fmt::format("{}:{}:{}: {}: {} [{}]\n{}", text.name(), at.line, at.column,
                       d.level() == Level::error ? "error" : "warning", d.message, code_name(d.code),
                       excerpt(d.span, sources));
    for (const Note& n : d.notes) {
      const SourceText& other = sources[n.span.file];
      const Position p = other.position(n.span.begin);
      out += fmt::format("{}:{}:{}: note: {}\n{}", other.name(), p.line, p.column, n.message,
                         excerpt(n.span, sources));
    }
    if (!d.hint.empty()) out += fmt::format("      help: {}\n", d.hint);
  }
  if (diagnostics.dropped() > 0) out += fmt::format("… and {} more\n", diagnostics.dropped());
  return out;
}

std::string render_json(const Diagnostics& diagnostics, const SourceSet& sources) {
  auto list = nlohmann::ordered_json::array();
  for (const Diagnostic& d : diagnostics.all()) {
    nlohmann::ordered_json entry = {{"code", code_name(d.code)},
                                    {"severity", d.level() == Level::error ? "error" : "warning"},
                                    {"message", d.message},
                                    {"hint", d.hint}};
    entry.update(range(d.span, sources));
    entry["notes"] = nlohmann::ordered_json::array();
    for (const Note& n : d.notes) {
      nlohmann::ordered_json note = {{"message", n.message}};
      note.update(range(n.span, sources));
      entry["notes"].push_back(std::move(note));
    }
    list.push_back(std::move(entry));
  }
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace signalbox::source
