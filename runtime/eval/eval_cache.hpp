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
#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/subquery_history.hpp"

namespace signalbox::eval {

enum class Truth : std::uint8_t { no, yes, unknown };
// A condition at the end of one slice.
struct SliceStates {
  Rows rows;
  std::vector<Truth> states;
};

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

struct EvalCache {
  struct Aligned {
    std::vector<Rows> inputs;
    std::shared_ptr<const Alignment> alignment;
  };
  struct Grouped {
    Rows input;
    std::shared_ptr<const Grouping> grouping;
  };
  std::map<plan::Index, Aligned> alignments;                     // by node
  std::map<plan::Index, Grouped> groupings;                      // by node
  std::map<plan::Index, std::map<Instant, SliceStates>> slices;  // by slices node and slice end
  std::map<plan::Index, SetPlaces> sets;                         // by node
  std::map<plan::Index, std::pair<Rows, Rows>> relabelled;       // by node: input and result
  std::map<plan::Index, SubqueryHistory> subqueries;             // by node: what its input was
  std::map<const void*, RowIndex> row_indexes;                   // by the rows' address, which they hold
  std::size_t row_indexes_to_sweep = 16;
  std::vector<bool> anchored;  // by node: depends on anchors, which move; filled on first need
};

// How the inputs of a map meet, and which rows of a group node's input belong together: worked out once for
// the same rows.
std::shared_ptr<const Alignment> aligned(const plan::Plan& plan, EvalCache& cache, plan::Index map,
                                         const std::vector<Rows>& rows, Semantics semantics);
std::shared_ptr<const Grouping> grouped(const plan::Plan& plan, EvalCache& cache, plan::Index node,
                                        const Rows& input);

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
