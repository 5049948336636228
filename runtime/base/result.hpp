// Errors as values. Nothing in Signalbox throws across a room's border: a library that throws is
// caught in the one translation unit that includes it and becomes an Error here.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace signalbox {

// Stable: scripts and records see the names (error_code_name), so a value is never reused.
enum class ErrorCode {
  invalid_argument,  // the caller's input is wrong; the message says where
  limit_exceeded,    // one of Limits; the message names it
  not_found,
  malformed,        // foreign bytes that are not what they claim to be
  unreachable,      // nothing was sent: no connection could be made
  outcome_unknown,  // something may have been sent and no answer was understood
  refused,          // a guard or an egress rule said no
  unsupported,      // in the language's design, not in this version
  io,               // the disk or the operating system
  conflict,         // somebody else holds what was asked for
  internal,         // a bug of ours; never a user's fault
};
const char* error_code_name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  std::string hint = {};  // a way out, empty when there is none
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & {
    assert(*this);
    return std::get<0>(state_);
  }
  const T& operator*() const& {
    assert(*this);
    return std::get<0>(state_);
  }
  T&& operator*() && {
    assert(*this);
    return std::get<0>(std::move(state_));
  }
  T* operator->() {
    assert(*this);
    return &std::get<0>(state_);
  }
  const T* operator->() const {
    assert(*this);
    return &std::get<0>(state_);
  }
  const Error& error() const {
    assert(!*this);
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}
  explicit operator bool() const { return !failed_; }
  const Error& error() const {
    assert(failed_);
    return error_;
  }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace signalbox
