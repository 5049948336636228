#include "runtime/store/cursor.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "runtime/base/vectors.hpp"

namespace signalbox::store {
void Cursor::open(SeriesId id) {
  series_ = store_.held(id);
  id_ = id;
}

Cursor::Run Cursor::tail() const {
  return {series_->tail_times.data(), series_->tail_values.data(), series_->tail_times.size(),
          series_->tail_from()};
}

Cursor::Run Cursor::chunk(std::size_t index) {
  const std::uint64_t from = series_->chunks_from + index * chunk_samples;
  if (!kept_) {
    kept_ = std::make_unique_for_overwrite<Unpacked[]>(sets * ways);
    for (std::size_t i = 0; i < sets * ways; ++i) kept_[i].count = 0;
  }
  const std::size_t set = (id_ * 0x9e3779b97f4a7c15ull + from / chunk_samples) % sets;
  for (std::size_t way = 0; way < ways; ++way) {
    const Unpacked& kept = kept_[set * ways + way];
    if (kept.count == 0 || kept.series != id_ || kept.from != from) continue;
    latest_[set] = static_cast<std::uint8_t>(way);
    return {kept.times.data(), kept.values.data(), kept.count, from};
  }
  latest_[set] = static_cast<std::uint8_t>(1 - latest_[set]);
  Unpacked& into = kept_[set * ways + latest_[set]];
  into.series = id_;
  into.from = from;
  into.count = chunk_samples;
  const bool whole = unpack(series_->packed_chunk(index), chunk_samples, series_->chunks[index].first_time,
                            into.times.data(), into.values.data());
  assert(whole);
  static_cast<void>(whole);
  return {into.times.data(), into.values.data(), into.count, from};
}

Cursor::Run Cursor::run_of(std::uint64_t place) {
  return run(static_cast<std::size_t>(
      std::min<std::uint64_t>(series_->chunks.size(), (place - series_->chunks_from) / chunk_samples)));
}

// The last run that begins at or before `time`; the first one when none does.
std::size_t Cursor::run_at(std::int64_t time) const {
  const auto& chunks = series_->chunks;
  if (!series_->tail_times.empty() && series_->tail_times[0] <= time) return chunks.size();
  const auto after = std::upper_bound(chunks.begin(), chunks.end(), time,
                                      [](std::int64_t t, const auto& chunk) { return t < chunk.first_time; });
  return after == chunks.begin() ? 0 : static_cast<std::size_t>(after - chunks.begin()) - 1;
}

std::optional<Cursor::Sample> Cursor::at_or_before(Instant time) {
  if (series_ == nullptr || series_->samples() == 0) return std::nullopt;
  const Run in = run(run_at(time.ms));
  const std::int64_t* after = std::upper_bound(in.times, in.times + in.count, time.ms);
  if (after == in.times) return std::nullopt;
  const auto i = static_cast<std::size_t>(after - in.times) - 1;
  if (in.from + i < series_->first_place) return std::nullopt;
  return Sample{in.from + i, in.times[i], in.values[i]};
}

std::optional<Cursor::Sample> Cursor::at_or_after(Instant time) {
  if (series_ == nullptr || series_->samples() == 0) return std::nullopt;
  const Run in = run(run_at(time.ms));
  const std::uint64_t place =
      in.from +
      static_cast<std::uint64_t>(std::lower_bound(in.times, in.times + in.count, time.ms) - in.times);
  return at_place(std::max(place, series_->first_place));
}

std::optional<Cursor::Sample> Cursor::at_place(std::uint64_t place) {
  if (series_ == nullptr || place < series_->first_place || place >= series_->end_place())
    return std::nullopt;
  const Run in = run_of(place);
  const auto i = static_cast<std::size_t>(place - in.from);
  return Sample{place, in.times[i], in.values[i]};
}

std::optional<Instant> Cursor::end_at_or_before(Instant time) const {
  if (series_ == nullptr) return std::nullopt;
  const auto after = std::upper_bound(series_->ends.begin(), series_->ends.end(), time.ms);
  if (after == series_->ends.begin()) return std::nullopt;
  return Instant{*(after - 1)};
}

void Cursor::read(Instant first, Instant last, Samples& out) {
  const auto from = at_or_after(first), to = at_or_before(last);
  if (!from || !to || from->place > to->place) return;
  const auto all = static_cast<std::size_t>(to->place - from->place) + 1;
  out.times.reserve(out.times.size() + all);
  out.values.reserve(out.values.size() + all);
  for (std::uint64_t place = from->place; place <= to->place;) {
    const Run in = run_of(place);
    const auto begin = static_cast<std::size_t>(place - in.from);
    const auto end = static_cast<std::size_t>(std::min<std::uint64_t>(in.count, to->place + 1 - in.from));
    out.times.insert(out.times.end(), in.times + begin, in.times + end);
    out.values.insert(out.values.end(), in.values + begin, in.values + end);
    place = in.from + end;
  }
}

SamplesView Cursor::view(Instant first, Instant last, Samples& room) {
  const auto from = at_or_after(first), to = at_or_before(last);
  if (!from || !to || from->place > to->place) return {};
  if (from->place >= series_->tail_from()) {
    const Run in = tail();
    const std::size_t begin = static_cast<std::size_t>(from->place - in.from),
                      count = static_cast<std::size_t>(to->place - from->place) + 1;
    return {{in.times + begin, count}, {in.values + begin, count}};
  }
  room.clear();
  const auto count = static_cast<std::size_t>(to->place - from->place) + 1;
  room.times.reserve(count);  // growing by doubling would take up to twice the room
  room.values.reserve(count);
  read(first, last, room);
  return {room.times, room.values};
}

const Course* Cursor::course() const {
  const bool whole = series_ != nullptr && series_->chunks.empty() && series_->first_place == 0 &&
                     series_->chunks_from == 0 && series_->course.samples == series_->tail_times.size();
  return whole && !series_->course.broken && series_->course.samples > 0 ? &series_->course : nullptr;
}

namespace {

// Most samples only rise: so many are looked at together.
constexpr std::uint64_t many = 256;
// Whether these are numbers, none of them below the one before it.
SIGNALBOX_VECTORS bool only_rise(double before, const double* values) {
  std::uint64_t odd = values[0] >= before ? 0 : 1;
  for (std::uint64_t i = 1; i < many; ++i) odd |= values[i] >= values[i - 1] ? 0 : 1;
  return odd == 0;
}

}  // namespace

Cursor::Resets Cursor::resets(std::uint64_t first, std::uint64_t last) {
  Resets out;
  if (series_ == nullptr) return out;
  if (const Course* known = course()) {
    const std::span<const double> values = series_->tail_values;
    last = std::min<std::uint64_t>(last, values.size() - 1);
    const auto& odd = known->odd_values;
    for (auto at = std::lower_bound(odd.begin(), odd.end(), first); at != odd.end() && *at <= last; ++at) {
      out.numbers = out.numbers && !std::isnan(values[*at]);
      if (*at > first && values[*at] < values[*at - 1]) out.before.push_back(values[*at - 1]);
    }
    return out;
  }
  // The values of `run` from place `first` (whose increment does not count) to `last`; `before` is the value
  // before its first one.
  const auto walk = [&](const Run& in, std::optional<double> before) {
    const std::uint64_t from = std::max(first, in.from), end = std::min(last + 1, in.from + in.count);
    for (std::uint64_t place = from; place < end; ++place) {
      if (before)
        for (; end - place > many && only_rise(*before, in.values + (place - in.from)); place += many)
          before = in.values[place - in.from + many - 1];
      const double value = in.values[place - in.from];
      out.numbers = out.numbers && !std::isnan(value);
      if (place > first && before && value < *before) out.before.push_back(*before);
      before = value;
    }
  };
  const std::uint64_t chunks_end = series_->tail_from();
  const auto first_chunk = first < chunks_end ? (first - series_->chunks_from) / chunk_samples : 0;
  auto irregular = std::lower_bound(series_->irregular.begin(), series_->irregular.end(),
                                    series_->chunks_from + first_chunk * chunk_samples);
  for (; first < chunks_end && irregular != series_->irregular.end() && *irregular <= last; ++irregular) {
    std::optional<double> before;
    if (*irregular > first) before = at_place(*irregular - 1)->value;
    walk(run_of(*irregular), before);
  }
  if (last >= chunks_end) {
    std::optional<double> before;
    if (!series_->chunks.empty()) before = series_->before_tail;
    walk(tail(), before);
  }
  return out;
}

std::vector<Cursor::Birth> Cursor::births(Instant first, Instant last) {
  std::vector<Birth> out;
  if (series_ == nullptr || series_->births.empty()) return out;
  const auto from = at_or_after(first), to = at_or_before(last);
  if (!from || !to) return out;
  auto birth = std::lower_bound(series_->births.begin(), series_->births.end(), from->place,
                                [](const auto& b, std::uint64_t place) { return b.place < place; });
  for (; birth != series_->births.end() && birth->place <= to->place; ++birth)
    out.push_back({birth->place, {birth->absent_at}});
  return out;
}

}  // namespace signalbox::store
