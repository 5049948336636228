#include "runtime/generate/incidents.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/generate/random.hpp"

namespace signalbox::generate {
namespace {

enum class Magnitude : std::uint8_t { none, errors, traffic };

// One row for each kind, in their order.
struct Kind {
  std::string_view name;
  std::int64_t percent;  // of its slot, at most
  Duration longest;      // whatever the slot
  std::int64_t scrapes;  // spans at least so many, or does not come: it could not be seen
  Magnitude magnitude;   // what is drawn, between the next two, in thousandths
  std::int64_t least, most;
};
constexpr std::array<Kind, incident_kinds> kinds = {{
    {"outage", 25, minutes(30), 4, Magnitude::errors, 300, 900},
    {"slow_burn", 50, hours(12), 8, Magnitude::errors, 3, 8},
    {"flapping", 40, hours(2), 22, Magnitude::errors, 200, 500},
    {"deploy", 25, hours(1), 4, Magnitude::none, 0, 0},
    {"scrape_gap", 25, hours(1), 4, Magnitude::none, 0, 0},
    {"night", 33, hours(6), 4, Magnitude::traffic, 0, 0},
    {"growth", 50, days(1), 8, Magnitude::traffic, 2000,
     static_cast<std::int64_t>(most_traffic_factor * 1000)},
}};
const Kind& row_of(IncidentKind kind) {
  return kinds[static_cast<std::size_t>(kind)];
}

// Six times errors, five times none between them.
constexpr std::int64_t flapping_phases = 11;

constexpr Duration slot_wanted = days(3);

struct Lengths {
  Duration least, most;
};
std::optional<Lengths> lengths(const Kind& kind, Duration every, Duration slot) {
  const Duration most = std::min(kind.longest, Duration{slot.ms * kind.percent / 100});
  const Duration least = every * kind.scrapes;
  if (most < least) return std::nullopt;
  return Lengths{std::max(least, Duration{most.ms / 2}), most};
}

}  // namespace

std::string_view name_of(IncidentKind kind) {
  return row_of(kind).name;
}

Slots slots_of(const TraceSpec& spec) {
  if (spec.incidents.empty()) return {};
  const auto once = static_cast<std::int64_t>(spec.incidents.size());
  const std::int64_t count = std::max(once, spec.duration.ms / slot_wanted.ms);
  return {count, {spec.duration.ms / count}};
}

std::optional<Incident> incident_in(const TraceSpec& spec, const Slots& slots, std::uint32_t service,
                                    std::int64_t slot) {
  const auto turn = (service + static_cast<std::uint64_t>(slot)) % spec.incidents.size();
  Incident out;
  out.kind = spec.incidents[turn];
  out.service = service;
  const Kind& kind = row_of(out.kind);
  const auto may_last = lengths(kind, spec.every, slots.length);
  if (!may_last) return std::nullopt;
  Random random(spec.seed, service, static_cast<std::uint64_t>(slot) + 1);
  Duration length{random.between(may_last->least.ms, may_last->most.ms)};
  if (out.kind == IncidentKind::flapping) {
    out.phase = {length.ms / flapping_phases};
    length = out.phase * flapping_phases;
  }
  if (out.kind == IncidentKind::deploy) length = {};
  const Duration margin{slots.length.ms / 10};
  const Instant first = spec.start + slots.length * slot + margin;
  const Instant last = first + slots.length - margin * 2 - length;
  out.from = {random.between(first.ms, last.ms)};
  // A night is at night where a slot has one.
  const Instant night = grid_ceil(first, days(1), hours(1));
  if (out.kind == IncidentKind::night && night <= last) out.from = night;
  out.to = out.from + length;
  out.magnitude = static_cast<double>(random.between(kind.least, kind.most)) / 1000;
  // On top of what fails anyway, in millionths: what is written is what was done.
  if (kind.magnitude == Magnitude::errors)
    out.magnitude = std::floor((spec.errors + (1 - spec.errors) * out.magnitude) * 1e6 + 0.5) / 1e6;
  out.answered = out.kind == IncidentKind::scrape_gap && random.below(2) == 1;
  return out;
}

std::vector<IncidentKind> without_room(const TraceSpec& spec) {
  const Slots slots = slots_of(spec);
  std::vector<IncidentKind> out;
  for (const IncidentKind kind : spec.incidents)
    if (!lengths(row_of(kind), spec.every, slots.length) &&
        std::find(out.begin(), out.end(), kind) == out.end())
      out.push_back(kind);
  return out;
}

Effect effect_at(const TraceSpec& spec, const std::optional<Incident>& incident, Instant at) {
  Effect out{1, spec.errors};
  if (!incident || at < incident->from || at >= incident->to) return out;
  switch (incident->kind) {
    case IncidentKind::outage:
    case IncidentKind::slow_burn:
      out.error_ratio = incident->magnitude;
      break;
    case IncidentKind::flapping:
      if ((at - incident->from).ms / incident->phase.ms % 2 == 0) out.error_ratio = incident->magnitude;
      break;
    case IncidentKind::night:
      out.traffic = incident->magnitude;
      break;
    case IncidentKind::growth:
      out.traffic = 1 + (incident->magnitude - 1) * static_cast<double>((at - incident->from).ms) /
                            static_cast<double>((incident->to - incident->from).ms);
      break;
    case IncidentKind::deploy:
    case IncidentKind::scrape_gap:
      break;
  }
  return out;
}

Instant next_edge(const std::optional<Incident>& incident, Instant at, Instant otherwise) {
  if (!incident || at >= incident->to || incident->kind == IncidentKind::scrape_gap) return otherwise;
  Instant edge = incident->to;
  if (at < incident->from)
    edge = incident->from;
  else if (incident->kind == IncidentKind::flapping)
    edge = incident->from + incident->phase * ((at - incident->from).ms / incident->phase.ms + 1);
  return std::min(edge, otherwise);
}

}  // namespace signalbox::generate
