#include "runtime/sources/ingest.hpp"

#include <unordered_set>

namespace signalbox::sources {

Labels PageIngest::identify(const Labels& labels) const {
  std::vector<Labels::Pair> pairs;
  pairs.reserve(labels.size() + 2);
  for (const auto& [name, value] : labels.pairs())
    pairs.emplace_back(name == "job" || name == "instance" ? "exported_" + name : name, value);
  pairs.emplace_back("job", job_);
  pairs.emplace_back("instance", instance_);
  return Labels(std::move(pairs));
}

void PageIngest::write(const std::string& name, Instant at, double value) {
  const auto id = store_.series(Labels({{std::string(metric_name_label), name}, {"job", job_}, {"instance", instance_}}));
  if (id) (void)store_.append(*id, at, value);
}

Result<void> PageIngest::page(Instant at, std::string_view content_type, std::string_view body, std::size_t* future) {
  std::vector<formats::ExpositionSample> samples;
  formats::ExpositionSink sink;
  sink.sample = [&](formats::ExpositionSample&& s) { samples.push_back(std::move(s)); };
  const auto format = formats::detect_exposition(content_type, body);
  const Result<void> parsed = formats::parse_exposition(body, format, limits_, limits_.scrape_samples, sink);
  if (!parsed) return parsed.error();
  std::unordered_map<Labels, store::SeriesId, LabelsHash> shown;
  shown.reserve(samples.size());
  std::size_t left_out = 0;
  for (const formats::ExpositionSample& s : samples) {
    const Instant time = s.time.value_or(at);
    if (time > at) {
      ++left_out;
      continue;
    }
    const Labels labels = identify(s.labels);
    const Result<store::SeriesId> id = store_.series(labels);
    if (!id) return id.error();
    const bool born = last_success_ && shown_.count(labels) == 0;
    const auto stored = store_.append(*id, time, s.value, born ? last_success_ : std::nullopt);
    if (!stored) return stored.error();
    shown.emplace(labels, *id);
  }
  for (const auto& [labels, id] : shown_)
    if (shown.count(labels) == 0) (void)store_.append(id, at, store::stale_marker());
  shown_ = std::move(shown);
  last_success_ = at;
  write("up", at, 1);
  write("scrape_samples_scraped", at, static_cast<double>(samples.size()));
  if (future != nullptr) *future = left_out;
  return {};
}

void PageIngest::failed(Instant at) {
  for (const auto& [labels, id] : shown_) (void)store_.append(id, at, store::stale_marker());
  shown_.clear();
  last_success_.reset();
  write("up", at, 0);
}

}  // namespace signalbox::sources
