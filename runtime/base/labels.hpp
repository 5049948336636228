// A series' identity: label names with values, sorted by name, no empty values, no duplicates.
// The metric's name is the label "__name__", as in Prometheus.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signalbox {

inline constexpr std::string_view metric_name_label = "__name__";

class Labels {
 public:
  using Pair = std::pair<std::string, std::string>;
  Labels() = default;
  // Sorts; drops empty values; of equal names the last one stays.
  explicit Labels(std::vector<Pair> pairs);

  // "" when absent: an absent label and an empty one are the same thing.
  std::string_view get(std::string_view name) const;
  // Replaces or adds; an empty value removes.
  Labels with(std::string_view name, std::string_view value) const;
  Labels without_name() const;
  Labels keep(const std::vector<std::string>& names) const;  // `names` need not be sorted
  Labels drop(const std::vector<std::string>& names) const;  // also drops __name__

  const std::vector<Pair>& pairs() const { return pairs_; }
  bool empty() const { return pairs_.empty(); }
  std::size_t size() const { return pairs_.size(); }
  auto operator<=>(const Labels&) const = default;
  bool operator==(const Labels&) const = default;
  std::size_t hash() const;

 private:
  std::vector<Pair> pairs_;
};

// http_requests_total{code="200",env="prod"}; {} when there are none. Values are quoted with \\ \" \n.
std::string to_string(const Labels& labels);

struct LabelsHash {
  std::size_t operator()(const Labels& labels) const { return labels.hash(); }
};

}  // namespace signalbox
