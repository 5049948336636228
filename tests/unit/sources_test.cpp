// From foreign text to the store: births, ends, identity, and pages that are not believed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <optional>

#include "runtime/sources/file.hpp"
#include "runtime/sources/ingest.hpp"
#include "runtime/sources/prometheus.hpp"
#include "runtime/sources/scrape.hpp"
#include "tests/support/series.hpp"

namespace signalbox::sources {
namespace {

constexpr Instant t0{1'700'000'000'000};
constexpr const char* plain = "text/plain; version=0.0.4";

Labels named(const std::string& name) {
  return Labels(std::vector<Labels::Pair>{{"__name__", name}});
}
Instant at(int scrape) {
  return t0 + seconds(5) * scrape;
}

class Pages : public testing::Test {
 protected:
  store::SeriesId id(const Labels& labels) {
    const auto found = store.find(labels);
    EXPECT_TRUE(found) << to_string(labels);
    return found.value_or(9999);
  }
  Labels with_identity(std::vector<Labels::Pair> pairs) {
    pairs.emplace_back("job", "shop");
    pairs.emplace_back("instance", "h:80");
    return Labels(std::move(pairs));
  }
  store::SeriesId metric(const std::string& name) { return id(with_identity({{"__name__", name}})); }
  double latest(const std::string& name, Instant when) {
    const auto value = test::latest(store, metric(name), when);
    return value ? value->value : std::nan("");
  }
  bool ended(const std::string& name, Instant when) {
    const auto value = test::latest(store, metric(name), when);
    return value && value->time == when && is_stale_marker(value->value);
  }

  Limits limits;
  store::SeriesStore store{limits};
  PageIngest ingest{store, "shop", "h:80", limits};
};

TEST_F(Pages, AddsIdentityAndReports) {
  ASSERT_TRUE(ingest.page(at(0), plain, "a 1\nb{x=\"y\"} 2\n"));
  EXPECT_EQ(latest("a", at(0)), 1);
  EXPECT_EQ(test::latest(store, id(with_identity({{"__name__", "b"}, {"x", "y"}})), at(0))->value, 2);
  EXPECT_EQ(latest("up", at(0)), 1);
  EXPECT_EQ(latest("scrape_samples_scraped", at(0)), 2);
}

TEST_F(Pages, KeepsWhatThePageSaysOfItself) {
  ASSERT_TRUE(ingest.page(
      at(0), plain, "a{job=\"x\"} 1\na{instance=\"i\",job=\"\"} 2\na{exported_job=\"e\",job=\"j\"} 3\n"));
  EXPECT_EQ(test::latest(store, id(with_identity({{"__name__", "a"}, {"exported_job", "x"}})), at(0))->value,
            1);
  EXPECT_EQ(
      test::latest(store, id(with_identity({{"__name__", "a"}, {"exported_instance", "i"}})), at(0))->value,
      2);
  EXPECT_EQ(test::latest(
                store,
                id(with_identity({{"__name__", "a"}, {"exported_job", "e"}, {"exported_exported_job", "j"}})),
                at(0))
                ->value,
            3);
}

TEST_F(Pages, ASeriesThatASuccessfulPageLackedIsBorn) {
  ASSERT_TRUE(ingest.page(at(0), plain, "a 5\n"));
  ASSERT_TRUE(ingest.page(at(1), plain, "a 6\nerrors 3\n"));
  const auto errors = test::raw_increase(store, metric("errors"), at(0), at(1));
  EXPECT_EQ(errors.steps, 1u);
  EXPECT_EQ(errors.sum, 3);
  const auto a = test::raw_increase(store, metric("a"), at(0), at(1));
  EXPECT_EQ(a.steps, 1u);
  EXPECT_EQ(a.sum, 1);
}

TEST_F(Pages, NothingIsBornOnTheFirstPageNorAfterAFailure) {
  ASSERT_TRUE(ingest.page(at(0), plain, "a 5\n"));
  EXPECT_EQ(test::raw_increase(store, metric("a"), at(-100), at(0)).steps, 0u);
  ingest.failed(at(1));
  ASSERT_TRUE(ingest.page(at(2), plain, "a 9\nb 4\n"));
  EXPECT_EQ(test::raw_increase(store, metric("b"), at(0), at(2)).steps, 0u);
  EXPECT_EQ(test::raw_increase(store, metric("a"), at(0), at(2)).sum, 4);
}

TEST_F(Pages, WhatIsGoneEndsAndMayBeBornAgain) {
  ASSERT_TRUE(ingest.page(at(0), plain, "a 5\nb 1\n"));
  ASSERT_TRUE(ingest.page(at(1), plain, "b 1\n"));
  EXPECT_TRUE(ended("a", at(1)));
  EXPECT_FALSE(ended("b", at(1)));
  ASSERT_TRUE(ingest.page(at(2), plain, "a 2\nb 1\n"));
  EXPECT_EQ(test::raw_increase(store, metric("a"), at(1), at(2)).sum, 2);
}

TEST_F(Pages, AFailedScrapeEndsEverySeriesOnce) {
  ASSERT_TRUE(ingest.page(at(0), plain, "a 5\n"));
  ingest.failed(at(1));
  ingest.failed(at(2));
  EXPECT_TRUE(ended("a", at(1)));
  EXPECT_FALSE(ended("a", at(2)));
  EXPECT_EQ(latest("up", at(1)), 0);
  EXPECT_EQ(latest("up", at(2)), 0);
}

TEST_F(Pages, HalfAPageIsNoPage) {
  ASSERT_TRUE(ingest.page(at(0), plain, "a 5\n"));
  const std::size_t before = store.sample_count();
  const char* const broken[] = {"a 6\nb{x=\"1", "a 6\nb six\n", "<!DOCTYPE html><html>please log in</html>",
                                "a 6\nb{x=\"1\" 4\n"};
  for (const char* body : broken) {
    EXPECT_EQ(ingest.page(at(1), plain, body).error().code, ErrorCode::malformed) << body;
    EXPECT_EQ(store.sample_count(), before) << body;
  }
  const auto cut = ingest.page(at(1), "application/openmetrics-text; version=1.0.0", "a 6\n");
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::malformed);
  EXPECT_EQ(store.sample_count(), before);
}

TEST_F(Pages, ATimeLaterThanTheScrapeIsNotBelieved) {
  std::size_t future = 0;
  ASSERT_TRUE(ingest.page(at(0), plain, fmt::format("a 5 {}\nb 1\n", at(0).ms), &future));
  EXPECT_EQ(future, 0u);
  ASSERT_TRUE(ingest.page(at(1), plain, fmt::format("a 7 {}\nb 1\n", at(1).ms + 1), &future));
  EXPECT_EQ(future, 1u);
  EXPECT_TRUE(ended("a", at(1)));
  // It was on the page all the time: no birth.
  ASSERT_TRUE(ingest.page(at(2), plain, fmt::format("a 8 {}\nb 1\n", at(2).ms), &future));
  EXPECT_EQ(future, 0u);
  EXPECT_EQ(test::raw_increase(store, metric("a"), at(0), at(2)).sum, 3);
  EXPECT_EQ(test::raw_increase(store, metric("a"), at(1), at(2)).steps, 0u);
}

TEST_F(Pages, ASeriesShownTwiceKeepsItsFirstSample) {
  ASSERT_TRUE(ingest.page(at(0), plain, "a 5\na 6\n"));
  EXPECT_EQ(latest("a", at(0)), 5);
}

TEST(PageBounds, ThePageIsRefusedWholeAtTheStoresBounds) {
  for (const bool by_series : {true, false}) {
    Limits limits;
    if (by_series) {
      limits.store_series = 8;
    } else {
      limits.store_bytes = 60'000;
    }
    store::SeriesStore store(limits);
    PageIngest ingest(store, "j", "i", limits);
    std::string page;
    for (int i = 0; i < 20; ++i) page += fmt::format("m{{i=\"{}\"}} {}\n", i, i);
    const auto refused = ingest.page(t0, plain, page);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::limit_exceeded);
    EXPECT_EQ(store.sample_count(), 0u);
    ingest.failed(t0);
    EXPECT_LE(store.sample_count(), 1u);
  }
}

TEST(PageBounds, AMillionLabelsAreRefusedAtOnce) {
  const Limits limits;
  store::SeriesStore store(limits);
  PageIngest ingest(store, "j", "i", limits);
  std::string page = "m{";
  for (int i = 0; i < 1'000'000; ++i) page += fmt::format("l{}=\"v\",", i);
  page += "} 1\n";
  const auto refused = ingest.page(t0, plain, page);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::limit_exceeded);
  EXPECT_EQ(store.series_count(), 0u);
}

// Answers each request at once, by the longest registered start of its URL.
class FakeHttp : public Http {
 public:
  std::map<std::string, std::function<Result<HttpResponse>(const HttpRequest&)>> answers;
  std::vector<HttpRequest> requests;
  void send(HttpRequest request, std::function<void(Result<HttpResponse>)> completion) override {
    requests.push_back(request);
    for (auto it = answers.rbegin(); it != answers.rend(); ++it)
      if (request.url.rfind(it->first, 0) == 0) return completion(it->second(request));
    completion(Error{ErrorCode::unreachable, "nobody listens"});
  }
};

class Scrapes : public testing::Test {
 protected:
  // Of a good one nothing; what it left out is in left_out.
  std::optional<Error> scrape(Instant when) {
    std::optional<Scraper::Scraped> out;
    scraper.scrape(when, [&](const Scraper::Scraped& r) { out = r; });
    EXPECT_TRUE(out);
    if (!out) return std::nullopt;
    if (!*out) return out->error();
    left_out = **out;
    return std::nullopt;
  }
  std::optional<Error> left_out;
  void answer(int status, std::string body) {
    http.answers["http://h:8080/metrics"] = [=](const HttpRequest&) {
      return HttpResponse{status, plain, body};
    };
  }
  double up(Instant when) {
    const auto series = store.find(Labels({{"__name__", "up"}, {"job", "shop"}, {"instance", "h:8080"}}));
    const auto value = series ? test::latest(store, *series, when) : std::nullopt;
    return value && value->time == when ? value->value : -1;
  }
  Limits limits;
  FakeHttp http;
  store::SeriesStore store{limits};
  Scraper scraper{http, store, "http://h:8080/metrics", "shop", seconds(3), limits};
};

TEST_F(Scrapes, AsksForBothFormatsWithinBounds) {
  answer(200, "a 1\n");
  EXPECT_FALSE(scrape(at(0)));
  ASSERT_EQ(http.requests.size(), 1u);
  EXPECT_EQ(http.requests[0].max_response_bytes, limits.scrape_body_bytes);
  EXPECT_EQ(http.requests[0].timeout, seconds(3));
  ASSERT_EQ(http.requests[0].headers.size(), 1u);
  EXPECT_EQ(http.requests[0].headers[0].first, "Accept");
  EXPECT_NE(http.requests[0].headers[0].second.find("application/openmetrics-text;version=1.0.0"),
            std::string::npos);
  EXPECT_EQ(up(at(0)), 1);
}

TEST_F(Scrapes, EveryFailureIsUpZeroWithItsReason) {
  answer(200, "a 1\n");
  ASSERT_FALSE(scrape(at(0)));
  answer(503, "a 1\n");
  ASSERT_TRUE(scrape(at(1)));
  EXPECT_EQ(up(at(1)), 0);
  answer(200, "<html>login</html>");
  ASSERT_TRUE(scrape(at(2)));
  EXPECT_EQ(up(at(2)), 0);
  http.answers.clear();
  const auto gone = scrape(at(3));
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->code, ErrorCode::unreachable);
  EXPECT_EQ(up(at(3)), 0);
}

TEST_F(Scrapes, AStatusHasItsOwnWayOutOrNone) {
  const std::pair<int, const char*> ways[] = {{301, "name the address"}, {307, "name the address"},
                                              {401, "name a proxy"},     {403, "name a proxy"},
                                              {404, "check the path"},   {429, "ask less"}};
  int second = 0;
  for (const auto& [status, way] : ways) {
    answer(status, "");
    const auto why = scrape(at(++second));
    ASSERT_TRUE(why);
    EXPECT_EQ(why->message, fmt::format("HTTP {} instead of metrics", status));
    EXPECT_NE(why->hint.find(way), std::string::npos) << why->hint;
  }
  answer(500, "");
  const auto why = scrape(at(++second));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->hint, "");
}

TEST_F(Scrapes, AFutureSampleIsLeftOutAndTheRestIsAGoodScrape) {
  answer(200, "a 1\nb 2 99999999999999\n");
  EXPECT_FALSE(scrape(at(0)));
  ASSERT_TRUE(left_out);
  EXPECT_NE(left_out->message.find("1 samples are later"), std::string::npos) << left_out->message;
  EXPECT_EQ(up(at(0)), 1);
  EXPECT_TRUE(store.find(Labels({{"__name__", "a"}, {"job", "shop"}, {"instance", "h:8080"}})));
  answer(200, "a 1\n");
  EXPECT_FALSE(scrape(at(1)));
  EXPECT_FALSE(left_out);
}

TEST(Instance, IsHostAndPort) {
  EXPECT_EQ(instance_of("http://a:1/x"), "a:1");
  EXPECT_EQ(instance_of("http://a/x:9"), "a:80");
  EXPECT_EQ(instance_of("https://a?x=b:1"), "a:443");
  EXPECT_EQ(instance_of("http://[::1]:9/x"), "[::1]:9");
  EXPECT_EQ(instance_of("http://[::1]/x"), "[::1]:80");
}

class Files : public testing::Test {
 protected:
  Result<LoadReport> load(const std::string& text) {
    return load_exposition(text + "# EOF\n", store, limits);
  }
  store::RawIncrease increase(const Labels& labels, int from, int to) {
    const auto id = store.find(labels);
    EXPECT_TRUE(id) << to_string(labels);
    return id ? test::raw_increase(store, *id, at(from), at(to)) : store::RawIncrease{};
  }
  static std::string line(const std::string& series, double value, int scrape) {
    return fmt::format("{} {} {}\n", series, value, at(scrape).ms / 1000);
  }
  Limits limits;
  store::SeriesStore store{limits};
};

TEST_F(Files, SamplesMayComeInAnyOrder) {
  const auto report = load(line("a", 3, 2) + line("b", 1, 0) + line("a", 1, 0) + line("a", 2, 1));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->series, 2u);
  EXPECT_EQ(report->samples, 4u);
  EXPECT_EQ(report->first, at(0));
  EXPECT_EQ(report->last, at(2));
  EXPECT_EQ(increase(named("a"), 0, 2).sum, 2);
}

TEST_F(Files, ASampleWithoutATimeIsNamedWithItsLine) {
  const auto report = load("# HELP a x\n" + line("a", 3, 2) + "\n\nb 4\n" + line("a", 4, 3));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::malformed);
  EXPECT_NE(report.error().message.find("line 3"), std::string::npos) << report.error().message;
  EXPECT_EQ(store.sample_count(), 0u);
}

TEST_F(Files, WhatIsNoTextOfMetricsIsToldWithAWayOut) {
  const std::string sample = "a 1 1780000000000\n";
  const std::pair<std::string, const char*> texts[] = {{sample + "a 2 17800000150", "cut off"},
                                                       {std::string("\x1f\x8b\x08\x00\x00", 5), "gzip"},
                                                       {"\xef\xbb\xbf" + sample, "byte order mark"},
                                                       {"a 1 1780000000000\r\n", "CRLF"}};
  for (const auto& [text, said] : texts) {
    const auto report = load_exposition(text, store, limits);
    ASSERT_FALSE(report) << said;
    EXPECT_NE(report.error().message.find(said), std::string::npos) << report.error().message;
    EXPECT_NE(report.error().hint, "") << said;
    EXPECT_EQ(store.sample_count(), 0u);
  }
  EXPECT_TRUE(load_exposition(sample, store, limits));
}

TEST_F(Files, ALateFirstSampleIsABirthUnlessThereIsAGap) {
  std::string text;
  for (int i = 0; i < 10; ++i) text += line("a", i, i);
  text += line("late", 7, 4) + line("late", 8, 5);
  for (int i = 20; i < 24; ++i) text += line("a", i, i);
  text += line("after_gap", 7, 20) + line("after_gap", 9, 21);
  ASSERT_TRUE(load(text));
  EXPECT_EQ(increase(named("a"), -5, 0).steps, 0u);
  EXPECT_EQ(increase(named("late"), 3, 4).sum, 7);
  EXPECT_EQ(increase(named("after_gap"), 9, 20).steps, 0u);
  EXPECT_EQ(increase(named("after_gap"), 9, 21).sum, 2);
}

TEST_F(Files, GroupsAreScrapedApart) {
  std::string text;
  for (int i = 0; i < 4; ++i) text += line("a{instance=\"1\",job=\"j\"}", i, i);
  for (int i = 2; i < 4; ++i) text += line("a{instance=\"2\",job=\"j\"}", 5, i);
  ASSERT_TRUE(load(text));
  EXPECT_EQ(increase(Labels({{"__name__", "a"}, {"instance", "2"}, {"job", "j"}}), 0, 2).steps, 0u);
}

TEST_F(Files, AScrapeThatFailedSaysNothingOfBirths) {
  std::string text = line("up{instance=\"1\",job=\"j\"}", 0, 0);
  for (int i = 1; i < 6; ++i) text += line("up{instance=\"1\",job=\"j\"}", 1, i);
  for (int i = 1; i < 6; ++i) text += line("a{instance=\"1\",job=\"j\"}", 40 + i, i);
  for (int i = 3; i < 6; ++i) text += line("b{instance=\"1\",job=\"j\"}", i, i);
  ASSERT_TRUE(load(text));
  EXPECT_EQ(increase(Labels({{"__name__", "a"}, {"instance", "1"}, {"job", "j"}}), 0, 1).steps, 0u);
  EXPECT_EQ(increase(Labels({{"__name__", "b"}, {"instance", "1"}, {"job", "j"}}), 2, 3).sum, 3);
}

TEST_F(Files, OfTwoSamplesAtOneTimeTheFirstStays) {
  ASSERT_TRUE(load(line("a", 1, 0) + line("a", 2, 1) + line("a", 3, 0)));
  EXPECT_EQ(test::latest(store, *store.find(named("a")), at(0))->value, 1);
  EXPECT_EQ(store.sample_count(), 2u);
}

// A live remote read may bring nothing else.
TEST(StoreLoaded, AMarkerAloneEndsItsSeries) {
  store::SeriesStore store{Limits{}};
  const Labels labels({Labels::Pair{"__name__", "a"}});
  ASSERT_TRUE(store_loaded({{labels, {10}, {1}}}, {}, store));
  const Result<LoadReport> report = store_loaded({{labels, {}, {}, {20}}}, {}, store);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->last.ms, 20);
  EXPECT_TRUE(is_stale_marker(test::latest(store, *store.find(labels), Instant{20})->value));
}

TEST_F(Files, TextsOfOneRecordingShareTheirScrapes) {
  std::string a, b;
  for (int i = 0; i < 4; ++i) a += line("a", i, i);
  for (int i = 2; i < 4; ++i) b += line("b", i, i);
  Recording recording(limits);
  ASSERT_TRUE(recording.add(text_in_memory(b + "# EOF\n")));
  ASSERT_TRUE(recording.add(text_in_memory(a + "# EOF\n")));
  ASSERT_TRUE(std::move(recording).load(store));
  EXPECT_EQ(increase(named("b"), 1, 2).sum, 2);
}

// A Prometheus that holds text: it answers `selector[range]` with the samples of a metric by name, at most
// `bound` of them.
class FakePrometheus : public FakeHttp {
 public:
  FakePrometheus() {
    answers["http://p/api/v1/status/buildinfo"] = [this](const HttpRequest&) {
      return HttpResponse{200, "application/json",
                          fmt::format(R"({{"status":"success","data":{{"version":"{}"}}}})", version)};
    };
    answers["http://p/api/v1/query?"] = [this](const HttpRequest& request) { return query(request.url); };
  }
  void add(const std::string& name, int scrape, double value) { samples[name][at(scrape).ms] = value; }

  std::string version = "2.42.0", warnings;
  std::size_t bound = 1000;
  std::map<std::string, std::map<std::int64_t, double>> samples;

 private:
  Result<HttpResponse> query(const std::string& url) {
    const std::size_t begin = url.find("query=") + 6;
    const std::string name = url.substr(begin, url.find('%', begin) - begin);
    const std::size_t bracket = url.find("%5B") + 3;
    const auto range = parse_duration(url.substr(bracket, url.find("%5D") - bracket));
    const auto end = parse_instant(url.substr(url.find("&time=") + 6));
    EXPECT_TRUE(range && end) << url;
    std::string points;
    std::size_t count = 0;
    for (const auto& [time, value] : samples[name]) {
      if (time < (*end - *range).ms || time > end->ms) continue;
      points +=
          fmt::format("{}[{}.{:03},\"{}\"]", points.empty() ? "" : ",", time / 1000, time % 1000, value);
      ++count;
    }
    if (count > bound)
      return HttpResponse{422, "application/json",
                          R"({"status":"error","errorType":"execution","error":"query processing would load )"
                          R"(too many samples into memory in query execution"})"};
    const std::string series =
        count == 0 ? ""
                   : fmt::format(R"({{"metric":{{"__name__":"{}","job":"j","instance":"1"}},"values":[{}]}})",
                                 name, points);
    return HttpResponse{
        200, "application/json",
        fmt::format(R"({{"status":"success",{}"data":{{"resultType":"matrix","result":[{}]}}}})",
                    warnings.empty() ? "" : fmt::format("\"warnings\":[\"{}\"],", warnings), series)};
  }
};

class Histories : public testing::Test {
 protected:
  Result<PrometheusReport> load(Instant from, Instant to) {
    plan::Plan plan;
    plan.lookback = minutes(5);
    plan::Leaf leaf;
    leaf.matchers = {{"__name__", MatchOp::equal, "a"}};
    leaf.fn = plan::LeafFn::range;
    leaf.window = {plan::WindowKind::trailing, minutes(5), {}, plan::none, {}};
    plan.leaves = {leaf, leaf};
    std::optional<Result<PrometheusReport>> out;
    history.load(plan, from, to, store, {}, [&](Result<PrometheusReport> r) { out = std::move(r); });
    return std::move(out).value();
  }
  static Labels labels(const std::string& name) {
    return Labels({{"__name__", name}, {"job", "j"}, {"instance", "1"}});
  }
  Limits limits;
  FakePrometheus prometheus;
  store::SeriesStore store{limits};
  PrometheusHistory history{prometheus, "http://p/", limits};
};

TEST_F(Histories, EverySampleComesOnceWithWhatCameBefore) {
  for (int i = 0; i < 12'000; ++i) {
    prometheus.add("a", i, i);
    prometheus.add("up", i, 1);
  }
  prometheus.bound = 5000;
  const auto report = load(at(200), at(11'000));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->semantics, Semantics::prometheus2);
  EXPECT_EQ(report->version, "2.42.0");
  const auto points = test::points(store, *store.find(labels("a")), at(-9999), at(99'999));
  ASSERT_EQ(points.size(), 10'921u);  // from 10 minutes before
  EXPECT_EQ(points.times.front(), at(80).ms);
  EXPECT_EQ(points.times.back(), at(11'000).ms);
  for (std::size_t i = 0; i < points.size(); ++i) ASSERT_EQ(points.values[i], static_cast<double>(i + 80));
}

TEST_F(Histories, UpTellsBirthsAndEnds) {
  for (int i = 0; i < 20; ++i) prometheus.add("up", i, i == 15 ? 0 : 1);
  for (const int i : {3, 4, 5, 9, 10, 11, 12, 13, 14, 16, 17}) prometheus.add("a", i, i);
  ASSERT_TRUE(load(at(10), at(20)));
  const auto id = *store.find(labels("a"));
  EXPECT_EQ(test::raw_increase(store, id, at(2), at(3)).sum, 3);
  for (const int scrape : {6, 15, 18}) {
    const auto latest = test::latest(store, id, at(scrape));
    EXPECT_EQ(latest->time, at(scrape));
    EXPECT_TRUE(is_stale_marker(latest->value));
  }
  EXPECT_FALSE(is_stale_marker(test::latest(store, id, at(14))->value));
  EXPECT_EQ(test::latest(store, id, at(19))->time, at(18));
  EXPECT_EQ(test::raw_increase(store, id, at(8), at(9)).sum, 9);
  EXPECT_EQ(test::raw_increase(store, id, at(15), at(16)).steps, 0u);
}

TEST_F(Histories, ALatestScrapeThatLacksASeriesMayBeUnderWay) {
  for (int i = 0; i < 20; ++i) prometheus.add("up", i, 1);
  for (int i = 0; i < 19; ++i) prometheus.add("a", i, i);
  ASSERT_TRUE(load(at(10), at(19)));
  const auto id = *store.find(labels("a"));
  EXPECT_EQ(test::latest(store, id, at(19))->time, at(18));
  prometheus.add("a", 19, 19);
  prometheus.add("up", 20, 1);
  ASSERT_TRUE(load(at(19), at(19)));
  EXPECT_EQ(test::latest(store, id, at(19))->value, 19);
}

TEST_F(Histories, ALatestScrapeThatFailedEndsWhatItWouldHaveShown) {
  for (int i = 0; i < 20; ++i) prometheus.add("up", i, i == 19 ? 0 : 1);
  for (int i = 0; i < 19; ++i) prometheus.add("a", i, i);
  ASSERT_TRUE(load(at(10), at(25)));
  const auto latest = test::latest(store, *store.find(labels("a")), at(25));
  EXPECT_EQ(latest->time, at(19));
  EXPECT_TRUE(is_stale_marker(latest->value));
}

TEST_F(Histories, AnEndAtTheLastInstantAskedForIsSeen) {
  for (int i = 0; i < 20; ++i) prometheus.add("up", i, 1);
  for (int i = 0; i < 15; ++i) prometheus.add("a", i, i);
  ASSERT_TRUE(load(at(10), at(15)));
  const auto latest = test::latest(store, *store.find(labels("a")), at(15));
  EXPECT_EQ(latest->time, at(15));
  EXPECT_TRUE(is_stale_marker(latest->value));
}

TEST_F(Histories, TimesOfTheirOwnAreNotTakenForEnds) {
  for (int i = 0; i < 20; ++i) prometheus.add("up", i, 1);
  for (int i = 0; i < 20; i += 4) prometheus.samples["a"][at(i).ms - 700] = i;
  ASSERT_TRUE(load(at(10), at(20)));
  EXPECT_EQ(test::points(store, *store.find(labels("a")), at(-10), at(30)).size(), 5u);
}

TEST_F(Histories, FaultsKeepTheirMeaning) {
  prometheus.add("a", 1, 1);
  prometheus.warnings = "store x is gone";
  const auto partial = load(at(0), at(10));
  ASSERT_FALSE(partial);
  EXPECT_EQ(partial.error().code, ErrorCode::outcome_unknown);
  EXPECT_NE(partial.error().message.find("store x is gone"), std::string::npos);
  EXPECT_EQ(store.sample_count(), 0u);

  prometheus.answers["http://p/api/v1/query?"] = [](const HttpRequest&) {
    return HttpResponse{502, "text/html", "<html>Bad Gateway</html>"};
  };
  const auto gateway = load(at(0), at(10));
  ASSERT_FALSE(gateway);
  EXPECT_EQ(gateway.error().code, ErrorCode::outcome_unknown);
  EXPECT_NE(gateway.error().message.find("502"), std::string::npos);

  prometheus.answers.clear();
  const auto gone = load(at(0), at(10));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::unreachable);
}

}  // namespace
}  // namespace signalbox::sources
