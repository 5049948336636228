// Typed expressions to nodes.
#pragma once

#include <limits>
#include <map>

#include "compiler/lower/graph.hpp"
#include "compiler/sema/typed.hpp"
#include "compiler/source/diagnostic.hpp"

namespace signalbox::lower {

// What an SLO counts, before any window is put on it.
struct SloCounts {
  std::vector<std::string> per;
  Rational budget;  // 1 − objective
  Duration period;
  sema::TypedPtr part, whole;  // counts; null for slices
  bool part_is_good = false;
  bool share = false;              // the part is a histogram's bucket: its absence is a fault
  sema::TypedPtr slice_condition;  // slices
  Duration slice;
  double traffic = 0, least_coverage = 0.8;
  source::Span span;

  // What an absent part of a known whole counts: none. A histogram without the bucket that is asked for is a
  // fault instead: NaN makes the ratio `invalid`, while an absent whole stays `no_data`.
  double absent_part() const { return share ? std::numeric_limits<double>::quiet_NaN() : 0.0; }
};

class Expressions {
 public:
  explicit Expressions(Graph& graph) : g_(graph) {}

  plan::Index lower(const sema::TypedPtr& t);

  // For the clause that is being lowered: gates of its anchored burns. What a `let` shares between clauses is
  // lowered once for each gate.
  void set_events(plan::EventsRule events) {
    if (events.at_least != events_.at_least || events.bad != events_.bad) memo_.clear();
    events_ = events;
  }
  void set_slos(const std::vector<SloCounts>* slos) { slos_ = slos; }

  // bad and total of an SLO over a window: raw increments where `raw` or the window is anchored, rates
  // otherwise.
  struct Counts {
    plan::Index bad = plan::none, total = plan::none;
  };
  Counts counts(const SloCounts& slo, const plan::Window& window, bool raw);
  // bad ÷ total, with `no_traffic` where nothing came and `invalid` where the part exceeds the whole.
  plan::Index ratio(const SloCounts& slo, const plan::Window& window, bool raw, bool gate_bad);
  plan::Index remaining(const SloCounts& slo, bool gated);
  plan::Index coverage(const SloCounts& slo, Duration window);
  plan::Index universe(const SloCounts& slo);

 private:
  // What a shape under construction has already: instructions by what they stand for.
  struct Seen {
    std::map<plan::Index, std::uint32_t> inputs;
    std::map<const sema::Typed*, std::uint32_t> parts;
  };
  plan::Index shape_of(const sema::TypedPtr& t);
  std::uint32_t emit(const sema::TypedPtr& t, bool root, ShapeCode& code, std::vector<plan::Index>& inputs,
                     std::vector<double>& params, Seen& seen);
  std::uint32_t emit_part(const sema::TypedPtr& t, bool root, ShapeCode& code,
                          std::vector<plan::Index>& inputs, std::vector<double>& params, Seen& seen);
  static plan::Leaf leaf_of(const sema::Typed& selector);
  static plan::Subquery subquery_of(const sema::Typed& t);
  plan::Index range_function(const sema::TypedPtr& t);
  plan::Index function(const sema::TypedPtr& t);
  plan::Index promql(const sema::TypedPtr& t);
  plan::Index slo_value(const sema::TypedPtr& t);
  plan::Index burn_comparison(const sema::TypedPtr& t);
  plan::Index count(const sema::TypedPtr& t, const SloCounts& slo, const plan::Window& window,
                    plan::LeafFn fn, bool fill);
  plan::Index count_part(const sema::TypedPtr& t, const SloCounts& slo, const plan::Window& window,
                         plan::LeafFn fn, bool fill, std::map<const sema::Typed*, plan::Index>& known);
  plan::Node typed_node(const sema::TypedPtr& t, plan::NodeKind kind) const;

  Graph& g_;
  const std::vector<SloCounts>* slos_ = nullptr;
  plan::EventsRule events_;
  std::map<const sema::Typed*, std::pair<sema::TypedPtr, plan::Index>> memo_;
};

}  // namespace signalbox::lower
