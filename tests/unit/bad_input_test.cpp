// Texts that are no programs, by accident or on purpose: each is answered with few errors that have places,
// in time and memory that the text's size and the declared limits bound.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "compiler/lower/compile.hpp"
#include "compiler/syntax/parser.hpp"

namespace signalbox::lower {
namespace {

using source::Code;

std::string repeated(const std::string& part, std::size_t times) {
  std::string out;
  out.reserve(part.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

std::string tour() {
  std::ifstream in(std::string(SIGNALBOX_SOURCE_DIR) + "/examples/demo/demo.slo", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void expect_sound(const Compiled& compiled) {
  EXPECT_NE(compiled.plan.has_value(), compiled.diagnostics.has_errors());
  for (const source::Diagnostic& d : compiled.diagnostics.all()) {
    ASSERT_LT(d.span.file, compiled.sources.size());
    EXPECT_LE(d.span.begin, d.span.end);
    EXPECT_LE(d.span.end, compiled.sources[d.span.file].text().size());
    EXPECT_FALSE(d.message.empty());
  }
}

// Compiles, formats, and answers the one error.
std::vector<Code> errors_of(const std::string& text, const CompileOptions& options = {}) {
  const Compiled compiled = compile({{"bad.slo", text}}, options);
  expect_sound(compiled);
  source::SourceSet sources;
  source::Diagnostics diagnostics;
  (void)syntax::format_text(sources, sources.add("bad.slo", text), options.limits, diagnostics);
  std::vector<Code> out;
  for (const source::Diagnostic& d : compiled.diagnostics.all())
    if (d.level() == source::Level::error) out.push_back(d.code);
  return out;
}
using Codes = std::vector<Code>;

TEST(BadInput, TruncatedAnywhereTheTourIsOneErrorOrAProgram) {
  const std::string text = tour();
  ASSERT_GT(text.size(), 1000u);
  for (std::size_t n = 0; n < text.size(); ++n) {
    const Compiled compiled = compile({{"tour.slo", text.substr(0, n)}}, {});
    expect_sound(compiled);
    EXPECT_LE(compiled.diagnostics.errors(), 1u)
        << "cut at byte " << n << ": …" << text.substr(n > 40 ? n - 40 : 0, std::min<std::size_t>(n, 40))
        << "\n"
        << render_text(compiled.diagnostics, compiled.sources);
  }
}

TEST(BadInput, BracketsWithoutEnd) {
  for (const char* bracket : {"(", "[", "{", ")", "([{", "{ {"}) {
    EXPECT_EQ(errors_of(repeated(bracket, 10'000'000)), Codes{Code::file_too_large}) << bracket;
    CompileOptions large;
    large.limits.source_bytes = std::size_t{64} << 20;
    const Code code = std::string(bracket) == ")" ? Code::unopened_bracket : Code::nesting_too_deep;
    EXPECT_EQ(errors_of(repeated(bracket, 10'000'000), large), Codes{code}) << bracket;
    EXPECT_EQ(errors_of("let a = " + repeated(bracket, 10'000'000), large), Codes{code}) << bracket;
  }
  EXPECT_EQ(errors_of("let a = " + repeated("(", 100) + "1"), Codes{Code::unclosed_bracket});
}

TEST(BadInput, BytesThatAreNoText) {
  for (const char* bytes :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80", "\xe2\x82", "\xf0\x9f\x92"}) {
    for (const std::string& text : {bytes + std::string("\n"), "let a = 1 # " + std::string(bytes) + "\n",
                                    "slo a { about \"" + std::string(bytes) + "\" }"})
      EXPECT_EQ(errors_of(text), Codes{Code::invalid_utf8}) << text;
  }
}

TEST(BadInput, ControlCharacters) {
  EXPECT_EQ(errors_of(std::string("let a = 1\0", 10)), Codes{Code::bad_character});
  EXPECT_EQ(errors_of("let a = " + std::string(1'000'000, '\0')), Codes{Code::bad_character});
  EXPECT_EQ(errors_of("let a = 1 \x1b[31m"), (Codes{Code::unclosed_bracket}));
  const Compiled compiled = compile({{"nul.slo", std::string("let a = \0 1", 11)}}, {});
  ASSERT_EQ(compiled.diagnostics.errors(), 1u);
  EXPECT_EQ(compiled.diagnostics.all()[0].message.find('\0'), std::string::npos);
  EXPECT_EQ(errors_of(std::string("let a = m{x=\"\0\"} > 1", 20)), Codes{});
}

TEST(BadInput, OperatorsWithoutEnd) {
  EXPECT_EQ(errors_of("let a = m" + repeated(" + m", 100'000)), Codes{Code::nesting_too_deep});
  for (const char* op : {" - ", " * ", " / ", " ^ ", " mod ", " default "})
    EXPECT_EQ(errors_of("let a = m" + repeated(op + std::string("m"), 10'000)), Codes{Code::nesting_too_deep})
        << op;
  for (const char* op : {" and ", " or ", " unless "})
    EXPECT_EQ(errors_of("let a = m > 1" + repeated(op + std::string("m > 1"), 10'000)),
              Codes{Code::nesting_too_deep})
        << op;
  for (const char* prefix : {"- ", "+ ", "not ", "1% of ", "- not "})
    EXPECT_EQ(errors_of("let a = " + repeated(prefix, 100'000) + "m"), Codes{Code::nesting_too_deep})
        << prefix;
  EXPECT_EQ(errors_of("let a = m" + repeated(" offset 1s", 100'000)), Codes{Code::nesting_too_deep});
  EXPECT_EQ(errors_of("let a = m" + repeated("[1s]", 100'000)), Codes{Code::nesting_too_deep});
  EXPECT_EQ(errors_of("let a = 1 = 2"), Codes{Code::syntax});
}

// As many as may be are read, whatever stands between them; of the first one more nothing is parsed.
TEST(BadInput, OperatorsAtTheirBound) {
  EXPECT_EQ(errors_of("let a = m" + repeated(" + m", 998)), Codes{});
  EXPECT_EQ(errors_of("let a = m" + repeated(" + m", 1000)), Codes{Code::nesting_too_deep});
  EXPECT_EQ(errors_of("let a = m > 1" + repeated(" and m * m + m > 1", 990)), Codes{});
  EXPECT_EQ(errors_of(repeated("let a = m + m + m ", 2000)).size(), Limits{}.diagnostics);
  EXPECT_EQ(errors_of("slo s { indicator bad m_total of m_total - n_total  objective 99% over 30d }\n"
                      "source shop is scrape { url \"http://127.0.0.1/m\" }\n"
                      "test \"t\" { given m_total values 1" +
                      repeated(" -1", 2000) + " " + "given n_total rate 1/s expect no s pages }"),
            Codes{});
  for (const char* part :
       {" + 1", " + sum by (x) (m)", " and 1% of rate(m[5m]) > 1", " * a.page", " # no\n - 1"})
    EXPECT_EQ(errors_of("let a = 1" + repeated(part, 300'000 / std::string(part).size())),
              Codes{Code::nesting_too_deep})
        << part;
}

TEST(BadInput, LabelsAndParametersWithoutEnd) {
  std::string names;
  for (int i = 0; i < 100'000; ++i) names += (i == 0 ? "l" : ",l") + std::to_string(i);
  EXPECT_EQ(errors_of("slo a per (" + names +
                      ") max 5 { indicator bad m_total of n_total  objective 99% over 30d }"),
            Codes{Code::program_too_large});
  EXPECT_EQ(errors_of("let f(" + names + ") = 1"), Codes{});
  EXPECT_EQ(errors_of("let a = m + on (l0) group_left (" + names + ") n"), Codes{});
}

// Each `let` uses the one before twice: what is written once is worked out once.
TEST(BadInput, DoublingChainsCostWhatTheyName) {
  const auto chain = [](const std::string& first, const std::string& op, int n) {
    std::string out = "let a0 = " + first + "\n";
    for (int i = 1; i <= n; ++i)
      out += "let a" + std::to_string(i) + " = a" + std::to_string(i - 1) + " " + op + " a" +
             std::to_string(i - 1) + "\n";
    return out;
  };
  for (const std::string first : {"m{x=\"1\"}", "sum by (x) (m)", "time()", "5", "rate(m[5m])", "sum(m)"})
    EXPECT_EQ(errors_of(chain(first, "+", 80)), Codes{}) << first;
  for (const std::string first : {"m > 1", "sum by (x) (m) > 1", "time() > 5s", "1 > 2"})
    EXPECT_EQ(errors_of(chain(first, "and", 80)), Codes{}) << first;
  EXPECT_EQ(
      errors_of(chain("m_total", "+", 40) + "slo s { indicator bad a40 of a40  objective 99% over 30d }"),
      Codes{});
  EXPECT_EQ(errors_of(chain("max(m) > 1", "and", 40) +
                      "slo s { indicator slices of 1m where a40  objective 99% over 30d }"),
            Codes{});
  EXPECT_EQ(errors_of(chain("m", "+", 5000)), Codes{Code::nesting_too_deep});

  std::string calls = "let f0(x) = x + x\n";
  for (int i = 1; i <= 30; ++i)
    calls += "let f" + std::to_string(i) + "(x) = f" + std::to_string(i - 1) + "(f" + std::to_string(i - 1) +
             "(x))\n";
  CompileOptions small;
  small.limits.plan_nodes = 10'000;
  EXPECT_EQ(errors_of(calls + "let a = f30(m)", small).size(), 1u);
}

TEST(BadInput, LetsWithoutEnd) {
  std::string chain = "let a0 = m\n", circle, many;
  for (int i = 1; i <= 20'000; ++i)
    chain += "let a" + std::to_string(i) + " = a" + std::to_string(i - 1) + " + 1\n";
  EXPECT_EQ(errors_of(chain), Codes{Code::nesting_too_deep});
  for (int i = 0; i < 2000; ++i)
    circle += "let a" + std::to_string(i) + " = a" + std::to_string((i + 1) % 2000) + " + 1\n";
  EXPECT_EQ(errors_of(circle).size(), 1u);
  for (int i = 0; i < 20'000; ++i) many += "let a = 1\n";
  const Compiled compiled = compile({{"bad.slo", many}}, {});
  EXPECT_EQ(compiled.diagnostics.errors(), 19'999u);
  EXPECT_EQ(compiled.diagnostics.all().size(), Limits{}.diagnostics);
  EXPECT_EQ(compiled.diagnostics.dropped(), 19'999u - Limits{}.diagnostics);
}

TEST(BadInput, SlosWithoutEnd) {
  const auto slos = [](int n, bool circle) {
    std::string out;
    for (int i = 0; i < n; ++i) {
      const std::string read = i + 1 < n ? "s" + std::to_string(i + 1) : circle ? "s0" : "";
      out += "slo s" + std::to_string(i) + " { indicator " +
             (read.empty() ? "bad m_total of n_total" : "slices of 1m where " + read + ".burn(5m) > 3") +
             "  objective 99% over 30d }\n";
    }
    return out;
  };
  EXPECT_EQ(errors_of(slos(300, false)), Codes{});
  EXPECT_EQ(errors_of(slos(20'000, false)), Codes{Code::nesting_too_deep});
  EXPECT_EQ(errors_of(slos(300, true)), Codes{Code::cyclic_slo});
}

TEST(BadInput, ModulesWithoutEnd) {
  CompileOptions options;
  options.loader = [](const std::string& module) { return "use " + module + "x\nlet a = 1\n"; };
  EXPECT_EQ(errors_of("use a", options), Codes{Code::program_too_large});
  options.loader = [](const std::string& module) { return module == "a" ? "use b\n" : "use a\n"; };
  EXPECT_EQ(errors_of("use a", options), Codes{Code::cyclic_use});
  options.loader = [](const std::string&) { return std::nullopt; };
  EXPECT_EQ(errors_of("use a", options), Codes{Code::unknown_module});
  options.loader = [](const std::string&) { return std::string("\xff"); };
  EXPECT_EQ(errors_of("use a", options), Codes{Code::invalid_utf8});
}

TEST(BadInput, AFaultInsideACalledLetSaysWhereItIsCalled) {
  const std::string text = "let f(x) = rate(x)\nlet g(x) = f(x) > 1\nlet a = g(up)\n";
  const Compiled compiled = compile({{"bad.slo", text}}, {});
  ASSERT_EQ(compiled.diagnostics.errors(), 1u);
  const source::Diagnostic& d = compiled.diagnostics.all()[0];
  ASSERT_EQ(d.notes.size(), 2u);
  EXPECT_EQ(compiled.sources.text(d.notes[0].span), "f(x)");
  EXPECT_EQ(compiled.sources.text(d.notes[1].span), "g(up)");
}

// A hundred thousand faults are read as quickly as a hundred thousand words.
TEST(BadInput, FaultsWithoutEnd) {
  for (const char* part : {"slos ", "let ", "slo a { ", "} ", "5min ", "$ ", "\" ", ", ", "page ",
                           "let a = foo(m)\n", "let a = m.n\n", "slo a { when }\n",
                           "slo a { owner owner owner }\n", "let a = sum by x (m)\n", ": "}) {
    const Compiled compiled = compile({{"bad.slo", repeated(part, 20'000)}}, {});
    expect_sound(compiled);
    EXPECT_GE(compiled.diagnostics.errors(), 1u) << part;
    EXPECT_LE(compiled.diagnostics.all().size(), Limits{}.diagnostics);
    EXPECT_FALSE(render_text(compiled.diagnostics, compiled.sources).empty());
    EXPECT_FALSE(render_json(compiled.diagnostics, compiled.sources).empty());
  }
  EXPECT_EQ(errors_of(repeated("let a = m{x=\"1\"} + \n", 20'000)).size(), Limits{}.diagnostics);
}

TEST(BadInput, OneLineOfManyThings) {
  std::string lets;
  for (int i = 0; i < 50'000; ++i) lets += "let é" + std::to_string(i) + " = m ";
  EXPECT_FALSE(errors_of(lets).empty());
  std::string line;
  for (int i = 0; i < 50'000; ++i)
    line += "let a" + std::to_string(i) + " = sum(m" + std::to_string(i) + ") > " + std::to_string(i) + " ";
  EXPECT_EQ(errors_of(line), Codes{});
  EXPECT_EQ(errors_of("let a = \"" + std::string(3'000'000, 'x') + "\""), Codes{});
  EXPECT_EQ(errors_of("let a = " + std::string(3'000'000, 'x')), Codes{});
  EXPECT_EQ(errors_of("let a = " + std::string(3'000'000, '1')), Codes{Code::bad_number});
  EXPECT_EQ(errors_of("# " + std::string(3'000'000, 'x')), Codes{});
  EXPECT_EQ(errors_of(""), Codes{});
}

TEST(BadInput, Queries) {
  for (const std::string& text :
       {std::string(), std::string("\xff"), repeated("(", 100'000), "m" + repeated(" + m", 100'000),
        std::string("m \0", 3), std::string("m{"), std::string("rate("), std::string("slo a { }"),
        repeated("1% of ", 100'000) + "m"}) {
    const CompiledQuery query = compile_query(text, {});
    EXPECT_FALSE(query.plan);
    EXPECT_EQ(query.diagnostics.errors(), 1u)
        << text.substr(0, 100) << "\n"
        << render_text(query.diagnostics, query.sources).substr(0, 2000);
    for (const source::Diagnostic& d : query.diagnostics.all()) EXPECT_LE(d.span.end, text.size());
  }
}

}  // namespace
}  // namespace signalbox::lower
