// Any bytes as each piece of a block's index: as they are, and with a checksum that fits them, so that what
// is behind the checksums is met.
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_block.hpp"
#include "runtime/formats/tsdb_index.hpp"
#include "tests/support/tsdb_writer.hpp"

using namespace signalbox;
using namespace signalbox::formats::tsdb;

namespace {

void read_all(std::string_view section, std::string_view entry) {
  for (const int version : {1, 2}) {
    const auto symbols = Symbols::read(section, version, 5);
    if (!symbols) continue;
    for (std::uint64_t reference = 0; reference < 100; ++reference) (void)symbols->at(reference);
    (void)symbols->at(UINT64_MAX);
  }
  std::size_t bytes = 0;
  (void)read_postings_table(section, [&](std::string_view name, std::string_view value, std::uint64_t) {
    bytes += name.size() + value.size();
  });
  std::vector<std::uint64_t> references;
  (void)read_postings(section, references);
  IndexSeries series;
  if (series_size(entry.substr(0, series_head_bytes))) (void)read_series(entry, series);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)read_index_header(bytes);
  (void)section_size(bytes);
  (void)read_toc(bytes);
  (void)read_block_meta(bytes);
  read_all(bytes, bytes);
  std::string section, entry;
  test::put_be(section, size, 4);
  test::put_uvarint(entry, size);
  for (std::string* framed : {&section, &entry}) {
    *framed += bytes;
    test::put_be(*framed, crc32c(bytes), 4);
  }
  read_all(section, entry);
  return 0;
}
