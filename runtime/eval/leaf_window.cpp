#include "runtime/eval/leaf_window.hpp"

#include <algorithm>

namespace signalbox::eval {
namespace {

using Piece = std::pair<Instant, Instant>;

// What is left of `whole` without `spans`, which may overlap and come in any order.
std::vector<Piece> without(Piece whole, std::vector<Piece> spans) {
  std::sort(spans.begin(), spans.end());
  std::vector<Piece> left;
  Instant from = whole.first;
  for (const auto& [first, last] : spans) {
    if (last <= from || first > last) continue;
    if (first >= whole.second) break;
    if (first > from) left.emplace_back(from, first);
    from = last;
  }
  if (from < whole.second) left.emplace_back(from, whole.second);
  return left;
}

}  // namespace

LeafWindow resolve(const plan::Leaf& leaf, const Evaluation::Context& context) {
  using plan::WindowKind;
  LeafWindow out;
  LeafQuery& query = out.query;
  query.leaf = &leaf;
  query.at = context.at;
  query.lookback = context.plan->lookback;
  query.semantics = context.semantics;
  const plan::Window& window = leaf.window;
  const Anchors& anchors = context.anchors;
  const Anchors::Deploy* deploy =
      window.target < anchors.deploys.size() ? &anchors.deploys[window.target] : nullptr;
  // An event later than the instant has not happened yet, as seen from there.
  const bool happened = deploy && deploy->at && *deploy->at <= context.at;
  switch (window.kind) {
    case WindowKind::instant:
      query.at = window.at.value_or(context.at) - window.offset;
      break;
    case WindowKind::trailing:
      query.at = window.at.value_or(context.at) - window.offset;
      query.pieces = {{query.at - window.length, query.at}};
      break;
    case WindowKind::since:
      if (!happened || context.at > *deploy->at + window.length) {
        out.instead = Evidence::outside;
      } else {
        query.pieces = {{*deploy->at, context.at}};
      }
      break;
    case WindowKind::before:
      if (!happened) {
        out.instead = Evidence::outside;
      } else {
        query.pieces = without({*deploy->at - window.length, *deploy->at}, deploy->excluded);
        if (query.pieces.empty()) out.instead = Evidence::no_data;
      }
      break;
    case WindowKind::since_done:
      if (!anchors.done || context.at < *anchors.done) {
        out.instead = Evidence::no_data;
      } else {
        // With a length it is a trailing window that is clipped to what came after.
        const bool clipped = window.length.ms > 0;
        const Instant from = clipped ? std::max(*anchors.done, context.at - window.length) : *anchors.done;
        query.pieces = {{from, context.at}};
      }
      break;
  }
  return out;
}

}  // namespace signalbox::eval
