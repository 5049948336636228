// The program as written, without its parse tree. Every node knows its place. What a name means, and whether
// a clause is required or stands twice, is sema's business: repeated clauses are all kept.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/source/source_text.hpp"
#include "runtime/base/promql_terms.hpp"
#include "runtime/base/rational.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::syntax {

using source::Span;

struct Name {
  std::string text;
  Span span;
};

struct Text {  // a string literal, unescaped
  std::string value;
  Span span;
};

enum class LiteralUnit { none, time, ratio, bytes };

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct MatcherNode {
  Name label;
  MatchOp op = MatchOp::equal;
  std::optional<Text> text;  // a literal, or
  std::optional<Name> name;  // the name of a parameter
  Span span;
};

struct Grouping {
  bool without = false;
  std::vector<Name> labels;
  Span span;
};
struct Matching {
  bool ignoring = false;
  std::vector<Name> labels;
  enum class Group { none, left, right } group = Group::none;
  std::vector<Name> include;
  Span span;
};

enum class ExprKind {
  number,      // value, unit
  text,        // text
  reference,   // text: a name alone
  selector,    // text: metric name or "", matchers
  range,       // args[0], window in args[1]
  subquery,    // args[0], window in args[1], step in args[2] or left out
  offset,      // args[0], amount in args[1], negative
  call,        // text, args, grouping
  member,      // path, args (has_args)
  sign,        // text "-" or "+", args[0]
  negation,    // args[0]
  binary,      // text: the operator's spelling, args[0], args[1], matching
  percent_of,  // args[0] the percentage, args[1]
  hold,        // args[0] condition; hold
  since,       // event, args[0] bound when has_args
  before,      // args[0] length, event
};

struct Hold {
  enum class Kind { ticks, time, of } kind = Kind::ticks;
  ExprPtr amount;
  ExprPtr of;               // `in 3 of 5 ticks`
  ExprPtr unknown_at_most;  // null when not said
};

struct Expr {
  ExprKind kind = ExprKind::number;
  Span span;
  std::string text;
  std::optional<Rational> exact;  // number; nothing when too long to be exact
  double value = 0;               // number
  LiteralUnit unit = LiteralUnit::none;
  std::vector<ExprPtr> args;
  bool has_args = false;
  bool negative = false;  // offset
  std::vector<MatcherNode> matchers;
  std::optional<Grouping> grouping;
  std::optional<Matching> matching;
  std::vector<Name> path;  // member; event of since and before (one name `done`, or two)
  Hold hold;
};

struct BurnRowNode {
  bool page = false;
  bool share = false;  // `in`: a share of the budget; else a factor
  ExprPtr amount, long_window, short_window;
  Span span;
};
struct BurnBlock {
  std::vector<BurnRowNode> rows;
  Span span;
};

struct Use {
  std::vector<Name> path;
  Span span;
};
struct Param {
  Name name, type;
  ExprPtr fallback;  // null: required
  Span span;
};
struct TickSetting {
  ExprPtr step, phase;
  Span span;
};
struct Let {
  Name name;
  bool has_params = false;
  std::vector<Name> params;
  ExprPtr value;  // or
  std::optional<BurnBlock> burn;
  Span span;
};
struct MetricNode {
  Name name, kind;
  std::optional<Name> unit;
  bool has_labels = false, only = false;
  std::vector<Name> labels;
  Span span;
};

struct AmountClause {
  ExprPtr amount;
  Span span;
};
struct TextClause {
  Text text;
  Span span;
};
struct NameClause {
  Name name;
  Span span;
};
struct NamesClause {
  std::vector<Name> names;
  Span span;
};
struct UrlClause {
  std::vector<Text> urls;
  Span span;
};

struct SourceDecl {
  Name name, type;
  std::vector<UrlClause> url;
  std::vector<AmountClause> every, settle, timeout, lookback, semantics;
  Span span;
};
struct ReceiverDecl {
  Name name, type;
  std::vector<UrlClause> url;
  std::vector<NameClause> secret;
  std::vector<AmountClause> timeout, heartbeat;
  Span span;
};

struct Per {
  std::vector<Name> labels;
  ExprPtr max;
  Span span;
};
struct Indicator {
  enum class Kind { bad, good, share, bad_slices, good_slices } kind = Kind::bad;
  ExprPtr part, whole;  // counts
  ExprPtr histogram, at_most;
  ExprPtr slice, condition;
  Span span;
};
struct Objective {
  ExprPtr ratio, period;
  Span span;
};
struct BurnClause {
  std::optional<BurnBlock> block;
  std::vector<Name> path;
  std::map<std::size_t, BurnRowNode> changed;  // rows of the block or table that this clause has otherwise
  Span span;
};
struct SloMissing {
  ExprPtr keep;  // null: at once
  bool page = false;
  Span span;
};
struct Defer {
  bool page = false;
  Name policy;
  ExprPtr at_most;
  Span span;
};
struct Traffic {
  ExprPtr amount;
  Name unit;
  Span span;
};
struct SloDecl {
  Name name;
  std::optional<Per> per;
  std::vector<TextClause> about, owner, runbook;
  std::vector<Indicator> indicator;
  std::vector<Objective> objective;
  std::vector<BurnClause> burn;
  std::vector<AmountClause> floor, coverage;
  std::vector<SloMissing> missing;
  std::vector<NameClause> idle;
  std::vector<NamesClause> page, ticket;
  std::vector<Defer> defer;
  std::vector<Traffic> traffic;
  Span span;
};

struct HttpCall {
  Name method;
  Text url;
  Span span;
};
struct BodyField {
  Name key;
  std::optional<Name> name;
  std::optional<Text> text;
  ExprPtr amount;
};
struct ActionNode {
  Name name, delivery;
  HttpCall call;
  std::vector<BodyField> body;
  Span span;
};
struct DeployedClause {
  ExprPtr metric;
  Span span;
};
struct TargetDecl {
  Name name, type;
  std::vector<HttpCall> version;
  std::vector<DeployedClause> deployed;
  std::vector<ActionNode> action;
  std::vector<NameClause> secret;
  std::vector<AmountClause> timeout;
  Span span;
  // Whether nothing can be asked of it and nothing done to it.
  bool empty() const { return version.empty() && deployed.empty() && action.empty(); }
};

struct Events {
  ExprPtr at_least, bad;  // bad may be null
  Span span;
};
struct ConditionClause {
  ExprPtr condition;
  Span span;
};
struct VerifyNode {
  ExprPtr condition, after, within;
  std::optional<Events> events;
  std::optional<Name> escalate;
  std::optional<Text> message;
  Span span;
};
struct LimitNode {
  ExprPtr count, per;
  Span span;
};
struct PolicyMissing {
  std::optional<Name> page;  // nothing: `do nothing`
  Span span;
};
struct PolicyDecl {
  Name name, target;
  std::optional<Per> per;
  std::vector<TextClause> about, owner, runbook;
  std::vector<ConditionClause> when, until;
  std::vector<Events> events;
  std::vector<NameClause> action;
  std::vector<VerifyNode> verify;
  std::vector<LimitNode> limit;
  std::vector<AmountClause> cooldown, repeat;
  std::vector<PolicyMissing> missing;
  std::vector<NameClause> mode;
  Span span;
};

struct Moment {
  ExprPtr amount;  // or
  Name declaration, state;
  Span span;
};
struct Given {
  enum class Kind { series, event, target_fails, target_answers, receiver_fails } kind = Kind::series;
  Name name, member;  // the metric; target and its event; target and its action; the receiver
  std::vector<MatcherNode> matchers;
  enum class Pattern { none, rate, value, values } pattern = Pattern::none;
  std::vector<ExprPtr> amounts;
  std::vector<bool> negative;
  std::optional<Name> rate_unit;
  std::optional<Moment> from, until, appears;
  std::vector<Moment> resets;
  std::vector<std::pair<Moment, Moment>> gaps;
  ExprPtr at;
  Span span;
};
struct ExpectSpan {
  enum class Kind { between, after, before, at } kind = Kind::between;
  Moment first, second;
};
struct Expect {
  bool negated = false;
  bool message = false;  // page or ticket to a receiver
  bool page = false;
  Name name;  // receiver or declaration
  Name state;
  std::optional<ExpectSpan> when;
  Span span;
};
struct TestDecl {
  Text name;
  std::vector<Given> given;
  std::vector<Expect> expect;
  Span span;
};

struct File {
  std::uint32_t file = 0;
  std::vector<Use> uses;
  std::vector<Param> params;
  std::vector<TickSetting> ticks;
  std::vector<Let> lets;
  std::vector<MetricNode> metrics;
  std::vector<SourceDecl> sources;
  std::vector<ReceiverDecl> receivers;
  std::vector<SloDecl> slos;
  std::vector<TargetDecl> targets;
  std::vector<PolicyDecl> policies;
  std::vector<TestDecl> tests;
};

}  // namespace signalbox::syntax
