// What stands alone in PromQL, and what is asked of arguments.
#include <limits>

#include "compiler/promql/descent.hpp"
#include "compiler/promql/functions.hpp"
#include "compiler/source/source_text.hpp"
#include "runtime/base/regex.hpp"

namespace signalbox::promql_text {
namespace {

// Words that are no labels in a list of labels, though they are between braces.
bool is_kept_word(std::string_view text) {
  return is_number_word(text) || lower_case(text) == "without";
}

bool matches_empty(const Matcher& m) {
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

const std::string& text_of(const Expr& e) {
  return bare(e).text;
}

}  // namespace

// A duration is as many seconds.
double Parser::number_of(const Token& t) {
  return t.kind == Token::Kind::duration ? static_cast<double>(t.duration.ms) / 1000 : t.number;
}
ExprPtr Parser::primary() {
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

ExprPtr Parser::parenthesised() {
  ExprPtr e = make(Kind::paren, Sort::scalar, now().begin);
  ++at_;
  ExprPtr inner = binary(0);
  expect(")", "to close the parenthesis");
  e->sort = inner->sort;
  e->args.push_back(std::move(inner));
  return ended(std::move(e));
}

ExprPtr Parser::word() {
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
  static constexpr std::string_view hard[] = {"atan2", "bool", "group_left", "group_right", "ignoring", "on"};
  if (std::find(std::begin(hard), std::end(hard), name) != std::end(hard))
    fail(now(), fmt::format("there is no value before `{}`", now().text));
  return selector();
}

// ---- selectors
ExprPtr Parser::selector() {
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

void Parser::matcher(Expr& e, bool& named) {
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
std::vector<std::string> Parser::label_list() {
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

std::vector<ExprPtr> Parser::arguments() {
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

bool Parser::grouping(Expr& e) {
  if (!at_word("by") && !at_word("without")) return false;
  e.without = at_word("without");
  ++at_;
  e.labels = label_list();
  return true;
}

ExprPtr Parser::aggregation(const std::string& name) {
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

void Parser::check_argument(const Expr& e, char wanted, std::string_view of) {
  const Sort sort = wanted == 's'   ? Sort::scalar
                    : wanted == 'v' ? Sort::vector
                    : wanted == 'm' ? Sort::matrix
                                    : Sort::text;
  if (e.sort != sort)
    fail(e, fmt::format("`{}` wants {} here, and this is {}", of, describe(sort), describe(e.sort)));
}

void Parser::check_label(const Expr& e) {
  const std::string& name = text_of(e);
  if (name.empty() || source::first_invalid_utf8(name) != std::string::npos)
    fail(e, fmt::format("`{}` is not a label's name", name));
}
void Parser::check_relabelling(const Expr& e) {
  if (e.text == "label_join")
    for (std::size_t i = 1; i < e.args.size(); ++i)
      if (i != 2) check_label(*e.args[i]);
  if (e.text != "label_replace") return;
  check_label(*e.args[1]);
  if (const auto regex = LabelRegex::compile(text_of(*e.args[4])); !regex)
    fail(*e.args[4], regex.error().message);
}

ExprPtr Parser::call() {
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

}  // namespace signalbox::promql_text
