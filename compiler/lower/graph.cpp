#include "compiler/lower/graph.hpp"

#include "runtime/base/bytes.hpp"

namespace signalbox::lower {

using plan::Index;

namespace {

void write(ByteWriter& w, const std::vector<std::string>& list) {
  w.uint(list.size());
  for (const std::string& s : list) w.text(s);
}

std::string key(const plan::Node& n) {
  ByteWriter w;
  w.u8(static_cast<std::uint8_t>(n.kind));
  w.uint(n.index);
  w.uint(n.inputs.size());
  for (Index i : n.inputs) w.uint(i);
  w.uint(n.params.size());
  for (double p : n.params) w.real(p);
  w.u8(static_cast<std::uint8_t>(n.matching.join));
  write(w, n.matching.labels);
  w.u8(static_cast<std::uint8_t>(n.matching.group));
  write(w, n.matching.include);
  w.u8(static_cast<std::uint8_t>(n.matching.absent));
  w.u8(static_cast<std::uint8_t>(n.aggregate));
  w.boolean(n.without);
  w.boolean(n.known_only);
  write(w, n.labels);
  w.u8(static_cast<std::uint8_t>(n.hold.kind));
  w.uint(n.hold.count);
  w.uint(n.hold.of);
  w.sint(n.hold.time.ms);
  w.uint(n.hold.unknown_at_most);
  w.boolean(n.scalar);
  w.boolean(n.closed);
  write(w, n.rows);
  w.boolean(n.condition);
  return std::move(w).bytes();
}

std::string key(const plan::Leaf& l) {
  ByteWriter w;
  w.uint(l.matchers.size());
  for (const Matcher& m : l.matchers) {
    w.text(m.label);
    w.u8(static_cast<std::uint8_t>(m.op));
    w.text(m.value);
  }
  w.u8(static_cast<std::uint8_t>(l.fn));
  w.u8(static_cast<std::uint8_t>(l.range_fn));
  w.u8(static_cast<std::uint8_t>(l.window.kind));
  w.sint(l.window.length.ms);
  w.sint(l.window.offset.ms);
  w.uint(l.window.target);
  return std::move(w).bytes();
}

}  // namespace

Index Graph::shape(const plan::Shape& shape) {
  ByteWriter w;
  plan::write(w, shape);
  const auto [it, fresh] = shapes_.emplace(w.bytes(), static_cast<Index>(plan_.shapes.size()));
  if (fresh) plan_.shapes.push_back(shape);
  return it->second;
}

Index Graph::leaf(const plan::Leaf& leaf) {
  const auto [it, fresh] = leaves_.emplace(key(leaf), static_cast<Index>(plan_.leaves.size()));
  if (fresh) plan_.leaves.push_back(leaf);
  return it->second;
}

Index Graph::node(plan::Node node, source::Span span) {
  const auto [it, fresh] = nodes_.emplace(key(node), static_cast<Index>(plan_.nodes.size()));
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
