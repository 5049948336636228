#include "compiler/lower/graph.hpp"

#include <algorithm>

#include "runtime/base/bytes.hpp"
#include "runtime/base/labels.hpp"

namespace signalbox::lower {

using plan::Index;

Index Graph::shape(const plan::Shape& shape) {
  ByteWriter w;
  plan::write(w, shape);
  const auto [it, fresh] = shapes_.emplace(w.bytes(), static_cast<Index>(plan_.shapes.size()));
  if (fresh) plan_.shapes.push_back(shape);
  return it->second;
}

Index Graph::leaf(const plan::Leaf& leaf) {
  const auto [it, fresh] = leaves_.emplace(plan::to_bytes(leaf), static_cast<Index>(plan_.leaves.size()));
  if (fresh) plan_.leaves.push_back(leaf);
  return it->second;
}

Index Graph::node(plan::Node node, source::Span span) {
  const auto [it, fresh] = nodes_.emplace(plan::to_bytes(node), static_cast<Index>(plan_.nodes.size()));
  if (fresh) {
    node.origin = origin(span);
    plan_.nodes.push_back(std::move(node));
  }
  return it->second;
}

Index Graph::origin(source::Span span) {
  const source::SourceText& text = sources_[span.file];
  const source::Position at = text.position(span.begin);
  // What a person reads in a record; a whole declaration is not repeated there.
  constexpr std::size_t most = 400;
  std::string excerpt;
  bool space = false;
  for (char c : sources_.text(span)) {
    const bool starts_point = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (excerpt.size() >= most && starts_point) {
      excerpt += "…";
      break;
    }
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      space = !excerpt.empty();
      continue;
    }
    if (space) excerpt += ' ';
    space = false;
    excerpt += c;
  }
  plan_.origins.push_back({text.name(), at.line, at.column, std::move(excerpt)});
  origins_.push_back(span);
  return static_cast<Index>(plan_.origins.size() - 1);
}

Index Graph::constant(double value, source::Span span) {
  plan::Node n;
  n.kind = plan::NodeKind::constant;
  n.params = {value};
  n.scalar = true;
  return node(std::move(n), span);
}

Index Graph::leaf_node(const plan::Leaf& l, source::Span span) {
  plan::Node n;
  n.kind = plan::NodeKind::leaf;
  n.index = leaf(l);
  return node(std::move(n), span);
}

Index Graph::aggregate(plan::Aggregate op, Index input, std::vector<std::string> by, source::Span span) {
  plan::Node n;
  n.kind = plan::NodeKind::aggregate;
  n.aggregate = op;
  n.inputs = {input};
  n.labels = by;
  n.closed = true;
  n.rows = std::move(by);
  return node(std::move(n), span);
}

Index Graph::map(const plan::Shape& s, std::vector<Index> inputs, std::vector<double> params,
                 plan::Matching matching, Index like, source::Span span) {
  plan::Node n;
  n.kind = plan::NodeKind::map;
  n.index = shape(s);
  n.inputs = std::move(inputs);
  n.params = std::move(params);
  n.matching = std::move(matching);
  n.condition = s.is_condition();
  n.scalar = at(like).scalar;
  n.closed = at(like).closed;
  n.rows = at(like).rows;
  return node(std::move(n), span);
}

}  // namespace signalbox::lower
