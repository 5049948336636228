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

// What of a window's samples a function reads: its ends and the resets in it, every value, or every sample
// with its time or with parameters.
enum class RangeReads : std::uint8_t { ends, values, samples };

// name, spelling, samples it needs in the window, whether it wants a counter, whether it wants a gauge, how
// many parameters it takes beside the range, what it reads
#define SIGNALBOX_RANGE_FUNCTIONS(FN)                                       \
  FN(rate, "rate", 2, true, false, 0, ends)                                 \
  FN(increase, "increase", 2, true, false, 0, ends)                         \
  FN(irate, "irate", 2, true, false, 0, ends)                               \
  FN(delta, "delta", 2, false, true, 0, ends)                               \
  FN(idelta, "idelta", 2, false, true, 0, ends)                             \
  FN(resets, "resets", 1, true, false, 0, ends)                             \
  FN(changes, "changes", 1, false, false, 0, values)                        \
  FN(last_over_time, "last_over_time", 1, false, false, 0, ends)            \
  FN(avg_over_time, "avg_over_time", 1, false, false, 0, values)            \
  FN(sum_over_time, "sum_over_time", 1, false, false, 0, values)            \
  FN(min_over_time, "min_over_time", 1, false, false, 0, values)            \
  FN(max_over_time, "max_over_time", 1, false, false, 0, values)            \
  FN(count_over_time, "count_over_time", 1, false, false, 0, ends)          \
  FN(present_over_time, "present_over_time", 1, false, false, 0, ends)      \
  FN(stddev_over_time, "stddev_over_time", 1, false, false, 0, values)      \
  FN(stdvar_over_time, "stdvar_over_time", 1, false, false, 0, values)      \
  FN(quantile_over_time, "quantile_over_time", 1, false, false, 1, samples) \
  FN(deriv, "deriv", 2, false, true, 0, samples)                            \
  FN(predict_linear, "predict_linear", 2, false, true, 1, samples)          \
  FN(holt_winters, "holt_winters", 2, false, true, 2, samples)              \
  FN(first_over_time, "first_over_time", 1, false, false, 0, ends)

enum class RangeFn : std::uint8_t {
#define FN(name, text, needs, counter, gauge, params, reads) name,
  SIGNALBOX_RANGE_FUNCTIONS(FN)
#undef FN
};
inline constexpr int range_fn_count = static_cast<int>(RangeFn::first_over_time) + 1;
std::string_view range_fn_name(RangeFn fn);
std::optional<RangeFn> find_range_fn(std::string_view name);
int range_fn_needs(RangeFn fn);
bool range_fn_wants_counter(RangeFn fn);
bool range_fn_wants_gauge(RangeFn fn);
int range_fn_params(RangeFn fn);
inline constexpr int most_range_fn_params = 2;
RangeReads range_fn_reads(RangeFn fn);
// Whether its value is one of the samples, which is still one of its metric.
constexpr bool range_fn_picks(RangeFn fn) {
  return fn == RangeFn::last_over_time || fn == RangeFn::first_over_time;
}

}  // namespace signalbox
