// Any bytes as a file of head chunks, chunk after chunk: as they are, and with checksums that fit.
#include <cstdint>
#include <string>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_head_chunks.hpp"
#include "tests/support/tsdb_writer.hpp"

using namespace signalbox;
using namespace signalbox::formats::tsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)check_head_file_header(bytes);
  for (std::size_t at = 0; at < size;) {
    const auto length = head_chunk_size(bytes.substr(at, head_chunk_head_bytes));
    if (!length || *length == 0) break;
    const std::string_view chunk = bytes.substr(at, static_cast<std::size_t>(*length));
    (void)read_head_chunk(chunk);
    if (chunk.size() < *length) break;
    std::string fitting(chunk.substr(0, chunk.size() - 4));
    test::put_be(fitting, crc32c(fitting), 4);
    if (!read_head_chunk(fitting)) __builtin_trap();
    at += static_cast<std::size_t>(*length);
  }
  return 0;
}
