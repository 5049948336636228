// The live world: scrapes by their own clocks, actions and messages over the host's HTTP.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "runtime/base/host.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/loop/world.hpp"
#include "runtime/sources/prometheus.hpp"
#include "runtime/sources/scrape.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::loop {

using Secrets = std::function<std::optional<std::string>(const std::string& name)>;

// What outlives a reload: samples, and what each scraped page showed last.
struct LiveData {
  explicit LiveData(const Limits& limits) : store(limits), leaves(store) {}
  store::SeriesStore store;
  eval::StoreProvider leaves;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<sources::Scraper>>
      scrapers;  // by source and address
};

class LiveWorld : public World {
 public:
  // `notice` hears of scrapes that fail and heartbeats that nobody takes, each change once.
  LiveWorld(const plan::Plan& plan, Host& host, LiveData& data, const Limits& limits, Secrets secrets,
            std::function<void(const Error&)> notice);
  ~LiveWorld() override;

  void start();  // the scrapes' own timers
  void gather(Instant at, std::function<void()> done) override;
  void read_version(plan::Index target, std::function<void(Result<std::string>)> done) override;
  void perform(const decide::Effect& effect, std::function<void(decide::Answer)> done) override;
  void notify(plan::Index receiver, const decide::Message& message,
              std::function<void(std::optional<std::string>)> done) override;
  void heartbeat(plan::Index receiver, Instant at) override;

  std::uint64_t scrapes = 0, failed_scrapes = 0;  // of pages and of a Prometheus' answers

 private:
  struct Feed {
    plan::Index source = 0;
    std::string url;
    sources::Scraper* scraper = nullptr;                  // of a scrape source, else
    std::unique_ptr<sources::PrometheusHistory> history;  // of a Prometheus: read up to each due instant
    std::optional<Instant> read_to;
    std::optional<Instant> last;  // the grid instant of the latest scrape that was started
    bool in_flight = false, failing = false;
    bool incomplete = false;  // something of it is not taken, which was said
  };
  void scrape_due(Feed& feed, Instant at);
  void schedule(std::size_t feed);
  void say_of(const Feed& feed, const Error& what);
  void say_left_out(Feed& feed, const std::optional<Error>& what);
  void feed_done(Feed& feed, const Result<void>& result);
  void release_waiting();
  std::string secret(const std::string& name) const;

  const plan::Plan& plan_;
  Host& host_;
  LiveData& data_;
  Limits limits_;
  Secrets secrets_;
  std::function<void(const Error&)> notice_;
  std::vector<Feed> feeds_;
  std::vector<std::function<void()>> waiting_;
  std::map<plan::Index, bool> heartbeat_failing_;
  Instant last_retention_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace signalbox::loop
