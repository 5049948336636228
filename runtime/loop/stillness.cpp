#include "runtime/loop/stillness.hpp"

#include <algorithm>

namespace signalbox::loop {

bool Stillness::is_still(std::size_t first, std::size_t n, std::uint64_t rows, const LastShown& last) {
  bounds_->begin(from_ + tick_ * static_cast<std::int64_t>(first), n, rows, root_.with_values);
  const eval::StretchBounds::Family& now = bounds_->of(root_.node);
  if (now.rows == nullptr || now.rows != last.rows) return false;
  for (std::size_t row = 0; row < now.row.size(); ++row) {
    const eval::Bounds& bounds = now.row[row];
    if (!bounds.has_value() || last.column.evidence[row] != 0) return false;
    if (root_.with_values && !(bounds.is_one_value() && bounds.least == last.column.number(row)))
      return false;
  }
  return true;
}

std::size_t Stillness::ticks(std::size_t first, std::size_t n, std::uint64_t rows, const LastShown& last) {
  // A stretch that is too long costs a look in vain: only now and then a longer one is tried.
  constexpr std::size_t worth_more = 2, by = 4;
  while (until_ <= first) {
    if (first < asked_again_at_) return 0;
    const std::size_t length = std::min(length_, n);
    if (is_still(first, length, rows, last)) {
      until_ = first + length;
      wait_ = shortest;
      if (++streak_ < worth_more || length_ == longest) break;
      length_ *= by;
      streak_ = 0;
      break;
    }
    streak_ = 0;
    if (length <= shortest) {
      asked_again_at_ = first + wait_;
      wait_ = std::min(2 * wait_, longest_wait);
      return 0;
    }
    length_ = std::max(shortest, length / by);
  }
  return std::min(n, until_ - first);
}

bool Stillness::covers(std::size_t first, std::size_t n, std::uint64_t rows, const LastShown& last) {
  for (std::size_t known = 0; known < n;) {
    const std::size_t more = ticks(first + known, n - known, rows, last);
    if (more == 0) return false;
    known += more;
  }
  return true;
}

}  // namespace signalbox::loop
