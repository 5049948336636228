#include "runtime/eval/store_provider.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/vectors.hpp"
#include "runtime/eval/native_histogram.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {
namespace {

using plan::LeafFn;

// Sets of known rows kept for one selector: the present one, and those that slices and offsets ask about.
constexpr std::size_t kept_row_sets = 16;
// So many instants of a series at least: each stretch of them reads all that its windows reach back to.
constexpr std::size_t least_stretch = 1024;
// By how much fewer instants of each series are kept where all of their series do not fit.
constexpr std::size_t shorter = 4;

// NaNs become the one that columns carry.
SIGNALBOX_VECTORS void make_nans_one(double* value, std::size_t count) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t t = 0; t < count; ++t) value[t] = value[t] != value[t] ? nan : value[t];
}

// As read() says it of the same states.
Evidence evidence_of(store::WindowState state) {
  constexpr Evidence says[] = {Evidence::value, Evidence::no_data, Evidence::stale};
  return says[static_cast<std::size_t>(state)];
}

// How far before a tick the leaf looks.
Duration reach_of(const plan::Leaf& leaf, Duration lookback) {
  return leaf.window.offset + (leaf.fn == LeafFn::sample ? lookback : leaf.window.length);
}

Signal latest_value(store::Cursor& series, const LeafQuery& query) {
  const store::InstantValue at = store::instant_value(series, query.at, query.lookback, query.semantics);
  return at.state == store::InstantValue::State::value ? Signal{at.value, Evidence::value}
                                                       : unknown(Evidence::stale);
}

Signal taken_at(store::Cursor& series, const LeafQuery& query) {
  const store::InstantValue at = store::instant_value(series, query.at, query.lookback, query.semantics);
  return at.state == store::InstantValue::State::value ? Signal{at.time.unix_seconds(), Evidence::value}
                                                       : unknown(Evidence::stale);
}

Signal range_value(store::Cursor& series, const LeafQuery& query, store::Samples& samples) {
  const Duration length = query.leaf->window.length;
  const auto value = store::window_value(series, query.leaf->range_fn, query.at, length, query.semantics,
                                         samples, query.args);
  if (value) return {*value, Evidence::value};
  const auto latest = series.at_or_before(query.at);
  if (!latest || Instant{latest->time} < store::window_start(query.at, length, query.semantics))
    return unknown(Evidence::stale);
  const auto end = series.end_at_or_before(query.at);
  return unknown(end && end->ms > latest->time ? Evidence::stale : Evidence::no_data);
}

Signal raw_value(store::Cursor& series, const LeafQuery& query) {
  store::RawIncrease all;
  for (const auto& [first, last] : query.pieces) {
    const store::RawIncrease piece = store::raw_increase(series, first, last);
    all.sum += piece.sum;
    all.steps += piece.steps;
  }
  return all.steps > 0 ? Signal{all.sum, Evidence::value} : unknown(Evidence::no_data);
}

Signal covered(store::Cursor& series, const LeafQuery& query) {
  // Closed at both ends, whatever the dialect: what is measured is how far the samples reach.
  const Duration length = query.leaf->window.length;
  const auto first = series.at_or_after(query.at - length), last = series.at_or_before(query.at);
  if (!first || !last || first->place > last->place) return unknown(Evidence::no_data);
  if (length.ms <= 0) return {1.0, Evidence::value};
  const double span = static_cast<double>(last->time - first->time);
  return {std::clamp(span / static_cast<double>(length.ms), 0.0, 1.0), Evidence::value};
}

}  // namespace

void StoreProvider::select(Selection& into) const {
  std::vector<store::SeriesId> ids;
  if (auto selected = store_.select(into.matchers)) ids = *std::move(selected);
  // A series without samples is not known yet, and the next look may find it so.
  const auto empty = [&](store::SeriesId id) { return !store_.first_time(id); };
  const auto removed = std::erase_if(ids, empty);
  std::sort(ids.begin(), ids.end(),
            [&](store::SeriesId a, store::SeriesId b) { return store_.labels(a) < store_.labels(b); });
  into.generation = removed > 0 ? 0 : generation_;
  if (ids == into.ids) return;
  into.ids = std::move(ids);
  into.first.clear();
  into.known.clear();
  for (const store::SeriesId id : into.ids) into.first.push_back(*store_.first_time(id));
  into.births = into.first;
  std::sort(into.births.begin(), into.births.end());
}

std::size_t StoreProvider::selection_of(const plan::Leaf& leaf) {
  const auto known = found_.find(&leaf);
  if (known != found_.end() && selections_[known->second].matchers == leaf.matchers) return known->second;
  const auto [entry, fresh] = numbers_.try_emplace(leaf.matchers, selections_.size());
  if (fresh) selections_.emplace_back().matchers = leaf.matchers;
  return found_[&leaf] = entry->second;
}

const StoreProvider::Known& StoreProvider::known_at(std::size_t selector, Instant at) {
  if (store_.series_count() != series_count_) {
    series_count_ = store_.series_count();
    ++generation_;
  }
  Selection& selection = selections_[selector];
  if (selection.generation != generation_) select(selection);
  const auto count = static_cast<std::size_t>(
      std::upper_bound(selection.births.begin(), selection.births.end(), at) - selection.births.begin());
  const auto found = selection.known.find(count);
  if (found != selection.known.end()) return found->second;

  if (selection.known.size() >= kept_row_sets) selection.known.erase(selection.known.begin());
  Known& known = selection.known[count];
  std::vector<Labels> named, unnamed;
  for (std::size_t i = 0; i < selection.ids.size(); ++i) {
    if (selection.first[i] > at) continue;
    known.ids.push_back(selection.ids[i]);
    named.push_back(store_.labels(selection.ids[i]));
    unnamed.push_back(named.back().without_name());
  }
  known.named = std::make_shared<const std::vector<Labels>>(std::move(named));
  known.unnamed = std::make_shared<const std::vector<Labels>>(std::move(unnamed));
  return known;
}

Rows StoreProvider::known(const plan::Leaf& leaf, Instant at) {
  const Known& known = known_at(selection_of(leaf), at);
  return keeps_name(leaf) ? known.named : known.unnamed;
}

// Of the series that is open.
Signal StoreProvider::range_of(store::SeriesId id, const LeafQuery& query) {
  constexpr std::uint64_t worthwhile = 64;
  const RangeFn fn = query.leaf->range_fn;
  const plan::Window& window = query.leaf->window;
  if (fn != RangeFn::min_over_time && fn != RangeFn::max_over_time)
    return range_value(series_, query, samples_);
  const Instant start = store::window_start(query.at, window.length, query.semantics);
  const auto last = series_.at_or_before(query.at);
  const auto first = series_.at_or_after(start);
  if (!last || !first || last->place < first->place + worthwhile)
    return range_value(series_, query, samples_);
  if (extreme_bytes_ > kept_bytes_) forget_extremes();
  const auto [entry, fresh] =
      extremes_.try_emplace({id, fn, window.length.ms, window.offset.ms}, fn == RangeFn::max_over_time);
  store::MovingExtreme& windows = entry->second;
  if (!fresh) extreme_bytes_ -= windows.bytes();
  const double value = windows.of(first->place, last->place + 1, [&](std::uint64_t from) {
    samples_.clear();
    series_.read(Instant{series_.at_place(from)->time}, query.at, samples_);
    return std::span<const double>(samples_.values);
  });
  extreme_bytes_ += windows.bytes();
  return {value, Evidence::value};
}

Column StoreProvider::read(const LeafQuery& query) {
  const Known& known = known_at(selection_of(*query.leaf), query.at);
  Column out;
  out.rows = keeps_name(*query.leaf) ? known.named : known.unnamed;
  out.value.reserve(known.ids.size());
  out.evidence.reserve(known.ids.size());
  const std::optional<std::size_t> tick = kept_tick(query);
  for (const store::SeriesId id : known.ids) {
    if (const store::Histograms* histograms = store_.histograms(id)) {
      series_.open(id);
      out.value.push_back(0.0);
      out.evidence.push_back(0);
      if (!out.histogram.empty()) out.histogram.emplace_back();
      put(out, out.size() - 1, read_histograms(*histograms, query));
      continue;
    }
    if (!out.histogram.empty()) out.histogram.emplace_back();
    if (tick) {
      Moving* const kept = windows_at(id, *tick);
      if (kept != nullptr) {
        const Signal signal = moving_value(kept->windows, query, *tick - kept->first);
        out.value.push_back(signal.value);
        out.evidence.push_back(static_cast<std::uint8_t>(signal.evidence));
        continue;
      }
    }
    series_.open(id);
    Signal signal;
    switch (query.leaf->fn) {
      case LeafFn::sample:
        signal = latest_value(series_, query);
        break;
      case LeafFn::range:
        signal = range_of(id, query);
        break;
      case LeafFn::raw_increase:
        signal = raw_value(series_, query);
        break;
      case LeafFn::coverage:
        signal = covered(series_, query);
        break;
      case LeafFn::timestamp:
        signal = taken_at(series_, query);
        break;
    }
    out.value.push_back(signal.value);
    out.evidence.push_back(static_cast<std::uint8_t>(signal.evidence));
  }
  return out;
}

Cell StoreProvider::read_histograms(const store::Histograms& histograms, const LeafQuery& query) {
  const std::size_t until = histograms.until(query.at.ms);
  switch (query.leaf->fn) {
    case LeafFn::sample:
    case LeafFn::timestamp: {
      const auto number = series_.at_or_before(query.at);
      if (until == 0 || (number && number->time > histograms.time(until - 1)))
        return {query.leaf->fn == LeafFn::sample ? latest_value(series_, query) : taken_at(series_, query),
                {}};
      const Instant time{histograms.time(until - 1)};
      const auto end = series_.end_at_or_before(query.at);
      if ((end && *end > time) || store::is_too_old(time, query.at, query.lookback, query.semantics))
        return {unknown(Evidence::stale), {}};
      if (query.leaf->fn == LeafFn::timestamp) return {{time.unix_seconds(), Evidence::value}, {}};
      return cell_of(histograms.at(until - 1));
    }
    case LeafFn::range: {
      const Duration length = query.leaf->window.length;
      const Instant start = store::window_start(query.at, length, query.semantics);
      const std::size_t first = histograms.until(start.ms - 1);
      if (first == until) return {range_value(series_, query, samples_), {}};
      samples_.clear();
      series_.read(start, query.at, samples_);
      if (takes_numbers_alone(query.leaf->range_fn, histograms, until, samples_, query.semantics))
        return {range_value(series_, query, samples_), {}};
      return over_range(query.leaf->range_fn, histograms, first, until, samples_, query.at, length,
                        query.semantics);
    }
    case LeafFn::raw_increase:
    case LeafFn::coverage:
      break;
  }
  return {unknown(Evidence::no_data), {}};
}

bool StoreProvider::finds_histograms(std::size_t selector) {
  if (!store_.has_histograms()) return false;
  known_at(selector, Instant{std::numeric_limits<std::int64_t>::max()});
  const std::vector<store::SeriesId>& ids = selections_[selector].ids;
  return std::any_of(ids.begin(), ids.end(),
                     [&](store::SeriesId id) { return store_.histograms(id) != nullptr; });
}

// Which of the instants that panels were expected for, where a panel could answer the query.
std::optional<std::size_t> StoreProvider::kept_tick(const LeafQuery& query) const {
  if (moving_.empty() || !is_panel_leaf(*query.leaf) || reach_of(*query.leaf, query.lookback) > grid_.reach)
    return std::nullopt;
  const Duration since = query.at + query.leaf->window.offset - grid_.from;
  if (since.ms < 0 || since.ms % grid_.step.ms != 0) return std::nullopt;
  const std::size_t tick = grid_tick(grid_.from + since);
  return tick < grid_.ticks ? std::optional(tick) : std::nullopt;
}

// As a panel has it, and so as a look through the series' samples would.
Signal StoreProvider::moving_value(store::MovingWindows& windows, const LeafQuery& query, std::size_t tick) {
  const plan::Leaf& leaf = *query.leaf;
  const plan::Window& window = leaf.window;
  double value = 0;
  store::WindowState state = store::WindowState::value;
  if (leaf.fn == LeafFn::coverage) {
    std::uint8_t evidence = 0;
    states_.resize(std::max<std::size_t>(states_.size(), 1));
    coverage(windows, window, tick, 1, &value, &evidence);
    return {value, static_cast<Evidence>(evidence)};
  }
  if (leaf.fn == LeafFn::sample)
    windows.latest(query.lookback, window.offset, query.semantics, tick, 1, &value, &state);
  else
    windows.range({leaf.range_fn, window.length, window.offset, query.semantics}, tick, 1, &value, &state);
  if (state != store::WindowState::value) return unknown(evidence_of(state));
  return {std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value, Evidence::value};
}

void StoreProvider::expect_panels(Instant from, Duration step, std::size_t ticks, Duration reach) {
  grid_ = {from, step, reach, ticks};
  stretch_ = ticks;
  for (Moving& m : moving_) m.id = none;  // their memory is used again
  moving_places_.clear();
  round_ += 1;
}

StoreProvider::Moving* StoreProvider::moving_of(store::SeriesId id) {
  const std::uint32_t place = id < moving_places_.size() ? moving_places_[id] : 0;
  return place == 0 ? nullptr : &moving_[place - 1];
}

void StoreProvider::next_panels() {
  ++round_;
  stretch_ = std::min(grid_.ticks, stretch_ * shorter);
}

// Null where the series of this round do not fit even if as few as `ticks` instants of each are kept: keeping
// the latest would keep none until it is asked about again, and all would be read for each panel.
StoreProvider::Moving* StoreProvider::room_for(store::SeriesId id, std::size_t ticks) {
  Moving* const known = moving_of(id);
  if (known == nullptr) {
    const auto oldest = std::min_element(moving_.begin(), moving_.end(),
                                         [](const Moving& a, const Moving& b) { return a.used < b.used; });
    if (oldest != moving_.end() && oldest->round != round_) return &*oldest;
  }
  if (held_ < kept_bytes_) return known != nullptr ? known : &moving_.emplace_back();
  if (stretch_ <= ticks) return known;
  stretch_ = std::max(ticks, stretch_ / shorter);
  moving_.clear();
  moving_places_.clear();
  held_ = 0;
  return &moving_.emplace_back();
}

StoreProvider::Moving* StoreProvider::kept_windows(store::SeriesId id, const PanelQuery& query) {
  if (reach_of(*query.leaf, query.lookback) > grid_.reach) return nullptr;
  const std::size_t first = grid_tick(query.from);
  Moving* kept = moving_of(id);
  const bool there = kept != nullptr && kept->has(first, query.ticks);
  if (!there) kept = room_for(id, std::max(query.ticks, least_stretch));
  if (kept == nullptr) return nullptr;
  kept->used = ++uses_;
  kept->round = round_;
  if (there) {
    count(*kept);
    return kept;
  }
  series_.open(id);
  load(*kept, id, first, query.ticks, stretch_);
  return kept;
}

StoreProvider::Stretch StoreProvider::windows_of(store::SeriesId id, const PanelQuery& query) {
  Moving* const kept = kept_windows(id, query);
  if (kept != nullptr) return {kept->windows, grid_tick(query.from) - kept->first};
  series_.open(id);
  passing_.load(series_, query.from, grid_.step, query.ticks, reach_of(*query.leaf, query.lookback));
  return {passing_, 0};
}

// From `first` on, `ticks` instants or, where it is more, `stretch` of them.
void StoreProvider::load(Moving& into, store::SeriesId id, std::size_t first, std::size_t ticks,
                         std::size_t stretch) {
  if (into.id != none) moving_places_[into.id] = 0;
  if (moving_places_.size() <= id)
    moving_places_.resize(std::max<std::size_t>(store_.series_count(), id + 1), 0);
  moving_places_[id] = static_cast<std::uint32_t>(&into - moving_.data()) + 1;
  into.id = id;
  into.used = ++uses_;
  into.round = round_;
  into.first = stretch < grid_.ticks ? first : 0;
  into.end = std::min(grid_.ticks, into.first + std::max(stretch, ticks));
  into.windows.load(series_, grid_.from + grid_.step * static_cast<std::int64_t>(into.first), grid_.step,
                    into.end - into.first, grid_.reach);
  count(into);
}

// Null where a look at the samples themselves costs less. A series that is looked at over and over at single
// instants, as where decisions are made, gets windows when the looks have cost about as much as they do.
StoreProvider::Moving* StoreProvider::windows_at(store::SeriesId id, std::size_t tick) {
  constexpr std::uint16_t worthwhile = 64;
  constexpr std::size_t least_ticks = 64;
  // Decisions cluster: what lies far from this one may never be looked at.
  constexpr std::size_t likely_ticks = 1024;
  Moving* kept = moving_of(id);
  if (kept != nullptr && kept->has(tick, 1)) {
    count(*kept);
    return kept;
  }
  if (looked_up_.size() <= id) looked_up_.resize(std::max<std::size_t>(store_.series_count(), id + 1), 0);
  if (++looked_up_[id] < worthwhile) return nullptr;
  looked_up_[id] = 0;
  kept = room_for(id, least_ticks);
  if (kept == nullptr) return nullptr;
  series_.open(id);
  load(*kept, id, tick, std::min(least_ticks, grid_.ticks - tick), std::min(stretch_, likely_ticks));
  return kept;
}

std::size_t StoreProvider::selector(const plan::Leaf& leaf) {
  return selection_of(leaf);
}

void StoreProvider::read_panel(const PanelQuery& query, PanelMemory& memory, Panel& out) {
  const plan::Leaf& leaf = *query.leaf;
  const plan::Window& window = leaf.window;
  const Known& known = known_at(query.selector, query.from - window.offset);
  out.rows = keeps_name(leaf) ? known.named : known.unnamed;
  states_.resize(query.ticks);
  for (const store::SeriesId id : known.ids) {
    const auto [windows, first] = windows_of(id, query);
    double* value = memory.values();
    if (leaf.fn == LeafFn::coverage) {
      out.row.push_back(coverage(windows, window, first, query.ticks, value, memory.evidence()));
      continue;
    }
    const store::MovingWindows::Seen seen =
        leaf.fn == LeafFn::sample
            ? windows.latest(query.lookback, window.offset, query.semantics, first, query.ticks, value,
                             states_.data())
            : windows.range({leaf.range_fn, window.length, window.offset, query.semantics}, first,
                            query.ticks, value, states_.data());
    if (seen.nan) make_nans_one(value, query.ticks);
    if (seen.all) {
      out.row.push_back({value, memory.all_values(), true});
      continue;
    }
    std::uint8_t* evidence = memory.evidence();
    for (std::size_t t = 0; t < query.ticks; ++t)
      evidence[t] = static_cast<std::uint8_t>(evidence_of(states_[t]));
    out.row.push_back({value, evidence, false});
  }
}

Panel::Row StoreProvider::coverage(store::MovingWindows& windows, const plan::Window& window,
                                   std::size_t first, std::size_t ticks, double* value,
                                   std::uint8_t* evidence) {
  windows.reach(window.length, window.offset, first, ticks, value, states_.data());
  for (std::size_t t = 0; t < ticks; ++t) {
    const bool any = states_[t] == store::WindowState::value;
    if (any)
      value[t] =
          window.length.ms > 0 ? std::clamp(value[t] / static_cast<double>(window.length.ms), 0.0, 1.0) : 1.0;
    evidence[t] = static_cast<std::uint8_t>(any ? Evidence::value : Evidence::no_data);
  }
  return {value, evidence, false};
}

Instant StoreProvider::same_rows_until(std::size_t selector, Instant at) {
  known_at(selector, at);
  const std::vector<Instant>& births = selections_[selector].births;
  const auto next = std::upper_bound(births.begin(), births.end(), at);
  return next == births.end() ? Instant{std::numeric_limits<std::int64_t>::max()} : *next;
}

}  // namespace signalbox::eval
