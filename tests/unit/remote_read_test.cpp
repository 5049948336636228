// Answers of remote read: what they say, and what is said of those that are broken.
#include "runtime/formats/remote_read.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "tests/support/remote_read_writer.hpp"
#include "tests/support/tsdb_histogram_writer.hpp"

namespace signalbox::formats {
namespace {

using test::remote_answer;
using test::remote_frame;
using test::remote_series_of_chunks;
using test::remote_series_of_samples;
using test::TsdbSample;

constexpr const char* chunked = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
constexpr const char* plain = "application/x-protobuf";
const RemoteReadQuery query{Instant{1000}, Instant{9000}, {}};
const test::TsdbLabels hits = {{"__name__", "hits_total"}, {"code", "500"}}, up = {{"__name__", "up"}};

std::vector<TsdbSample> samples(std::int64_t from, std::int64_t to) {
  std::vector<TsdbSample> out;
  for (std::int64_t t = from; t <= to; t += 1000) out.push_back({t, static_cast<double>(t) / 8});
  return out;
}
std::string series_in_chunks(const test::TsdbLabels& labels, std::int64_t from, std::int64_t to) {
  return remote_series_of_chunks(labels, {{1, test::xor_chunk(samples(from, to)).data}});
}

Result<RemoteReadAnswer> parse(const char* type, std::string_view body, const Limits& limits = {}) {
  return parse_remote_read(type, body, query, limits);
}
void expect_error(const Result<RemoteReadAnswer>& answer, ErrorCode code, const std::string& words) {
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, code) << answer.error().message;
  EXPECT_NE(answer.error().message.find(words), std::string::npos) << answer.error().message;
}

TEST(RemoteRead, BothFormsSayTheSame) {
  // Chunks reach past both ends, and a large series comes in two frames.
  const auto in_chunks = parse(
      chunked, remote_frame({series_in_chunks(hits, 0, 4000)}) +
                   remote_frame({series_in_chunks(hits, 5000, 12'000), series_in_chunks(up, 2000, 2000)}));
  const auto in_samples = parse(plain, remote_answer({remote_series_of_samples(hits, samples(1000, 9000)),
                                                      remote_series_of_samples(up, samples(2000, 2000))}));
  for (const auto* answer : {&in_chunks, &in_samples}) {
    ASSERT_TRUE(*answer) << answer->error().message;
    ASSERT_EQ((*answer)->series.size(), 2u);
    const RemoteReadSeries& first = (*answer)->series[0];
    EXPECT_EQ(to_string(first.labels), "hits_total{code=\"500\"}");
    ASSERT_EQ(first.times.size(), 9u);
    for (std::size_t i = 0; i < 9; ++i) {
      EXPECT_EQ(first.times[i], static_cast<std::int64_t>(i + 1) * 1000);
      EXPECT_EQ(first.values[i], static_cast<double>(i + 1) * 125);
    }
    EXPECT_EQ((*answer)->series[1].times, std::vector<std::int64_t>{2000});
    EXPECT_TRUE(first.histograms.empty());
  }
}

TEST(RemoteRead, NothingFoundIsNoError) {
  EXPECT_TRUE(parse(chunked, "")->series.empty());
  EXPECT_TRUE(parse(plain, remote_answer({}))->series.empty());
}

TEST(RemoteRead, ValuesKeepTheirBits) {
  std::vector<TsdbSample> odd;
  for (const std::uint64_t bits : {0x7ff0000000000002ull, 0x7ff8000000000001ull, 0x8000000000000000ull, 1ull})
    odd.push_back({1000 + static_cast<std::int64_t>(odd.size()), std::bit_cast<double>(bits)});
  const auto a = parse(plain, remote_answer({remote_series_of_samples(up, odd)}));
  const auto b =
      parse(chunked, remote_frame({remote_series_of_chunks(up, {{1, test::xor_chunk(odd).data}})}));
  for (const auto* answer : {&a, &b}) {
    ASSERT_TRUE(*answer);
    for (std::size_t i = 0; i < odd.size(); ++i)
      EXPECT_EQ(std::bit_cast<std::uint64_t>((*answer)->series[0].values[i]),
                std::bit_cast<std::uint64_t>(odd[i].value));
  }
}

TEST(RemoteRead, BrokenAnswersAreToldAndNeverHalfRead) {
  const std::string frame = remote_frame({series_in_chunks(hits, 0, 9000)});
  for (std::size_t n = 1; n < frame.size(); ++n)
    expect_error(parse(chunked, std::string_view(frame).substr(0, n)), ErrorCode::malformed, "cut off");
  std::string flipped = frame;
  flipped[frame.size() / 2] ^= 1;
  expect_error(parse(chunked, flipped), ErrorCode::malformed, "checksum");
  const std::string block = remote_answer({remote_series_of_samples(hits, samples(1000, 9000))});
  for (std::size_t n = 1; n < block.size(); ++n)
    EXPECT_FALSE(parse(plain, std::string_view(block).substr(0, n)));
  expect_error(parse(plain,
                     "\xff\xff\xff\xff\x0f"
                     "abc"),
               ErrorCode::malformed, "larger than");
  expect_error(parse("text/html", "<html>"), ErrorCode::malformed, "text/html");
  expect_error(parse("", ""), ErrorCode::malformed, "no stated type");
  expect_error(parse(chunked, test::frame_around("\x0a\xff\xff")), ErrorCode::malformed, "no such message");
  expect_error(parse(chunked, remote_frame({remote_series_of_chunks(up, {{1, std::string("\0\x09", 2)}})})),
               ErrorCode::malformed, "fewer samples");
  expect_error(parse(chunked, remote_frame({remote_series_of_chunks(up, {{2, "ab"}})})), ErrorCode::malformed,
               "native histograms");
}

// What later versions may say costs no more than itself.
TEST(RemoteRead, WhatIsNotKnownIsPassedOverAndCounted) {
  NativeHistogram custom;
  custom.schema = -53;
  const std::vector<TimedHistogram> strange(2, {2000, std::make_shared<const NativeHistogram>(custom)});
  const auto answer = parse(
      chunked, remote_frame({remote_series_of_chunks(up, {{9, std::string("\0\1x", 3)},
                                                          {2, test::histogram_chunk(strange, false).data},
                                                          {1, test::xor_chunk({{3000, 1}}).data}})}));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->passed_over, 3u);
  EXPECT_EQ(answer->series[0].times, std::vector<std::int64_t>{3000});
}

// Numbers where texts belong, and the reverse, are passed over as fields that are not known.
TEST(RemoteRead, FieldsOfAnotherTypeAreNotRead) {
  const auto answer =
      parse(chunked, test::frame_around(std::string("\x08\x05\x11", 3) + std::string(8, 'x')));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->series.empty());
}

TEST(RemoteRead, ASeriesIsNotToldTwiceAtOneTime) {
  expect_error(
      parse(chunked, remote_frame({series_in_chunks(hits, 0, 4000), series_in_chunks(hits, 4000, 5000)})),
      ErrorCode::malformed, "do not rise");
  expect_error(parse(chunked, remote_frame({series_in_chunks({{"a", "1"}, {"a", "2"}}, 0, 4000)})),
               ErrorCode::malformed, "twice");
}

TEST(RemoteRead, BoundsAreKept) {
  const std::string frame = remote_frame({series_in_chunks(hits, 0, 9000), series_in_chunks(up, 0, 9000)});
  const auto with = [&](auto change) {
    Limits limits;
    change(limits);
    return parse(chunked, frame, limits);
  };
  expect_error(with([](Limits& l) { l.answer_samples = 19; }), ErrorCode::limit_exceeded, "answer_samples");
  EXPECT_TRUE(with([](Limits& l) { l.answer_samples = 20; }));
  expect_error(with([](Limits& l) { l.store_series = 1; }), ErrorCode::limit_exceeded, "store_series");
  expect_error(with([](Limits& l) { l.labels_per_series = 0; }), ErrorCode::limit_exceeded,
               "labels_per_series");
  expect_error(with([](Limits& l) { l.label_name_bytes = 7; }), ErrorCode::limit_exceeded,
               "label_name_bytes");
  expect_error(with([](Limits& l) { l.label_value_bytes = 2; }), ErrorCode::limit_exceeded,
               "label_value_bytes");
  // Of a histogram's spans and buckets too, before they are put together.
  for (const int packed : {8, 9, 10, 11}) {  // spans, differences and counts of one side, spans of the other
    std::string histogram;
    for (int i = 0; i < 200; ++i)
      histogram += packed == 9    ? std::string("\x4a\x01\x02", 3)
                   : packed == 10 ? std::string("\x52\x08\0\0\0\0\0\0\xf0\x3f", 10)
                                  : std::string(packed == 8 ? "\x42\0" : "\x5a\0", 2);
    std::string series = "\x22" + std::string(1, static_cast<char>(histogram.size() % 128 + 128)) +
                         std::string(1, static_cast<char>(histogram.size() / 128)) + histogram;
    Limits few;
    few.answer_samples = 100;
    expect_error(parse(plain, remote_answer({series}), few), ErrorCode::limit_exceeded, "answer_samples");
    few.answer_samples = 1000;
    EXPECT_TRUE(parse(plain, remote_answer({series}), few)) << packed;
  }
  Limits limits;
  limits.answer_bytes = 100;
  expect_error(parse(plain, remote_answer({remote_series_of_samples(hits, samples(1000, 9000))}), limits),
               ErrorCode::limit_exceeded, "answer_bytes");
}

}  // namespace
}  // namespace signalbox::formats
