// Builds a plan's nodes, each once: asking again for an equal shape, leaf or node answers the first one.
#pragma once

#include <string>
#include <unordered_map>

#include "compiler/source/source_text.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::lower {

class Graph {
 public:
  Graph(plan::Plan& plan, const source::SourceSet& sources) : plan_(plan), sources_(sources) {}

  plan::Index shape(const plan::Shape& shape);
  plan::Index leaf(const plan::Leaf& leaf);
  // Adds the node unless an equal one stands already (whose origin then stays).
  plan::Index node(plan::Node node, source::Span span);
  plan::Index origin(source::Span span);

  // Frequent forms.
  plan::Index constant(double value, source::Span span);
  plan::Index leaf_node(const plan::Leaf& leaf, source::Span span);
  plan::Index aggregate(plan::Aggregate op, plan::Index input, std::vector<std::string> by,
                        source::Span span);
  // A shape over families that meet by `matching`; the result has the rows of `like`.
  plan::Index map(const plan::Shape& shape, std::vector<plan::Index> inputs, std::vector<double> params,
                  plan::Matching matching, plan::Index like, source::Span span);

  plan::Plan& plan() { return plan_; }
  const plan::Node& at(plan::Index i) const { return plan_.nodes[i]; }
  const std::vector<source::Span>& origins() const { return origins_; }  // of Plan::origins

 private:
  plan::Plan& plan_;
  const source::SourceSet& sources_;
  std::unordered_map<std::string, plan::Index> shapes_, leaves_, nodes_;
  std::vector<source::Span> origins_;
};

// Writes a shape's instructions.
class ShapeCode {
 public:
  plan::Shape shape;
  std::uint32_t input() { return push(plan::ShapeOp::input, shape.inputs++); }
  std::uint32_t param(std::vector<double>& params, double value) {
    params.push_back(value);
    return push(plan::ShapeOp::param, shape.params++);
  }
  std::uint32_t op(plan::ShapeOp op, std::uint32_t a = 0, std::uint32_t b = 0, std::uint32_t c = 0) {
    shape.code.push_back({op, 0, a, b, c});
    return static_cast<std::uint32_t>(shape.code.size() - 1);
  }

 private:
  std::uint32_t push(plan::ShapeOp op, std::uint32_t index) {
    shape.code.push_back({op, index, 0, 0, 0});
    return static_cast<std::uint32_t>(shape.code.size() - 1);
  }
};

}  // namespace signalbox::lower
