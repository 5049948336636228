// One series' windows at consecutive instants of a grid, as a replay asks for them. Both ends of a window
// move with the grid: what lies where is worked out once for the series, and a window of any length then
// costs its two ends. The values are window_value()'s and instant_value()'s, to the bit.
#pragma once

#include <optional>

#include "runtime/store/extreme_queue.hpp"
#include "runtime/store/window.hpp"

namespace signalbox::store {

// What there is at an instant.
enum class WindowState : std::uint8_t {
  value,
  too_few,  // samples, but not as many as the function needs
  stale,    // none in the window, or the series has ended
};

class MovingWindows {
 public:
  MovingWindows() = default;
  // A copy would look at the samples of the other.
  MovingWindows(MovingWindows&&) = default;
  MovingWindows& operator=(MovingWindows&&) = default;
  // The cursor's series at `from`, `from` + `step`, … (`count` instants), for windows that begin no earlier
  // than `reach` before their instant. The series does not change as long as windows of it are asked for.
  void load(Cursor& series, Instant from, Duration step, std::size_t count, Duration reach);

  // Grows as minima and maxima are asked for.
  std::size_t bytes() const {
    std::size_t out = samples_.size() * 24 + (grid_before_ + count_) * 16;
    for (const Extreme& one : extremes_) out += one.windows.bytes();
    return out;
  }

  // A function over a range of `length` that ends `offset` before the instant; for the instants [first, first
  // + n).
  struct Range {
    RangeFn fn;
    Duration length, offset;
    Semantics semantics;
  };
  struct Seen {
    bool all = true;   // have a value
    bool nan = false;  // may be among the values
  };
  Seen range(const Range& range, std::size_t first, std::size_t n, double* value, WindowState* state);
  // The latest sample.
  Seen latest(Duration lookback, Duration offset, Semantics semantics, std::size_t first, std::size_t n,
              double* value, WindowState* state);
  // What all values of a stretch lie between, whatever they are: finite, and there at every instant. Nothing
  // where the samples at the stretch's ends do not tell.
  struct Bounds {
    double least, most;
  };
  std::optional<Bounds> range_bounds(const Range& range, std::size_t first, std::size_t n);
  // Whether latest() has a value at every instant of a stretch, of either dialect; false says nothing.
  bool always_has_latest(Duration lookback, Duration offset, std::size_t first, std::size_t n);
  // Where it has, the bounds of them.
  std::optional<Bounds> latest_bounds(Duration offset, std::size_t first, std::size_t n);
  // How far the samples of a closed window of `length` reach: last − first in milliseconds; `stale` where
  // none are.
  void reach(Duration length, Duration offset, std::size_t first, std::size_t n, double* value,
             WindowState* state);

 private:
  using Places = std::vector<std::uint32_t>;
  // A window at an instant of the grid, and for how many instants it moves on by `stride_` samples at both
  // ends.
  struct Alike {
    std::size_t instants = 1;
    std::uint32_t first = 0, last = 0;  // [first, last)
    Instant start, at;
  };
  void find_breaks(const Course* course, std::size_t view_from);
  std::size_t segment_end(std::uint32_t place) const;
  std::uint32_t count_before(Instant at, bool closed) const;
  class Edge;
  Alike alike(Duration length, Duration offset, Semantics semantics, std::size_t tick,
              std::size_t most) const;
  template <class Together, class OneByOne>
  void in_runs(Duration length, Duration offset, Semantics semantics, std::size_t first, std::size_t n,
               std::uint32_t needs, Together together, OneByOne one_by_one) const;
  Seen extrapolated(const Range& range, std::size_t first, std::size_t n, double* value, WindowState* state);
  bool extrapolated_alike(const Range& range, const Alike& windows, double* value, bool& nan) const;
  Seen latest_one_by_one(Duration lookback, Duration offset, Semantics semantics, std::size_t first,
                         std::size_t n, double* value, WindowState* state);
  Seen one_by_one(const Range& range, std::size_t first, std::size_t n, double* value, WindowState* state);
  void make_tables();
  // Counts of samples at instants: `data` of a table, whose place `at` it is, or of the instants alone.
  struct Counts {
    const std::uint32_t* data = nullptr;
    const Places* jumps = nullptr;  // null: not of a table
    std::size_t at = 0;
    std::uint32_t operator[](std::size_t i) const { return data[i]; }
    // The first in (i, n) that is not the one before it and one, or n.
    std::size_t run_end(std::size_t i, std::size_t n) const;
  };
  // How many samples lie before (or, with `closed`, at or before) instant k − `shift`, for k in [first, first
  // + n): a view of the tables, or of `out`.
  Counts count_until(Duration shift, bool closed, std::size_t first, std::size_t n, Places& out) const;
  void windows(Duration length, Duration offset, Semantics semantics, std::size_t first, std::size_t n);
  // Whether a value may be NaN.
  bool extrapolated_all(const Range& range, std::size_t first, std::size_t n, double* value,
                        const WindowState* state);
  void add_resets(std::size_t from, std::size_t to, double* change) const;
  void extremes(const Range& range, std::size_t n, double* value);
  bool ended_after(std::uint32_t place, Instant at) const;

  Instant from_, samples_from_;
  Duration step_;
  std::size_t count_ = 0;
  SamplesView samples_;
  Samples unpacked_;        // where samples_ are when the series is packed
  std::vector<double> ms_;  // times as doubles, since samples_from_; made with the tables
  std::vector<std::int64_t> ends_;
  Places resets_;          // samples lower than the one before
  bool numbers_ = true;    // no NaN among them
  Places changes_before_;  // how many changes there are up to a sample; made on first need
  // Samples come every `spacing_`, and instants every `stride_` of them, but at the breaks: samples with
  // another distance to the one before. No stride: they come anyhow.
  Duration spacing_;
  std::uint32_t stride_ = 0;
  Places breaks_;
  // Counts at the grid's instants, made on first need where samples come anyhow, from `reach` before the
  // first on: shared by windows of whole steps.
  std::size_t grid_before_ = 0;
  bool tables_ = false;
  Places up_to_, before_;
  Places up_to_jumps_, before_jumps_;  // where a count is not the one before it and one
  // The windows at hand: [first, last) per instant.
  Counts first_, last_;
  Places first_places_, last_places_;
  std::vector<double> scratch_[5];
  // How far the windows of the ranges asked for last have come.
  struct Extreme {
    RangeFn fn;
    Duration length, offset;
    MovingExtreme windows;
  };
  static constexpr std::size_t most_extremes = 4;
  std::vector<Extreme> extremes_;
};

}  // namespace signalbox::store
