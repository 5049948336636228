// The HTTP client of the loop. The one place that sees libcurl.
#pragma once

#include <memory>

#include "runtime/base/host.hpp"
#include "runtime/net/event_loop.hpp"
#include "runtime/net/poll_part.hpp"

namespace signalbox::net {

class HttpPart : public Http, public PollPart {};

// A request's timeout runs from send(), so it counts the wait for a turn too. Requests that are in flight
// when the client is destroyed are dropped and their completions are not called: what they point to may be
// gone by then.
Result<std::unique_ptr<HttpPart>> make_curl_http(const EgressRules& rules);

}  // namespace signalbox::net
