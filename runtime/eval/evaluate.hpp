// The reference interpreter: the plan's nodes at one instant, as columns. Pure: given the leaves, the anchors
// and the holds before, every column and the holds after are determined.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/labels.hpp"
#include "runtime/base/native_histogram.hpp"
#include "runtime/base/time.hpp"
#include "runtime/eval/kernel.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/store/window.hpp"

namespace signalbox::eval {

// Shared between columns and from tick to tick: while the label sets stay, so does the pointer, and what was
// worked out from them (joins, groups) is not worked out again.
using Rows = std::shared_ptr<const std::vector<Labels>>;
Rows no_rows();
Rows one_row();  // without labels: a scalar's

// Rows of a declaration or an expression, side by side. A row without a value is known and says why.
// A column has numbers or, a condition's, truths. Those who calculate are given numbers alone (check_plan.hpp
// holds that); who may be given either asks for number().
struct Column {
  Rows rows = no_rows();
  std::vector<double> value;           // numbers: +0.0 where evidence is not `value`
  std::vector<std::uint8_t> truth;     // truths: 1 where the condition is known to be true, else 0
  std::vector<std::uint8_t> evidence;  // plan::Evidence
  // Not empty: by row the native histogram that it is, or null. Such a row is no number: whoever knows
  // numbers alone sees `no_data`.
  std::vector<HistogramPtr> histogram;
  std::size_t size() const { return evidence.size(); }
  bool has_truths() const { return !truth.empty(); }  // false of a column without rows
  double number(std::size_t row) const { return has_truths() ? truth[row] : value[row]; }
  void set(std::size_t row, double number, plan::Evidence why) { out().set(row, number, why); }
  // From a row on; `step` as ColumnView has it.
  ColumnView view(std::size_t row, std::size_t step) const {
    if (has_truths()) return {nullptr, evidence.data() + row, step, truth.data() + row};
    return {value.data() + row, evidence.data() + row, step};
  }
  ColumnOut out() {
    return {value.empty() ? nullptr : value.data(), evidence.data(), has_truths() ? truth.data() : nullptr};
  }
  bool is_histogram(std::size_t row) const { return !histogram.empty() && histogram[row] != nullptr; }
  bool has_sample(std::size_t row) const { return evidence[row] == 0 || is_histogram(row); }
};

// Of so many rows, whose labels are not said: all 0 or false.
Column column_of(std::size_t rows, bool condition);

// What a leaf is asked: a window with its ends worked out.
struct LeafQuery {
  const plan::Leaf* leaf = nullptr;
  Instant at;  // the instant of evaluation, the leaf's offset already taken off
  Duration lookback;
  Semantics semantics = Semantics::prometheus2;
  store::RangeArgs args;  // parameters of its function, and the instant of evaluation
  // raw_increase: closed pieces; increments that lie whole in one of them are added. Never empty for it.
  std::vector<std::pair<Instant, Instant>> pieces;
};

// As in Prometheus: a sample is still one of its metric.
bool keeps_name(const plan::Leaf& leaf);

// Where leaves come from: the local store, a Prometheus, a host's function.
class LeafProvider {
 public:
  virtual ~LeafProvider() = default;
  // A row for each series that the selector finds among those known at `at` (first sample not later than it),
  // in an order that depends on the data alone. Evidence: `stale` when there are samples but none recent
  // enough or the series has ended, `no_data` when there are too few for the function. Rows keep __name__
  // where keeps_name() says so.
  virtual Column read(const LeafQuery& query) = 0;
  // Every series the selector finds at `at`, whatever its state, with the labels that read() would give: the
  // rows of a window that is `outside`.
  virtual Rows known(const plan::Leaf& leaf, Instant at) = 0;
};

// Events that anchored windows refer to, as decide/ knows them.
struct Anchors {
  struct Deploy {
    std::optional<Instant> at;  // of the latest foreign deploy
    std::vector<std::pair<Instant, Instant>>
        excluded;  // `before` leaves these out: anchor to outcome of episodes
  };
  std::vector<Deploy> deploys;  // by target
  std::optional<Instant> done;  // where `since done` starts: done + after
};

// How long a condition has held, for one row of one hold.
struct HoldCell {
  std::uint32_t streak = 0;    // true ticks since the last false
  std::uint32_t unknowns = 0;  // unknown ticks in a row, up to now
  std::uint64_t history = 0;   // `of`: bit i set: the tick i ticks ago was true
  Duration held;               // `time`: known-true time
  bool was_true = false;       // the last known tick was true
  Instant last_tick;
  bool operator==(const HoldCell&) const = default;
};
struct HoldKey {
  plan::Index node = 0;
  std::string scope;  // "" or the policy instance on whose behalf (verify)
  Labels row;
  auto operator<=>(const HoldKey&) const = default;
};
using HoldTable = std::map<HoldKey, HoldCell>;

// One tick of one hold: moves `cell` on and answers the held condition. True counts, false resets, unknown
// does neither but the (unknown_at_most + 1)-th in a row resets; ticks missed since cell.last_tick are
// unknown. The answer is `held` as truth while the condition is known, and unknown with the condition's
// evidence while it is not.
void advance_hold(const plan::Hold& hold, Duration step, Instant tick, double value, plan::Evidence evidence,
                  HoldCell& cell, double& out_value, plan::Evidence& out_evidence);

// `ticks` ticks more, at each of which the condition was what it was at cell.last_tick.
void repeat_hold(const plan::Hold& hold, Duration step, std::uint64_t ticks, HoldCell& cell);
// Whether the answer stays what it is as long as the condition does.
bool settled(const plan::Hold& hold, const HoldCell& cell);

enum class Tier { interpreter, compiled, automatic };

// Runs shapes: by the interpreter, or by kernels compiled once a shape. `automatic` compiles a shape when a
// call has many rows; failure to compile is said once through `notice` and interpreted from then on.
class ShapeRunner {
 public:
  ShapeRunner(const plan::Plan& plan, Tier tier,
              std::function<Result<std::unique_ptr<KernelCompiler>>()> load,
              std::function<void(const Error&)> notice);
  void run(plan::Index shape, const double* params, const ColumnView* inputs, const ColumnOut& out,
           std::size_t rows);
  std::size_t compiled_functions() const { return compiled_; }
  std::size_t code_bytes() const;

 private:
  struct Slot {
    KernelFn kernel = nullptr;
    bool tried = false;
  };
  KernelFn kernel(plan::Index shape, std::size_t rows);
  void say(const Error& error);

  const plan::Plan& plan_;
  Tier tier_;
  std::function<Result<std::unique_ptr<KernelCompiler>>()> load_;
  std::function<void(const Error&)> notice_;
  std::unique_ptr<KernelCompiler> compiler_;
  bool load_failed_ = false;
  bool said_ = false;
  std::size_t compiled_ = 0;
  std::vector<Slot> slots_;  // by shape
};

// What one evaluation leaves for the next: joins, groups, and the slices that a window shares with the one a
// tick earlier (eval_cache.hpp). It belongs to one plan and one provider; dropping it costs time and changes
// no result.
struct EvalCache;
std::shared_ptr<EvalCache> make_eval_cache();

class Memo;
struct Alignment;
struct Conjunct;

// Where in the plan, what, and a way out.
struct Fault {
  plan::Index node = plan::none;
  std::string what, hint;
};

// The columns of one instant, worked out when they are asked for, each once.
class Evaluation {
 public:
  struct Context {
    const plan::Plan* plan = nullptr;
    LeafProvider* leaves = nullptr;
    ShapeRunner* shapes = nullptr;
    Semantics semantics = Semantics::prometheus2;
    Instant at;  // the evaluated instant: the tick's
    Anchors anchors;
    std::string scope;  // of holds
    HoldTable* holds =
        nullptr;  // moved on by hold nodes that are asked for; null: holds answer their inner condition
    std::shared_ptr<EvalCache> cache;  // null: the evaluation starts with an empty one
    // A verify looks at the rows that satisfied `when`: an `all` over the node `family` takes these rows as
    // they are (an absent one has no data) and lets other rows be unknown. Null: every row counts.
    const std::vector<Labels>* satisfied = nullptr;
    plan::Index family = plan::none;
    const HoldTable* holds_before = nullptr;  // as they were when the tick began, for records
    // Columns that are given instead of worked out: those of a record, or what a replay has seen before.
    std::shared_ptr<const std::map<plan::Index, Column>> given = nullptr;
    // Where not null, what Prometheus would refuse to answer is told here, and not only by rows that are
    // `invalid`: labels that several rows have, matches that are not unique, parameters out of range.
    std::vector<Fault>* faults = nullptr;
  };
  explicit Evaluation(Context context);
  ~Evaluation();
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;
  // Valid as long as the evaluation.
  const Column& column(plan::Index node);
  const Context& context() const { return context_; }

 private:
  Column compute(plan::Index node);
  Column read_leaf(const plan::Node& node);
  Column run_map(plan::Index node);
  Rows rows_of_leaf(plan::Index node);
  // Whether a conjunct of the condition is known to be false in all rows: so is the condition, and what only
  // the others look at is left alone.
  bool refute(plan::Index map);
  bool is_false(const plan::Node& map, const Conjunct& part, const Alignment& alignment);
  Column group(plan::Index node);
  Column hold(plan::Index node);
  Column slices(plan::Index node);
  Column set(plan::Index node);
  Column relabel(plan::Index node);
  Column subquery(plan::Index node);

  // Parameters of a range function, from scalar inputs `first` on.
  struct Args {
    store::RangeArgs args;
    plan::Evidence evidence = plan::Evidence::value;  // else why they are none
    std::string refusal;                              // what to say of it where the function is called
  };
  Args read_args(const plan::Node& node, std::size_t first, RangeFn fn);
  void fault(std::string what, std::string hint) {
    if (context_.faults != nullptr)
      context_.faults->push_back({working_on_, std::move(what), std::move(hint)});
  }

  Context context_;
  plan::Index working_on_ = plan::none;
  std::unique_ptr<Memo> memo_;
  std::uint64_t number_ = 0;  // of those with this cache
  int refuting_ = 0;          // how deep in parts of conditions
};

}  // namespace signalbox::eval
