#include "runtime/store/histograms.hpp"

#include <algorithm>

#include "runtime/store/window.hpp"

namespace signalbox::store {

void Histograms::add(std::int64_t time, HistogramPtr histogram) {
  reset_.push_back(!values_.empty() && is_reset(*histogram, *values_.back()));
  bytes_ += memory_of(*histogram);
  times_.push_back(time);
  values_.push_back(std::move(histogram));
}

void Histograms::forget_before(std::int64_t horizon) {
  const auto later = std::lower_bound(times_.begin(), times_.end(), horizon) - times_.begin();
  if (later < 2) return;
  const auto gone = later - 1;
  for (auto i = values_.begin(); i != values_.begin() + gone; ++i) bytes_ -= memory_of(**i);
  times_.erase(times_.begin(), times_.begin() + gone);
  values_.erase(values_.begin(), values_.begin() + gone);
  reset_.erase(reset_.begin(), reset_.begin() + gone);
}

std::size_t Histograms::until(std::int64_t time) const {
  return static_cast<std::size_t>(std::upper_bound(times_.begin(), times_.end(), time) - times_.begin());
}

std::size_t Histograms::resets(std::size_t first, std::size_t last) const {
  return static_cast<std::size_t>(std::count(reset_.begin() + static_cast<std::ptrdiff_t>(first) + 1,
                                             reset_.begin() + static_cast<std::ptrdiff_t>(last) + 1, true));
}

HistogramPtr Histograms::change(RangeFn fn, std::size_t first, std::size_t last, Instant end, Duration length,
                                Semantics semantics) const {
  const NativeHistogram& begin = *values_[first];
  const bool counter = fn != RangeFn::delta, from_zero = semantics == Semantics::prometheus3;
  // In Prometheus 3 nothing of the first one matters when the second has begun anew.
  const bool void_begin = from_zero && counter && reset_[first + 1];
  std::int32_t schema =
      std::min(void_begin ? values_[first + 1]->schema : begin.schema, values_[last - 1]->schema);
  if (counter)
    for (std::size_t i = first + 1; i < last; ++i) schema = std::min(schema, values_[i]->schema);
  NativeHistogram out = at_schema(*values_[last - 1], schema);
  if (!void_begin) subtract(out, begin);
  if (counter)
    for (std::size_t i = first + (void_begin ? 2 : 1); i < last; ++i)
      if (reset_[i]) signalbox::add(out, *values_[i - 1]);
  compact(out);
  const WindowEnds ends{times_[first], times_[last - 1], from_zero ? begin.count : 0, last - first - 1};
  scale(out, extrapolation_factor(fn, from_zero ? out.count : 0, ends, end, length, semantics));
  return std::make_shared<const NativeHistogram>(std::move(out));
}

}  // namespace signalbox::store
