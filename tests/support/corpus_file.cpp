#include "tests/support/corpus_file.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

#include "runtime/store/series_store.hpp"

namespace signalbox::test {
namespace {

// Reads a directive word by word; `rest` is what has not been read.
class Reader {
 public:
  explicit Reader(std::string text) : rest_(std::move(text)) { skip(); }

  bool word(const std::string& expected) {
    if (rest_.rfind(expected, 0) != 0) return false;
    const std::size_t n = expected.size();
    if (n < rest_.size() && rest_[n] != ' ') return false;
    rest_.erase(0, n);
    skip();
    return true;
  }
  std::string next() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    std::string out = rest_.substr(0, end);
    rest_.erase(0, end);
    skip();
    return out;
  }
  std::optional<std::string> quoted() {
    if (rest_.empty() || rest_[0] != '"') return std::nullopt;
    std::string out;
    std::size_t i = 1;
    for (; i < rest_.size() && rest_[i] != '"'; ++i) {
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      out += rest_[i];
    }
    if (i >= rest_.size()) return std::nullopt;
    rest_.erase(0, i + 1);
    skip();
    return out;
  }
  const std::string& rest() const { return rest_; }
  bool done() const { return rest_.empty(); }

 private:
  void skip() { rest_.erase(0, std::min(rest_.find_first_not_of(' '), rest_.size())); }
  std::string rest_;
};

std::optional<Instant> instant(const std::string& text) {
  const auto d = parse_duration(text);
  if (!d) return std::nullopt;
  return Instant{d->ms};
}

// m{a="b",c="d"}
std::optional<Labels> labels(Reader& in) {
  std::string text = in.rest();
  const std::size_t brace = std::min(text.find_first_of("{ "), text.size());
  std::vector<Labels::Pair> pairs;
  if (brace > 0) pairs.emplace_back(std::string(metric_name_label), text.substr(0, brace));
  std::size_t at = brace;
  if (at < text.size() && text[at] == '{') {
    ++at;
    while (at < text.size() && text[at] != '}') {
      const std::size_t eq = text.find("=\"", at);
      const std::size_t end = eq == std::string::npos ? eq : text.find('"', eq + 2);
      if (end == std::string::npos) return std::nullopt;
      pairs.emplace_back(text.substr(at, eq - at), text.substr(eq + 2, end - eq - 2));
      at = end + 1;
      while (at < text.size() && (text[at] == ',' || text[at] == ' ')) ++at;
    }
    ++at;
  }
  in = Reader(text.substr(std::min(at, text.size())));
  return Labels(std::move(pairs));
}

std::optional<double> number(const std::string& text) {
  if (text == "stale") return stale_marker();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return std::nullopt;
  return value;
}

bool read_series(Reader in, CorpusSeries& out) {
  const auto name = labels(in);
  if (!name) return false;
  out.labels = *name;
  std::vector<std::optional<double>> values;  // nothing: no sample
  while (!in.done() && !in.word("every")) {
    const std::string word = in.next();
    if (word == "_") {
      values.push_back(std::nullopt);
      continue;
    }
    const std::size_t plus = word.find('+', 1), times = word.find('x');
    if (plus != std::string::npos && times != std::string::npos) {
      const auto first = number(word.substr(0, plus)), step = number(word.substr(plus + 1, times - plus - 1)),
                 count = number(word.substr(times + 1));
      if (!first || !step || !count) return false;
      for (int i = 0; i <= *count; ++i) values.push_back(*first + *step * i);
      continue;
    }
    const auto value = number(word);
    if (!value) return false;
    values.push_back(value);
  }
  const auto every = parse_duration(in.next());
  Instant from;
  if (in.word("from")) {
    const auto at = instant(in.next());
    if (!at) return false;
    from = *at;
  }
  if (!every || !in.done()) return false;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i]) out.samples.push_back({from + *every * static_cast<std::int64_t>(i), *values[i]});
  return true;
}

// The last of several `word`s counts: an expression may hold the word too.
std::optional<std::string> cut(std::string& text, const std::string& word) {
  const std::size_t at = text.rfind(word);
  if (at == std::string::npos) return std::nullopt;
  std::string out = text.substr(at + word.size());
  text.erase(at);
  return out;
}

bool read_eval(const std::string& text, CorpusEval& out) {
  const std::size_t equals = text.rfind(" = ");
  if (equals == std::string::npos) return false;
  std::string head = text.substr(0, equals);
  out.rows = text.substr(equals + 3);
  auto when = cut(head, " at ");
  if (!when) return false;
  if (const auto semantics = cut(*when, " semantics ")) {
    if (*semantics != "2" && *semantics != "3") return false;
    out.semantics = *semantics == "2" ? Semantics::prometheus2 : Semantics::prometheus3;
  }
  const auto at = instant(*when);
  if (!at) return false;
  out.at = *at;
  out.every = seconds(15);
  if (auto from = cut(head, " from ")) {
    const auto every = cut(*from, " every ");
    const auto step = every ? parse_duration(*every) : std::nullopt;
    out.from = instant(*from);
    if (!out.from || !step) return false;
    out.every = *step;
  }
  out.what = head;
  return !out.what.empty();
}

bool read_diagnostic(Reader in, bool error, ExpectedDiagnostic& out) {
  out.error = error;
  out.code = in.next();
  if (!in.word("at")) return false;
  const std::string place = in.next();
  if (std::sscanf(place.c_str(), "%u:%u", &out.line, &out.column) != 2) return false;
  if (in.word("in")) out.module = in.next();
  if (in.word("message")) {
    const auto text = in.quoted();
    if (!text) return false;
    out.message = *text;
  }
  if (in.word("hint")) {
    const auto text = in.quoted();
    if (!text) return false;
    out.hint = *text;
  }
  return in.done();
}

bool read_directive(const std::string& line, CorpusFile& file) {
  Reader in(line);
  if (in.word("rule:")) {
    file.rules.push_back(in.next());
    return in.done() && !file.rules.back().empty();
  }
  if (in.word("expect:")) {
    file.expects_tests = in.rest() == "tests pass";
    file.expects_ok = file.expects_tests || in.rest() == "ok";
    return file.expects_ok;
  }
  if (in.word("expect")) {
    const bool error = in.word("error");
    return (error || in.word("warning")) && read_diagnostic(in, error, file.diagnostics.emplace_back());
  }
  if (in.word("param")) {
    const std::size_t eq = in.rest().find('=');
    if (eq == std::string::npos) return false;
    file.params[in.rest().substr(0, eq)] = in.rest().substr(eq + 1);
    return true;
  }
  if (in.word("theta")) {
    const std::string slo = in.next(), row = in.next();
    if (!in.word("=")) return false;
    file.thetas[{slo, std::stoul(row)}] = in.next();
    return in.done();
  }
  if (in.word("series")) return read_series(in, file.series.emplace_back());
  if (in.word("deploy")) {
    const std::string target = in.next();
    const auto at = in.word("at") ? instant(in.next()) : std::nullopt;
    if (at) file.deploys[target] = *at;
    return at.has_value();
  }
  if (in.word("done")) {
    file.done = in.word("at") ? instant(in.next()) : std::nullopt;
    return file.done.has_value();
  }
  const bool node = in.word("node");
  if (!node && !in.word("eval")) return true;  // a comment like any other
  CorpusEval& eval = file.evals.emplace_back();
  eval.node = node;
  return read_eval(in.rest(), eval);
}

}  // namespace

CorpusFile read_corpus_file(const std::filesystem::path& path) {
  CorpusFile file;
  file.path = path;
  std::ifstream in(path, std::ios::binary);
  file.text.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  file.inputs.push_back({path.filename().string(), ""});
  std::string* part = &file.inputs[0].text;
  for (std::size_t at = 0; at < file.text.size();) {
    const std::size_t end = std::min(file.text.find('\n', at), file.text.size() - 1) + 1;
    const std::string line = file.text.substr(at, end - at);
    at = end;
    if (line.rfind("#@ ", 0) == 0) {
      Reader words(line.substr(3, line.find_last_not_of("\r\n") - 2));
      const bool module = words.word("module");
      if (!module && !words.word("file")) file.faults.push_back(line);
      const std::string name = words.next();
      if (module) {
        part = &file.modules[name];
      } else {
        file.inputs.push_back({name, ""});
        part = &file.inputs.back().text;
      }
      continue;
    }
    *part += line;
    if (line.rfind("# ", 0) != 0) continue;
    std::string directive = line.substr(2);
    while (!directive.empty() && (directive.back() == '\n' || directive.back() == '\r')) directive.pop_back();
    if (!read_directive(directive, file)) file.faults.push_back(line);
  }
  return file;
}

std::vector<std::filesystem::path> corpus_paths(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".slo") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

lower::Compiled compile_corpus(const CorpusFile& file) {
  lower::CompileOptions options;
  options.params = file.params;
  options.loader = [&file](const std::string& module) -> std::optional<std::string> {
    const auto known = file.modules.find(module);
    return known == file.modules.end() ? std::nullopt : std::optional(known->second);
  };
  return lower::compile(file.inputs, options);
}

std::vector<std::string> comments_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\'' || c == '`') {
      for (++i; i < text.size() && text[i] != c && text[i] != '\n'; ++i)
        if (text[i] == '\\' && c != '`') ++i;
    } else if (c == '#') {
      const std::size_t end = std::min(text.find('\n', i), text.size());
      std::string comment = text.substr(i, end - i);
      while (comment.back() == ' ' || comment.back() == '\t' || comment.back() == '\r') comment.pop_back();
      out.push_back(std::move(comment));
      i = end;
    }
  }
  return out;
}

}  // namespace signalbox::test
