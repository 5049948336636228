// Memory for machine code: counted as mapped, bounded, never writable and executable at once, given back.
#pragma once

#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>

#include <cstddef>
#include <memory>

namespace signalbox::jit {

// Outlives the memory manager, which LLVM owns.
struct CodeMemory {
  enum class Refusal { none, limit, system };

  std::size_t limit = 0;
  std::size_t mapped = 0;
  Refusal refusal = Refusal::none;  // why the latest allocation failed: LLVM keeps only words
};

std::unique_ptr<llvm::jitlink::JITLinkMemoryManager> make_memory_manager(std::shared_ptr<CodeMemory> memory);

}  // namespace signalbox::jit
