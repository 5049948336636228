// A `test` of the language, ready to run: what the world shows in virtual time, and what must come of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::plan {

// A time since the test's start, or the tick in which a declaration reaches a state.
struct RehearsalMoment {
  Duration at;
  std::string declaration, state;  // when `declaration` is not empty
};
struct GivenSeries {
  Labels labels;
  enum class Pattern { rate, value, values } pattern = Pattern::value;
  std::vector<double> numbers;  // per second; the value; one value a sample
  std::optional<RehearsalMoment> from, until, appears;
  std::vector<RehearsalMoment> resets;
  std::vector<std::pair<RehearsalMoment, RehearsalMoment>> gaps;
};
struct GivenDeploy {
  Index target = none;
  Duration at;
};
struct GivenTarget {
  Index target = none;
  std::string failing_action;  // "" when it only answers late
  Duration answers_after;
};
struct Expectation {
  bool negated = false;
  enum class Kind { page, ticket, state } kind = Kind::state;
  std::string name;   // receiver or declaration
  std::string state;  // fires, verified, not_helped, …
  enum class When { ever, between, after, before, at } when = When::ever;
  RehearsalMoment first, second;
  Origin origin;
};
struct Rehearsal {
  std::string name;
  std::vector<GivenSeries> series;
  std::vector<GivenDeploy> deploys;
  std::vector<GivenTarget> targets;
  std::vector<Index> failing_receivers;
  std::vector<Expectation> expectations;
  Origin origin;
};

}  // namespace signalbox::plan
