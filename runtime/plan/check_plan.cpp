#include "runtime/plan/check_plan.hpp"

#include <fmt/format.h>

#include <cmath>
#include <concepts>

#include "runtime/plan/plan_fields.hpp"

namespace signalbox::plan {
namespace {

// Walks every field of the plan for what needs no context: durations and origins.
class FieldCheck {
 public:
  explicit FieldCheck(std::size_t origins) : origins_(origins) {}
  bool ok() const { return ok_; }
  template <class... T>
  void operator()(const T&... fields) {
    (field(fields), ...);
  }
  template <class... T>
  void since(std::uint64_t, const T&... fields) {
    (field(fields), ...);
  }
  void origin(Index at) { ok_ = ok_ && (at == none || at < origins_); }
  void origins(const std::vector<Origin>&) {}

 private:
  void field(const std::optional<Instant>& t) {
    ok_ = ok_ && (!t || (earliest_instant <= *t && *t <= latest_instant));
  }
  void field(Duration d) { ok_ = ok_ && d <= longest_duration && longest_duration * -1 <= d; }
  template <class T>
  void field(const std::vector<T>& items) {
    for (const T& item : items) field(item);
  }
  template <class T>
  void field(const T& item) {
    if constexpr (requires(FieldCheck & io) { Fields<T>::visit(io, item); }) Fields<T>::visit(*this, item);
  }

  std::size_t origins_;
  bool ok_ = true;
};

class Check {
 public:
  explicit Check(const Plan& plan) : plan_(plan) {}
  std::optional<std::string> run() {
    FieldCheck fields(plan_.origins.size());
    Fields<Plan>::visit(fields, plan_);
    hold(fields.ok(), "a time or an origin is out of range");
    hold(plan_.tick.ms > 0, "the tick is not positive");
    for (const Shape& shape : plan_.shapes) hold(well_formed(shape), "a shape is not well formed");
    for (const Leaf& leaf : plan_.leaves) check(leaf);
    for (std::size_t i = 0; i < plan_.nodes.size() && fault_.empty(); ++i) check(plan_.nodes[i], i);
    for (const BurnReading& reading : plan_.readings) {
      for (const Index i : {reading.condition, reading.ratio, reading.bad, reading.total}) node(i);
      maybe(reading.slo, plan_.slos, "an SLO");
    }
    for (const Slo& slo : plan_.slos) check(slo);
    for (const Target& target : plan_.targets) node(target.deployed);
    for (const Policy& policy : plan_.policies) check(policy);
    if (fault_.empty()) return std::nullopt;
    return fault_;
  }

 private:
  void hold(bool holds, std::string_view otherwise) {
    if (!holds && fault_.empty()) fault_ = otherwise;
  }
  template <class T>
  void must(Index index, const std::vector<T>& table, std::string_view what) {
    if (index >= table.size()) hold(false, fmt::format("an index of {} is out of range", what));
  }
  template <class T>
  void maybe(Index index, const std::vector<T>& table, std::string_view what) {
    if (index != none) must(index, table, what);
  }
  void node(Index index) { maybe(index, plan_.nodes, "a node"); }
  void receivers(const std::vector<Index>& list) {
    for (const Index i : list) must(i, plan_.receivers, "a receiver");
  }

  void check(const Leaf& leaf) {
    const Window& window = leaf.window;
    const bool of_deploy = window.kind == WindowKind::since || window.kind == WindowKind::before;
    if (of_deploy || window.target != none) must(window.target, plan_.targets, "a target");
    hold(window.length.ms >= 0, "a window is shorter than nothing");
    const bool fits = leaf.fn == LeafFn::sample || leaf.fn == LeafFn::timestamp
                          ? window.kind == WindowKind::instant
                      : leaf.fn == LeafFn::raw_increase ? window.kind != WindowKind::instant
                                                        : window.kind == WindowKind::trailing;
    hold(fits, "a leaf has a window that its function does not read");
  }

  void check(const Node& n, std::size_t at) {
    for (const Index input : n.inputs) hold(input < at, "a node reads one that is not earlier");
    if (n.kind != NodeKind::leaf && n.kind != NodeKind::map && n.kind != NodeKind::histogram)
      hold(n.index == none, "a node has an index that it does not use");
    std::size_t inputs = 1, params = 0;
    switch (n.kind) {
      case NodeKind::constant:
        inputs = 0;
        params = 1;
        break;
      case NodeKind::time:
        inputs = 0;
        break;
      case NodeKind::leaf:
        must(n.index, plan_.leaves, "a leaf");
        if (!fault_.empty()) return;
        inputs = parameters(plan_.leaves[n.index]);
        break;
      case NodeKind::map:
        must(n.index, plan_.shapes, "a shape");
        if (!fault_.empty()) return;
        inputs = plan_.shapes[n.index].inputs;
        params = plan_.shapes[n.index].params;
        break;
      case NodeKind::quantile:
        inputs = 2;
        break;
      case NodeKind::histogram:
        hold(n.index < histogram_fns, "a node of native histograms has a function that there is not");
        if (!fault_.empty()) return;
        inputs = 1 + histogram_fn_params(static_cast<HistogramFn>(n.index));
        break;
      case NodeKind::slices:
        params = 2;
        break;
      case NodeKind::aggregate:
        inputs = takes_parameter(n.aggregate) ? 2 : 1;
        break;
      case NodeKind::set:
        inputs = 2;
        break;
      case NodeKind::subquery:
        inputs = 1 + static_cast<std::size_t>(range_fn_params(n.subquery.range_fn));
        check(n.subquery);
        break;
      case NodeKind::relabel:
        hold(n.relabel.kind != Relabel::Kind::replace || n.relabel.from.size() == 1,
             "a relabelling reads other than one label");
        break;
      case NodeKind::absent:
        hold(n.labels.size() % 2 == 0, "a label has no value");
        break;
      case NodeKind::count_true:
      case NodeKind::any:
      case NodeKind::all:
      case NodeKind::to_scalar:
      case NodeKind::sort:
      case NodeKind::hold:
        break;
    }
    hold(n.inputs.size() == inputs, "a node has inputs that its kind does not take");
    hold(n.params.size() == params, "a node has parameters that its kind does not take");
    for (const Index input : n.inputs)
      if (fault_.empty() && reads_numbers(n.kind))
        hold(!has_truths(plan_.nodes[input]), "a node that calculates reads a condition");
    if (n.kind == NodeKind::slices && fault_.empty()) check_slices(n.params[0], n.params[1]);
    if (n.kind == NodeKind::hold) {
      hold(n.hold.of >= 1 && n.hold.of <= 64, "a hold looks back over more than 64 ticks");
      hold(n.hold.time.ms >= 0, "a hold is shorter than nothing");
    }
  }

  // Whether its columns have truths: those of a hold may, where what is held has.
  bool has_truths(const Node& n) const {
    if (n.kind == NodeKind::map) return plan_.shapes[n.index].is_condition();
    return n.kind == NodeKind::hold || n.kind == NodeKind::any || n.kind == NodeKind::all;
  }
  static bool reads_numbers(NodeKind kind) {
    switch (kind) {
      case NodeKind::map:
      case NodeKind::absent:
      case NodeKind::hold:
      case NodeKind::any:
      case NodeKind::all:
      case NodeKind::count_true:
      case NodeKind::slices:
        return false;
      default:
        return true;
    }
  }
  static std::size_t parameters(const Leaf& leaf) {
    return leaf.fn == LeafFn::range ? static_cast<std::size_t>(range_fn_params(leaf.range_fn)) : 0;
  }
  void check(const Subquery& q) {
    hold(q.window.kind == WindowKind::trailing && q.window.length.ms >= 0 && q.step.ms > 0,
         "a subquery has no instants");
    if (fault_.empty())
      hold(q.window.length.ms / q.step.ms <= most_subquery_steps, "a subquery has too many instants");
  }

  void check_slices(double length, double window) {
    const auto whole = [](double ms) {
      return ms >= 1 && ms <= static_cast<double>(longest_duration.ms) && std::trunc(ms) == ms;
    };
    hold(whole(length) && whole(window), "slices are not of whole milliseconds");
    hold(window / length <= most_slices, "a window has too many slices");
  }

  void check(const Slo& slo) {
    for (const Index i : {slo.universe, slo.spent, slo.seen, slo.coverage}) node(i);
    for (const BurnRow& row : slo.rows)
      for (const Index i : {row.condition, row.long_ratio, row.short_ratio, row.clipped}) node(i);
    for (const Slo::WindowReading& window : slo.windows) node(window.ratio);
    receivers(slo.page);
    receivers(slo.ticket);
    for (const DeferRule& rule : slo.defer) must(rule.policy, plan_.policies, "a policy");
  }

  void check(const Policy& policy) {
    must(policy.target, plan_.targets, "a target");
    must(policy.when, plan_.nodes, "a node");
    if (!fault_.empty()) return;
    node(policy.family);
    node(policy.until);
    maybe(policy.anchor, plan_.targets, "a target");
    for (const Index i : policy.anchored_slos) must(i, plan_.slos, "an SLO");
    maybe(policy.action, plan_.targets[policy.target].actions, "an action");
    node(policy.verify.condition);
    node(policy.verify.family);
    maybe(policy.verify.escalate, plan_.receivers, "a receiver");
    maybe(policy.missing_page, plan_.receivers, "a receiver");
  }

  const Plan& plan_;
  std::string fault_;
};

}  // namespace

std::optional<std::string> find_fault(const Plan& plan) {
  return Check(plan).run();
}

}  // namespace signalbox::plan
