// What the comparison is about: hazards of samples, and the functions and operators that read them. A cell of
// the table is one of each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/promql_terms.hpp"

namespace signalbox::parity {

// name, how the table calls it, when a window has it
#define SIGNALBOX_PARITY_HAZARDS(H)                                                                      \
  H(reset, "reset", "a sample below the one before it, both inside")                                     \
  H(gap, "gap", "more than 2.5 times the usual spacing between samples, or to an end of the window")     \
  H(stale_marker, "stale marker", "a marker inside: the series ended, and may have come back")           \
  H(ended, "ended", "the series' very last sample inside, without a marker")                             \
  H(first_sample, "first sample", "the series' very first sample inside")                                \
  H(jitter, "jitter", "spacings that differ by less than a gap")                                         \
  H(duplicate, "duplicate", "a sample that was sent again, with its own or another value")               \
  H(edge_start, "edge start", "a sample exactly at the window's first instant")                          \
  H(edge_end, "edge end", "a sample exactly at the window's last instant")                               \
  H(border, "border", "an end of the window 1.1 spacings from the samples: the border of extrapolation") \
  H(empty, "empty", "no sample inside, of a series that has some")                                       \
  H(few, "few", "one sample or two")                                                                     \
  H(huge, "huge", "a finite value of at least 1e100")                                                    \
  H(tiny, "tiny", "a value below 1e-100 that is not zero, subnormal ones among them")                    \
  H(big_integer, "big integer", "an integer of at least 2^53, finite and below 1e100")                   \
  H(fraction, "fraction", "a value of usual size that is no integer")                                    \
  H(negative, "negative", "a value below zero")                                                          \
  H(zero, "zero", "a counter at zero")                                                                   \
  H(minus_zero, "minus zero", "-0")                                                                      \
  H(not_a_number, "NaN", "NaN")                                                                          \
  H(infinite, "Inf", "an infinity")                                                                      \
  H(flat, "flat", "three samples or more, all of one value")                                             \
  H(missing_bucket, "missing bucket",                                                                    \
    "a bucket of a histogram that lacks others, +Inf among them, or has one twice")                      \
  H(label_churn, "label churn", "begin or end of a series that another one replaces")                    \
  H(odd_length, "odd length", "a window that is no whole number of seconds")

enum class Hazard : std::uint8_t {
#define H(name, text, when) name,
  SIGNALBOX_PARITY_HAZARDS(H)
#undef H
};
struct HazardText {
  std::string_view name, when;
};
inline constexpr HazardText hazards[] = {
#define H(name, text, when) {text, when},
    SIGNALBOX_PARITY_HAZARDS(H)
#undef H
};
inline constexpr std::size_t hazard_count = std::size(hazards);
using HazardSet = std::uint32_t;
constexpr HazardSet bit(Hazard hazard) {
  return HazardSet{1} << static_cast<unsigned>(hazard);
}

#define SIGNALBOX_PARITY_FEATURES(F)          \
  F(rate, "rate")                             \
  F(increase, "increase")                     \
  F(irate, "irate")                           \
  F(delta, "delta")                           \
  F(idelta, "idelta")                         \
  F(resets, "resets")                         \
  F(changes, "changes")                       \
  F(last_over_time, "last_over_time")         \
  F(avg_over_time, "avg_over_time")           \
  F(sum_over_time, "sum_over_time")           \
  F(min_over_time, "min_over_time")           \
  F(max_over_time, "max_over_time")           \
  F(count_over_time, "count_over_time")       \
  F(present_over_time, "present_over_time")   \
  F(stddev_over_time, "stddev_over_time")     \
  F(stdvar_over_time, "stdvar_over_time")     \
  F(quantile_over_time, "quantile_over_time") \
  F(deriv, "deriv")                           \
  F(predict_linear, "predict_linear")         \
  F(holt_winters, "holt_winters")             \
  F(selector, "selector")                     \
  F(offset, "offset")                         \
  F(match_equal, "matcher =")                 \
  F(match_not_equal, "matcher !=")            \
  F(match_regex, "matcher =~")                \
  F(match_not_regex, "matcher !~")            \
  F(sum, "sum")                               \
  F(avg, "avg")                               \
  F(min, "min")                               \
  F(max, "max")                               \
  F(count, "count")                           \
  F(group, "group")                           \
  F(stddev, "stddev")                         \
  F(stdvar, "stdvar")                         \
  F(by, "by")                                 \
  F(without, "without")                       \
  F(add, "+")                                 \
  F(sub, "-")                                 \
  F(mul, "*")                                 \
  F(div, "/")                                 \
  F(mod, "mod")                               \
  F(pow, "^")                                 \
  F(negate, "unary -")                        \
  F(on, "on")                                 \
  F(ignoring, "ignoring")                     \
  F(group_left, "group_left")                 \
  F(group_right, "group_right")               \
  F(quantile, "histogram_quantile")           \
  F(clamp, "clamp")                           \
  F(clamp_min, "clamp_min")                   \
  F(clamp_max, "clamp_max")                   \
  F(abs, "abs")                               \
  F(absent, "absent")                         \
  F(time, "time")                             \
  F(fallback, "default")                      \
  F(quantile_of, "quantile")                  \
  F(topk, "topk")                             \
  F(bottomk, "bottomk")                       \
  F(count_values, "count_values")             \
  F(set_and, "and")                           \
  F(set_or, "or")                             \
  F(set_unless, "unless")                     \
  F(equal, "==")                              \
  F(not_equal, "!=")                          \
  F(less, "<")                                \
  F(less_equal, "<=")                         \
  F(greater, ">")                             \
  F(greater_equal, ">=")                      \
  F(with_bool, "bool")                        \
  F(subquery, "subquery")                     \
  F(fixed_time, "@")                          \
  F(label_replace, "label_replace")           \
  F(label_join, "label_join")                 \
  F(rounding, "ceil floor round sgn")         \
  F(roots, "sqrt exp ln log2 log10")          \
  F(trigonometry, "sin cos tan …")            \
  F(calendar, "minute hour … year")           \
  F(scalar, "scalar")                         \
  F(vector, "vector")                         \
  F(timestamp, "timestamp")                   \
  F(absent_over_time, "absent_over_time")

// The range functions come first, in the order of RangeFn without its last one, which 2.42 does not know;
// aggregates in the order of plan::Aggregate. From `quantile_of` on forms.cpp makes them.
enum class Feature : std::uint8_t {
#define F(name, text) name,
  SIGNALBOX_PARITY_FEATURES(F)
#undef F
};
inline constexpr std::string_view features[] = {
#define F(name, text) text,
    SIGNALBOX_PARITY_FEATURES(F)
#undef F
};
inline constexpr std::size_t feature_count = std::size(features);
inline constexpr int range_features = range_fn_count - 1;
static_assert(static_cast<int>(Feature::selector) == range_features);
class FeatureSet {
 public:
  constexpr FeatureSet() = default;
  constexpr explicit FeatureSet(Feature feature) {
    words_[static_cast<std::size_t>(feature) / 64] = std::uint64_t{1} << static_cast<unsigned>(feature) % 64;
  }
  constexpr bool has(Feature feature) const { return (*this & FeatureSet(feature)).any(); }
  constexpr bool any() const { return (words_[0] | words_[1]) != 0; }
  constexpr FeatureSet& operator|=(const FeatureSet& other) {
    words_[0] |= other.words_[0];
    words_[1] |= other.words_[1];
    return *this;
  }
  friend constexpr FeatureSet operator|(FeatureSet a, const FeatureSet& b) { return a |= b; }
  friend constexpr FeatureSet operator&(const FeatureSet& a, const FeatureSet& b) {
    FeatureSet out;
    out.words_ = {a.words_[0] & b.words_[0], a.words_[1] & b.words_[1]};
    return out;
  }

 private:
  std::array<std::uint64_t, 2> words_{};
};
static_assert(feature_count <= 128);
constexpr FeatureSet bit(Feature feature) {
  return FeatureSet(feature);
}

// Why a function cannot meet a hazard; empty when it can.
std::string_view not_applicable(Feature feature, Hazard hazard);

using Cells = std::array<std::array<std::uint64_t, hazard_count>, feature_count>;

}  // namespace signalbox::parity
