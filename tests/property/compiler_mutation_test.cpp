// Programs of the corpus, damaged at random: whatever comes of it, the compiler answers, every fault has a
// place in the text, what can be formatted has one form, and a plan is a sound one. Seeded: a failure names
// its seed.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "compiler/syntax/parser.hpp"
#include "runtime/plan/check_plan.hpp"
#include "tests/support/corpus_file.hpp"

namespace signalbox::test {
namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t n) {
  return n == 0 ? 0 : static_cast<std::size_t>(random() % n);
}

std::vector<std::string> texts() {
  std::vector<std::string> out;
  for (const char* folder : {"/tests/corpus", "/examples", "/stdlib"})
    for (const auto& path : corpus_paths(std::string(SIGNALBOX_SOURCE_DIR) + folder)) {
      const CorpusFile file = read_corpus_file(path);
      // The deep ones are slow to read and are tested on their own.
      if (file.text.size() < 6000) out.push_back(file.inputs[0].text);
    }
  return out;
}

// Words and signs as the lexer roughly sees them, with what stands between them.
std::vector<std::string> pieces(const std::string& text) {
  const auto word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '%';
  };
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t n = 1;
    while (word(text[i]) && i + n < text.size() && word(text[i + n])) ++n;
    out.push_back(text.substr(i, n));
    i += n;
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

const std::vector<std::string> oddities = {
    "(",    ")",       "{",     "}",     "[",     "]",     ",",      "=",     "==",        "=~",
    "\"",   "'",       "`",     "#",     "\n",    "\\",    "-",      "^",     " of ",      "100%",
    "5m",   "0",       "1e308", " and ", " for ", " not ", " by ",   ":",     ";",         "%",
    "&",    " since ", "done",  "\0x",   "é",     "\xff",  " page ", " let ", " default ", " in ",
    " at ", " burn ",  " is ",  " on ",  "..",    "0s",    "1G",     "\t",    "\r\n",      "remaining"};

std::string mutate(const std::string& text, const std::vector<std::string>& others, Random& random) {
  std::vector<std::string> parts = pieces(text);
  const std::size_t times = 1 + below(random, 4);
  for (std::size_t k = 0; k < times && !parts.empty(); ++k) {
    const std::size_t at = below(random, parts.size());
    switch (below(random, 8)) {
      case 0:
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 1:
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(at), parts[below(random, parts.size())]);
        break;
      case 2:
        std::swap(parts[at], parts[below(random, parts.size())]);
        break;
      case 3:
        parts[at] = oddities[below(random, oddities.size())];
        break;
      case 4:
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(at),
                     oddities[below(random, oddities.size())]);
        break;
      case 5:
        parts[at][below(random, parts[at].size())] = static_cast<char>(random());
        break;
      case 6:
        parts.resize(at);
        break;
      default: {  // a stretch of another program
        const std::vector<std::string> other = pieces(others[below(random, others.size())]);
        const std::size_t from = below(random, other.size()),
                          n = std::min(other.size() - from, below(random, 12));
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(at),
                     other.begin() + static_cast<std::ptrdiff_t>(from),
                     other.begin() + static_cast<std::ptrdiff_t>(from + n));
      }
    }
  }
  return joined(parts);
}

testing::AssertionResult sound(const std::string& text) {
  const auto fault = [&](const std::string& what) {
    return testing::AssertionFailure() << what << "\n--- the text\n" << text << "\n---";
  };
  const lower::Compiled compiled = lower::compile({{"mutant.slo", text}}, {});
  if (compiled.plan.has_value() == compiled.diagnostics.has_errors())
    return fault("a plan and errors, or neither");
  for (const source::Diagnostic& d : compiled.diagnostics.all()) {
    if (d.message.empty()) return fault("a diagnostic without a message");
    if (d.span.file >= compiled.sources.size() || d.span.begin > d.span.end ||
        d.span.end > compiled.sources[d.span.file].text().size())
      return fault("no place in the text: " + d.message);
  }
  (void)render_text(compiled.diagnostics, compiled.sources);
  if (compiled.plan) {
    if (const auto wrong = plan::find_fault(*compiled.plan)) return fault("not a sound plan: " + *wrong);
    const auto back = plan::from_bytes(plan::to_bytes(*compiled.plan, true));
    if (!back) return fault("the plan's bytes cannot be read: " + back.error().message);
  }
  source::SourceSet sources;
  source::Diagnostics diagnostics;
  const auto once = syntax::format_text(sources, sources.add("a", text), {}, diagnostics);
  if (!once) return testing::AssertionSuccess();
  const auto twice = syntax::format_text(sources, sources.add("b", *once), {}, diagnostics);
  if (!twice) return fault("the formatted text does not parse:\n" + *once);
  if (*twice != *once) return fault("formatting again changes it:\n" + *once + "--- to\n" + *twice);
  if (comments_of(*once) != comments_of(text)) return fault("formatting changes the comments:\n" + *once);
  if (compiled.plan) {
    const lower::Compiled again = lower::compile({{"mutant.slo", *once}}, {});
    if (!again.plan || plan::digest(*again.plan) != plan::digest(*compiled.plan))
      return fault("formatting changes the plan:\n" + *once);
  }
  return testing::AssertionSuccess();
}

TEST(CompilerMutation, DamagedProgramsAreAnswered) {
  const std::vector<std::string> programs = texts();
  ASSERT_GT(programs.size(), 100u);
  const char* first = std::getenv("SIGNALBOX_SEED");
  const char* count = std::getenv("SIGNALBOX_RUNS");
  const std::uint64_t from = first == nullptr ? 0 : std::strtoull(first, nullptr, 10);
  const std::uint64_t runs = count == nullptr ? 4000 : std::strtoull(count, nullptr, 10);
  for (std::uint64_t seed = from; seed < from + runs; ++seed) {
    Random random(seed);
    const std::string text = mutate(programs[below(random, programs.size())], programs, random);
    ASSERT_TRUE(sound(text)) << "seed " << seed;
  }
}

// What the lexer alone can be given: words and signs in no order at all.
TEST(CompilerMutation, WordsInNoOrderAreAnswered) {
  const std::vector<std::string> programs = texts();
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    Random random(seed);
    std::string text = below(random, 2) == 0 ? "let a = " : "slo a { ";
    for (std::size_t n = below(random, 40); n > 0; --n) {
      const std::vector<std::string> parts = pieces(programs[below(random, programs.size())]);
      text += parts[below(random, parts.size())] + (below(random, 3) == 0 ? "" : " ");
    }
    ASSERT_TRUE(sound(text)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace signalbox::test
