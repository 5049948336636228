// What happens to the services of a trace, and when: the ground truth. It follows from the spec alone, each
// incident by itself, so that nothing need be kept of those before.
#pragma once

#include <optional>
#include <vector>

#include "runtime/generate/spec.hpp"

namespace signalbox::generate {

struct Incident {
  IncidentKind kind = IncidentKind::outage;
  std::uint32_t service = 0;
  Instant from, to;  // in effect from `from` on, no more at `to`; a deploy is at `from`, which is its `to`
  double magnitude =
      0;  // outage, slow_burn, flapping: the ratio of errors; night, growth: the factor of traffic
  bool answered = false;  // scrape_gap: scrapes failed (`up` is 0) and left a sample; else there are none
  Duration phase{};       // flapping: errors for so long, then none, and in the end errors
};

// Incidents never raise traffic above this.
inline constexpr double most_traffic_factor = 4;

// The duration is cut into slots of equal length; in each a service has one incident, or none when the kind
// whose turn it is has no room there. An incident keeps a tenth of the slot to either side free.
struct Slots {
  std::int64_t count = 0;
  Duration length{};
};
Slots slots_of(const TraceSpec& spec);
// 0 ≤ slot < slots_of(spec).count
std::optional<Incident> incident_in(const TraceSpec& spec, const Slots& slots, std::uint32_t service,
                                    std::int64_t slot);

// Kinds of the spec that never come because slots are too short to show them in a few scrapes; each once.
std::vector<IncidentKind> without_room(const TraceSpec& spec);

// What an incident makes of the traffic at an instant.
struct Effect {
  double traffic = 1;      // a factor
  double error_ratio = 0;  // of the requests
};
Effect effect_at(const TraceSpec& spec, const std::optional<Incident>& incident, Instant at);
// The first instant after `at` at which the effect jumps or begins to change, or `otherwise` if that is
// earlier.
Instant next_edge(const std::optional<Incident>& incident, Instant at, Instant otherwise);

}  // namespace signalbox::generate
