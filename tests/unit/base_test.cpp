#include <gtest/gtest.h>

#include <random>

#include "runtime/base/bytes.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/base/labels.hpp"
#include "runtime/base/rational.hpp"
#include "runtime/base/regex.hpp"
#include "runtime/base/time.hpp"

namespace signalbox {
namespace {

TEST(Rational, OneRatioInThreeSpellings) {
  const Rational a = *Rational::parse_decimal("0.999");
  const Rational b = *div(*Rational::parse_decimal("99.9"), Rational(100));
  const Rational c = *div(Rational(999), Rational(1000));
  EXPECT_EQ(a, b);
  EXPECT_EQ(b, c);
}

TEST(Rational, ThetaIsExactAndRoundedOnce) {
  const Rational one_minus = *sub(Rational(1), *Rational::parse_decimal("0.9995"));
  const Rational theta = *mul(*Rational::parse_decimal("14.4"), one_minus);
  EXPECT_EQ(theta.to_string(), "0.0072");
  EXPECT_EQ(theta.to_double(), 0.0072);
  EXPECT_EQ(shortest(theta.to_double()), "0.0072");
}

TEST(Rational, NearestDoubleEqualsTheDecimalReader) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto digits = static_cast<long long>(random() % 1'000'000'000'000'000'000ull);
    const int places = static_cast<int>(random() % 18);
    std::string text = std::to_string(digits);
    while (static_cast<int>(text.size()) <= places) text.insert(text.begin(), '0');
    text.insert(text.size() - static_cast<std::size_t>(places), ".");
    if (text.back() == '.') text += "0";
    ASSERT_EQ(Rational::parse_decimal(text)->to_double(), std::stod(text)) << text;
  }
}

TEST(Rational, OutOfRangeIsNothingNotNonsense) {
  EXPECT_FALSE(Rational::parse_decimal("1e400"));
  EXPECT_FALSE(Rational::parse_decimal(""));
  EXPECT_FALSE(Rational::parse_decimal("1e"));
  EXPECT_FALSE(div(Rational(1), Rational(0)));
}

TEST(Time, ThereAndBack) {
  for (const char* text : {"1970-01-01T00:00:00Z", "2026-11-23T19:12:00Z", "2024-02-29T23:59:59.001Z"}) {
    EXPECT_EQ(to_rfc3339(*parse_instant(text)), text);
  }
  EXPECT_EQ(parse_instant("2026-11-23T20:12:00+01:00")->ms, parse_instant("2026-11-23T19:12:00Z")->ms);
  EXPECT_EQ(parse_instant("1.5")->ms, 1500);
  EXPECT_FALSE(parse_instant("2023-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_instant("yesterday"));
  EXPECT_FALSE(parse_instant(""));
  EXPECT_EQ(to_string(*parse_duration("1h30m")), "1h30m");
  EXPECT_EQ(to_string(*parse_duration("2w")), "14d");
  EXPECT_FALSE(parse_duration("30m1h"));
  EXPECT_FALSE(parse_duration("5"));
}

TEST(Time, GridsReachBelowTheEpoch) {
  EXPECT_EQ(grid_floor(Instant{-1}, seconds(5), {}).ms, -5000);
  EXPECT_EQ(grid_ceil(Instant{1}, seconds(5), seconds(2)).ms, 2000);
}

TEST(Labels, EmptyAndAbsentAreOne) {
  const Labels labels({{"b", "2"}, {"a", ""}, {"c", "3"}});
  EXPECT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels.with("b", "").size(), 1u);
  EXPECT_EQ(labels.with("a", "1").get("a"), "1");
  EXPECT_EQ(labels.with("b", "9").get("b"), "9");
  EXPECT_EQ(to_string(labels), "{b=\"2\",c=\"3\"}");
}

TEST(Bytes, HostileLengthsFailAndStay) {
  ByteWriter w;
  w.uint(1u << 30);
  ByteReader r(w.bytes());
  EXPECT_EQ(r.text(), "");
  EXPECT_FALSE(r.ok());
  ByteWriter v;
  v.sint(-5);
  v.real(-0.0);
  v.text("x");
  ByteReader back(v.bytes());
  EXPECT_EQ(back.sint(), -5);
  EXPECT_TRUE(std::signbit(back.real()));
  EXPECT_EQ(back.text(), "x");
  EXPECT_TRUE(back.done());
}

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hmac_sha256_hex("key", "The quick brown fox jumps over the lazy dog"),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
}

TEST(Regex, AnchoredAtBothEnds) {
  const auto re = LabelRegex::compile("5..");
  EXPECT_TRUE(re->matches("503"));
  EXPECT_FALSE(re->matches("1503"));
  EXPECT_FALSE(LabelRegex::compile("(("));
}

}  // namespace
}  // namespace signalbox
