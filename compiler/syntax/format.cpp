// `signalbox fmt`: the tokens of the text, comments among them, laid out in one way. A line break that the
// author put inside a clause stays (long conditions read better broken where their author broke them);
// everything else about spaces is decided here. Formatting twice changes nothing.
#include <fmt/format.h>

#include <map>

#include "compiler/syntax/antlr.hpp"
#include "compiler/syntax/parser.hpp"

namespace signalbox::syntax {
namespace {

using antlr4::Token;
using L = SloLexer;
using P = SloParser;

constexpr std::size_t line_width = 110;

struct Block {
  std::size_t open = 0, close = 0;  // token indices of { and }
  bool multiline = false;
  std::vector<std::size_t> clauses;  // token indices where each begins
  std::size_t head_width = 0;        // of the longest clause word
};

// What the tree says about tokens: where items and clauses begin, and which braces are blocks.
class Layout {
 public:
  std::vector<std::size_t> items;
  std::map<std::size_t, Block> blocks;           // by the index of {
  std::map<std::size_t, std::size_t> clause_of;  // first token of a clause → { of its block

  // Without recursion: a long sum is a tree as deep as it has terms.
  void walk(antlr4::tree::ParseTree* tree) {
    std::vector<antlr4::tree::ParseTree*> open{tree};
    while (!open.empty()) {
      auto* c = dynamic_cast<antlr4::ParserRuleContext*>(open.back());
      open.pop_back();
      if (c == nullptr) continue;
      visit(c);
      open.insert(open.end(), c->children.rbegin(), c->children.rend());
    }
  }

 private:
  void visit(antlr4::ParserRuleContext* c) {
    const size_t rule = c->getRuleIndex();
    if (rule == P::RuleItem) items.push_back(c->getStart()->getTokenIndex());
    if (rule == P::RuleSourceDecl || rule == P::RuleReceiverDecl || rule == P::RuleSloDecl ||
        rule == P::RuleTargetDecl || rule == P::RulePolicyDecl || rule == P::RuleTestDecl ||
        rule == P::RuleBurnBlock)
      add_block(c);
  }

  void add_block(antlr4::ParserRuleContext* c) {
    Block b;
    for (auto* child : c->children) {
      if (auto* t = dynamic_cast<antlr4::tree::TerminalNode*>(child)) {
        if (t->getSymbol()->getType() == L::LBRACE && b.open == 0) b.open = t->getSymbol()->getTokenIndex();
        if (t->getSymbol()->getType() == L::RBRACE) b.close = t->getSymbol()->getTokenIndex();
      } else if (auto* r = dynamic_cast<antlr4::ParserRuleContext*>(child); r != nullptr && b.open != 0) {
        b.clauses.push_back(r->getStart()->getTokenIndex());
        b.head_width = std::max<std::size_t>(b.head_width, r->getStart()->getText().size());
      }
    }
    for (std::size_t clause : b.clauses) clause_of[clause] = b.open;
    blocks[b.open] = std::move(b);
  }
};

bool is_word(size_t type) {
  return (type >= L::USE && type <= L::TO) || type == L::NAME || type == L::QUOTED;
}

// Whether a space stands between two neighbours inside a clause.
bool space_between(Token* before, Token* a, Token* b) {
  const size_t x = a->getType(), y = b->getType();
  if (x == L::DOT || y == L::DOT || y == L::COMMA || y == L::RPAREN || y == L::RBRACKET || x == L::LPAREN ||
      x == L::LBRACKET)
    return false;
  if (y == L::LBRACKET || x == L::COLON || y == L::COLON) return false;
  if (y == L::LPAREN) {
    // A call's parenthesis touches its name; after a clause word, an operator or a grouping there is a space.
    if (x == L::NAME || x == L::QUOTED) return false;
    if (before != nullptr && before->getType() == L::DOT) return false;
    static const std::vector<size_t> callable = {L::RATE, L::MAX, L::BURN, L::SHARE};
    for (size_t c : callable)
      if (x == c) return false;
    return true;
  }
  return true;
}

class Printer {
 public:
  Printer(const Parsed& parsed, const Layout& layout, std::vector<Token*> tokens, std::string_view text)
      : parsed_(parsed), layout_(layout), tokens_(std::move(tokens)), text_(text) {
    std::vector<bool> open;  // whether each open brace is one of matchers
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      in_matchers_.push_back(!open.empty() && open.back());
      if (tokens_[i]->getType() == L::LBRACE) open.push_back(is_matcher_brace(i));
      if (tokens_[i]->getType() == L::RBRACE && !open.empty()) open.pop_back();
    }
  }

  std::string print() {
    std::size_t depth_parens = 0;
    std::vector<std::size_t> blocks;  // open ones, by index of {
    std::vector<bool> inline_braces;  // open braces that are no block (matchers, bodies, action calls)
    std::size_t item = 0;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      Token* t = tokens_[i];
      const size_t type = t->getType();
      if (type == Token::EOF) break;
      const std::size_t index = t->getTokenIndex();
      const std::size_t breaks = i == 0 ? 0 : newlines_before(i);
      const bool new_item = item < layout_.items.size() && layout_.items[item] == index;
      if (new_item) ++item;
      const Block* block = blocks.empty() ? nullptr : &layout_.blocks.at(blocks.back());
      const bool new_clause = layout_.clause_of.count(index) != 0;
      const bool closes_block = block != nullptr && block->close == index;
      if (type == L::COMMENT) {
        std::string comment = t->getText();
        while (!comment.empty() &&
               (comment.back() == ' ' || comment.back() == '\t' || comment.back() == '\r'))
          comment.pop_back();
        if (i == 0 || breaks > 0) {
          new_line(std::min<std::size_t>(breaks, 2), indent_of(blocks));
          out_ += comment;
        } else {
          out_ += "  " + comment;
        }
        after_comment_ = true;
        continue;
      }
      if (new_item) {
        if (!out_.empty()) new_line(std::min<std::size_t>(std::max<std::size_t>(breaks, 1), 2), 0);
      } else if (new_clause) {
        if (block->multiline)
          new_line(block->clauses.front() == index
                       ? 1
                       : std::min<std::size_t>(std::max<std::size_t>(breaks, 1), 2),
                   indent_of(blocks));
        else
          out_ += block->clauses.front() == index ? " " : "  ";
      } else if (closes_block) {
        blocks.pop_back();
        if (block->multiline)
          new_line(1, indent_of(blocks));
        else
          out_ += " ";
      } else if (breaks > 0 && i > 0 && (after_comment_ || !forced_inline(i))) {
        const bool closes = type == L::RPAREN || type == L::RBRACKET;
        new_line(1, indent_of(blocks) + 2 + 2 * (depth_parens - (closes ? 1 : 0)));
      } else if (i > 0) {
        out_ += pad(i, block);
      }
      after_comment_ = false;
      if (type == L::LPAREN || type == L::LBRACKET) ++depth_parens;
      if ((type == L::RPAREN || type == L::RBRACKET) && depth_parens > 0) --depth_parens;
      out_ += t->getText();
      if (type == L::LBRACE && layout_.blocks.count(index) != 0) blocks.push_back(index);
    }
    while (!out_.empty() && out_.back() == '\n') out_.pop_back();
    return out_.empty() ? out_ : out_ + "\n";
  }

 private:
  std::size_t indent_of(const std::vector<std::size_t>& blocks) const {
    std::size_t n = 0;
    for (std::size_t b : blocks) n += layout_.blocks.at(b).multiline ? 2 : 0;
    return n;
  }

  void new_line(std::size_t count, std::size_t indent) {
    while (!out_.empty() && out_.back() == ' ') out_.pop_back();
    if (!out_.empty()) out_ += std::string(out_.back() == '\n' ? count - 1 : count, '\n');
    out_ += std::string(indent, ' ');
  }

  // A break that the author wrote next to a bracket or a dot would not survive a second formatting.
  bool forced_inline(std::size_t i) const {
    Token* previous = tokens_[i - 1];
    return !space_between(nullptr, previous, tokens_[i]) && previous->getType() != L::LPAREN &&
           tokens_[i]->getType() != L::RPAREN;
  }

  std::size_t newlines_before(std::size_t i) const {
    std::size_t n = 0;
    const std::uint32_t from = parsed_.span(tokens_[i - 1]).end, to = parsed_.span(tokens_[i]).begin;
    for (std::uint32_t k = from; k < to; ++k) n += text_[k] == '\n';
    return n;
  }

  std::string pad(std::size_t i, const Block* block) const {
    Token* a = tokens_[i - 1];
    Token* b = tokens_[i];
    if (block != nullptr && block->multiline && layout_.clause_of.count(a->getTokenIndex()) != 0 &&
        is_word(a->getType()))
      return std::string(block->head_width - a->getText().size() + 1, ' ');
    if (a->getType() == L::LBRACE || b->getType() == L::RBRACE) {
      // Matchers hug their braces; bodies and calls do not.
      const bool matcher = a->getType() == L::LBRACE ? is_matcher_brace(i - 1) : in_matchers_[i];
      return matcher ? "" : " ";
    }
    if (b->getType() == L::LBRACE)
      return is_matcher_brace(i) && (is_word(a->getType())) && !starts_block(i) ? "" : " ";
    if (in_matchers_[i] && (is_match_op(a) || is_match_op(b))) return "";
    if ((a->getType() == L::MINUS || a->getType() == L::PLUS) && is_sign(i - 1)) return "";
    if (b->getType() == L::SLASH && i >= 1 && tokens_[i - 1]->getType() == L::NUMBER &&
        i + 1 < tokens_.size() && is_word(tokens_[i + 1]->getType()) && in_amount(i))
      return "";
    if (a->getType() == L::SLASH && i >= 2 && tokens_[i - 2]->getType() == L::NUMBER &&
        is_word(b->getType()) && in_amount(i - 1))
      return "";
    return space_between(i >= 2 ? tokens_[i - 2] : nullptr, a, b) ? " " : "";
  }

  static bool is_match_op(Token* t) {
    return t->getType() == L::ASSIGN || t->getType() == L::NE || t->getType() == L::MATCH ||
           t->getType() == L::NOT_MATCH;
  }
  bool starts_block(std::size_t i) const { return layout_.blocks.count(tokens_[i]->getTokenIndex()) != 0; }
  // `rate 100/s` and `traffic 100/s`: the amount follows its word directly.
  bool in_amount(std::size_t slash) const {
    return slash >= 2 &&
           (tokens_[slash - 2]->getType() == L::RATE || tokens_[slash - 2]->getType() == L::TRAFFIC ||
            (slash >= 3 && tokens_[slash - 3]->getType() == L::RATE));
  }
  bool is_matcher_brace(std::size_t i) const {
    if (starts_block(i)) return false;
    // { } or { label = …
    if (i + 1 < tokens_.size() && tokens_[i + 1]->getType() == L::RBRACE) return true;
    return i + 2 < tokens_.size() && is_match_op(tokens_[i + 2]);
  }
  bool is_sign(std::size_t i) const {
    if (i == 0) return true;
    const size_t before = tokens_[i - 1]->getType();
    return !(before == L::RPAREN || before == L::RBRACE || before == L::RBRACKET || before == L::NAME ||
             before == L::QUOTED || (before >= L::DURATION && before <= L::NUMBER));
  }

  const Parsed& parsed_;
  const Layout& layout_;
  std::vector<Token*> tokens_;
  std::string_view text_;
  std::vector<bool>
      in_matchers_;  // whether a token stands in the braces of a selector, their closing one included
  std::string out_;
  bool after_comment_ = false;
};

std::optional<std::string> format_once(const source::SourceSet& sources, std::uint32_t file,
                                       const Limits& limits, source::Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.errors();
  Parsed parsed(sources, file, limits, diagnostics, Parsed::Start::program);
  if (parsed.program == nullptr || diagnostics.errors() > before) return std::nullopt;
  Layout layout;
  layout.walk(parsed.program);
  const std::string_view text = sources[file].text();
  std::vector<Token*> tokens = parsed.tokens()->getTokens();
  for (auto& [open, block] : layout.blocks) {
    const std::uint32_t from = parsed.span(parsed.tokens()->get(block.open)).begin;
    const std::uint32_t to = parsed.span(parsed.tokens()->get(block.close)).end;
    const std::size_t line_start = text.rfind('\n', from) + 1;
    block.multiline =
        text.substr(from, to - from).find('\n') != std::string_view::npos || to - line_start > line_width;
  }
  return Printer(parsed, layout, std::move(tokens), text).print();
}

}  // namespace

std::optional<std::string> format_text(const source::SourceSet& sources, std::uint32_t file,
                                       const Limits& limits, source::Diagnostics& diagnostics) {
  std::optional<std::string> out = format_once(sources, file, limits, diagnostics);
  // A block is broken when it is too wide as written. One that is so only after it was laid out is broken in
  // the next pass, a block inside of it in the one after.
  for (int pass = 0; out && pass < 4; ++pass) {
    source::SourceSet laid_out;
    source::Diagnostics ignored;
    std::optional<std::string> next = format_once(laid_out, laid_out.add("", *out), limits, ignored);
    if (!next || *next == *out) break;
    out = std::move(next);
  }
  return out;
}

}  // namespace signalbox::syntax
