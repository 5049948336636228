// What else a Prometheus block has: meta.json and the tombstones.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::formats::tsdb {

// Whether a folder's name is a block's: a ULID.
bool is_block_name(std::string_view name);

struct BlockMeta {
  std::string ulid;
  Instant from, to;                  // its samples lie in [from, to)
  std::vector<std::string> parents;  // blocks that it replaces
  bool out_of_order = false;  // made of samples that came late: others of the same time may come later still
};
Result<BlockMeta> read_block_meta(std::string_view json);

// Deleted stretches: of the series that stands in the index under `series`, all samples in [first, last].
using TombstoneVisitor = std::function<void(std::uint64_t series, std::int64_t first, std::int64_t last)>;
// The whole file, its checksum compared before anything is visited.
Result<void> read_tombstones(std::string_view file, const TombstoneVisitor& visit);

}  // namespace signalbox::formats::tsdb
