#include "tests/support/remote_read_writer.hpp"

#include <snappy-c.h>

#include <bit>

#include "runtime/base/crc32c.hpp"

namespace signalbox::test {
namespace {

void put_text(std::string& out, unsigned field, std::string_view bytes) {
  put_uvarint(out, field << 3 | 2);
  put_uvarint(out, bytes.size());
  out += bytes;
}

std::string labels_of(const TsdbLabels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    std::string pair;
    put_text(pair, 1, name);
    put_text(pair, 2, value);
    put_text(out, 1, pair);
  }
  return out;
}

}  // namespace

std::string remote_series_of_samples(const TsdbLabels& labels, const std::vector<TsdbSample>& samples) {
  std::string out = labels_of(labels);
  for (const TsdbSample& one : samples) {
    std::string sample;
    put_uvarint(sample, 1 << 3 | 1);
    const auto bits = std::bit_cast<std::uint64_t>(one.value);
    for (int byte = 0; byte < 8; ++byte) sample += static_cast<char>(bits >> 8 * byte);
    put_uvarint(sample, 2 << 3);
    put_uvarint(sample, static_cast<std::uint64_t>(one.time));
    put_text(out, 2, sample);
  }
  return out;
}

std::string remote_series_of_chunks(const TsdbLabels& labels, const std::vector<RemoteChunk>& chunks) {
  std::string out = labels_of(labels);
  for (const RemoteChunk& one : chunks) {
    std::string chunk;
    put_uvarint(chunk, 1 << 3);
    put_uvarint(chunk, 5);  // its first time, which the reader takes from the chunk
    put_uvarint(chunk, 3 << 3);
    put_uvarint(chunk, one.type);
    put_text(chunk, 4, one.data);
    put_text(out, 2, chunk);
  }
  return out;
}

std::string snappy_block(const std::string& message) {
  std::string out(snappy_max_compressed_length(message.size()), '\0');
  std::size_t size = out.size();
  snappy_compress(message.data(), message.size(), out.data(), &size);
  out.resize(size);
  return out;
}

std::string remote_answer(const std::vector<std::string>& series) {
  std::string result, message;
  for (const std::string& one : series) put_text(result, 1, one);
  put_text(message, 1, result);
  return snappy_block(message);
}

std::string frame_around(const std::string& message) {
  std::string out;
  put_uvarint(out, message.size());
  const std::uint32_t sum = crc32c(message);
  for (int byte = 3; byte >= 0; --byte) out += static_cast<char>(sum >> 8 * byte);
  return out + message;
}

std::string remote_frame(const std::vector<std::string>& series) {
  std::string message;
  for (const std::string& one : series) put_text(message, 1, one);
  put_uvarint(message, 2 << 3);  // the number of the query
  put_uvarint(message, 0);
  return frame_around(message);
}

}  // namespace signalbox::test
