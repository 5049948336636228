// The fields of every struct of the plan, in their declared order, once: what writes a plan and what reads it
// both walk these lists, so that they cannot drift apart. An `Io` is called with fields and with
// io.origin(…), and with io.since(version, …) for fields that later formats added.
#pragma once

#include "runtime/plan/plan.hpp"

namespace signalbox::plan {

// The last enumerator, for checks of what is read.
template <class E>
inline constexpr E last_of = E{};
template <>
inline constexpr Evidence last_of<Evidence> = Evidence::invalid;
template <>
inline constexpr MatchOp last_of<MatchOp> = MatchOp::not_regex;
template <>
inline constexpr RangeFn last_of<RangeFn> = RangeFn::holt_winters;
template <>
inline constexpr WindowKind last_of<WindowKind> = WindowKind::since_done;
template <>
inline constexpr LeafFn last_of<LeafFn> = LeafFn::timestamp;
template <>
inline constexpr Join last_of<Join> = Join::ignoring;
template <>
inline constexpr Matching::Group last_of<Matching::Group> = Matching::Group::right;
template <>
inline constexpr Matching::Name last_of<Matching::Name> = Matching::Name::kept_by_prometheus2;
template <>
inline constexpr NodeKind last_of<NodeKind> = NodeKind::histogram;
template <>
inline constexpr Aggregate last_of<Aggregate> = Aggregate::count_values;
template <>
inline constexpr SetOp last_of<SetOp> = SetOp::unless;
template <>
inline constexpr Relabel::Kind last_of<Relabel::Kind> = Relabel::Kind::join;
template <>
inline constexpr Hold::Kind last_of<Hold::Kind> = Hold::Kind::of;
template <>
inline constexpr SourceType last_of<SourceType> = SourceType::file;
template <>
inline constexpr ReceiverType last_of<ReceiverType> = ReceiverType::log;
template <>
inline constexpr Severity last_of<Severity> = Severity::page;
template <>
inline constexpr Delivery last_of<Delivery> = Delivery::unsafe;
template <>
inline constexpr BodyValue::Kind last_of<BodyValue::Kind> = BodyValue::Kind::episode;
template <>
inline constexpr Mode last_of<Mode> = Mode::act;

template <class T>
struct Fields;

template <>
struct Fields<Origin> {
  static void visit(auto& io, auto& o) { io(o.file, o.line, o.column, o.text); }
};
template <>
struct Fields<Matcher> {
  static void visit(auto& io, auto& m) { io(m.label, m.op, m.value); }
};
template <>
struct Fields<Window> {
  static void visit(auto& io, auto& w) {
    io(w.kind, w.length, w.offset, w.target);
    io.since(2, w.at);
  }
};
template <>
struct Fields<Leaf> {
  static void visit(auto& io, auto& l) { io(l.matchers, l.fn, l.range_fn, l.window); }
};
template <>
struct Fields<Matching> {
  static void visit(auto& io, auto& m) {
    io(m.join, m.labels, m.group, m.include, m.absent);
    io.since(2, m.name);
  }
};
template <>
struct Fields<Hold> {
  static void visit(auto& io, auto& h) { io(h.kind, h.count, h.of, h.time, h.unknown_at_most); }
};
template <>
struct Fields<Relabel> {
  static void visit(auto& io, auto& r) { io(r.kind, r.to, r.with, r.regex, r.from); }
};
template <>
struct Fields<Subquery> {
  static void visit(auto& io, auto& s) { io(s.range_fn, s.window, s.step); }
};
template <>
struct Fields<Node> {
  static void visit(auto& io, auto& n) {
    io(n.kind, n.index, n.inputs, n.params, n.matching, n.aggregate, n.without, n.known_only, n.labels,
       n.hold, n.scalar, n.closed, n.rows, n.condition);
    io.since(2, n.set, n.descending, n.relabel, n.subquery);
    io.origin(n.origin);
  }
};
template <>
struct Fields<BurnReading> {
  static void visit(auto& io, auto& r) {
    io(r.condition, r.slo, r.ratio, r.bad, r.total, r.budget, r.factor, r.theta);
  }
};
template <>
struct Fields<Source> {
  static void visit(auto& io, auto& s) {
    io(s.name, s.type, s.urls, s.every, s.settle, s.timeout);
    io.origin(s.origin);
  }
};
template <>
struct Fields<Receiver> {
  static void visit(auto& io, auto& r) {
    io(r.name, r.type, r.url, r.secret, r.timeout, r.heartbeat);
    io.origin(r.origin);
  }
};
template <>
struct Fields<BurnRow> {
  static void visit(auto& io, auto& r) {
    io(r.severity, r.factor, r.theta, r.exact_theta, r.long_window, r.short_window, r.condition, r.long_ratio,
       r.short_ratio, r.clipped);
    io.origin(r.origin);
  }
};
template <>
struct Fields<DeferRule> {
  static void visit(auto& io, auto& d) { io(d.severity, d.policy, d.at_most); }
};
template <>
struct Fields<Slo::WindowReading> {
  static void visit(auto& io, auto& w) { io(w.window, w.ratio); }
};
template <>
struct Fields<Slo> {
  static void visit(auto& io, auto& s) {
    io(s.name, s.about, s.owner, s.runbook, s.per, s.max_instances, s.objective, s.period, s.slices, s.slice,
       s.universe, s.spent, s.seen, s.coverage, s.traffic, s.least_coverage, s.rows, s.windows, s.floor,
       s.missing_keep, s.missing, s.idle_keeps, s.page, s.ticket, s.defer);
    io.origin(s.origin);
  }
};
template <>
struct Fields<BodyValue> {
  static void visit(auto& io, auto& b) { io(b.key, b.kind, b.text, b.number); }
};
template <>
struct Fields<Action> {
  static void visit(auto& io, auto& a) {
    io(a.name, a.method, a.url, a.delivery, a.body);
    io.origin(a.origin);
  }
};
template <>
struct Fields<Target> {
  static void visit(auto& io, auto& t) {
    io(t.name, t.version_url, t.deployed, t.actions, t.secret, t.timeout);
    io.origin(t.origin);
  }
};
template <>
struct Fields<EventsRule> {
  static void visit(auto& io, auto& e) { io(e.at_least, e.bad); }
};
template <>
struct Fields<Verify> {
  static void visit(auto& io, auto& v) {
    io(v.condition, v.family, v.after, v.within, v.events, v.escalate, v.message);
  }
};
template <>
struct Fields<Policy> {
  static void visit(auto& io, auto& p) {
    io(p.name, p.about, p.owner, p.runbook, p.target, p.per, p.max_instances, p.when, p.family, p.until,
       p.anchor, p.bound, p.anchored_slos, p.events, p.action, p.verify, p.limit, p.limit_per, p.cooldown,
       p.repeat, p.missing_page, p.mode);
    io.origin(p.origin);
  }
};
// `origins` comes after all else, and only where it is asked for.
template <>
struct Fields<Plan> {
  static void visit(auto& io, auto& p) {
    io(p.name, p.tick, p.phase, p.lookback, p.semantics, p.shapes, p.leaves, p.nodes, p.readings, p.sources,
       p.receivers, p.slos, p.targets, p.policies);
    io.origins(p.origins);
  }
};

}  // namespace signalbox::plan
