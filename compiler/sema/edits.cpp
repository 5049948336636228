#include "compiler/sema/edits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "compiler/syntax/parser.hpp"

namespace signalbox::sema {
namespace {

using source::Code;
using source::Span;
using syntax::ExprPtr;

constexpr std::size_t longest_edit = 1000;  // bytes: no key and no literal is nearly as long
constexpr std::size_t most_listed = 40;
constexpr std::string_view blanks = " \t\r\n";

std::string all_of(const std::vector<Threshold>& thresholds) {
  std::string out;
  for (std::size_t i = 0; i < std::min(thresholds.size(), most_listed); ++i) {
    const Threshold& t = thresholds[i];
    out += fmt::format("{}{}.{}", i > 0 ? ", " : "", t.declaration, t.keys[0]);
    if (!t.written.empty() && t.written.size() < 50 && t.written.find('\n') == std::string::npos)
      out += fmt::format(" ({})", t.written);
  }
  if (thresholds.size() > most_listed) out += fmt::format(", and {} more", thresholds.size() - most_listed);
  return out;
}

class Editor {
 public:
  Editor(std::vector<Threshold> thresholds, source::SourceSet& sources, const Limits& limits,
         source::Diagnostics& diagnostics)
      : thresholds_(std::move(thresholds)),
        changed_by_(thresholds_.size()),
        sources_(sources),
        limits_(limits),
        diagnostics_(diagnostics) {}

  void apply(const Edit& edit) {
    flag_ = edit.flag;
    text_ = edit.text;
    if (text_.size() > longest_edit) {
      file_ = sources_.add(flag_, text_.substr(0, 40) + " …");
      return fail({0, 1}, fmt::format("more than {} bytes for one change", longest_edit), "");
    }
    file_ = sources_.add(flag_, text_);
    if (source::first_invalid_utf8(text_) != std::string_view::npos) {
      diagnostics_.report(Code::invalid_utf8, {file_, 0, 0}, "this is not UTF-8");
      return;
    }
    const std::size_t equals = text_.find('=');
    const Part key = trimmed(0, std::min(equals, text_.size()));
    if (equals == std::string::npos || key.first == key.second)
      return fail({0, text_.size()}, "a change is KEY=VALUE", "as objective=99.95%");
    const Part value = trimmed(equals + 1, text_.size());
    if (value.first == value.second) return fail(key, "there is no value", "as objective=99.95%");
    const std::string name = of(key);
    std::vector<std::size_t> meant;
    for (std::size_t i = 0; i < thresholds_.size(); ++i)
      if (thresholds_[i].is_called(name)) meant.push_back(i);
    if (meant.empty()) return unknown(name, key);
    for (const std::size_t i : meant) {
      if (!changed_by_[i]) {
        changed_by_[i] = span(key);
        continue;
      }
      diagnostics_
          .report(Code::duplicate_clause, span(key),
                  fmt::format("`{}.{}` is changed twice", thresholds_[i].declaration, thresholds_[i].keys[0]),
                  "name each threshold once in a variant")
          .notes.push_back({*changed_by_[i], "here first"});
      return;
    }
    if (thresholds_[meant[0]].set_hold) {
      if (const auto hold = read_hold(value))
        for (const std::size_t i : meant) thresholds_[i].set_hold(*hold);
      return;
    }
    const auto amount = read_amount(value);
    if (!amount) return;
    for (const std::size_t i : meant) {
      if (amount->scale && thresholds_[i].written.empty())
        return fail(
            value, fmt::format("`{}` has no `{}` that could be multiplied", thresholds_[i].declaration, name),
            "write the amount itself");
      thresholds_[i].set_amount(*amount);
    }
  }

 private:
  using Part = std::pair<std::size_t, std::size_t>;  // of text_

  std::string of(Part p) const { return text_.substr(p.first, p.second - p.first); }
  Span span(Part p) const {
    return {file_, static_cast<std::uint32_t>(p.first), static_cast<std::uint32_t>(p.second)};
  }
  void fail(Part at, std::string message, std::string hint) {
    diagnostics_.report(Code::bad_value, span(at), std::move(message), std::move(hint));
  }
  Part trimmed(std::size_t begin, std::size_t end) const {
    begin = std::min(text_.find_first_not_of(blanks, begin), end);
    while (end > begin && blanks.find(text_[end - 1]) != std::string_view::npos) --end;
    return {begin, end};
  }
  std::vector<Part> words(Part p) const {
    std::vector<Part> out;
    for (std::size_t at = p.first; at < p.second;) {
      const std::size_t begin = std::min(text_.find_first_not_of(blanks, at), p.second);
      at = std::min(text_.find_first_of(blanks, begin), p.second);
      if (begin < at) out.emplace_back(begin, at);
    }
    return out;
  }

  void unknown(const std::string& name, Part key) {
    std::vector<std::string> known;
    for (const Threshold& t : thresholds_)
      for (const std::string& own : t.keys) {
        known.push_back(t.declaration + "." + own);
        known.push_back(own);
      }
    const std::string near = source::nearest(name, known);
    diagnostics_.report(
        Code::unknown_name, span(key), fmt::format("nothing that can be changed is called `{}`", name),
        thresholds_.empty()
            ? "the program has no slo and no policy"
            : fmt::format("{}these can be: {}; and a parameter: `param NAME=VALUE`",
                          near.empty() ? "" : fmt::format("did you mean `{}`? ", near), all_of(thresholds_)));
  }

  // A literal of the language.
  ExprPtr read_literal(Part p) {
    // Its place is that in the edit: the text before it becomes blank.
    const std::uint32_t alone = sources_.add(flag_, std::string(p.first, ' ') + of(p));
    const std::size_t before = diagnostics_.errors();
    const ExprPtr read = syntax::parse_query(sources_, alone, limits_, diagnostics_);
    if (diagnostics_.errors() > before) return nullptr;
    if (read == nullptr || read->kind != syntax::ExprKind::number) {
      fail(p, fmt::format("`{}` is not a number, a share or a duration", of(p)),
           "write it as the program would: 99.95%, 10, 5m; or 0.5x for half of what is written");
      return nullptr;
    }
    auto literal = std::make_shared<syntax::Expr>(*read);
    literal->span = span(p);
    return literal;
  }

  std::optional<NewAmount> read_amount(Part p) {
    NewAmount out;
    const char last = text_[p.second - 1], before = p.second - p.first > 1 ? text_[p.second - 2] : ' ';
    out.scale = last == 'x' && before >= '0' && before <= '9';
    if (out.scale) --p.second;
    out.literal = read_literal(p);
    if (out.literal == nullptr) return std::nullopt;
    if (out.scale && out.literal->unit != syntax::LiteralUnit::none) {
      fail(p, "what is written is multiplied by a plain number", "as 0.5x");
      return std::nullopt;
    }
    return out;
  }

  std::optional<syntax::Hold> read_hold(Part p) {
    std::vector<Part> parts = words(p);
    if (parts.size() > 1 && (of(parts[0]) == "for" || of(parts[0]) == "in")) parts.erase(parts.begin());
    const auto word = [&](std::size_t i, const char* a, const char* b) {
      return of(parts[i]) == a || of(parts[i]) == b;
    };
    syntax::Hold out;
    if (parts.size() == 1) {
      out.kind = syntax::Hold::Kind::time;
    } else if (parts.size() == 2 && word(1, "ticks", "tick")) {
      out.kind = syntax::Hold::Kind::ticks;
    } else if (parts.size() == 4 && word(1, "of", "of") && word(3, "ticks", "tick")) {
      out.kind = syntax::Hold::Kind::of;
      out.of = read_literal(parts[2]);
      if (out.of == nullptr) return std::nullopt;
    } else {
      fail(p, fmt::format("`{}` is no hold", of(p)), "write 5 ticks, 3 of 5 ticks, or 2m");
      return std::nullopt;
    }
    out.amount = read_literal(parts[0]);
    if (out.amount == nullptr) return std::nullopt;
    if (parts.size() == 1 && out.amount->unit != syntax::LiteralUnit::time) {
      fail(p, fmt::format("`{}` is no hold", of(p)), "write 5 ticks, 3 of 5 ticks, or 2m");
      return std::nullopt;
    }
    return out;
  }

  std::vector<Threshold> thresholds_;
  std::vector<std::optional<Span>> changed_by_;  // by threshold
  source::SourceSet& sources_;
  const Limits& limits_;
  source::Diagnostics& diagnostics_;
  std::string flag_, text_;
  std::uint32_t file_ = 0;
};

}  // namespace

void apply_edits(std::vector<Module>& modules, std::size_t roots, const std::vector<Edit>& edits,
                 source::SourceSet& sources, const Limits& limits, source::Diagnostics& diagnostics) {
  Editor editor(thresholds_of(modules, roots, sources), sources, limits, diagnostics);
  for (const Edit& edit : edits) editor.apply(edit);
}

}  // namespace signalbox::sema
