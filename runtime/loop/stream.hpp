// A replay whose samples are read SLO by SLO: only those of the SLOs at hand are in memory.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/loop/stories.hpp"

namespace signalbox::loop {

// Where samples come from; one for each thread.
class SampleFeed {
 public:
  virtual ~SampleFeed() = default;
  // Adds what the selectors find to a store that holds nothing.
  virtual Result<void> load(const std::vector<std::vector<Matcher>>& selectors, store::SeriesStore& into) = 0;
  // Takes everything out again.
  virtual void unload(store::SeriesStore& from) = 0;
};

struct Streamed {
  Story story;
  std::size_t most_bytes = 0;  // that the samples at hand ever took, of all threads together
};
// Of a plan that is_slo_by_slo(): what replay_all() says of it, but that `decided` counts a tick for each SLO
// that was looked at, and nothing is told when it was interrupted. The first error of a feed ends it.
Result<Streamed> replay_streamed(const plan::Plan& plan, const StoriesOptions& options,
                                 const std::function<std::unique_ptr<SampleFeed>()>& make_feed);

}  // namespace signalbox::loop
