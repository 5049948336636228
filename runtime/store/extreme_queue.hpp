// The least or the greatest number of a window of which both ends move forward. Candidates stand in a queue,
// best first; each sample enters it and leaves it once. NaN counts only where nothing else is.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace signalbox::store {

class ExtremeQueue {
 public:
  explicit ExtremeQueue(bool greatest) : greatest_(greatest) {}
  void clear() {
    queue_.clear();
    head_ = 0;
  }
  // The sample that comes next, at a place after all before it.
  void add(std::uint64_t place, double value) {
    // Of numbers, NaN stands last and gives way to every one.
    if (!std::isnan(value) || empty() || std::isnan(queue_.back().value))
      while (!empty() && better(value, queue_.back().value)) queue_.pop_back();
    queue_.push_back({place, value});
  }
  // The window begins at `place`.
  void leave_before(std::uint64_t place) {
    while (!empty() && queue_[head_].place < place) ++head_;
    if (head_ < 1024 || head_ * 2 < queue_.size()) return;
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  bool empty() const { return head_ == queue_.size(); }
  double best() const { return queue_[head_].value; }
  std::size_t bytes() const { return queue_.capacity() * sizeof(Candidate); }

 private:
  struct Candidate {
    std::uint64_t place;
    double value;
  };
  // Of equals the first one stays: −0 and 0 are equal.
  bool better(double a, double b) const { return std::isnan(b) || (greatest_ ? a > b : a < b); }

  std::vector<Candidate> queue_;
  std::size_t head_ = 0;
  bool greatest_;
};

// The same of windows of places, asked for one after the other: where both ends have moved forward, samples
// are read once. One that lies elsewhere is read whole.
class MovingExtreme {
 public:
  explicit MovingExtreme(bool greatest) : queue_(greatest) {}
  // Of the samples at [first, last), one at least. `values_from(place)` has the values from a place to
  // `last`.
  template <class ValuesFrom>
  double of(std::uint64_t first, std::uint64_t last, ValuesFrom values_from) {
    if (first < first_ || last < last_ || first >= last_) {
      queue_.clear();
      last_ = first;
    }
    if (last_ < last)
      for (const double value : values_from(last_)) queue_.add(last_++, value);
    first_ = first;
    queue_.leave_before(first);
    return queue_.best();
  }
  std::size_t bytes() const { return sizeof *this + queue_.bytes(); }

 private:
  ExtremeQueue queue_;
  std::uint64_t first_ = 0, last_ = 0;  // of the window asked for last
};

}  // namespace signalbox::store
