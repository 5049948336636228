#include "runtime/store/postings.hpp"

#include <algorithm>
#include <unordered_set>

namespace signalbox::store {
namespace {

std::size_t outside(std::string_view text) {
  return text.size() > 15 ? text.size() + 1 : 0;
}
// A node of an unordered_map with its hash, its pointer and a bucket.
std::size_t node_bytes(std::string_view value) {
  return sizeof(std::string) + sizeof(std::vector<SeriesId>) + 24 + outside(value);
}
// A list has at most twice the places that it uses.
constexpr std::size_t id_bytes = 2 * sizeof(SeriesId);

}  // namespace

std::size_t Postings::add(const Labels& labels, SeriesId id) {
  std::size_t more = 0;
  for (const auto& [name, value] : labels.pairs()) {
    auto values = by_label_.find(name);
    if (values == by_label_.end()) values = by_label_.try_emplace(name).first;
    auto known = values->second.find(value);
    if (known == values->second.end()) {
      known = values->second.try_emplace(value).first;
      more += node_bytes(value);
    }
    known->second.push_back(id);
    more += id_bytes;
  }
  return more;
}

std::size_t Postings::most_bytes(const Labels& labels) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : labels.pairs()) bytes += node_bytes(value) + id_bytes;
  return bytes;
}

std::size_t Postings::remove(const std::vector<Dropped>& series) {
  std::unordered_set<SeriesId> gone;
  ByText<std::unordered_set<std::string_view>> touched;
  for (const Dropped& one : series) {
    gone.insert(one.id);
    for (const auto& [name, value] : one.labels->pairs()) touched[name].insert(value);
  }
  std::size_t less = 0;
  for (const auto& [name, values] : touched) {
    const auto label = by_label_.find(name);
    for (const std::string_view value : values) {
      const auto known = label->second.find(value);
      std::vector<SeriesId>& ids = known->second;
      less += id_bytes * std::erase_if(ids, [&](SeriesId id) { return gone.count(id) != 0; });
      if (!ids.empty()) continue;
      less += node_bytes(value);
      label->second.erase(known);
    }
    if (label->second.empty()) by_label_.erase(label);
  }
  return less;
}

bool Postings::narrowed(const std::vector<Matcher>& matchers, std::span<const SeriesId>& ids) const {
  bool any = false;
  for (const Matcher& matcher : matchers) {
    if (matcher.op != MatchOp::equal || matcher.value.empty()) continue;
    std::span<const SeriesId> these;
    if (const auto label = by_label_.find(matcher.label); label != by_label_.end())
      if (const auto known = label->second.find(matcher.value); known != label->second.end())
        these = known->second;
    if (!any || these.size() < ids.size()) ids = these;
    any = true;
  }
  return any;
}

}  // namespace signalbox::store
