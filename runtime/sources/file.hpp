// Recorded files: OpenMetrics or Prometheus text in which every sample has its time.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/content_digest.hpp"
#include "runtime/formats/exposition.hpp"
#include "runtime/store/series_store.hpp"

namespace signalbox::sources {

struct LoadReport {
  std::size_t series = 0, samples = 0;
  Instant first, last;  // of all samples; meaningless when there are none
};

// One series, before it is in the store.
struct LoadedSeries {
  Labels labels;
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<std::int64_t> ends = {};  // times of stale markers, where the source tells them
  std::vector<TimedHistogram> histograms = {};
};

// What is worked out from the scrapes that a target must have had (scrape_groups.hpp): they were at the times
// of any of its series. A scrape whose `up` is 0 failed.
struct Inference {
  // A series whose first sample comes later than the group's first was absent in the scrape before it: a
  // birth, if absent_before() says so.
  bool births = true;
  // Series end with a stale marker at the first scrape that lacks them. Only in groups with an `up`, and only
  // series all of whose samples were taken at its times: others carry times of their own. Nothing is said of
  // the group's latest scrape unless it failed: it may have been written between two questions.
  bool ends = false;
  Instant complete_to{std::numeric_limits<std::int64_t>::max()};  // no end is told after it
};

// Puts the series into the store, each in order of time. Of two samples at one time the first stays.
Result<LoadReport> store_loaded(std::vector<LoadedSeries> series, const Inference& inference,
                                store::SeriesStore& store);

// A text that lies somewhere and is read piece by piece: a large one is never in memory as a whole.
struct TextSource {
  std::uint64_t size = 0;
  // What lies at `offset`, `most` bytes or as many as there are up to `size`. The view holds until the next
  // call.
  std::function<Result<std::string_view>(std::uint64_t offset, std::size_t most)> read;
};
TextSource text_in_memory(std::string_view text);  // which must outlive it
// Hands over all of it in order, until `take` answers false.
Result<void> each_piece(const TextSource& text, const std::function<bool(std::string_view)>& take);

// Another number wherever the same texts would give other samples or births: what was made of them before is
// then read anew.
inline constexpr unsigned recording_version = 2;

// Texts that together are one recording: births are inferred over all of them.
class Recording {
 public:
  explicit Recording(const Limits& limits) : limits_(limits) {}
  // Samples may come in any order. A sample without a time is `malformed`, with its line. `limit_exceeded`
  // when all texts together have more series or need more memory than the store may hold. After an error
  // nothing is to be done with the recording. `digest`, if there is one, gets the bytes that were read as
  // samples.
  Result<void> add(const TextSource& text, ContentDigest* digest = nullptr);
  Result<LoadReport> load(store::SeriesStore& store) &&;

 private:
  struct Series {
    Labels labels;
    store::Column column;  // samples that came in rising time
    // Those that did not, as they came.
    std::vector<std::int64_t> late_times;
    std::vector<double> late_values;
  };
  std::uint32_t number_of(Labels&& labels);
  void put(Series& series, std::int64_t time, double value);
  static void put_in_order(Series& series);

  Limits limits_;
  formats::SeriesTexts texts_;
  std::unordered_map<Labels, std::uint32_t, LabelsHash> index_;
  std::vector<Series> series_;
  std::size_t bytes_ = 0;  // of series, at least
};

// A recording of one text.
Result<LoadReport> load_exposition(std::string_view text, store::SeriesStore& store, const Limits& limits);

}  // namespace signalbox::sources
