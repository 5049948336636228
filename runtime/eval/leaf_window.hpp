// A leaf's window with its ends worked out from the instant and the anchors.
#pragma once

#include "runtime/eval/evaluate.hpp"
#include "runtime/eval/ops.hpp"

namespace signalbox::eval {

struct LeafWindow {
  LeafQuery query;
  // Not `value`: there is no window to ask about, and every known row has this evidence.
  Evidence instead = Evidence::value;
};
LeafWindow resolve(const plan::Leaf& leaf, const Evaluation::Context& context);

}  // namespace signalbox::eval
