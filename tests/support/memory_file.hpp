// A file that is some bytes in memory, of which no more can be read than there are.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "runtime/base/host.hpp"

namespace signalbox::test {

class MemoryFile final : public DiskFile {
 public:
  explicit MemoryFile(std::string content = "") : bytes(std::move(content)) {}
  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset >= bytes.size()) return std::size_t{0};
    const std::size_t n = std::min(into.size(), bytes.size() - static_cast<std::size_t>(offset));
    std::memcpy(into.data(), bytes.data() + offset, n);
    return n;
  }
  Result<void> write(std::uint64_t offset, std::span<const std::uint8_t> from) override {
    if (bytes.size() < offset + from.size()) bytes.resize(offset + from.size());
    std::memcpy(bytes.data() + offset, from.data(), from.size());
    return {};
  }
  Result<void> truncate(std::uint64_t size) override {
    bytes.resize(size);
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<std::uint64_t> size() override { return std::uint64_t{bytes.size()}; }

  std::string bytes;
};

}  // namespace signalbox::test
