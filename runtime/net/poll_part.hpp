// How the parts of the loop share one poll().
#pragma once

#include <poll.h>

#include <chrono>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace signalbox::net {

using SteadyTime = std::chrono::steady_clock::time_point;

class PollPart {
 public:
  virtual ~PollPart() = default;
  // Appends what it waits for; nothing of it may be closed before the poll.
  virtual void wants(std::vector<pollfd>& fds) = 0;
  // When it must have a turn even if no descriptor is ready.
  virtual std::optional<SteadyTime> deadline() = 0;
  // `polled` is what the last wants() appended, with the answers. Time comes from outside, so that a test can
  // move it.
  virtual void turn(std::span<const pollfd> polled, SteadyTime now) = 0;
};

}  // namespace signalbox::net
