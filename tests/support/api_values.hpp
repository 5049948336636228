// Numbers as the Prometheus API writes them.
#pragma once

#include <charconv>
#include <limits>
#include <stdexcept>
#include <string>

namespace signalbox::test {

inline double api_value(const std::string& text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size())
    throw std::invalid_argument("the API says a number that is none: " + text);
  return value;
}

}  // namespace signalbox::test
