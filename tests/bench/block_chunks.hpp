// The chunks of a data directory's blocks, read into memory: what reading it is compared with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/sources/tsdb_files.hpp"

namespace signalbox::bench {

// All chunks of the segments, in memory; XOR ones alone.
struct Chunks {
  std::vector<std::string> segments;
  std::vector<std::string_view> data;
  std::size_t bytes = 0, samples = 0;  // bytes with their frames
};
inline Chunks chunks_of(ForeignFolders& folders, const std::string& directory) {
  Chunks out;
  auto files = sources::open_data_files(folders, directory, Instant{INT64_MIN}, Instant{INT64_MAX});
  if (!files) return out;
  for (const auto& block : files->blocks)
    for (const auto& segment : block.segments) {
      std::string bytes(static_cast<std::size_t>(*segment.file->size()), '\0');
      if (!segment.file->read(0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()})) return out;
      out.segments.push_back(std::move(bytes));
    }
  for (std::string& segment : out.segments) {
    const std::size_t size = segment.size();
    segment.resize(size + formats::tsdb::chunk_slack);
    const std::string_view all = std::string_view(segment).substr(0, size);
    for (std::size_t at = formats::tsdb::segment_header_bytes; at < size;) {
      const auto length = static_cast<std::size_t>(
          *formats::tsdb::frame_size(all.substr(at, formats::tsdb::frame_head_bytes)));
      const auto frame = formats::tsdb::read_frame(all.substr(at, length));
      if (frame && frame->encoding == 1) {
        out.data.push_back(frame->data);
        out.samples += formats::tsdb::chunk_samples(frame->data);
        out.bytes += length;
      }
      at += length;
    }
  }
  return out;
}

}  // namespace signalbox::bench
