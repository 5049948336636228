// For how long what is looked at for changes is known not to change, from bounds over stretches of ticks.
#pragma once

#include "runtime/eval/bounds.hpp"

namespace signalbox::loop {

// What is looked at: a node's values, or its evidence alone.
struct Root {
  plan::Index node;
  bool with_values = true;
};

// What a root showed at a tick.
struct LastShown {
  eval::Rows rows;
  eval::Column column;
};

class Stillness {
 public:
  // Ticks are counted from `from`, every `tick`.
  Stillness(eval::StretchBounds& bounds, Root root, Instant from, Duration tick)
      : bounds_(&bounds), root_(root), from_(from), tick_(tick) {}
  // How many ticks from `first` on, at most `n`, the root is known to show what it showed at the tick before;
  // 0 where that has to be looked at. `rows` as StretchBounds::begin() has it.
  std::size_t ticks(std::size_t first, std::size_t n, std::uint64_t rows, const LastShown& last);
  // Whether it is known of all of them.
  bool covers(std::size_t first, std::size_t n, std::uint64_t rows, const LastShown& last);

 private:
  // Shorter stretches cost as much as what they save.
  static constexpr std::size_t shortest = 32, longest = 1024, longest_wait = 4096;
  bool is_still(std::size_t first, std::size_t n, std::uint64_t rows, const LastShown& last);

  eval::StretchBounds* bounds_;
  Root root_;
  Instant from_;
  Duration tick_;
  std::size_t until_ = 0;  // it is still
  // A root that goes on moving is asked about less and less often.
  std::size_t asked_again_at_ = 0, wait_ = shortest;
  std::size_t length_ = longest;  // of a stretch that is worth a try
  std::size_t streak_ = 0;        // of such stretches that were
};

}  // namespace signalbox::loop
