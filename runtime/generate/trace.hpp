// The samples of a spec, scrape by scrape in order of time. Memory is for the services, whatever the
// duration.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/generate/incidents.hpp"
#include "runtime/generate/random.hpp"
#include "runtime/generate/spec.hpp"

namespace signalbox::generate {

struct Family {
  std::string_view name, type;  // as in a TYPE line
};
// Those of the spec, `up` first.
std::vector<Family> families_of(const Metrics& metrics);

struct Series {
  Labels labels;  // with __name__
  bool thousandths = false;
};
// All series of a service, in the order of its readings. `up` is the first.
std::vector<Series> series_of(const TraceSpec& spec, std::uint32_t service);

struct Scrape {
  Instant time;
  std::uint32_t service = 0;
  // One for each of series_of(); of a scrape that failed, the first alone. Whole numbers, or thousandths.
  std::span<const std::int64_t> readings;
};

class Trace {
 public:
  // Takes a spec that check() lets pass.
  explicit Trace(const TraceSpec& spec);
  // The next scrape, null after the last. It is good until the next call.
  const Scrape* next();

  // A request is counted in one cell: its code and the bucket of its duration.
  static constexpr std::size_t cells = 15;

 private:
  struct Service {
    Random random;
    Duration offset{};  // of its scrapes from the begin of each round, before jitter
    Instant now{};      // up to here its requests are counted
    std::int64_t slot = -1;
    std::optional<Incident> incident{};  // under way or to come, if the slot has one
    Instant deployed{};
    std::uint64_t counts[cells] = {};
    std::int64_t in_queue = 0;
  };
  struct Due {
    Instant time;
    std::uint32_t service;
    auto operator<=>(const Due&) const = default;
  };

  void begin_round();
  void advance(Service& service, std::uint32_t index, Instant to);
  void read(const Service& service, bool up);

  const TraceSpec spec_;
  const Instant end_;
  const Slots slots_;
  std::vector<Service> services_;
  std::vector<Due> round_;
  std::int64_t rounds_ = 0;
  std::size_t at_ = 0;
  std::vector<std::int64_t> readings_;
  Scrape scrape_;
};

}  // namespace signalbox::generate
