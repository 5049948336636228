#include "runtime/loop/directory_replay.hpp"

#include <atomic>
#include <numeric>
#include <set>

#include "runtime/sources/blocks.hpp"
#include "runtime/sources/passed_over.hpp"

namespace signalbox::loop {
namespace {

constexpr std::size_t nothing_damaged = ~std::size_t{0};

// What all threads report.
struct Shared {
  explicit Shared(std::size_t series) : samples(series), passed_over(series) {}
  std::vector<std::atomic<std::size_t>> samples, passed_over;  // by series: several SLOs may read one
  std::atomic<std::size_t> damaged = nothing_damaged;
};

class Feed final : public SampleFeed {
 public:
  Feed(const sources::TsdbHistory& history, const sources::TsdbFeed& feed, Shared& shared)
      : history_(history), feed_(feed), reader_(feed), shared_(shared) {}

  Result<void> load(const std::vector<std::vector<Matcher>>& selectors, store::SeriesStore& into) override {
    std::set<std::size_t> found;
    for (const std::vector<Matcher>& selector : selectors)
      for (const std::size_t series : feed_.find(selector)) found.insert(series);
    for (const std::size_t series : found)
      if (Result<void> taken = take(series, into); !taken) return taken;
    return {};
  }

  void unload(store::SeriesStore& from) override {
    for (const store::SeriesId id : loaded_) spare_.push_back(from.release(id));
    loaded_.clear();
  }

 private:
  Result<void> take(std::size_t series, store::SeriesStore& into) {
    if (!spare_.empty()) {
      read_.data.samples.times = std::move(spare_.back().column.tail_times);
      read_.data.samples.values = std::move(spare_.back().column.tail_values);
      read_.data.course = std::move(spare_.back().course);
      spare_.pop_back();
    }
    if (Result<void> read = reader_.read(series, read_); !read) {
      if (const auto block = reader_.files().damaged()) shared_.damaged = *block;
      return read;
    }
    store::Samples& samples = read_.data.samples;
    shared_.samples[series] = read_.data.size();
    shared_.passed_over[series] = read_.data.passed_over;
    if (read_.data.size() == 0) return {};
    const Result<store::SeriesId> id = into.series(history_.labels(series));
    if (!id) return id.error();
    // Looked at once and thrown away: packing it would cost more than reading it.
    store::SeriesHistory whole;
    if (samples.size() > 0) whole.column.last_sample = samples.times.back();
    whole.column.tail_times = std::move(samples.times);
    whole.column.tail_values = std::move(samples.values);
    whole.ends = std::move(read_.data.ends);
    whole.course = std::move(read_.data.course);
    if (!read_.data.histograms.empty()) whole.histograms = std::make_unique<store::Histograms>();
    for (TimedHistogram& one : read_.data.histograms)
      whole.histograms->add(one.time, std::move(one.histogram));
    if (Result<void> taken = into.adopt(*id, std::move(whole)); !taken) return taken;
    loaded_.push_back(*id);
    for (const auto& [first, absent_at] : read_.births) into.born(*id, first, absent_at);
    return {};
  }

  const sources::TsdbHistory& history_;
  const sources::TsdbFeed& feed_;
  sources::TsdbFeed::Reader reader_;
  sources::TsdbFeed::Series read_;
  std::vector<store::SeriesId> loaded_;
  std::vector<store::SeriesHistory> spare_;  // of series before: memory that is used again
  Shared& shared_;
};

}  // namespace

Result<DirectoryReplay> DirectoryReplay::open(ForeignFolders& folders, const std::string& path,
                                              const plan::Plan& plan, std::optional<Instant> from,
                                              std::optional<Instant> to, const Limits& limits) {
  Result<sources::TsdbHistory> history =
      sources::TsdbHistory::open(folders, path, sources::request_for(plan, from, to), limits);
  if (!history) return history.error();
  DirectoryReplay out(plan, *std::move(history));
  if (Result<void> looked = out.look(); !looked) return looked.error();
  return out;
}

Result<void> DirectoryReplay::look() {
  for (;;) {
    feed_ = std::make_unique<sources::TsdbFeed>(*history_, *plan_);
    sources::TsdbHistory::Reader reader(*history_);
    const auto extent = feed_->extent(reader);
    notices_ = history_->notices();
    if (extent) {
      extent_ = *extent;
      return {};
    }
    if (!reader.damaged()) return extent.error();
    if (Result<void> left = history_->leave_out(*reader.damaged(), extent.error()); !left) return left;
  }
}

Result<std::optional<Streamed>> DirectoryReplay::replay(const StoriesOptions& options) {
  Shared shared(history_->size());
  Result<Streamed> out =
      replay_streamed(*plan_, options, [&] { return std::make_unique<Feed>(*history_, *feed_, shared); });
  if (!out) {
    if (shared.damaged == nothing_damaged) return out.error();
    if (Result<void> left = history_->leave_out(shared.damaged, out.error()); !left) return left.error();
    if (Result<void> looked = look(); !looked) return looked.error();
    return std::optional<Streamed>();
  }
  notices_ = history_->notices();
  const auto all = [](const auto& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  };
  samples_ = all(shared.samples);
  if (std::optional<Error> told = sources::told_passed_over(all(shared.passed_over)))
    notices_.push_back(*std::move(told));
  return std::optional(*std::move(out));
}

}  // namespace signalbox::loop
