// Which series of a block selectors accept, from the lists in its index: a list for each value of each label,
// so that other series cost nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/limits.hpp"
#include "runtime/base/matcher.hpp"
#include "runtime/sources/tsdb_files.hpp"

namespace signalbox::sources {

using Selector = std::vector<CompiledMatcher>;
using References = std::vector<std::uint64_t>;

// The selectors of a program, of which many share matchers: each matcher is asked once. They must outlive it.
class SelectorSet {
 public:
  explicit SelectorSet(const std::vector<Selector>& selectors);

  // A matcher that accepts series without the label too excludes those of the values it refuses: there is no
  // list of the others.
  struct Asked {
    const CompiledMatcher* matcher;
    bool excludes;
  };
  // Those that ask about a label: of one value each, and of any.
  struct OfLabel {
    std::unordered_map<std::string_view, std::vector<std::uint32_t>> exact;
    std::vector<std::uint32_t> others;
  };
  const std::vector<Asked>& asked() const { return asked_; }
  // What each selector asks, by number.
  const std::vector<std::vector<std::uint32_t>>& selectors() const { return selectors_; }
  const OfLabel* of_label(std::string_view name) const;

 private:
  std::vector<Asked> asked_;
  std::vector<std::vector<std::uint32_t>> selectors_;
  std::unordered_map<std::string_view, OfLabel> by_label_;
};

// A section of a block's index that begins at `offset`, with its length and checksum.
Result<std::string_view> read_section(FileWindow& window, const NamedFile& file, std::uint64_t offset,
                                      const Limits& limits);

// References of the series that one of the selectors accepts, rising; `table`: where the table of postings
// stands.
Result<References> accepted_series(const NamedFile& index, std::uint64_t table, const SelectorSet& selectors,
                                   const Limits& limits);

}  // namespace signalbox::sources
