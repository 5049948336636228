// HTTP in: one request a connection, everything bounded, so that no client can hold the loop or its memory.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/base/time.hpp"
#include "runtime/net/event_loop.hpp"
#include "runtime/net/poll_part.hpp"

namespace signalbox::net {

struct ListenerBounds {
  std::size_t header_bytes = 16u << 10;
  std::size_t body_bytes = 1u << 20;
  Duration request_time = seconds(10);  // to send the request, and as long again to take the answer
  std::size_t connections = 64;
  // Connections past the bound above that are kept until they heard their 503; past these, one is just
  // closed.
  std::size_t refused = 64;
  // How long to read on after an answer to a request that was not read whole. Closing at once would reset the
  // connection and could take the answer back from the client.
  Duration linger = seconds(2);
};

class Listener : public PollPart {
 public:
  virtual int port() const = 0;
};

using HttpHandler = std::function<ServedResponse(const ServedRequest&)>;

// Errors: `conflict` when the port is taken, `invalid_argument` for a host or port that is none, else `io`.
Result<std::unique_ptr<Listener>> open_listener(const std::string& host, int port,
                                                const ListenerBounds& bounds, HttpHandler handler);

}  // namespace signalbox::net
