#include "runtime/base/result.hpp"

namespace signalbox {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::limit_exceeded:
      return "limit_exceeded";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::malformed:
      return "malformed";
    case ErrorCode::unreachable:
      return "unreachable";
    case ErrorCode::outcome_unknown:
      return "outcome_unknown";
    case ErrorCode::refused:
      return "refused";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::io:
      return "io";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace signalbox
