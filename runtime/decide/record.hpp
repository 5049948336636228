// Records: what a decision was made of, complete enough to make it again. A record holds the digest of the plan, the
// measurements and evidence the condition read (doubles as bits), the state before, what was observed of the world, and
// the sentence and the condition tree that people read.
#pragma once

#include <map>

#include "runtime/decide/decide.hpp"

namespace signalbox::decide {

struct TreeLine {
  std::uint32_t depth = 0;
  std::string text;      // as the program says it
  std::string outcome;   // true, false, unknown (no_data), or a value
  std::string numbers;   // "250 of 1000: burn 250, threshold 14.4"
};

struct Record {
  std::string id;                 // of the episode
  std::uint64_t number = 0;       // rises with every record of a state directory
  std::string kind, policy, sentence, digest;
  Labels instance;
  Semantics semantics = Semantics::prometheus2;
  Instant time;
  bool complete = false;          // holds what recompute() needs
  std::map<std::string, std::string> state;  // entries of decide::to_entries, those the decision depends on
  Observed observed;
  std::vector<eval::Anchors::Deploy> deploys;
  std::vector<std::pair<eval::HoldKey, eval::HoldCell>> holds;  // before the tick
  std::map<plan::Index, eval::Column> columns;                  // leaves and slices
  std::vector<TreeLine> tree;
};

std::string to_bytes(const Record& record);
// Errors: `malformed`, `unsupported` for a newer version.
Result<Record> record_from_bytes(std::string_view bytes);

// Makes the decision again from the record and the plan alone: the bytes of the record that comes out. Errors: `conflict`
// when the plan is not the one the record names, `invalid_argument` for a record that is not a decision.
Result<std::string> recompute(const plan::Plan& plan, const Record& record);

// For decide/ itself.
Decision::Recorded make_record(const plan::Plan& plan, std::string kind, plan::Index root, plan::Index policy, const PolicyState& p,
                               const State& before, const Observed& observed, eval::Evaluation& evaluation, std::string sentence,
                               std::uint64_t number);
Decision::Recorded make_note(const plan::Plan& plan, std::string kind, plan::Index policy, const PolicyState& p, Instant time,
                             std::string sentence, std::uint64_t number);

}  // namespace signalbox::decide
