// The simulated service and the simulated pager: what happened in the world, whatever anybody believes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"
#include "runtime/loop/virtual_host.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::sim {

// Requests arrive one by one at random (exponential gaps) in each region; each fails with the share of the
// version that runs. Counters are what a scrape shows: the series of failures is born with the first failure.
class Shop {
 public:
  struct Options {
    std::vector<std::string> regions = {"eu"};
    double rate = 40;               // requests a second and region
    double baseline = 0.0005;       // share of failures of a good version
    bool counters_restart = false;  // with every change of version
    Duration metric_late;           // the deployed metric shows a deploy so much later
    plan::Delivery delivery = plan::Delivery::idempotent;
  };
  Shop(Options options, Instant start, std::uint64_t seed);

  // Nothing happens between calls: each brings the traffic up to `now` first.
  void deploy(Instant now, const std::string& version, double failures);
  void set_rate(Instant now, double rate);
  void sicken(Instant now, const std::string& region, double failures);  // until a restart cures it
  void recover(Instant now, const std::string& region);
  void restart_counters(Instant now);
  void heal(Instant now);  // every version is good from now on
  std::string metrics(Instant now);
  const std::string& version() const { return version_; }
  void advance(Instant now);

  // Does what is asked, unless the delivery is `idempotent` and the key has been done. Returns the HTTP
  // status.
  int rollback(Instant now, const std::string& key, const std::string& to);
  int restart(Instant now, const std::string& key);

  // How often an effect took place, by the key that was intended (without what a forgetful client appends
  // after '+') and by episode (the key without its last part).
  std::map<std::string, int> effects_by_key, effects_by_episode;
  std::optional<Instant> first_failure_since;  // the first failed request after watch_failures()
  void watch_failures() { watching_ = true, first_failure_since.reset(); }

 private:
  struct Region {
    std::string name;
    double next = 0;  // seconds since the start, of the next request
    double sickness = 0;
    double ok = 0, failed = 0;
    bool failed_shown = false;
  };
  void change_version(Instant now, const std::string& version);
  bool again(const std::string& key) const;
  void count(const std::string& key);
  double gap();

  Options options_;
  Instant start_;
  loop::SeededRandom random_;
  std::vector<Region> regions_;
  std::set<std::string> done_;  // keys as they came
  std::map<std::string, double> failures_by_version_;
  std::string version_ = "v1";
  std::vector<std::pair<Instant, Instant>> deployed_;  // when a deploy is shown, and what is shown
  bool watching_ = false;
};

// Counts messages by id, as a receiver that tells repetitions apart does.
struct Pager {
  struct Taken {
    std::string content;  // without the time of delivery
    std::string kind, declaration, episode, summary;
    Instant first;
    int times = 0;
  };
  std::map<std::string, Taken> taken;  // by id
  std::vector<std::string> faults;     // two messages under one id: one of them was swallowed
  void take(Instant now, const std::string& body);
  bool told(const std::string& episode) const;  // a page about it
  std::size_t pages() const;
};

}  // namespace signalbox::sim
