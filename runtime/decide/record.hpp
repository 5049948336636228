// Records: what a decision was made of, complete enough to make it again. A record holds the digest of the
// plan, the measurements and evidence the condition read (doubles as bits), the state before, what was
// observed of the world, and the sentence and the condition tree that people read.
#pragma once

#include <map>

#include "runtime/decide/decide.hpp"

namespace signalbox::decide {

struct TreeLine {
  std::uint32_t depth = 0;
  std::string text;     // as the program says it
  std::string outcome;  // true, false, unknown (no_data), or a value
  std::string numbers;  // "250 of 1000: burn 250, threshold 14.4"
};

struct Record {
  std::string id;            // of the episode, or of the row that tells
  std::uint64_t number = 0;  // rises with every record of a state directory
  std::string kind, declaration, sentence, digest;
  Labels instance;
  Semantics semantics = Semantics::prometheus2;
  Instant time;
  bool complete = false;  // holds what recompute() needs
  // Which decision it is: a policy's on its `when`, a policy's on its verify, or that of a row of an SLO.
  enum class Of : std::uint8_t { when, verify, row } of = Of::when;
  std::uint32_t row = 0;         // of the SLO
  std::optional<Instant> since;  // where `since done` starts in what was read, for a verify or a clipped row
  std::vector<std::pair<std::string, Labels>> pending;  // policies that a row may have waited for
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

// Makes the decision again from the record and the plan alone: the bytes of the record that comes out.
// Errors: `conflict` when the plan is not the one the record names, `invalid_argument` for a record that is
// not a decision.
Result<std::string> recompute(const plan::Plan& plan, const Record& record);

// For decide/ itself. What the record shows of people's interest is set by the caller: id, kind, declaration,
// instance, sentence, number. These add the rest.
struct RecordedInputs {
  std::vector<plan::Index> roots;  // conditions that were read, in `evaluation`
  eval::Evaluation* evaluation = nullptr;
};
// `before`: what the guards look at, which is every policy and target and the effects of the last hour
// (small_tables), and the SLO instance that tells.
Decision::Recorded complete_record(const plan::Plan& plan, Record record, const State& before,
                                   const Observed& observed, const std::vector<RecordedInputs>& inputs);
// What happened, without a decision of ours in it.
Decision::Recorded note(const plan::Plan& plan, Record record, const Observed& observed);

}  // namespace signalbox::decide
