#include "runtime/sources/blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "runtime/sources/scrape_groups.hpp"
#include "runtime/sources/tsdb_history.hpp"

namespace signalbox::sources {
namespace {

// How far around a first sample the scrapes of its target are looked at.
constexpr Duration around = hours(6);

std::vector<Matcher> up_selector() {
  return {{std::string(metric_name_label), MatchOp::equal, "up"}};
}

// One pass over the selected series.
class Loader {
 public:
  Loader(const TsdbHistory& history, const std::vector<Selector>& asked, store::SeriesStore& store)
      : history_(history), asked_(asked), store_(store), reader_(history) {}

  Result<void> load(const std::function<void(double)>& progress) {
    for (std::size_t i = 0; i < history_.size(); ++i) {
      const Labels& labels = history_.labels(i);
      if (labels.get(metric_name_label) == "up") groups_[scrape_group_of(labels)].up = i;
      const bool wanted = std::any_of(asked_.begin(), asked_.end(), [&](const Selector& selector) {
        return std::all_of(selector.begin(), selector.end(),
                           [&](const auto& one) { return one.accepts(labels); });
      });
      if (wanted)
        if (const Result<void> taken = take(i); !taken) return taken;
      if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(history_.size()));
    }
    for (auto& [key, group] : groups_)
      if (const Result<void> told = tell_births(group); !told) return told;
    return {};
  }
  const LoadReport& report() const { return report_; }
  const TsdbHistory::Reader& reader() const { return reader_; }

 private:
  struct Loaded {
    store::SeriesId id;
    std::vector<std::int64_t> firsts;  // its first sample, and the first after each end
  };
  struct Group {
    std::optional<std::size_t> up;
    std::vector<Loaded> series;
    std::map<std::int64_t, std::optional<Instant>> absent;  // before a first sample, where that was asked
  };

  Result<void> take(std::size_t series) {
    if (const Result<void> read = reader_.read(series, read_); !read) return read;
    const std::vector<std::int64_t>& times = read_.samples.times;
    if (times.empty() && read_.ends.empty()) return {};
    const Result<store::SeriesId> id = store_.series(history_.labels(series));
    if (!id) return id.error();
    if (const auto stored = store_.append_all(*id, times, read_.samples.values, read_.ends); !stored)
      return stored;
    report_.samples += times.size() + read_.ends.size();
    std::int64_t first = std::numeric_limits<std::int64_t>::max(),
                 last = std::numeric_limits<std::int64_t>::min();
    for (const std::span<const std::int64_t> all :
         {std::span(std::as_const(times)), std::span(std::as_const(read_.ends))}) {
      if (all.empty()) continue;
      first = std::min(first, all.front());
      last = std::max(last, all.back());
    }
    report_.first.ms = report_.series == 0 ? first : std::min(report_.first.ms, first);
    report_.last.ms = report_.series == 0 ? last : std::max(report_.last.ms, last);
    ++report_.series;
    Loaded loaded{*id, {}};
    if (!times.empty()) loaded.firsts.push_back(times.front());
    for (const std::int64_t end : read_.ends) {
      const auto again = std::upper_bound(times.begin(), times.end(), end);
      if (again != times.end() && (loaded.firsts.empty() || *again > loaded.firsts.back()))
        loaded.firsts.push_back(*again);
    }
    groups_[scrape_group_of(history_.labels(series))].series.push_back(std::move(loaded));
    return {};
  }

  Result<void> tell_births(Group& group) {
    std::optional<ScrapeGroup> of_series;
    for (const Loaded& loaded : group.series) {
      for (const std::int64_t first : loaded.firsts) {
        const auto [known, fresh] = group.absent.try_emplace(first);
        if (fresh && group.up) {
          const Result<ScrapeGroup> scrapes = scrapes_around(*group.up, Instant{first});
          if (!scrapes) return scrapes.error();
          known->second = scrapes->absent_before(first);
        } else if (fresh && first > first_of(group)) {
          if (!of_series) of_series = scrapes_of(group);
          known->second = of_series->absent_before(first);
        }
        if (known->second) store_.born(loaded.id, Instant{first}, *known->second);
      }
    }
    return {};
  }

  static std::int64_t first_of(const Group& group) {
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    for (const Loaded& loaded : group.series)
      if (!loaded.firsts.empty()) first = std::min(first, loaded.firsts.front());
    return first;
  }

  Result<ScrapeGroup> scrapes_around(std::size_t up, Instant at) {
    if (const Result<void> read = reader_.read(up, at - around, at + around, read_); !read)
      return read.error();
    ScrapeGroup out;
    out.scrapes = read_.samples.times;
    for (std::size_t i = 0; i < out.scrapes.size(); ++i)
      if (read_.samples.values[i] == 0) out.failed.push_back(out.scrapes[i]);
    out.measure_spacing();
    return out;
  }

  // Without `up`: at the times of any series of the group.
  ScrapeGroup scrapes_of(const Group& group) {
    ScrapeGroups groups;
    store::Cursor cursor(store_);
    store::Samples samples;
    for (const Loaded& loaded : group.series) {
      cursor.open(loaded.id);
      samples.clear();
      cursor.read(report_.first, report_.last, samples);
      groups.add(store_.labels(loaded.id), samples.times, samples.values);
    }
    groups.finish();
    return groups.of(store_.labels(group.series.front().id));
  }

  const TsdbHistory& history_;
  const std::vector<Selector>& asked_;
  store::SeriesStore& store_;
  TsdbHistory::Reader reader_;
  SeriesSamples read_;
  LoadReport report_;
  std::map<ScrapeGroupKey, Group> groups_;
};

}  // namespace

Result<BlocksReport> load_blocks(ForeignFolders& folders, const std::string& path, const plan::Plan& plan,
                                 std::optional<Instant> from, std::optional<Instant> to, const Limits& limits,
                                 store::SeriesStore& store, const std::function<void(double)>& progress) {
  std::set<std::vector<Matcher>> selectors;
  bool births = false;
  for (const plan::Leaf& leaf : plan.leaves) {
    selectors.insert(leaf.matchers);
    births = births || leaf.fn == plan::LeafFn::raw_increase;
  }
  std::vector<Selector> asked;
  for (const std::vector<Matcher>& matchers : selectors)
    if (auto selector = compile_selector(matchers)) asked.push_back(*std::move(selector));

  TsdbHistory::Request request;
  request.selectors.assign(selectors.begin(), selectors.end());
  if (births) request.selectors.push_back(up_selector());
  request.from = from ? *from - plan::longest_window(plan) - plan.lookback : Instant{INT64_MIN};
  request.to = to.value_or(Instant{INT64_MAX});
  Result<TsdbHistory> history = TsdbHistory::open(folders, path, request, limits);
  if (!history) return history.error();

  for (;;) {
    store = store::SeriesStore(limits);
    Loader loader(*history, asked, store);
    const Result<void> loaded = loader.load(progress);
    const auto damaged = loader.reader().damaged();
    if (!loaded && damaged) {
      // Half a block is never given: from the beginning again, without it.
      history->leave_out(*damaged, loaded.error());
      continue;
    }
    if (!loaded) return loaded.error();
    BlocksReport report{loader.report(), history->notices()};
    if (loader.reader().histogram_chunks() + history->histogram_records() > 0)
      report.notices.push_back(
          {ErrorCode::unsupported,
           fmt::format(
               "native histograms are passed over: {} chunks in blocks and head, {} records in the log",
               loader.reader().histogram_chunks(), history->histogram_records()),
           "classic histograms, with their _bucket series, are read"});
    // Where nothing is found, there is a time to say so of.
    if (report.load.samples == 0) report.load.last = history->last().value_or(Instant{});
    return report;
  }
}

}  // namespace signalbox::sources
