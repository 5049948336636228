// How the rows of several columns meet in one: which input row stands beside which in each result row.
// Depends on label sets alone, so that one alignment serves until a label set changes.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {

struct JoinInput {
  Rows rows;
  bool scalar = false;
  bool bare = false;  // a closed family without labels: one row {} at most
};

struct Alignment {
  static constexpr std::uint32_t absent = 0xffffffff;
  struct Source {
    bool broadcast = false;           // the input's first row stands in every result row
    bool direct = false;              // result row i is input row i
    std::vector<std::uint32_t> pick;  // otherwise: input row by result row, or `absent`
  };
  Rows rows;
  std::vector<Source> sources;           // by input
  std::vector<std::uint32_t> ambiguous;  // result rows that more than one row of a "one" side claims
};

// The rules are those of plan::Matching; beyond them:
// - Several inputs with equal rows count as one family. Join::only over families that differ joins as
// `intersect`.
// - In `unite`, bare families stand in every row of the others; when all are bare there is one row, present
// or not.
Alignment align(const plan::Matching& matching, const std::vector<JoinInput>& inputs);

}  // namespace signalbox::eval
