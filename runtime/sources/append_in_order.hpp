// A series with native histograms into the store.
#pragma once

#include <span>

#include "runtime/store/series_store.hpp"

namespace signalbox::sources {

// Numbers, the times of stale markers, and histograms, each in rising time, as one rising series. Of two at
// one time the store keeps the first: numbers come before markers, and those before histograms. Answers how
// many it took. No births are told of such a series.
Result<std::size_t> append_in_order(store::SeriesId id, std::span<const std::int64_t> times,
                                    std::span<const double> values, std::span<const std::int64_t> ends,
                                    std::span<const TimedHistogram> histograms, store::SeriesStore& store);

}  // namespace signalbox::sources
