// A program of about so many lines, nine for an SLO, every SLO with metrics and an objective of its own.
#pragma once

#include <fmt/format.h>

#include <string>

namespace signalbox::tests {

inline std::string different_slos(int lines) {
  std::string out =
      "use std.burn\ntick 15s\nsource all is scrape { url \"http://127.0.0.1:9090/metrics\"  every 15s }\n"
      "receiver oncall is log { }\n";
  for (int i = 0; 9 * i < lines; ++i)
    out += fmt::format(R"(
# The service s{0}.
slo availability_{0} per (region) max 50 {{
  about     "Customers of s{0} are served"
  indicator bad http_requests_total{{service="s{0}", code=~"5.."}} of http_requests_total{{service="s{0}"}}
  objective {1}% over 30d
  burn      std.burn.google
  page      oncall
}}
)",
                       i, 98 + 0.01 * (i % 190));
  return out;
}

}  // namespace signalbox::tests
