#include "runtime/base/promql_terms.hpp"

namespace signalbox {
namespace {

struct Row {
  std::string_view name;
  int needs;
  bool counter, gauge;
  int params;
  RangeReads reads;
};
constexpr Row table[] = {
#define FN(name, text, needs, counter, gauge, params, reads) \
  {text, needs, counter, gauge, params, RangeReads::reads},
    SIGNALBOX_RANGE_FUNCTIONS(FN)
#undef FN
};
const Row& row(RangeFn fn) {
  return table[static_cast<int>(fn)];
}

}  // namespace

std::string_view match_op_text(MatchOp op) {
  static constexpr std::string_view texts[] = {"=", "!=", "=~", "!~"};
  return texts[static_cast<int>(op)];
}

std::string_view range_fn_name(RangeFn fn) {
  return row(fn).name;
}
int range_fn_needs(RangeFn fn) {
  return row(fn).needs;
}
bool range_fn_wants_counter(RangeFn fn) {
  return row(fn).counter;
}
bool range_fn_wants_gauge(RangeFn fn) {
  return row(fn).gauge;
}

int range_fn_params(RangeFn fn) {
  return row(fn).params;
}
RangeReads range_fn_reads(RangeFn fn) {
  return row(fn).reads;
}

std::optional<RangeFn> find_range_fn(std::string_view name) {
  for (int i = 0; i < range_fn_count; ++i)
    if (table[i].name == name) return static_cast<RangeFn>(i);
  return std::nullopt;
}

}  // namespace signalbox
