// Native histograms of a real Prometheus 2.42: read from its files and by remote read as they were sent, and
// asked of it and of us in PromQL.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <snappy-c.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <tuple>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/formats/remote_read.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/sources/blocks.hpp"
#include "runtime/sources/tsdb_history.hpp"
#include "tests/support/api_values.hpp"
#include "tests/support/promql_answer.hpp"
#include "tests/support/remote_read_writer.hpp"
#include "tests/wire/process.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

constexpr std::int64_t start = 1'700'000'000'000, every = 15'000, scrapes = 900, marker = 500;

// Latencies as a client library counts them: what was observed grows from scrape to scrape, buckets come up
// over time, and now and then a process starts again, some with another resolution.
class Observed {
 public:
  Observed(std::uint64_t seed, bool floats, bool negative)
      : rng_(seed), floats_(floats), negative_(negative) {
    begin(static_cast<std::int32_t>(seed % 5) * 2 - 2);
  }
  NativeHistogram next() {
    if (rng_() % 150 == 0) begin(static_cast<std::int32_t>(rng_() % 9) - 2);
    if (rng_() % 200 == 0) widen_zero();
    for (std::uint64_t i = rng_() % 40; i > 0; --i) observe();
    NativeHistogram out = now_;
    out.positive = listed(positive_);
    out.negative = listed(negative_buckets_);
    return out;
  }

 private:
  void begin(std::int32_t schema) {
    now_ = {};
    now_.schema = schema;
    now_.zero_threshold = 0.001;
    positive_.clear();
    negative_buckets_.clear();
  }
  // Eight times as wide, at least, and up to a bound.
  void widen_zero() {
    const std::int32_t index = index_of(8 * now_.zero_threshold);
    now_.zero_threshold = bucket_bound(index, now_.schema);
    for (auto* side : {&positive_, &negative_buckets_}) {
      for (const auto& [at, count] : *side)
        if (at <= index) now_.zero_count += count;
      std::erase_if(*side, [&](const auto& bucket) { return bucket.first <= index; });
    }
  }
  std::int32_t index_of(double value) const {
    return static_cast<std::int32_t>(std::ceil(std::log2(value) * std::ldexp(1.0, now_.schema)));
  }
  void observe() {
    std::lognormal_distribution<double> of(-2, 1.5);
    double value = of(rng_);
    if (rng_() % 50 == 0) value = 0;
    const double weight = floats_ ? 0.25 + static_cast<double>(rng_() % 7) / 8 : 1;
    now_.count += weight;
    if (value <= now_.zero_threshold) {
      now_.zero_count += weight;
      return;
    }
    const bool below = negative_ && rng_() % 3 == 0;
    now_.sum += (below ? -value : value) * weight;
    (below ? negative_buckets_ : positive_)[index_of(value)] += weight;
  }
  static std::vector<NativeHistogram::Bucket> listed(const std::map<std::int32_t, double>& buckets) {
    std::vector<NativeHistogram::Bucket> out;
    for (const auto& [index, count] : buckets) out.push_back({index, count});
    return out;
  }

  std::mt19937_64 rng_;
  bool floats_, negative_;
  NativeHistogram now_;
  std::map<std::int32_t, double> positive_, negative_buckets_;
};

std::vector<RemoteSeries> make() {
  std::vector<RemoteSeries> out;
  for (std::uint64_t s = 0; s < 8; ++s) {
    RemoteSeries series;
    series.floats = s % 2 == 1;
    series.labels = {
        {"__name__", "latency_seconds"}, {"job", s < 4 ? "shop" : "till"}, {"n", std::to_string(s)}};
    Observed observed(s + 1, series.floats, s >= 6);
    for (std::int64_t i = 0; i < scrapes; ++i) {
      const std::int64_t time = start + i * every + static_cast<std::int64_t>(s * i) % 3;
      auto histogram = std::make_shared<const NativeHistogram>(observed.next());
      if (s == 3 && i >= 300 && i < 340) continue;  // a gap
      if (s == 5 && i >= marker && i < marker + 60) histogram = nullptr;
      if (s == 5 && i > marker && i < marker + 60) continue;
      series.histograms.push_back({time, std::move(histogram)});
    }
    out.push_back(std::move(series));
  }
  return out;
}

// Without empty buckets: a server puts those in that a chunk has for other samples.
NativeHistogram compacted(NativeHistogram h) {
  compact(h);
  return h;
}

using All = std::map<Labels, std::vector<TimedHistogram>>;

void expect_same(const All& expected, const All& got, const std::string& when) {
  ASSERT_EQ(expected.size(), got.size()) << when;
  for (const auto& [labels, theirs] : expected) {
    const auto found = got.find(labels);
    ASSERT_TRUE(found != got.end()) << when;
    const std::vector<TimedHistogram>& ours = found->second;
    ASSERT_EQ(theirs.size(), ours.size()) << when << ": " << to_string(labels);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      ASSERT_EQ(theirs[i].time, ours[i].time) << when << ": " << to_string(labels);
      ASSERT_EQ(theirs[i].histogram == nullptr, ours[i].histogram == nullptr)
          << when << ": " << to_string(labels);
      if (!ours[i].histogram) continue;
      ASSERT_TRUE(compacted(*theirs[i].histogram) == compacted(*ours[i].histogram))
          << when << ": " << to_string(labels) << " at " << ours[i].time << ": "
          << to_string(*theirs[i].histogram) << "\n"
          << to_string(*ours[i].histogram);
    }
  }
}

class NativeHistograms : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string error;
    server_ =
        PrometheusServer::start("", error,
                                {"--enable-feature=native-histograms", "--storage.tsdb.min-block-duration=1h",
                                 "--storage.tsdb.max-block-duration=2h"});
    ASSERT_TRUE(server_) << error;
    sent_ = make();
    for (std::int64_t from = 0; from < scrapes; from += 100) {
      std::vector<RemoteSeries> piece = sent_;
      for (RemoteSeries& one : piece)
        std::erase_if(one.histograms, [&](const TimedHistogram& h) {
          const std::int64_t scrape = (h.time - start) / every;
          return scrape < from || scrape >= from + 100;
        });
      const HttpAnswer answer = server_->write(piece);
      ASSERT_TRUE(answer.status == 204 || answer.status == 200) << answer.status << answer.body;
    }
    for (const RemoteSeries& one : sent_) expected_[Labels(one.labels)] = one.histograms;
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override { ASSERT_TRUE(server_); }

  static All from_files() {
    All out;
    const auto folders = net::make_posix_folders();
    auto history = sources::TsdbHistory::open(
        *folders, server_->data(),
        {{{{"__name__", MatchOp::regex, ".+"}}}, Instant{INT64_MIN}, Instant{INT64_MAX}}, Limits{});
    EXPECT_TRUE(history);
    if (!history) return out;
    for (const Error& notice : history->notices()) ADD_FAILURE() << notice.message;
    sources::TsdbHistory::Reader reader(*history);
    for (std::size_t i = 0; i < history->size(); ++i) {
      sources::SeriesSamples samples;
      const Result<void> read = reader.read(i, samples);
      EXPECT_TRUE(read) << (read ? "" : read.error().message);
      std::vector<TimedHistogram>& all = out[history->labels(i)] = samples.histograms;
      for (const std::int64_t end : samples.ends) all.push_back({end, nullptr});
      std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
      EXPECT_EQ(samples.samples.size(), 0u);
    }
    return out;
  }
  static store::SeriesStore load() {
    store::SeriesStore store{Limits{}};
    const lower::CompiledQuery query = lower::compile_promql("latency_seconds", std::nullopt, {});
    EXPECT_TRUE(query.plan);
    const auto folders = net::make_posix_folders();
    const auto loaded = sources::load_blocks(*folders, server_->data(), *query.plan, std::nullopt,
                                             std::nullopt, Limits{}, store, {});
    EXPECT_TRUE(loaded);
    EXPECT_TRUE(store.has_histograms());
    return store;
  }
  static All by_labels(const formats::RemoteReadAnswer& answer) {
    All out;
    for (const formats::RemoteReadSeries& one : answer.series) out[one.labels] = one.histograms;
    return out;
  }
  static bool has_block() {
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(server_->data(), failed))
      if (entry.path().filename().string().starts_with("01")) return true;
    return false;
  }

  static inline std::unique_ptr<PrometheusServer> server_;
  static inline std::vector<RemoteSeries> sent_;
  static inline All expected_;
};

TEST_F(NativeHistograms, AreReadFromFilesAsTheyWereSent) {
  expect_same(expected_, from_files(), "from the log");
  std::string error;
  ASSERT_TRUE(server_->restart(error)) << error;
  expect_same(expected_, from_files(), "after a restart");
  ASSERT_TRUE(eventually([&] { return has_block(); }));
  expect_same(expected_, from_files(), "some of them in blocks");
  ASSERT_TRUE(server_->restart(error)) << error;
  expect_same(expected_, from_files(), "after another restart");
}

// A row as both answer it: a number, or count, sum and buckets of a histogram.
struct Point {
  std::optional<double> number;
  double count = 0, sum = 0;
  std::vector<std::tuple<double, double, double>> buckets;  // lower, upper, count
};
using Answer = std::map<Labels, Point>;

Answer theirs(const PrometheusServer& server, const std::string& expression, std::int64_t at) {
  Answer out;
  const HttpAnswer http = server.get("/api/v1/query?query=" + percent_encoded(expression) +
                                     fmt::format("&time={}.{:03}", at / 1000, at % 1000));
  const auto json = nlohmann::json::parse(http.body, nullptr, false);
  EXPECT_EQ(http.status, 200) << expression << ": " << http.body;
  if (http.status != 200) return out;
  const auto number = [](const nlohmann::json& text) { return test::api_value(text.get<std::string>()); };
  for (const auto& row : json["data"]["result"]) {
    std::vector<Labels::Pair> labels;
    for (const auto& [name, value] : row["metric"].items()) labels.emplace_back(name, value);
    Point& point = out[Labels(std::move(labels))];
    if (row.contains("value")) {
      point.number = number(row["value"][1]);
      continue;
    }
    const auto& h = row["histogram"][1];
    point.count = number(h["count"]);
    point.sum = number(h["sum"]);
    for (const auto& b : h.value("buckets", nlohmann::json::array()))
      point.buckets.emplace_back(number(b[1]), number(b[2]), number(b[3]));
  }
  return out;
}

Answer ours(const store::SeriesStore& store, const std::string& expression, std::int64_t at) {
  Answer out;
  const eval::Column column = test::promql_answer(store, expression, Instant{at}, Semantics::prometheus2);
  for (std::size_t row = 0; row < column.size(); ++row) {
    if (!column.has_sample(row)) continue;
    Point& point = out[(*column.rows)[row]];
    if (!column.is_histogram(row)) {
      point.number = column.value[row];
      continue;
    }
    const NativeHistogram& h = *column.histogram[row];
    point.count = h.count;
    point.sum = h.sum;
    for (const BucketRange& b : bucket_ranges(h))
      if (b.count != 0) point.buckets.emplace_back(b.lower, b.upper, b.count);
  }
  return out;
}

// The same bits; or, of sums over series, which come there in no order, 1e-12 of themselves.
bool same(double a, double b, bool exact) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  return !exact && std::fabs(a - b) <= 1e-12 * std::fabs(a);
}

std::string shown(const Answer& answer) {
  std::string out;
  for (const auto& [labels, point] : answer) {
    out += to_string(labels) + " ";
    if (point.number) {
      out += fmt::format("{:.17g}\n", *point.number);
      continue;
    }
    out += fmt::format("count {:.17g} sum {:.17g}", point.count, point.sum);
    for (const auto& [lower, upper, count] : point.buckets)
      out += fmt::format(" {:.17g} to {:.17g}: {:.17g};", lower, upper, count);
    out += "\n";
  }
  return out;
}

// The rows that differ.
std::string difference(Answer a, Answer b);

bool agree(const Answer& a, const Answer& b, bool exact) {
  if (a.size() != b.size()) return false;
  for (const auto& [labels, x] : a) {
    const auto found = b.find(labels);
    if (found == b.end()) return false;
    const Point& y = found->second;
    if (x.number.has_value() != y.number.has_value()) return false;
    if (x.number) {
      if (!same(*x.number, *y.number, exact)) return false;
      continue;
    }
    if (!same(x.count, y.count, exact) || !same(x.sum, y.sum, exact) || x.buckets.size() != y.buckets.size())
      return false;
    for (std::size_t i = 0; i < x.buckets.size(); ++i) {
      const auto& [lower, upper, count] = x.buckets[i];
      const auto& [their_lower, their_upper, their_count] = y.buckets[i];
      if (lower != their_lower || upper != their_upper || !same(count, their_count, exact)) return false;
    }
  }
  return true;
}

std::string difference(Answer a, Answer b) {
  for (auto at = a.begin(); at != a.end();) {
    const auto other = b.find(at->first);
    if (other == b.end() || !agree({*at}, {*other}, false)) {
      ++at;
      continue;
    }
    b.erase(other);
    at = a.erase(at);
  }
  return "Prometheus:\n" + shown(a) + "Signalbox:\n" + shown(b);
}

TEST_F(NativeHistograms, HaveTheValuesThatPrometheusGives) {
  const store::SeriesStore store = load();
  // With "ONE" for a selector of one series: in a range over several series of whole numbers 2.42 mixes up
  // their samples.
  struct Form {
    const char* expression;
    bool exact = true;
  };
  std::size_t points = 0;
  const auto compare = [&](const std::string& expression, bool exact) {
    for (std::int64_t i = 0; i < 14; ++i) {
      const std::int64_t at = start + (i * 70 + 3) * every + i % 3;
      const Answer expected = theirs(*server_, expression, at), got = ours(store, expression, at);
      points += expected.size();
      ASSERT_TRUE(agree(expected, got, exact)) << expression << " at " << at << "\n"
                                               << difference(expected, got);
    }
  };
  for (const Form& form : std::initializer_list<Form>{
           {"latency_seconds"},
           {"latency_seconds offset 7m"},
           {"latency_seconds{n=~\"[0-3]\"} and on(n) latency_seconds{job=\"shop\"}"},
           {"latency_seconds{n=\"1\"} or latency_seconds{n=\"2\"}"},
           {"latency_seconds unless latency_seconds{n=\"2\"}"},
           {"rate(ONE[5m])"},
           {"rate(ONE[31s])"},
           {"increase(ONE[20m])"},
           // Of 5, 2.42 takes the stale marker for a sample when it measures their spacing.
           {"increase(latency_seconds{n=~\"[0137]\"}[2h])"},
           {"delta(ONE[3m])"},
           {"rate(ONE[10m:1m])"},
           {"count_over_time(latency_seconds[10m])"},
           {"present_over_time(latency_seconds[10m])"},
           {"absent(latency_seconds{n=\"5\"})"},
           {"timestamp(latency_seconds)"},
           {"histogram_count(latency_seconds)"},
           {"histogram_sum(rate(ONE[5m]))"},
           {"histogram_fraction(0, 0.2, rate(ONE[5m]))"},
           {"histogram_fraction(-0.1, 0.1, latency_seconds)"},
           {"histogram_fraction(-Inf, +Inf, latency_seconds)"},
           {"histogram_fraction(1, 0, latency_seconds)"},
           {"histogram_fraction(NaN, 0, latency_seconds)"},
           {"histogram_quantile(0.9, rate(ONE[5m]))"},
           {"histogram_quantile(0.001, latency_seconds)"},
           {"histogram_quantile(0.5, latency_seconds)"},
           {"histogram_quantile(0, latency_seconds)"},
           {"histogram_quantile(1, latency_seconds)"},
           {"histogram_quantile(-1, latency_seconds)"},
           {"histogram_quantile(2, latency_seconds)"},
           {"histogram_quantile(NaN, latency_seconds)"},
           {"histogram_quantile(0.9, latency_seconds) > 0.3"},
           {"histogram_quantile(0.95, sum by (job) (rate(latency_seconds{n=~\"[13570]\"}[5m])))", false},
           {"sum(latency_seconds)", false},
           {"sum by (job) (increase(latency_seconds{n=~\"[1357]\"}[10m]))", false},
           {"sum without (n) (latency_seconds{n=~\"[67]\"})", false},
           {"count(latency_seconds)"},
           {"count by (job) (rate(latency_seconds[5m]))"},
           {"group by (n) (latency_seconds)"},
           {"latency_seconds + latency_seconds"},
           {"latency_seconds{n=\"0\"} + ignoring(n) latency_seconds{n=\"3\"}"}}) {
    const std::string expression = form.expression;
    const std::size_t one = expression.find("ONE");
    if (one == std::string::npos) compare(expression, form.exact);
    for (int n = 0; one != std::string::npos && n < 8; ++n)
      compare(std::string(expression).replace(one, 3, fmt::format("latency_seconds{{n=\"{}\"}}", n)),
              form.exact);
  }
  EXPECT_GT(points, 2'000u);
}

// What 2.42 makes zeros of.
TEST_F(NativeHistograms, AreKeptByWhatOnlyLooksAtTheirLabelsOrTimes) {
  const store::SeriesStore store = load();
  const std::int64_t at = start + 200 * every;
  const Answer plain = ours(store, "latency_seconds", at);
  EXPECT_EQ(plain.size(), 8u);
  EXPECT_TRUE(agree(plain, ours(store, "last_over_time(latency_seconds[10m])", at), true));
  EXPECT_TRUE(agree(plain,
                    ours(store,
                         "label_replace(label_replace(latency_seconds, \"m\", \"$1\", \"n\", \"(.*)\"), "
                         "\"m\", \"\", \"\", \"\")",
                         at),
                    true));
  // Twice as much, and the difference of that and once is once.
  EXPECT_TRUE(agree(ours(store, "latency_seconds + latency_seconds", at),
                    ours(store, "2 * latency_seconds", at), true));
  EXPECT_TRUE(agree(ours(store, "latency_seconds * 1", at),
                    ours(store, "latency_seconds * 2 - latency_seconds", at), true));
  EXPECT_TRUE(agree(ours(store, "latency_seconds * 0.5", at), ours(store, "latency_seconds / 2", at), true));
  EXPECT_TRUE(agree(ours(store, "-latency_seconds", at), ours(store, "latency_seconds * -1", at), true));
  // Numbers are not made of them.
  for (const char* none :
       {"latency_seconds * latency_seconds", "latency_seconds + 1", "latency_seconds > 0",
        "abs(latency_seconds)", "max(latency_seconds)", "topk(3, latency_seconds)", "stddev(latency_seconds)",
        "quantile(0.5, latency_seconds)", "max_over_time(latency_seconds[5m])", "irate(latency_seconds[5m])"})
    EXPECT_TRUE(ours(store, none, at).empty()) << none;
}

TEST_F(NativeHistograms, AreReadRemotelyAsTheyWereSent) {
  const formats::RemoteReadQuery query{
      Instant{start}, Instant{start + scrapes * every}, {{"__name__", MatchOp::regex, ".+"}}};
  const HttpAnswer answer = server_->post("/api/v1/read",
                                          {"Content-Type: application/x-protobuf", "Content-Encoding: snappy",
                                           "X-Prometheus-Remote-Read-Version: 0.1.0"},
                                          formats::remote_read_request(query));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto read = formats::parse_remote_read("application/x-streamed-protobuf", answer.body, query, {});
  ASSERT_TRUE(read) << read.error().message;
  expect_same(expected_, by_labels(*read), "in chunks");

  // In samples 2.42 leaves them out, later versions do not. A result has the form of what is written, and
  // that this server has taken.
  const std::string block = remote_write_body(sent_);
  std::size_t size = 0;
  ASSERT_EQ(snappy_uncompressed_length(block.data(), block.size(), &size), SNAPPY_OK);
  std::string result(size, '\0'), message = "\x0a";
  ASSERT_EQ(snappy_uncompress(block.data(), block.size(), result.data(), &size), SNAPPY_OK);
  test::put_uvarint(message, result.size());
  const auto samples =
      formats::parse_remote_read("application/x-protobuf", test::snappy_block(message + result), query, {});
  ASSERT_TRUE(samples) << samples.error().message;
  expect_same(expected_, by_labels(*samples), "in samples");
}

// A service level over them, of the program itself: the same whether ticks at which nothing changes are
// passed over or not, whether it is streamed or not, and by remote read.
TEST_F(NativeHistograms, AreReplayedFromFilesAndRemotely) {
  const Folder folder;
  const std::string program = folder.write("latency.slo", R"(tick 60s
source s is scrape { url "http://127.0.0.1:1/metrics" }
metric latency_seconds is native_histogram of seconds
receiver oncall is log {}
slo latency {
  indicator slices of 1m where histogram_quantile(0.9, sum(rate(latency_seconds{n=~"[1357]"}[5m]))) < 0.7
  objective 90% over 1d
  burn { page 2 over 30m & 5m  ticket 1 over 1h & 10m }
  page oncall  ticket oncall
}
)");
  const auto replay = [&](const std::string& data, const std::vector<std::string>& more) {
    std::vector<std::string> words = {SIGNALBOX,
                                      "replay",
                                      "--json",
                                      "--from",
                                      fmt::format("{}", start / 1000),
                                      "--to",
                                      fmt::format("{}", (start + scrapes * every) / 1000),
                                      "--data",
                                      data};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(program);
    const Finished finished = run(words);
    EXPECT_EQ(finished.code, 0) << finished.err;
    nlohmann::json out = nlohmann::json::parse(finished.out, nullptr, false);
    EXPECT_FALSE(out.is_discarded()) << finished.out;
    return out;
  };
  const nlohmann::json streamed = replay(server_->data(), {});
  EXPECT_GT(streamed["events"].size(), 2u);
  EXPECT_EQ(streamed["events"], replay(server_->data(), {"--every-tick"})["events"]);
  EXPECT_EQ(streamed["events"], replay(server_->url() + "/api/v1/read", {})["events"]);

  const std::int64_t at = start + 100 * every;
  const Finished shown = run({SIGNALBOX, "eval", "--json", "--data", server_->data(), "--at",
                              fmt::format("{}", at / 1000), "--promql", "sum(latency_seconds{n=~\"[13]\"})"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  const nlohmann::json mine = nlohmann::json::parse(shown.out, nullptr, false),
                       other = nlohmann::json::parse(
                           server_
                               ->get("/api/v1/query?query=" +
                                     percent_encoded("sum(latency_seconds{n=~\"[13]\"})") +
                                     fmt::format("&time={}", at / 1000))
                               .body);
  EXPECT_EQ(mine["data"]["result"], other["data"]["result"]);
}

}  // namespace
}  // namespace signalbox::wire
