#include "runtime/store/series_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_set>

#include "runtime/base/regex.hpp"

namespace signalbox::store {
namespace {

Points cut(Points all, Instant first, Instant last) {
  const auto begin = std::lower_bound(all.times.begin(), all.times.end(), first.ms);
  const auto end = std::upper_bound(begin, all.times.end(), last.ms);
  const auto from = static_cast<std::size_t>(begin - all.times.begin());
  const auto count = static_cast<std::size_t>(end - begin);
  return {all.times.subspan(from, count), all.values.subspan(from, count)};
}

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

class CompiledMatcher {
 public:
  static Result<CompiledMatcher> compile(const Matcher& matcher) {
    CompiledMatcher out(matcher);
    if (matcher.op == MatchOp::regex || matcher.op == MatchOp::not_regex) {
      auto regex = LabelRegex::compile(matcher.value);
      if (!regex) return regex.error();
      out.regex_ = *std::move(regex);
    }
    return out;
  }
  bool accepts(std::string_view value) const {
    switch (matcher_->op) {
      case MatchOp::equal:
        return value == matcher_->value;
      case MatchOp::not_equal:
        return value != matcher_->value;
      case MatchOp::regex:
        return regex_->matches(value);
      case MatchOp::not_regex:
        return !regex_->matches(value);
    }
    return false;
  }
  bool accepts(const Labels& labels) const { return accepts(labels.get(matcher_->label)); }

 private:
  explicit CompiledMatcher(const Matcher& matcher) : matcher_(&matcher) {}
  const Matcher* matcher_;
  std::optional<LabelRegex> regex_;
};

}  // namespace

double stale_marker() {
  return std::bit_cast<double>(stale_marker_bits);
}

Points SeriesStore::Series::all() const {
  return {std::span(times).subspan(head), std::span(values).subspan(head)};
}

const SeriesStore::Series* SeriesStore::held(SeriesId id) const {
  return id < series_.size() ? series_[id].get() : nullptr;
}

Result<SeriesId> SeriesStore::series(const Labels& labels) {
  if (const auto known = find(labels)) return *known;
  if (live_series_ >= limits_.store_series) {
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("the store holds {} series, as many as store_series allows; {} is not kept",
                             live_series_, to_string(labels))};
  }
  if (series_.size() >= std::numeric_limits<SeriesId>::max())
    return Error{ErrorCode::limit_exceeded, "the store has used up its series ids"};
  const auto id = static_cast<SeriesId>(series_.size());
  series_.push_back(std::make_unique<Series>());
  series_.back()->labels = labels;
  by_labels_.emplace(labels, id);
  by_name_[std::string(labels.get(metric_name_label))].push_back(id);
  ++live_series_;
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

std::size_t SeriesStore::series_count() const {
  return live_series_;
}
std::size_t SeriesStore::sample_count() const {
  return samples_;
}

Result<AppendOutcome> SeriesStore::append(SeriesId id, Instant time, double value,
                                          std::optional<Instant> absent_at) {
  if (!held(id)) return Error{ErrorCode::not_found, fmt::format("the store holds no series {}", id)};
  Series& series = *series_[id];
  const Points all = series.all();
  if (all.size() > 0 && time.ms <= all.times.back()) {
    const Points same = cut(all, time, time);
    if (same.size() == 0) return AppendOutcome::out_of_order;
    return same_bits(same.values[0], value) ? AppendOutcome::duplicate : AppendOutcome::conflicting;
  }
  if (samples_ >= limits_.store_samples) {
    return Error{
        ErrorCode::limit_exceeded,
        fmt::format("the store holds {} samples, as many as store_samples allows; a sample of {} is not kept",
                    samples_, to_string(series.labels))};
  }
  if (absent_at && absent_at->ms < time.ms && !is_stale_marker(value)) {
    std::size_t at = all.size();
    while (at > 0 && is_stale_marker(all.values[at - 1])) --at;
    if (at == 0 || all.times[at - 1] < absent_at->ms) series.births.push_back({time.ms, absent_at->ms});
  }
  series.times.push_back(time.ms);
  series.values.push_back(value);
  ++samples_;
  return AppendOutcome::stored;
}

Result<std::vector<SeriesId>> SeriesStore::select(const std::vector<Matcher>& matchers) const {
  std::vector<CompiledMatcher> compiled;
  compiled.reserve(matchers.size());
  bool refuses_empty = false;
  const std::string* name = nullptr;
  for (const Matcher& matcher : matchers) {
    auto one = CompiledMatcher::compile(matcher);
    if (!one) return one.error();
    refuses_empty = refuses_empty || !one->accepts("");
    if (matcher.label == metric_name_label && matcher.op == MatchOp::equal) name = &matcher.value;
    compiled.push_back(*std::move(one));
  }
  if (!refuses_empty) {
    return Error{ErrorCode::invalid_argument, "the selector matches series without any of its labels",
                 "add a metric name or a matcher that refuses the empty string"};
  }

  std::vector<SeriesId> out;
  const auto consider = [&](SeriesId id) {
    const Labels& of = series_[id]->labels;
    if (std::all_of(compiled.begin(), compiled.end(), [&](const auto& one) { return one.accepts(of); }))
      out.push_back(id);
  };
  if (name) {
    const auto named = by_name_.find(*name);
    if (named != by_name_.end())
      for (const SeriesId id : named->second) consider(id);
    return out;
  }
  for (std::size_t id = 0; id < series_.size(); ++id)
    if (series_[id]) consider(static_cast<SeriesId>(id));
  return out;
}

Points SeriesStore::points(SeriesId id, Instant first, Instant last) const {
  const Series* series = held(id);
  if (!series || first > last) return {};
  return cut(series->all(), first, last);
}

std::optional<SeriesStore::Latest> SeriesStore::latest(SeriesId id, Instant at) const {
  const Series* series = held(id);
  if (!series) return std::nullopt;
  const Points all = series->all();
  const auto after = std::upper_bound(all.times.begin(), all.times.end(), at.ms);
  if (after == all.times.begin()) return std::nullopt;
  const auto index = static_cast<std::size_t>(after - all.times.begin()) - 1;
  return Latest{{all.times[index]}, all.values[index]};
}

std::optional<Instant> SeriesStore::first_time(SeriesId id) const {
  const Series* series = held(id);
  if (!series || series->all().size() == 0) return std::nullopt;
  return Instant{series->all().times.front()};
}

RawIncrease SeriesStore::raw_increase(SeriesId id, Instant first, Instant last) const {
  RawIncrease out;
  const Points in = points(id, first, last);
  if (in.size() == 0) return out;
  const std::vector<Birth>& births = series_[id]->births;
  auto birth = std::lower_bound(births.begin(), births.end(), in.times.front(),
                                [](const Birth& b, std::int64_t time) { return b.time < time; });
  std::optional<double> previous;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double value = in.values[i];
    if (is_stale_marker(value)) continue;
    if (birth != births.end() && birth->time == in.times[i]) {
      if (birth->absent_at >= first.ms) {
        out.sum += value;
        ++out.steps;
      }
      ++birth;
    } else if (previous) {
      out.sum += value < *previous ? value : value - *previous;
      ++out.steps;
    }
    previous = value;
  }
  return out;
}

void SeriesStore::retain_from(Instant horizon) {
  std::unordered_set<std::string> names_with_drops;
  for (auto& slot : series_) {
    if (!slot) continue;
    Series& series = *slot;
    const Points all = series.all();
    if (all.size() == 0 || all.times.front() >= horizon.ms) continue;
    if (all.times.back() < horizon.ms) {
      samples_ -= all.size();
      --live_series_;
      names_with_drops.emplace(series.labels.get(metric_name_label));
      by_labels_.erase(series.labels);
      slot.reset();
      continue;
    }
    const auto kept = std::lower_bound(all.times.begin(), all.times.end(), horizon.ms);
    const auto forgotten = static_cast<std::size_t>(kept - all.times.begin()) - 1;
    samples_ -= forgotten;
    series.head += forgotten;
    const std::int64_t oldest = series.times[series.head];
    std::erase_if(series.births, [&](const Birth& birth) { return birth.time < oldest; });
    if (series.head * 2 < series.times.size()) continue;
    const auto count = static_cast<std::ptrdiff_t>(series.head);
    series.times.erase(series.times.begin(), series.times.begin() + count);
    series.values.erase(series.values.begin(), series.values.begin() + count);
    series.head = 0;
  }
  for (const std::string& name : names_with_drops) {
    const auto named = by_name_.find(name);
    std::erase_if(named->second, [&](SeriesId id) { return !series_[id]; });
    if (named->second.empty()) by_name_.erase(named);
  }
}

}  // namespace signalbox::store
