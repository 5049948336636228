// Our windows and quantiles against a real Prometheus 2.42 over the same samples: every point that it returns
// must have our bits, and where it returns none we must have none.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "runtime/eval/histogram_quantile.hpp"
#include "runtime/store/series_store.hpp"
#include "runtime/store/window.hpp"
#include "tests/support/api_values.hpp"
#include "tests/support/series.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

using Rng = std::mt19937_64;
using Samples = std::vector<std::pair<std::int64_t, double>>;
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t start_ms = 1'700'000'100'000, span_ms = 5'400'000, day_ms = 86'400'000;

std::int64_t below(Rng& rng, std::int64_t n) {
  return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
}
bool chance(Rng& rng, int percent) {
  return below(rng, 100) < percent;
}

std::string text_of(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{:.17g}", value);
}
bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

// Prometheus reads OpenMetrics' seconds as a double and cuts to milliseconds; this is the time it then has.
std::string seconds_text(std::int64_t ms) {
  return fmt::format("{}.{:03}", ms / 1000, ms % 1000);
}
std::int64_t time_as_read(std::int64_t ms) {
  return static_cast<std::int64_t>(std::strtod(seconds_text(ms).c_str(), nullptr) * 1000);
}

// `kind` 0-11 makes sure that each sort of series is there; all else is drawn.
Samples random_series(Rng& rng, int kind, std::int64_t begin) {
  const bool regular = kind % 3 == 0, whole = kind % 2 == 0;
  // 1.1 times 5 s is exactly 5.5 s, the border between extrapolating a gap wholly and by half the spacing.
  const std::int64_t spacing = kind == 5 ? 240'000 : kind == 6 ? 5'000 : kind == 8 ? 61'003 : 15'000;
  double level = kind == 1 ? 0 : kind == 4 ? -500 : kind == 6 ? 9.0e15 : static_cast<double>(below(rng, 300));
  Samples out;
  for (std::int64_t time = begin; time < begin + span_ms;) {
    const double step = static_cast<double>(below(rng, 900)) / (whole ? 1.0 : 41.0);
    if (kind == 7) {  // a gauge
      level += step - 11;
    } else if (chance(rng, kind == 2 ? 12 : 2)) {
      level = chance(rng, 50) ? 0 : step / 9;
    } else if (!chance(rng, 25)) {
      level += step;
    }
    double value = level;
    if (kind >= 9 && kind <= 11 && chance(rng, kind == 10 ? 6 : 40)) {
      constexpr double odd[3][6] = {{nan, 0, -0.0, 5e-324, nan, 1e-300},
                                    {inf, -inf, inf, nan, 3, inf},
                                    {1.7e308, -1.7e308, 1e16, 1, -1e16, 1.5e308}};
      value = odd[kind - 9][below(rng, 6)];
    }
    const std::int64_t read = time_as_read(time);
    if (out.empty() || read > out.back().first) out.emplace_back(read, value);
    time += chance(rng, 3) ? spacing * (2 + below(rng, 30))
            : regular      ? spacing
                           : spacing - 900 + below(rng, 1800);
  }
  if (kind == 3) out.resize(1 + out.size() / 4);  // ends early
  return out;
}

struct Histogram {
  std::vector<std::pair<std::string, double>> buckets;  // `le` as written, count
};
std::vector<Histogram> histograms() {
  std::vector<Histogram> out = {{{{"1", 10}, {"2", 30}, {"+Inf", 40}}},
                                {{{"1", 10}, {"2", 30}}},
                                {{{"+Inf", 40}}},
                                {{{"1", 0}, {"+Inf", 0}}},
                                {{{"-1", 10}, {"0", 12}, {"1", 20}, {"+Inf", 40}}},
                                {{{"0", 10}, {"1", 20}, {"+Inf", 20}}},
                                {{{"1", 10}, {"1.0", 5}, {"2", 12}, {"2.0", 12}, {"+Inf", 40}}},
                                {{{"1", 10}, {"2", 8}, {"3", 30}, {"+Inf", 25}}},
                                {{{"1", 10}, {"2", 10.000000000000002}, {"+Inf", 10.000000000000002}}},
                                {{{"1", nan}, {"2", 8}, {"3", 30}, {"+Inf", 40}}},
                                {{{"1", 1}, {"2", nan}, {"3", 30}, {"+Inf", 40}}},
                                {{{"1", 1}, {"2", 8}, {"+Inf", nan}}},
                                {{{"-Inf", 1}, {"2", 8}, {"+Inf", 9}}},
                                {{{"1", inf}, {"2", inf}, {"+Inf", inf}}}};
  Rng rng(99);
  for (int i = 0; i < 40; ++i) {
    Histogram one;
    double bound = chance(rng, 30) ? -3 : 0.005, count = 0;
    for (std::int64_t n = 1 + below(rng, 14); n > 0; --n) {
      one.buckets.emplace_back(fmt::format("{}", bound), count);
      bound += static_cast<double>(1 + below(rng, 1000)) / 333;
      count += static_cast<double>(below(rng, 700)) / (i % 2 ? 7.0 : 1.0) - (chance(rng, 15) ? 40 : 0);
    }
    one.buckets.emplace_back("+Inf", count);
    out.push_back(one);
  }
  return out;
}

class Parity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Rng rng(242);
    std::string text;
    store_ = std::make_unique<store::SeriesStore>(Limits{});
    for (int i = 0; i < 36; ++i) {
      const Samples samples = random_series(rng, i % 12, start_ms + (i % 4 ? below(rng, 600'000) : 0));
      keep("parity", i, samples);
      for (const auto& [time, value] : samples)
        text += fmt::format("parity{{id=\"{}\"}} {} {}\n", i, text_of(value), seconds_text(time));
    }
    std::size_t set = 0;
    for (const Histogram& histogram : histograms()) {
      for (const auto& [le, count] : histogram.buckets)
        text += fmt::format("latency_bucket{{le=\"{}\",set=\"{}\"}} {} {}\n", le, set, text_of(count),
                            start_ms / 1000);
      ++set;
    }
    server_ = PrometheusServer::start(text + "# EOF\n", error_);
  }
  static void TearDownTestSuite() {
    server_.reset();
    store_.reset();
  }
  void SetUp() override {
    ASSERT_TRUE(server_) << error_;
    const auto build = nlohmann::json::parse(server_->get("/api/v1/status/buildinfo").body);
    const std::string version = build["data"]["version"];
    ASSERT_TRUE(version.starts_with("2.42.")) << "parity is told for Prometheus 2.42, found " << version;
  }

  static void keep(const std::string& name, int id, const Samples& samples) {
    const auto series = *store_->series(Labels({{"__name__", name}, {"id", std::to_string(id)}}));
    for (const auto& [time, value] : samples)
      ASSERT_EQ(*store_->append(series, {time}, value), store::AppendOutcome::stored);
  }

  // What Prometheus answers, by the label `key` and time.
  using Answer = std::map<std::string, std::map<std::int64_t, double>>;
  static Answer ask(const std::string& request, const std::string& key) {
    const HttpAnswer http = server_->get(request);
    EXPECT_EQ(http.status, 200) << request << "\n" << http.body;
    Answer out;
    if (http.status != 200) return out;
    const nlohmann::json answer = nlohmann::json::parse(http.body);
    for (const auto& series : answer["data"]["result"]) {
      auto& points = out[series["metric"][key].get<std::string>()];
      const auto add = [&](const nlohmann::json& point) {
        points[std::llround(point[0].get<double>() * 1000)] = test::api_value(point[1].get<std::string>());
      };
      if (series.contains("value")) add(series["value"]);
      if (series.contains("values"))
        for (const auto& point : series["values"]) add(point);
    }
    return out;
  }

  struct Tally {
    std::size_t values = 0, nothings = 0;
    std::map<std::string, std::size_t> wrong;
  };
  template <class Ours>
  static void compare(const std::string& name, const std::string& query, std::int64_t begin,
                      std::int64_t step, Tally& tally, Ours ours) {
    const std::int64_t end = begin + (span_ms + 2'400'000) / step * step;
    Answer theirs = ask(fmt::format("/api/v1/query_range?query={}&start={}&end={}&step={}ms",
                                    percent_encoded(query), seconds_text(begin), seconds_text(end), step),
                        "id");
    const auto ids = store_->select({{"__name__", MatchOp::equal, name}});
    ASSERT_TRUE(ids);
    for (const store::SeriesId id : *ids) {
      auto& points = theirs[std::string(store_->labels(id).get("id"))];
      for (std::int64_t at = begin; at <= end; at += step) {
        const std::optional<double> mine = ours(id, Instant{at});
        const auto point = points.find(at);
        const bool agree = mine ? point != points.end() && same(*mine, point->second) : point == points.end();
        ++(mine ? tally.values : tally.nothings);
        if (agree || ++tally.wrong[query] > 2) continue;
        ADD_FAILURE() << query << " of " << to_string(store_->labels(id)) << " at " << at << ": "
                      << (mine ? text_of(*mine) : "nothing") << ", Prometheus has "
                      << (point == points.end() ? "nothing" : text_of(point->second));
      }
    }
    EXPECT_LE(theirs.size(), ids->size());
  }

  static void compare_all(const std::string& name, std::int64_t first) {
    constexpr auto semantics = Semantics::prometheus2;
    Tally tally;
    // Some windows' seconds are not the nearest double to their milliseconds / 1000 in Prometheus: 1118,
    // 15274.
    constexpr std::int64_t windows[] = {1118,   15'000,  15'274,    30'000,   60'000,
                                        61'000, 300'000, 1'020'000, 3'600'000};
    for (const std::int64_t step : {15'000, 17'301, 12'500}) {
      const std::int64_t begin = first - 600'000;
      for (const std::int64_t window : windows) {
        // Those after it take parameters, or are not the same to the last bit: wire/promql_test.cpp.
        for (int f = 0; f <= static_cast<int>(RangeFn::count_over_time); ++f) {
          const auto fn = static_cast<RangeFn>(f);
          compare(name, fmt::format("{}({}[{}ms])", range_fn_name(fn), name, window), begin, step, tally,
                  [&](store::SeriesId id, Instant at) {
                    return test::window_value(*store_, id, fn, at, {window}, semantics);
                  });
        }
      }
      compare(name, name, begin, step, tally, [&](store::SeriesId id, Instant at) -> std::optional<double> {
        const auto value = test::instant_value(*store_, id, at, minutes(5), semantics);
        if (value.state != store::InstantValue::State::value) return std::nullopt;
        return value.value;
      });
    }
    for (const auto& [query, count] : tally.wrong) ADD_FAILURE() << count << " points differ in " << query;
    fmt::print("{}: {} values and {} absences compared\n", name, tally.values, tally.nothings);
    EXPECT_GT(tally.values, 100'000u);
    EXPECT_GT(tally.nothings, 10'000u);
  }

  static std::unique_ptr<store::SeriesStore> store_;
  static std::unique_ptr<PrometheusServer> server_;
  static std::string error_;
};
std::unique_ptr<store::SeriesStore> Parity::store_;
std::unique_ptr<PrometheusServer> Parity::server_;
std::string Parity::error_;

TEST_F(Parity, RangeFunctionsAndInstantsHavePrometheusBits) {
  compare_all("parity", start_ms);
}

TEST_F(Parity, StaleMarkersEndSeriesAsInPrometheus) {
  Rng rng(17);
  const std::int64_t first = start_ms + day_ms;
  std::vector<Samples> all;
  for (int i = 0; i < 12; ++i) {
    all.push_back(random_series(rng, i, first));
    for (auto& [time, value] : all.back())
      if (chance(rng, 10)) value = stale_marker();
    keep("stale", i, all.back());
  }
  // The head refuses what is an hour older than its newest sample: half an hour of all series a request.
  for (std::int64_t slice = first; slice < first + span_ms; slice += 1'800'000) {
    std::vector<RemoteSeries> series;
    for (std::size_t i = 0; i < all.size(); ++i) {
      series.push_back({{{"__name__", "stale"}, {"id", std::to_string(i)}}, {}});
      for (const auto& sample : all[i])
        if (sample.first >= slice && sample.first < slice + 1'800'000)
          series.back().samples.push_back(sample);
    }
    const HttpAnswer answer = server_->write(series);
    ASSERT_EQ(answer.status, 204) << answer.body;
  }
  compare_all("stale", first);
}

TEST_F(Parity, HistogramQuantilesHavePrometheusBits) {
  const std::vector<Histogram> all = histograms();
  std::size_t compared = 0;
  for (const double q : {-1.0, 0.0, 0.001, 0.1, 0.25, 0.3333333333333333, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999,
                         1.0, 1.5, nan, inf}) {
    const std::string query = fmt::format("histogram_quantile({}, latency_bucket)", text_of(q));
    const Answer theirs =
        ask(fmt::format("/api/v1/query?query={}&time={}", percent_encoded(query), start_ms / 1000), "set");
    ASSERT_EQ(theirs.size(), all.size());
    for (std::size_t set = 0; set < all.size(); ++set) {
      std::vector<eval::Bucket> buckets;
      for (const auto& [le, count] : all[set].buckets) buckets.push_back({test::api_value(le), count});
      const auto mine = eval::histogram_quantile(q, buckets, Semantics::prometheus2);
      ASSERT_TRUE(mine);
      const double prometheus = theirs.at(std::to_string(set)).begin()->second;
      EXPECT_TRUE(same(*mine, prometheus)) << query << " of set " << set << ": " << text_of(*mine)
                                           << ", Prometheus has " << text_of(prometheus);
      ++compared;
    }
  }
  fmt::print("{} quantiles compared\n", compared);
}

}  // namespace
}  // namespace signalbox::wire
