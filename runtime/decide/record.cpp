#include "runtime/decide/record.hpp"

#include <fmt/format.h>

#include <set>

#include "runtime/decide/explain.hpp"

namespace signalbox::decide {

using plan::Index;

namespace {

// 2: records of rows and of verifies. 3: native histograms in columns.
constexpr std::uint8_t record_version = 3;

void write_labels(ByteWriter& w, const Labels& labels) {
  w.uint(labels.size());
  for (const auto& [name, value] : labels.pairs()) {
    w.text(name);
    w.text(value);
  }
}
Labels read_labels(ByteReader& r) {
  std::vector<Labels::Pair> pairs(r.count());
  for (auto& [name, value] : pairs) {
    name = r.text();
    value = r.text();
  }
  return Labels(std::move(pairs));
}
void write_histogram(ByteWriter& w, const NativeHistogram& h) {
  w.sint(h.schema);
  for (const double one : {h.zero_threshold, h.zero_count, h.count, h.sum}) w.real(one);
  for (const auto* side : {&h.positive, &h.negative}) {
    w.uint(side->size());
    for (const NativeHistogram::Bucket& b : *side) {
      w.sint(b.index);
      w.real(b.count);
    }
  }
}
NativeHistogram read_histogram(ByteReader& r) {
  NativeHistogram h;
  h.schema = static_cast<std::int32_t>(
      std::clamp<std::int64_t>(r.sint(), NativeHistogram::least_schema, NativeHistogram::most_schema));
  for (double* one : {&h.zero_threshold, &h.zero_count, &h.count, &h.sum}) *one = r.real();
  if (!(h.zero_threshold >= 0)) h.zero_threshold = 0;
  for (auto* side : {&h.positive, &h.negative}) {
    side->resize(r.count());
    for (NativeHistogram::Bucket& b : *side) {
      constexpr std::int64_t most = NativeHistogram::most_index;
      b.index = static_cast<std::int32_t>(std::clamp<std::int64_t>(r.sint(), -most, most));
      b.count = r.real();
    }
  }
  return h;
}
void write_optional(ByteWriter& w, const std::optional<Instant>& t) {
  w.boolean(t.has_value());
  if (t) w.sint(t->ms);
}
std::optional<Instant> read_optional(ByteReader& r) {
  if (!r.boolean()) return std::nullopt;
  return Instant{r.sint()};
}

void write_observed(ByteWriter& w, const Observed& o) {
  w.sint(o.tick.ms);
  w.uint(o.versions.size());
  for (const auto& v : o.versions) {
    w.boolean(v.has_value());
    if (v) w.text(*v);
  }
  w.boolean(o.kill_switch);
  w.u8(static_cast<std::uint8_t>(o.mode_ceiling));
  w.uint(o.actions_per_hour);
  w.sint(o.intent_lifetime.ms);
  w.uint(o.in_flight.size());
  for (const std::string& key : o.in_flight) w.text(key);
  w.boolean(o.assumed);
}
Observed read_observed(ByteReader& r) {
  Observed o;
  o.tick.ms = r.sint();
  o.versions.resize(r.count());
  for (auto& v : o.versions)
    if (r.boolean()) v = r.text();
  o.kill_switch = r.boolean();
  o.mode_ceiling = static_cast<plan::Mode>(std::min<std::uint8_t>(r.u8(), 3));
  o.actions_per_hour = static_cast<std::uint32_t>(r.uint());
  o.intent_lifetime.ms = r.sint();
  for (std::uint64_t n = r.count(); n > 0 && r.ok(); --n) o.in_flight.insert(r.text());
  o.assumed = r.boolean();
  return o;
}

// What no record could work out again: it has the columns of one instant.
bool is_measured(plan::NodeKind kind) {
  return kind == plan::NodeKind::leaf || kind == plan::NodeKind::slices || kind == plan::NodeKind::subquery;
}

// The nodes below `root` at its instant, by index.
std::set<Index> cone(const plan::Plan& plan, Index root) {
  std::set<Index> seen;
  std::vector<Index> open = {root};
  while (!open.empty()) {
    const Index n = open.back();
    open.pop_back();
    if (!seen.insert(n).second) continue;
    if (plan.nodes[n].kind == plan::NodeKind::subquery) continue;
    for (Index input : plan.nodes[n].inputs) open.push_back(input);
  }
  return seen;
}

}  // namespace

std::string to_bytes(const Record& record) {
  ByteWriter w;
  w.u8(record_version);
  w.text(record.id);
  w.uint(record.number);
  w.text(record.kind);
  w.text(record.declaration);
  w.text(record.sentence);
  w.text(record.digest);
  write_labels(w, record.instance);
  w.u8(static_cast<std::uint8_t>(record.semantics));
  w.sint(record.time.ms);
  w.boolean(record.complete);
  w.u8(static_cast<std::uint8_t>(record.of));
  w.uint(record.row);
  write_optional(w, record.since);
  w.uint(record.pending.size());
  for (const auto& [policy, instance] : record.pending) {
    w.text(policy);
    write_labels(w, instance);
  }
  w.uint(record.state.size());
  for (const auto& [key, value] : record.state) {
    w.text(key);
    w.text(value);
  }
  write_observed(w, record.observed);
  w.uint(record.deploys.size());
  for (const auto& d : record.deploys) {
    write_optional(w, d.at);
    w.uint(d.excluded.size());
    for (const auto& [from, to] : d.excluded) {
      w.sint(from.ms);
      w.sint(to.ms);
    }
  }
  w.uint(record.holds.size());
  for (const auto& [key, cell] : record.holds) {
    w.uint(key.node);
    w.text(key.scope);
    write_labels(w, key.row);
    w.uint(cell.streak);
    w.uint(cell.unknowns);
    w.uint(cell.history);
    w.sint(cell.held.ms);
    w.boolean(cell.was_true);
    w.sint(cell.last_tick.ms);
  }
  w.uint(record.columns.size());
  for (const auto& [node, column] : record.columns) {
    w.uint(node);
    w.uint(column.size());
    for (std::size_t i = 0; i < column.size(); ++i) {
      write_labels(w, (*column.rows)[i]);
      w.real(column.value[i]);
      w.u8(column.evidence[i]);
    }
    w.boolean(!column.histogram.empty());
    for (const HistogramPtr& one : column.histogram) {
      w.boolean(one != nullptr);
      if (one) write_histogram(w, *one);
    }
  }
  w.uint(record.tree.size());
  for (const TreeLine& line : record.tree) {
    w.uint(line.depth);
    w.text(line.text);
    w.text(line.outcome);
    w.text(line.numbers);
  }
  return std::move(w).bytes();
}

Result<Record> record_from_bytes(std::string_view bytes) {
  ByteReader r(bytes);
  Record record;
  const std::uint8_t version = r.u8();
  if (version > record_version)
    return Error{ErrorCode::unsupported, "this record was written by a newer Signalbox",
                 "read it with that one"};
  record.id = r.text();
  record.number = r.uint();
  record.kind = r.text();
  record.declaration = r.text();
  record.sentence = r.text();
  record.digest = r.text();
  record.instance = read_labels(r);
  record.semantics = r.u8() == 3 ? Semantics::prometheus3 : Semantics::prometheus2;
  record.time.ms = r.sint();
  record.complete = r.boolean();
  if (version >= 2) {
    record.of = static_cast<Record::Of>(std::min<std::uint8_t>(r.u8(), 2));
    record.row = static_cast<std::uint32_t>(r.uint());
    record.since = read_optional(r);
    record.pending.resize(r.count());
    for (auto& [policy, instance] : record.pending) {
      policy = r.text();
      instance = read_labels(r);
    }
  }
  for (std::uint64_t n = r.count(); n > 0 && r.ok(); --n) {
    std::string key = r.text();
    record.state[key] = r.text();
  }
  record.observed = read_observed(r);
  record.deploys.resize(r.count());
  for (auto& d : record.deploys) {
    d.at = read_optional(r);
    d.excluded.resize(r.count());
    for (auto& [from, to] : d.excluded) {
      from.ms = r.sint();
      to.ms = r.sint();
    }
  }
  record.holds.resize(r.count());
  for (auto& [key, cell] : record.holds) {
    key.node = static_cast<Index>(r.uint());
    key.scope = r.text();
    key.row = read_labels(r);
    cell.streak = static_cast<std::uint32_t>(r.uint());
    cell.unknowns = static_cast<std::uint32_t>(r.uint());
    cell.history = r.uint();
    cell.held.ms = r.sint();
    cell.was_true = r.boolean();
    cell.last_tick.ms = r.sint();
  }
  for (std::uint64_t n = r.count(); n > 0 && r.ok(); --n) {
    const auto node = static_cast<Index>(r.uint());
    auto rows = std::make_shared<std::vector<Labels>>(r.count());
    eval::Column column;
    for (Labels& row : *rows) {
      row = read_labels(r);
      const double value = r.real();
      column.evidence.push_back(std::min<std::uint8_t>(r.u8(), plan::evidence_count - 1));
      column.value.push_back(column.evidence.back() == 0 ? value : 0.0);
    }
    if (version >= 3 && r.boolean()) {
      column.histogram.resize(column.size());
      for (HistogramPtr& one : column.histogram)
        if (r.boolean()) one = std::make_shared<const NativeHistogram>(read_histogram(r));
    }
    column.rows = rows;
    record.columns[node] = std::move(column);
  }
  record.tree.resize(r.count());
  for (TreeLine& line : record.tree) {
    line.depth = static_cast<std::uint32_t>(r.uint());
    line.text = r.text();
    line.outcome = r.text();
    line.numbers = r.text();
  }
  if (!r.done()) return Error{ErrorCode::malformed, "this is not a record, or it is damaged"};
  return record;
}

Decision::Recorded complete_record(const plan::Plan& plan, Record record, const State& before,
                                   const Observed& observed, const std::vector<RecordedInputs>& inputs) {
  record.digest = observed.program.empty() ? plan::digest(plan) : observed.program;
  record.semantics = inputs[0].evaluation->context().semantics;
  record.time = observed.tick;
  record.complete = true;
  record.observed = observed;
  record.deploys = inputs[0].evaluation->context().anchors.deploys;
  record.state = to_entries(before);
  std::map<eval::HoldKey, eval::HoldCell> holds;
  for (const RecordedInputs& in : inputs) {
    eval::Evaluation& evaluation = *in.evaluation;
    for (Index root : in.roots) {
      for (Index node : cone(plan, root)) {
        const plan::NodeKind kind = plan.nodes[node].kind;
        if (is_measured(kind)) record.columns[node] = evaluation.column(node);
        if (kind != plan::NodeKind::hold || evaluation.context().holds_before == nullptr) continue;
        for (const auto& [key, cell] : *evaluation.context().holds_before)
          if (key.node == node) holds.emplace(key, cell);
      }
    }
  }
  record.holds.assign(holds.begin(), holds.end());
  record.tree = condition_tree(plan, inputs.back().roots.back(), *inputs.back().evaluation);
  return {record.id, record.kind, record.number, to_bytes(record)};
}

Decision::Recorded note(const plan::Plan& plan, Record record, const Observed& observed) {
  record.digest = observed.program.empty() ? plan::digest(plan) : observed.program;
  return {record.id, record.kind, record.number, to_bytes(record)};
}

namespace {

class NoLeaves : public eval::LeafProvider {
 public:
  eval::Column read(const eval::LeafQuery&) override { return {}; }
  eval::Rows known(const plan::Leaf&, Instant) override {
    return std::make_shared<const std::vector<Labels>>();
  }
};

}  // namespace

Result<std::string> recompute(const plan::Plan& plan, const Record& record) {
  if (!record.complete)
    return Error{ErrorCode::invalid_argument, fmt::format("'{}' is a note, not a decision", record.kind)};
  if (record.digest != plan::digest(plan))
    return Error{ErrorCode::conflict, "this record was made under another program",
                 fmt::format("its digest is {}", record.digest.substr(0, 12))};
  Result<State> state = from_entries(record.state);
  if (!state) return state.error();
  NoLeaves leaves;
  eval::ShapeRunner shapes(plan, eval::Tier::interpreter, {}, {});
  eval::HoldTable holds(record.holds.begin(), record.holds.end());
  const eval::HoldTable before = holds;
  eval::Evaluation::Context context;
  context.plan = &plan;
  context.leaves = &leaves;
  context.shapes = &shapes;
  context.semantics = record.semantics;
  context.at = record.time;
  context.anchors.deploys = record.deploys;
  context.holds = &holds;
  context.holds_before = &before;
  context.given = std::make_shared<const std::map<Index, eval::Column>>(record.columns);
  Decider decider(plan, std::move(*state), record.observed);
  // The same declaration on the same instance, and no other: the record's number is its own.
  std::map<std::string, eval::Evaluation> evaluations;
  const auto evaluate = [&](const std::string& scope, std::optional<Instant> since,
                            const std::vector<Labels>* satisfied, Index family) -> eval::Evaluation& {
    eval::Evaluation::Context c = context;
    c.scope = scope;
    c.anchors.done = since;
    c.satisfied = satisfied;
    c.family = family;
    return evaluations.try_emplace(scope, std::move(c)).first->second;
  };
  if (record.of == Record::Of::row)
    decider.decide_row_again(record, evaluate);
  else
    decider.decide_again(record.declaration, record.instance, evaluate);
  Decision decision = std::move(decider).take();
  for (const Decision::Recorded& made : decision.records)
    if (made.kind == record.kind) return made.bytes;
  return Error{ErrorCode::internal, "the decision made again from this record is another one"};
}

}  // namespace signalbox::decide
