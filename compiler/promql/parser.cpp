#include "compiler/promql/parser.hpp"

#include <cmath>

#include "compiler/promql/descent.hpp"
#include "runtime/plan/check_plan.hpp"

namespace signalbox::promql_text {

bool is_comparison(BinaryOp op) {
  return op >= BinaryOp::eq && op <= BinaryOp::ge;
}
bool is_set_op(BinaryOp op) {
  return op >= BinaryOp::both;
}

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

bool is_number_word(std::string_view text) {
  const std::string name = lower_case(text);
  return name == "inf" || name == "nan";
}

namespace {

constexpr Operator operators[] = {
    {"or", BinaryOp::either, 1}, {"and", BinaryOp::both, 2}, {"unless", BinaryOp::unless, 2},
    {"==", BinaryOp::eq, 3},     {"!=", BinaryOp::ne, 3},    {"<=", BinaryOp::le, 3},
    {"<", BinaryOp::lt, 3},      {">=", BinaryOp::ge, 3},    {">", BinaryOp::gt, 3},
    {"+", BinaryOp::add, 4},     {"-", BinaryOp::sub, 4},    {"*", BinaryOp::mul, 5},
    {"/", BinaryOp::div, 5},     {"%", BinaryOp::mod, 5},    {"atan2", BinaryOp::atan2, 5},
    {"^", BinaryOp::pow, 6},
};
constexpr int sign_binds = 5;  // −a^b is −(a^b), −a*b is (−a)*b

}  // namespace

ExprPtr Parser::run() {
  if (now().kind == Token::Kind::end) fail(now(), "there is no expression");
  ExprPtr out = binary(0);
  if (now().kind != Token::Kind::end) fail(now(), fmt::format("{} is unexpected here", shown(now())));
  return out;
}

const Operator* Parser::operator_here() const {
  if (now().kind != Token::Kind::sign && now().kind != Token::Kind::word) return nullptr;
  const std::string text = lower_case(now().text);
  for (const Operator& op : operators)
    if (op.text == text) return &op;
  return nullptr;
}

ExprPtr Parser::binary(int loosest) {
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

void Parser::modifiers(Expr& e) {
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
    if (is_set_op(e.op)) fail(now(), "`and`, `or` and `unless` have no grouping: they match many with many");
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

void Parser::check_binary(Expr& e, const Token& sign) {
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
    fail(sign, "only two instant vectors are matched by labels", "leave out `on`, `ignoring` and the group");
  if (scalars && is_comparison(e.op) && !e.returns_bool)
    fail(sign, "a comparison of two numbers needs `bool`", fmt::format("write {} bool", sign.text));
  e.sort = scalars ? Sort::scalar : Sort::vector;
}

ExprPtr Parser::unary() {
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
ExprPtr Parser::postfix(ExprPtr e) {
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

Expr& Parser::modified(Expr& e, std::string_view what) {
  if (e.kind == Kind::matrix) return *e.args[0];
  if (e.kind == Kind::selector || e.kind == Kind::subquery) return e;
  fail(now(), fmt::format("`{}` follows a selector or a subquery", what));
}

// A number is one of seconds, of which parts of milliseconds are cut.
Duration Parser::duration() {
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
Duration Parser::signed_duration() {
  const bool minus = take_sign("-");
  if (now().kind == Token::Kind::duration && now().duration.ms == 0)
    fail(now(), "an offset is longer than nothing", "leave it out");
  const Duration d = duration();
  return minus ? d * -1 : d;
}

At Parser::instant() {
  if (at_word("start") || at_word("end")) {
    if (!options_.has_ends)
      fail(now(), "`start()` and `end()` are of a query over a range, and there is none", "write an instant");
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

ExprPtr Parser::ranged(ExprPtr e) {
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
