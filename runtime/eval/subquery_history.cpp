#include "runtime/eval/subquery_history.hpp"

#include <algorithm>
#include <utility>

namespace signalbox::eval {

void SubqueryHistory::clear() {
  runs_.clear();
  series_.clear();
  places_.clear();
  window_ = {};
  samples_ = 0;
  first_.reset();
}

Instant SubqueryHistory::next(Instant first, Duration step) {
  if (!first_ || first < *first_ || first > *next_ || step != step_) {
    clear();
    first_ = next_ = first;
    step_ = step;
  }
  return std::max(*next_, first);
}

void SubqueryHistory::add(Instant at, const Column& column) {
  if (runs_.empty() || runs_.back().rows != column.rows) {
    Run run{column.rows, {}, at, at, false};
    run.place.reserve(column.rows->size());
    for (const Labels& labels : *column.rows) {
      const auto [entry, fresh] = places_.try_emplace(labels, series_.size());
      if (fresh) series_.push_back({labels, {}, {}, 0, {}});
      run.place.push_back(entry->second);
    }
    std::vector<std::size_t> sorted = run.place;
    std::sort(sorted.begin(), sorted.end());
    run.repeats = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
    runs_.push_back(std::move(run));
  }
  Run& run = runs_.back();
  run.last = at;
  for (std::size_t row = 0; row < column.size(); ++row) {
    Series& into = series_[run.place[row]];
    if (column.has_sample(row)) ++samples_;
    if (column.is_histogram(row)) into.histograms.add(at.ms, column.histogram[row]);
    if (column.evidence[row] != static_cast<std::uint8_t>(plan::Evidence::value)) continue;
    into.samples.times.push_back(at.ms);
    into.samples.values.push_back(column.value[row]);
  }
  next_ = at + step_;
}

void SubqueryHistory::forget_before(Instant first, Duration worthwhile) {
  if (!first_ || first - *first_ <= worthwhile) return;
  bool gone = false;
  for (; !runs_.empty() && runs_.front().last < first; gone = true) runs_.pop_front();
  if (!runs_.empty()) runs_.front().first = std::max(runs_.front().first, first);
  first_ = std::min(first, *next_);
  for (Series& series : series_) {
    store::Samples& samples = series.samples;
    const auto kept = std::lower_bound(samples.times.begin(), samples.times.end(), first.ms);
    const auto before = kept - samples.times.begin();
    const std::size_t histograms = series.histograms.size();
    samples.times.erase(samples.times.begin(), kept);
    samples.values.erase(samples.values.begin(), samples.values.begin() + before);
    series.histograms.forget_before(first.ms);
    series.forgotten += static_cast<std::uint64_t>(before);
    samples_ -= static_cast<std::size_t>(before) + histograms - series.histograms.size();
  }
  if (gone) drop_unused();
}

// Rows that are in no run any more.
void SubqueryHistory::drop_unused() {
  constexpr std::size_t gone = ~std::size_t{0};
  std::vector<std::size_t> moved(series_.size(), gone);
  std::vector<Series> kept;
  for (Run& run : runs_)
    for (std::size_t& place : run.place) {
      if (moved[place] == gone) {
        moved[place] = kept.size();
        kept.push_back(std::move(series_[place]));
      }
      place = moved[place];
    }
  series_ = std::move(kept);
  places_.clear();
  for (std::size_t i = 0; i < series_.size(); ++i) places_.emplace(series_[i].labels, i);
  places_moved_ = true;
}

const SubqueryHistory::Window& SubqueryHistory::window(Instant first, Instant end, bool keep_names) {
  std::vector<std::size_t> place;
  std::vector<bool> seen;
  const Run* only = nullptr;
  std::size_t count = 0;
  // A window shorter than a step may lie between two instants.
  const auto lies_in = [&](const Run& run) { return first <= end && run.last >= first && run.first <= end; };
  for (const Run& run : runs_) {
    if (!lies_in(run)) continue;
    only = &run;
    if (++count > 1 || run.repeats) seen.resize(series_.size());
  }
  if (count == 1 && !only->repeats) {
    place = only->place;
  } else {
    for (const Run& run : runs_) {
      if (!lies_in(run)) continue;
      for (const std::size_t one : run.place) {
        if (!seen[one]) place.push_back(one);
        seen[one] = true;
      }
    }
  }
  if (window_.rows != nullptr && place == window_.place && !std::exchange(places_moved_, false))
    return window_;
  places_moved_ = false;
  std::vector<Labels> rows;
  rows.reserve(place.size());
  for (const std::size_t one : place)
    rows.push_back(keep_names ? series_[one].labels : series_[one].labels.without_name());
  if (window_.rows == nullptr || rows != *window_.rows)
    window_.rows = std::make_shared<const std::vector<Labels>>(std::move(rows));
  window_.place = std::move(place);
  return window_;
}

SubqueryHistory::Range SubqueryHistory::range(const Series& series, Instant first, Instant end) const {
  const std::span<const std::int64_t> times = series.samples.times;
  const auto from = std::lower_bound(times.begin(), times.end(), first.ms) - times.begin();
  const auto to = std::upper_bound(times.begin(), times.end(), end.ms) - times.begin();
  return {static_cast<std::size_t>(from), static_cast<std::size_t>(std::max(from, to))};
}

store::SamplesView SubqueryHistory::numbers(std::size_t place, Instant first, Instant end) const {
  const store::Samples& all = series_[place].samples;
  const Range in = range(series_[place], first, end);
  return {std::span(all.times).subspan(in.first, in.end - in.first),
          std::span(all.values).subspan(in.first, in.end - in.first)};
}

double SubqueryHistory::extreme(std::size_t place, bool greatest, Instant first, Instant end) {
  Series& series = series_[place];
  const Range in = range(series, first, end);
  const std::uint64_t from = series.forgotten + in.first, to = series.forgotten + in.end;
  if (!series.extreme) series.extreme.emplace(greatest);
  return series.extreme->of(from, to, [&](std::uint64_t place_of) {
    return std::span<const double>(series.samples.values)
        .subspan(static_cast<std::size_t>(place_of - series.forgotten),
                 static_cast<std::size_t>(to - place_of));
  });
}

const store::Histograms* SubqueryHistory::histograms(std::size_t place) const {
  const store::Histograms& all = series_[place].histograms;
  return all.size() == 0 ? nullptr : &all;
}

}  // namespace signalbox::eval
