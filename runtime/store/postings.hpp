// Which series have which label: series ids by (name, value), rising. What a selector must look through is
// the shortest of the lists that its `=` matchers name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/promql_terms.hpp"

namespace signalbox::store {

using SeriesId = std::uint32_t;

class Postings {
 public:
  // The id is larger than all before it. Answers the bytes that are held more.
  std::size_t add(const Labels& labels, SeriesId id);
  // No more than these bytes, for any series with these labels.
  static std::size_t most_bytes(const Labels& labels);
  // Series that are dropped, with their labels. Answers the bytes that are held less.
  struct Dropped {
    const Labels* labels;
    SeriesId id;
  };
  std::size_t remove(const std::vector<Dropped>& series);

  // Series among which are all that the matchers accept; false when no matcher narrows them down.
  bool narrowed(const std::vector<Matcher>& matchers, std::span<const SeriesId>& ids) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <class T>
  using ByText = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

  ByText<ByText<std::vector<SeriesId>>> by_label_;
};

}  // namespace signalbox::store
