// The vocabulary that Signalbox shares with Prometheus: which dialect, how labels are matched, and the
// functions over a range. Tables, from which the parser's names, the checker's rules and the store's
// arithmetic follow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace signalbox {

// Ranges and look-back are closed in Prometheus 2 and left-open in 3; the zero clamp of rate() and increase()
// comes before the half-spacing cut until 2.51 (`prometheus2`, Debian's 2.42) and after it in 3.
enum class Semantics : std::uint8_t { prometheus2 = 2, prometheus3 = 3 };

enum class MatchOp : std::uint8_t { equal, not_equal, regex, not_regex };
std::string_view match_op_text(MatchOp op);  // = != =~ !~

struct Matcher {
  std::string label;
  MatchOp op = MatchOp::equal;
  std::string value;
  auto operator<=>(const Matcher&) const = default;
};

// name, spelling, samples it needs in the window, whether it wants a counter, whether it wants a gauge
#define SIGNALBOX_RANGE_FUNCTIONS(FN)                   \
  FN(rate, "rate", 2, true, false)                      \
  FN(increase, "increase", 2, true, false)              \
  FN(irate, "irate", 2, true, false)                    \
  FN(delta, "delta", 2, false, true)                    \
  FN(idelta, "idelta", 2, false, true)                  \
  FN(resets, "resets", 1, true, false)                  \
  FN(changes, "changes", 1, false, false)               \
  FN(last_over_time, "last_over_time", 1, false, false) \
  FN(avg_over_time, "avg_over_time", 1, false, false)   \
  FN(sum_over_time, "sum_over_time", 1, false, false)   \
  FN(min_over_time, "min_over_time", 1, false, false)   \
  FN(max_over_time, "max_over_time", 1, false, false)   \
  FN(count_over_time, "count_over_time", 1, false, false)

enum class RangeFn : std::uint8_t {
#define FN(name, text, needs, counter, gauge) name,
  SIGNALBOX_RANGE_FUNCTIONS(FN)
#undef FN
};
inline constexpr int range_fn_count = static_cast<int>(RangeFn::count_over_time) + 1;
std::string_view range_fn_name(RangeFn fn);
std::optional<RangeFn> find_range_fn(std::string_view name);
int range_fn_needs(RangeFn fn);
bool range_fn_wants_counter(RangeFn fn);
bool range_fn_wants_gauge(RangeFn fn);

}  // namespace signalbox
