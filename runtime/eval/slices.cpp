#include <algorithm>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>

#include "runtime/eval/eval_cache.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

SliceStates states_of(const Column& condition) {
  SliceStates out;
  out.rows = condition.rows;
  out.states.reserve(condition.size());
  for (std::size_t row = 0; row < condition.size(); ++row) {
    const bool known = static_cast<Evidence>(condition.evidence[row]) == Evidence::value;
    out.states.push_back(!known ? Truth::unknown : condition.number(row) != 0.0 ? Truth::yes : Truth::no);
  }
  return out;
}

class SliceCounts {
 public:
  // So many slices with these states.
  void add(const SliceStates& slice, std::uint64_t times) {
    const std::vector<std::uint32_t>& to = places(slice.rows);
    for (std::size_t row = 0; row < slice.states.size(); ++row) {
      Count& count = counts_[to[row]];
      if (slice.states[row] == Truth::unknown) continue;
      count.known += times;
      if (slice.states[row] == Truth::yes) count.yes += times;
    }
  }
  Column column(bool known_only) {
    Column out;
    for (const Count& count : counts_) {
      out.value.push_back(static_cast<double>(known_only ? count.known : count.yes));
      out.evidence.push_back(
          static_cast<std::uint8_t>(count.known > 0 ? Evidence::value : Evidence::no_data));
    }
    if (first_ && first_->size() == rows_.size()) {
      out.rows = first_;
    } else if (first_) {
      out.rows = std::make_shared<const std::vector<Labels>>(std::move(rows_));
    }
    return out;
  }

 private:
  struct Count {
    std::uint64_t yes = 0, known = 0;
  };
  const std::vector<std::uint32_t>& places(const Rows& rows) {
    const auto [entry, fresh] = places_.try_emplace(rows.get());
    if (!fresh) return entry->second;
    if (!first_) first_ = rows;
    for (const Labels& row : *rows) {
      const auto [place, added] = by_labels_.try_emplace(row, static_cast<std::uint32_t>(rows_.size()));
      if (added) {
        rows_.push_back(row);
        counts_.emplace_back();
      }
      entry->second.push_back(place->second);
    }
    return entry->second;
  }

  Rows first_;
  std::vector<Labels> rows_;
  std::vector<Count> counts_;
  std::unordered_map<Labels, std::uint32_t, LabelsHash> by_labels_;
  std::unordered_map<const std::vector<Labels>*, std::vector<std::uint32_t>> places_;
};

// The run that begins at `end` or is the last to begin before it; or none.
SliceRuns::iterator run_before(SliceRuns& runs, Instant end) {
  const auto next = runs.upper_bound(end);
  return next == runs.begin() ? runs.end() : std::prev(next);
}

// Slices that end at `until` or before it.
void forget(SliceRuns& runs, Instant until, Duration length) {
  while (!runs.empty() && runs.begin()->second.last <= until) runs.erase(runs.begin());
  if (runs.empty() || runs.begin()->first > until) return;
  auto run = runs.extract(runs.begin());
  run.key() = grid_floor(until, length, {}) + length;
  runs.insert(std::move(run));
}

}  // namespace

Column Evaluation::slices(plan::Index index) {
  const plan::Node& node = context_.plan->nodes[index];
  const Duration length{static_cast<std::int64_t>(node.params[0])};
  const Duration window{static_cast<std::int64_t>(node.params[1])};
  const Instant after = context_.at - window;
  const bool keep = !depends_on_anchors(*context_.plan, *context_.cache, node.inputs[0]);
  SliceRuns unkept;
  SliceRuns& runs = keep ? context_.cache->slices[index] : unkept;

  Context inner = context_;
  inner.holds = nullptr;
  inner.given = nullptr;  // it is of this instant
  for (Instant end = grid_floor(after, length, {}) + length; end <= context_.at; end = end + length) {
    const auto run = run_before(runs, end);
    if (run != runs.end() && end <= run->second.last) {
      end = run->second.last;
      continue;
    }
    inner.at = end;
    SliceStates states = states_of(Evaluation(inner).column(node.inputs[0]));
    if (run != runs.end() && run->second.last + length == end && run->second.each == states)
      run->second.last = end;
    else
      runs.emplace(end, SliceRun{end, std::move(states)});
  }
  forget(runs, after, length);

  SliceCounts counts;
  for (auto run = runs.begin(); run != runs.end() && run->first <= context_.at; ++run) {
    const Duration span = std::min(run->second.last, grid_floor(context_.at, length, {})) - run->first;
    counts.add(run->second.each, static_cast<std::uint64_t>(span.ms / length.ms) + 1);
  }
  return counts.column(node.known_only);
}

}  // namespace signalbox::eval
