// The plan: what a program computes and does, without syntax. Compilers produce it; whatever interprets,
// compiles, exports, explains or analyses reads it. All cross references are indices into the tables of one
// Plan, and a node's inputs are always earlier nodes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/promql_terms.hpp"
#include "runtime/base/rational.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/plan/shape.hpp"

namespace signalbox::plan {

using Index = std::uint32_t;
inline constexpr Index none = 0xffffffff;

// Where a thing stands in the text, and how it reads there. Not part of the digest.
struct Origin {
  std::string file;
  std::uint32_t line = 0, column = 0;
  std::string text;
};

// ---- Signals
// ----------------------------------------------------------------------------------------------------

enum class WindowKind : std::uint8_t {
  instant,     // the latest sample within the look-back
  trailing,    // the last `length`
  since,       // from target's deploy on, for at most `length`; then `outside`
  before,      // the `length` before target's deploy, without spans of earlier episodes
  since_done,  // from the verified action's `done` + `after` on
};
struct Window {
  WindowKind kind = WindowKind::instant;
  Duration length;
  Duration offset;            // instant and trailing only; into the past
  Index target = none;        // since and before: whose deploy
  std::optional<Instant> at;  // instant and trailing only: looked at from here instead of from the tick
  bool operator==(const Window&) const = default;
};

enum class LeafFn : std::uint8_t {
  sample,        // the instant selector
  range,         // `range_fn` over a trailing window, as Prometheus
  raw_increase,  // reset-corrected raw increments inside the closed window
  coverage,      // how much of a trailing window lies between its first and last sample, 0 to 1
  timestamp,     // when the instant selector's sample was taken, in seconds
};
// One leaf is one column: a row for each series that the selector finds.
struct Leaf {
  std::vector<Matcher> matchers;  // sorted; __name__ among them
  LeafFn fn = LeafFn::sample;
  RangeFn range_fn = RangeFn::rate;
  Window window;
  bool operator==(const Leaf&) const = default;
};

// How the rows of several inputs meet.
enum class Join : std::uint8_t {
  only,       // one family at most; the other inputs are scalars
  intersect,  // by all labels but the name; one to one
  unite,      // by all labels but the name; where a side is absent it has no data
  on,         // by `labels`
  ignoring,   // by all labels but `labels`
};
struct Matching {
  Join join = Join::only;
  std::vector<std::string> labels;
  enum class Group : std::uint8_t { one_to_one, left, right } group = Group::one_to_one;
  std::vector<std::string> include;     // taken over from the "one" side
  Evidence absent = Evidence::no_data;  // of an absent side, for `unite`
  // Whether rows keep the name of the first family, as PromQL's filters do; Prometheus 2 forgets that atan2
  // makes another metric.
  enum class Name : std::uint8_t { dropped, kept, kept_by_prometheus2 } name = Name::dropped;
  bool operator==(const Matching&) const = default;
};

enum class NodeKind : std::uint8_t {
  constant,   // params[0]
  time,       // the tick's instant in seconds
  leaf,       // leaf `index`; inputs are the parameters of its function, scalars
  map,        // shape `index` with `params` over the inputs, joined by `matching`
  aggregate,  // `aggregate` of input 0 by (or without) `labels`; input 1 is its parameter, where it takes one
  count_true,  // how many rows of condition 0 are true, by (or without) `labels`
  any,         // Kleene or of condition 0 over `labels`: they are gone from the result
  all,         // Kleene and, likewise
  quantile,    // histogram_quantile(input 0, input 1)
  absent,      // 1 when input 0 finds nothing; `labels` are the row's: name, value, name, value, …
  hold,        // condition 0 held: `hold`
  slices,      // how many of the slices of params[0] ms in the last params[1] ms were true (or known) in
               // condition 0
  // Of PromQL. What has no value there is absent, whatever its evidence.
  set,        // `set` of families 0 and 1, matched by `matching`
  to_scalar,  // the value of family 0 when it has one row, else NaN
  sort,       // family 0 with its rows in order of value
  relabel,    // family 0 with labels rewritten by `relabel`
  subquery,   // `range_fn` over input 0 at the instants of `subquery`; further inputs are its parameters
  histogram,  // HistogramFn `index` of the native histograms of the last input; the others are its parameters
};
enum class HistogramFn : std::uint8_t { count, sum, avg, fraction, stddev, stdvar };
inline constexpr std::size_t histogram_fns = 6;
constexpr std::size_t histogram_fn_params(HistogramFn fn) {
  return fn == HistogramFn::fraction ? 2 : 0;
}
enum class Aggregate : std::uint8_t {
  sum,
  avg,
  min,
  max,
  count,
  group,
  stddev,
  stdvar,
  quantile,  // of input 1, interpolated
  topk,      // the rows of the input 1 largest, with their own labels, largest first
  bottomk,
  count_values,  // a row for each value, which becomes label `relabel.to`
};
constexpr bool takes_parameter(Aggregate a) {
  return a == Aggregate::quantile || a == Aggregate::topk || a == Aggregate::bottomk;
}
// Whose rows depend on values, and not on the rows of the input alone.
constexpr bool chooses_rows(Aggregate a) {
  return a == Aggregate::topk || a == Aggregate::bottomk || a == Aggregate::count_values;
}
enum class SetOp : std::uint8_t { both, either, unless };
// label_replace(…, to, with, from[0], regex), or label_join(…, to, with, from…).
struct Relabel {
  enum class Kind : std::uint8_t { replace, join } kind = Kind::replace;
  std::string to, with, regex;
  std::vector<std::string> from;
  bool operator==(const Relabel&) const = default;
};
// The instants of a subquery: multiples of `step` since the epoch in `window`.
struct Subquery {
  RangeFn range_fn = RangeFn::rate;
  Window window;
  Duration step;
  bool operator==(const Subquery&) const = default;
};
struct Hold {
  enum class Kind : std::uint8_t { ticks, time, of } kind = Kind::ticks;
  std::uint32_t count = 1;            // ticks that must be true
  std::uint32_t of = 1;               // out of so many, for `of`
  Duration time;                      // known-true time, for `time`
  std::uint32_t unknown_at_most = 2;  // one more unknown tick in a row resets
  bool operator==(const Hold&) const = default;
};

struct Node {
  NodeKind kind = NodeKind::constant;
  Index index = none;
  std::vector<Index> inputs;
  std::vector<double> params;
  Matching matching;
  Aggregate aggregate = Aggregate::sum;
  bool without = false;
  bool known_only = false;  // slices: count the known ones instead of the true ones
  std::vector<std::string> labels;
  Hold hold;
  SetOp set = SetOp::both;
  bool descending = false;  // sort
  Relabel relabel;
  Subquery subquery;
  // What the rows look like. A scalar has one row without labels and always a value; a closed family has
  // exactly `rows` for labels, an open one at least some.
  bool scalar = false;
  bool closed = false;
  std::vector<std::string> rows;
  bool condition = false;
  Index origin = none;
  // Equal up to origin: such nodes are one.
  bool same_as(const Node& other) const;
};

// A comparison on an SLO's burn, for records and people: which ratio was compared with which threshold.
struct BurnReading {
  Index condition = none;  // the node that compares
  Index slo = none;
  Index ratio = none;  // bad ÷ total
  Index bad = none, total = none;
  double budget = 0;  // 1 − objective: burn = ratio ÷ budget
  double factor = 0;  // what the text says
  double theta = 0;   // what the ratio is compared with
};

// ---- Declarations
// -----------------------------------------------------------------------------------------------

enum class SourceType : std::uint8_t { scrape, prometheus, file };
struct Source {
  std::string name;
  SourceType type = SourceType::scrape;
  std::vector<std::string> urls;
  Duration every, settle, timeout;
  Index origin = none;
};

enum class ReceiverType : std::uint8_t { webhook, log };
struct Receiver {
  std::string name;
  ReceiverType type = ReceiverType::log;
  std::string url, secret;
  Duration timeout;
  Duration heartbeat;  // zero: none
  Index origin = none;
};

enum class Severity : std::uint8_t { ticket, page };
struct BurnRow {
  Severity severity = Severity::page;
  double factor = 0, theta = 0;
  Rational exact_theta;
  Duration long_window, short_window;
  Index condition = none;  // long > θ and short > θ, and the floor
  Index long_ratio = none, short_ratio = none;
  Index clipped = none;  // the same judged since `done`, for `defer`
  Index origin = none;
};
struct DeferRule {
  Severity severity = Severity::page;
  Index policy = none;
  Duration at_most;
};
struct Slo {
  std::string name, about, owner, runbook;
  std::vector<std::string> per;
  std::uint32_t max_instances = 1;
  Rational objective;
  Duration period;
  bool slices = false;
  Duration slice;
  Index universe = none;            // a family with one row per instance: the denominator's latest samples
  Index spent = none, seen = none;  // bad and total raw increments (or slices) over the period
  Index coverage = none;            // of the period
  double traffic = 0;               // declared events a second; 0 when not declared
  double least_coverage = 0.8;      // below: provisional
  std::vector<BurnRow> rows;
  struct WindowReading {
    Duration window;
    Index ratio = none;
  };
  std::vector<WindowReading> windows;  // each window of the rows once, for reports
  double floor = 0;
  Duration missing_keep = minutes(10);
  Severity missing = Severity::ticket;
  bool idle_keeps = false;          // idle: keep the rows' state instead of clearing it
  std::vector<Index> page, ticket;  // receivers
  std::vector<DeferRule> defer;
  Index origin = none;
};

enum class Delivery : std::uint8_t { idempotent, once, unsafe };
struct BodyValue {
  std::string key;
  enum class Kind : std::uint8_t {
    text,
    number,
    previous_version,
    current_version,
    episode
  } kind = Kind::text;
  std::string text;
  double number = 0;
};
struct Action {
  std::string name, method, url;
  Delivery delivery = Delivery::unsafe;
  std::vector<BodyValue> body;
  Index origin = none;
};
struct Target {
  std::string name;
  std::string version_url;  // "" when it cannot be asked
  Index deployed = none;    // node: seconds since the epoch of the last deploy
  std::vector<Action> actions;
  std::string secret;
  Duration timeout;
  Index origin = none;
};

enum class Mode : std::uint8_t { observe, dry_run, approve, act };
struct EventsRule {
  double at_least = 0, bad = 0;
};
struct Verify {
  Index condition = none;  // none: nothing is verified
  Index family = none;     // input of an outermost `all by`, else none
  Duration after, within;
  EventsRule events;
  Index escalate = none;  // receiver
  std::string message;
};
struct Policy {
  std::string name, about, owner, runbook;
  Index target = none;
  std::vector<std::string> per;
  std::uint32_t max_instances = 1;
  Index when = none;
  Index family = none;  // input of the outermost `any by` or `all by` of `when`, else none
  Index until = none;
  Index anchor = none;               // target whose deploy anchors the episodes; none when unanchored
  Duration bound;                    // of the anchored windows
  std::vector<Index> anchored_slos;  // whose loss of data inside the bound pages at once
  EventsRule events;
  Index action = none;  // of the target
  Verify verify;
  std::uint32_t limit = 0;
  Duration limit_per, cooldown;
  std::uint32_t repeat = 1;
  Index missing_page = none;  // receiver; none: do nothing
  Mode mode = Mode::act;
  Index origin = none;
};

struct Plan {
  std::string name;  // of the program, for records
  Duration tick = seconds(15), phase;
  Duration lookback = minutes(5);
  std::optional<Semantics> semantics;  // nothing: taken from the source
  std::vector<Shape> shapes;
  std::vector<Leaf> leaves;
  std::vector<Node> nodes;
  std::vector<BurnReading> readings;
  std::vector<Source> sources;
  std::vector<Receiver> receivers;
  std::vector<Slo> slos;
  std::vector<Target> targets;
  std::vector<Policy> policies;
  std::vector<Origin> origins;
};

// Canonical bytes: equal plans have equal bytes. With `origins` they carry what explanations need; the digest
// is the SHA-256 of the bytes without, so that comments and formatting do not change it.
std::string to_bytes(const Plan& plan, bool origins);
// Equal up to origin: equal bytes.
std::string to_bytes(const Node& node);
std::string to_bytes(const Leaf& leaf);
// Errors: `unsupported` for a newer version, `malformed` for anything that is not a plan (all indices are
// checked).
Result<Plan> from_bytes(std::string_view bytes);
std::string digest(const Plan& plan);

// The longest look into the past of any leaf, look-back included: what a store must keep.
Duration longest_window(const Plan& plan);

// How far the holds at and below `node` look back, one on the other; zero where there is none. A whole number
// of ticks.
Duration hold_span(const Plan& plan, Index node);

}  // namespace signalbox::plan
