// A real Prometheus 2.42, read by remote read: what it was sent, with stale markers, in both forms of the
// answer; and the same history that its data directory gives.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <snappy-c.h>

#include <bit>
#include <map>
#include <random>

#include "compiler/lower/compile.hpp"
#include "runtime/formats/remote_read.hpp"
#include "runtime/net/event_loop.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/sources/blocks.hpp"
#include "runtime/sources/prometheus.hpp"
#include "tests/support/remote_read_writer.hpp"
#include "tests/support/series.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

constexpr std::int64_t start = 1'700'000'000'000, hours_sent = 30, hour = 3'600'000;
using Samples = std::vector<std::pair<std::int64_t, std::uint64_t>>;
using All = std::map<Labels, Samples>;

// Scrapes of two jobs every 15 s: counters with resets, gauges, series that come and go.
std::vector<RemoteSeries> sent() {
  std::vector<RemoteSeries> out;
  std::mt19937_64 rng(5);
  for (int s = 0; s < 12; ++s) {
    RemoteSeries series;
    const std::string job = s % 2 == 0 ? "shop" : "till";
    series.labels = {{"__name__", s < 2 ? "up" : "requests_total"},
                     {"instance", "1"},
                     {"job", job},
                     {"n", std::to_string(s)}};
    if (s < 2) series.labels.pop_back();
    double value = 0;
    for (std::int64_t t = start; t < start + hours_sent * hour; t += 15'000) {
      const std::int64_t scrape = (t - start) / 15'000;
      if (s >= 10 && scrape / 500 % 2 == s % 2) {
        if (scrape % 500 == 0) series.samples.emplace_back(t, stale_marker());
        continue;
      }
      if (s < 2)
        value = scrape % 777 == 776 ? 0 : 1;
      else
        value = s < 8 ? (rng() % 200 == 0 ? 0 : value + static_cast<double>(rng() % 100))
                      : static_cast<double>(rng() % 1000) / 7;
      series.samples.emplace_back(t, value);
    }
    out.push_back(std::move(series));
  }
  return out;
}

class Reading : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string error;
    server_ = PrometheusServer::start("", error, {"--storage.tsdb.min-block-duration=6h"}, "global: {}\n");
    ASSERT_TRUE(server_) << error;
    const std::vector<RemoteSeries> all = sent();
    // In pieces, as a server's own scrapes come.
    for (std::int64_t from = start; from < start + hours_sent * hour; from += 5 * hour) {
      std::vector<RemoteSeries> piece = all;
      for (RemoteSeries& one : piece)
        std::erase_if(one.samples,
                      [&](const auto& s) { return s.first < from || s.first >= from + 5 * hour; });
      const HttpAnswer answer = server_->write(piece);
      ASSERT_TRUE(answer.status == 204 || answer.status == 200) << answer.status << answer.body;
    }
    for (const RemoteSeries& one : all) {
      Samples samples;
      for (const auto& [time, value] : one.samples)
        samples.emplace_back(time, std::bit_cast<std::uint64_t>(value));
      sent_[Labels(one.labels)] = std::move(samples);
    }
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    ASSERT_TRUE(server_);
    loop_ = *net::make_event_loop({});
  }

  Result<sources::RawSamples::Answer> read(const std::string& url, std::vector<Matcher> selector,
                                           Instant from, Instant to) {
    const auto samples = sources::make_remote_read(loop_->http(), url, {});
    Result<sources::RawSamples::Answer> out = Error{ErrorCode::internal, "nothing came"};
    samples->read(selector, from, to, [&](Result<sources::RawSamples::Answer> answer) {
      out = std::move(answer);
      loop_->stop();
    });
    loop_->run();
    return out;
  }
  static std::string url() { return server_->url() + "/api/v1/read"; }

  static inline std::unique_ptr<PrometheusServer> server_;
  static inline All sent_;
  std::unique_ptr<net::EventLoop> loop_;
};

TEST_F(Reading, EverySampleAndMarkerThatWasSent) {
  const Instant from{start + hour / 3}, to{start + 29 * hour + 7'000};
  const auto answer =
      read(url(), {{"__name__", MatchOp::regex, ".+"}, {"n", MatchOp::not_equal, "5"}}, from, to);
  ASSERT_TRUE(answer) << answer.error().message;
  All got, expected;
  std::size_t markers = 0;
  for (const sources::LoadedSeries& one : answer->series) {
    Samples& samples = got[one.labels];
    for (std::size_t i = 0; i < one.times.size(); ++i)
      samples.emplace_back(one.times[i], std::bit_cast<std::uint64_t>(one.values[i]));
    for (const std::int64_t end : one.ends) samples.emplace_back(end, stale_marker_bits);
    std::sort(samples.begin(), samples.end());
    markers += one.ends.size();
  }
  for (const auto& [labels, samples] : sent_) {
    if (labels.get("n") == "5") continue;
    for (const auto& sample : samples)
      if (sample.first >= from.ms && sample.first <= to.ms) expected[labels].push_back(sample);
  }
  EXPECT_GT(markers, 10u);
  EXPECT_TRUE(got == expected);
}

TEST_F(Reading, TheAnswerInSamplesSaysTheSame) {
  const formats::RemoteReadQuery query{Instant{start + hour},
                                       Instant{start + 20 * hour},
                                       {{"job", MatchOp::regex, "sh.*"}, {"n", MatchOp::not_regex, "[01]"}}};
  const std::string request = formats::remote_read_request(query);
  std::size_t size = 0;
  ASSERT_EQ(snappy_uncompressed_length(request.data(), request.size(), &size), SNAPPY_OK);
  std::string message(size, '\0');
  ASSERT_EQ(snappy_uncompress(request.data(), request.size(), message.data(), &size), SNAPPY_OK);
  const auto ask = [&](const std::string& body, const char* type) {
    const HttpAnswer answer =
        server_->post("/api/v1/read",
                      {"Content-Type: application/x-protobuf", "Content-Encoding: snappy",
                       "X-Prometheus-Remote-Read-Version: 0.1.0"},
                      body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return formats::parse_remote_read(type, answer.body, query, {});
  };
  const auto chunks = ask(request, "application/x-streamed-protobuf");
  // What is accepted stands at the end, two bytes each; nothing stands for samples.
  const auto samples =
      ask(test::snappy_block(message.substr(0, message.size() - 4)), "application/x-protobuf");
  ASSERT_TRUE(chunks) << chunks.error().message;
  ASSERT_TRUE(samples) << samples.error().message;
  ASSERT_GT(chunks->series.size(), 3u);
  ASSERT_EQ(chunks->series.size(), samples->series.size());
  for (std::size_t i = 0; i < chunks->series.size(); ++i) {
    EXPECT_EQ(chunks->series[i].labels, samples->series[i].labels);
    EXPECT_EQ(chunks->series[i].times, samples->series[i].times);
    ASSERT_EQ(chunks->series[i].values.size(), samples->series[i].values.size());
    for (std::size_t v = 0; v < chunks->series[i].values.size(); ++v)
      ASSERT_EQ(std::bit_cast<std::uint64_t>(chunks->series[i].values[v]),
                std::bit_cast<std::uint64_t>(samples->series[i].values[v]));
  }
}

TEST_F(Reading, AHistoryIsThatOfTheDataDirectory) {
  // Its raw increments hang on births as well.
  const lower::Compiled compiled = lower::compile(
      {{"p.slo",
        "tick 60s\nslo s { indicator bad requests_total{n=\"11\"} of requests_total  objective 99% over 1d "
        "burn { page 14 over 1h & 5m }  page oncall }\nreceiver oncall is log {}\n"}},
      {});
  ASSERT_TRUE(compiled.plan) << source::render_text(compiled.diagnostics, compiled.sources);
  const plan::Plan& plan = *compiled.plan;
  const Limits limits;
  const Instant from{start + 2 * hour}, to{start + 28 * hour};
  store::SeriesStore remote(limits), files(limits);
  sources::PrometheusHistory history(loop_->http(), url(), limits);
  Result<sources::PrometheusReport> report = Error{ErrorCode::internal, "nothing came"};
  history.load(plan, from, to, remote, {}, [&](Result<sources::PrometheusReport> r) {
    report = std::move(r);
    loop_->stop();
  });
  loop_->run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->semantics, Semantics::prometheus2);
  EXPECT_EQ(report->version.substr(0, 2), "2.");
  const auto folders = net::make_posix_folders();
  const auto loaded = sources::load_blocks(*folders, server_->data(), plan, from, to, limits, files, {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  std::size_t compared = 0;
  for (const auto& [labels, samples] : sent_) {
    if (labels.get("__name__") == "up") continue;
    const auto a = remote.find(labels), b = files.find(labels);
    ASSERT_TRUE(a && b) << to_string(labels);
    const store::Samples mine = test::points(remote, *a, from, to), other = test::points(files, *b, from, to);
    EXPECT_EQ(mine.times, other.times) << to_string(labels);
    for (std::int64_t t = from.ms + hour; t < to.ms; t += hour) {
      const auto x = test::raw_increase(remote, *a, Instant{t - hour}, Instant{t}),
                 y = test::raw_increase(files, *b, Instant{t - hour}, Instant{t});
      EXPECT_EQ(x.sum, y.sum) << to_string(labels);
      EXPECT_EQ(x.steps, y.steps) << to_string(labels);
      ++compared;
    }
  }
  EXPECT_GT(compared, 200u);
}

TEST_F(Reading, WhatDoesNotAnswerSoIsToldApart) {
  const auto nothing =
      read(server_->url() + "/nothing/api/v1/read", {{"a", MatchOp::equal, "b"}}, Instant{0}, Instant{1});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::malformed);
  EXPECT_NE(nothing.error().message.find("HTTP 404"), std::string::npos) << nothing.error().message;
  const auto broken = read(url(), {{"a", MatchOp::regex, "("}}, Instant{0}, Instant{1});
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("missing closing"), std::string::npos) << broken.error().message;
  const auto nobody =
      read("http://127.0.0.1:1/api/v1/read", {{"a", MatchOp::equal, "b"}}, Instant{0}, Instant{1});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::unreachable);
}

}  // namespace
}  // namespace signalbox::wire
