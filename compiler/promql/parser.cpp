#include "compiler/promql/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "compiler/promql/functions.hpp"
#include "compiler/promql/lexer.hpp"
#include "compiler/source/source_text.hpp"
#include "runtime/base/labels.hpp"
#include "runtime/base/regex.hpp"
#include "runtime/plan/check_plan.hpp"

namespace signalbox::promql_text {

bool is_comparison(BinaryOp op) {
  return op >= BinaryOp::eq && op <= BinaryOp::ge;
}
bool is_set_op(BinaryOp op) {
  return op >= BinaryOp::both;
}

namespace {

struct Operator {
  std::string_view text;
  BinaryOp op;
  int binds;  // tighter when larger
};
constexpr Operator operators[] = {
    {"or", BinaryOp::either, 1}, {"and", BinaryOp::both, 2}, {"unless", BinaryOp::unless, 2},
    {"==", BinaryOp::eq, 3},     {"!=", BinaryOp::ne, 3},    {"<=", BinaryOp::le, 3},
    {"<", BinaryOp::lt, 3},      {">=", BinaryOp::ge, 3},    {">", BinaryOp::gt, 3},
    {"+", BinaryOp::add, 4},     {"-", BinaryOp::sub, 4},    {"*", BinaryOp::mul, 5},
    {"/", BinaryOp::div, 5},     {"%", BinaryOp::mod, 5},    {"atan2", BinaryOp::atan2, 5},
    {"^", BinaryOp::pow, 6},
};
constexpr int sign_binds = 5;  // −a^b is −(a^b), −a*b is (−a)*b

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view describe(Sort sort) {
  switch (sort) {
    case Sort::scalar:
      return "a number";
    case Sort::vector:
      return "an instant vector";
    case Sort::matrix:
      return "a range vector";
    case Sort::text:
      return "a text";
  }
  return {};
}

// Thrown by the parser's own functions only, and caught in parse().
struct Failure {
  Fault fault;
};

bool is_number_word(std::string_view text) {
  const std::string name = lower_case(text);
  return name == "inf" || name == "nan";
}

// Words that are no labels in a list of labels, though they are between braces.
bool is_kept_word(std::string_view text) {
  return is_number_word(text) || lower_case(text) == "without";
}

class Parser {
 public:
  Parser(std::vector<Token> tokens, const ParseOptions& options)
      : tokens_(std::move(tokens)), options_(options) {}

  ExprPtr run() {
    if (now().kind == Token::Kind::end) fail(now(), "there is no expression");
    ExprPtr out = binary(0);
    if (now().kind != Token::Kind::end) fail(now(), fmt::format("{} is unexpected here", shown(now())));
    return out;
  }

 private:
  // ---- tokens
  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  static bool is_sign(const Token& t, std::string_view text) {
    return t.kind == Token::Kind::sign && t.text == text;
  }
  bool at_sign(std::string_view text) const { return is_sign(now(), text); }
  bool at_word(std::string_view text) const {
    return now().kind == Token::Kind::word && lower_case(now().text) == text;
  }
  bool take_sign(std::string_view text) {
    if (!at_sign(text)) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view text) {
    if (!at_word(text)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view sign, std::string_view why) {
    if (!take_sign(sign)) fail(now(), fmt::format("`{}` is missing {}", sign, why));
  }
  static std::string shown(const Token& t) {
    return t.kind == Token::Kind::end ? "the end" : "`" + t.text + "`";
  }
  [[noreturn]] static void fail(std::size_t begin, std::size_t end, std::string message,
                                std::string hint = {}) {
    throw Failure{{begin, std::max(end, begin), std::move(message), std::move(hint)}};
  }
  [[noreturn]] static void fail(const Token& t, std::string message, std::string hint = {}) {
    fail(t.begin, t.end, std::move(message), std::move(hint));
  }
  [[noreturn]] static void fail(const Expr& e, std::string message, std::string hint = {}) {
    fail(e.begin, e.end, std::move(message), std::move(hint));
  }
  ExprPtr make(Kind kind, Sort sort, std::size_t begin) const {
    auto out = std::make_unique<Expr>();
    out->kind = kind;
    out->sort = sort;
    out->begin = begin;
    return out;
  }
  ExprPtr ended(ExprPtr e) const {
    e->end = tokens_[at_ == 0 ? 0 : at_ - 1].end;
    return e;
  }
  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++parser.depth_ > parser.options_.nesting)
        fail(parser.now(), fmt::format("more than {} levels of nesting", parser.options_.nesting));
    }
    ~Deeper() { --parser.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    Parser& parser;
  };

  // ---- operators
  const Operator* operator_here() const {
    if (now().kind != Token::Kind::sign && now().kind != Token::Kind::word) return nullptr;
    const std::string text = lower_case(now().text);
    for (const Operator& op : operators)
      if (op.text == text) return &op;
    return nullptr;
  }

  ExprPtr binary(int loosest) {
    const Deeper deeper(*this);
    ExprPtr left = unary();
    for (const Operator* op = operator_here(); op != nullptr && op->binds >= loosest; op = operator_here()) {
      const Token& sign = now();
      ++at_;
      ExprPtr e = make(Kind::binary, Sort::vector, left->begin);
      e->op = op->op;
      modifiers(*e);
      // To the right of ^ stands another one; all others lean to the left.
      ExprPtr right = binary(op->op == BinaryOp::pow ? op->binds : op->binds + 1);
      e->args.push_back(std::move(left));
      e->args.push_back(std::move(right));
      check_binary(*e, sign);
      left = ended(std::move(e));
      if (++chain_ > most_chain) fail(*left, "the expression has too many operators");
    }
    return left;
  }

  void modifiers(Expr& e) {
    if (at_word("bool")) {
      if (!is_comparison(e.op)) fail(now(), "`bool` goes with comparisons only");
      e.returns_bool = true;
      ++at_;
    }
    const bool matched = at_word("on") || at_word("ignoring");
    if (matched) {
      e.on = at_word("on");
      ++at_;
      e.labels = label_list();
    }
    if (matched && (at_word("group_left") || at_word("group_right"))) {
      if (is_set_op(e.op))
        fail(now(), "`and`, `or` and `unless` have no grouping: they match many with many");
      e.group = at_word("group_left") ? Expr::Group::left : Expr::Group::right;
      ++at_;
      if (at_sign("(")) e.include = label_list();
      for (const std::string& label : e.include)
        if (e.on && std::find(e.labels.begin(), e.labels.end(), label) != e.labels.end())
          fail(now(), fmt::format("`{}` is in `on (…)` and in `group_…` at once", label));
    } else if (at_word("group_left") || at_word("group_right")) {
      fail(now(), "a group needs `on (…)` or `ignoring (…)` before it");
    }
  }

  void check_binary(Expr& e, const Token& sign) {
    const bool with_modifiers = !e.labels.empty();
    for (const ExprPtr& side : e.args)
      if (side->sort != Sort::scalar && side->sort != Sort::vector)
        fail(*side, fmt::format("{} works on numbers and instant vectors, and this is {}", shown(sign),
                                describe(side->sort)));
    const bool scalars = e.args[0]->sort == Sort::scalar && e.args[1]->sort == Sort::scalar;
    const bool mixed = !scalars && (e.args[0]->sort == Sort::scalar || e.args[1]->sort == Sort::scalar);
    if (is_set_op(e.op) && (scalars || mixed))
      fail(sign, fmt::format("{} works on instant vectors only", shown(sign)),
           "write vector(…) around a number");
    if ((scalars || mixed) && with_modifiers)
      fail(sign, "only two instant vectors are matched by labels",
           "leave out `on`, `ignoring` and the group");
    if (scalars && is_comparison(e.op) && !e.returns_bool)
      fail(sign, "a comparison of two numbers needs `bool`", fmt::format("write {} bool", sign.text));
    e.sort = scalars ? Sort::scalar : Sort::vector;
  }

  ExprPtr unary() {
    if (at_sign("-") || at_sign("+")) {
      const Deeper deeper(*this);
      const bool minus = at_sign("-");
      const std::size_t begin = now().begin;
      ++at_;
      ExprPtr operand = binary(sign_binds + 1);
      if (operand->sort != Sort::scalar && operand->sort != Sort::vector)
        fail(*operand, fmt::format("a sign stands before a number or an instant vector, and this is {}",
                                   describe(operand->sort)));
      if (minus && operand->kind == Kind::number) {
        operand->number = -operand->number;
        operand->begin = begin;
        return operand;
      }
      // A family with a sign is no selector any more: timestamp() and absent() see the difference.
      if (!minus && operand->sort == Sort::scalar) return operand;
      ExprPtr e = make(minus ? Kind::negate : Kind::plus, operand->sort, begin);
      e->args.push_back(std::move(operand));
      return ended(std::move(e));
    }
    return postfix(primary());
  }

  // ---- [range], [range:step], offset, @
  ExprPtr postfix(ExprPtr e) {
    for (;;) {
      if (at_sign("[")) {
        e = ranged(std::move(e));
      } else if (at_word("offset")) {
        Expr& of = modified(*e, "offset");
        if (of.offset.ms != 0 || offset_seen_ == &of) fail(now(), "`offset` is written twice");
        ++at_;
        of.offset = signed_duration();
        offset_seen_ = &of;
        e = ended(std::move(e));
      } else if (at_sign("@")) {
        Expr& of = modified(*e, "@");
        if (of.at) fail(now(), "`@` is written twice");
        ++at_;
        of.at = instant();
        e = ended(std::move(e));
      } else {
        return e;
      }
    }
  }

  Expr& modified(Expr& e, std::string_view what) {
    if (e.kind == Kind::matrix) return *e.args[0];
    if (e.kind == Kind::selector || e.kind == Kind::subquery) return e;
    fail(now(), fmt::format("`{}` follows a selector or a subquery", what));
  }

  // A number is one of seconds, of which parts of milliseconds are cut.
  Duration duration() {
    const Token& t = now();
    if (t.kind != Token::Kind::duration && t.kind != Token::Kind::number)
      fail(t, fmt::format("a duration is missing, and {} is none", shown(t)), "as 5m or 1h30m");
    const bool number = t.kind == Token::Kind::number;
    if (number ? !(t.number * 1000 < static_cast<double>(plan::longest_duration.ms))
               : t.duration > plan::longest_duration)
      fail(t, "this is longer than a thousand years");
    ++at_;
    return number ? Duration{static_cast<std::int64_t>(t.number * 1000)} : t.duration;
  }
  Duration signed_duration() {
    const bool minus = take_sign("-");
    if (now().kind == Token::Kind::duration && now().duration.ms == 0)
      fail(now(), "an offset is longer than nothing", "leave it out");
    const Duration d = duration();
    return minus ? d * -1 : d;
  }

  At instant() {
    if (at_word("start") || at_word("end")) {
      if (!options_.has_ends)
        fail(now(), "`start()` and `end()` are of a query over a range, and there is none",
             "write an instant");
      const At::Of of = at_word("start") ? At::Of::start : At::Of::end;
      ++at_;
      expect("(", "after start or end");
      expect(")", "after start( or end(");
      return {of, {}};
    }
    const bool minus = at_sign("-");
    if (minus || at_sign("+")) ++at_;
    if (now().kind != Token::Kind::number && now().kind != Token::Kind::duration)
      fail(now(), "`@` wants seconds since 1970, start() or end()");
    const double seconds = number_of(now()) * (minus ? -1 : 1);
    constexpr double most = 9.2e15;
    Instant at;
    if (std::fabs(seconds) < most) at = Instant{static_cast<std::int64_t>(std::round(seconds * 1000))};
    if (!(std::fabs(seconds) < most) || at < plan::earliest_instant || at > plan::latest_instant)
      fail(now(), "this instant is out of range");
    ++at_;
    return {At::Of::instant, at};
  }

  ExprPtr ranged(ExprPtr e) {
    const Token& bracket = now();
    ++at_;
    const Duration range = duration();
    if (range.ms == 0) fail(tokens_[at_ - 1], "a range is longer than nothing");
    if (take_sign(":")) {
      if (e->sort != Sort::vector)
        fail(*e, fmt::format("a subquery is of an instant vector, and this is {}", describe(e->sort)));
      ExprPtr out = make(Kind::subquery, Sort::matrix, e->begin);
      out->range = range;
      out->step = default_subquery_step;
      if (!at_sign("]")) {
        out->step = duration();
        if (out->step.ms == 0) fail(tokens_[at_ - 1], "a step is longer than nothing");
      }
      if (range.ms / out->step.ms > plan::most_subquery_steps)
        fail(bracket, fmt::format("the subquery has more than {} steps", plan::most_subquery_steps),
             "make its step longer");
      expect("]", "after the range");
      out->args.push_back(std::move(e));
      return ended(std::move(out));
    }
    expect("]", "after the range");
    if (e->kind != Kind::selector)
      fail(bracket, "a range follows a selector", "of an expression it has a colon: [5m:1m]");
    if (e->at || e->offset.ms != 0 || offset_seen_ == e.get())
      fail(bracket, "a range stands before `offset` and `@`", "as in m[5m] offset 1h");
    ExprPtr out = make(Kind::matrix, Sort::matrix, e->begin);
    out->range = range;
    out->args.push_back(std::move(e));
    return ended(std::move(out));
  }

  // ---- what stands alone
  // A duration is as many seconds.
  static double number_of(const Token& t) {
    return t.kind == Token::Kind::duration ? static_cast<double>(t.duration.ms) / 1000 : t.number;
  }
  ExprPtr primary() {
    const Token& t = now();
    switch (t.kind) {
      case Token::Kind::duration:
      case Token::Kind::number: {
        ExprPtr e = make(Kind::number, Sort::scalar, t.begin);
        e->number = number_of(t);
        ++at_;
        return ended(std::move(e));
      }
      case Token::Kind::text: {
        ExprPtr e = make(Kind::text, Sort::text, t.begin);
        e->text = t.text;
        ++at_;
        return ended(std::move(e));
      }
      case Token::Kind::word:
        return word();
      case Token::Kind::sign:
        if (t.text == "(") return parenthesised();
        if (t.text == "{") return selector();
        fail(t, fmt::format("`{}` is unexpected here", t.text));
      case Token::Kind::end:
        break;
    }
    fail(t, "the expression ends where a value is wanted");
  }

  ExprPtr parenthesised() {
    ExprPtr e = make(Kind::paren, Sort::scalar, now().begin);
    ++at_;
    ExprPtr inner = binary(0);
    expect(")", "to close the parenthesis");
    e->sort = inner->sort;
    e->args.push_back(std::move(inner));
    return ended(std::move(e));
  }

  ExprPtr word() {
    const std::string name = lower_case(now().text);
    const bool opens = is_sign(after(), "(");
    if (find_aggregation(name) != nullptr &&
        (opens || lower_case(after().text) == "by" || lower_case(after().text) == "without"))
      return aggregation(name);
    if (is_number_word(name)) {
      ExprPtr e = make(Kind::number, Sort::scalar, now().begin);
      e->number =
          name == "inf" ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
      ++at_;
      return ended(std::move(e));
    }
    if (opens) return call();
    // Words that begin no value; the other words of the language name metrics as well.
    static constexpr std::string_view hard[] = {"atan2",       "bool",     "group_left",
                                                "group_right", "ignoring", "on"};
    if (std::find(std::begin(hard), std::end(hard), name) != std::end(hard))
      fail(now(), fmt::format("there is no value before `{}`", now().text));
    return selector();
  }

  // ---- selectors
  ExprPtr selector() {
    ExprPtr e = make(Kind::selector, Sort::vector, now().begin);
    const Token& first = now();
    bool named = false;  // by more than a matcher
    if (first.kind == Token::Kind::word) {
      named = true;
      e->matchers.push_back({std::string(metric_name_label), MatchOp::equal, first.text});
      ++at_;
    }
    if (take_sign("{")) {
      while (!at_sign("}")) {
        matcher(*e, named);
        if (!take_sign(",") && !at_sign("}"))
          fail(now(), fmt::format("{} is no `,` and no `}}`", shown(now())));
      }
      ++at_;
    }
    e = ended(std::move(e));
    bool narrows = false;
    for (const Matcher& m : e->matchers) narrows = narrows || !matches_empty(m);
    if (!narrows)
      fail(*e, "a selector needs a matcher that an absent label does not pass",
           "name a metric, or write job=~\".+\"");
    std::sort(e->matchers.begin(), e->matchers.end());
    return e;
  }

  static bool matches_empty(const Matcher& m) {
    switch (m.op) {
      case MatchOp::equal:
        return m.value.empty();
      case MatchOp::not_equal:
        return !m.value.empty();
      default: {
        const auto regex = LabelRegex::compile(m.value);
        return regex && regex->matches("") == (m.op == MatchOp::regex);
      }
    }
  }

  void matcher(Expr& e, bool& named) {
    const Token& name = now();
    if (name.kind != Token::Kind::word && name.kind != Token::Kind::text)
      fail(name, fmt::format("a label is missing, and {} is none", shown(name)));
    ++at_;
    Matcher m{name.text, MatchOp::equal, {}};
    const bool names = name.kind == Token::Kind::text && (at_sign(",") || at_sign("}"));
    if (names) {
      m = {std::string(metric_name_label), MatchOp::equal, name.text};
    } else {
      if (name.kind == Token::Kind::word && name.text.find(':') != std::string::npos)
        fail(name, fmt::format("`{}` is not a label's name: it has a colon", name.text));
      m.op = take_sign("=")    ? MatchOp::equal
             : take_sign("!=") ? MatchOp::not_equal
             : take_sign("=~") ? MatchOp::regex
             : take_sign("!~") ? MatchOp::not_regex
                               : (fail(now(), "after a label comes =, !=, =~ or !~"), MatchOp::equal);
      if (now().kind != Token::Kind::text) fail(now(), "a label is matched with a text in quotes");
      m.value = now().text;
      ++at_;
    }
    if (m.op == MatchOp::regex || m.op == MatchOp::not_regex)
      if (const auto regex = LabelRegex::compile(m.value); !regex)
        fail(tokens_[at_ - 1], regex.error().message);
    if (m.label == metric_name_label && (named || names))
      for (const Matcher& other : e.matchers)
        if (other.label == metric_name_label)
          fail(name, fmt::format("the metric is named twice: `{}` and `{}`", other.value, m.value),
               "in braces alone matchers of __name__ may be several: {__name__=~\"…\", __name__!=\"…\"}");
    named = named || names;
    e.matchers.push_back(std::move(m));
  }

  // ---- calls and aggregations
  std::vector<std::string> label_list() {
    expect("(", "before the labels");
    std::vector<std::string> out;
    while (!at_sign(")")) {
      if (now().kind != Token::Kind::word && now().kind != Token::Kind::text)
        fail(now(), fmt::format("a label is missing, and {} is none", shown(now())));
      if (now().kind == Token::Kind::word && (!is_label_name(now().text) || is_kept_word(now().text)))
        fail(now(), fmt::format("`{}` is not a label's name", now().text));
      out.push_back(now().text);
      ++at_;
      if (!take_sign(",") && !at_sign(")")) fail(now(), fmt::format("{} is no `,` and no `)`", shown(now())));
    }
    ++at_;
    return out;
  }

  std::vector<ExprPtr> arguments() {
    expect("(", "before the arguments");
    std::vector<ExprPtr> out;
    while (!at_sign(")")) {
      out.push_back(binary(0));
      if (take_sign(",")) {
        if (at_sign(")")) fail(now(), "an argument is missing after the comma");
      } else if (!at_sign(")")) {
        fail(now(), fmt::format("{} is no `,` and no `)`", shown(now())));
      }
    }
    ++at_;
    return out;
  }

  bool grouping(Expr& e) {
    if (!at_word("by") && !at_word("without")) return false;
    e.without = at_word("without");
    ++at_;
    e.labels = label_list();
    return true;
  }

  ExprPtr aggregation(const std::string& name) {
    ExprPtr e = make(Kind::aggregate, Sort::vector, now().begin);
    e->text = name;
    ++at_;
    const bool before = grouping(*e);
    e->args = arguments();
    if (!before) grouping(*e);
    e = ended(std::move(e));
    const char parameter = aggregation_parameter(find_aggregation(name)->op);
    const std::size_t wanted = parameter == 0 ? 1 : 2;
    if (e->args.size() != wanted)
      fail(*e, fmt::format("`{}` takes {} argument{}, not {}", name, wanted, wanted == 1 ? "" : "s",
                           e->args.size()));
    if (parameter != 0) check_argument(*e->args[0], parameter, name);
    check_argument(*e->args.back(), 'v', name);
    if (parameter == 't') check_label(*e->args[0]);
    return e;
  }

  static void check_argument(const Expr& e, char wanted, std::string_view of) {
    const Sort sort = wanted == 's'   ? Sort::scalar
                      : wanted == 'v' ? Sort::vector
                      : wanted == 'm' ? Sort::matrix
                                      : Sort::text;
    if (e.sort != sort)
      fail(e, fmt::format("`{}` wants {} here, and this is {}", of, describe(sort), describe(e.sort)));
  }

  static const std::string& text_of(const Expr& e) { return bare(e).text; }
  static void check_label(const Expr& e) {
    const std::string& name = text_of(e);
    if (name.empty() || source::first_invalid_utf8(name) != std::string::npos)
      fail(e, fmt::format("`{}` is not a label's name", name));
  }
  static void check_relabelling(const Expr& e) {
    if (e.text == "label_join")
      for (std::size_t i = 1; i < e.args.size(); ++i)
        if (i != 2) check_label(*e.args[i]);
    if (e.text != "label_replace") return;
    check_label(*e.args[1]);
    if (const auto regex = LabelRegex::compile(text_of(*e.args[4])); !regex)
      fail(*e.args[4], regex.error().message);
  }

  ExprPtr call() {
    const Token& name = now();
    const Function* function = find_function(name.text);
    if (function == nullptr) {
      std::vector<std::string> names;
      for (const Function& f : functions()) names.emplace_back(f.name);
      for (const Aggregation& a : aggregations()) names.emplace_back(a.name);
      const std::string near = source::nearest(name.text, names);
      fail(name, fmt::format("PromQL has no function `{}`", name.text),
           near.empty() ? "" : fmt::format("did you mean `{}`?", near));
    }
    ExprPtr e = make(Kind::call, function->result, name.begin);
    e->text = name.text;
    ++at_;
    e->args = arguments();
    e = ended(std::move(e));
    const Signature signature = signature_of(*function);
    if (e->args.size() < signature.least || e->args.size() > signature.most)
      fail(*e, fmt::format("`{}` takes {}, not {}", e->text, takes(signature), e->args.size()));
    for (std::size_t i = 0; i < e->args.size(); ++i)
      check_argument(*e->args[i], signature.letters[std::min(i, signature.letters.size() - 1)], e->text);
    check_relabelling(*e);
    return e;
  }

  static constexpr std::size_t most_chain = 2'000;

  std::vector<Token> tokens_;
  const ParseOptions& options_;
  std::size_t at_ = 0, depth_ = 0, chain_ = 0;
  const Expr* offset_seen_ = nullptr;
};

}  // namespace

const Expr& bare(const Expr& e) {
  const Expr* at = &e;
  while (at->kind == Kind::paren) at = at->args[0].get();
  return *at;
}

Parsed parse(std::string_view text, const ParseOptions& options) {
  auto read = tokens(text);
  if (auto* fault = std::get_if<Fault>(&read)) return {nullptr, std::move(*fault)};
  try {
    return {Parser(std::get<std::vector<Token>>(std::move(read)), options).run(), std::nullopt};
  } catch (Failure& failure) {
    return {nullptr, std::move(failure.fault)};
  }
}

}  // namespace signalbox::promql_text
