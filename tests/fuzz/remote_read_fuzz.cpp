// Any bytes as an answer of remote read: as they are in both forms, and packed or framed so that what is in
// them is reached.
#include <cstdint>
#include <string>

#include "runtime/formats/remote_read.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/support/remote_read_writer.hpp"

using namespace signalbox;

namespace {

void read(const char* type, std::string_view body) {
  Limits limits;
  limits.answer_samples = 200'000;
  limits.answer_bytes = 1u << 20;
  const formats::RemoteReadQuery query{Instant{-1'000'000}, Instant{2'000'000'000'000}, {}};
  const auto answer = formats::parse_remote_read(type, body, query, limits);
  if (!answer) {
    require(!answer.error().message.empty(), "an error that says nothing");
    return;
  }
  for (const formats::RemoteReadSeries& one : answer->series) {
    require(one.times.size() == one.values.size(), "a time without a value");
    for (std::size_t i = 0; i < one.times.size(); ++i)
      require(one.times[i] >= query.from.ms && one.times[i] <= query.to.ms &&
                  (i == 0 || one.times[i - 1] < one.times[i]),
              "a time that does not rise, or was not asked for");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  read("application/x-streamed-protobuf", bytes);
  read("application/x-protobuf", bytes);
  read("application/x-streamed-protobuf", test::frame_around(bytes));
  read("application/x-protobuf", test::snappy_block(bytes));
  return 0;
}
