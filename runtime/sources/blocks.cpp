#include "runtime/sources/blocks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/sources/append_in_order.hpp"
#include "runtime/sources/passed_over.hpp"
#include "runtime/sources/tsdb_feed.hpp"

namespace signalbox::sources {
namespace {

// One pass over the plan's series.
class Loader {
 public:
  Loader(const TsdbFeed& feed, const TsdbHistory& history, store::SeriesStore& store)
      : feed_(feed), history_(history), store_(store), reader_(feed) {}

  Result<void> load(const std::function<void(double)>& progress) {
    const std::vector<std::size_t>& all = feed_.series();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (Result<void> taken = take(all[i]); !taken) return taken;
      if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(all.size()));
    }
    return {};
  }
  const LoadReport& report() const { return report_; }
  std::size_t passed_over() const { return passed_over_; }
  const TsdbHistory::Reader& reader() const { return reader_.files(); }

 private:
  Result<void> take(std::size_t series) {
    if (Result<void> read = reader_.read(series, read_); !read) return read;
    passed_over_ += read_.data.passed_over;
    if (read_.data.size() == 0) return {};
    const Result<store::SeriesId> id = store_.series(history_.labels(series));
    if (!id) return id.error();
    const std::span<const std::int64_t> times = read_.data.samples.times, ends = read_.data.ends;
    const std::vector<TimedHistogram>& histograms = read_.data.histograms;
    const auto saw = [&](std::int64_t first, std::int64_t last) {
      report_.first.ms = any_ ? std::min(report_.first.ms, first) : first;
      report_.last.ms = any_ ? std::max(report_.last.ms, last) : last;
      any_ = true;
    };
    for (const std::span<const std::int64_t>* one : {&times, &ends})
      if (!one->empty()) saw(one->front(), one->back());
    if (histograms.empty()) {
      if (auto stored = store_.append_all(*id, times, read_.data.samples.values, ends); !stored)
        return stored;
      for (const auto& [first, absent_at] : read_.births) store_.born(*id, first, absent_at);
    } else {
      saw(histograms.front().time, histograms.back().time);
      const auto stored = append_in_order(*id, times, read_.data.samples.values, ends, histograms, store_);
      if (!stored) return stored.error();
    }
    report_.samples += read_.data.size();
    ++report_.series;
    return {};
  }

  const TsdbFeed& feed_;
  const TsdbHistory& history_;
  store::SeriesStore& store_;
  TsdbFeed::Reader reader_;
  TsdbFeed::Series read_;
  LoadReport report_;
  std::size_t passed_over_ = 0;
  bool any_ = false;
};

}  // namespace

Result<BlocksReport> load_blocks(ForeignFolders& folders, const std::string& path, const plan::Plan& plan,
                                 std::optional<Instant> from, std::optional<Instant> to, const Limits& limits,
                                 store::SeriesStore& store, const std::function<void(double)>& progress) {
  Result<TsdbHistory> history = TsdbHistory::open(folders, path, request_for(plan, from, to), limits);
  if (!history) return history.error();

  for (;;) {
    store = store::SeriesStore(limits);
    const TsdbFeed feed(*history, plan);
    Loader loader(feed, *history, store);
    const Result<void> loaded = loader.load(progress);
    const auto damaged = loader.reader().damaged();
    if (!loaded && damaged) {
      // Half a block is never given: from the beginning again, without it.
      if (Result<void> left = history->leave_out(*damaged, loaded.error()); !left) return left.error();
      continue;
    }
    if (!loaded) return loaded.error();
    BlocksReport report{loader.report(), history->notices()};
    if (std::optional<Error> told = told_passed_over(loader.passed_over()))
      report.notices.push_back(*std::move(told));
    // Where nothing is found, there is a time to say so of.
    if (report.load.samples == 0) report.load.last = history->last().value_or(Instant{});
    return report;
  }
}

}  // namespace signalbox::sources
