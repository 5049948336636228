// What the compiler says about a program: structured, with places; renderings come after.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/source/source_text.hpp"
#include "runtime/base/limits.hpp"

namespace signalbox::source {

// Stable names: programs that state an expected diagnostic, and scripts that read --json, rely on them.
#define SIGNALBOX_DIAGNOSTICS(D)                             \
  D(file_unreadable, "file-unreadable", error)               \
  D(file_too_large, "file-too-large", error)                 \
  D(invalid_utf8, "invalid-utf8", error)                     \
  D(nesting_too_deep, "nesting-too-deep", error)             \
  D(unclosed_bracket, "unclosed-bracket", error)             \
  D(unopened_bracket, "unopened-bracket", error)             \
  D(bad_number, "bad-number", error)                         \
  D(bad_string, "bad-string", error)                         \
  D(bad_character, "bad-character", error)                   \
  D(stray_punctuation, "stray-punctuation", error)           \
  D(syntax, "syntax", error)                                 \
  D(unknown_clause, "unknown-clause", error)                 \
  D(unknown_declaration, "unknown-declaration", error)       \
  D(not_yet, "not-yet", error)                               \
  D(unknown_name, "unknown-name", error)                     \
  D(duplicate_name, "duplicate-name", error)                 \
  D(duplicate_clause, "duplicate-clause", error)             \
  D(missing_clause, "missing-clause", error)                 \
  D(unknown_module, "unknown-module", error)                 \
  D(cyclic_use, "cyclic-use", error)                         \
  D(cyclic_let, "cyclic-let", error)                         \
  D(cyclic_slo, "cyclic-slo", error)                         \
  D(missing_param, "missing-param", error)                   \
  D(bad_param, "bad-param", error)                           \
  D(bad_argument, "bad-argument", error)                     \
  D(bad_value, "bad-value", error)                           \
  D(unit_clash, "unit-clash", error)                         \
  D(kind_clash, "kind-clash", error)                         \
  D(type_clash, "type-clash", error)                         \
  D(label_clash, "label-clash", error)                       \
  D(unknown_label, "unknown-label", error)                   \
  D(bad_regex, "bad-regex", error)                           \
  D(bad_promql, "bad-promql", error)                         \
  D(bad_selector, "bad-selector", error)                     \
  D(needs_quantifier, "needs-quantifier", error)             \
  D(needs_matching, "needs-matching", error)                 \
  D(program_too_large, "program-too-large", error)           \
  D(row_cannot_fire, "row-cannot-fire", error)               \
  D(window_too_short, "window-too-short", error)             \
  D(objective_out_of_range, "objective-out-of-range", error) \
  D(windows_out_of_order, "windows-out-of-order", error)     \
  D(window_exceeds_period, "window-exceeds-period", error)   \
  D(unguarded_action, "unguarded-action", error)             \
  D(cooldown_too_short, "cooldown-too-short", error)         \
  D(verify_cannot_clear, "verify-cannot-clear", error)       \
  D(events_too_few, "events-too-few", error)                 \
  D(unbounded_since, "unbounded-since", error)               \
  D(empty_target, "empty-target", error)                     \
  D(opposing_policies, "opposing-policies", error)           \
  D(self_triggering, "self-triggering", error)               \
  D(data_too_old, "data-too-old", error)                     \
  D(given_matches_nothing, "given-matches-nothing", error)   \
  D(defer_too_short, "defer-too-short", error)               \
  D(settle_exceeds_tick, "settle-exceeds-tick", warning)     \
  D(factor_below_one, "factor-below-one", warning)           \
  D(budget_below_event, "budget-below-event", warning)       \
  D(budget_within_tick, "budget-within-tick", warning)       \
  D(before_by_chance, "before-by-chance", warning)           \
  D(assumed_unit, "assumed-unit", warning)                   \
  D(unknown_metric, "unknown-metric", warning)               \
  D(unused_let, "unused-let", warning)                       \
  D(unused_declaration, "unused-declaration", warning)       \
  D(no_effect, "no-effect", warning)                         \
  D(ticket_to_log, "ticket-to-log", warning)                 \
  D(no_source, "no-source", warning)

enum class Code {
#define D(name, text, severity) name,
  SIGNALBOX_DIAGNOSTICS(D)
#undef D
};
enum class Level { error, warning };
std::string_view code_name(Code code);
Level code_level(Code code);

struct Note {
  Span span;
  std::string message;
};
struct Diagnostic {
  Code code;
  Span span;
  std::string message;
  std::string hint;         // contains the fix where there is one; may be empty
  std::vector<Note> notes;  // other places that matter
  Level level() const { return code_level(code); }
};

// Collects; past Limits::diagnostics it only counts.
class Diagnostics {
 public:
  explicit Diagnostics(std::size_t most = Limits{}.diagnostics) : most_(most) {}
  // The same code at the same place is one cause and is said once.
  Diagnostic& report(Code code, Span span, std::string message, std::string hint = {});
  bool has_errors() const { return errors_ > 0; }
  std::size_t errors() const { return errors_; }
  std::size_t dropped() const { return dropped_; }
  const std::vector<Diagnostic>& all() const { return list_; }
  void sort_by_place();

 private:
  std::size_t most_, errors_ = 0, dropped_ = 0;
  std::vector<Diagnostic> list_;
  Diagnostic overflow_{};
};

// "shop.slo:12:3: error: … [code]" with the line, a caret and the hint, for people.
std::string render_text(const Diagnostics& diagnostics, const SourceSet& sources);
// A JSON array of {code, severity, message, hint, file, begin:{line,column,byte}, end:{…}, notes:[…]}.
std::string render_json(const Diagnostics& diagnostics, const SourceSet& sources);

}  // namespace signalbox::source
