// A program of many SLOs whose rules have five shapes, whatever their thresholds, windows and series.
#pragma once

#include <fmt/format.h>

#include <string>

namespace signalbox::tests {

inline std::string five_shapes(int slos) {
  std::string out =
      "tick 1m\nsource s is scrape { url \"http://127.0.0.1:1/metrics\" every 1m  semantics 2 }\n"
      "metric bad_total is counter with (svc)\nmetric req_total is counter with (svc)\nreceiver r is log { "
      "}\n";
  for (int i = 0; i < slos; ++i) {
    const auto series = [&](const char* name) { return fmt::format("{}{{svc=\"i{}\"}}", name, i); };
    const std::string bad = series("bad_total"), all = series("req_total");
    const std::string indicators[] = {
        fmt::format("bad {} of {}", bad, all), fmt::format("good {} of {}", bad, all),
        fmt::format("bad {} of {}", bad, all), fmt::format("good {} of {}", bad, all),
        fmt::format("bad {} of {}", bad, all),
    };
    const std::string floors[] = {"", "", "floor 10 bad", "floor 10 bad", ""};
    out += fmt::format(
        "slo s{0} {{ indicator {1}  objective {2}% over 30d  burn {{ page {3} over 1h & 5m  ticket 2 over 6h "
        "& "
        "30m }}  {4}  page r  ticket r }}\n",
        i, indicators[i % 5], 98 + 0.01 * (i % 190), 5 + i % 7, floors[i % 5]);
  }
  return out;
}

}  // namespace signalbox::tests
