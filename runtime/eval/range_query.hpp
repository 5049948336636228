// PromQL of a range, asked at one instant: the samples of each series in it.
#pragma once

#include <vector>

#include "runtime/eval/evaluate.hpp"
#include "runtime/store/cursor.hpp"

namespace signalbox::eval {

struct RangeSeries {
  Labels labels;
  store::Samples samples;
  std::vector<TimedHistogram> histograms = {};
};
// `root` is a function over a range, of a selector or a subquery; what is answered is that range, by labels.
// Series without a sample in it are left out. `store` is what the context's leaves read.
std::vector<RangeSeries> range_values(const store::SeriesStore& store, plan::Index root,
                                      Evaluation::Context context);

}  // namespace signalbox::eval
