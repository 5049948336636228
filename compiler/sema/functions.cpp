#include "compiler/sema/functions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/labels.hpp"

namespace signalbox::sema {

using plan::ShapeOp;
using source::Code;
using syntax::Expr;

namespace {

// The language's own, beside those of PromQL's tables.
const std::vector<std::string> own_names = {"count_true", "any", "all", "p50", "p90", "p95", "p99", "promql"};

// Experimental in PromQL: not in this version.
const std::vector<std::string> later = {"mad_over_time",
                                        "limitk",
                                        "limit_ratio",
                                        "info",
                                        "sort_by_label",
                                        "sort_by_label_desc",
                                        "double_exponential_smoothing"};

bool is_later(const std::string& name) {
  return std::find(later.begin(), later.end(), name) != later.end();
}

// Range functions that make a histogram of native histograms, and those that make a number of them.
bool keeps_histogram(RangeFn fn) {
  return fn == RangeFn::rate || fn == RangeFn::increase || fn == RangeFn::delta || range_fn_picks(fn) ||
         fn == RangeFn::sum_over_time || fn == RangeFn::avg_over_time;
}
bool counts_histograms(RangeFn fn) {
  return fn == RangeFn::count_over_time || fn == RangeFn::present_over_time || fn == RangeFn::resets ||
         fn == RangeFn::changes;
}

bool is_percentile(const std::string& name) {
  return name.size() == 3 && name[0] == 'p' && name[1] >= '5' && name[1] <= '9' && name[2] >= '0' &&
         name[2] <= '9';
}

}  // namespace

bool is_function(const std::string& name) {
  return promql_text::find_function(name) != nullptr || promql_text::find_aggregation(name) != nullptr ||
         is_percentile(name) || std::find(own_names.begin(), own_names.end(), name) != own_names.end() ||
         is_later(name);
}

TypedPtr Functions::call(const Expr& e) {
  if (const auto fn = find_range_fn(e.text); fn && range_fn_params(*fn) == 0) return range_function(e, *fn);
  if (const auto* aggregation = promql_text::find_aggregation(e.text)) return aggregate(e, aggregation->op);
  if (e.text == "count_true") return count_true(e);
  if (e.text == "any") return quantifier(e, false);
  if (e.text == "all") return quantifier(e, true);
  if (e.grouping)
    return t_.fail(Code::bad_argument, e.grouping->span, fmt::format("`{}` has no grouping", e.text),
                   "group an aggregation: sum by (region) (…)");
  if (e.text == "histogram_quantile") return histogram_quantile(e);
  if (is_percentile(e.text)) return percentile(e, (e.text[1] - '0') * 10 + (e.text[2] - '0'));
  if (e.text == "clamp") return clamp(e);
  if (e.text == "clamp_min") return clamp_one(e, ShapeOp::clamp_min);
  if (e.text == "clamp_max") return clamp_one(e, ShapeOp::clamp_max);
  if (e.text == "abs") return absolute(e);
  if (e.text == "absent") return absent(e);
  if (e.text == "time") return time(e);
  if (e.text == "promql") return promql(e);
  if (const auto* function = promql_text::find_function(e.text); function != nullptr && !is_later(e.text))
    return promql_function(e, *function);
  return unknown(e);
}

TypedPtr Functions::unknown(const Expr& e) {
  if (is_later(e.text))
    return t_.fail(Code::not_yet, e.span, fmt::format("`{}` is not supported yet", e.text),
                   "it is part of the language's design and comes in a later version");
  std::vector<std::string> names = own_names;
  for (const promql_text::Function& f : promql_text::functions()) names.emplace_back(f.name);
  for (const promql_text::Aggregation& a : promql_text::aggregations()) names.emplace_back(a.name);
  const std::size_t home = t_.place_.module < t_.scope_.roots ? 0 : t_.place_.module;
  for (const auto& [name, let] : t_.scope_.lets[home]) names.push_back(name);
  const std::string near = source::nearest(e.text, names);
  return t_.fail(Code::unknown_name, e.span, fmt::format("no function or `let` is called `{}`", e.text),
                 near.empty() ? "" : fmt::format("did you mean `{}`?", near));
}

bool Functions::arity(const Expr& e, std::size_t n, const char* form) {
  if (e.args.size() == n) return true;
  t_.fail(Code::bad_argument, e.span,
          fmt::format("`{}` takes {} argument{}, not {}", e.text, n, n == 1 ? "" : "s", e.args.size()),
          fmt::format("write {}", form));
  return false;
}

// Whether the function's way with resets is that of the metric's kind.
bool Functions::check_range_kind(const Expr& e, RangeFn fn, const TypedPtr& range) {
  const MetricKind kind = range->type.kind;
  // A subquery may be of more than a metric.
  const std::string metric = range->text.empty() ? "…" : range->text;
  const std::string subject = range->text.empty() ? "what it works on" : "`" + range->text + "`";
  const auto fail = [&](std::string message, std::string hint) {
    t_.fail(Code::kind_clash, e.span, std::move(message), std::move(hint));
    return false;
  };
  if (range_fn_wants_counter(fn) && kind == MetricKind::gauge)
    return fail(fmt::format("`{}` is for counters, and {} is a gauge", e.text, subject),
                fn == RangeFn::increase
                    ? fmt::format("use delta({}[…])", metric)
                    : fmt::format("use delta({}[…]), or declare the metric a counter", metric));
  if (range_fn_wants_gauge(fn) && kind == MetricKind::counter)
    return fail(fmt::format("`{}` is for gauges, and {} is a counter: a reset would count as a fall", e.text,
                            subject),
                fn == RangeFn::delta ? fmt::format("use increase({}[…])", metric)
                : fn == RangeFn::idelta
                    ? fmt::format("use irate({}[…])", metric)
                    : fmt::format("take it of a rate: {}(rate({}[5m])[1h:1m])", e.text, metric));
  if (kind == MetricKind::histogram)
    return fail(fmt::format("{} is a histogram, not one series", subject),
                fmt::format("use {0}_count, {0}_sum or {0}_bucket, or p95({0}[5m])", metric));
  if (kind == MetricKind::native_histogram && !keeps_histogram(fn) && !counts_histograms(fn))
    return fail(fmt::format("`{}` makes nothing of {}, a native histogram", e.text, subject),
                fmt::format("take it of a number: histogram_quantile(0.95, rate({0}[5m])) or "
                            "histogram_count({0})",
                            metric));
  return true;
}

TypedPtr Functions::range_function(const Expr& e, RangeFn fn) {
  if (e.grouping)
    return t_.fail(Code::bad_argument, e.grouping->span, fmt::format("`{}` has no grouping", e.text),
                   fmt::format("write sum by (…) ({}(m[5m]))", e.text));
  const std::string form = fmt::format("{}(metric[5m])", e.text);
  if (!arity(e, 1, form.c_str())) return nullptr;
  const TypedPtr a = t_.visit(e.args[0]);
  if (a == nullptr) return nullptr;
  if (a->type.sort != Sort::range)
    return t_.fail(Code::type_clash, e.args[0]->span, fmt::format("`{}` works on a range", e.text),
                   fmt::format("give the selector a length: {}", form));
  if (!check_range_kind(e, fn, a)) return nullptr;
  auto t = t_.make(TypedOp::range_fn, e.span);
  t->range_fn = fn;
  t->args = {a};
  t->text = a->text;
  t->type.rows = a->type.rows;
  t->type.unit = a->type.unit;
  if (fn == RangeFn::rate || fn == RangeFn::irate) t->type.unit.time -= 1;
  if (fn == RangeFn::resets || fn == RangeFn::changes || fn == RangeFn::count_over_time)
    t->type.unit = {true, false, 0, 0};
  if (a->type.kind == MetricKind::native_histogram && keeps_histogram(fn))
    t->type.kind = MetricKind::native_histogram;
  if (a->type.kind == MetricKind::bucket && (range_fn_wants_counter(fn) && fn != RangeFn::resets))
    t->type.kind = MetricKind::bucket;
  return t;
}

std::vector<std::string> Functions::group_labels(const Expr& e) {
  std::vector<std::string> labels;
  if (e.grouping)
    for (const syntax::Name& n : e.grouping->labels) labels.push_back(n.text);
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

// The series of an open family after some of its labels are gone.
std::uint32_t Functions::without(const RowType& rows, const std::vector<std::string>& labels) {
  if (rows.closed || rows.series == 0) return 0;
  return t_.series(fmt::format("{} without {}", rows.series, fmt::join(labels, ",")));
}

// The rows of an aggregation by or without the labels of the call's grouping.
RowType Functions::group_rows(const Expr& e, const RowType& rows, bool& good) {
  good = true;
  RowType out;
  out.closed = true;
  if (!e.grouping) return out;
  if (rows.closed && !e.grouping->without) {
    for (const syntax::Name& label : e.grouping->labels) {
      if (std::binary_search(rows.labels.begin(), rows.labels.end(), label.text)) continue;
      const std::string near = source::nearest(label.text, rows.labels);
      t_.fail(Code::unknown_label, label.span,
              fmt::format("there is no label `{}` here: {}", label.text, describe(rows)),
              near.empty() ? "" : fmt::format("did you mean `{}`?", near));
      good = false;
      return out;
    }
  }
  const auto labels = group_labels(e);
  if (!e.grouping->without) {
    out.labels = labels;
    return out;
  }
  out.closed = rows.closed;
  out.series = without(rows, labels);
  std::set_difference(rows.labels.begin(), rows.labels.end(), labels.begin(), labels.end(),
                      std::back_inserter(out.labels));
  return out;
}

// The parameter, if there is one, stands before the family.
TypedPtr Functions::aggregate(const Expr& e, plan::Aggregate op) {
  const char letter = promql_text::aggregation_parameter(op);
  const char* before = letter == 0                       ? ""
                       : letter == 't'                   ? "\"label\", "
                       : op == plan::Aggregate::quantile ? "0.9, "
                                                         : "3, ";
  if (!arity(e, letter == 0 ? 1 : 2, fmt::format("{} by (region) ({}…)", e.text, before).c_str()))
    return nullptr;
  TypedPtr parameter;
  if (letter != 0) {
    parameter = t_.visit(e.args[0]);
    if (parameter == nullptr || !check_argument(e, parameter, e.args[0]->span, letter)) return nullptr;
  }
  const TypedPtr family = t_.visit(e.args.back());
  if (family == nullptr || !check_argument(e, family, e.args.back()->span, 'v')) return nullptr;
  using plan::Aggregate;
  if (family->type.kind == MetricKind::native_histogram && op != Aggregate::sum && op != Aggregate::avg &&
      op != Aggregate::count && op != Aggregate::group)
    return t_.fail(Code::kind_clash, e.args.back()->span,
                   fmt::format("`{}` makes nothing of native histograms", e.text),
                   "take it of numbers, as of histogram_count(…), or add them up with sum by (…)");
  bool good = true;
  auto t = t_.make(TypedOp::aggregate, e.span);
  t->aggregate = op;
  t->labels = group_labels(e);
  t->without = e.grouping && e.grouping->without;
  t->args = {family};
  if (letter == 's') t->args.push_back(parameter);
  t->type = family->type;
  RowType rows = group_rows(e, family->type.rows, good);
  if (letter == 't') {
    if (!check_label(parameter, e.args[0]->span)) return nullptr;
    t->text = parameter->text;
    if (!std::binary_search(rows.labels.begin(), rows.labels.end(), t->text))
      rows.labels.insert(std::upper_bound(rows.labels.begin(), rows.labels.end(), t->text), t->text);
  }
  // topk and bottomk choose among the rows; each of the others makes rows of its own.
  const bool chosen = op == plan::Aggregate::topk || op == plan::Aggregate::bottomk;
  if (!chosen) t->type.rows = std::move(rows);
  if (op == plan::Aggregate::count || op == plan::Aggregate::group || letter == 't')
    t->type.unit = {true, false, 0, 0};
  if (op == plan::Aggregate::stdvar) {
    t->type.unit.time *= 2;
    t->type.unit.bytes *= 2;
  }
  const bool same_kind = chosen || (op < plan::Aggregate::count && t->type.kind != MetricKind::histogram);
  if (!same_kind) t->type.kind = MetricKind::unknown;
  return good ? t : nullptr;
}

TypedPtr Functions::count_true(const Expr& e) {
  if (!arity(e, 1, "count_true by (region) (CONDITION)")) return nullptr;
  TypedPtr a = t_.visit(e.args[0]);
  if (a != nullptr) a = t_.as_condition(a, e.args[0]->span);
  if (a == nullptr) return nullptr;
  bool good = true;
  auto t = t_.make(TypedOp::count_true, e.span);
  t->labels = group_labels(e);
  t->without = e.grouping && e.grouping->without;
  t->args = {a};
  t->type.unit.known = true;
  t->type.rows = group_rows(e, a->type.rows, good);
  return good ? t : nullptr;
}

TypedPtr Functions::quantifier(const Expr& e, bool all) {
  const char* form = all ? "all by (region) (CONDITION)" : "any by (region) (CONDITION)";
  if (!arity(e, 1, form)) return nullptr;
  if (!e.grouping || e.grouping->without)
    return t_.fail(Code::bad_argument, e.span, fmt::format("`{}` says over which labels", e.text),
                   fmt::format("write {}", form));
  TypedPtr a = t_.visit(e.args[0]);
  if (a != nullptr) a = t_.as_condition(a, e.args[0]->span);
  if (a == nullptr) return nullptr;
  const RowType& rows = a->type.rows;
  auto t = t_.make(all ? TypedOp::all : TypedOp::any, e.span);
  t->labels = group_labels(e);
  for (const syntax::Name& label : e.grouping->labels) {
    if ((rows.closed || rows.scalar) &&
        !std::binary_search(rows.labels.begin(), rows.labels.end(), label.text)) {
      const std::string near = source::nearest(label.text, rows.labels);
      return t_.fail(Code::unknown_label, label.span,
                     fmt::format("there is no label `{}` here: {}", label.text, describe(rows)),
                     near.empty() ? "" : fmt::format("did you mean `{}`?", near));
    }
  }
  t->args = {a};
  t->type.sort = Sort::condition;
  t->type.rows.closed = rows.closed;
  t->type.rows.series = without(rows, t->labels);
  std::set_difference(rows.labels.begin(), rows.labels.end(), t->labels.begin(), t->labels.end(),
                      std::back_inserter(t->type.rows.labels));
  return t;
}

TypedPtr Functions::histogram_quantile(const Expr& e) {
  if (!arity(e, 2, "histogram_quantile(0.95, sum by (le) (rate(m_bucket[5m])))")) return nullptr;
  const TypedPtr q = t_.visit(e.args[0]), b = t_.visit(e.args[1]);
  if (q == nullptr || b == nullptr || !t_.is_number(q, e.args[0]->span, "a quantile") ||
      !t_.is_number(b, e.args[1]->span, "a quantile"))
    return nullptr;
  if (!q->type.rows.scalar) return t_.fail(Code::type_clash, e.args[0]->span, "the quantile is one number");
  const Typed* inner = b.get();
  while (inner->op == TypedOp::aggregate || inner->op == TypedOp::range_fn) inner = inner->args[0].get();
  if (inner->op == TypedOp::selector && inner->type.kind != MetricKind::bucket &&
      inner->type.kind != MetricKind::native_histogram && inner->type.kind != MetricKind::unknown)
    return t_.fail(Code::kind_clash, e.args[1]->span,
                   fmt::format("a quantile is taken of a histogram's buckets, and `{}` is {}", inner->text,
                               describe(inner->type.kind)),
                   "rate the buckets: sum by (le) (rate(m_bucket[5m]))");
  // A metric that is not known to be buckets may be a native histogram, which has no such label.
  const bool may_be_native = inner->type.kind == MetricKind::native_histogram ||
                             (inner->op == TypedOp::selector && inner->type.kind == MetricKind::unknown);
  if (b->type.rows.closed && !may_be_native &&
      !std::binary_search(b->type.rows.labels.begin(), b->type.rows.labels.end(), std::string("le")))
    return t_.fail(Code::label_clash, e.args[1]->span, "the buckets' label `le` is gone",
                   "keep it: sum by (le, …) (…)");
  auto t = t_.make(TypedOp::quantile, e.span);
  t->args = {q, b};
  t->type.rows = b->type.rows;
  auto& labels = t->type.rows.labels;
  labels.erase(std::remove(labels.begin(), labels.end(), "le"), labels.end());
  t->type.rows.series = without(b->type.rows, {"le"});
  return t;
}

// p95(m[5m]) is histogram_quantile(0.95, sum by (le, per-labels) (rate(m_bucket[5m]))); of a native histogram
// it is histogram_quantile(0.95, sum by (per-labels) (rate(m[5m]))).
TypedPtr Functions::percentile(const Expr& e, int percent) {
  const std::string form = fmt::format("{}(histogram[5m])", e.text);
  if (!arity(e, 1, form.c_str())) return nullptr;
  const TypedPtr a = t_.visit(e.args[0]);
  if (a == nullptr) return nullptr;
  if (a->type.sort != Sort::range)
    return t_.fail(Code::type_clash, e.args[0]->span, fmt::format("`{}` works on a range", e.text),
                   fmt::format("write {}", form));
  if (a->type.kind == MetricKind::counter || a->type.kind == MetricKind::gauge)
    return t_.fail(
        Code::kind_clash, e.args[0]->span,
        fmt::format("`{}` is {}, and a percentile needs a histogram", a->text, describe(a->type.kind)),
        a->type.kind == MetricKind::counter
            ? fmt::format("name a histogram: {}; of a counter there is rate({}[5m])", form, a->text)
            : fmt::format("name a histogram: {}; of a gauge there is max_over_time({}[5m])", form, a->text));
  const bool native = a->type.kind == MetricKind::native_histogram;
  auto buckets = std::make_shared<Typed>(*a);
  if (a->type.kind != MetricKind::bucket && !native) {
    for (Matcher& m : buckets->matchers)
      if (m.label == metric_name_label && m.op == MatchOp::equal) m.value += "_bucket";
    buckets->text += "_bucket";
    std::sort(buckets->matchers.begin(), buckets->matchers.end());
  }
  auto rated = t_.make(TypedOp::range_fn, e.span);
  rated->range_fn = RangeFn::rate;
  rated->args = {buckets};
  rated->type.rows = a->type.rows;
  auto summed = t_.make(TypedOp::aggregate, e.span);
  summed->labels = t_.place_.per;
  if (!native) summed->labels.push_back("le");
  std::sort(summed->labels.begin(), summed->labels.end());
  summed->args = {rated};
  summed->type.rows.closed = true;
  summed->type.rows.labels = summed->labels;
  auto q = t_.make(TypedOp::constant, e.span);
  q->exact = Rational::make(percent, 100);
  q->value = q->exact->to_double();
  q->type.rows.scalar = true;
  auto t = t_.make(TypedOp::quantile, e.span);
  t->args = {q, summed};
  // Buckets are counted; what falls into them has the unit of the family.
  t->type.unit = a->type.kind == MetricKind::bucket
                     ? metric_facts(t_.scope_, a->text.substr(0, a->text.rfind("_bucket"))).unit
                     : a->type.unit;
  t->type.rows.closed = true;
  t->type.rows.labels = t_.place_.per;
  return t;
}

TypedPtr Functions::clamp(const Expr& e) {
  if (!arity(e, 3, "clamp(x, 0, 1)")) return nullptr;
  const TypedPtr x = t_.visit(e.args[0]), low = t_.visit(e.args[1]), high = t_.visit(e.args[2]);
  if (x == nullptr || low == nullptr || high == nullptr || !t_.is_number(x, e.args[0]->span, "clamp"))
    return nullptr;
  if (!low->constant() || !high->constant())
    return t_.fail(Code::bad_argument, e.span, "the bounds of `clamp` are constants");
  if (low->value > high->value)
    return t_.fail(Code::bad_argument, e.span, "the lower bound of `clamp` is above the upper one",
                   "swap them");
  // As Prometheus: max(low, min(high, x)).
  auto upper = t_.make(TypedOp::shape, e.span);
  upper->shape_op = ShapeOp::clamp_max;
  upper->args = {x, high};
  upper->type = x->type;
  auto t = t_.make(TypedOp::shape, e.span);
  t->shape_op = ShapeOp::clamp_min;
  t->args = {upper, low};
  t->type = x->type;
  return t;
}

TypedPtr Functions::clamp_one(const Expr& e, ShapeOp op) {
  if (!arity(e, 2, "clamp_min(x, 0)")) return nullptr;
  const TypedPtr x = t_.visit(e.args[0]), bound = t_.visit(e.args[1]);
  if (x == nullptr || bound == nullptr || !t_.is_number(x, e.args[0]->span, "clamp")) return nullptr;
  if (!bound->type.rows.scalar || bound->type.sort != Sort::number)
    return t_.fail(Code::bad_argument, e.args[1]->span, "the bound is one number");
  auto t = t_.make(TypedOp::shape, e.span);
  t->shape_op = op;
  t->args = {x, bound};
  t->type = x->type;
  return t;
}

TypedPtr Functions::absolute(const Expr& e) {
  if (!arity(e, 1, "abs(x)")) return nullptr;
  const TypedPtr x = t_.visit(e.args[0]);
  if (x == nullptr || !t_.is_number(x, e.args[0]->span, "abs")) return nullptr;
  auto t = t_.make(TypedOp::shape, e.span);
  t->shape_op = ShapeOp::abs;
  t->args = {x};
  t->type = x->type;
  return t;
}

std::vector<std::string> Functions::rows_of_absent(const Typed& selector) {
  std::vector<std::string> out;
  if (selector.op != TypedOp::selector) return out;
  const std::vector<std::string> labels = promql_text::absent_labels(selector.matchers);
  for (std::size_t i = 0; i < labels.size(); i += 2) out.push_back(labels[i]);
  std::sort(out.begin(), out.end());
  return out;
}

TypedPtr Functions::absent(const Expr& e) {
  if (!arity(e, 1, "absent(up{job=\"shop\"})")) return nullptr;
  const TypedPtr x = t_.visit(e.args[0]);
  if (x == nullptr || !t_.is_number(x, e.args[0]->span, "absent")) return nullptr;
  auto t = t_.make(TypedOp::absent, e.span);
  t->args = {x};
  t->type.unit.known = true;
  t->type.rows.closed = true;
  t->type.rows.labels = rows_of_absent(*x);
  return t;
}

TypedPtr Functions::time(const Expr& e) {
  if (!arity(e, 0, "time()")) return nullptr;
  auto t = t_.make(TypedOp::time, e.span);
  t->type.rows.scalar = true;
  t->type.unit = {true, false, 1, 0};
  return t;
}

}  // namespace signalbox::sema
