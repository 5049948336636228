// A replay's events held against incidents that somebody labelled. Pure.
//
//   alarm       a page or a ticket of a burn row, or an action that a policy decided: it begins at the
//   event's
//               time and ends with the `resolved`, or the outcome, of the same id, or when
//               its instance is retired. `missing` and `escalated` are
//               none: they speak of the data, and of our own action.
//   agree       an alarm and an incident agree when no label that both have has another value.
//   window      of an incident: from `from` to `to` + grace, both included; without `to`, to the replay's
//   end. judged      incidents that are to be found and begin in the replay; the others are `outside`. found
//   by the first agreeing alarm that begins in the window; delay = its time − `from`. masked      not found,
//   and an agreeing alarm that began before `from` was still open at `from`. missed      the rest. false an
//   alarm whose time lies in no window of an agreeing incident that is to be found, judged or not.
//   unfound_for of an incident: its delay; where it is not found, the length of its window inside the replay.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/decide/decide.hpp"

namespace signalbox::score {

struct Incident {
  std::string kind;
  Labels labels;
  Instant from;
  std::optional<Instant> to;  // nothing: it has no end
  bool wanted = true;         // there to be found: an alarm in it is none that is false
};

struct Replayed {
  Instant from, to;  // first and last tick that was decided or passed over
};

enum class Outcome : std::uint8_t { found, masked, missed };
const char* outcome_name(Outcome outcome);

struct Finding {  // of one judged incident
  std::size_t incident = 0;
  Outcome outcome = Outcome::missed;
  Duration delay;        // when found
  std::string kind, by;  // when found: page, ticket or decided, and whose
  Duration unfound_for;
};

struct Told {                          // what can be counted without labelled incidents
  std::size_t pages = 0, tickets = 0;  // times that somebody was told, lost data and escalations included
  std::size_t actions = 0, refused = 0;
};
Told count_told(const std::vector<decide::Event>& events);

struct Score {
  std::vector<Finding> findings;  // in the order of the incidents
  std::size_t found = 0, masked = 0, missed = 0;
  std::size_t outside = 0;  // wanted, and not judged
  std::size_t alarms = 0, false_alarms = 0;
  std::map<std::string, std::size_t> false_in;  // false alarms by the kind of an unwanted incident they fell
                                                // in; "" for none
  std::optional<Duration> median_delay, longest_delay;  // of those found
  std::optional<Duration> mean_unfound;                 // of those judged
};
// `events` in order of time.
Score score(const std::vector<decide::Event>& events, const std::vector<Incident>& incidents,
            const Replayed& replayed, Duration grace);

// Of candidates: as many as there are; true where no other is as good in all three and better in one.
struct Weighed {
  std::size_t false_alarms = 0, not_found = 0;
  Duration mean_unfound;
};
std::vector<bool> front(const std::vector<Weighed>& candidates);

}  // namespace signalbox::score
