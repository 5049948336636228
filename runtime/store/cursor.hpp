// Reads a series: by time, by place, and whole stretches. Finding a sample costs a binary search over chunks
// and the unpacking of one; the chunks last unpacked are kept. Stale markers are no samples here: they are
// asked for as ends. Cursors over one store may be used by several threads while nobody appends.
#pragma once

#include <array>
#include <memory>

#include "runtime/store/series_store.hpp"

namespace signalbox::store {

// Samples side by side, in rising time.
struct Samples {
  UnsetVector<std::int64_t> times;
  UnsetVector<double> values;
  std::size_t size() const { return times.size(); }
  void clear() {
    times.clear();
    values.clear();
  }
};

struct SamplesView {
  SamplesView() = default;
  SamplesView(std::span<const std::int64_t> t, std::span<const double> v) : times(t), values(v) {}
  SamplesView(const Samples& all) : times(all.times), values(all.values) {}

  std::span<const std::int64_t> times;
  std::span<const double> values;
  std::size_t size() const { return times.size(); }
};

class Cursor {
 public:
  explicit Cursor(const SeriesStore& store) : store_(store) {}

  // The series to read from now on. A dropped one reads as one without samples.
  void open(SeriesId id);

  struct Sample {
    std::uint64_t place = 0;  // how many samples of the series came before it, ever
    std::int64_t time = 0;
    double value = 0;
  };
  std::optional<Sample> at_or_before(Instant time);
  std::optional<Sample> at_or_after(Instant time);
  std::optional<Sample> at_place(std::uint64_t place);
  // The latest stale marker not later than `time`.
  std::optional<Instant> end_at_or_before(Instant time) const;

  // Appends what lies in [first, last].
  void read(Instant first, Instant last, Samples& out);
  // The same where it stands, or in `room` when it is packed. Valid until the series changes, or `room` does.
  SamplesView view(Instant first, Instant last, Samples& room);

  // How the samples run, which are those of view() where they stand. Null where nobody said.
  const Course* course() const;

  // What happened between the samples at two places. Costs the chunks where something did, not those between.
  struct Resets {
    std::vector<double> before;  // the value before each reset, in order
    bool numbers = true;         // all samples, those at the two places too, are numbers
  };
  Resets resets(std::uint64_t first, std::uint64_t last);

  struct Birth {
    std::uint64_t place;
    Instant absent_at;
  };
  // Samples in [first, last] that were born, in order.
  std::vector<Birth> births(Instant first, Instant last);

 private:
  struct Unpacked {
    SeriesId series = 0;
    std::uint64_t from = 0;
    std::size_t count = 0;  // 0: nothing is kept here
    std::array<std::int64_t, chunk_samples> times;
    std::array<double, chunk_samples> values;
  };
  struct Run {  // the samples of one chunk or of the tail
    const std::int64_t* times;
    const double* values;
    std::size_t count;
    std::uint64_t from;
  };
  Run tail() const;
  Run chunk(std::size_t index);
  Run run_of(std::uint64_t place);
  std::size_t runs() const { return series_->chunks.size() + 1; }
  Run run(std::size_t index) { return index < series_->chunks.size() ? chunk(index) : tail(); }
  std::size_t run_at(std::int64_t time) const;

  const SeriesStore& store_;
  const SeriesStore::Series* series_ = nullptr;
  SeriesId id_ = 0;
  // Unpacked chunks by series and place, two for each set: a megabyte, made on first need, so that windows
  // over some hundred series that move by a tick find the chunk at their far end as they left it.
  static constexpr std::size_t sets = 256, ways = 2;
  std::unique_ptr<Unpacked[]> kept_;
  std::array<std::uint8_t, sets> latest_{};  // the way that was asked for last: the other one makes room
};

}  // namespace signalbox::store
