// The texts by which lines name their series, "http_requests_total{code=\"200\"}" as it is written, and the
// numbers of those series: whoever has read a text once need not read its labels again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace signalbox::formats {

class SeriesTexts {
 public:
  using Index = std::uint32_t;
  static constexpr Index none = 0xffffffffu;
  struct Known {
    std::string_view text;
    std::size_t hash;
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
    return slots_.empty() ? none : slots_[slot_of(text, std::hash<std::string_view>()(text))];
  }
  const Known& operator[](Index index) const { return known_[index]; }

  // `text` is not known. Copies it; none when there are too many already, which costs time and nothing else.
  Index add(std::string_view text, std::uint32_t series) {
    if (bytes_ >= most_bytes) return none;
    bytes_ += text.size() + bytes_each;
    if (2 * known_.size() >= slots_.size()) grow();
    const std::size_t hash = std::hash<std::string_view>()(text);
    const auto index = static_cast<Index>(known_.size());
    slots_[slot_of(text, hash)] = index;
    known_.push_back({keep(text), hash, series, none});
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
  static constexpr std::size_t bytes_each = sizeof(Known) + 4 * sizeof(Index);
  static constexpr std::size_t block_bytes = 64u << 10;

  // Where a text is, or would be.
  std::size_t slot_of(std::string_view text, std::size_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = hash & mask;
    while (slots_[slot] != none && (known_[slots_[slot]].hash != hash || known_[slots_[slot]].text != text))
      slot = (slot + 1) & mask;
    return slot;
  }
  void grow() {
    slots_.assign(std::max<std::size_t>(64, 2 * slots_.size()), none);
    for (Index i = 0; i < known_.size(); ++i) slots_[slot_of(known_[i].text, known_[i].hash)] = i;
  }
  std::string_view keep(std::string_view text) {
    if (text.size() > block_left_) {
      block_left_ = std::max(block_bytes, text.size());
      blocks_.push_back(std::make_unique<char[]>(block_left_));
      block_at_ = blocks_.back().get();
    }
    char* const kept = block_at_;
    text.copy(kept, text.size());
    block_at_ += text.size();
    block_left_ -= text.size();
    return {kept, text.size()};
  }

  std::vector<Known> known_;
  std::vector<Index> slots_;                     // by hash, a power of two of them, half of them none or more
  std::vector<std::unique_ptr<char[]>> blocks_;  // the texts, which stay where they are
  char* block_at_ = nullptr;
  std::size_t block_left_ = 0;
  Index first_ = none;
  unsigned format_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace signalbox::formats
