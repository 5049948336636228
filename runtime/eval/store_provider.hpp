// Leaves from the in-process store, in the order of their labels: the same samples give the same order,
// however they came in.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "runtime/eval/panel.hpp"
#include "runtime/store/moving_windows.hpp"
#include "runtime/store/series_store.hpp"
#include "runtime/store/window.hpp"

namespace signalbox::eval {

struct Cell;
struct Signal;

// A selector that the store refuses finds nothing; compilers refuse it first.
class StoreProvider final : public LeafProvider, public PanelLeaves {
 public:
  // Memory for the windows of series that are kept for the next leaf: those of one SLO, as a rule. Where its
  // series do not fit for all instants, they are kept for a stretch of them.
  static constexpr std::size_t most_kept_bytes = 32u << 20;
  explicit StoreProvider(const store::SeriesStore& store, std::size_t kept_bytes = most_kept_bytes)
      : store_(store), kept_bytes_(kept_bytes), series_(store) {}
  Column read(const LeafQuery& query) override;
  Rows known(const plan::Leaf& leaf, Instant at) override;
  // The instants for which panels will be asked, forward in time: what a series has at them is then worked
  // out once for all of its windows, for as many series as are kept, and for the others panel by panel.
  // `reach`: how far before an instant a leaf may look.
  void expect_panels(Instant from, Duration step, std::size_t ticks, Duration reach);
  // What is asked about from now on has other series, as a rule: memory of those asked about before is used
  // for them.
  void next_panels() override;
  std::size_t selector(const plan::Leaf& leaf) override;
  void read_panel(const PanelQuery& query, PanelMemory& memory, Panel& out) override;
  Rows read_bounds(const PanelQuery& query, bool values, std::vector<Bounds>& out) override;
  Instant same_rows_until(std::size_t selector, Instant at) override;
  bool finds_histograms(std::size_t selector) override;
  // To be called after the store has dropped series (retain_from): which ones it holds cannot be told from
  // their number.
  void refresh() {
    ++generation_;
    forget_extremes();
  }

 private:
  struct Known {
    std::vector<store::SeriesId> ids;
    Rows named, unnamed;
  };
  struct Selection {
    std::vector<Matcher> matchers;
    std::uint64_t generation = 0;
    std::vector<store::SeriesId> ids;    // by labels
    std::vector<Instant> first;          // by id's place
    std::vector<Instant> births;         // the same, in rising time: how many are known at an instant
    std::map<std::size_t, Known> known;  // by that number, which says which ones
  };
  std::size_t selection_of(const plan::Leaf& leaf);
  const Known& known_at(std::size_t selector, Instant at);
  void select(Selection& into) const;

  Signal range_of(store::SeriesId id, const LeafQuery& query);
  void forget_extremes() {
    extremes_.clear();
    extreme_bytes_ = 0;
  }
  Cell read_histograms(const store::Histograms& histograms, const LeafQuery& query);

  // A series' windows, and which of their instants is the panel's first.
  struct Stretch {
    store::MovingWindows& windows;
    std::size_t first;
  };
  Stretch windows_of(store::SeriesId id, const PanelQuery& query);
  struct Moving;
  Moving* kept_windows(store::SeriesId id, const PanelQuery& query);  // null where there is no room for them
  std::size_t grid_tick(Instant at) const {
    return static_cast<std::size_t>((at - grid_.from).ms / grid_.step.ms);
  }
  Moving* moving_of(store::SeriesId id);
  Moving* room_for(store::SeriesId id, std::size_t ticks);
  Moving* windows_at(store::SeriesId id, std::size_t tick);
  void load(Moving& into, store::SeriesId id, std::size_t first, std::size_t ticks, std::size_t stretch);
  std::optional<std::size_t> kept_tick(const LeafQuery& query) const;
  Signal moving_value(store::MovingWindows& windows, const LeafQuery& query, std::size_t tick);
  Panel::Row coverage(store::MovingWindows& windows, const plan::Window& window, std::size_t first,
                      std::size_t ticks, double* value, std::uint8_t* evidence);

  const store::SeriesStore& store_;
  std::size_t kept_bytes_;
  std::uint64_t generation_ = 1;
  std::size_t series_count_ = 0;
  std::map<std::vector<Matcher>, std::size_t> numbers_;
  std::deque<Selection> selections_;  // by number
  // What a leaf at that address was found to be; another may stand there since.
  std::unordered_map<const plan::Leaf*, std::size_t> found_;
  store::Cursor series_;
  store::Samples samples_;
  // Minima and maxima of long windows, from one question to the next.
  using ExtremeKey = std::tuple<store::SeriesId, RangeFn, std::int64_t, std::int64_t>;  // length, offset: ms
  std::map<ExtremeKey, store::MovingExtreme> extremes_;
  std::size_t extreme_bytes_ = 0;

  struct Grid {
    Instant from;
    Duration step, reach;
    std::size_t ticks = 0;
  } grid_;
  static constexpr store::SeriesId none = 0xffffffff;
  struct Moving {
    store::SeriesId id = none;
    std::uint64_t used = 0, round = 0;
    std::size_t first = 0, end = 0;  // the grid's instants that it has
    bool has(std::size_t from, std::size_t ticks) const { return first <= from && from + ticks <= end; }
    store::MovingWindows windows;
    std::size_t bytes = 0;  // of them, as far as they are in held_
  };
  // What it has grown by since it was counted last.
  void count(Moving& of) {
    held_ += of.windows.bytes() - of.bytes;
    of.bytes = of.windows.bytes();
  }
  std::vector<Moving> moving_;                // of the series last asked about
  std::vector<std::uint32_t> moving_places_;  // by series: its place there, and one; 0 where it has none
  std::size_t held_ = 0;                      // bytes of them
  std::vector<std::uint16_t> looked_up_;      // by series: how often without windows that were kept
  store::MovingWindows passing_;              // of one that there is no room to keep, over one panel
  std::size_t stretch_ = 0;                   // so many instants of a series are kept at a time
  std::uint64_t uses_ = 0, round_ = 0;
  std::vector<store::WindowState> states_;
};

}  // namespace signalbox::eval
