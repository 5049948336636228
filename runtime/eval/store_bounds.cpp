// Leaves over stretches whose values need not be worked out, from windows that are kept for panels.
#include "runtime/eval/bounds.hpp"
#include "runtime/eval/store_provider.hpp"

namespace signalbox::eval {
namespace {

using plan::LeafFn;

Bounds bounded(const store::MovingWindows::Bounds& of) {
  return {Bounds::State::bounded, of.least, of.most};
}

}  // namespace

Rows StoreProvider::read_bounds(const PanelQuery& query, bool values, std::vector<Bounds>& out) {
  const plan::Leaf& leaf = *query.leaf;
  const plan::Window& window = leaf.window;
  const Known& known = known_at(query.selector, query.from - window.offset);
  out.assign(known.ids.size(), {});
  for (std::size_t row = 0; row < known.ids.size(); ++row) {
    Moving* const kept = kept_windows(known.ids[row], query);
    if (kept == nullptr) continue;
    const std::size_t first = grid_tick(query.from) - kept->first;
    if (leaf.fn == LeafFn::range) {
      const auto found = kept->windows.range_bounds(
          {leaf.range_fn, window.length, window.offset, query.semantics}, first, query.ticks);
      if (found) out[row] = bounded(*found);
    } else if (leaf.fn == LeafFn::sample) {
      store::MovingWindows& windows = kept->windows;
      if (!windows.always_has_latest(query.lookback, window.offset, first, query.ticks)) continue;
      out[row] = {Bounds::State::valued, 0, 0};
      if (!values) continue;
      const auto found = windows.latest_bounds(window.offset, first, query.ticks);
      if (found) out[row] = bounded(*found);
    }
  }
  return keeps_name(leaf) ? known.named : known.unnamed;
}

}  // namespace signalbox::eval
