// What evaluations leave behind for later ones. Every entry is checked against the row pointers it was made
// from.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/eval/aggregate.hpp"
#include "runtime/eval/align.hpp"
#include "runtime/eval/conjuncts.hpp"
#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/memo.hpp"
#include "runtime/eval/subquery_history.hpp"

namespace signalbox::eval {

enum class Truth : std::uint8_t { no, yes, unknown };
// A condition at the end of one slice.
struct SliceStates {
  Rows rows;
  std::vector<Truth> states;
  bool operator==(const SliceStates&) const = default;
};
// Of slices one after the other where the condition is the same: in a month of minutes most are.
struct SliceRun {
  Instant last;  // where the last of them ends
  SliceStates each;
};
using SliceRuns = std::map<Instant, SliceRun>;  // by where the first ends

// How two families meet in a set operation.
struct SetPlaces {
  Rows first, second;
  std::size_t places = 0;
  std::vector<std::uint32_t> of_first, of_second;  // by row: its place in the match
  Rows either;                           // all rows of the first, then those of the second that are not there
  std::vector<std::uint32_t> in_either;  // by row of the second
};

// Where labels stand among rows; the first place where they stand twice.
struct RowIndex {
  Rows rows;
  std::unordered_map<Labels, std::uint32_t, LabelsHash> place;
};

// A condition of several conjuncts, and how it met its inputs when all of them were last worked out: good as
// long as the leaves below it have the rows that they had then.
struct Conjunction {
  std::vector<Conjunct> parts;
  std::vector<plan::Index> leaves;  // nodes below it
  // A quantile of native histograms has rows for those that there are at the instant.
  bool rows_follow_leaves = true;
  std::size_t refuter = 0;  // the part that was false last: it is likely to be so again
  std::uint64_t tried = 0;  // the evaluation, or the run of a panel, in which no part was
  std::shared_ptr<const Alignment> alignment;
  std::vector<Rows> rows;  // by leaf, as an evaluation found them
  Instant from, until;     // when the leaves have the rows that a panel found
};

struct EvalCache {
  struct Aligned {
    std::vector<Rows> inputs;
    std::shared_ptr<const Alignment> alignment;
  };
  struct Grouped {
    Rows input;
    std::shared_ptr<const Grouping> grouping;
  };
  std::map<plan::Index, Aligned> alignments;                // by node
  std::map<plan::Index, Grouped> groupings;                 // by node
  std::map<plan::Index, SliceRuns> slices;                  // by slices node
  std::map<plan::Index, SetPlaces> sets;                    // by node
  std::map<plan::Index, std::pair<Rows, Rows>> relabelled;  // by node: input and result
  std::map<plan::Index, SubqueryHistory> subqueries;        // by node: what its input was
  std::map<const void*, RowIndex> row_indexes;              // by the rows' address, which they hold
  std::size_t row_indexes_to_sweep = 16;
  // By node; without parts where it is none. Of evaluations or of panels: one cache is not for both.
  std::unordered_map<plan::Index, Conjunction> conjunctions;
  std::vector<bool> panel_nodes;                   // panel_nodes(), on first need
  std::uint64_t evaluations = 0;                   // so far
  std::vector<std::unique_ptr<Memo>> spare_memos;  // of evaluations that have ended
  std::vector<bool> anchored;  // by node: depends on anchors, which move; filled on first need
};

// How the inputs of a map meet, and which rows of a group node's input belong together: worked out once for
// the same rows.
std::shared_ptr<const Alignment> aligned(const plan::Plan& plan, EvalCache& cache, plan::Index map,
                                         const std::vector<Rows>& rows, Semantics semantics);
std::shared_ptr<const Grouping> grouped(const plan::Plan& plan, EvalCache& cache, plan::Index node,
                                        const Rows& input);

// Null where `map` is not a condition of several conjuncts, or may not be left half worked out: where a hold
// is below it, which counts instants.
Conjunction* conjunction_of(const plan::Plan& plan, EvalCache& cache, plan::Index map);

// What to say where Limits::subquery_samples are exceeded.
std::string too_many_samples();
inline constexpr const char* fewer_samples = "ask for a shorter range, a longer step or fewer series";

// Valid until it is asked about other rows.
const RowIndex& row_index(EvalCache& cache, const Rows& rows);

// A closed family without labels: one row {} at most.
bool is_bare(const plan::Node& node);
// `absent` over what its input found at one instant.
Column absent_column(const plan::Node& node, const Column& input);

// Whether anything under `node` depends on anchors.
bool depends_on_anchors(const plan::Plan& plan, EvalCache& cache, plan::Index node);

}  // namespace signalbox::eval
