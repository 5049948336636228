#include "compiler/analysis/words.hpp"

#include <fmt/format.h>

#include <cmath>

namespace signalbox::analysis {

std::string people_time(double seconds) {
  if (!(seconds < 9e13)) return "never";
  if (seconds < 0.9995) return fmt::format("{:.0f}ms", seconds * 1000);
  if (seconds < 9.95) return rounded(std::round(seconds * 10) / 10) + "s";
  if (seconds < 59.5) return fmt::format("{:.0f}s", seconds);
  struct Unit {
    const char *large, *small;
    long long in_large, in_small;  // seconds
  };
  static constexpr Unit units[] = {{"m", "s", 60, 1}, {"h", "m", 3600, 60}, {"d", "h", 86400, 3600}};
  for (const Unit& unit : units) {
    const long long smalls = std::llround(seconds / static_cast<double>(unit.in_small));
    const long long ratio = unit.in_large / unit.in_small;
    // Past the last unit of a kind the next one says it better.
    if (&unit != &units[2] && smalls * unit.in_small >= (&unit + 1)->in_large) continue;
    std::string out = fmt::format("{}{}", smalls / ratio, unit.large);
    if (smalls % ratio != 0) out += fmt::format("{}{}", smalls % ratio, unit.small);
    return out;
  }
  return {};
}

std::string percent(double share) {
  return rounded(share * 100) + "%";
}

std::string percent(const Rational& share) {
  const auto hundredfold = mul(share, Rational(100));
  return hundredfold ? hundredfold->to_string() + "%" : percent(share.to_double());
}

std::string chance_words(double chance) {
  if (chance < 1e-9) return "under one in a billion";
  if (chance >= 0.001) return percent(chance);
  const double once_in = 1 / chance;
  const double digit = std::pow(10, std::floor(std::log10(once_in)) - 1);
  return fmt::format("one in {:.0f}", std::round(once_in / digit) * digit);
}

const char* severity_word(plan::Severity severity) {
  return severity == plan::Severity::page ? "page" : "ticket";
}

std::string rounded(double value) {
  if (value != 0 && (std::abs(value) >= 999.5)) return fmt::format("{:.0f}", value);
  return fmt::format("{:.3g}", value);
}

}  // namespace signalbox::analysis
