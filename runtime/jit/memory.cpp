#include "runtime/jit/memory.hpp"

#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/Support/FormatVariadic.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace signalbox::jit {
namespace {

LLVM_ENABLE_BITMASK_ENUMS_IN_NAMESPACE();

using llvm::jitlink::BasicLayout;
using llvm::jitlink::JITLinkMemoryManager;
using llvm::jitlink::LinkGraph;

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}
std::size_t whole_pages(std::size_t n) {
  return (n + page_bytes() - 1) / page_bytes() * page_bytes();
}

llvm::Error system_error(const char* what) {
  return llvm::make_error<llvm::StringError>(what, std::error_code(errno, std::generic_category()));
}

// One mapping, counted for as long as it exists.
class Mapping {
 public:
  Mapping(std::shared_ptr<CodeMemory> memory, char* base, std::size_t bytes)
      : memory_(std::move(memory)), base_(base), bytes_(bytes) {
    memory_->mapped += bytes_;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (bytes_ > 0) munmap(base_, bytes_);
    memory_->mapped -= bytes_;
  }
  char* base() const { return base_; }
  CodeMemory& memory() const { return *memory_; }

 private:
  std::shared_ptr<CodeMemory> memory_;
  char* base_;
  std::size_t bytes_;
};

struct Range {
  char* at;
  std::size_t bytes;
  int protection;
};

int system_protection(llvm::orc::MemProt prot) {
  int flags = PROT_NONE;
  if ((prot & llvm::orc::MemProt::Read) != llvm::orc::MemProt::None) flags |= PROT_READ;
  if ((prot & llvm::orc::MemProt::Write) != llvm::orc::MemProt::None) flags |= PROT_WRITE;
  if ((prot & llvm::orc::MemProt::Exec) != llvm::orc::MemProt::None) flags |= PROT_EXEC;
  return flags;
}

class InFlight final : public JITLinkMemoryManager::InFlightAlloc {
 public:
  InFlight(std::unique_ptr<Mapping> mapping, std::vector<Range> ranges)
      : mapping_(std::move(mapping)), ranges_(std::move(ranges)) {}

  void abandon(OnAbandonedFunction done) override {
    mapping_.reset();
    done(llvm::Error::success());
  }

  void finalize(OnFinalizedFunction done) override {
    for (const Range& range : ranges_) {
      if (mprotect(range.at, range.bytes, range.protection) == 0) continue;
      llvm::Error why = system_error("the system gives no executable memory");
      mapping_->memory().refusal = CodeMemory::Refusal::system;
      mapping_.reset();
      done(std::move(why));
      return;
    }
    done(JITLinkMemoryManager::FinalizedAlloc(llvm::orc::ExecutorAddr::fromPtr(mapping_.release())));
  }

 private:
  std::unique_ptr<Mapping> mapping_;
  std::vector<Range> ranges_;
};

class CountingManager final : public JITLinkMemoryManager {
 public:
  explicit CountingManager(std::shared_ptr<CodeMemory> memory) : memory_(std::move(memory)) {}

  void allocate(const llvm::jitlink::JITLinkDylib*, LinkGraph& graph, OnAllocatedFunction done) override {
    BasicLayout layout(graph);
    std::size_t bytes = 0;
    for (auto& entry : layout.segments()) {
      if (entry.second.Alignment.value() > page_bytes()) {
        done(llvm::createStringError("a segment of machine code is aligned beyond a page"));
        return;
      }
      bytes += whole_pages(entry.second.ContentSize + entry.second.ZeroFillSize);
    }
    // Kernels have no start-up actions; memory that lived only until then would go uncounted here.
    if (!graph.allocActions().empty()) {
      done(llvm::createStringError("machine code with actions of its own is not accepted"));
      return;
    }
    if (memory_->mapped > memory_->limit || bytes > memory_->limit - memory_->mapped) {
      memory_->refusal = CodeMemory::Refusal::limit;
      done(llvm::createStringError(llvm::formatv("{0} more bytes of machine code", bytes).str()));
      return;
    }
    void* base = bytes == 0
                     ? nullptr
                     : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
      memory_->refusal = CodeMemory::Refusal::system;
      done(system_error("no memory for machine code"));
      return;
    }
    auto mapping = std::make_unique<Mapping>(memory_, static_cast<char*>(base), bytes);
    std::vector<Range> ranges;
    char* next = mapping->base();
    for (auto& [group, segment] : layout.segments()) {
      const std::size_t size = whole_pages(segment.ContentSize + segment.ZeroFillSize);
      segment.WorkingMem = next;
      segment.Addr = llvm::orc::ExecutorAddr::fromPtr(next);
      if (size > 0) ranges.push_back({next, size, system_protection(group.getMemProt())});
      next += size;
    }
    if (llvm::Error failed = layout.apply()) {
      done(std::move(failed));
      return;
    }
    done(std::make_unique<InFlight>(std::move(mapping), std::move(ranges)));
  }

  void deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction done) override {
    for (FinalizedAlloc& allocation : allocations) delete allocation.release().toPtr<Mapping*>();
    done(llvm::Error::success());
  }

 private:
  std::shared_ptr<CodeMemory> memory_;
};

}  // namespace

std::unique_ptr<JITLinkMemoryManager> make_memory_manager(std::shared_ptr<CodeMemory> memory) {
  return std::make_unique<CountingManager>(std::move(memory));
}

}  // namespace signalbox::jit
