#include "runtime/net/event_loop.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <limits>
#include <map>
#include <set>

#include "runtime/net/curl_http.hpp"
#include "runtime/net/fd.hpp"
#include "runtime/net/listener.hpp"

namespace signalbox::net {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// Signals belong to the process, so who gets them must too: the writing end of a loop's pipe plus one, 0 for
// nobody.
constexpr int signal_count = 65;
constinit std::array<std::atomic<int>, signal_count> signal_pipes{};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void signalbox_signal_arrived(int number) {
  const int saved = errno;
  const int fd = signal_pipes[static_cast<std::size_t>(number)].load() - 1;
  const auto byte = static_cast<unsigned char>(number);
  // A full pipe already holds news enough.
  if (fd >= 0 && ::write(fd, &byte, 1) < 0) errno = 0;
  errno = saved;
}

class SystemClock final : public Clock {
 public:
  Instant now() override {
    return {std::chrono::floor<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count()};
  }
};

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::getrandom(bytes.data(), bytes.size(), 0);
      assert(n > 0 || errno == EINTR);
      if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
};

class SteadyTimer final : public Timer {
 public:
  void at(Instant when, std::function<void()> task) override {
    const nanoseconds steady = steady_clock::now().time_since_epoch();
    const nanoseconds wall = system_clock::now().time_since_epoch();
    // One reading of both clocks serves until they part: tasks for one instant must stay in the order they
    // came in.
    const nanoseconds offset = wall - steady;
    if (std::chrono::abs(offset - offset_) > std::chrono::microseconds(500)) offset_ = offset;
    // The millisecond on top covers what the readings may be apart: a task never finds the clock before
    // `when`, unless the clock was set.
    constexpr std::int64_t most_ms = std::numeric_limits<std::int64_t>::max() / 4 / 1'000'000;
    const nanoseconds wanted = std::chrono::milliseconds(std::clamp(when.ms, -most_ms, most_ms));
    nanoseconds due = wanted - offset_ + std::chrono::milliseconds(1);
    if (wanted <= wall) due = std::min(due, steady);
    tasks_.emplace(std::pair(due, ++last_), std::move(task));
  }

  std::optional<SteadyTime> deadline() const {
    if (tasks_.empty()) return {};
    return SteadyTime(std::chrono::duration_cast<steady_clock::duration>(tasks_.begin()->first.first));
  }

  // Tasks that tasks add wait for the next round, even when they are due: the network must get its turns.
  void run_due(SteadyTime now) {
    const std::uint64_t newest = last_;
    for (;;) {
      auto first = tasks_.begin();
      while (first != tasks_.end() && first->first.second > newest) ++first;
      if (first == tasks_.end() || first->first.first > now.time_since_epoch()) return;
      std::function<void()> task = std::move(first->second);
      tasks_.erase(first);
      task();
    }
  }

 private:
  std::map<std::pair<nanoseconds, std::uint64_t>, std::function<void()>> tasks_;
  std::uint64_t last_ = 0;
  nanoseconds offset_{0};
};

class Signals final : public PollPart {
 public:
  ~Signals() override {
    for (const auto& [number, old] : old_actions_) {
      ::sigaction(number, &old, nullptr);
      signal_pipes[static_cast<std::size_t>(number)].store(0);
    }
  }

  Result<void> handle(int number, std::function<void()> handler) {
    if (number <= 0 || number >= signal_count)
      return Error{ErrorCode::invalid_argument, fmt::format("{} is not a signal", number)};
    if (!reader_) {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return os_error(ErrorCode::io, "make a pipe", errno);
      reader_ = Fd(ends[0]);
      writer_ = Fd(ends[1]);
    }
    if (!old_actions_.contains(number)) {
      int nobody = 0;
      if (!signal_pipes[static_cast<std::size_t>(number)].compare_exchange_strong(nobody, writer_.get() + 1))
        return Error{ErrorCode::conflict, fmt::format("another loop handles signal {}", number)};
      struct sigaction action {};
      struct sigaction old {};
      action.sa_handler = &signalbox_signal_arrived;
      action.sa_flags = SA_RESTART;
      ::sigemptyset(&action.sa_mask);
      if (::sigaction(number, &action, &old) != 0) {
        signal_pipes[static_cast<std::size_t>(number)].store(0);
        return os_error(ErrorCode::invalid_argument, fmt::format("handle signal {}", number), errno);
      }
      old_actions_.emplace(number, old);
    }
    handlers_[number] = std::move(handler);
    return {};
  }

  void wants(std::vector<pollfd>& fds) override { fds.push_back({reader_.get(), POLLIN, 0}); }
  std::optional<SteadyTime> deadline() override { return {}; }
  void turn(std::span<const pollfd> polled, SteadyTime) override {
    if (polled.empty() || !polled[0].revents) return;
    std::set<int> arrived;
    unsigned char bytes[64];
    for (ssize_t n; (n = ::read(reader_.get(), bytes, sizeof bytes)) > 0;) arrived.insert(bytes, bytes + n);
    for (int number : arrived) {
      auto handler = handlers_.find(number);
      if (handler == handlers_.end()) continue;
      const auto call = handler->second;  // it may replace itself
      call();
    }
  }

 private:
  Fd reader_, writer_;
  std::map<int, std::function<void()>> handlers_;
  std::map<int, struct sigaction> old_actions_;
};

class Loop final : public EventLoop {
 public:
  explicit Loop(std::unique_ptr<HttpPart> http) : http_(std::move(http)) {}

  Clock& clock() override { return clock_; }
  Timer& timer() override { return timer_; }
  Http& http() override { return *http_; }
  Random& random() override { return random_; }

  Result<int> listen(const std::string& host, int port, std::size_t max_body,
                     std::function<ServedResponse(const ServedRequest&)> handler) override {
    ListenerBounds bounds;
    bounds.body_bytes = max_body;
    auto listener = open_listener(host, port, bounds, std::move(handler));
    if (!listener) return listener.error();
    const int bound = (*listener)->port();
    listeners_.push_back(*std::move(listener));
    return bound;
  }

  Result<void> on_signal(int signal_number, std::function<void()> handler) override {
    return signals_.handle(signal_number, std::move(handler));
  }

  void run() override {
    while (!stopped_) run_once(hours(1));
    stopped_ = false;
  }
  void stop() override { stopped_ = true; }

  void run_once(Duration wait) override {
    // What has a turn this time: handlers may add listeners meanwhile, and those were not polled.
    std::vector<PollPart*> parts = {&signals_, http_.get()};
    for (const auto& listener : listeners_) parts.push_back(listener.get());
    std::vector<pollfd> fds;
    std::vector<std::size_t> begins;
    std::optional<SteadyTime> wake = timer_.deadline();
    for (PollPart* part : parts) {
      begins.push_back(fds.size());
      part->wants(fds);
      const auto deadline = part->deadline();
      if (deadline && (!wake || *deadline < *wake)) wake = deadline;
    }
    begins.push_back(fds.size());
    const int ready = ::poll(fds.data(), fds.size(), poll_ms(wait, wake));
    // Interrupted: nothing is ready, and what interrupted waits in the pipe.
    if (ready < 0)
      for (pollfd& fd : fds) fd.revents = 0;
    const SteadyTime now = steady_clock::now();
    for (std::size_t i = 0; i < parts.size(); ++i)
      parts[i]->turn(std::span(fds).subspan(begins[i], begins[i + 1] - begins[i]), now);
    timer_.run_due(now);
  }

 private:
  static int poll_ms(Duration wait, std::optional<SteadyTime> wake) {
    std::int64_t ms = std::clamp<std::int64_t>(wait.ms, 0, std::numeric_limits<int>::max());
    if (wake) {
      // Rounded up: waking early would only mean to poll again with nothing to do.
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wake - steady_clock::now()).count();
      ms = std::clamp<std::int64_t>(left, 0, ms);
    }
    return static_cast<int>(ms);
  }

  SystemClock clock_;
  SystemRandom random_;
  SteadyTimer timer_;
  Signals signals_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unique_ptr<HttpPart> http_;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<EventLoop>> make_event_loop(const EgressRules& rules) {
  auto http = make_curl_http(rules);
  if (!http) return http.error();
  return std::unique_ptr<EventLoop>(std::make_unique<Loop>(*std::move(http)));
}

}  // namespace signalbox::net
