// Receivers that are told over HTTP.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/base/host.hpp"
#include "runtime/base/limits.hpp"
#include "runtime/decide/decide.hpp"

namespace signalbox::receivers {

// POSTs the message as JSON: id, kind (page, ticket, resolved), declaration, labels, summary, runbook,
// episode, time. Sent until it is taken; a receiver tells repetitions apart by id (also in Idempotency-Key).
// Signed as actions are. `done` has the reason when it was not taken: anything but a 2xx.
void notify(Http& http, const plan::Receiver& receiver, const decide::Message& message,
            const std::string& secret, const Limits& limits,
            std::function<void(std::optional<std::string>)> done);

// {"kind":"heartbeat","time":…}: whoever misses it pages.
void heartbeat(Http& http, const plan::Receiver& receiver, Instant at, const std::string& secret,
               const Limits& limits, std::function<void(std::optional<std::string>)> done);

}  // namespace signalbox::receivers
