#include "runtime/formats/exposition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/exposition_samples.hpp"

namespace signalbox::formats {
namespace {

constexpr auto prometheus = ExpositionFormat::prometheus;
constexpr auto openmetrics = ExpositionFormat::openmetrics;

struct Page {
  std::vector<ExpositionSample> samples;
  std::vector<ExpositionFamily> families;
  Result<void> result;
};
Page read(std::string_view text, ExpositionFormat format, const Limits& limits = {}, std::size_t max = 0) {
  Page page;
  page.result = test::read_samples(
      text, format, limits, max, [&](ExpositionSample&& s) { page.samples.push_back(std::move(s)); },
      [&](const ExpositionFamily& f) { page.families.push_back(f); });
  return page;
}
std::string fault(std::string_view text, ExpositionFormat format) {
  const Page page = read(text, format);
  if (page.result) return "no fault";
  EXPECT_EQ(page.result.error().code, ErrorCode::malformed);
  return page.result.error().message;
}
double value_of(std::string_view digits) {
  const Page page = read("m " + std::string(digits) + "\n", prometheus);
  EXPECT_TRUE(page.result) << digits;
  return page.samples.empty() ? -12345 : page.samples[0].value;
}

TEST(Exposition, ReadsAPrometheusPage) {
  const Page page = read(
      "# HELP http_requests_total Requests, \\\\ and \\n and all.\n"
      "# TYPE http_requests_total counter\n"
      "\n"
      "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
      "http_requests_total{ code = \"400\" , method=\"post\", } 3\n"
      "\t up  1  \n"
      "# any comment\n"
      "#TYPE is a comment too\n"
      "job:up:sum{}\t+5e-1\t-1000\n"
      "lat_created 1.5e9\n"
      "last 7",
      prometheus);
  ASSERT_TRUE(page.result) << page.result.error().message;
  ASSERT_EQ(page.samples.size(), 6u);
  EXPECT_EQ(to_string(page.samples[0].labels), "http_requests_total{code=\"200\",method=\"post\"}");
  EXPECT_EQ(page.samples[0].value, 1027);
  EXPECT_EQ(page.samples[0].time, Instant{1395066363000});
  EXPECT_EQ(to_string(page.samples[1].labels), "http_requests_total{code=\"400\",method=\"post\"}");
  EXPECT_FALSE(page.samples[1].time);
  EXPECT_EQ(to_string(page.samples[2].labels), "up");
  EXPECT_EQ(page.samples[3].value, 0.5);
  EXPECT_EQ(page.samples[3].time, Instant{-1000});
  EXPECT_EQ(page.samples[4].value, 1.5e9);
  EXPECT_EQ(page.samples[5].value, 7);
  ASSERT_EQ(page.families.size(), 1u);
  EXPECT_EQ(page.families[0].name, "http_requests_total");
  EXPECT_EQ(page.families[0].type, "counter");
}

TEST(Exposition, ReadsAnOpenMetricsPage) {
  const Page page = read(
      "# TYPE rpc_seconds histogram\n"
      "# UNIT rpc_seconds seconds\n"
      "# HELP rpc_seconds How long.\n"
      "rpc_seconds_bucket{le=\"0.1\"} 8 # {trace_id=\"a b\"} 0.054\n"
      "rpc_seconds_bucket{le=\"+Inf\"} 11 1520879607.789 # {trace_id=\"x\",span=\"}\"} 9.8 1520879607.789\n"
      "rpc_seconds_count 11 1520879607\n"
      "rpc_seconds_created 1520430000.123 -0.0005\n"
      "# TYPE build info\n"
      "build_info{v=\"1\"} 1 1e3\n"
      "# EOF\n",
      openmetrics);
  ASSERT_TRUE(page.result) << page.result.error().message;
  ASSERT_EQ(page.samples.size(), 5u);
  EXPECT_FALSE(page.samples[0].time);
  EXPECT_EQ(page.samples[1].time, Instant{1520879607789});
  EXPECT_EQ(page.samples[1].value, 11);
  EXPECT_EQ(page.samples[2].time, Instant{1520879607000});
  EXPECT_EQ(page.samples[3].value, 1520430000.123);
  EXPECT_EQ(page.samples[3].time, Instant{0});
  EXPECT_EQ(page.samples[4].time, Instant{1000000});
  ASSERT_EQ(page.families.size(), 3u);
  EXPECT_EQ(page.families[1].type, "histogram");
  EXPECT_EQ(page.families[1].unit, "seconds");
  EXPECT_EQ(page.families[2].unit, "");
}

TEST(Exposition, LabelValuesAreUnescaped) {
  for (const auto format : {prometheus, openmetrics}) {
    const Page page = read("m{a=\"\\\\n\\\"q\\\"\\nx\",b=\"\",c=\"é€😀\",d=\"},{ # =\"} 1\n# EOF\n", format);
    ASSERT_TRUE(page.result) << page.result.error().message;
    const Labels& labels = page.samples.at(0).labels;
    EXPECT_EQ(labels.get("a"), "\\n\"q\"\nx");
    EXPECT_EQ(labels.get("c"), "é€😀");
    EXPECT_EQ(labels.get("d"), "},{ # =");
    EXPECT_EQ(labels.size(), 4u);  // an empty label is none
  }
  EXPECT_EQ(fault("m{a=\"C:\\dir\"} 1\n", prometheus),
            "line 1, column 8: an escape that is none of \\\\, \\\" and \\n");
  EXPECT_EQ(read("m{a=\"C:\\dir\"} 1\n# EOF\n", openmetrics).samples.at(0).labels.get("a"), "C:\\dir");
}

TEST(Exposition, ValuesAreWhatStrconvReads) {
  EXPECT_TRUE(std::isnan(value_of("NaN")));
  EXPECT_TRUE(std::isnan(value_of("nan")));
  constexpr double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(value_of("+Inf"), inf);
  EXPECT_EQ(value_of("Inf"), inf);
  EXPECT_EQ(value_of("-iNf"), -inf);
  EXPECT_EQ(value_of("Infinity"), inf);
  EXPECT_EQ(value_of("0x1.8p1"), 3);
  EXPECT_EQ(value_of("-0X1P-2"), -0.25);
  EXPECT_EQ(value_of(".5"), 0.5);
  EXPECT_EQ(value_of("5."), 5);
  EXPECT_EQ(value_of("007"), 7);
  EXPECT_TRUE(std::signbit(value_of("-0")));
  EXPECT_EQ(value_of("1e-999"), 0);
  EXPECT_EQ(value_of("0x1p-99999999999999999999"), 0);
  EXPECT_EQ(value_of("4.9406564584124654e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(value_of("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(value_of("0." + std::string(400, '0') + "1"), 0);
  EXPECT_EQ(value_of("0e99999999999999999999"), 0);
  for (const char* bad : {"1e999",
                          "-1e999",
                          "0x1p2000",
                          "1_000",
                          "+NaN",
                          "--1",
                          "+-1",
                          "1e",
                          "1e+",
                          ".",
                          "0x",
                          "0x1",
                          "0x-1p0",
                          "nan(1)",
                          "infi",
                          "1.2.3",
                          "1,5",
                          "1f",
                          "0b1",
                          "e5",
                          "+",
                          "-",
                          "1e99999999999999999999",
                          "0xinfp1"})
    EXPECT_FALSE(read("m " + std::string(bad) + "\n", prometheus).result) << bad;
}

TEST(Exposition, TimesAreExact) {
  const auto ms = [](std::string_view text, ExpositionFormat format) -> std::optional<std::int64_t> {
    const Page page = read("m 1 " + std::string(text) + "\n# EOF\n", format);
    if (!page.result) return std::nullopt;
    return page.samples.at(0).time->ms;
  };
  EXPECT_EQ(ms("1700000000.1234", openmetrics), 1700000000123);
  // As Prometheus does, which has them as doubles: what is finer than a millisecond is cut, but for what a
  // double does not tell from the next one.
  EXPECT_EQ(ms("1700000000.1235", openmetrics), 1700000000123);
  EXPECT_EQ(ms("1700000000.1239999", openmetrics), 1700000000123);
  EXPECT_EQ(ms("1700000000.123999999999", openmetrics), 1700000000124);
  EXPECT_EQ(ms("0.9996", openmetrics), 999);
  EXPECT_EQ(ms("-0.9996", openmetrics), -999);
  EXPECT_EQ(ms("0.001", openmetrics), 1);
  EXPECT_EQ(ms("-1.5", openmetrics), -1500);
  EXPECT_EQ(ms("9000000000000.000", openmetrics), 9000000000000000);
  EXPECT_EQ(ms("8999999999999.999", openmetrics), 8999999999999999);
  EXPECT_EQ(ms("1.5e9", openmetrics), 1500000000000);
  for (const char* bad :
       {"9000000000000.001", "99999999999999999999999", "NaN", "+Inf", ".", "", "1e300", "1.2.3", "-"})
    EXPECT_FALSE(ms(bad, openmetrics)) << bad;
  EXPECT_EQ(ms("+5", prometheus), 5);
  EXPECT_EQ(ms("-5", prometheus), -5);
  for (const char* bad :
       {"1.5", "1e3", "9223372036854775807", "99999999999999999999", "x", "+-5", "--5", "5 6"})
    EXPECT_FALSE(ms(bad, prometheus)) << bad;
}

TEST(Exposition, FaultsHaveAPlace) {
  const std::string nul("m{a=\"x\0\"} 1\n", 12);
  EXPECT_EQ(fault(nul, prometheus), "line 1, column 7: a NUL byte");
  EXPECT_EQ(fault(std::string("a 1\nb\0 2\n", 9), prometheus), "line 2, column 2: a NUL byte");
  EXPECT_EQ(fault(std::string("# a\0\n", 5), prometheus), "line 1, column 4: a NUL byte");
  EXPECT_EQ(fault("a 1\nm{a=\"x\xff\"} 1\n", prometheus), "line 2, column 7: a byte that is not UTF-8");
  EXPECT_EQ(fault("# HELP m \xc0\xaf\n", prometheus), "line 1, column 10: a byte that is not UTF-8");
  EXPECT_EQ(fault("a 1\r\nb 2\r\n", prometheus),
            "line 1, column 4: a CRLF line end: lines end with LF alone");
  EXPECT_EQ(fault("# EOF\r\n", openmetrics), "line 1, column 6: a CRLF line end: lines end with LF alone");
  EXPECT_EQ(fault("m{a=\"1\",b=\"2\",a=\"3\"} 1\n", prometheus),
            "line 1, column 15: label 'a' stands here a second time");
  EXPECT_EQ(fault("m{a=\"1\",a=\"1\"} 1\n", prometheus),
            "line 1, column 9: label 'a' stands here a second time");
  EXPECT_EQ(fault("m{__name__=\"x\"} 1\n", prometheus),
            "line 1, column 3: label '__name__' beside the metric's name");
  EXPECT_EQ(fault("m{a=\"1\n\"} 1\n", prometheus), "line 1, column 7: the line ends inside a label value");
  EXPECT_EQ(fault("m{a=\"1\\", prometheus), "line 1, column 7: the line ends inside a label value");
  EXPECT_EQ(fault("foo-bar 1\n", prometheus),
            "line 1, column 4: a space or '{' after the metric name is expected, not '-'");
  EXPECT_EQ(fault("m\n", prometheus),
            "line 1, column 2: the line ends where a space or '{' after the metric name is expected");
  EXPECT_EQ(fault("m{a=\"1\" b=\"2\"} 1\n", prometheus), "line 1, column 9: ',' or '}' is expected, not 'b'");
  EXPECT_EQ(fault("m{a:b=\"1\"} 1\n", prometheus), "line 1, column 4: '=' is expected, not ':'");
  EXPECT_EQ(fault("é 1\n", prometheus), "line 1, column 1: a metric name is expected, not '\\xc3\\xa9'");
  EXPECT_EQ(fault("m 1 2 3\n", prometheus), "line 1, column 7: the line's end is expected, not '3'");
  EXPECT_EQ(fault("# TYPE m countre\n", prometheus),
            "line 1, column 10: 'countre' is not a type of this format");
  EXPECT_EQ(fault("# TYPE m info\n", prometheus), "line 1, column 10: 'info' is not a type of this format");
  EXPECT_EQ(fault("m 1 # {a=\"b\"} 1\n", prometheus),
            "line 1, column 5: an exemplar or a comment after a value: Prometheus' text has none");
  EXPECT_EQ(fault("m one\n", prometheus), "line 1, column 3: 'one' is not a double");
  for (const char* bad :
       {"m{,} 1\n", "m{a=\"1\",,} 1\n", "m{a} 1\n", "m{a=1} 1\n", "m{1=\"a\"} 1\n", "m{a=\"1\"", "m{", "m ",
        "{a=\"1\"} 1\n", "1m 1\n", "# TYPE\n", "# HELP 1\n", "# TYPE m\n", "# TYPE m counter x\n"})
    EXPECT_FALSE(read(bad, prometheus).result) << bad;
}

TEST(Exposition, OpenMetricsIsStrict) {
  EXPECT_EQ(fault("a 1\n", openmetrics), "line 2, column 1: the text ends without '# EOF': it was cut off");
  EXPECT_EQ(fault("a 1", openmetrics), "line 1, column 4: the text ends without '# EOF': it was cut off");
  EXPECT_EQ(fault("", openmetrics), "line 1, column 1: the text ends without '# EOF': it was cut off");
  EXPECT_EQ(fault("# EOF\na 1\n", openmetrics), "line 2, column 1: text after '# EOF'");
  EXPECT_EQ(fault("# EOF\n\n", openmetrics), "line 2, column 1: text after '# EOF'");
  EXPECT_TRUE(read("# EOF", openmetrics).result);
  EXPECT_TRUE(read("a 1\n# EOF\n", prometheus).result);
  for (const char* bad :
       {"\n# EOF\n", " a 1\n# EOF\n", "a  1\n# EOF\n", "a\t1\n# EOF\n", "a 1 \n# EOF\n", "# note\n# EOF\n",
        "# TYPE a untyped\n# EOF\n", "a 1 #\n# EOF\n", "a 1 # {}\n# EOF\n", "a 1 # {} x\n# EOF\n",
        "a 1 # {a=\"1\",a=\"2\"} 1\n# EOF\n", "a 1 # {} 1 2 3\n# EOF\n", "a 1 2 3\n# EOF\n", "# EOF x\n",
        "a{b=\"1\",} 1\n# EOF\n", "# HELP a\n# EOF\n", "a{ b=\"1\"} 1\n# EOF\n", "a{b=\"1\"}1\n# EOF\n"})
    EXPECT_FALSE(read(bad, openmetrics).result) << bad;
  EXPECT_TRUE(read("a 1 # {} 1\n# EOF\n", openmetrics).result);
}

TEST(Exposition, HtmlIsSaid) {
  for (const char* page :
       {"<!DOCTYPE html><title>Sign in</title>", "\n\n <HTML><body>", "\xef\xbb\xbf<!doctype HTML>"})
    EXPECT_EQ(fault(page, prometheus), "line 1, column 1: this is an HTML page, not metrics");
}

TEST(Exposition, BoundsAreKept) {
  Limits limits;
  limits.labels_per_series = 2;
  limits.label_name_bytes = 4;
  limits.label_value_bytes = 5;
  const auto refused = [&](std::string_view text, std::size_t max = 0) {
    const Page page = read(text, prometheus, limits, max);
    if (page.result) return std::string("no fault");
    EXPECT_EQ(page.result.error().code, ErrorCode::limit_exceeded);
    return page.result.error().message;
  };
  EXPECT_EQ(refused("m{a=\"1\",b=\"2\"} 1\n"), "no fault");
  EXPECT_EQ(refused("m{a=\"1\",b=\"2\",} 1\n"), "no fault");
  EXPECT_EQ(refused("m{a=\"1\",b=\"2\",c=\"3\"} 1\n"),
            "line 1, column 15: more labels than 2 (labels_per_series)");
  EXPECT_EQ(refused("m{abcde=\"1\"} 1\n"), "line 1, column 3: a label name longer than 4 (label_name_bytes)");
  EXPECT_EQ(refused("m{a=\"123456\"} 1\n"),
            "line 1, column 6: a label value longer than 5 (label_value_bytes)");
  EXPECT_EQ(refused("metric 1\n"), "line 1, column 1: a metric name longer than 5 (label_value_bytes)");
  EXPECT_EQ(refused("a 1\nb 2\n", 2), "no fault");
  EXPECT_EQ(refused("a 1\nb 2\nc 3\n", 2), "line 3, column 1: more samples than 2 (scrape_samples)");
}

TEST(Exposition, HostileTextsEndSoon) {
  constexpr std::size_t much = 32u << 20;
  for (const auto format : {prometheus, openmetrics}) {
    for (const std::string& text :
         {std::string(much, 'a'), "m{a=\"" + std::string(much, 'x'), "m " + std::string(much, '9'),
          "m 0x" + std::string(much, '1') + "p0", "m 1 " + std::string(much, '9'),
          "m 0." + std::string(much, '0'), "m{" + std::string(much, ' '), std::string(much, '{'),
          "m{a=\"" + std::string(much, '\\'), "# TYPE " + std::string(much, 'a'),
          "# TYPE m " + std::string(much, 'a')}) {
      const Page page = read(text, format);
      EXPECT_TRUE(!page.result || page.samples.size() <= 1);
      if (!page.result) {
        EXPECT_LT(page.result.error().message.size(), 300u);
      }
    }
    std::string labels = "m{";
    for (int i = 0; i < 1'000'000; ++i) labels += "l" + std::to_string(i) + "=\"v\",";
    const Page page = read(labels + "} 1\n", format);
    ASSERT_FALSE(page.result);
    EXPECT_EQ(page.result.error().code, ErrorCode::limit_exceeded);
    Limits wide;
    wide.labels_per_series = 2'000'000;
    EXPECT_TRUE(read(labels + "z=\"\"} 1\n# EOF\n", format, wide).result);
  }
}

// A file of one endless line, or of blanks alone, is given up before all of it is in memory.
TEST(Exposition, ALineWithoutAnEndIsBounded) {
  Limits limits;
  limits.text_line_bytes = 1000;
  for (const std::string& piece : {std::string(300, 'x'), std::string(300, ' '), std::string(300, '\0')}) {
    SeriesTexts texts;
    ExpositionSink sink;
    ExpositionReader reader(prometheus, limits, 0, texts, sink);
    Result<void> fed;
    int pieces = 0;
    while ((fed = reader.feed(piece)) && pieces < 100) ++pieces;
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, ErrorCode::limit_exceeded);
    EXPECT_EQ(fed.error().message, "line 1 has more than 1000 bytes (text_line_bytes)");
    EXPECT_EQ(pieces, 3);
  }
}

TEST(Exposition, TheFormatIsFound) {
  EXPECT_EQ(detect_exposition("application/openmetrics-text; version=1.0.0; charset=utf-8", ""), openmetrics);
  EXPECT_EQ(detect_exposition("Application/OpenMetrics-Text", ""), openmetrics);
  EXPECT_EQ(detect_exposition("text/plain; version=0.0.4", "a 1\n# EOF\n"), prometheus);
  EXPECT_EQ(detect_exposition("text/plain", "a 1\n# EOF\n"), openmetrics);
  EXPECT_EQ(detect_exposition("", "a 1\n# EOF"), openmetrics);
  EXPECT_EQ(detect_exposition("", "# EOF\n"), openmetrics);
  EXPECT_EQ(detect_exposition("", "a 1\n"), prometheus);
  EXPECT_EQ(detect_exposition("", "a 1 # EOF\n"), prometheus);
}

TEST(Exposition, TheWriterRefusesWhatItCannotSay) {
  const auto written = [](std::vector<Labels::Pair> pairs) {
    return write_openmetrics(std::vector<ExpositionSample>{{Labels(std::move(pairs)), 1, {}}});
  };
  EXPECT_EQ(*written({{"__name__", "m"}, {"a", "\\\"\n"}}), "m{a=\"\\\\\\\"\\n\"} 1\n# EOF\n");
  EXPECT_FALSE(written({}));
  EXPECT_FALSE(written({{"__name__", "a.b"}}));
  EXPECT_FALSE(written({{"__name__", "m"}, {"a:b", "1"}}));
  EXPECT_FALSE(written({{"__name__", "m"}, {"a", "\xff"}}));
  EXPECT_FALSE(written({{"__name__", "m"}, {"a", std::string(1, '\0')}}));
  EXPECT_EQ(*write_openmetrics({}), "# EOF\n");
}

}  // namespace
}  // namespace signalbox::formats
