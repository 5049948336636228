// Numbers as people read them.
#pragma once

#include <string>

#include "runtime/plan/plan.hpp"

namespace signalbox::analysis {

// "840ms", "5.8s", "52s", "5m46s", "7h12m", "2d6h": two units at most, rounded.
std::string people_time(double seconds);
// "2%", "0.05%", "13.9%": three digits.
std::string percent(double share);
// "99.95%": all digits.
std::string percent(const Rational& share);
// "13.9%", "one in 25000", "under one in a billion".
std::string chance_words(double chance);
// Three digits, for factors and counts.
std::string rounded(double value);
const char* severity_word(plan::Severity severity);

}  // namespace signalbox::analysis
