#include "runtime/sources/tsdb_feed.hpp"

#include <algorithm>
#include <set>
#include <span>

namespace signalbox::sources {
namespace {

// How far around a first sample the scrapes of its target are looked at.
constexpr Duration around = hours(6);
// Of so many series that were scraped with it, where no `up` tells of scrapes: they have the same times, and
// one would do.
constexpr std::size_t most_witnesses = 16;

std::set<std::vector<Matcher>> selectors_of(const plan::Plan& plan) {
  std::set<std::vector<Matcher>> out;
  for (const plan::Leaf& leaf : plan.leaves) out.insert(leaf.matchers);
  return out;
}

bool counts_births(const plan::Plan& plan) {
  return std::any_of(plan.leaves.begin(), plan.leaves.end(),
                     [](const plan::Leaf& leaf) { return leaf.fn == plan::LeafFn::raw_increase; });
}

}  // namespace

TsdbHistory::Request request_for(const plan::Plan& plan, std::optional<Instant> from,
                                 std::optional<Instant> to) {
  TsdbHistory::Request out;
  const auto selectors = selectors_of(plan);
  out.selectors.assign(selectors.begin(), selectors.end());
  if (counts_births(plan)) out.selectors.push_back({{std::string(metric_name_label), MatchOp::equal, "up"}});
  out.from = from ? *from - plan::longest_window(plan) - plan.lookback : Instant{INT64_MIN};
  out.to = to.value_or(Instant{INT64_MAX});
  return out;
}

TsdbFeed::TsdbFeed(const TsdbHistory& history, const plan::Plan& plan)
    : history_(history), births_(counts_births(plan)) {
  for (std::size_t i = 0; i < history.size(); ++i)
    postings_.add(history.labels(i), static_cast<store::SeriesId>(i));
  for (const std::vector<Matcher>& selector : selectors_of(plan)) {
    const std::vector<std::size_t> found = find(selector);
    wanted_.insert(wanted_.end(), found.begin(), found.end());
  }
  std::sort(wanted_.begin(), wanted_.end());
  wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
  if (!births_) return;
  for (const std::size_t i : wanted_) groups_[scrape_group_of(history.labels(i))].series.push_back(i);
  for (std::size_t i = 0; i < history.size(); ++i)
    if (history.labels(i).get(metric_name_label) == "up") groups_[scrape_group_of(history.labels(i))].up = i;
}

std::vector<std::size_t> TsdbFeed::find(const std::vector<Matcher>& selector) const {
  std::vector<std::size_t> out;
  const auto compiled = compile_selector(selector);
  if (!compiled) return out;
  const auto consider = [&](std::size_t i) {
    const Labels& labels = history_.labels(i);
    if (std::all_of(compiled->begin(), compiled->end(), [&](const auto& one) { return one.accepts(labels); }))
      out.push_back(i);
  };
  if (std::span<const store::SeriesId> ids; postings_.narrowed(selector, ids)) {
    for (const store::SeriesId id : ids) consider(id);
  } else {
    for (std::size_t i = 0; i < history_.size(); ++i) consider(i);
  }
  return out;
}

Result<void> TsdbFeed::Reader::read(std::size_t series, Series& out) {
  out.births.clear();
  if (Result<void> read = reader_.read(series, out.data); !read) return read;
  return feed_.births_ ? tell_births(series, out) : Result<void>{};
}

// Asked of its first sample, and of the first one after each end.
Result<void> TsdbFeed::Reader::tell_births(std::size_t series, Series& out) {
  const std::span<const std::int64_t> times = out.data.samples.times;
  std::vector<std::int64_t> firsts;
  if (!times.empty()) firsts.push_back(times.front());
  for (const std::int64_t end : out.data.ends) {
    const auto again = std::upper_bound(times.begin(), times.end(), end);
    if (again != times.end() && (firsts.empty() || *again > firsts.back())) firsts.push_back(*again);
  }
  const std::scoped_lock lock(feed_.mutex_);
  Group& group = feed_.groups_[scrape_group_of(feed_.history_.labels(series))];
  for (const std::int64_t first : firsts) {
    const auto absent = feed_.absent_before(group, Instant{first}, reader_);
    if (!absent) return absent.error();
    if (*absent) out.births.emplace_back(Instant{first}, **absent);
  }
  return {};
}

Result<std::optional<Instant>> TsdbFeed::absent_before(Group& group, Instant first,
                                                       TsdbHistory::Reader& reader) const {
  const auto known = group.absent.find(first.ms);
  if (known != group.absent.end()) return known->second;
  SeriesSamples read;
  std::optional<Instant> absent;
  if (group.up) {
    if (Result<void> done = reader.read(*group.up, first - around, first + around, read); !done)
      return done.error();
    ScrapeGroup scrapes;
    scrapes.scrapes.assign(read.samples.times.begin(), read.samples.times.end());
    for (std::size_t i = 0; i < scrapes.scrapes.size(); ++i)
      if (read.samples.values[i] == 0) scrapes.failed.push_back(scrapes.scrapes[i]);
    scrapes.measure_spacing();
    absent = scrapes.absent_before(first.ms);
  } else {
    if (group.extents.empty())
      for (const std::size_t series : group.series) {
        const auto extent = reader.extent(series);
        if (!extent) return extent.error();
        group.extents.push_back(*extent);
      }
    // Those that were scraped before it, the longest lived first.
    std::vector<std::size_t> witnesses;
    for (std::size_t i = 0; i < group.series.size(); ++i)
      if (const auto& extent = group.extents[i])
        if (extent->first < first && extent->second >= first - around) witnesses.push_back(i);
    std::stable_sort(witnesses.begin(), witnesses.end(), [&](std::size_t a, std::size_t b) {
      return group.extents[a]->second > group.extents[b]->second;
    });
    if (witnesses.size() > most_witnesses) witnesses.resize(most_witnesses);
    ScrapeGroups scrapes;
    for (const std::size_t i : witnesses) {
      const std::size_t series = group.series[i];
      if (Result<void> done = reader.read(series, first - around, first + around, read); !done)
        return done.error();
      scrapes.add(history_.labels(series), read.samples.times, read.samples.values);
    }
    scrapes.finish();
    if (!witnesses.empty())
      absent = scrapes.of(history_.labels(group.series.front())).absent_before(first.ms);
  }
  group.absent.emplace(first.ms, absent);
  return absent;
}

Result<std::optional<std::pair<Instant, Instant>>> TsdbFeed::extent(TsdbHistory::Reader& reader) const {
  std::optional<std::pair<Instant, Instant>> out;
  for (const std::size_t series : wanted_) {
    const auto one = reader.extent(series);
    if (!one) return one.error();
    if (!*one) continue;
    if (!out) out = **one;
    out = {std::min(out->first, (*one)->first), std::max(out->second, (*one)->second)};
  }
  return out;
}

}  // namespace signalbox::sources
