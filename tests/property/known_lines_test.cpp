// Lines of known series are read in a shorter way. Whatever they say, it must be what reading each line as if
// it were the only one says: the same samples to the bit, and the same fault.
#include <gtest/gtest.h>

#include <bit>

#include "runtime/formats/plain_number.hpp"
#include "runtime/sources/file.hpp"
#include "runtime/sources/ingest.hpp"
#include "tests/support/exposition_samples.hpp"
#include "tests/support/same_store.hpp"
#include "tests/support/text_maker.hpp"

namespace signalbox {
namespace {

using formats::ExpositionFormat;
using formats::ExpositionSample;
using test::TextMaker;

struct Reading {
  std::vector<ExpositionSample> samples;
  Result<void> result;
};

// One line at a time, each by a reader of its own.
Reading line_by_line(std::string_view text, ExpositionFormat format) {
  Reading out;
  const auto say = [&](std::size_t line, std::size_t column, const char* what) {
    out.result = Error{ErrorCode::malformed, fmt::format("line {}, column {}: {}", line, column, what)};
    return out;
  };
  const bool openmetrics = format == ExpositionFormat::openmetrics;
  const auto take = [&](ExpositionSample&& s) { out.samples.push_back(std::move(s)); };
  if (formats::looks_like_html(text)) {
    out.result = test::read_samples(text, format, Limits{}, 0, take);
    return out;
  }
  std::size_t line = 0;
  std::string before;
  bool ended = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = std::min(text.find('\n', at), text.size());
    const std::string_view one = text.substr(at, newline - at);
    ++line;
    if (ended) return say(line, 1, "text after '# EOF'");
    ended = openmetrics && one == "# EOF";
    if (!ended) {
      const std::string alone = before + std::string(one) + (openmetrics ? "\n# EOF\n" : "");
      out.result = test::read_samples(alone, format, Limits{}, 0, take);
      if (!out.result) return out;
    }
    before += "# HELP a b\n";
    at = newline + 1;
    if (openmetrics && !ended && at > text.size())
      return say(line, one.size() + 1, "the text ends without '# EOF': it was cut off");
  }
  if (openmetrics && !ended) return say(line + 1, 1, "the text ends without '# EOF': it was cut off");
  return out;
}

class Together {
 public:
  Reading read(std::string_view text, ExpositionFormat format, TextMaker* cut) {
    Reading out;
    formats::ExpositionSink sink;
    sink.series = [&](Labels&& labels) {
      series_.push_back(std::move(labels));
      return static_cast<std::uint32_t>(series_.size() - 1);
    };
    sink.sample = [&](std::uint32_t of, double value, std::optional<Instant> time) {
      out.samples.push_back({series_[of], value, time});
    };
    formats::ExpositionReader reader(format, limits_, 0, texts_, sink);
    while (!text.empty() && out.result) {
      const std::size_t size =
          cut == nullptr ? text.size()
                         : std::min<std::size_t>(1 + cut->below(cut->below(2) ? 20 : 2000), text.size());
      // On the heap and exactly so long: a sanitizer sees a look past its end.
      const std::vector<char> piece(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      out.result = reader.feed({piece.data(), piece.size()});
      text.remove_prefix(size);
    }
    if (out.result) out.result = reader.finish();
    return out;
  }

 private:
  Limits limits_;
  std::vector<Labels> series_;
  formats::SeriesTexts texts_;
};

void expect_same(const Reading& a, const Reading& b, const std::string& text) {
  ASSERT_EQ(bool(a.result), bool(b.result))
      << text << (a.result ? "" : a.result.error().message) << (b.result ? "" : b.result.error().message);
  if (!a.result) {
    ASSERT_EQ(a.result.error().message, b.result.error().message) << text;
    ASSERT_EQ(a.result.error().code, b.result.error().code);
  }
  ASSERT_EQ(a.samples.size(), b.samples.size()) << text;
  for (std::size_t i = 0; i < a.samples.size(); ++i) {
    ASSERT_EQ(a.samples[i].labels, b.samples[i].labels) << i << "\n" << text;
    ASSERT_EQ(a.samples[i].time, b.samples[i].time) << i << "\n" << text;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(a.samples[i].value),
              std::bit_cast<std::uint64_t>(b.samples[i].value))
        << i << "\n"
        << text;
  }
}

TEST(KnownLines, SayWhatLinesAloneSay) {
  std::size_t good = 0, bad = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const auto format = seed % 2 == 0 ? ExpositionFormat::openmetrics : ExpositionFormat::prometheus;
    TextMaker maker(seed, format);
    std::string text = maker.text(false);
    if (maker.below(3) == 0) maker.damage(text);
    const Reading alone = line_by_line(text, format);
    (alone.result ? good : bad) += 1;
    Together together;
    expect_same(alone, together.read(text, format, nullptr), text);
    expect_same(alone, together.read(text, format, &maker), text);
    // What the other format taught must not help.
    const auto other = seed % 2 == 0 ? ExpositionFormat::prometheus : ExpositionFormat::openmetrics;
    (void)together.read(text, other, nullptr);
    expect_same(alone, together.read(text, format, &maker), text);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(good, 500u);
  EXPECT_GT(bad, 500u);
}

TEST(KnownLines, MakeTheStoreThatSamplesOneByOneMake) {
  std::size_t chunks = 0, births = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const auto format = seed % 2 == 0 ? ExpositionFormat::openmetrics : ExpositionFormat::prometheus;
    TextMaker maker(seed, format);
    const std::string first = maker.text(true), second = maker.text(true);
    std::vector<sources::LoadedSeries> series;
    std::map<Labels, std::size_t> index;
    for (const std::string& text : {first, second}) {
      const Result<void> read = test::read_samples(text, format, Limits{}, 0, [&](ExpositionSample&& s) {
        const auto at = index.try_emplace(s.labels, series.size()).first->second;
        if (at == series.size()) series.push_back({s.labels, {}, {}});
        series[at].times.push_back(s.time->ms);
        series[at].values.push_back(s.value);
      });
      ASSERT_TRUE(read) << read.error().message << "\n" << text;
    }
    const Limits limits;
    store::SeriesStore one_by_one(limits), together(limits);
    const auto expected = sources::store_loaded(std::move(series), {}, one_by_one);
    ASSERT_TRUE(expected);
    sources::Recording recording(limits);
    for (const std::string& text : {first, second}) {
      const auto added = recording.add(sources::text_in_memory(text));
      ASSERT_TRUE(added) << added.error().message;
    }
    const auto loaded = std::move(recording).load(together);
    ASSERT_TRUE(loaded);
    ASSERT_EQ(test::difference(one_by_one, together), "") << "seed " << seed;
    EXPECT_EQ(loaded->series, expected->series);
    EXPECT_EQ(loaded->samples, expected->samples);
    EXPECT_EQ(loaded->first, expected->first);
    EXPECT_EQ(loaded->last, expected->last);
    for (store::SeriesId id = 0; id < together.series_count(); ++id) {
      chunks += together.view(id)->column->chunks.size();
      births += together.view(id)->births->size();
    }
    // Into a store that has those series already: nothing is new.
    sources::Recording again(limits);
    for (const std::string& text : {first, second}) ASSERT_TRUE(again.add(sources::text_in_memory(text)));
    const auto nothing = std::move(again).load(together);
    ASSERT_TRUE(nothing);
    EXPECT_EQ(nothing->samples, 0u);
    ASSERT_EQ(test::difference(one_by_one, together), "") << "seed " << seed;
  }
  EXPECT_GT(chunks, 500u);
  EXPECT_GT(births, 100u);
}

// Scrapes: the same pages, and those pages with blanks that no page before had.
TEST(KnownLines, OfScrapesMakeTheStoreThatNewTextsMake) {
  std::size_t ends = 0, births = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    TextMaker maker(seed, ExpositionFormat::prometheus);
    const Limits limits;
    store::SeriesStore known_store(limits), new_store(limits);
    sources::PageIngest known(known_store, "j", "i", limits), fresh(new_store, "j", "i", limits);
    std::vector<std::string> series;
    for (int n = 0; n < 6; ++n)
      series.push_back(fmt::format("m{}{{a=\"{}\"", maker.below(3), maker.below(6)));
    Instant at{1'700'000'000'000};
    for (int page = 0; page < 40; ++page) {
      at = at + seconds(15);
      std::string text, other;
      const std::string blanks(static_cast<std::size_t>(page), ' ');
      for (const std::string& one : series) {
        if (maker.below(8) == 0) continue;
        std::string rest = fmt::format("}} {}", maker.below(1000));
        if (maker.below(4) == 0)
          rest += fmt::format(" {}", at.ms - 20'000 + static_cast<int>(maker.below(22'000)));
        text += one + rest + "\n";
        other += one + blanks + rest + "\n";
      }
      if (maker.below(12) == 0) text += "broken\n", other += "broken\n";
      std::size_t future = 0, other_future = 0;
      const bool taken = bool(known.page(at, "", text, &future));
      ASSERT_EQ(taken, bool(fresh.page(at, "", other, &other_future)));
      ASSERT_EQ(future, other_future);
      if (!taken || maker.below(20) == 0) {
        known.failed(at);
        fresh.failed(at);
      }
      if (maker.below(10) == 0) {
        const Instant horizon = at - seconds(60);
        known_store.retain_from(horizon);
        new_store.retain_from(horizon);
      }
    }
    ASSERT_EQ(test::difference(known_store, new_store, true), "") << "seed " << seed;
    for (store::SeriesId id = 0; id < 10; ++id)
      if (const auto view = known_store.view(id)) {
        ends += view->ends->size();
        births += view->births->size();
      }
  }
  EXPECT_GT(ends, 100u);
  EXPECT_GT(births, 100u);
}

TEST(PlainNumbers, AreWhatTheGeneralReaderReads) {
  TextMaker maker(1, ExpositionFormat::openmetrics);
  std::size_t plain = 0;
  for (int i = 0; i < 400'000; ++i) {
    const std::string text = maker.number();
    std::string padded = text + "\n";
    padded.resize(text.size() + formats::plain_reach, 'x');
    const char* p = padded.data();
    double value = 0;
    const bool read = formats::plain_value(p, value) && *p == '\n';
    const auto general = formats::parse_sample_value(text);
    if (read) {
      ASSERT_TRUE(general) << text;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(value), std::bit_cast<std::uint64_t>(*general)) << text;
      ++plain;
    }
    for (const bool seconds : {true, false}) {
      std::int64_t ms = 0;
      p = padded.data();
      if (!(seconds ? formats::plain_seconds(p, ms) : formats::plain_ms(p, ms)) || *p != '\n') continue;
      ASSERT_EQ(seconds ? formats::parse_seconds_as_ms(text) : formats::parse_whole_ms(text), ms) << text;
    }
  }
  EXPECT_GT(plain, 200'000u);
}

}  // namespace
}  // namespace signalbox
