#include "runtime/score/score.hpp"

#include <algorithm>

namespace signalbox::score {
namespace {

bool agree(const Labels& a, const Labels& b) {
  return std::all_of(a.pairs().begin(), a.pairs().end(), [&](const Labels::Pair& pair) {
    const std::string_view other = b.get(pair.first);
    return other.empty() || other == pair.second;
  });
}

struct Alarm {
  const decide::Event* event;
  std::optional<Instant> ended;
};

bool ends_an_alarm(const std::string& kind) {
  for (const char* word :
       {"resolved", "verified", "unverified", "not_helped", "superseded", "failed", "lapsed"})
    if (kind == word) return true;
  return false;
}

std::vector<Alarm> alarms_of(const std::vector<decide::Event>& events) {
  std::vector<Alarm> out;
  std::map<std::string, std::size_t> open;  // by id
  for (const decide::Event& e : events) {
    if (e.kind == "page" || e.kind == "ticket" || e.kind == "decided") {
      // An episode that acts again is still one alarm that is open.
      if (e.kind == "decided" && open.count(e.id) != 0) continue;
      open[e.id] = out.size();
      out.push_back({&e, std::nullopt});
    } else if (ends_an_alarm(e.kind)) {
      const auto at = open.find(e.id);
      if (at == open.end()) continue;
      out[at->second].ended = e.time;
      open.erase(at);
    } else if (e.kind == "retired") {
      std::erase_if(open, [&](const auto& one) {
        Alarm& alarm = out[one.second];
        const bool its = alarm.event->declaration == e.declaration && alarm.event->labels == e.labels;
        if (its) alarm.ended = e.time;
        return its;
      });
    }
  }
  return out;
}

// Incidents in order of their beginning, for windows that hold an instant.
class Windows {
 public:
  Windows(const std::vector<Incident>& incidents, Instant end, Duration grace)
      : incidents_(incidents), end_(end), grace_(grace) {
    for (std::size_t i = 0; i < incidents.size(); ++i) order_.push_back(i);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return incidents_[a].from < incidents_[b].from; });
    for (const Incident& incident : incidents) longest_ = std::max(longest_, last(incident) - incident.from);
  }
  Instant last(const Incident& incident) const {
    return incident.to ? *incident.to + grace_ : std::max(end_, incident.from);
  }
  // The first agreeing one that is `wanted` or not; null when there is none.
  const Incident* at(Instant time, const Labels& labels, bool wanted) const {
    auto next = std::upper_bound(order_.begin(), order_.end(), time,
                                 [&](Instant t, std::size_t i) { return t < incidents_[i].from; });
    while (next != order_.begin()) {
      const Incident& incident = incidents_[*--next];
      if (incident.from + longest_ < time) break;
      if (incident.wanted == wanted && time <= last(incident) && agree(labels, incident.labels))
        return &incident;
    }
    return nullptr;
  }

 private:
  const std::vector<Incident>& incidents_;
  Instant end_;
  Duration grace_, longest_;
  std::vector<std::size_t> order_;
};

void summarize(Score& out) {
  std::vector<Duration> delays;
  std::int64_t unfound = 0, left = 0;  // their mean, without a sum that could be too large
  const auto n = static_cast<std::int64_t>(out.findings.size());
  for (const Finding& f : out.findings) {
    ++(f.outcome == Outcome::found ? out.found : f.outcome == Outcome::masked ? out.masked : out.missed);
    if (f.outcome == Outcome::found) delays.push_back(f.delay);
    unfound += f.unfound_for.ms / n;
    left += f.unfound_for.ms % n;
  }
  if (n > 0) out.mean_unfound = Duration{unfound + left / n};
  if (delays.empty()) return;
  std::sort(delays.begin(), delays.end());
  out.longest_delay = delays.back();
  const Duration low = delays[(delays.size() - 1) / 2], high = delays[delays.size() / 2];
  out.median_delay = low + Duration{(high - low).ms / 2};
}

}  // namespace

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::found:
      return "found";
    case Outcome::masked:
      return "masked";
    case Outcome::missed:
      break;
  }
  return "missed";
}

Told count_told(const std::vector<decide::Event>& events) {
  Told out;
  for (const decide::Event& e : events) {
    const bool tells = e.kind == "page" || e.kind == "ticket" || e.kind == "missing" || e.kind == "escalated";
    if (tells && e.severity == "page") ++out.pages;
    if (tells && e.severity == "ticket") ++out.tickets;
    if (e.kind == "decided") ++out.actions;
    if (e.kind == "refused") ++out.refused;
  }
  return out;
}

Score score(const std::vector<decide::Event>& events, const std::vector<Incident>& incidents,
            const Replayed& replayed, Duration grace) {
  Score out;
  const std::vector<Alarm> alarms = alarms_of(events);
  const Windows windows(incidents, replayed.to, grace);
  out.alarms = alarms.size();
  for (const Alarm& alarm : alarms) {
    const decide::Event& e = *alarm.event;
    if (windows.at(e.time, e.labels, true) != nullptr) continue;
    ++out.false_alarms;
    const Incident* const other = windows.at(e.time, e.labels, false);
    ++out.false_in[other == nullptr ? "" : other->kind];
  }
  for (std::size_t i = 0; i < incidents.size(); ++i) {
    const Incident& incident = incidents[i];
    if (!incident.wanted) continue;
    if (incident.from < replayed.from || incident.from > replayed.to) {
      ++out.outside;
      continue;
    }
    const Instant last = std::min(windows.last(incident), replayed.to);
    Finding finding;
    finding.incident = i;
    finding.unfound_for = last - incident.from;
    const auto begun = std::lower_bound(alarms.begin(), alarms.end(), incident.from,
                                        [](const Alarm& alarm, Instant t) { return alarm.event->time < t; });
    for (auto a = begun; a != alarms.end() && a->event->time <= last; ++a) {
      if (!agree(a->event->labels, incident.labels)) continue;
      finding.outcome = Outcome::found;
      finding.delay = finding.unfound_for = a->event->time - incident.from;
      finding.kind = a->event->kind;
      finding.by = a->event->declaration;
      break;
    }
    if (finding.outcome != Outcome::found && std::any_of(alarms.begin(), begun, [&](const Alarm& a) {
          return (!a.ended || *a.ended > incident.from) && agree(a.event->labels, incident.labels);
        }))
      finding.outcome = Outcome::masked;
    out.findings.push_back(std::move(finding));
  }
  summarize(out);
  return out;
}

std::vector<bool> front(const std::vector<Weighed>& candidates) {
  std::vector<bool> out(candidates.size(), true);
  for (std::size_t i = 0; i < candidates.size(); ++i)
    for (const Weighed& other : candidates) {
      const Weighed& mine = candidates[i];
      const bool as_good = other.false_alarms <= mine.false_alarms && other.not_found <= mine.not_found &&
                           other.mean_unfound <= mine.mean_unfound;
      const bool better = other.false_alarms < mine.false_alarms || other.not_found < mine.not_found ||
                          other.mean_unfound < mine.mean_unfound;
      if (as_good && better) out[i] = false;
    }
  return out;
}

}  // namespace signalbox::score
