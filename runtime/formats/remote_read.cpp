#include "runtime/formats/remote_read.hpp"

#include <fmt/format.h>
#include <snappy-c.h>

#include <algorithm>
#include <bit>
#include <map>
#include <string_view>
#define PROTOZERO_USE_VIEW std::string_view
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "runtime/base/crc32c.hpp"
#include "runtime/base/stale_marker.hpp"
#include "runtime/formats/text.hpp"
#include "runtime/formats/tsdb_bytes.hpp"
#include "runtime/formats/tsdb_chunk.hpp"
#include "runtime/formats/tsdb_histograms.hpp"

namespace signalbox::formats {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;

// The numbers of fields in Prometheus' prompb/remote.proto and prompb/types.proto.
namespace field {
constexpr protozero::pbf_tag_type request_query = 1, request_accepted = 2;
constexpr protozero::pbf_tag_type query_start = 1, query_end = 2, query_matcher = 3;
constexpr protozero::pbf_tag_type matcher_type = 1, matcher_name = 2, matcher_value = 3;
constexpr protozero::pbf_tag_type response_result = 1, result_series = 1;
constexpr protozero::pbf_tag_type series_label = 1, series_sample = 2, series_histogram = 4;
constexpr protozero::pbf_tag_type label_name = 1, label_value = 2;
constexpr protozero::pbf_tag_type sample_value = 1, sample_time = 2;
constexpr protozero::pbf_tag_type histogram_count = 1, histogram_float_count = 2, histogram_sum = 3,
                                  histogram_schema = 4, histogram_threshold = 5, histogram_zero = 6,
                                  histogram_float_zero = 7, histogram_time = 15;
// Of the negative side; those of the positive one follow.
constexpr protozero::pbf_tag_type histogram_spans = 8, histogram_differences = 9, histogram_counts = 10,
                                  positive_after = 3;
constexpr protozero::pbf_tag_type span_offset = 1, span_length = 2;
constexpr protozero::pbf_tag_type frame_series = 1;
constexpr protozero::pbf_tag_type chunked_label = 1, chunked_chunk = 2;
constexpr protozero::pbf_tag_type chunk_type = 3, chunk_data = 4;
}  // namespace field
constexpr std::int32_t accept_samples = 0, accept_chunks = 1;

constexpr std::uint32_t text_of(protozero::pbf_tag_type tag) {
  return protozero::tag_and_type(tag, pbf_wire_type::length_delimited);
}
constexpr std::uint32_t integer_of(protozero::pbf_tag_type tag) {
  return protozero::tag_and_type(tag, pbf_wire_type::varint);
}
constexpr std::uint32_t double_of(protozero::pbf_tag_type tag) {
  return protozero::tag_and_type(tag, pbf_wire_type::fixed64);
}

std::int32_t type_of(MatchOp op) {
  switch (op) {
    case MatchOp::equal:
      return 0;
    case MatchOp::not_equal:
      return 1;
    case MatchOp::regex:
      return 2;
    case MatchOp::not_regex:
      return 3;
  }
  return 0;
}

Error broken(std::string why) {
  return {ErrorCode::malformed, std::move(why)};
}

Error over(std::string_view what, std::size_t bound, std::string_view name) {
  return {ErrorCode::limit_exceeded, fmt::format("{} than {} ({})", what, bound, name)};
}

Result<std::string> unpacked(std::string_view block, std::size_t most) {
  std::size_t size = 0;
  if (snappy_uncompressed_length(block.data(), block.size(), &size) != SNAPPY_OK)
    return broken("the answer is no snappy block");
  // A block says its size before it is unpacked, and no three bytes of it stand for more than 64.
  if (size / 64 > block.size()) return broken("the answer says it is larger than its bytes can be");
  if (size > most) return over("an answer longer", most, "answer_bytes");
  std::string out(size, '\0');
  if (snappy_uncompress(block.data(), block.size(), out.data(), &size) != SNAPPY_OK)
    return broken("the answer is no whole snappy block");
  return out;
}

class Parser {
 public:
  Parser(const RemoteReadQuery& query, const Limits& limits) : query_(query), limits_(limits) {}

  Result<void> samples(std::string_view message) {
    pbf_reader response(message);
    while (response.next(field::response_result, pbf_wire_type::length_delimited)) {
      pbf_reader result = response.get_message();
      while (result.next(field::result_series, pbf_wire_type::length_delimited))
        if (Result<void> read = series(result.get_message(), Form::samples); !read) return read;
    }
    return {};
  }

  Result<void> frames(std::string_view body) {
    for (tsdb::Bytes in(body); in.left() > 0;) {
      const std::uint64_t size = in.uvarint();
      const std::uint32_t sum = in.be32();
      const std::string_view frame = in.take(size);
      if (!in.ok()) return broken("the answer was cut off in the middle of a frame");
      if (crc32c(frame) != sum) return broken("a frame's checksum differs");
      pbf_reader response(frame);
      while (response.next(field::frame_series, pbf_wire_type::length_delimited))
        if (Result<void> read = series(response.get_message(), Form::chunks); !read) return read;
    }
    return {};
  }

  RemoteReadAnswer take() && { return std::move(answer_); }

 private:
  enum class Form { samples, chunks };

  // A series, or as much of it as one frame has.
  Result<void> series(pbf_reader message, Form form) {
    static_assert(field::chunked_label == field::series_label);
    std::vector<Labels::Pair> pairs;
    times_.clear();
    values_.clear();
    histograms_.clear();
    while (message.next()) {
      Result<void> read;
      const std::uint32_t part = message.tag_and_type();
      if (part == text_of(field::series_label)) {
        read = label(message.get_message(), pairs);
      } else if (form == Form::chunks && part == text_of(field::chunked_chunk)) {
        read = chunk(message.get_message());
      } else if (form == Form::samples && part == text_of(field::series_sample)) {
        read = sample(message.get_message());
      } else if (form == Form::samples && part == text_of(field::series_histogram)) {
        read = histogram(message.get_message());
      } else {
        message.skip();
      }
      if (!read) return read;
    }
    std::sort(pairs.begin(), pairs.end());
    for (std::size_t i = 1; i < pairs.size(); ++i)
      if (pairs[i].first == pairs[i - 1].first)
        return broken(fmt::format("a series has the label {} twice", excerpt(pairs[i].first)));
    return add(Labels(std::move(pairs)));
  }

  Result<void> label(pbf_reader message, std::vector<Labels::Pair>& pairs) const {
    Labels::Pair pair;
    while (message.next()) {
      if (message.tag_and_type() == text_of(field::label_name))
        pair.first = message.get_string();
      else if (message.tag_and_type() == text_of(field::label_value))
        pair.second = message.get_string();
      else
        message.skip();
    }
    if (pairs.size() > limits_.labels_per_series)  // the metric's name comes on top
      return over("more labels", limits_.labels_per_series, "labels_per_series");
    if (pair.first.size() > limits_.label_name_bytes)
      return over("a label name longer", limits_.label_name_bytes, "label_name_bytes");
    if (pair.second.size() > limits_.label_value_bytes)
      return over("a label value longer", limits_.label_value_bytes, "label_value_bytes");
    pairs.push_back(std::move(pair));
    return {};
  }

  Result<void> sample(pbf_reader message) {
    std::int64_t time = 0;  // what is left out is zero
    double value = 0;
    while (message.next()) {
      if (message.tag_and_type() == double_of(field::sample_value))
        value = message.get_double();
      else if (message.tag_and_type() == integer_of(field::sample_time))
        time = message.get_int64();
      else
        message.skip();
    }
    if (Result<void> room = reserve(1); !room) return room;
    times_.push_back(time);
    values_.push_back(value);
    return {};
  }

  Result<void> histogram(pbf_reader message) {
    TimedHistogram out;
    NativeHistogram h;
    struct Side {
      std::vector<tsdb::Span> spans;
      std::vector<std::int64_t> differences;
      std::vector<double> counts;
    } sides[2];  // negative, positive
    while (message.next()) {
      const std::uint32_t part = message.tag_and_type();
      bool taken = true;
      if (part == integer_of(field::histogram_count))
        h.count = static_cast<double>(message.get_uint64());
      else if (part == double_of(field::histogram_float_count))
        h.count = message.get_double();
      else if (part == double_of(field::histogram_sum))
        h.sum = message.get_double();
      else if (part == integer_of(field::histogram_schema))
        h.schema = message.get_sint32();
      else if (part == double_of(field::histogram_threshold))
        h.zero_threshold = message.get_double();
      else if (part == integer_of(field::histogram_zero))
        h.zero_count = static_cast<double>(message.get_uint64());
      else if (part == double_of(field::histogram_float_zero))
        h.zero_count = message.get_double();
      else if (part == integer_of(field::histogram_time))
        out.time = message.get_int64();
      else
        taken = false;
      for (int s = 0; s < 2 && !taken; ++s) {
        const auto later = s == 0 ? 0 : field::positive_after;
        // A span, a difference and a bucket take as much as a sample at most, and stay below what is left.
        const std::size_t left = limits_.answer_samples - samples_;
        Side& side = sides[s];
        taken = true;
        if (part == text_of(field::histogram_spans + later)) {
          side.spans.push_back(span(message.get_message()));
        } else if (part == text_of(field::histogram_differences + later)) {
          for (const std::int64_t one : message.get_packed_sint64())
            if (side.differences.size() <= left) side.differences.push_back(one);
        } else if (part == text_of(field::histogram_counts + later)) {
          for (const double one : message.get_packed_double())
            if (side.counts.size() <= left) side.counts.push_back(one);
        } else {
          taken = false;
        }
        if (std::max({side.spans.size(), side.differences.size(), side.counts.size()}) > left)
          return reserve(left + 1);
      }
      if (!taken) message.skip();
    }
    if (!is_stale_marker(h.sum)) {
      std::vector<NativeHistogram::Bucket>* const buckets[] = {&h.negative, &h.positive};
      bool known = true;
      for (int s = 0; s < 2; ++s) {
        if (sides[s].counts.empty()) sides[s].counts = tsdb::counts_of(sides[s].differences);
        known = tsdb::buckets_of(sides[s].spans, sides[s].counts, *buckets[s]) && known;
      }
      if (!known || !tsdb::is_known(h)) {
        ++answer_.passed_over;
        return {};
      }
      if (Result<void> room = reserve(h); !room) return room;
      out.histogram = std::make_shared<const NativeHistogram>(std::move(h));
    }
    if (!out.histogram)
      if (Result<void> room = reserve(1); !room) return room;
    histograms_.push_back(std::move(out));
    return {};
  }

  static tsdb::Span span(pbf_reader message) {
    tsdb::Span out;
    while (message.next()) {
      if (message.tag_and_type() == integer_of(field::span_offset))
        out.offset = message.get_sint32();
      else if (message.tag_and_type() == integer_of(field::span_length))
        out.length = message.get_uint32();
      else
        message.skip();
    }
    return out;
  }

  Result<void> chunk(pbf_reader message) {
    std::uint64_t type = 0;
    std::string_view data;
    while (message.next()) {
      if (message.tag_and_type() == integer_of(field::chunk_type))
        type = message.get_uint64();
      else if (message.tag_and_type() == text_of(field::chunk_data))
        data = message.get_view();
      else
        message.skip();
    }
    switch (type) {
      case static_cast<std::uint64_t>(tsdb::Encoding::none):
        return {};
      case static_cast<std::uint64_t>(tsdb::Encoding::histogram):
      case static_cast<std::uint64_t>(tsdb::Encoding::float_histogram):
        if (Result<void> room = reserve(tsdb::chunk_samples(data)); !room) return room;
        return chunk_of_histograms(static_cast<tsdb::Encoding>(type), data);
      case static_cast<std::uint64_t>(tsdb::Encoding::xor_floats):
        break;
      default:
        answer_.passed_over += std::max<std::size_t>(1, tsdb::chunk_samples(data));
        return {};
    }
    const std::size_t before = times_.size(), count = tsdb::chunk_samples(data);
    if (Result<void> room = reserve(count); !room) return room;
    times_.resize(before + count);
    values_.resize(before + count);
    chunk_.assign(data);
    chunk_.append(tsdb::chunk_slack, '\0');
    if (tsdb::decode_xor({chunk_.data(), data.size()}, times_.data() + before, values_.data() + before))
      return {};
    return broken("a chunk has fewer samples than it says");
  }

  Result<void> chunk_of_histograms(tsdb::Encoding encoding, std::string_view data) {
    const std::size_t before = histograms_.size();
    switch (tsdb::decode_histograms(encoding, data, histograms_)) {
      case tsdb::HistogramRead::whole:
        break;
      case tsdb::HistogramRead::malformed:
        return broken("a chunk of native histograms that is none");
      case tsdb::HistogramRead::unknown:
        answer_.passed_over += tsdb::chunk_samples(data);
    }
    for (std::size_t i = before; i < histograms_.size(); ++i)
      if (const HistogramPtr& h = histograms_[i].histogram)
        if (Result<void> room = reserve(*h); !room) return room;
    return {};
  }

  // As many samples as take its room.
  Result<void> reserve(const NativeHistogram& h) {
    return reserve(memory_of(h) / (sizeof(std::int64_t) + sizeof(double)));
  }
  Result<void> reserve(std::size_t count) {
    samples_ += count;
    if (samples_ <= limits_.answer_samples) return {};
    return over("more samples", limits_.answer_samples, "answer_samples");
  }

  // What was read of it just now. Chunks reach past both ends of what was asked for.
  Result<void> add(Labels labels) {
    const auto [place, fresh] = places_.try_emplace(std::move(labels), answer_.series.size());
    if (fresh) {
      if (answer_.series.size() == limits_.store_series)
        return over("more series", limits_.store_series, "store_series");
      answer_.series.push_back({place->first, {}, {}, {}});
    }
    RemoteReadSeries& into = answer_.series[place->second];
    for (std::size_t i = 0; i < times_.size(); ++i) {
      if (times_[i] < query_.from.ms || times_[i] > query_.to.ms) continue;
      if (!into.times.empty() && into.times.back() >= times_[i])
        return broken(fmt::format("the times of {} do not rise", excerpt(to_string(into.labels))));
      into.times.push_back(times_[i]);
      into.values.push_back(values_[i]);
    }
    for (TimedHistogram& one : histograms_) {
      if (one.time < query_.from.ms || one.time > query_.to.ms) continue;
      if (!into.histograms.empty() && into.histograms.back().time >= one.time)
        return broken(fmt::format("the times of {} do not rise", excerpt(to_string(into.labels))));
      into.histograms.push_back(std::move(one));
    }
    return {};
  }

  const RemoteReadQuery& query_;
  const Limits& limits_;
  RemoteReadAnswer answer_;
  std::map<Labels, std::size_t> places_;
  std::size_t samples_ = 0;
  std::vector<std::int64_t> times_;  // of the message at hand
  std::vector<double> values_;
  std::vector<TimedHistogram> histograms_;
  std::string chunk_;
};

}  // namespace

std::string remote_read_request(const RemoteReadQuery& query) {
  std::string message;
  pbf_writer request(message);
  {
    pbf_writer asked(request, field::request_query);
    asked.add_int64(field::query_start, query.from.ms);
    asked.add_int64(field::query_end, query.to.ms);
    for (const Matcher& m : query.matchers) {
      pbf_writer matcher(asked, field::query_matcher);
      matcher.add_enum(field::matcher_type, type_of(m.op));
      matcher.add_string(field::matcher_name, m.label);
      matcher.add_string(field::matcher_value, m.value);
    }
  }
  for (const std::int32_t accepted : {accept_chunks, accept_samples})
    request.add_enum(field::request_accepted, accepted);
  std::string out(snappy_max_compressed_length(message.size()), '\0');
  std::size_t size = out.size();
  snappy_compress(message.data(), message.size(), out.data(), &size);
  out.resize(size);
  return out;
}

Result<RemoteReadAnswer> parse_remote_read(std::string_view content_type, std::string_view body,
                                           const RemoteReadQuery& query, const Limits& limits) {
  Parser parser(query, limits);
  try {
    Result<void> read;
    if (content_type.starts_with("application/x-streamed-protobuf")) {
      read = parser.frames(body);
    } else if (content_type.starts_with("application/x-protobuf")) {
      const Result<std::string> message = unpacked(body, limits.answer_bytes);
      if (!message) return message.error();
      read = parser.samples(*message);
    } else {
      return broken(fmt::format("the answer is {} and not what remote read answers",
                                content_type.empty() ? "of no stated type" : excerpt(content_type)));
    }
    if (!read) return read.error();
  } catch (const protozero::exception& e) {
    return broken(fmt::format("the answer is no such message: {}", e.what()));
  }
  return std::move(parser).take();
}

}  // namespace signalbox::formats
