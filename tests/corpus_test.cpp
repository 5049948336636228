// Every program of tests/corpus says in comments what must come of it (tests/support/corpus_file.hpp); here
// it is held to that: its diagnostics and no others, its thresholds, its values under every tier, its form,
// its plan.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <set>

#include "compiler/syntax/parser.hpp"
#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/plan/check_plan.hpp"
#include "tests/support/corpus_file.hpp"
#include "tests/support/rehearsals.hpp"

namespace signalbox::test {
namespace {

namespace fs = std::filesystem;
using source::Diagnostic;

const fs::path root = SIGNALBOX_SOURCE_DIR;

// The programs that have to be in order besides the corpus'.
std::vector<fs::path> shipped_programs() {
  std::vector<fs::path> out;
  for (const char* folder : {"stdlib", "examples"})
    for (const fs::path& path : corpus_paths(root / folder)) out.push_back(path);
  return out;
}

std::string name_of(const fs::path& path) {
  std::string name = fs::relative(path, root).replace_extension("").string();
  for (const char* prefix : {"tests/corpus/"})
    if (name.rfind(prefix, 0) == 0) name.erase(0, std::string(prefix).size());
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

std::vector<fs::path> corpus_where(bool (*wanted)(const CorpusFile&)) {
  std::vector<fs::path> out;
  for (const fs::path& path : corpus_paths(root / "tests/corpus"))
    if (wanted(read_corpus_file(path))) out.push_back(path);
  return out;
}

class Corpus : public testing::TestWithParam<fs::path> {};
INSTANTIATE_TEST_SUITE_P(Program, Corpus, testing::ValuesIn(corpus_paths(root / "tests/corpus")),
                         [](const auto& of) { return name_of(of.param); });

class Values : public testing::TestWithParam<fs::path> {};
INSTANTIATE_TEST_SUITE_P(Program, Values, testing::ValuesIn(corpus_where([](const CorpusFile& file) {
                           return !file.evals.empty() || !file.thetas.empty();
                         })),
                         [](const auto& of) { return name_of(of.param); });

class Rehearsed : public testing::TestWithParam<fs::path> {};
INSTANTIATE_TEST_SUITE_P(Program, Rehearsed, testing::ValuesIn(corpus_where([](const CorpusFile& file) {
                           return file.expects_tests;
                         })),
                         [](const auto& of) { return name_of(of.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Rehearsed);

class Program : public testing::TestWithParam<fs::path> {};
std::vector<fs::path> all_programs() {
  std::vector<fs::path> out = corpus_paths(root / "tests/corpus");
  for (const fs::path& path : shipped_programs()) out.push_back(path);
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, Program, testing::ValuesIn(all_programs()),
                         [](const auto& of) { return name_of(of.param); });

// ---- Diagnostics
// ------------------------------------------------------------------------------------------------

bool matches(const ExpectedDiagnostic& expected, const Diagnostic& d, const source::SourceSet& sources,
             const std::string& main_file) {
  const source::SourceText& text = sources[d.span.file];
  const source::Position at = text.position(d.span.begin);
  return expected.code == source::code_name(d.code) &&
         expected.error == (d.level() == source::Level::error) && expected.line == at.line &&
         expected.column == at.column &&
         text.name() == (expected.module.empty() ? main_file : expected.module) &&
         d.message.find(expected.message) != std::string::npos &&
         d.hint.find(expected.hint) != std::string::npos;
}

TEST_P(Corpus, SaysWhatIsStatedAndNoMore) {
  const CorpusFile file = read_corpus_file(GetParam());
  for (const std::string& fault : file.faults) ADD_FAILURE() << "not a directive: " << fault;
  const bool expects_errors =
      std::any_of(file.diagnostics.begin(), file.diagnostics.end(), [](const auto& d) { return d.error; });
  ASSERT_NE(file.expects_ok, expects_errors) << "it says neither `expect: ok` nor which error, or both";
  const lower::Compiled compiled = compile_corpus(file);
  const std::string said = render_text(compiled.diagnostics, compiled.sources);
  EXPECT_EQ(compiled.plan.has_value(), file.expects_ok) << said;
  EXPECT_EQ(compiled.diagnostics.dropped(), 0u);
  std::vector<ExpectedDiagnostic> open = file.diagnostics;
  for (const Diagnostic& d : compiled.diagnostics.all()) {
    const auto found = std::find_if(open.begin(), open.end(), [&](const ExpectedDiagnostic& e) {
      return matches(e, d, compiled.sources, file.inputs[0].name);
    });
    if (found != open.end())
      open.erase(found);
    else
      ADD_FAILURE() << "not stated: " << code_name(d.code) << ": " << d.message << " (" << d.hint << ")\n"
                    << said;
    EXPECT_FALSE(d.message.empty());
    EXPECT_LE(d.span.begin, d.span.end);
    EXPECT_LE(d.span.end, compiled.sources[d.span.file].text().size());
  }
  for (const ExpectedDiagnostic& e : open)
    ADD_FAILURE() << "not said: " << e.code << " at " << e.line << ":" << e.column << "\n" << said;
}

// ---- Values
// -----------------------------------------------------------------------------------------------------

std::string row_text(const eval::Column& column, std::size_t row, bool condition) {
  const auto evidence = static_cast<plan::Evidence>(column.evidence[row]);
  const Labels& labels = (*column.rows)[row];
  std::string out = labels.empty() ? "" : to_string(labels) + " ";
  if (evidence != plan::Evidence::value) return out + std::string(evidence_name(evidence));
  return out + (condition ? column.number(row) != 0 ? "true" : "false" : shortest(column.number(row)));
}

bool row_matches(const std::string& expected, const std::string& row) {
  const std::size_t tilde = expected.rfind('~');
  if (tilde != std::string::npos) {
    if (row.size() <= tilde || row.compare(0, tilde, expected, 0, tilde) != 0) return false;
    const double want = std::strtod(expected.c_str() + tilde + 1, nullptr),
                 is = std::strtod(row.c_str() + tilde, nullptr);
    return std::fabs(is - want) <= std::fabs(want) * 1e-9;
  }
  static const std::string ellipsis = "…";
  if (expected.size() > ellipsis.size() && expected.substr(expected.size() - ellipsis.size()) == ellipsis)
    return row.rfind(expected.substr(0, expected.size() - ellipsis.size()), 0) == 0;
  return expected == row;
}

std::vector<std::string> split_rows(const std::string& text) {
  std::vector<std::string> out;
  if (text == "nothing") return out;
  std::size_t at = 0;
  for (std::size_t bar = text.find(" | "); bar != std::string::npos; bar = text.find(" | ", at)) {
    out.push_back(text.substr(at, bar - at));
    at = bar + 3;
  }
  out.push_back(text.substr(at));
  return out;
}

struct TierRow {
  const char* name;
  eval::Tier tier;
};
std::vector<TierRow> tiers() {
#ifdef SIGNALBOX_JIT_PATH
  return {{"interpreted", eval::Tier::interpreter}, {"compiled", eval::Tier::compiled}};
#else
  return {{"interpreted", eval::Tier::interpreter}};
#endif
}

Result<std::unique_ptr<eval::KernelCompiler>> load_compiler() {
#ifdef SIGNALBOX_JIT_PATH
  return eval::load_kernel_compiler(SIGNALBOX_JIT_PATH, Limits{});
#else
  return Error{ErrorCode::not_found, "this build has none"};
#endif
}

void zero_without_value(const eval::Column& column) {
  for (std::size_t row = 0; row < column.size(); ++row) {
    if (column.evidence[row] == 0) continue;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(column.number(row)), 0u) << to_string((*column.rows)[row]);
  }
}

// The column of `node` at the stated instant; holds have seen every tick since `from`.
eval::Column column_of(const plan::Plan& plan, plan::Index node, const CorpusFile& file, const CorpusEval& e,
                       Semantics semantics, eval::Tier tier, store::SeriesStore& store) {
  eval::StoreProvider leaves(store);
  eval::ShapeRunner shapes(plan, tier, load_compiler,
                           [](const Error& error) { ADD_FAILURE() << error.message; });
  eval::HoldTable holds;
  eval::Anchors anchors;
  for (const plan::Target& target : plan.targets) {
    const auto deploy = file.deploys.find(target.name);
    anchors.deploys.push_back(
        {deploy == file.deploys.end() ? std::nullopt : std::optional(deploy->second), {}});
  }
  anchors.done = file.done;
  const auto cache = eval::make_eval_cache();
  for (Instant at = e.from.value_or(e.at);; at = at + e.every) {
    eval::Evaluation evaluation({&plan, &leaves, &shapes, semantics, at, anchors, "",
                                 e.from ? &holds : nullptr, cache, nullptr, plan::none, nullptr, nullptr});
    const eval::Column& column = evaluation.column(node);
    if (at < e.at) continue;
    zero_without_value(column);
    for (plan::Index leaf = 0; leaf < plan.nodes.size(); ++leaf)
      if (plan.nodes[leaf].kind == plan::NodeKind::leaf) zero_without_value(evaluation.column(leaf));
    return column;
  }
}

plan::Index named_node(const plan::Plan& plan, const std::string& name) {
  const std::size_t dot = name.find('.');
  const std::string head = name.substr(0, dot), part = dot == std::string::npos ? "" : name.substr(dot + 1);
  for (const plan::Slo& slo : plan.slos) {
    if (slo.name != head) continue;
    if (part == "spent") return slo.spent;
    if (part == "seen") return slo.seen;
    if (part == "coverage") return slo.coverage;
    if (part == "universe") return slo.universe;
    if (part.rfind("row", 0) == 0 && part.size() > 3) {
      const std::size_t row = static_cast<std::size_t>(part[3] - '0');
      if (row >= slo.rows.size()) return plan::none;
      if (part.size() == 4) return slo.rows[row].condition;
      if (part.substr(4) == ".long") return slo.rows[row].long_ratio;
      if (part.substr(4) == ".clipped") return slo.rows[row].clipped;
    }
  }
  for (const plan::Policy& policy : plan.policies) {
    if (policy.name != head) continue;
    if (part == "when") return policy.when;
    if (part == "verify") return policy.verify.condition;
  }
  for (const plan::Target& target : plan.targets)
    if (target.name == head && part == "deployed") return target.deployed;
  return plan::none;
}

TEST_P(Values, AreTheStatedOnesUnderEveryTier) {
  const CorpusFile file = read_corpus_file(GetParam());
  const lower::Compiled compiled = compile_corpus(file);
  ASSERT_TRUE(compiled.plan) << "values are stated of a program that compiles";
  for (const auto& [where, theta] : file.thetas) {
    const auto slo = std::find_if(compiled.plan->slos.begin(), compiled.plan->slos.end(),
                                  [&](const auto& s) { return s.name == where.first; });
    ASSERT_NE(slo, compiled.plan->slos.end()) << where.first;
    ASSERT_LT(where.second, slo->rows.size());
    EXPECT_EQ(shortest(slo->rows[where.second].theta), theta);
  }
  store::SeriesStore store{Limits{}};
  for (const CorpusSeries& series : file.series) {
    const auto id = store.series(series.labels);
    ASSERT_TRUE(id);
    for (const auto& sample : series.samples) ASSERT_TRUE(store.append(*id, sample.time, sample.value));
  }
  for (const CorpusEval& e : file.evals) {
    lower::CompileOptions options;
    options.params = file.params;
    lower::CompiledQuery query;
    plan::Plan plan = *compiled.plan;
    plan::Index node = plan::none;
    if (e.node) {
      node = named_node(plan, e.what);
      ASSERT_NE(node, plan::none) << e.what;
    } else {
      query = lower::compile_query(e.what, options);
      ASSERT_TRUE(query.plan) << e.what << "\n" << render_text(query.diagnostics, query.sources);
      plan = *query.plan;
      node = query.root;
    }
    plan.tick = e.every;
    for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3}) {
      if (e.semantics && *e.semantics != semantics) continue;
      for (const TierRow& tier : tiers()) {
        const eval::Column column = column_of(plan, node, file, e, semantics, tier.tier, store);
        std::vector<std::string> rows;
        for (std::size_t i = 0; i < column.size(); ++i)
          rows.push_back(row_text(column, i, plan.nodes[node].condition));
        std::sort(rows.begin(), rows.end());
        std::vector<std::string> expected = split_rows(e.rows);
        std::sort(expected.begin(), expected.end());
        std::string all;
        for (const std::string& row : rows) all += (all.empty() ? "" : " | ") + row;
        bool same = rows.size() == expected.size();
        for (std::size_t i = 0; same && i < rows.size(); ++i) same = row_matches(expected[i], rows[i]);
        EXPECT_TRUE(same) << e.what << " at " << to_string(e.at - Instant{}) << ", semantics "
                          << static_cast<int>(semantics) << ", " << tier.name << "\n  is     "
                          << (all.empty() ? "nothing" : all) << "\n  not    " << e.rows;
      }
    }
  }
}

TEST_P(Rehearsed, PassesItsOwnTests) {
  const CorpusFile file = read_corpus_file(GetParam());
  const lower::Compiled compiled = compile_corpus(file);
  ASSERT_TRUE(compiled.plan);
  EXPECT_FALSE(compiled.rehearsals.empty());
  for (const TierRow& tier : tiers()) {
    const auto failures = run_rehearsals(compiled, tier.tier, load_compiler);
    if (!failures) GTEST_SKIP() << "no engine in this build";
    for (const std::string& failure : *failures) ADD_FAILURE() << tier.name << ": " << failure;
  }
}

// ---- Plans, the grammar and the one form
// ------------------------------------------------------------------------

lower::Compiled compile_text(const CorpusFile& file, std::string main) {
  CorpusFile changed = file;
  changed.inputs[0].text = std::move(main);
  return compile_corpus(changed);
}

TEST_P(Program, PlanIsSoundAndTravels) {
  const CorpusFile file = read_corpus_file(GetParam());
  const lower::Compiled compiled = compile_corpus(file);
  if (!compiled.plan) return;
  EXPECT_EQ(plan::find_fault(*compiled.plan), std::nullopt);
  const std::string bytes = plan::to_bytes(*compiled.plan, true);
  const auto back = plan::from_bytes(bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(plan::to_bytes(*back, true), bytes);
  EXPECT_EQ(plan::digest(*back), plan::digest(*compiled.plan));
  const lower::Compiled again = compile_corpus(file);
  EXPECT_EQ(plan::digest(*again.plan), plan::digest(*compiled.plan));
}

TEST_P(Program, HasOneReading) {
  const CorpusFile file = read_corpus_file(GetParam());
  source::SourceSet sources;
  std::vector<std::string> texts;
  for (const lower::Input& input : file.inputs) texts.push_back(input.text);
  for (const auto& [name, text] : file.modules) texts.push_back(text);
  for (const CorpusEval& e : file.evals)
    if (!e.node) texts.push_back("let q = " + e.what);
  for (std::string& text : texts) {
    source::Diagnostics diagnostics;
    const std::uint32_t at = sources.add("t", std::move(text));
    (void)syntax::parse_file(sources, at, {}, diagnostics);
    // What is no program has no reading at all.
    EXPECT_TRUE(diagnostics.has_errors() || !syntax::has_ambiguity(sources, at)) << sources[at].text();
  }
}

std::optional<std::string> format(const std::string& text) {
  source::SourceSet sources;
  source::Diagnostics diagnostics;
  return syntax::format_text(sources, sources.add("t", text), {}, diagnostics);
}

TEST_P(Program, FormattingChangesTheFormAlone) {
  const CorpusFile file = read_corpus_file(GetParam());
  const std::string& text = file.inputs[0].text;
  const auto formatted = format(text);
  if (!formatted) return;  // it does not parse
  const auto again = format(*formatted);
  ASSERT_TRUE(again) << *formatted;
  EXPECT_EQ(*again, *formatted);
  EXPECT_EQ(comments_of(*formatted), comments_of(text));
  const lower::Compiled before = compile_corpus(file), after = compile_text(file, *formatted);
  ASSERT_EQ(before.plan.has_value(), after.plan.has_value()) << *formatted;
  EXPECT_EQ(before.diagnostics.all().size(), after.diagnostics.all().size());
  if (!before.plan || !after.plan) return;
  EXPECT_EQ(plan::digest(*before.plan), plan::digest(*after.plan)) << *formatted;
}

// ---- The book of rules
// ------------------------------------------------------------------------------------------

TEST(Rules, EveryRuleHasAProgramAndEveryProgramsRuleExists) {
  std::set<std::string> stated, proved;
  std::ifstream in(root / "docs/language.md");
  ASSERT_TRUE(in);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("### rule ", 0) != 0) continue;
    EXPECT_TRUE(stated.insert(line.substr(9)).second) << line << " stands twice";
  }
  EXPECT_FALSE(stated.empty());
  for (const fs::path& path : corpus_paths(root / "tests/corpus")) {
    const CorpusFile file = read_corpus_file(path);
    EXPECT_FALSE(file.rules.empty()) << path << " proves no rule";
    for (const std::string& rule : file.rules) {
      EXPECT_EQ(stated.count(rule), 1u) << path << ": docs/language.md has no rule " << rule;
      proved.insert(rule);
    }
  }
  for (const std::string& rule : stated)
    EXPECT_EQ(proved.count(rule), 1u) << "no program proves rule " << rule;
}

}  // namespace
}  // namespace signalbox::test
