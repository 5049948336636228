#include "runtime/store/column_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "runtime/base/bytes.hpp"

namespace signalbox::store {
namespace {

constexpr std::string_view magic = "SBCOLUMN";
constexpr std::uint32_t byte_order = 0x01020304;
constexpr std::size_t piece_bytes = 256u << 10;
constexpr std::size_t digest_bytes = 16;
constexpr std::size_t header_bytes = 8 + 4 + 4 + 16 + 8 + 8;

std::int64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

template <class T>
void put_fixed(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}
std::string header_of(const Digest128& key, std::uint64_t size, std::uint64_t series) {
  std::string out(magic);
  put_fixed(out, column_file_version);
  put_fixed(out, byte_order);
  put_fixed(out, key.high);
  put_fixed(out, key.low);
  put_fixed(out, size);
  put_fixed(out, series);
  return out;
}
std::string digest_text(const ContentDigest& digest) {
  const Digest128 value = digest.value();
  std::string out;
  put_fixed(out, value.high);
  put_fixed(out, value.low);
  return out;
}

// --- writing ---

void describe(const Labels& labels, const SeriesStore::View& series, ByteWriter& out) {
  const Column& column = *series.column;
  out.uint(labels.size());
  for (const auto& [name, value] : labels.pairs()) {
    out.text(name);
    out.text(value);
  }
  out.uint(column.chunks.size());
  out.uint(column.packed.empty() ? 0 : column.packed.size() - packed_slack);
  std::int64_t before = 0;
  for (std::size_t i = 0; i < column.chunks.size(); ++i) {
    out.sint(minus(column.chunks[i].first_time, before));
    before = column.chunks[i].first_time;
    out.text(column.packed_chunk(i));
  }
  out.uint(column.tail_times.size());
  for (std::size_t i = 0; i < column.tail_times.size(); ++i) {
    out.sint(minus(column.tail_times[i], before));
    before = column.tail_times[i];
    out.real(column.tail_values[i]);
  }
  out.uint(series.births->size());
  for (const Birth& birth : *series.births) {
    out.uint(birth.place);
    out.sint(birth.absent_at);
  }
  out.uint(series.ends->size());
  before = 0;
  for (const std::int64_t end : *series.ends) {
    out.sint(minus(end, before));
    before = end;
  }
}

class FileWriter {
 public:
  explicit FileWriter(DiskFile& file) : file_(file) {}
  Result<void> put(std::string_view bytes) {
    buffer_ += bytes;
    return buffer_.size() < piece_bytes ? Result<void>() : flush();
  }
  Result<void> flush() {
    const Result<void> written =
        file_.write(at_, {reinterpret_cast<const std::uint8_t*>(buffer_.data()), buffer_.size()});
    digest_.add(buffer_);
    at_ += buffer_.size();
    buffer_.clear();
    return written;
  }
  const ContentDigest& digest() const { return digest_; }

 private:
  DiskFile& file_;
  ContentDigest digest_;
  std::string buffer_;
  std::uint64_t at_ = 0;
};

// --- reading ---

// The bytes in their order, a piece of the file at a time. After a failure everything reads as zero.
class FileReader {
 public:
  FileReader(DiskFile& file, std::uint64_t size) : file_(file), left_(size) {}

  // The next `n` bytes; empty when there are not so many. The view holds until the next call.
  std::string_view take(std::uint64_t n) {
    if (n > buffer_.size() - at_ && !refill(n)) return {};
    const std::string_view out(buffer_.data() + at_, n);
    at_ += n;
    return out;
  }
  template <class T>
  T fixed() {
    T out{};
    if (const std::string_view bytes = take(sizeof out); bytes.size() == sizeof out)
      std::memcpy(&out, bytes.data(), sizeof out);
    return out;
  }
  std::uint64_t uint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto b = fixed<std::uint8_t>();
      v |= std::uint64_t{b & 0x7fu} << shift;
      if (b < 0x80) return v;
    }
    fail();
    return 0;
  }
  std::int64_t sint() {
    const std::uint64_t v = uint();
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
  }
  std::string_view text(std::uint64_t most) {
    const std::uint64_t n = uint();
    if (n > most) fail();
    return failed_ ? std::string_view() : take(n);
  }
  // Of elements that take a byte or more each: a hostile one makes nobody allocate.
  std::uint64_t count() {
    const std::uint64_t n = uint();
    if (n > left()) fail();
    return failed_ ? 0 : n;
  }
  std::uint64_t left() const { return left_ + (buffer_.size() - at_); }
  bool failed() const { return failed_; }
  void fail() {
    failed_ = true;
    left_ = 0;
    at_ = buffer_.size();
  }
  const std::optional<Error>& error() const { return error_; }
  const ContentDigest& digest() const { return digest_; }

 private:
  bool refill(std::uint64_t n) {
    if (failed_ || n > left()) {
      fail();
      return false;
    }
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    const std::size_t had = buffer_.size();
    const auto more = static_cast<std::size_t>(
        std::min<std::uint64_t>(left_, std::max<std::uint64_t>(n - had, piece_bytes)));
    buffer_.resize(had + more);
    const Result<std::size_t> read =
        file_.read(offset_, {reinterpret_cast<std::uint8_t*>(buffer_.data()) + had, more});
    if (!read) error_ = read.error();
    if (!read || *read != more) {
      fail();
      return false;
    }
    digest_.add({buffer_.data() + had, more});
    offset_ += more;
    left_ -= more;
    return true;
  }

  DiskFile& file_;
  std::uint64_t left_;  // in the file
  std::uint64_t offset_ = 0;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  bool failed_ = false;
  std::optional<Error> error_;
  ContentDigest digest_;
};

std::optional<Labels> read_labels(FileReader& in, const Limits& limits) {
  std::vector<Labels::Pair> pairs;
  for (std::uint64_t n = in.count(); n > 0 && !in.failed(); --n) {
    std::string name(in.text(limits.label_name_bytes));
    pairs.emplace_back(std::move(name), in.text(limits.label_value_bytes));
  }
  Labels labels(pairs);
  // No text has a series without labels, and a store takes such a one for one that was dropped.
  if (in.failed() || labels.empty() || labels.pairs() != pairs) return std::nullopt;
  return labels;
}

bool read_column(FileReader& in, Column& column) {
  const std::uint64_t chunks = in.count(), packed = in.count();
  // Its first time, its size, how it is coded, and of two blocks of times and of values the least and the
  // width.
  constexpr std::uint64_t least_chunk = 12;
  if (chunks > in.left() / least_chunk) return false;
  if (chunks > 0) {
    column.chunks.reserve(chunks);
    column.packed.reserve(packed + packed_slack);
  }
  std::int64_t time = 0;
  std::vector<char> padded;  // unpack() looks past a chunk's end
  for (std::uint64_t i = 0; i < chunks; ++i) {
    time = plus(time, in.sint());
    const std::string_view chunk = in.text(in.left());
    padded.assign(chunk.begin(), chunk.end());
    padded.resize(padded.size() + packed_slack);
    if (in.failed() || !column.add_packed(time, {padded.data(), chunk.size()})) return false;
  }
  if (column.packed.size() != (chunks > 0 ? packed + packed_slack : 0)) return false;
  const std::uint64_t tail = in.count();
  if (tail >= chunk_samples) return false;
  for (std::uint64_t i = 0; i < tail; ++i) {
    time = plus(time, in.sint());
    const auto value = std::bit_cast<double>(in.fixed<std::uint64_t>());
    if (in.failed() || (column.end_place() > 0 && time <= column.last_sample)) return false;
    column.add(time, value);
  }
  return !in.failed();
}

bool read_marks(FileReader& in, SeriesHistory& into) {
  std::optional<std::uint64_t> place;
  for (std::uint64_t n = in.count(); n > 0; --n) {
    const Birth birth{in.uint(), in.sint()};
    if (in.failed() || (place && birth.place <= *place)) return false;
    const std::optional<std::int64_t> time = into.column.time_at(birth.place);
    if (!time || birth.absent_at >= *time) return false;
    place = birth.place;
    into.births.push_back(birth);
  }
  std::int64_t time = 0;
  for (std::uint64_t n = in.count(); n > 0; --n) {
    time = plus(time, in.sint());
    if (in.failed() || (!into.ends.empty() && time <= into.ends.back())) return false;
    into.ends.push_back(time);
  }
  return !in.failed();
}

}  // namespace

Result<void> write_columns(const SeriesStore& store, const Digest128& key, DiskFile& file) {
  // Twice the same: once to know the size, which the header says.
  std::uint64_t size = header_bytes + digest_bytes;
  const auto each = [&](const auto& take) -> Result<void> {
    for (SeriesId id = 0; id < store.series_count(); ++id) {
      const std::optional<SeriesStore::View> series = store.view(id);
      if (!series || series->column->chunks_from != 0)
        return Error{ErrorCode::invalid_argument, "the store has forgotten samples"};
      ByteWriter out;
      describe(store.labels(id), *series, out);
      if (const Result<void> taken = take(out.bytes()); !taken) return taken;
    }
    return {};
  };
  Result<void> done = each([&](const std::string& bytes) -> Result<void> {
    size += bytes.size();
    return {};
  });
  if (!done) return done;
  FileWriter out(file);
  done = out.put(header_of(key, size, store.series_count()));
  if (done) done = each([&](const std::string& bytes) { return out.put(bytes); });
  if (done) done = out.flush();
  if (done) done = out.put(digest_text(out.digest()));
  return done ? out.flush() : done;
}

Result<SeriesStore> read_columns(DiskFile& file, const Digest128& key, const Limits& limits) {
  const Error malformed{ErrorCode::malformed, "it is not a file of columns, or not a whole one"};
  const Result<std::uint64_t> size = file.size();
  if (!size) return size.error();
  if (*size < header_bytes + digest_bytes) return malformed;
  FileReader in(file, *size - digest_bytes);
  SeriesStore store(limits);
  const auto fault = [&] { return in.error() ? *in.error() : malformed; };
  const std::string_view header = in.take(header_bytes);
  if (header.size() != header_bytes) return fault();
  std::uint64_t count = 0;
  std::memcpy(&count, header.data() + header_bytes - sizeof count, sizeof count);
  if (header != header_of(key, *size, count)) return malformed;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::optional<Labels> labels = read_labels(in, limits);
    SeriesHistory history;
    if (!labels || !read_column(in, history.column) || !read_marks(in, history)) return fault();
    const Result<SeriesId> id = store.series(*labels);
    if (!id) return id.error();
    if (*id != i) return malformed;
    if (const Result<void> adopted = store.adopt(*id, std::move(history)); !adopted) return adopted.error();
  }
  if (in.left() != 0) return malformed;
  std::uint8_t digest[digest_bytes];
  const Result<std::size_t> read = file.read(*size - digest_bytes, digest);
  if (!read) return read.error();
  if (*read != digest_bytes || std::memcmp(digest, digest_text(in.digest()).data(), digest_bytes) != 0)
    return malformed;
  return store;
}

}  // namespace signalbox::store
