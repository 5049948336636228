// What the input of a subquery was at a run of instants, kept as series: a window over them that moves
// forward costs what comes new and a look at what lies in it.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "runtime/eval/evaluate.hpp"
#include "runtime/store/cursor.hpp"
#include "runtime/store/extreme_queue.hpp"
#include "runtime/store/histograms.hpp"

namespace signalbox::eval {

class SubqueryHistory {
 public:
  explicit SubqueryHistory(std::size_t most_samples = Limits{}.subquery_samples) : most_(most_samples) {}
  // For a window that begins at `first`: the first instant from there on that is not held. It and those after
  // it, `step` apart, are to be added. What is held and does not lead up to it is dropped.
  Instant next(Instant first, Duration step);
  // The instant that next() named, or `step` after the one before.
  void add(Instant at, const Column& column);
  // Whether it has more samples than it may: it is cleared then, and nothing comes of it.
  bool is_full() const { return samples_ > most_; }
  void clear();
  // What lies before is not asked for again, or costs anew. Nothing is done for less than `worthwhile`: what
  // is kept is moved up.
  void forget_before(Instant first, Duration worthwhile);

  // Rows that the input had at one of the instants in [first, end], in the order in which they came up there.
  // `place` of a row is good for the two below until something is added or forgotten. While they stay the
  // same, so does the pointer.
  struct Window {
    Rows rows;
    std::vector<std::size_t> place;
  };
  const Window& window(Instant first, Instant end, bool keep_names);
  store::SamplesView numbers(std::size_t place, Instant first, Instant end) const;
  // The least or the greatest of these numbers, of which there are some. Asked for one of both alone, and
  // forward in time, it costs what comes new.
  double extreme(std::size_t place, bool greatest, Instant first, Instant end);
  const store::Histograms* histograms(std::size_t place) const;  // of all instants; null: none

 private:
  struct Run {  // of instants with the same rows
    Rows rows;
    std::vector<std::size_t> place;
    Instant first, last;
    bool repeats;  // rows of it have the same labels: one of them at most has a value
  };
  struct Series {
    Labels labels;
    store::Samples samples;
    store::Histograms histograms;
    std::uint64_t forgotten = 0;  // samples before these
    std::optional<store::MovingExtreme> extreme;
  };
  struct Range {
    std::size_t first, end;
  };
  Range range(const Series& series, Instant first, Instant end) const;
  void drop_unused();

  std::deque<Run> runs_;
  std::vector<Series> series_;      // by place
  std::size_t samples_ = 0, most_;  // of all series
  std::unordered_map<Labels, std::size_t, LabelsHash> places_;
  std::optional<Instant> first_, next_;  // instants from first_ on are held, up to before next_
  Duration step_;
  Window window_;
  bool places_moved_ = false;  // since window_ was made
};

}  // namespace signalbox::eval
