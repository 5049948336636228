#include "cli/directory_replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "runtime/loop/stream.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/plan/slice.hpp"
#include "runtime/sources/blocks.hpp"
#include "runtime/sources/tsdb_feed.hpp"
#include "runtime/sources/tsdb_files.hpp"

namespace signalbox::cli {
namespace {

constexpr std::size_t nothing_damaged = ~std::size_t{0};

class DirectoryFeed final : public loop::SampleFeed {
 public:
  DirectoryFeed(const sources::TsdbHistory& history, const sources::TsdbFeed& feed,
                std::atomic<std::size_t>& damaged, std::atomic<std::size_t>& histogram_chunks)
      : history_(history),
        feed_(feed),
        reader_(feed),
        damaged_(damaged),
        histogram_chunks_(histogram_chunks) {}
  ~DirectoryFeed() override { histogram_chunks_ += reader_.files().histogram_chunks(); }

  Result<void> load(const std::vector<std::vector<Matcher>>& selectors, store::SeriesStore& into,
                    std::size_t& samples) override {
    std::set<std::size_t> found;
    for (const std::vector<Matcher>& selector : selectors)
      for (const std::size_t series : feed_.find(selector)) found.insert(series);
    for (const std::size_t series : found) {
      if (const Result<void> read = reader_.read(series, read_); !read) {
        if (const auto block = reader_.files().damaged()) damaged_ = *block;
        return read;
      }
      if (read_.data.samples.times.empty() && read_.data.ends.empty()) continue;
      samples += read_.data.samples.size() + read_.data.ends.size();
      const Result<store::SeriesId> id = into.series(history_.labels(series));
      if (!id) return id.error();
      // Looked at once and thrown away: packing it would cost more than reading it.
      store::SeriesHistory whole;
      whole.column.tail_times = std::move(read_.data.samples.times);
      whole.column.tail_values = std::move(read_.data.samples.values);
      if (!whole.column.tail_times.empty()) whole.column.last_sample = whole.column.tail_times.back();
      whole.ends = std::move(read_.data.ends);
      if (const Result<void> taken = into.adopt(*id, std::move(whole)); !taken) return taken;
      for (const auto& [first, absent_at] : read_.births) into.born(*id, first, absent_at);
    }
    return {};
  }

 private:
  const sources::TsdbHistory& history_;
  const sources::TsdbFeed& feed_;
  sources::TsdbFeed::Reader reader_;
  sources::TsdbFeed::Series read_;
  std::atomic<std::size_t>&damaged_, &histogram_chunks_;
};

}  // namespace

bool streams(const plan::Plan& plan, const std::string& location, eval::Tier tier) {
  if (is_url(location) || !plan::is_slo_by_slo(plan) || tier == eval::Tier::compiled) return false;
  return sources::is_data_directory(*net::make_posix_folders(), location);
}

std::optional<DirectoryReplay> replay_directory(const plan::Plan& plan, const HistoryRequest& request,
                                                int& code) {
  const std::unique_ptr<ForeignFolders> folders = net::make_posix_folders();
  const auto refuse = [&](const Error& error) {
    say(error);
    code = exit_code_of(error);
    return std::nullopt;
  };
  Result<sources::TsdbHistory> history = sources::TsdbHistory::open(
      *folders, request.location, sources::request_for(plan, request.from, request.to), Limits{});
  if (!history) return refuse(history.error());
  for (;;) {
    const sources::TsdbFeed feed(*history, plan);
    sources::TsdbHistory::Reader reader(*history);
    const auto extent = feed.extent(reader);
    if (!extent) {
      if (!reader.damaged()) return refuse(extent.error());
      history->leave_out(*reader.damaged(), extent.error());
      continue;
    }
    DirectoryReplay out;
    out.data.history.semantics = Semantics::prometheus2;
    if (!*extent) {
      for (const Error& notice : history->notices()) say(notice);
      return no_samples(request.location, code), std::nullopt;
    }
    out.data.history.first = std::max((*extent)->first, request.from.value_or((*extent)->first));
    out.data.history.last = std::min((*extent)->second, request.to.value_or((*extent)->second));
    out.data.from = request.from.value_or(out.data.history.first);
    out.data.to = request.to.value_or(out.data.history.last);
    if (!has_ticks({&plan}, request.location, out.data, code)) return std::nullopt;
    std::atomic<std::size_t> damaged = nothing_damaged, histogram_chunks = 0;
    Result<loop::Streamed> streamed = loop::replay_streamed(
        plan, stories_options(out.data, {eval::Tier::interpreter, false, "replay"}),
        [&] { return std::make_unique<DirectoryFeed>(*history, feed, damaged, histogram_chunks); });
    if (!streamed) {
      if (damaged == nothing_damaged) return refuse(streamed.error());
      history->leave_out(damaged, streamed.error());
      continue;
    }
    for (const Error& notice : history->notices()) say(notice);
    if (const auto notice = sources::passed_over(histogram_chunks, history->histogram_records())) say(*notice);
    out.data.history.samples = streamed->samples;
    out.story = std::move(streamed->story);
    return out;
  }
}

}  // namespace signalbox::cli
