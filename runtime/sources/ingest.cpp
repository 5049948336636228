#include "runtime/sources/ingest.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace signalbox::sources {

Labels PageIngest::identify(const Labels& labels) const {
  std::vector<Labels::Pair> pairs = labels.pairs();
  const auto taken = [&](const std::string& name) {
    for (const auto& pair : pairs)
      if (pair.first == name) return true;
    return false;
  };
  for (const char* ours : {"instance", "job"}) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i].first != ours) continue;
      std::string kept_as = std::string("exported_") + ours;
      while (taken(kept_as)) kept_as.insert(0, "exported_");
      pairs[i].first = std::move(kept_as);
      break;
    }
  }
  pairs.emplace_back("job", job_);
  pairs.emplace_back("instance", instance_);
  return Labels(std::move(pairs));
}

Labels PageIngest::own(std::string_view name) const {
  return Labels(
      {{std::string(metric_name_label), std::string(name)}, {"job", job_}, {"instance", instance_}});
}

std::uint32_t PageIngest::number_of(const Labels& labels) {
  const auto number = static_cast<std::uint32_t>(known_.size());
  const auto [entry, fresh] = numbers_.try_emplace(identify(labels), number);
  if (fresh) known_.push_back({.labels = entry->first, .id = {}});
  return entry->second;
}

// The store may have dropped a series since, and has it under another id if it came back.
std::optional<store::SeriesId> PageIngest::find(const Known& series) const {
  if (series.id && !store_.labels(*series.id).empty()) return series.id;
  return store_.find(series.labels);
}

// Neither can fail: the room for a page's markers and reports is asked for before the page is taken, and
// after a failure it only falls short where the store is full, which the failed page has said already.
void PageIngest::end(const Known& series, Instant at) {
  if (series.id && series.live) (void)store_.append(*series.id, at, stale_marker());
}
void PageIngest::write(std::string_view name, Instant at, double value) {
  if (const auto id = store_.series(own(name))) (void)store_.append(*id, at, value);
}

// Targets whose series come and go must not fill the memory.
void PageIngest::forget_unshown() {
  const std::size_t most = 2 * shown_.size() + 1000;
  if (known_.size() <= most && texts_.size() <= most) return;
  texts_.clear();
  numbers_.clear();
  std::vector<Known> kept;
  kept.reserve(shown_.size());
  for (std::uint32_t& number : shown_) {
    kept.push_back(std::move(known_[number]));
    number = static_cast<std::uint32_t>(kept.size() - 1);
    numbers_.emplace(kept.back().labels, number);
  }
  known_ = std::move(kept);
}

Result<void> PageIngest::page(Instant at, std::string_view content_type, std::string_view body,
                              std::size_t* future) {
  struct Line {
    std::uint32_t series;
    double value;
    Instant time;
  };
  std::vector<std::uint32_t> now;  // the series of this page, each once
  now.reserve(shown_.size());
  std::vector<Line> lines;
  lines.reserve(shown_.size());
  std::size_t samples = 0;
  ++pages_;
  formats::ExpositionSink sink;
  sink.series = [&](Labels&& labels) { return number_of(labels); };
  sink.sample = [&](std::uint32_t number, double value, std::optional<Instant> stamp) {
    ++samples;
    Known& series = known_[number];
    if (series.seen != pages_) {
      series.seen = pages_;
      series.taken = false;
      now.push_back(number);
    }
    const Instant time = stamp.value_or(at);
    if (time <= at) lines.push_back({number, value, time});
  };
  const auto format = formats::detect_exposition(content_type, body);
  const Result<void> parsed =
      formats::parse_exposition(body, format, limits_, limits_.scrape_samples, texts_, sink);
  if (!parsed) return parsed.error();

  std::size_t fresh = 0, room = 0;
  const auto make_room = [&](const Labels& labels) {
    ++fresh;
    room += store::SeriesStore::series_bytes(labels);
  };
  for (const char* name : {"up", "scrape_samples_scraped"})
    if (!store_.find(own(name))) make_room(own(name));
  for (const std::uint32_t number : now) {
    known_[number].id = find(known_[number]);
    if (!known_[number].id) make_room(known_[number].labels);
  }
  if (store_.series_count() + fresh > limits_.store_series)
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("the page has {} new series and the store holds {} of the {} that store_series "
                             "allows",
                             fresh, store_.series_count(), limits_.store_series)};
  room += store_.append_bytes(lines.size() + shown_.size() + 2);
  if (store_.bytes() + room > limits_.store_bytes)
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("the page's {} samples may need {} bytes, and the store holds {} of the {} that "
                             "store_bytes allows",
                             lines.size(), room, store_.bytes(), limits_.store_bytes)};

  for (const Line& line : lines) {
    Known& series = known_[line.series];
    if (!series.id) {
      const Result<store::SeriesId> id = store_.series(series.labels);
      if (!id) return id.error();
      series.id = *id;
    }
    const bool born = last_success_ && series.shown != good_;
    const auto stored = store_.append(*series.id, line.time, line.value, born ? last_success_ : std::nullopt);
    if (!stored) return stored.error();
    series.taken = true;
  }
  for (const std::uint32_t number : shown_)
    if (known_[number].seen != pages_ || !known_[number].taken) end(known_[number], at);
  for (const std::uint32_t number : now) {
    known_[number].shown = pages_;
    known_[number].live = known_[number].taken;
  }
  shown_ = std::move(now);
  good_ = pages_;
  last_success_ = at;
  forget_unshown();
  write("up", at, 1);
  write("scrape_samples_scraped", at, static_cast<double>(samples));
  if (future != nullptr) *future = samples - lines.size();
  return {};
}

void PageIngest::failed(Instant at) {
  for (const std::uint32_t number : shown_) end(known_[number], at);
  shown_.clear();
  last_success_.reset();
  forget_unshown();
  write("up", at, 0);
}

}  // namespace signalbox::sources
