// Doubles as Go's formatters and so Prometheus write them.
#pragma once

#include <string>

namespace signalbox {

// The shortest digits that give the same double, never with an exponent: where the digits end, zeros stand
// for what a double does not know. NaN, +Inf, -Inf.
std::string decimal_text(double value);
// The same, with an exponent outside 1e-6 to 1e21: as the HTTP API writes values.
std::string api_text(double value);

}  // namespace signalbox
