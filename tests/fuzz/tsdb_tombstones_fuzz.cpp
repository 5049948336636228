// Any bytes as tombstones: as they are, and framed as a file with a checksum that fits.
#include <cstdint>
#include <string>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_block.hpp"
#include "tests/support/tsdb_writer.hpp"

using namespace signalbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::uint64_t seen = 0;
  const auto visit = [&](std::uint64_t series, std::int64_t, std::int64_t) { seen += series; };
  (void)formats::tsdb::read_tombstones(bytes, visit);
  std::string framed;
  test::put_be(framed, 0x0130ba3001, 5);
  framed += bytes;
  test::put_be(framed, crc32c(bytes), 4);
  (void)formats::tsdb::read_tombstones(framed, visit);
  return 0;
}
