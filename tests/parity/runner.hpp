// One seeded world in a real Prometheus and in a store of ours, and expressions asked of both.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/store/series_store.hpp"
#include "tests/parity/coverage.hpp"
#include "tests/parity/expression.hpp"
#include "tests/parity/world.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::parity {

struct Tally {
  std::uint64_t expressions = 0, refused_ambiguous = 0;
  std::uint64_t compared = 0;   // points and absences
  std::uint64_t counted = 0;    // points of Prometheus' with a hazard in a window that was read
  std::uint64_t exact = 0;      // of the counted ones: the same bits
  std::uint64_t close = 0;      // within the tolerance of sums
  std::uint64_t unbounded = 0;  // sums without order whose terms are infinite or overflow: any value passes
  std::uint64_t mismatches = 0;
  std::vector<std::string> reports;  // of the first mismatches
  Cells cells{};
  void add(const Tally& other);
};

// What is done wrong on purpose, to see that it is noticed.
enum class Sabotage { nothing, later_semantics, last_bit };

class Arena {
 public:
  // Null with an error when there is no Prometheus 2.42 to compare with.
  static std::unique_ptr<Arena> start(std::uint64_t seed, std::string& error,
                                      Sabotage sabotage = Sabotage::nothing);
  // The expression of this number: what it is, and when it is asked, follow from the seed and the number.
  void run(std::uint64_t number, Tally& tally);

 private:
  struct Times {
    std::int64_t begin = 0, step = 0, count = 0;
    bool instants = false;  // asked one by one
    std::int64_t at(std::size_t i) const { return begin + static_cast<std::int64_t>(i) * step; }
  };
  using Row = std::vector<std::optional<double>>;  // by place in Times
  using Answer = std::map<Labels, Row>;
  struct Known {
    const Series* series;
    HazardIndex hazards;
  };
  struct Epoch {
    World world;
    std::map<Labels, std::size_t> by_labels;
    std::vector<Known> known;
  };

  explicit Arena(std::uint64_t seed) : seed_(seed) {}
  bool load(Sabotage sabotage, std::string& error);
  bool write_remotely(const World& world, std::string& error);
  bool fill_store(const World& world, Sabotage sabotage, std::string& error);
  Times times_for(Rng& rng, const Epoch& epoch, const Expression& e, bool at_border) const;
  std::optional<Answer> ask(const std::string& query, const Times& times, std::string& error) const;
  std::optional<Answer> evaluate(const Expression& e, Dialect dialect, const Times& times,
                                 std::string& error) const;
  void compare(std::uint64_t number, const ExpressionPtr& e, const Epoch& epoch, const Times& times,
               const Answer& theirs, const Answer& ours, Tally& tally) const;
  std::string again(std::uint64_t number) const;
  static std::vector<std::int64_t> ends_of(const LeafUse& use, const Times& times, std::size_t i);
  std::string report(std::uint64_t number, const Expression& e, const Epoch& epoch, const Times& times,
                     std::size_t at, const Labels& row, std::optional<double> theirs,
                     std::optional<double> ours) const;

  std::uint64_t seed_;
  Semantics semantics_ = Semantics::prometheus2;
  Epoch epochs_[2];
  std::unique_ptr<store::SeriesStore> store_;
  std::unique_ptr<wire::PrometheusServer> server_;
};

// Worlds of rising seeds until so many cases are counted; the first error ends it.
Tally run_parity(std::uint64_t seed, std::uint64_t cases, std::string& error);
inline constexpr std::uint64_t expressions_of_a_world = 400;

}  // namespace signalbox::parity
