// Any bytes as the series of a file of columns whose header and digest are good, and as a file as it is. What
// is taken can be read all through, and writing it gives a file that says the same.
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "runtime/store/column_file.hpp"
#include "runtime/store/cursor.hpp"
#include "tests/support/memory_file.hpp"
#include "tests/support/same_store.hpp"

using namespace signalbox;

namespace {

constexpr Digest128 key{7, 11};

std::string whole(std::string_view series) {
  const auto fixed = [](auto value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  // The first byte says how many series there are.
  const std::uint64_t count = series.empty() ? 0 : static_cast<unsigned char>(series[0]);
  if (!series.empty()) series.remove_prefix(1);
  std::string out = "SBCOLUMN" + fixed(store::column_file_version) + fixed(std::uint32_t{0x01020304}) +
                    fixed(key.high) + fixed(key.low) + fixed(std::uint64_t{48 + 16 + series.size()}) +
                    fixed(count);
  out += series;
  const Digest128 digest = content_digest(out);
  return out + fixed(digest.high) + fixed(digest.low);
}

void check(std::string bytes) {
  test::MemoryFile file(std::move(bytes));
  const auto store = store::read_columns(file, key, Limits{});
  if (!store) return;
  store::Cursor cursor(*store);
  store::Samples samples;
  for (store::SeriesId id = 0; id < store->series_count(); ++id) {
    cursor.open(id);
    samples.clear();
    const Instant first{std::numeric_limits<std::int64_t>::min()},
        last{std::numeric_limits<std::int64_t>::max()};
    cursor.read(first, last, samples);
    (void)cursor.births(first, last);
    for (std::size_t i = 1; i < samples.size(); ++i)
      if (samples.times[i] <= samples.times[i - 1]) std::abort();
  }
  test::MemoryFile again;
  if (!store::write_columns(*store, key, again)) std::abort();
  const auto back = store::read_columns(again, key, Limits{});
  if (!back || !test::difference(*store, *back).empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(whole(bytes));
  check(std::string(bytes));
  return 0;
}
