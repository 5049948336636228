// Where a program's declarations stand, for what is found out about its plan afterwards. By index of the
// plan's tables.
#pragma once

#include <vector>

#include "compiler/source/source_text.hpp"

namespace signalbox::source {

struct PolicySpans {
  Span name, when, verify, cooldown, events;
};
struct SloSpans {
  Span name, objective, traffic, burn;
  std::vector<Span> rows;  // in another file when the table comes from a module
  std::vector<Span> defers;
};
struct Places {
  std::vector<SloSpans> slos;
  std::vector<PolicySpans> policies;
  std::vector<Span> targets, sources;
  std::vector<std::vector<Span>> given;  // by rehearsal
  std::vector<Span> origins;             // of Plan::origins
};

}  // namespace signalbox::source
