#include "cli/data.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "cli/output.hpp"
#include "cli/recorded_texts.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/net/event_loop.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/sources/blocks.hpp"
#include "runtime/sources/passed_over.hpp"
#include "runtime/sources/prometheus.hpp"
#include "runtime/sources/prometheus_leaves.hpp"
#include "runtime/sources/scrape.hpp"
#include "runtime/sources/tsdb_files.hpp"

namespace signalbox::cli {
namespace {

namespace fs = std::filesystem;

bool watched() {
  return ::isatty(STDERR_FILENO) != 0;
}
void show_progress(double done) {
  if (watched()) tell("\rreading {:3.0f}%", 100 * done);
}
void end_progress() {
  if (watched()) tell("\r            \r");
}

Result<History> load_data_directory(ForeignFolders& folders, const plan::Plan& plan,
                                    const HistoryRequest& request, store::SeriesStore& store) {
  const Result<sources::BlocksReport> loaded = sources::load_blocks(
      folders, request.location, plan, request.from, request.to, Limits{}, store, show_progress);
  end_progress();
  if (!loaded) return loaded.error();
  for (const Error& notice : loaded->notices) say(notice);
  const sources::LoadReport& report = loaded->load;
  return History{report.samples, request.from ? std::max(report.first, *request.from) : report.first,
                 request.to ? std::min(report.last, *request.to) : report.last, Semantics::prometheus2,
                 nullptr};
}

Result<History> load_files(const std::string& location, const std::string& cache, store::SeriesStore& store) {
  std::vector<std::string> files;
  std::error_code failed;
  if (fs::is_directory(location, failed)) {
    const fs::directory_iterator entries(location, failed);
    if (failed) return Error{ErrorCode::io, fmt::format("{}: {}", location, failed.message())};
    for (const fs::directory_entry& entry : entries)
      if (entry.is_regular_file(failed) && !entry.path().filename().string().starts_with('.'))
        files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    if (files.empty())
      return Error{ErrorCode::not_found, fmt::format("{}: there is no file in it", location),
                   "name a file of recorded text, a folder of them, or a Prometheus' data directory"};
  } else {
    files.push_back(location);
  }
  return load_texts(files, location, cache, store);
}

// After its load it asks nothing more, so that it may outlive the loop.
struct Pushed {
  Pushed(Http& http, const std::string& base, const store::SeriesStore& store)
      : raw(store), leaves(http, base, Limits{}, raw) {}
  eval::StoreProvider raw;
  sources::PrometheusLeaves leaves;
};

Result<History> load_url(const plan::Plan& plan, const HistoryRequest& request, store::SeriesStore& store) {
  auto made = net::make_event_loop({});
  if (!made) return made.error();
  net::EventLoop& loop = **made;
  Result<History> out = Error{ErrorCode::internal, "nothing answered"};
  sources::PrometheusHistory prometheus(loop.http(), request.location, Limits{});
  const Instant now = request.now.value_or(wall_clock());
  const Instant to = request.to.value_or(now), from = request.from.value_or(to - hours(1));
  std::unique_ptr<sources::Scraper> page;
  std::shared_ptr<Pushed> pushed;
  prometheus.version([&](Result<std::string> version) {
    if (!version && version.error().code == ErrorCode::unreachable) {
      out = version.error();
      return loop.stop();
    }
    const bool raw = sources::is_remote_read(request.location);
    if (version || raw) {
      const std::vector<bool> pushable = sources::pushable_leaves(plan);
      if (!raw && request.step && *request.step >= minutes(1) &&
          std::find(pushable.begin(), pushable.end(), false) == pushable.end()) {
        pushed = std::make_shared<Pushed>(loop.http(), request.location, store);
        pushed->leaves.load(plan, from, to, *request.step,
                            [&, semantics = sources::semantics_of(*version)](Result<void> loaded) {
                              if (!loaded)
                                out = loaded.error();
                              else
                                out = History{0, from, to, semantics,
                                              std::shared_ptr<eval::LeafProvider>(pushed, &pushed->leaves)};
                              loop.stop();
                            });
        return;
      }
      prometheus.load(plan, from, to, store, show_progress, [&](Result<sources::PrometheusReport> report) {
        end_progress();
        if (!report)
          out = report.error();
        else
          out = History{report->load.samples, std::max(report->load.first, from),
                        std::min(report->load.last, to), report->semantics, nullptr};
        if (report)
          if (const auto told = sources::told_passed_over(report->passed_over)) say(*told);
        loop.stop();
      });
      return;
    }
    // Not a Prometheus: a page of metrics, as it is now.
    page = std::make_unique<sources::Scraper>(loop.http(), store, request.location, "page", seconds(10),
                                              Limits{});
    page->scrape(now, [&](const sources::Scraper::Scraped& scraped) {
      if (scraped && *scraped) say(**scraped);
      if (!scraped)
        out = Error{ErrorCode::unreachable, fmt::format("{}: {}", request.location, scraped.error().message),
                    scraped.error().hint};
      else
        out = History{store.sample_count(), now, now, Semantics::prometheus3, nullptr};
      loop.stop();
    });
  });
  loop.run();
  return out;
}

}  // namespace

bool is_url(const std::string& location) {
  return location.starts_with("http://") || location.starts_with("https://");
}

Instant wall_clock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Instant{std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
}

Result<History> load_history(const plan::Plan& plan, const HistoryRequest& request,
                             store::SeriesStore& store) {
  if (is_url(request.location)) return load_url(plan, request, store);
  const std::unique_ptr<ForeignFolders> folders = net::make_posix_folders();
  if (sources::is_data_directory(*folders, request.location))
    return load_data_directory(*folders, plan, request, store);
  return load_files(request.location, request.cache, store);
}

}  // namespace signalbox::cli
