#include "runtime/store/series_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "runtime/base/matcher.hpp"
#include "runtime/store/cursor.hpp"

namespace signalbox::store {
namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

}  // namespace

// The labels twice (in the series and in the index), and the nodes of both.
std::size_t SeriesStore::own_bytes(const Labels& labels) {
  std::size_t bytes = sizeof(Series) + 192;
  const auto outside = [](const std::string& text) { return text.size() > 15 ? text.size() + 1 : 0; };
  for (const auto& [name, value] : labels.pairs())
    bytes += 2 * (sizeof(Labels::Pair) + outside(name) + outside(value));
  return bytes;
}

std::size_t SeriesStore::series_bytes(const Labels& labels) {
  return own_bytes(labels) + Postings::most_bytes(labels);
}

// What a chunk may take that does not pack at all, or a step of the tail or of the marks; and the eighth by
// which what is packed may grow.
std::size_t SeriesStore::append_bytes(std::size_t samples) const {
  return samples * (chunk_samples * 20) + bytes_ / 8;
}

std::int64_t SeriesStore::Series::last_time() const {
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  if (samples() > 0) last = last_sample;
  if (!ends.empty()) last = std::max(last, ends.back());
  if (histograms && histograms->size() > 0) last = std::max(last, histograms->time(histograms->size() - 1));
  return last;
}

std::size_t SeriesStore::Series::allocated() const {
  return Column::allocated() + births.capacity() * sizeof(Birth) + ends.capacity() * 8 + course.allocated() +
         (histograms ? histograms->allocated() : 0);
}

void SeriesStore::Series::forget_before(std::uint64_t place) {
  first_place = place;
  std::erase_if(births, [&](const Birth& birth) { return birth.place < place; });
  forget_chunks_before(place);
}

Result<SeriesId> SeriesStore::series(const Labels& labels) {
  if (const auto known = find(labels)) return *known;
  if (live_series_ >= limits_.store_series) {
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("the store holds {} series, as many as store_series allows; {} is not kept",
                             live_series_, to_string(labels))};
  }
  if (bytes_ >= limits_.store_bytes) {
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("the store holds {} bytes, as many as store_bytes allows; {} is not kept",
                             bytes_, to_string(labels))};
  }
  if (series_.size() >= std::numeric_limits<SeriesId>::max())
    return Error{ErrorCode::limit_exceeded, "the store has used up its series ids"};
  const auto id = static_cast<SeriesId>(series_.size());
  series_.push_back(std::make_unique<Series>());
  series_.back()->labels = labels;
  by_labels_.emplace(labels, id);
  ++live_series_;
  bytes_ += own_bytes(labels) + postings_.add(labels, id);
  return id;
}

std::optional<SeriesId> SeriesStore::find(const Labels& labels) const {
  const auto known = by_labels_.find(labels);
  if (known == by_labels_.end()) return std::nullopt;
  return known->second;
}

const Labels& SeriesStore::labels(SeriesId id) const {
  static const Labels none;
  const Series* series = held(id);
  return series ? series->labels : none;
}

Result<AppendOutcome> SeriesStore::append(SeriesId id, Instant time, double value,
                                          std::optional<Instant> absent_at) {
  if (!held(id)) return Error{ErrorCode::not_found, fmt::format("the store holds no series {}", id)};
  Series& series = *series_[id];
  if (!series.empty() && time.ms <= series.last_time()) return held_already(id, time, value);
  if (bytes_ >= limits_.store_bytes) {
    return Error{
        ErrorCode::limit_exceeded,
        fmt::format("the store holds {} bytes, as many as store_bytes allows; a sample of {} is not kept",
                    bytes_, to_string(series.labels))};
  }
  const std::size_t before = series.allocated();
  if (is_stale_marker(value)) {
    series.ends.push_back(time.ms);
  } else {
    const bool first = series.end_place() == 0;
    if (absent_at && absent_at->ms < time.ms && (first || series.last_sample < absent_at->ms))
      series.births.push_back({series.end_place(), absent_at->ms});
    series.add(time.ms, value);
  }
  bytes_ += series.allocated() - before;
  ++samples_;
  return AppendOutcome::stored;
}

Result<AppendOutcome> SeriesStore::append_histogram(SeriesId id, Instant time, HistogramPtr histogram) {
  if (!held(id)) return Error{ErrorCode::not_found, fmt::format("the store holds no series {}", id)};
  Series& series = *series_[id];
  if (!series.empty() && time.ms <= series.last_time()) {
    const std::size_t place = series.histograms ? series.histograms->until(time.ms) : 0;
    if (place > 0 && series.histograms->time(place - 1) == time.ms)
      return *series.histograms->at(place - 1) == *histogram ? AppendOutcome::duplicate
                                                             : AppendOutcome::conflicting;
    // A number or a marker of this time is not equal to it.
    return held_already(id, time, 0) == AppendOutcome::out_of_order ? AppendOutcome::out_of_order
                                                                    : AppendOutcome::conflicting;
  }
  if (bytes_ >= limits_.store_bytes)
    return Error{
        ErrorCode::limit_exceeded,
        fmt::format("the store holds {} bytes, as many as store_bytes allows; a histogram of {} is not kept",
                    bytes_, to_string(series.labels))};
  const std::size_t before = series.allocated();
  if (!series.histograms) {
    series.histograms = std::make_unique<Histograms>();
    ++with_histograms_;
  }
  series.histograms->add(time.ms, std::move(histogram));
  bytes_ += series.allocated() - before;
  ++samples_;
  return AppendOutcome::stored;
}

const Histograms* SeriesStore::histograms(SeriesId id) const {
  const Series* series = held(id);
  return series ? series->histograms.get() : nullptr;
}

Result<void> SeriesStore::adopt(SeriesId id, SeriesHistory&& history) {
  if (!held(id)) return Error{ErrorCode::not_found, fmt::format("the store holds no series {}", id)};
  Series& series = *series_[id];
  if (!series.empty())
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} has samples already", to_string(series.labels))};
  const std::size_t room = history.column.allocated() + history.births.capacity() * sizeof(Birth) +
                           history.ends.capacity() * 8 + history.course.allocated() +
                           (history.histograms ? history.histograms->allocated() : 0);
  if (bytes_ + room > limits_.store_bytes)
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("the store holds {} bytes of the {} that store_bytes allows, and {} needs {}",
                             bytes_, limits_.store_bytes, to_string(series.labels), room)};
  bytes_ += room - series.allocated();
  static_cast<Column&>(series) = std::move(history.column);
  series.births = std::move(history.births);
  series.ends = std::move(history.ends);
  if (history.histograms && !series.histograms) ++with_histograms_;
  series.histograms = std::move(history.histograms);
  series.course = std::move(history.course);
  samples_ += series.held();
  return {};
}

SeriesHistory SeriesStore::release(SeriesId id) {
  if (!held(id)) return {};
  const std::unique_ptr<Series> series = std::move(series_[id]);
  samples_ -= series->held();
  if (series->histograms) --with_histograms_;
  bytes_ -= series->allocated() + own_bytes(series->labels) + postings_.remove({{&series->labels, id}});
  --live_series_;
  by_labels_.erase(series->labels);
  return {std::move(static_cast<Column&>(*series)), std::move(series->births), std::move(series->ends),
          std::move(series->histograms), std::move(series->course)};
}

std::optional<SeriesStore::View> SeriesStore::view(SeriesId id) const {
  const Series* series = held(id);
  if (!series || series->first_place != 0 || series->histograms) return std::nullopt;
  return View{series, &series->births, &series->ends};
}

Result<void> SeriesStore::append_all(SeriesId id, std::span<const std::int64_t> times,
                                     std::span<const double> values, std::span<const std::int64_t> ends) {
  if (!held(id)) return Error{ErrorCode::not_found, fmt::format("the store holds no series {}", id)};
  Series& series = *series_[id];
  const auto later = [&](std::span<const std::int64_t> more) {
    return more.empty() || series.empty() || more[0] > series.last_time();
  };
  if (!later(times) || !later(ends) || times.size() != values.size())
    return Error{ErrorCode::invalid_argument, "samples that are not later than those held"};
  // A chunk's worth at a time: what the bound is passed by is little.
  for (std::size_t from = 0; from < times.size() || !ends.empty();) {
    if (bytes_ >= limits_.store_bytes)
      return Error{
          ErrorCode::limit_exceeded,
          fmt::format("the store holds {} bytes, as many as store_bytes allows; samples of {} are not kept",
                      bytes_, to_string(series.labels))};
    const std::size_t before = series.allocated();
    const std::size_t take = std::min(times.size() - from, chunk_samples - series.tail_times.size());
    for (std::size_t i = from; i < from + take; ++i) series.add(times[i], values[i]);
    series.ends.insert(series.ends.end(), ends.begin(), ends.end());
    samples_ += take + ends.size();
    ends = {};
    from += take;
    bytes_ += series.allocated() - before;
  }
  return {};
}

void SeriesStore::born(SeriesId id, Instant time, Instant absent_at) {
  if (!held(id) || absent_at >= time) return;
  Cursor cursor(*this);
  cursor.open(id);
  const auto sample = cursor.at_or_before(time);
  if (!sample || sample->time != time.ms) return;
  Series& series = *series_[id];
  if (sample->place > series.first_place) {
    const auto before = cursor.at_place(sample->place - 1);
    if (before && before->time >= absent_at.ms) return;
  }
  const std::size_t allocated = series.allocated();
  series.births.push_back({sample->place, absent_at.ms});
  bytes_ += series.allocated() - allocated;
}

AppendOutcome SeriesStore::held_already(SeriesId id, Instant time, double value) const {
  const Series& series = *held(id);
  if (std::binary_search(series.ends.begin(), series.ends.end(), time.ms))
    return is_stale_marker(value) ? AppendOutcome::duplicate : AppendOutcome::conflicting;
  Cursor cursor(*this);
  cursor.open(id);
  const auto same = cursor.at_or_before(time);
  if (!same || same->time != time.ms) {
    const std::size_t place = series.histograms ? series.histograms->until(time.ms) : 0;
    return place > 0 && series.histograms->time(place - 1) == time.ms ? AppendOutcome::conflicting
                                                                      : AppendOutcome::out_of_order;
  }
  return same_bits(same->value, value) ? AppendOutcome::duplicate : AppendOutcome::conflicting;
}

Result<std::vector<SeriesId>> SeriesStore::select(const std::vector<Matcher>& matchers) const {
  const Result<std::vector<CompiledMatcher>> compiled = compile_selector(matchers);
  if (!compiled) return compiled.error();
  std::vector<SeriesId> out;
  const auto consider = [&](SeriesId id) {
    const Labels& of = series_[id]->labels;
    if (std::all_of(compiled->begin(), compiled->end(), [&](const auto& one) { return one.accepts(of); }))
      out.push_back(id);
  };
  if (std::span<const SeriesId> ids; postings_.narrowed(matchers, ids)) {
    for (const SeriesId id : ids) consider(id);
    return out;
  }
  for (std::size_t id = 0; id < series_.size(); ++id)
    if (series_[id]) consider(static_cast<SeriesId>(id));
  return out;
}

std::optional<Instant> SeriesStore::first_time(SeriesId id) const {
  const Series* series = held(id);
  if (!series || series->empty()) return std::nullopt;
  Cursor cursor(*this);
  cursor.open(id);
  Instant first{std::numeric_limits<std::int64_t>::max()};
  if (const auto sample = cursor.at_place(series->first_place)) first.ms = sample->time;
  if (!series->ends.empty()) first.ms = std::min(first.ms, series->ends.front());
  if (series->histograms && series->histograms->size() > 0)
    first.ms = std::min(first.ms, series->histograms->time(0));
  return first;
}

void SeriesStore::retain_from(Instant horizon) {
  std::vector<std::unique_ptr<Series>> gone;  // their labels are needed to the end
  std::vector<Postings::Dropped> dropped;
  Cursor cursor(*this);
  for (SeriesId id = 0; id < series_.size(); ++id) {
    if (!series_[id]) continue;
    Series& series = *series_[id];
    if (series.empty()) continue;
    const std::size_t samples = series.held(), allocated = series.allocated();
    if (series.last_time() < horizon.ms) {
      samples_ -= samples;
      if (series.histograms) --with_histograms_;
      bytes_ -= allocated + own_bytes(series.labels);
      --live_series_;
      by_labels_.erase(series.labels);
      dropped.push_back({&series.labels, id});
      gone.push_back(std::move(series_[id]));
      continue;
    }
    cursor.open(id);
    if (const auto kept = cursor.at_or_before(horizon - milliseconds(1))) {
      if (kept->place > series.first_place) series.forget_before(kept->place);
      std::erase_if(series.ends, [&](std::int64_t end) { return end < kept->time; });
    } else {
      // Of ends without a sample before them the last one says that the series was there.
      const auto later = std::lower_bound(series.ends.begin(), series.ends.end(), horizon.ms);
      if (later - series.ends.begin() > 1) series.ends.erase(series.ends.begin(), later - 1);
    }
    if (series.histograms) series.histograms->forget_before(horizon.ms);
    samples_ -= samples - series.held();
    bytes_ -= allocated - series.allocated();
  }
  if (!dropped.empty()) bytes_ -= postings_.remove(dropped);
}

}  // namespace signalbox::store
