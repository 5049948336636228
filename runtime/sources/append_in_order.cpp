#include "runtime/sources/append_in_order.hpp"

#include <algorithm>
#include <limits>

namespace signalbox::sources {

Result<std::size_t> append_in_order(store::SeriesId id, std::span<const std::int64_t> times,
                                    std::span<const double> values, std::span<const std::int64_t> ends,
                                    std::span<const TimedHistogram> histograms, store::SeriesStore& store) {
  constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  std::size_t taken = 0, t = 0, e = 0, h = 0;
  while (t < times.size() || e < ends.size() || h < histograms.size()) {
    const std::int64_t number = t < times.size() ? times[t] : never, end = e < ends.size() ? ends[e] : never,
                       histogram = h < histograms.size() ? histograms[h].time : never;
    Result<store::AppendOutcome> stored = store::AppendOutcome::stored;
    // The last of all times is one that a sample may have.
    const bool any_number = t < times.size(), any_end = e < ends.size(),
               any_histogram = h < histograms.size();
    if (any_number && (!any_end || number <= end) && (!any_histogram || number <= histogram))
      stored = store.append(id, Instant{number}, values[t++]);
    else if (any_end && (!any_histogram || end <= histogram))
      stored = store.append(id, Instant{ends[e++]}, stale_marker());
    else
      stored = store.append_histogram(id, Instant{histogram}, histograms[h++].histogram);
    if (!stored) return stored.error();
    if (*stored == store::AppendOutcome::stored) ++taken;
  }
  return taken;
}

}  // namespace signalbox::sources
