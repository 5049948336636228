#include "runtime/formats/tsdb_chunk.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_bytes.hpp"
#include "runtime/formats/xor_decoder.hpp"

namespace signalbox::formats::tsdb {
namespace {

constexpr std::uint32_t segment_magic = 0x85bd40dd;
constexpr std::size_t checksum_bytes = 4;

}  // namespace

std::string_view encoding_name(std::uint8_t encoding) {
  switch (static_cast<Encoding>(encoding)) {
    case Encoding::none:
      return "empty";
    case Encoding::xor_floats:
      return "XOR";
    case Encoding::histogram:
      return "histogram";
    case Encoding::float_histogram:
      return "float histogram";
  }
  return "";
}

std::size_t chunk_samples(std::string_view data) {
  return Bytes(data).be16();
}

bool decode_xor(std::string_view data, std::int64_t* times, double* values) {
  XorDecoder decoder;
  return decoder.begin(data, times, values) && decoder.finish();
}

ChunksSeen decode_xor_chunks(std::span<const std::string_view> data, std::int64_t* times, double* values) {
  constexpr ChunksSeen broken{false, false, false};
  ChunksSeen seen{true, true, true};
  XorDecoder lanes[most_lanes];
  while (!data.empty()) {
    const LanesTaken taken = lanes_for(data.size());
    const std::size_t many = std::max<std::size_t>(1, taken.chunks);
    bool plenty = taken.lanes > 0;
    for (std::size_t l = 0; l < many; ++l) {
      lanes[l] = {};
      if (!lanes[l].begin(data[l], times, values)) return broken;
      plenty = plenty && lanes[l].count > 1;
      times += lanes[l].count;
      values += lanes[l].count;
    }
    LanesSeen here{false, false};
    if (plenty) {
      // A chunk in two lanes is written twice.
      for (std::size_t l = many; l < taken.lanes; ++l) lanes[l] = lanes[0];
      here = advance_lanes(std::span(lanes).first(taken.lanes));
    }
    for (std::size_t l = 0; l < many; ++l) {
      if (lanes[l].done < lanes[l].count) here = {false, false};
      if (!lanes[l].finish()) return broken;
    }
    seen.rising = seen.rising && here.rising;
    seen.steady = seen.steady && here.steady;
    data = data.subspan(many);
  }
  return seen;
}

Result<void> check_segment_header(std::string_view first_bytes) {
  Bytes in(first_bytes);
  const std::uint32_t magic = in.be32();
  const unsigned version = in.u8();
  if (!in.ok() || magic != segment_magic)
    return Error{ErrorCode::malformed, "this is no segment of chunks: it does not begin as one"};
  if (version != 1)
    return Error{ErrorCode::unsupported, fmt::format("chunk segments of version {} are not known", version)};
  return {};
}

Result<std::uint64_t> frame_size(std::string_view first_bytes) {
  Bytes in(first_bytes);
  const std::uint64_t length = in.uvarint();
  const std::size_t head = in.position();
  if (!in.ok() || length > 0xffffffff) return Error{ErrorCode::malformed, "the length of the chunk is none"};
  return head + 1 + length + checksum_bytes;
}

Result<Frame> read_frame(std::string_view frame) {
  Bytes in(frame);
  const std::uint64_t length = in.uvarint();
  const std::string_view summed = in.take(1 + length);
  const std::uint32_t sum = in.be32();
  if (!in.done()) return Error{ErrorCode::malformed, "the chunk is cut short"};
  if (sum != crc32c(summed)) return Error{ErrorCode::malformed, "the checksum of the chunk does not fit it"};
  return Frame{static_cast<std::uint8_t>(summed[0]), summed.substr(1)};
}

}  // namespace signalbox::formats::tsdb
