// The real host's one thread: timers, HTTP out (libcurl's multi interface), HTTP in (a small loopback
// listener), and signals, all on one poll. Everything runs inside run().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"

namespace signalbox::net {

struct EgressRules {
  // Only http and https are ever spoken. User and password in a URL are refused. Redirects are never
  // followed.
  std::size_t max_in_flight = 64;  // further requests wait their turn
};

// A request that the listener hands to its handler, and the answer.
struct ServedRequest {
  std::string method, path, query, body;
};
struct ServedResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class EventLoop {
 public:
  virtual ~EventLoop() = default;
  virtual Clock& clock() = 0;    // the system's wall clock
  virtual Timer& timer() = 0;    // fires by a monotonic clock measured from now; a task may add tasks
  virtual Http& http() = 0;      // completions run on the loop
  virtual Random& random() = 0;  // the operating system's

  // Listens on host:port (port 0: any) and answers with `handler`, on the loop. Returns the bound port.
  // Bounds: 16 KiB of headers, `max_body` of body, 10 s a request, 64 connections; past them 431, 413, 408,
  // 503. One request a connection (Connection: close). HTTP/1.0 and 1.1, Content-Length bodies only (chunked:
  // 411).
  virtual Result<int> listen(const std::string& host, int port, std::size_t max_body,
                             std::function<ServedResponse(const ServedRequest&)> handler) = 0;

  // Calls `handler` on the loop when the process gets `signal_number` (self-pipe or signalfd;
  // async-signal-safe).
  virtual Result<void> on_signal(int signal_number, std::function<void()> handler) = 0;

  virtual void run() = 0;   // until stop()
  virtual void stop() = 0;  // from the loop's thread
  // Runs what is due and waits at most `wait` for something; for tests and for daemons with a loop of their
  // own.
  virtual void run_once(Duration wait) = 0;
};

Result<std::unique_ptr<EventLoop>> make_event_loop(const EgressRules& rules);

}  // namespace signalbox::net
