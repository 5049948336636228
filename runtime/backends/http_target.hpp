// Targets that are told over HTTP: the action's call, and what runs there.
#pragma once

#include <functional>
#include <string>

#include "runtime/base/host.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/decide/decide.hpp"

namespace signalbox::backends {

// Sends one effect, once. Headers: Idempotency-Key, and X-Signalbox-Signature: sha256=HMAC(secret, body) when
// there is a secret. 2xx succeeded; 4xx and 3xx rejected (no redirect is followed), but 408, 425, 429 and all
// 5xx unknown: something may have happened, or may yet. An answer longer than effect_response_bytes is
// unknown.
void perform(Http& http, const plan::Target& target, const plan::Action& action, const decide::Effect& effect,
             const std::string& secret, const Limits& limits, std::function<void(decide::Answer)> done);

// GET of the target's version: {"version": "v1"} or plain text of at most version_bytes, printable. Errors
// say what came.
void read_version(Http& http, const plan::Target& target, const Limits& limits,
                  std::function<void(Result<std::string>)> done);

}  // namespace signalbox::backends
