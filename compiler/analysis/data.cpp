#include <fmt/format.h>

#include "compiler/analysis/checker.hpp"

namespace signalbox::analysis {

using plan::Index;
using plan::WindowKind;
using source::Code;

namespace {

void too_short(Checker& c, source::Span span, Duration length) {
  c.diagnostics.report(
      Code::window_too_short, span,
      fmt::format(
          "a window of {} is under two scrape intervals of {}: it may hold a single sample, and no increase",
          to_string(length), to_string(c.facts.scrape)),
      fmt::format("at least {}", to_string(c.two_scrapes())));
}

// A window is wrong where somebody asks for it: first the comparisons of burns, then the ranges that stand in
// the text.
void check_windows(Checker& c) {
  for (const plan::BurnReading& reading : c.plan.readings) {
    if (c.plan.slos[reading.slo].slices) continue;
    const plan::Window window = window_of(c.plan, reading.total);
    if (window.kind == WindowKind::since_done || window.kind == WindowKind::instant) continue;
    if (window.length >= c.two_scrapes()) continue;
    too_short(c, c.span_of(reading.condition), window.length);
    c.refused.insert(reading.condition);
    for (const Index below : windows_below(c.plan, reading.ratio)) c.refused.insert(below);
  }
  // Rows speak for their own windows.
  std::set<Index> of_rows;
  for (const plan::Slo& slo : c.plan.slos)
    for (const plan::BurnRow& row : slo.rows)
      for (const Index root : {row.condition, row.long_ratio, row.short_ratio})
        for (const Index below : windows_below(c.plan, root)) of_rows.insert(below);
  for (Index i = 0; i < c.plan.nodes.size(); ++i) {
    const plan::Node& node = c.plan.nodes[i];
    if (node.kind != plan::NodeKind::leaf || of_rows.count(i) != 0 || c.refused.count(i) != 0) continue;
    const plan::Leaf& leaf = c.plan.leaves[node.index];
    if (leaf.fn != plan::LeafFn::range || leaf.window.kind != WindowKind::trailing) continue;
    if (leaf.window.length < c.two_scrapes()) too_short(c, c.span_of(i), leaf.window.length);
  }
}

void check_sources(Checker& c) {
  if (c.plan.sources.empty()) {
    if (c.plan.slos.empty() && c.plan.policies.empty()) return;
    c.diagnostics.report(Code::no_source,
                         c.plan.slos.empty() ? c.places.policies[0].name : c.places.slos[0].name,
                         "the program has no source: run live, it would see nothing",
                         "add: source NAME is scrape { url \"http://HOST/metrics\" every 15s }");
    return;
  }
  for (Index i = 0; i < c.plan.sources.size(); ++i) {
    const plan::Source& source = c.plan.sources[i];
    const Duration age = source.every + source.settle;
    if (c.plan.lookback >= age) continue;
    c.diagnostics.report(Code::data_too_old, c.places.sources[i],
                         fmt::format("the latest sample of `{}` may be {} old (every {}, settle {}), and the "
                                     "look-back ends after {}: it is stale before the next comes",
                                     source.name, to_string(age), to_string(source.every),
                                     to_string(source.settle), to_string(c.plan.lookback)),
                         fmt::format("a scrape more often, or lookback {}", to_string(age * 2)));
  }
}

}  // namespace

void check_data(Checker& checker) {
  check_windows(checker);
  check_sources(checker);
}

}  // namespace signalbox::analysis
