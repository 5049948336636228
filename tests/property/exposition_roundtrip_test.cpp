// What the writer writes, the parser reads back bit for bit; cut and damaged texts never do harm.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "tests/support/exposition_samples.hpp"

namespace signalbox::formats {
namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::string name(bool colons) {
    static constexpr std::string_view letters = "abzAZ_09:";
    std::string out(1, letters[below(6)]);
    while (below(6) != 0) out += letters[below(letters.size() - (colons ? 0 : 1))];
    return out;
  }
  std::string value() {
    static const std::vector<std::string> pieces = {"a", "Z",  " ",  "\\",   "\"",   "\n", "\\n",
                                                    "{", "}",  ",",  "=",    "#",    "é",  "€",
                                                    "😀", "\t", "\r", "\x7f", "\x01", "0",  "x"};
    std::string out;
    while (below(8) != 0) out += pieces[below(pieces.size())];
    return out;
  }
  double real() {
    switch (below(6)) {
      case 0:
        return static_cast<double>(below(1000));
      case 1:
        return -static_cast<double>(below(1u << 30)) / 1024;
      case 2: {
        static constexpr double special[] = {
            0.0, -0.0, INFINITY, -INFINITY, NAN, 5e-324, 1.7976931348623157e308, 0.1};
        return special[below(8)];
      }
      default:
        return std::bit_cast<double>(random_());
    }
  }
  ExpositionSample sample() {
    std::vector<Labels::Pair> pairs = {{"__name__", name(true)}};
    for (std::uint64_t n = below(6); n > 0; --n) {
      std::string label = name(false);
      if (label != "__name__") pairs.emplace_back(std::move(label), value());
    }
    ExpositionSample out{Labels(std::move(pairs)), real(), {}};
    if (below(2) == 0) {
      const auto far = static_cast<std::int64_t>(below(9'000'000'000'000'001u));
      const std::int64_t near = 1'700'000'000'000 + static_cast<std::int64_t>(below(100'000));
      const std::int64_t ms = below(3) == 0 ? far : near;
      out.time = Instant{below(4) == 0 ? -ms : ms};
    }
    return out;
  }
  std::vector<ExpositionSample> samples() {
    std::vector<ExpositionSample> out;
    for (std::uint64_t n = below(8); n > 0; --n) out.push_back(sample());
    return out;
  }

 private:
  std::mt19937_64 random_;
};

Result<void> read(std::string_view text, ExpositionFormat format, std::vector<ExpositionSample>& into) {
  into.clear();
  // Exactly sized and on the heap, so that a sanitizer sees a read past the end.
  const std::vector<char> bytes(text.begin(), text.end());
  return test::read_samples({bytes.data(), bytes.size()}, format, Limits{}, 0,
                            [&](ExpositionSample&& s) { into.push_back(std::move(s)); });
}

bool same(const ExpositionSample& a, const ExpositionSample& b) {
  const bool values = std::isnan(a.value)
                          ? std::isnan(b.value)
                          : std::bit_cast<std::uint64_t>(a.value) == std::bit_cast<std::uint64_t>(b.value);
  return values && a.labels == b.labels && a.time == b.time;
}

// The same samples as Prometheus' text: blanks, metadata and times in milliseconds.
std::string as_prometheus_text(std::string_view openmetrics, const std::vector<ExpositionSample>& samples) {
  std::string out = "# HELP x y\n# TYPE x gauge\n\n";
  std::size_t at = 0;
  for (const ExpositionSample& s : samples) {
    const std::size_t end = openmetrics.find('\n', at);
    std::string line(openmetrics.substr(at, end - at));
    at = end + 1;
    if (s.time) line = line.substr(0, line.rfind(' ')) + "\t" + std::to_string(s.time->ms);
    out += "  " + line + " \n";
  }
  return out;
}

TEST(ExpositionRoundtrip, ParseOfWriteIsTheSame) {
  std::vector<ExpositionSample> back;
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    const std::vector<ExpositionSample> samples = Generator(seed).samples();
    const auto text = write_openmetrics(samples);
    ASSERT_TRUE(text) << text.error().message;
    for (const auto format : {ExpositionFormat::openmetrics, ExpositionFormat::prometheus}) {
      const std::string page =
          format == ExpositionFormat::openmetrics ? *text : as_prometheus_text(*text, samples);
      const auto result = read(page, format, back);
      ASSERT_TRUE(result) << "seed " << seed << ": " << result.error().message << "\n" << page;
      ASSERT_EQ(back.size(), samples.size()) << "seed " << seed;
      for (std::size_t i = 0; i < back.size(); ++i)
        ASSERT_TRUE(same(back[i], samples[i])) << "seed " << seed << ", sample " << i << "\n" << page;
    }
  }
}

TEST(ExpositionRoundtrip, APrefixHasNoMoreSamples) {
  std::vector<ExpositionSample> back;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::vector<ExpositionSample> samples = Generator(seed).samples();
    const std::string text = *write_openmetrics(samples);
    const std::string page = as_prometheus_text(text, samples);
    for (std::size_t n = 0; n + 1 < text.size(); ++n)
      ASSERT_FALSE(read(std::string_view(text).substr(0, n), ExpositionFormat::openmetrics, back))
          << seed << " " << n;
    for (std::size_t n = 0; n < page.size(); ++n) {
      (void)read(std::string_view(page).substr(0, n), ExpositionFormat::prometheus, back);
      ASSERT_LE(back.size(), samples.size());
      // All but the last line were whole.
      for (std::size_t i = 0; i + 1 < back.size(); ++i) ASSERT_TRUE(same(back[i], samples[i]));
    }
  }
}

TEST(ExpositionRoundtrip, DamagedTextsDoNoHarm) {
  std::vector<ExpositionSample> back;
  std::size_t refused = 0, read_well = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Generator generator(seed);
    std::string text = *write_openmetrics(generator.samples());
    text.insert(0, "# TYPE a histogram\na_bucket{le=\"1\"} 1 1.5 # {t=\"x\"} 0.5 1.25\n");
    for (std::uint64_t n = 1 + generator.below(4); n > 0; --n) {
      const std::size_t at = generator.below(text.size());
      switch (generator.below(4)) {
        case 0:
          text[at] = static_cast<char>(generator.below(256));
          break;
        case 1:
          text.erase(at, 1 + generator.below(5));
          break;
        case 2:
          text.insert(at, 1, " \t\n\r\0\"\\{}#,=\xff\xc3"[generator.below(14)]);
          break;
        default:
          text.insert(at, text.substr(generator.below(text.size()), generator.below(20)));
          break;
      }
      if (text.empty()) text = "m";
    }
    for (const auto format : {ExpositionFormat::openmetrics, ExpositionFormat::prometheus}) {
      const auto result = read(text, format, back);
      if (!result) {
        ++refused;
        EXPECT_FALSE(result.error().message.empty());
        continue;
      }
      ++read_well;
      // Whatever was accepted can be said again.
      const auto again = write_openmetrics(back);
      ASSERT_TRUE(again) << again.error().message;
      std::vector<ExpositionSample> third;
      ASSERT_TRUE(read(*again, ExpositionFormat::openmetrics, third)) << *again;
      ASSERT_EQ(third.size(), back.size());
      for (std::size_t i = 0; i < back.size(); ++i) ASSERT_TRUE(same(back[i], third[i])) << *again;
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(read_well, 1000u);
}

}  // namespace
}  // namespace signalbox::formats
