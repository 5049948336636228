// The texts by which lines name their series, "http_requests_total{code=\"200\"}" as it is written, and the
// numbers of those series: whoever has read a text once need not read its labels again.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace signalbox::formats {

class SeriesTexts {
 public:
  using Index = std::uint32_t;
  static constexpr Index none = 0xffffffffu;
  struct Known {
    std::string_view text;
    std::uint32_t series;
    Index next;  // what stood in the line after it, the last time
  };

  // What to expect after `previous` (none: at the beginning); null when nothing is known of it.
  const Known* expected(Index previous) const {
    const Index next = previous == none ? first_ : known_[previous].next;
    return next == none ? nullptr : &known_[next];
  }
  Index index_of(const Known& known) const { return static_cast<Index>(&known - known_.data()); }
  Index find(std::string_view text) const {
    const auto at = index_.find(text);
    return at == index_.end() ? none : at->second;
  }
  const Known& operator[](Index index) const { return known_[index]; }

  // `text` is not known. Copies it; none when there are too many already, which costs time and nothing else.
  Index add(std::string_view text, std::uint32_t series) {
    if (bytes_ >= most_bytes) return none;
    bytes_ += text.size() + bytes_each;
    const auto index = static_cast<Index>(known_.size());
    const std::string& kept = texts_.emplace_back(text);
    known_.push_back({kept, series, none});
    index_.emplace(kept, index);
    return index;
  }
  void follows(Index previous, Index index) { (previous == none ? first_ : known_[previous].next) = index; }

  std::size_t size() const { return known_.size(); }
  void clear() { *this = SeriesTexts(); }
  // What is a series' text in one format may be a fault in another one.
  void use_for(unsigned format) {
    if (format == format_) return;
    clear();
    format_ = format;
  }

 private:
  // A million series of 200 bytes each; a text can name one series in many ways.
  static constexpr std::size_t most_bytes = std::size_t{256} << 20;
  static constexpr std::size_t bytes_each = sizeof(Known) + sizeof(std::string) + 64;  // 64: in the index

  std::deque<std::string> texts_;  // which stay where they are
  std::vector<Known> known_;
  std::unordered_map<std::string_view, Index> index_;
  Index first_ = none;
  unsigned format_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace signalbox::formats
