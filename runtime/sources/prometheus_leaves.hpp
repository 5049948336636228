// Leaves that a Prometheus works out itself: columns over a grid of instants, instead of the raw samples
// under them. For coarse grids over long histories, where those samples are many times more.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "runtime/eval/evaluate.hpp"
#include "runtime/sources/prometheus.hpp"

namespace signalbox::sources {

// By leaf of `plan`, whether Prometheus' own functions give it at every instant it is read at. Not so raw
// increments, coverage, windows that hang on an event, what slices read between the instants, and latest
// samples when the look-back is not Prometheus' own five minutes: these need raw samples.
std::vector<bool> pushable_leaves(const plan::Plan& plan);

class PrometheusLeaves final : public eval::LeafProvider {
 public:
  // `raw` answers for all leaves that are not pushed down; both outlive this.
  PrometheusLeaves(Http& http, std::string base, const Limits& limits, eval::LeafProvider& raw)
      : api_(http, std::move(base), limits), limits_(limits), raw_(raw) {}

  // Asks for the pushable leaves of `plan`, which must outlive this, at from, from + step, … to. The dialect
  // of the values is that server's.
  void load(const plan::Plan& plan, Instant from, Instant to, Duration step,
            std::function<void(Result<void>)> done);

  // Known are the series that had a value at this instant of the grid or an earlier one; without one now they
  // are `stale`. (A series with too few samples for its function so far is not known yet.)
  eval::Column read(const eval::LeafQuery& query) override;
  eval::Rows known(const plan::Leaf& leaf, Instant at) override;

 private:
  struct Series {
    Labels labels;
    std::size_t first = 0;  // place on the grid; those before have no value
    std::vector<double> values;
    std::vector<bool> has;
  };
  struct Table {
    std::map<Labels, Series> series;         // by labels with the metric's name where the selector tells it
    std::vector<std::size_t> births;         // in rising order
    std::map<std::size_t, eval::Rows> rows;  // by how many are known, which says which ones
  };
  struct Load;
  void next(const std::shared_ptr<Load>& load);
  Result<void> take(const plan::Leaf& leaf, Table& table, const formats::QueryAnswer& answer);
  Table* table_at(const plan::Leaf& leaf, Instant instant, std::size_t& place);
  static eval::Rows rows_at(Table& table, std::size_t place);

  PrometheusApi api_;
  Limits limits_;
  eval::LeafProvider& raw_;
  Instant from_, to_;
  Duration step_{1};
  std::size_t points_ = 0;
  std::map<const plan::Leaf*, Table> tables_;
};

}  // namespace signalbox::sources
