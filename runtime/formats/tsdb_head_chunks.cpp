#include "runtime/formats/tsdb_head_chunks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/crc32c.hpp"
#include "runtime/formats/tsdb_bytes.hpp"

namespace signalbox::formats::tsdb {
namespace {

constexpr std::uint32_t head_magic = 0x0130bc91;
constexpr std::size_t fixed_bytes = 25;  // series, first, last, encoding
constexpr std::size_t checksum_bytes = 4;
constexpr std::uint8_t out_of_order_bit = 0x80;

}  // namespace

Result<void> check_head_file_header(std::string_view first_bytes) {
  Bytes in(first_bytes);
  const std::uint32_t magic = in.be32();
  const unsigned version = in.u8();
  if (!in.ok() || magic != head_magic)
    return Error{ErrorCode::malformed, "this is no file of head chunks: it does not begin as one"};
  if (version != 1)
    return Error{ErrorCode::unsupported, fmt::format("head chunks of version {} are not known", version)};
  return {};
}

Result<std::uint64_t> head_chunk_size(std::string_view first_bytes) {
  if (std::all_of(first_bytes.begin(), first_bytes.end(), [](char c) { return c == 0; })) return 0;
  Bytes in(first_bytes);
  in.take(fixed_bytes);
  const std::uint64_t length = in.uvarint();
  if (!in.ok() || length > 0xffffffff)
    return Error{ErrorCode::malformed, "the head of the chunk is cut short or has no length"};
  return in.position() + length + checksum_bytes;
}

Result<HeadChunk> read_head_chunk(std::string_view bytes) {
  Bytes in(bytes);
  HeadChunk out;
  out.series = in.be64();
  out.first = static_cast<std::int64_t>(in.be64());
  out.last = static_cast<std::int64_t>(in.be64());
  out.encoding = in.u8();
  out.out_of_order = (out.encoding & out_of_order_bit) != 0;
  out.encoding = static_cast<std::uint8_t>(out.encoding & ~out_of_order_bit);
  out.data = in.text();
  const std::string_view summed = bytes.substr(0, in.position());
  const std::uint32_t sum = in.be32();
  if (!in.done()) return Error{ErrorCode::malformed, "the chunk is cut short"};
  if (sum != crc32c(summed)) return Error{ErrorCode::malformed, "the checksum of the chunk does not fit it"};
  return out;
}

}  // namespace signalbox::formats::tsdb
