// PromQL's functions → nodes of a plan, whichever text they are called from.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/lower/graph.hpp"

namespace signalbox::lower {

// An argument, as the function's row of promql_text::functions() wants it.
struct CallArg {
  std::function<plan::Index()> node;       // a number or a family; what a subquery evaluates
  std::optional<plan::Leaf> leaf;          // a bare selector, or a range of one: its window is trailing
  std::optional<plan::Subquery> subquery;  // a range over `node`; its function is the call's
  std::string text;
};

// How many steps a subquery may have is the caller's to check.
class Calls {
 public:
  explicit Calls(Graph& graph) : g_(graph) {}

  // The name and the arguments are a row of promql_text::functions() and fit it.
  plan::Index call(std::string_view name, const std::vector<CallArg>& args, source::Span span);

  // One operation; numbers become parameters, so that rules which differ in them share a shape.
  plan::Index map(plan::ShapeOp op, const std::vector<plan::Index>& operands, bool scalar, source::Span span);

  // For operations of more parts: operands in turn, then the node of what was written.
  struct Parts {
    ShapeCode code;
    std::vector<plan::Index> inputs;
    std::vector<double> params;
  };
  std::uint32_t operand(plan::Index node, Parts& parts) const;
  plan::Index finish(Parts parts, bool scalar, plan::Matching matching, source::Span span);

 private:
  plan::Index range_function(RangeFn fn, const std::vector<CallArg>& args, source::Span span);
  plan::Index over(RangeFn fn, const CallArg& range, std::vector<plan::Index> parameters, source::Span span);
  plan::Index absent(plan::Index of, const CallArg& arg, source::Span span);
  plan::Index time(source::Span span);
  plan::Index vector_of(plan::Index scalar, source::Span span);
  plan::Index clamp(plan::Index x, plan::Index low, plan::Index high, source::Span span);
  plan::Index timestamp(const CallArg& arg, source::Span span);
  plan::Index relabel(std::string_view name, const std::vector<CallArg>& args, source::Span span);
  plan::Index add(plan::Node node, source::Span span, plan::Index like = plan::none);

  Graph& g_;
};

}  // namespace signalbox::lower
