// Any bytes as the frame of a chunk, and as the data of an XOR chunk. What is decoded must be decoded alike
// wherever it lies and whatever follows it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/formats/tsdb_chunk.hpp"

using namespace signalbox::formats::tsdb;

namespace {

struct Decoded {
  bool good = false;
  std::vector<std::int64_t> times;
  std::vector<double> values;
};
Decoded decode(std::string_view data, std::size_t before, char behind) {
  std::vector<char> buffer(before + data.size() + chunk_slack, behind);
  if (!data.empty()) std::memcpy(buffer.data() + before, data.data(), data.size());
  Decoded out;
  out.times.resize(chunk_samples(data));
  out.values.resize(out.times.size());
  out.good = decode_xor({buffer.data() + before, data.size()}, out.times.data(), out.values.data());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (frame_size(bytes.substr(0, frame_head_bytes))) (void)read_frame(bytes);
  (void)check_segment_header(bytes);
  const Decoded one = decode(bytes, 0, '\0'), other = decode(bytes, 3, '\xff');
  if (one.good != other.good) std::abort();
  const std::size_t count = one.times.size();
  if (one.good && count > 0 &&
      (one.times != other.times || std::memcmp(one.values.data(), other.values.data(), count * 8) != 0))
    std::abort();
  return 0;
}
