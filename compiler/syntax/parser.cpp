#include "compiler/syntax/parser.hpp"

#include <fmt/format.h>

#include "compiler/syntax/antlr.hpp"
#include "compiler/syntax/later.hpp"
#include "compiler/syntax/operator_depth.hpp"

namespace signalbox::syntax {
namespace {

using source::Code;
using source::Diagnostics;
using source::SourceSet;

struct Bracket {
  char open;
  std::uint32_t at;
};

char closing(char open) {
  return open == '(' ? ')' : open == '[' ? ']' : '}';
}

bool starts_declaration(std::string_view line) {
  for (std::string_view word : {"slo ", "policy ", "target ", "source ", "receiver ", "test ", "metric ",
                                "let ", "use ", "param ", "tick "}) {
    if (line.substr(0, word.size()) != word) continue;
    // A label or a key of that name is followed by an operator or a value.
    const std::size_t next = line.find_first_not_of(' ', word.size());
    if (next == std::string_view::npos) return false;
    const char c = line[next];
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '`' ||
           (c == '"' && word == "test ");
  }
  return false;
}

}  // namespace

void BoundedParser::enterRecursionRule(antlr4::ParserRuleContext* context, size_t state, size_t rule,
                                       int precedence) {
  SloParser::enterRecursionRule(context, state, rule, precedence);
  if (++depth_ > most_) {
    if (too_deep_ == nullptr) too_deep_ = getCurrentToken();
    throw antlr4::ParseCancellationException("nesting");
  }
}

void BoundedParser::unrollRecursionContexts(antlr4::ParserRuleContext* parent) {
  --depth_;
  SloParser::unrollRecursionContexts(parent);
}

Parsed::Parsed(const SourceSet& sources, std::uint32_t file, const Limits& limits, Diagnostics& diagnostics,
               Start start)
    : file_(file) {
  if (!check_bytes(sources, limits, diagnostics)) return;
  const std::string_view text = sources[file].text();
  bool ascii = true;
  for (char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (!ascii) {
    for (std::uint32_t i = 0; i < text.size(); ++i)
      if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) bytes_.push_back(i);
    bytes_.push_back(static_cast<std::uint32_t>(text.size()));
  }
  input_ = std::make_unique<antlr4::ANTLRInputStream>(std::string(text));
  lexer_ = std::make_unique<SloLexer>(input_.get());
  lexer_->removeErrorListeners();
  tokens_ = std::make_unique<antlr4::CommonTokenStream>(lexer_.get());
  tokens_->fill();
  if (!check_tokens(sources, limits, diagnostics)) return;
  parser_ = std::make_unique<BoundedParser>(tokens_.get(), limits.nesting * 2);
  parser_->removeErrorListeners();
  parser_->setErrorHandler(make_error_strategy(*this, sources, diagnostics));
  parser_->getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(
      antlr4::atn::PredictionMode::LL);
  try {
    if (start == Start::program)
      program = parser_->program();
    else
      query = parser_->query();
  } catch (const antlr4::ParseCancellationException&) {
    const auto where = parser_->too_deep() != nullptr ? span(parser_->too_deep()) : source::Span{file, 0, 0};
    diagnostics.report(Code::nesting_too_deep, where,
                       fmt::format("more than {} levels of nesting", limits.nesting * 2),
                       "name parts of the expression with `let`");
    program = nullptr;
    query = nullptr;
  }
}

std::uint32_t Parsed::byte_of(std::size_t code_point) const {
  if (bytes_.empty()) return static_cast<std::uint32_t>(code_point);
  return bytes_[std::min(code_point, bytes_.size() - 1)];
}

source::Span Parsed::span(antlr4::Token* token) const {
  if (token->getType() == antlr4::Token::EOF) {
    const std::uint32_t end = byte_of(token->getStartIndex());
    return {file_, end, end};
  }
  return {file_, byte_of(token->getStartIndex()), byte_of(token->getStopIndex() + 1)};
}

source::Span Parsed::span(antlr4::ParserRuleContext* context) const {
  antlr4::Token* first = context->getStart();
  antlr4::Token* last = context->getStop();
  if (last == nullptr || last->getStopIndex() + 1 < first->getStartIndex() + 1) last = first;
  return join(span(first), span(last));
}

// Size, encoding and brackets, in one pass over the bytes: what would cost the parser its stack or its time
// is refused before it sees a token.
bool Parsed::check_bytes(const SourceSet& sources, const Limits& limits, Diagnostics& diagnostics) {
  const std::string_view text = sources[file_].text();
  if (text.size() > limits.source_bytes) {
    diagnostics.report(Code::file_too_large, {file_, 0, 0},
                       fmt::format("{} bytes; a program has at most {}", text.size(), limits.source_bytes),
                       "split it, and join the parts with `use`");
    return false;
  }
  if (const std::size_t bad = source::first_invalid_utf8(text); bad != std::string_view::npos) {
    const auto at = static_cast<std::uint32_t>(bad);
    diagnostics.report(Code::invalid_utf8, {file_, at, at + 1}, "this byte is not UTF-8",
                       "save the file as UTF-8");
    return false;
  }
  std::vector<Bracket> open;
  bool broken_string = false;  // it may have swallowed a bracket: then it is what is said
  for (std::uint32_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '#') {
      while (i + 1 < text.size() && text[i + 1] != '\n') ++i;
    } else if (c == '"' || c == '\'' || c == '`') {
      while (i + 1 < text.size() && text[i + 1] != c && text[i + 1] != '\n') {
        const bool escape = text[i + 1] == '\\' && c != '`' && i + 2 < text.size() && text[i + 2] != '\n';
        i += escape ? 2 : 1;
      }
      broken_string = broken_string || i + 1 >= text.size() || text[i + 1] == '\n';
      ++i;
    } else if (c == '(' || c == '[' || c == '{') {
      open.push_back({c, i});
      if (open.size() > limits.nesting) {
        diagnostics.report(Code::nesting_too_deep, {file_, i, i + 1},
                           fmt::format("more than {} brackets inside each other", limits.nesting),
                           "name parts of the expression with `let`");
        return false;
      }
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) {
        if (broken_string) return true;
        diagnostics.report(Code::unopened_bracket, {file_, i, i + 1}, fmt::format("`{}` closes nothing", c),
                           "remove it, or open its bracket");
        return false;
      }
      if (closing(open.back().open) != c) {
        if (broken_string) return true;
        auto& d = diagnostics.report(Code::unclosed_bracket, {file_, open.back().at, open.back().at + 1},
                                     fmt::format("`{}` is not closed", open.back().open),
                                     fmt::format("close it with `{}`", closing(open.back().open)));
        d.notes.push_back(
            {{file_, i, i + 1}, fmt::format("`{}` stands where it should have been closed", c)});
        return false;
      }
      open.pop_back();
    } else if (c == '\n' && open.size() == 1 && open.back().open == '{' &&
               starts_declaration(text.substr(i + 1, 64))) {
      const std::string_view head = text.substr(i + 1, 64);
      // Inside a block a line never starts in the first column with a declaration that has its own block.
      const std::size_t end = text.find('\n', i + 1);
      if (!broken_string && text.substr(i + 1, end - i - 1).find('{') != std::string_view::npos) {
        auto& d = diagnostics.report(Code::unclosed_bracket, {file_, open.back().at, open.back().at + 1},
                                     "`{` is not closed before the next declaration", "close it with `}`");
        d.notes.push_back(
            {{file_, i + 1, static_cast<std::uint32_t>(i + 1 + head.find(' '))}, "the next declaration"});
        return false;
      }
    }
  }
  if (!open.empty() && !broken_string) {
    diagnostics.report(Code::unclosed_bracket, {file_, open.back().at, open.back().at + 1},
                       fmt::format("`{}` is not closed", open.back().open),
                       fmt::format("close it with `{}`", closing(open.back().open)));
    return false;
  }
  return true;
}

bool Parsed::check_tokens(const SourceSet& sources, const Limits& limits, Diagnostics& diagnostics) {
  bool good = true;
  std::size_t prefixes = 0;
  OperatorDepth operators;
  std::uint32_t judged = 0;  // what stands before this byte has been said already
  const std::vector<antlr4::Token*> tokens = tokens_->getTokens();
  bool in_range = false;  // between [ and ], where a `:` begins a subquery's step
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    antlr4::Token* token = tokens[i];
    source::Span at = span(token);
    if (token->getType() == SloLexer::LBRACKET) in_range = true;
    if (token->getType() == SloLexer::RBRACKET) in_range = false;
    if (at.begin < judged) continue;
    const std::string text(sources.text(at));
    const auto type = token->getType();
    // What the parser recurses for without a bracket: signs, `not`, and `1% of 1% of …`.
    const bool prefix =
        type == SloLexer::MINUS || type == SloLexer::PLUS || type == SloLexer::NOT || type == SloLexer::OF;
    if (type != SloLexer::PERCENT) prefixes = prefix ? prefixes + 1 : 0;
    const auto fault = [&](Code code, std::string message, std::string hint) {
      diagnostics.report(code, at, std::move(message), std::move(hint));
      good = false;
    };
    if (prefixes > limits.nesting) {
      fault(Code::nesting_too_deep, fmt::format("more than {} signs in a row", limits.nesting),
            "remove them");
      return false;
    }
    if (token->getChannel() == antlr4::Token::DEFAULT_CHANNEL && operators.after(type) > limits.nesting * 5) {
      fault(Code::nesting_too_deep,
            fmt::format("more than {} operators inside each other", limits.nesting * 5),
            "name parts of the expression with `let`");
      return false;
    }
    switch (type) {
      case SloLexer::BAD_NUMBER:
        if (text.size() > 3 && is_currency(text.substr(text.size() - 3)) && text[text.size() - 4] <= '9')
          fault(Code::not_yet, later_money, later_money_hint);
        else if (text.find('%') != std::string::npos)
          fault(Code::bad_number, fmt::format("`{}` is not a number", text),
                "percent is written 7%, modulo is `7 mod 3`");
        else
          fault(Code::bad_number, fmt::format("`{}` is not a number", text),
                "durations are whole and use ms s m h d w, as 1h30m; large numbers k M G; sizes B kB MB GB "
                "KiB MiB GiB");
        break;
      case SloLexer::BAD_STRING:
        fault(Code::bad_string, "this string is not closed on its line",
              fmt::format("end it with {}", text.substr(0, 1)));
        break;
      case SloLexer::BAD_CHARACTER:
        // A run of them is one fault.
        while (i + 1 < tokens.size() && tokens[i + 1]->getType() == SloLexer::BAD_CHARACTER &&
               span(tokens[i + 1]).begin == at.end)
          at.end = span(tokens[++i]).end;
        if (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f)
          fault(Code::bad_character,
                fmt::format("the control character U+{:04X} means nothing here", static_cast<int>(text[0])),
                "remove it");
        else
          fault(Code::bad_character, fmt::format("`{}` means nothing here", text), "");
        break;
      case SloLexer::COLON:
        if (const std::string_view rest = sources[file_].text().substr(at.end);
            i > 0 && rest.substr(0, 2) == "//") {
          judged = at.end + static_cast<std::uint32_t>(std::min(rest.find_first_of(" \t\r\n"), rest.size()));
          at = {file_, span(tokens[i - 1]).begin, judged};
          fault(Code::bad_string, "an address is a text",
                fmt::format("write it in quotes: \"{}\"", sources.text(at)));
          break;
        }
        if (in_range) break;
        fault(
            Code::stray_punctuation, "no `:` is written here",
            "clauses are a word and its arguments; a `:` stands inside a metric's name, between letters, and "
            "in a subquery: [1h:1m]");
        break;
      case SloLexer::SEMICOLON:
        fault(Code::stray_punctuation, "no `;` is written here", "clauses need no separator: remove it");
        break;
      case SloLexer::PERCENT_SIGN:
        fault(Code::stray_punctuation, "`%` belongs to a number", "percent is written 7%, modulo is `mod`");
        break;
      case SloLexer::NAME:
        // `source NAME is file`, whatever its clauses would be.
        if (text == "file" && i > 2 && tokens[i - 1]->getType() == SloLexer::IS &&
            tokens[i - 3]->getType() == SloLexer::SOURCE)
          fault(Code::not_yet, "a source that is a file is not supported yet",
                "recorded files are given on the command line: --data FILE");
        break;
      case SloLexer::AT_SIGN:
        fault(Code::not_yet, "`@` is not supported yet",
              "use `offset`, give the time on the command line, or ask PromQL: eval --promql");
        break;
      default:
        break;
    }
  }
  return good;
}

File parse_file(const SourceSet& sources, std::uint32_t file, const Limits& limits,
                Diagnostics& diagnostics) {
  const Parsed parsed(sources, file, limits, diagnostics, Parsed::Start::program);
  if (parsed.program == nullptr) {
    File empty;
    empty.file = file;
    return empty;
  }
  return build_file(parsed, file, limits, diagnostics);
}

ExprPtr parse_query(const SourceSet& sources, std::uint32_t file, const Limits& limits,
                    Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.errors();
  const Parsed parsed(sources, file, limits, diagnostics, Parsed::Start::query);
  if (parsed.query == nullptr || diagnostics.errors() > before) return nullptr;
  return build_query(parsed, file, limits, diagnostics);
}

namespace {

class AmbiguityListener : public antlr4::BaseErrorListener {
 public:
  bool found = false;
  void reportAmbiguity(antlr4::Parser*, const antlr4::dfa::DFA&, size_t, size_t, bool,
                       const antlrcpp::BitSet&, antlr4::atn::ATNConfigSet*) override {
    found = true;
  }
};

}  // namespace

bool has_ambiguity(const SourceSet& sources, std::uint32_t file) {
  antlr4::ANTLRInputStream input{std::string(sources[file].text())};
  SloLexer lexer(&input);
  lexer.removeErrorListeners();
  antlr4::CommonTokenStream tokens(&lexer);
  SloParser parser(&tokens);
  parser.removeErrorListeners();
  AmbiguityListener listener;
  parser.addErrorListener(&listener);
  parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(
      antlr4::atn::PredictionMode::LL_EXACT_AMBIG_DETECTION);
  parser.program();
  return listener.found;
}

}  // namespace signalbox::syntax
