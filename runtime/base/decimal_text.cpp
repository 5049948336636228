#include "runtime/base/decimal_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace signalbox {
namespace {

std::string special(double v) {
  return std::isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf";
}

std::string scientific(double v) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
  return {buffer, end};
}

}  // namespace

std::string decimal_text(double v) {
  if (!std::isfinite(v)) return special(v);
  std::string text = scientific(v);
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  std::string digits = text.substr(0, e);
  std::erase_if(digits, [](char c) { return c == '-' || c == '.'; });
  text = std::signbit(v) ? "-" : "";
  if (exponent < 0) return text + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const std::size_t whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return text + digits + std::string(whole - digits.size(), '0');
  return text + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string api_text(double v) {
  if (!std::isfinite(v)) return special(v);
  const double size = std::fabs(v);
  return size != 0 && (size < 1e-6 || size >= 1e21) ? scientific(v) : decimal_text(v);
}

}  // namespace signalbox
