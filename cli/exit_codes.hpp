// What scripts rely on. An answer that could be given is a success, whatever it says; with --exit-code,
// `replay` and `why` end with what they answer.
#pragma once

#include <string_view>

#include "runtime/base/result.hpp"

namespace signalbox::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_breach = 1;   // or a failed test, or an unformatted file
inline constexpr int exit_program = 2;  // program or usage error
inline constexpr int exit_no_data = 3;
inline constexpr int exit_unreachable = 4;  // a source
inline constexpr int exit_refused = 5;      // by a guard
inline constexpr int exit_action_failed = 6;
inline constexpr int exit_interrupted = 130;  // as shells say of Ctrl-C: what was answered is of a part

inline int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::unreachable:
    case ErrorCode::outcome_unknown:
      return exit_unreachable;
    case ErrorCode::not_found:
      return exit_no_data;
    case ErrorCode::refused:
      return exit_refused;
    default:
      return exit_program;
  }
}

// Of an event or a record, by its kind.
inline int exit_code_of(std::string_view kind) {
  if (kind == "failed") return exit_action_failed;
  if (kind == "refused") return exit_refused;
  for (const std::string_view breach :
       {"page", "ticket", "missing", "not_helped", "unverified", "superseded", "escalated"})
    if (kind == breach) return exit_breach;
  return exit_ok;
}

}  // namespace signalbox::cli
