#include "runtime/journal/memory_store.hpp"

namespace signalbox::journal {

CommitOutcome MemoryStore::apply(const StoreTransaction& t) {
  if (t.fence < fence_) return CommitOutcome::conflict;
  for (const StoreTransaction::Compare& c : t.compares) {
    const auto it = entries_.find(c.key);
    if ((it == entries_.end() ? 0 : it->second.version) != c.version) return CommitOutcome::conflict;
  }
  fence_ = t.fence;
  for (const StoreTransaction::Put& p : t.puts) {
    if (p.value)
      entries_[p.key] = {p.key, *p.value, ++version_};
    else
      entries_.erase(p.key);
  }
  return CommitOutcome::committed;
}

std::vector<StoreEntry> MemoryStore::entries(const std::string& prefix) const {
  std::vector<StoreEntry> out;
  for (auto it = entries_.lower_bound(prefix);
       it != entries_.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it)
    out.push_back(it->second);
  return out;
}

}  // namespace signalbox::journal
