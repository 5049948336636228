#include "cli/vary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "runtime/base/rational.hpp"
#include "runtime/base/time.hpp"

namespace signalbox::cli {
namespace {

constexpr double most_each = 10;  // whole numbers that are all tried
constexpr int spaced = 8;         // else so many values

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos
             ? ""
             : std::string(text.substr(begin, text.find_last_not_of(' ') - begin + 1));
}

// A number and what is glued to it; durations in milliseconds, with "ms".
struct Bound {
  double value = 0;
  std::string unit;  // "", "%", "x" or "ms"
};
std::optional<Bound> bound_of(const std::string& text) {
  if (const auto duration = parse_duration(text)) return Bound{static_cast<double>(duration->ms), "ms"};
  std::string digits = text, unit;
  if (!digits.empty() && (digits.back() == '%' || digits.back() == 'x')) {
    unit = digits.back();
    digits.pop_back();
  }
  const auto exact = Rational::parse_decimal(digits);
  if (!exact) return std::nullopt;
  return Bound{exact->to_double(), unit};
}

std::string value_text(double value, const std::string& unit) {
  if (unit == "ms") return to_string(Duration{std::llround(value)});
  return fmt::format("{:.12g}{}", value, unit);
}

// Two digits, or as many as tell it from its neighbours, `apart` from it.
double rounded(double value, double apart, const std::string& unit, bool whole) {
  if (whole) return std::round(value);
  // A duration to the second, or to the millisecond where it is shorter than ten.
  if (unit == "ms" && apart >= 1)
    return value >= 10'000 && apart >= 2'000 ? std::round(value / 1000) * 1000 : std::round(value);
  const auto two_digits_of = [](double v) { return std::pow(10, 1 - std::floor(std::log10(v))); };
  const double few = two_digits_of(value);
  const double digits = 2 / few <= apart ? few : two_digits_of(apart);
  return std::round(value * digits) / digits;
}

Error wrong(const std::string& text, const std::string& why) {
  return {ErrorCode::invalid_argument, fmt::format("--vary '{}': {}", text, why),
          "write KEY=2..20, KEY=1..10 ticks, KEY=LOW..HIGH by STEP, or KEY=A|B|C"};
}
Error too_many(std::string what, std::size_t most) {
  return {ErrorCode::limit_exceeded, fmt::format("{}: more than {} candidates", what, most),
          "each is a replay: vary fewer things, or in larger steps (by STEP)"};
}

}  // namespace

Result<Dimension> read_dimension(const std::string& text, std::size_t most) {
  const std::size_t equals = text.find('=');
  Dimension out;
  out.key = trimmed(text.substr(0, std::min(equals, text.size())));
  if (equals == std::string::npos || out.key.empty()) return wrong(text, "it is not KEY=VALUES");
  const std::string values = text.substr(equals + 1);
  if (values.find(',') != std::string::npos)
    return wrong(text, "values are separated by |, and each --vary has one KEY");
  const std::size_t dots = values.find("..");
  if (dots == std::string::npos) {
    for (std::size_t at = 0; at <= values.size();) {
      const std::size_t bar = std::min(values.find('|', at), values.size());
      out.values.push_back(trimmed(values.substr(at, bar - at)));
      if (out.values.back().empty()) return wrong(text, "a value is empty");
      if (std::count(out.values.begin(), out.values.end(), out.values.back()) > 1) out.values.pop_back();
      if (out.values.size() > most) return too_many(fmt::format("--vary {}", out.key), most);
      at = bar + 1;
    }
    return out;
  }
  // LOW .. HIGH [by STEP] [WORDS]
  const std::string low_text = trimmed(values.substr(0, dots));
  std::string rest = trimmed(values.substr(dots + 2));
  const auto next_word = [&] {
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    const std::string word = rest.substr(0, blank);
    rest = trimmed(rest.substr(blank));
    return word;
  };
  const std::string high_text = next_word();
  std::optional<Bound> step;
  std::string words;
  while (!rest.empty()) {
    const std::string word = next_word();
    if (word != "by") {
      words += " " + word;
      continue;
    }
    step = bound_of(next_word());
    if (!step || step->value <= 0) return wrong(text, "`by` takes a step above zero");
  }
  auto low = bound_of(low_text);
  const auto high = bound_of(high_text);
  if (!low || !high) return wrong(text, fmt::format("`{}` is no number", low ? high_text : low_text));
  // 0..5m and 2..20%: the unit of the upper end is meant.
  if (low->unit.empty() && (high->unit != "ms" || low->value == 0)) low->unit = high->unit;
  if (low->unit != high->unit) return wrong(text, "both ends have one unit");
  if (step && step->unit.empty()) step->unit = high->unit == "ms" ? "" : high->unit;
  if (step && step->unit != high->unit) return wrong(text, "the step has the unit of both ends");
  if (high->value < low->value) return wrong(text, "the lower end comes first");
  const auto whole_number = [](double v) { return v == std::floor(v); };
  const bool plain = low->unit.empty() && whole_number(low->value) && whole_number(high->value);
  const double span = high->value - low->value;
  const auto push = [&](double value) {
    std::string one = value_text(value, low->unit) + words;
    if (out.values.empty() || out.values.back() != one) out.values.push_back(std::move(one));
  };
  if (span == 0) {
    push(low->value);
    return out;
  }
  if (!step && plain && span < most_each) step = Bound{1, ""};
  if (step) {
    const double count = std::floor(span / step->value + 1e-9) + 1;
    if (count > static_cast<double>(most)) return too_many(fmt::format("--vary {}", out.key), most);
    for (double i = 0; i < count; ++i) push(low->value + i * step->value);
    return out;
  }
  const bool ratios = low->value > 0 && high->value >= 4 * low->value;
  const bool whole = plain && !words.empty();
  for (int i = 0; i < spaced; ++i) {
    const double part = static_cast<double>(i) / (spaced - 1);
    const double value =
        ratios ? low->value * std::pow(high->value / low->value, part) : low->value + part * span;
    const double steps = static_cast<double>(spaced - 1);
    const double apart = ratios ? value * (std::pow(high->value / low->value, 1 / steps) - 1) : span / steps;
    // Both ends as they are written.
    push(i == 0 ? low->value : i == spaced - 1 ? high->value : rounded(value, apart, low->unit, whole));
  }
  return out;
}

Result<std::vector<std::string>> grid_of(const std::vector<Dimension>& dimensions, std::size_t most) {
  std::vector<std::string> out = {""};
  for (const Dimension& d : dimensions) {
    if (out.size() * d.values.size() > most) return too_many("the grid", most);
    std::vector<std::string> longer;
    for (const std::string& before : out)
      for (const std::string& value : d.values)
        longer.push_back(fmt::format("{}{}{}={}", before, before.empty() ? "" : ",", d.key, value));
    out = std::move(longer);
  }
  return out;
}

}  // namespace signalbox::cli
