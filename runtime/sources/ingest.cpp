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

// Neither can fail: the room for a page's markers and reports is asked for before the page is taken, and
// after a failure it only falls short where the store is full, which the failed page has said already.
void PageIngest::end(const Shown& series, Instant at) {
  if (series.id && series.live) (void)store_.append(*series.id, at, store::stale_marker());
}
void PageIngest::write(std::string_view name, Instant at, double value) {
  if (const auto id = store_.series(own(name))) (void)store_.append(*id, at, value);
}

Result<void> PageIngest::page(Instant at, std::string_view content_type, std::string_view body,
                              std::size_t* future) {
  struct Line {
    const Labels* labels;  // a key of `now`, which stays where it is
    double value;
    Instant time;
  };
  Page now;
  now.reserve(shown_.size());
  std::vector<Line> lines;
  lines.reserve(shown_.size());
  std::size_t samples = 0;
  formats::ExpositionSink sink;
  sink.sample = [&](formats::ExpositionSample&& sample) {
    ++samples;
    const auto entry = now.try_emplace(identify(sample.labels)).first;
    const Instant time = sample.time.value_or(at);
    if (time <= at) lines.push_back({&entry->first, sample.value, time});
  };
  const auto format = formats::detect_exposition(content_type, body);
  const Result<void> parsed = formats::parse_exposition(body, format, limits_, limits_.scrape_samples, sink);
  if (!parsed) return parsed.error();

  std::size_t fresh = 0, room = 0;
  const auto make_room = [&](const Labels& labels) {
    ++fresh;
    room += store::SeriesStore::series_bytes(labels);
  };
  for (const char* name : {"up", "scrape_samples_scraped"})
    if (!store_.find(own(name))) make_room(own(name));
  for (auto& [labels, series] : now) {
    series.id = store_.find(labels);
    if (!series.id) make_room(labels);
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
    Shown& series = now.find(*line.labels)->second;
    if (!series.id) {
      const Result<store::SeriesId> id = store_.series(*line.labels);
      if (!id) return id.error();
      series.id = *id;
    }
    const bool born = last_success_ && !shown_.contains(*line.labels);
    const auto stored = store_.append(*series.id, line.time, line.value, born ? last_success_ : std::nullopt);
    if (!stored) return stored.error();
    series.live = true;
  }
  for (const auto& [labels, series] : shown_) {
    const auto again = now.find(labels);
    if (again == now.end() || !again->second.live) end(series, at);
  }
  shown_ = std::move(now);
  last_success_ = at;
  write("up", at, 1);
  write("scrape_samples_scraped", at, static_cast<double>(samples));
  if (future != nullptr) *future = samples - lines.size();
  return {};
}

void PageIngest::failed(Instant at) {
  for (const auto& [labels, series] : shown_) end(series, at);
  shown_.clear();
  last_success_.reset();
  write("up", at, 0);
}

}  // namespace signalbox::sources
