// Any bytes as the frame of a chunk, and as the data of a chunk of numbers or of native histograms. Numbers
// must be decoded alike wherever they lie and whatever follows them.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/formats/tsdb_histograms.hpp"
#include "tests/fuzz/require.hpp"

using namespace signalbox::formats::tsdb;

namespace {

// For as many samples as a chunk can say that it has; kept, since filling it anew costs more than decoding.
struct Decoded {
  std::vector<std::int64_t> times = std::vector<std::int64_t>(most_chunk_samples);
  std::vector<double> values = std::vector<double>(most_chunk_samples);
  std::vector<char> buffer;
  bool decode(std::string_view data, std::size_t before, char behind) {
    buffer.assign(before + data.size() + chunk_slack, behind);
    buffer.shrink_to_fit();
    if (!data.empty()) std::memcpy(buffer.data() + before, data.data(), data.size());
    return decode_xor({buffer.data() + before, data.size()}, times.data(), values.data());
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (frame_size(bytes.substr(0, frame_head_bytes))) (void)read_frame(bytes);
  (void)check_segment_header(bytes);
  static Decoded one, other;
  const bool good = one.decode(bytes, 0, '\0');
  if (good != other.decode(bytes, 3, '\xff')) std::abort();
  const std::size_t count = good ? chunk_samples(bytes) : 0;
  if (count > 0 && (std::memcmp(one.times.data(), other.times.data(), count * 8) != 0 ||
                    std::memcmp(one.values.data(), other.values.data(), count * 8) != 0))
    std::abort();
  // Beside each other, every second one of the second half of the bytes.
  const std::string_view half = bytes.substr(bytes.size() / 2);
  const bool half_good = other.decode(half, 0, '\0');
  const std::size_t all = chunk_samples(bytes), halves = chunk_samples(half);
  if ((all + halves) * 9 <= most_chunk_samples) {
    std::vector<std::string_view> lanes;
    std::vector<char> whole_buffer(one.buffer), half_buffer(other.buffer);
    for (int i = 0; i < 18; ++i)
      lanes.emplace_back(i % 2 == 0 ? std::string_view(whole_buffer.data(), bytes.size())
                                    : std::string_view(half_buffer.data(), half.size()));
    static std::vector<std::int64_t> times(most_chunk_samples);
    static std::vector<double> values(most_chunk_samples);
    const ChunksSeen seen = decode_xor_chunks(lanes, times.data(), values.data());
    signalbox::require(seen.good == (good && half_good), "chunks beside each other are others");
    for (std::size_t i = 0, at = 0; i < lanes.size() && seen.good; ++i) {
      const Decoded& of = i % 2 == 0 ? one : other;
      const std::size_t samples = i % 2 == 0 ? all : halves;
      signalbox::require(std::memcmp(times.data() + at, of.times.data(), samples * 8) == 0 &&
                             std::memcmp(values.data() + at, of.values.data(), samples * 8) == 0,
                         "chunks beside each other have other samples");
      at += samples;
    }
  }
  for (const Encoding encoding : {Encoding::histogram, Encoding::float_histogram}) {
    std::vector<signalbox::TimedHistogram> histograms;
    const bool whole = decode_histograms(encoding, bytes, histograms) == HistogramRead::whole;
    signalbox::require(whole || histograms.empty(), "a chunk that is none has left histograms");
    signalbox::require(!whole || bytes.size() < 2 || histograms.size() == chunk_samples(bytes),
                       "histograms are missing");
    for (const auto& each : histograms)
      if (each.histogram)
        signalbox::require(!to_string(*each.histogram).empty(), "a histogram that says nothing");
  }
  return 0;
}
