// How the rows of several columns meet in one: which input row stands beside which in each result row.
// Depends on label sets alone, so that one alignment serves until a label set changes; what only values can
// tell it leaves as contests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {

struct JoinInput {
  Rows rows;
  bool scalar = false;
  bool bare = false;  // a closed family without labels: one row {} at most
};

// A result row for which more than one input row stands ready: which one it is, is told by which has a value.
struct Contest {
  std::uint32_t row = 0;
  bool paired = false;  // candidates[s][k] of all sides s belong together; else each side has its own
  std::vector<std::vector<std::uint32_t>> candidates;  // by side; input rows
  std::vector<std::uint32_t> rivals;                   // of Alignment::rivals: those that must be settled
};
// Input rows of one side that have the same place in the join: no more than one may have a value.
struct Rivals {
  std::size_t side = 0;
  std::vector<std::uint32_t> rows;
  bool of_one_side = true;  // to Prometheus they are an error even where no row of another side meets them
};

struct Alignment {
  static constexpr std::uint32_t absent = 0xffffffff;
  static constexpr std::size_t everywhere = static_cast<std::size_t>(-1);
  struct Source {
    bool broadcast = false;  // the input's first row stands in every result row
    bool direct = false;     // result row i is input row i
    std::vector<std::uint32_t>
        pick;                       // otherwise: input row by result row, or `absent`; of contested rows any
    std::size_t side = everywhere;  // which of the joined families the input is
    // The input's row that stands in a row of the result, or `absent`.
    std::size_t at(std::size_t row) const { return broadcast ? 0 : direct ? row : pick[row]; }
  };
  Rows rows;
  std::vector<Source> sources;  // by input
  std::vector<Contest> contests;
  std::vector<Rivals> rivals;
  bool unite = false;
};

// Settles a contest: `pick` gets a row for each input (`absent` for broadcast ones). False when it cannot be
// settled: more than one candidate has a value.
template <class HasValue>  // (input, row) → bool
bool settle(const Alignment& alignment, const Contest& contest, HasValue has_value,
            std::vector<std::uint32_t>& pick);
// The same for a filter, which leaves a value of some choices only, as `leaves` (pick → bool) says: of a
// choice that it drops there is no second match.
template <class HasValue, class Leaves>
bool settle_filtered(const Alignment& alignment, const Contest& contest, HasValue has_value, Leaves leaves,
                     std::vector<std::uint32_t>& pick);
// Whether more than one of the rivals has a value.
template <class HasValue>
bool clash(const Alignment& alignment, const Rivals& rivals, HasValue has_value);

// The rules are those of plan::Matching, whose name is settled: dropped or kept. Beyond them:
// - Several inputs with equal rows count as one family. Join::only over families that differ joins as
// `intersect`.
// - Of rows with the same place in a join, the one with a value counts; that is told tick by tick (Contest).
// - In `unite`, bare families stand in every row of the others; when all are bare there is one row, present
// or not.
Alignment align(const plan::Matching& matching, const std::vector<JoinInput>& inputs);

// What of a row's labels places it in a join.
Labels match_key(const plan::Matching& matching, const Labels& labels);

template <class HasValue>
bool clash(const Alignment& alignment, const Rivals& rivals, HasValue has_value) {
  for (std::size_t i = 0; i < alignment.sources.size(); ++i) {
    if (alignment.sources[i].side != rivals.side) continue;
    const auto valued = std::count_if(rivals.rows.begin(), rivals.rows.end(),
                                      [&](std::uint32_t row) { return has_value(i, row); });
    if (valued > 1) return true;
  }
  return false;
}

template <class HasValue>
bool settle(const Alignment& alignment, const Contest& contest, HasValue has_value,
            std::vector<std::uint32_t>& pick) {
  const std::vector<Alignment::Source>& sources = alignment.sources;
  pick.assign(sources.size(), Alignment::absent);
  if (contest.paired) {
    std::size_t chosen = 0, live = 0;
    for (std::size_t k = 0; k < contest.candidates.front().size(); ++k) {
      bool all = true;
      for (std::size_t i = 0; i < sources.size() && all; ++i)
        all =
            sources[i].side == Alignment::everywhere || has_value(i, contest.candidates[sources[i].side][k]);
      if (all && ++live == 1) chosen = k;
    }
    for (std::size_t i = 0; i < sources.size(); ++i)
      if (sources[i].side != Alignment::everywhere) pick[i] = contest.candidates[sources[i].side][chosen];
    return live == 0 || (live == 1 && std::none_of(contest.rivals.begin(), contest.rivals.end(), [&](auto r) {
                           return clash(alignment, alignment.rivals[r], has_value);
                         }));
  }
  bool several = false, every = true;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].side == Alignment::everywhere) continue;
    const std::vector<std::uint32_t>& candidates = contest.candidates[sources[i].side];
    std::size_t valued = 0;
    for (const std::uint32_t row : candidates)
      if (has_value(i, row) && ++valued == 1) pick[i] = row;
    if (valued == 0 && !candidates.empty()) pick[i] = candidates.front();
    several = several || valued > 1;
    every = every && valued > 0;
  }
  return !several || !(every || alignment.unite);
}

template <class HasValue, class Leaves>
bool settle_filtered(const Alignment& alignment, const Contest& contest, HasValue has_value, Leaves leaves,
                     std::vector<std::uint32_t>& pick) {
  if (settle(alignment, contest, has_value, pick)) return true;
  if (!contest.paired) return false;
  const std::vector<Alignment::Source>& sources = alignment.sources;
  for (const std::uint32_t r : contest.rivals)
    if (alignment.rivals[r].of_one_side && clash(alignment, alignment.rivals[r], has_value)) return false;
  const auto is_left = [&] {
    for (std::size_t i = 0; i < sources.size(); ++i)
      if (pick[i] != Alignment::absent && !has_value(i, pick[i])) return false;
    return leaves(pick);
  };
  std::size_t left = 0;
  std::vector<std::uint32_t> chosen = pick;
  for (std::size_t k = 0; k < contest.candidates.front().size(); ++k) {
    for (std::size_t i = 0; i < sources.size(); ++i)
      if (sources[i].side != Alignment::everywhere) pick[i] = contest.candidates[sources[i].side][k];
    if (is_left() && ++left == 1) chosen = pick;
  }
  if (left > 1) return false;
  // One to one, others may have the same place whose result is a row of its own.
  for (const std::uint32_t r : contest.rivals) {
    const Rivals& rivals = alignment.rivals[r];
    for (std::size_t k = 0; k < rivals.rows.size() && left == 1 && !rivals.of_one_side; ++k) {
      pick = chosen;
      for (std::size_t i = 0; i < sources.size(); ++i)
        if (sources[i].side == rivals.side) pick[i] = rivals.rows[k];
      if (pick != chosen && is_left()) return false;
    }
  }
  pick = chosen;
  return true;
}

}  // namespace signalbox::eval
