// The transaction store in memory: for replays, for tests of the language, and for simulations, which make it
// delay and answer `unknown`. The same rules as the durable one; nothing survives the process.
#pragma once

#include <map>

#include "runtime/base/host.hpp"

namespace signalbox::journal {

class MemoryStore : public TransactionStore {
 public:
  void commit(StoreTransaction t, std::function<void(CommitOutcome)> completion) override {
    completion(apply(t));
  }
  void read(std::string prefix, std::function<void(Result<std::vector<StoreEntry>>)> completion) override {
    completion(entries(prefix));
  }
  void read_fence(std::function<void(Result<std::uint64_t>)> completion) override { completion(fence_); }

  CommitOutcome apply(const StoreTransaction& t);
  std::vector<StoreEntry> entries(const std::string& prefix) const;

 private:
  std::map<std::string, StoreEntry> entries_;
  std::uint64_t fence_ = 0, version_ = 0;
};

}  // namespace signalbox::journal
