#include "runtime/base/labels.hpp"

#include <algorithm>

namespace signalbox {

Labels::Labels(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {
  std::stable_sort(pairs_.begin(), pairs_.end(),
                   [](const Pair& a, const Pair& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    if (i + 1 < pairs_.size() && pairs_[i + 1].first == pairs_[i].first) continue;
    if (pairs_[i].second.empty()) continue;
    if (kept != i) pairs_[kept] = std::move(pairs_[i]);
    ++kept;
  }
  pairs_.resize(kept);
}

std::string_view Labels::get(std::string_view name) const {
  const auto it = std::lower_bound(pairs_.begin(), pairs_.end(), name,
                                   [](const Pair& p, std::string_view n) { return p.first < n; });
  return it != pairs_.end() && it->first == name ? std::string_view(it->second) : std::string_view{};
}

Labels Labels::with(std::string_view name, std::string_view value) const {
  std::vector<Pair> pairs = pairs_;
  pairs.emplace_back(std::string(name), std::string(value));
  // The constructor keeps the last of equal names only when it is not empty; remove the old one first.
  pairs.erase(std::remove_if(pairs.begin(), pairs.end() - 1, [&](const Pair& p) { return p.first == name; }),
              pairs.end() - 1);
  return Labels(std::move(pairs));
}

Labels Labels::without_name() const {
  return drop({});
}

Labels Labels::keep(const std::vector<std::string>& names) const {
  Labels out;
  for (const Pair& p : pairs_)
    if (std::find(names.begin(), names.end(), p.first) != names.end()) out.pairs_.push_back(p);
  return out;
}

Labels Labels::drop(const std::vector<std::string>& names) const {
  Labels out;
  for (const Pair& p : pairs_)
    if (p.first != metric_name_label && std::find(names.begin(), names.end(), p.first) == names.end())
      out.pairs_.push_back(p);
  return out;
}

std::size_t Labels::hash() const {
  std::size_t h = 0x9e3779b97f4a7c15u;
  for (const Pair& p : pairs_) {
    h = (h ^ std::hash<std::string>{}(p.first)) * 0x100000001b3u;
    h = (h ^ std::hash<std::string>{}(p.second)) * 0x100000001b3u;
  }
  return h;
}

std::string to_string(const Labels& labels) {
  std::string out(labels.get(metric_name_label));
  bool first = true;
  for (const auto& [name, value] : labels.pairs()) {
    if (name == metric_name_label) continue;
    out += first ? '{' : ',';
    first = false;
    out += name;
    out += "=\"";
    for (char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n')
        out += "\\n";
      else
        out += c;
    }
    out += '"';
  }
  if (!first)
    out += '}';
  else if (out.empty())
    out = "{}";
  return out;
}

}  // namespace signalbox
