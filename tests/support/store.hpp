// A TransactionStore whose completions run at once, as plain calls.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"

namespace signalbox::test {

inline CommitOutcome commit(TransactionStore& store, StoreTransaction transaction) {
  std::optional<CommitOutcome> outcome;
  store.commit(std::move(transaction), [&](CommitOutcome o) { outcome = o; });
  return outcome.value();
}
inline Result<std::vector<StoreEntry>> read(TransactionStore& store, std::string prefix = "") {
  std::optional<Result<std::vector<StoreEntry>>> entries;
  store.read(std::move(prefix), [&](Result<std::vector<StoreEntry>> r) { entries = std::move(r); });
  return std::move(entries).value();
}
inline Result<std::uint64_t> read_fence(TransactionStore& store) {
  std::optional<Result<std::uint64_t>> fence;
  store.read_fence([&](Result<std::uint64_t> r) { fence = std::move(r); });
  return std::move(fence).value();
}

}  // namespace signalbox::test
