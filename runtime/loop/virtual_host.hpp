// A host without a world: virtual time that moves when told, randomness from a seed, state in memory, no
// network and no files. Replays, tests of the language and simulations run on it; the same seed gives the
// same run.
#pragma once

#include <map>

#include "runtime/base/host.hpp"
#include "runtime/journal/memory_store.hpp"

namespace signalbox::loop {

class VirtualTime : public Clock, public Timer {
 public:
  explicit VirtualTime(Instant start) : now_(start) {}
  Instant now() override { return now_; }
  void at(Instant when, std::function<void()> task) override {
    tasks_.emplace(std::pair(std::max(when, now_), next_++), std::move(task));
  }
  // Runs what is due up to and including `until`, in order of time and then of asking, and stands there.
  void advance(Instant until) {
    while (!tasks_.empty() && tasks_.begin()->first.first <= until) {
      now_ = tasks_.begin()->first.first;
      std::function<void()> task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
      task();
    }
    now_ = std::max(now_, until);
  }
  bool idle() const { return tasks_.empty(); }

 private:
  Instant now_;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> tasks_;
  std::uint64_t next_ = 0;
};

// SplitMix64.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // in [0, 1)
  void fill(std::span<std::uint8_t> bytes) override {
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(next());
  }

 private:
  std::uint64_t state_;
};

class NoHttp : public Http {
 public:
  void send(HttpRequest, std::function<void(Result<HttpResponse>)> completion) override {
    completion(Error{ErrorCode::refused, "there is no network in virtual time"});
  }
};
class NoDisk : public Disk {
 public:
  Result<std::unique_ptr<DiskFile>> open(const std::string&, Open) override { return none(); }
  Result<bool> exists(const std::string&) override { return false; }
  Result<void> remove(const std::string&) override { return none(); }
  Result<void> rename(const std::string&, const std::string&) override { return none(); }
  Result<void> sync_directory(const std::string&) override { return none(); }
  Result<void> make_directory(const std::string&) override { return none(); }

 private:
  static Error none() { return {ErrorCode::refused, "there are no files in virtual time"}; }
};

struct VirtualHost {
  explicit VirtualHost(Instant start, std::uint64_t seed = 1) : time(start), random(seed) {}
  VirtualTime time;
  SeededRandom random;
  NoHttp http;
  NoDisk disk;
  journal::MemoryStore store;
  Host host{time, time, random, http, disk, store};
};

}  // namespace signalbox::loop
