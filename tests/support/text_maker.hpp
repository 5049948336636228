// Seeded texts as recorded files are: page after page of mostly the same series, in all spellings of numbers
// and times that the formats know, and some that they do not.
#pragma once

#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "runtime/formats/exposition.hpp"

namespace signalbox::test {

class TextMaker {
 public:
  TextMaker(std::uint64_t seed, formats::ExpositionFormat format)
      : random_(seed), openmetrics_(format == formats::ExpositionFormat::openmetrics) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::string digits(std::uint64_t most) {
    std::string out;
    for (std::uint64_t n = 1 + below(most); n > 0; --n) out += static_cast<char>('0' + below(10));
    return out;
  }
  std::string number() {
    switch (below(12)) {
      case 0: {
        static const char* const odd[] = {"NaN", "+Inf",   "-Inf", "inf",  "1e3",   "-2.5E-7", "0x1p4",
                                          ".5",  "1.",     "+7",   "-0",   "1e400", "1_0",     "",
                                          "-",   "nan(1)", "0.0",  "-0.0", "1e",    "..1"};
        return odd[below(sizeof odd / sizeof odd[0])];
      }
      case 1:
        return digits(25);
      case 2:
        return digits(12) + "." + digits(20);
      case 3:
        return fmt::format("{}", std::bit_cast<double>(random_()));
      case 4:
        return fmt::format("{}", static_cast<double>(below(1u << 30)) / 1024);
      case 5:
        return "-" + digits(6) + "." + digits(3);
      case 6:
        return fmt::format("{}", 9007199254740990 + below(6));
      case 7:
        return digits(3) + "." + digits(6);
      default:
        return std::to_string(below(1'000'000));
    }
  }
  // `tame`: one that can be read, and that lies near `second`.
  std::string time(std::int64_t second, bool tame) {
    const std::int64_t ms = second * 1000 + static_cast<std::int64_t>(below(3) == 0 ? below(1000) : 0);
    if (!tame && below(30) == 0) return below(2) == 0 ? number() : "-" + digits(4);
    if (!openmetrics_) return std::to_string(ms);
    if (ms % 1000 == 0) return std::to_string(second);
    return below(20) == 0 ? fmt::format("{}.{:03}{}", second, ms % 1000, digits(3))
                          : fmt::format("{}.{:03}", second, ms % 1000);
  }
  std::string series() {
    std::string out = below(3) == 0 ? "up" : fmt::format("m{}_total", below(4));
    const std::uint64_t labels = below(4);
    if (labels == 0) return out;
    out += '{';
    std::vector<std::string> pairs;
    for (std::uint64_t i = 0; i < labels; ++i) {
      static const char* const values[] = {"", "a", "b} 1", "é", "\\\"", "\\n", "x y", "200"};
      pairs.push_back(fmt::format("{}=\"{}\"",
                                  i == 0   ? "job"
                                  : i == 1 ? "instance"
                                           : "code",
                                  values[below(8)]));
    }
    if (below(3) == 0) std::swap(pairs.front(), pairs.back());
    for (std::size_t i = 0; i < pairs.size(); ++i) out += (i > 0 ? "," : "") + pairs[i];
    if (!openmetrics_ && below(4) == 0) out += " , ";
    return out + "}";
  }
  // Every sample has a time when it is to be `tame`, and every line is one that can be read.
  std::string text(bool tame) {
    std::vector<std::string> known;
    for (std::uint64_t n = 1 + below(6); n > 0; --n) known.push_back(series());
    std::string out;
    std::int64_t second = 1'700'000'000;
    for (std::uint64_t pages = 1 + below(tame ? 300 : 8); pages > 0; --pages) {
      second += static_cast<std::int64_t>(below(20) == 0 ? below(1000) : 15);
      if (below(40) == 0) second -= 100;
      if (below(10) == 0) out += "# HELP m some words\n";
      if (below(10) == 0) known.push_back(series());
      if (below(6) == 0) std::swap(known.front(), known[below(known.size())]);
      for (const std::string& one : known) {
        if (below(10) == 0) continue;
        std::string value = number();
        while (tame && !readable(value)) value = number();
        out += one + " " + value;
        if (tame || below(4) != 0) out += " " + time(second, tame);
        if (openmetrics_ && below(30) == 0) out += " # {t=\"x\"} 1";
        out += '\n';
      }
    }
    return openmetrics_ ? out + "# EOF\n" : out;
  }
  void damage(std::string& text) {
    for (std::uint64_t n = 1 + below(3); n > 0 && !text.empty(); --n) {
      const std::size_t at = below(text.size());
      switch (below(5)) {
        case 0:
          text[at] = static_cast<char>(below(256));
          break;
        case 1:
          text.erase(at, 1 + below(5));
          break;
        case 2:
          text.insert(at, 1, " \t\n\r\0\"\\{}#,=\xff\xc3"[below(14)]);
          break;
        case 3:
          text.resize(at);
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(20)));
          break;
      }
    }
  }

 private:
  static bool readable(const std::string& value) {
    formats::SeriesTexts texts;
    formats::ExpositionSink sink;
    sink.series = [](Labels&&) { return 0u; };
    sink.sample = [](std::uint32_t, double, std::optional<Instant>) {};
    return bool(formats::parse_exposition("m " + value + "\n", formats::ExpositionFormat::prometheus,
                                          Limits{}, 0, texts, sink));
  }
  std::mt19937_64 random_;
  bool openmetrics_;
};

}  // namespace signalbox::test
