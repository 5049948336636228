// Seeded series with hazards in them, and what hazards a window of one has.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/labels.hpp"
#include "tests/parity/coverage.hpp"

namespace signalbox::parity {

using Rng = std::mt19937_64;
std::int64_t below(Rng& rng, std::int64_t n);
bool chance(Rng& rng, int percent);
template <class List>
const auto& one_of(Rng& rng, const List& list) {
  return list[static_cast<std::size_t>(below(rng, static_cast<std::int64_t>(std::size(list))))];
}

struct Sample {
  std::int64_t time = 0;
  double value = 0;
};
// Sent behind the sample at `after`, and refused by a store that keeps what came first.
struct Refused {
  std::size_t after = 0;
  Sample sample;
};

struct Series {
  Labels labels;
  std::vector<Sample> samples;  // by time, markers among them
  std::vector<Refused> refused;
  std::int64_t spacing = 15'000;
  bool churn = false, missing_bucket = false;
};

// Prometheus reads OpenMetrics' seconds as a double and cuts to milliseconds; this is the time it then has.
std::string seconds_text(std::int64_t ms);

// How samples reach Prometheus: markers cannot be said in OpenMetrics, so they go by remote write.
enum class Route { blocks, remote_write };

struct World {
  Route route = Route::blocks;
  std::int64_t start = 0, span = 0;
  std::vector<Series> series;  // by labels
};
World make_world(std::uint64_t seed, Route route, std::int64_t start);

// Answers which hazards the windows of one series have.
class HazardIndex {
 public:
  explicit HazardIndex(const Series& series);
  // The closed window [first, last]; `instant` when only its latest sample is read.
  HazardSet in(std::int64_t first, std::int64_t last, bool instant) const;

 private:
  HazardSet of_values(std::size_t from, std::size_t to) const;
  const Series& series_;
  std::vector<std::int64_t> times_, markers_;
  std::vector<double> values_;
  // Of each sample: what it has by itself, and what it has together with the one before.
  std::vector<HazardSet> alone_, with_last_;
  std::vector<std::size_t> run_;  // samples up to here that have one value
};

}  // namespace signalbox::parity
