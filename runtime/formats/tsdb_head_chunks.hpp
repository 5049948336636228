// chunks_head: full chunks of a running Prometheus that are not in a block yet.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/base/result.hpp"

namespace signalbox::formats::tsdb {

inline constexpr std::size_t head_file_header_bytes = 8;
Result<void> check_head_file_header(std::string_view first_bytes);

struct HeadChunk {
  std::uint64_t series = 0;          // as the write-ahead log numbers them
  std::int64_t first = 0, last = 0;  // times of its samples
  std::uint8_t encoding = 0;
  bool out_of_order = false;  // made of samples that came late
  std::string_view data;
};
// How long the chunk is that begins with these bytes (up to `head_chunk_head_bytes` of them, fewer only at
// the file's end), checksum included. 0: nothing more is written here; what follows is room that the server
// took in advance.
inline constexpr std::size_t head_chunk_head_bytes = 35;
Result<std::uint64_t> head_chunk_size(std::string_view first_bytes);
// A whole one, its checksum compared.
Result<HeadChunk> read_head_chunk(std::string_view bytes);

}  // namespace signalbox::formats::tsdb
